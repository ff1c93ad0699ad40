# What a refusal says: one message to the client and a reason in the server's log,
# and in neither of them any part of the token.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Signer;
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

# the log is to have what a server logs by default, and no statement as such
my $node = new_cluster('refusal', conf => "log_statement = none\n");
my $signer = DualDB::Signer->new;
my $stranger = DualDB::Signer->new($signer->{issuer}, $signer->kid);
$node->safe_psql('postgres',
	'CREATE EXTENSION dualdb; ' . $signer->trust_sql);
my $valid = $signer->token;

# The errors are not caught here, so that the server logs them.
my $marker = 'MARKERmarker';
my @planted = (
	$stranger->token(sub => qq("$marker")),
	$signer->token(sub => qq("$marker"), exp => 1),
	$signer->token(sub => qq("$marker"), aud => qq("$marker")),
	$signer->token($marker => qq("$marker"), exp => qq("$marker")),
	$signer->sign($signer->header(kid => qq("$marker")), $signer->claims),
	$signer->sign($signer->header(alg => qq("$marker")), $signer->claims),
	$signer->sign($signer->header, qq({"sub":"$marker",})),
	$signer->sign($signer->header, qq({"sub":"$marker\\ud800"})),
	$signer->sign(qq({"$marker":"$marker"), $signer->claims),
	"$marker.$marker.$marker",
	$marker,
	"$valid.$marker");
my @statements = map {
	my $token = $_;

	"SELECT dualdb.jwt_verify('$token')",
	  "SELECT dualdb.authenticate('$token')",
	  "SELECT dualdb.authenticate_session('$token')",
	  "DO \$\$ BEGIN PERFORM dualdb.authenticate('$token'); END \$\$",
	  "EXECUTE verify('$token')"
} @planted;
$node->psql(
	'postgres',
	join(
		";\n",
		# what the client said itself it may see again
		"\\set SHOW_CONTEXT never\nSET log_error_verbosity = verbose",
		'PREPARE verify(text) AS SELECT dualdb.jwt_verify($1)',
		'SELECT 1/0 AS statement_that_is_logged', @statements),
	on_error_stop => 0,
	stderr => \my $errors);
my $log = slurp_file($node->logfile);
my @refusals = $errors =~ /ERROR:  token is not valid$/mg;
is(scalar @refusals, scalar @statements, 'every statement is refused');
@refusals = $log =~ /ERROR:  28000: token is not valid$/mg;
is(scalar @refusals, scalar @statements, 'and every refusal is logged');
like($log, qr/statement_that_is_logged/, 'as are other failing statements');
like($log, qr/DETAIL:  The token has expired\.$/m, 'the reason is logged');
unlike($errors, qr/DETAIL|HINT/, 'which the client is not told');

# what a part of a token looks like in the log, should it be there
my %parts = map { $_ => 1 } $marker, $signer->kid,
  map { /(.{1,24})/g } map { split /\./ } @planted;
my @found = grep { length >= 12 && index($log, $_) >= 0 } sort keys %parts;
is("@found", '', 'the log has no part of a token');
@found = grep { length >= 12 && index($errors, $_) >= 0 } sort keys %parts;
is("@found", '', 'nor have the messages');

# JSON is UTF-8.  Where the database is not, no token is taken, nor logged.
$node->safe_psql('postgres',
	q{CREATE DATABASE latin1 ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0}
);
$node->safe_psql('latin1', 'CREATE EXTENSION dualdb; ' . $signer->trust_sql);
my @functions = ('jwt_verify', 'authenticate', 'authenticate_session');
$node->psql(
	'latin1',
	join("\n",
		'\set VERBOSITY verbose',
		map { "SELECT dualdb.$_('$valid');" } @functions),
	on_error_stop => 0,
	stderr => \$errors);
my @encoding =
  $errors =~
  /^psql\S* ERROR:  0A000: tokens require a database with encoding UTF8$/mg;
is( scalar @encoding,
	scalar @functions,
	'no token in a database with another encoding');
ok(index(slurp_file($node->logfile), $valid) < 0, 'nor is it logged there');

done_testing();
