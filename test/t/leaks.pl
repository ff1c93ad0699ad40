# With a server's default settings: no password and no token in the log of what goes
# wrong inside, nor in what other sessions see of a running statement.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

# the test framework logs every statement; a server does not by default
my $node = auth_app_cluster('main', conf => "log_statement = none");
register($node, 'ann@example.com', 'Ann');
my ($token, $refresh_token) = login_tokens($node, 'ann@example.com');

# errors of ours, with the secret as a literal in the statement
sub fails_quietly
{
	my ($database, $role, $sql, $secret, $expected, $name) = @_;
	my $offset = -s $node->logfile;
	error_is($node, $database, $role, $sql, $expected, $name);
	my $log = slurp_file($node->logfile, $offset);
	like($log, qr/ERROR/, "$name: the error is in the log");
	unlike($log, qr/\Q$secret\E/, "$name: the secret is not");
	return;
}

# control: an error of the server's own does show it
my $offset = -s $node->logfile;
psql_error($node, 'aisales_auth', 'auth_login', "SELECT no_such_function('planted secret')");
like(slurp_file($node->logfile, $offset), qr/planted secret/, 'control: the log shows statements that fail');

fails_quietly('aisales_app', 'app_login', "SELECT dualdb.authenticate('planted secret')", 'planted secret',
	qr/^28000/, 'a bad token');
fails_quietly('aisales_app', 'app_login', "SELECT dualdb.jwt_verify('${token}x')", $token, qr/^28000/, 'a token with one more character');
fails_quietly('aisales_auth', 'auth_login', "SELECT dualdb.hash_password(repeat('planted secret', 100))", 'planted secret',
	qr/^22023/, 'a long password');
fails_quietly('aisales_auth', 'auth_login', "SELECT dualdb.verify_password('planted secret', 'x')", 'planted secret',
	qr/^22023/, 'an unrecognized hash');
$node->safe_psql('postgres', "ALTER SYSTEM SET dualdb.key_file = '/nonexistent'");
$node->reload;
$node->poll_query_until('aisales_auth', "SELECT dualdb.setting('key_file') = '/nonexistent'") or die;
fails_quietly('aisales_auth', 'auth_login', "SELECT * FROM auth.login('ann\@example.com', 'planted secret')", 'planted secret',
	qr/^F0000/, 'a login without the key file');
fails_quietly('aisales_auth', 'auth_login', "SELECT * FROM auth.refresh('$refresh_token')", $refresh_token,
	qr/^F0000/, 'a refresh without the key file');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET dualdb.key_file');
$node->reload;
$node->poll_query_until('aisales_auth', "SELECT dualdb.setting('key_file') <> '/nonexistent'") or die;
$node->safe_psql('aisales_auth', "UPDATE auth.signing_keys SET sealed_key = 'x' WHERE status = 'active'");
fails_quietly('aisales_auth', 'auth_login', "SELECT * FROM auth.login('ann\@example.com', '$DualDB::Test::PASSWORD')",
	$DualDB::Test::PASSWORD, qr/^XX001/, 'a login with a damaged signing key');
$node->safe_psql('aisales_auth', "DELETE FROM auth.signing_keys");
fails_quietly('aisales_auth', 'auth_login', "SELECT * FROM auth.login('ann\@example.com', '$DualDB::Test::PASSWORD')",
	$DualDB::Test::PASSWORD, qr/^55000/, 'a login without a signing key');

# what another session of the same role sees
foreach my $case (
	[ 'aisales_app', 'app_login', "SELECT dualdb.authenticate('$token')", $token ],
	[ 'aisales_auth', 'auth_login', "SELECT status FROM auth.login('ann\@example.com', 'planted secret')", 'planted secret' ],
	[ 'aisales_auth', 'auth_login', "SELECT status FROM auth.refresh('planted secret')", 'planted secret' ],
	[ 'aisales_auth', 'auth_login', "SELECT dualdb.hash_password('planted secret')", 'planted secret' ])
{
	my ($database, $role, $sql, $secret) = @$case;
	my ($in, $out, $err) = ('', '', '');
	my $session = IPC::Run::start(
		[ 'psql', '-XAtq', '-U', $role, '-d', $node->connstr($database) ],
		'<', \$in, '>', \$out, '2>', \$err, IPC::Run::timeout(60));
	my $see = "SELECT string_agg(a.query, ' ') FROM pg_stat_activity a WHERE a.usename = '$role' AND a.pid <> pg_backend_pid()";
	$in .= "SELECT 'seen', '$secret';\n";
	IPC::Run::pump($session) until $out =~ /seen/;
	like((psql_as($node, $database, $role, $see))[1], qr/\Q$secret\E/, 'control: another session sees a statement');
	$in .= "$sql;\n\\echo done\n";
	IPC::Run::pump($session) until $out =~ /done/;
	my $seen = (psql_as($node, $database, $role, $see))[1];
	like($seen, qr/hidden by dualdb/, substr($sql, 0, 30) . ': the statement is hidden');
	unlike($seen, qr/\Q$secret\E/, substr($sql, 0, 30) . ': and with it the secret');
	$in .= "\\q\n";
	IPC::Run::finish($session);
}

done_testing();
