# The documented examples of each client, run as they are: what they print is compared
# with the tables, their secrets with the server's log, and docs/clients.md with their
# text.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Clients;
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my ($node) = clients_cluster(conf => q{
dualdb.argon2_memory = '19MB'
dualdb.argon2_iterations = 2
log_statement = all
log_parameter_max_length = -1
});
my $password = $DualDB::Test::PASSWORD;

# somebody else has a project, too
my $other = register($node, 'other@example.com', 'Other');
$node->safe_psql('aisales_app', "INSERT INTO app.projects (user_id, name) VALUES ('$other', 'not to be seen')");

# The parameters are logged as well, so that the log shows how secrets came.
foreach my $database ('aisales_auth', 'aisales_app')
{
	$node->safe_psql($database, "ALTER DATABASE $database RESET log_parameter_max_length");
}

sub tells_the_story
{
	my ($example, $email) = @_;
	my ($status, $out, $err) = run_example($example, "$password\n", $email);
	my $told = rows_of($out);
	my $user = $node->safe_psql('aisales_auth', "SELECT u.id FROM auth.users u WHERE u.email = '$email'");

	is($status, 0, "$example ends well") or diag $out, $err;
	isnt($user, '', "$example: the user is there");
	is_deeply($told->{registered}, ["ok $user"], "$example: registered");
	is_deeply($told->{'wrong password'}, ['invalid_credentials'], "$example: a wrong password");
	is_deeply($told->{'logged in'}, ['ok'], "$example: logged in");
	is_deeply($told->{refreshed}, ['ok'], "$example: refreshed");
	is($node->safe_psql('aisales_auth', "SELECT count(DISTINCT t.session_id), count(*) FROM auth.sessions s
			JOIN auth.refresh_tokens t ON t.session_id = s.id WHERE s.user_id = '$user'"), '1|2', "$example: one session, two tokens");
	is_deeply($told->{authenticated}, [$user], "$example: authenticated");
	is_deeply($told->{project}, ['First project'], "$example: the user's own project alone");
	is($node->safe_psql('aisales_app', "SELECT p.name FROM app.projects p WHERE p.user_id = '$user'"), 'First project',
		"$example: and it is there");
	is_deeply($told->{afterwards}, ['nobody, 0'], "$example: nobody after the transaction");
	is_deeply($told->{'wrong token'}, ['28000'], "$example: a wrong token");
	return;
}

# Did the calls come with bind parameters?
sub secrets_are_bound
{
	my ($example, $log) = @_;

	like($log, qr/auth\.login\(\$1, \$2\)/, "$example: login by parameters");
	like($log, qr/auth\.refresh\(\$1\)/, "$example: refresh by parameters");
	like($log, qr/dualdb\.authenticate\(\$1\)/, "$example: authenticate by parameters");
	unlike($log, qr/(?:auth\.\w+|dualdb\.authenticate)\('/, "$example: no literals");
	return;
}

foreach my $example ('psql.sql', 'psycopg_example.py', 'asyncpg_example.py', 'node_postgres.js', 'Jdbc.java')
{
	my $client = $example =~ s/(?:_example)?\.\w+\z//r;

	SKIP:
	{
		my $missing = $client eq 'psql' ? undef : missing_package($client);
		skip "$example: $missing is not installed", 1 if $missing;

		my $start = -s $node->logfile;
		tells_the_story($example, "$client\@example.com");
		my $log = slurp_file($node->logfile, $start);
		if ($client eq 'psql')
		{
			like($log, qr/auth\.login\('\*\*\*', '\*\*\*'\)/, 'control: psql sends literals, which the log has not');
		}
		else
		{
			secrets_are_bound($example, $log);
		}
		unlike($log, qr/\Q$password\E|ddbr_|eyJ/, "$example: no secret in the log");
	}
}

SKIP:
{
	my ($version) = (run_command([ 'psql', '--version' ]))[0] =~ /(\d+)/;
	skip "psql_bind.sql: psql $version has no \\bind", 1 if $version < 16;

	my $start = -s $node->logfile;
	my ($status, $out, $err) = run_example('psql_bind.sql', "$password\n", 'psql@example.com');
	my $told = rows_of($out);
	my $log = slurp_file($node->logfile, $start);

	is_deeply($told->{'logged in'}, ['ok'], 'psql_bind.sql: logged in') or diag $err;
	is_deeply($told->{project}, ['First project'], 'psql_bind.sql: the project of the user');
	like($log, qr/auth\.login\(\$1, \$2\)/, 'psql_bind.sql: login by parameters');
	unlike($log, qr/(?:auth\.login|dualdb\.authenticate)\('/, 'psql_bind.sql: no literals');
}

# One prepared statement, many identities: three users in turn, more often than it takes
# a plan to become a generic one.
my %name_of = map { register($node, "$_\@example.com", $_) => "project of $_" } 'ann', 'bob', 'eve';
$node->safe_psql('aisales_app', "INSERT INTO app.projects (user_id, name) VALUES ('$_', '$name_of{$_}')") foreach keys %name_of;
my @tokens = map { (login_tokens($node, "$_\@example.com"))[0] } 'ann', 'bob', 'eve';
my $expected = join '', map { "$_ $name_of{$_}\n" } sort keys %name_of;

foreach my $example ('psycopg_prepared.py', 'asyncpg_pool.py')
{
	SKIP:
	{
		my $missing = missing_package($example =~ s/_.*//r);
		skip "$example: $missing is not installed", 1 if $missing;

		foreach my $plan ('auto', 'force_generic_plan', 'force_custom_plan')
		{
			$node->safe_psql('postgres', "ALTER ROLE backend_user SET plan_cache_mode = $plan");
			my $start = -s $node->logfile;
			my ($status, $out, $err) = run_example($example, join("\n", (@tokens) x 20));

			is($status, 0, "$example, $plan: ends well") or diag $err;
			is(scalar(split /\n/, $out), 60, "$example, $plan: an answer for each request");
			is(join('', map { "$_\n" } sort { $a cmp $b } keys %{ { map { $_ => 1 } split /\n/, $out } }), $expected,
				"$example, $plan: each user sees the own project only");
			like(slurp_file($node->logfile, $start), qr/execute \w+: SELECT p\.name/, "$example, $plan: control: by a prepared statement");
		}
		$node->safe_psql('postgres', 'ALTER ROLE backend_user RESET plan_cache_mode');
	}
}

# What a pipeline is for: what libpq sends is sent before it reads an answer.
SKIP:
{
	my $missing = missing_package('psycopg');
	skip "a pipeline: $missing is not installed", 1 if $missing;

	local $ENV{PYTHONPATH} = $DualDB::Clients::FOLDER;
	local $ENV{PYTHONDONTWRITEBYTECODE} = 1;
	foreach my $call ([ 'projects(app, token)', 1 ], [ 'add_project(app, token, "Second project")', 4 ])
	{
		my ($what, $round_trips) = @$call;
		my ($out, $err) = ('', '');

		IPC::Run::run([ 'python3', '-c', qq{
import os, sys, psycopg_example
token = sys.stdin.readline().strip()
with psycopg_example.connect(os.environ["APP_DATABASE_URL"]) as app:
    app.pgconn.trace(1)
    psycopg_example.$what
    app.pgconn.untrace()
} ], '<', \$tokens[0], '>', \$out, '2>', \$err);
		# lines with F for what goes to the server, then with B for what comes back
		is(scalar(() = $out =~ /\tB\t.*\n(?!.*\tB\t)/g), $round_trips, "$what: round trips") or diag $err;
	}
}

# What docs/clients.md shows is what has been run here.
my $guide = slurp_file("$FindBin::RealBin/../../docs/clients.md");
my $excerpts = 0;
while ($guide =~ m{^<!-- from test/clients/(\S+) -->\n```\w*\n(.*?)^```$}msg)
{
	my ($example, $excerpt) = ($1, $2);

	$excerpts++;
	ok(index(example_text($example), $excerpt) >= 0, "an excerpt in docs/clients.md is of $example") or diag $excerpt;
}
cmp_ok($excerpts, '>=', 8, 'control: there are excerpts');
is(scalar(() = $guide =~ /^```(?:sql|python|js|java|ini)$/mg), $excerpts, 'and no code that is not run');
foreach my $file (glob DualDB::Clients::example('*'))
{
	my ($name) = $file =~ m{([^/]+)\z};

	like($guide, qr/\Q$name\E/, "docs/clients.md names $name");
}

done_testing();
