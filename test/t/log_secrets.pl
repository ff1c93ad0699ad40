# With all logging turned on: no secret reaches the log, pg_stat_activity or
# pg_stat_statements by way of this extension's functions.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster(
	'main', conf => q{
shared_preload_libraries = 'dualdb, auto_explain, pg_stat_statements'
log_statement = all
log_min_duration_statement = 0
log_parameter_max_length = -1
log_parameter_max_length_on_error = -1
log_min_messages = debug1
log_min_error_statement = debug1
auto_explain.log_min_duration = 0
auto_explain.log_analyze = on
auto_explain.log_verbose = on
auto_explain.log_nested_statements = on
pg_stat_statements.track = all
dualdb.refresh_grace = 10
});
set_up_auth($node);
set_up_app($node);
$node->safe_psql('aisales_auth', 'CREATE EXTENSION pg_stat_statements');
# what the setup turns off for servers that do not preload the library
foreach my $database ('aisales_auth', 'aisales_app')
{
	is($node->safe_psql($database, 'SHOW log_parameter_max_length'), '0', "parameters are not logged in $database");
	$node->safe_psql($database, "ALTER DATABASE $database RESET ALL");
}
$node->safe_psql('aisales_app', 'SELECT dualdb.sync()');

# what must not be seen: planted, or made on the way
my %secret = (
	password => 'planted password one', wrong => 'planted wrong password',
	new_password => 'planted password two', told => 'planted told password', reset_password => 'planted password three');
my $start = -s $node->logfile;

sub call
{
	my ($database, $role, $sql) = @_;
	my ($status, $out, $err) = psql_as($node, $database, $role, $sql);
	return split /\|/, $out, -1;
}
sub auth { return call('aisales_auth', 'auth_login', shift); }

# as literals
my ($status, $user) = auth("SELECT * FROM auth.register_user('ann\@example.com', '$secret{password}', 'Ann')");
is($status, 'ok', 'registered');
auth("SELECT * FROM auth.login('ann\@example.com', '$secret{wrong}')");
($status, undef, undef, @secret{ 'access', 'refresh' }) =
  auth("SELECT * FROM auth.login('ann\@example.com', \$pw\$$secret{password}\$pw\$)");
is($status, 'ok', 'logged in');
$node->safe_psql('aisales_app', 'SELECT dualdb.sync()');
($status, undef, undef, @secret{ 'access2', 'refresh2' }) = auth("SELECT * FROM auth.refresh('$secret{refresh}')");
is($status, 'ok', 'refreshed');
is((call('aisales_app', 'app_login', "SELECT dualdb.authenticate('$secret{access2}')"))[0], $user, 'authenticated');
is((auth("SELECT * FROM auth.logout('$secret{refresh2}')"))[0], 'ok', 'logged out');
auth("SELECT * FROM auth.change_password('$user', '$secret{password}', '$secret{new_password}')");
(undef, $secret{reset}) = auth("SELECT * FROM auth.request_password_reset('ann\@example.com')");
is((auth("SELECT * FROM auth.reset_password('$secret{reset}', '$secret{reset_password}')"))[0], 'ok', 'reset');
(undef, undef, $secret{api_key}) = auth("SELECT * FROM auth.create_api_key('$user', 'key', '{orders:read}')");
is((auth("SELECT * FROM auth.verify_api_key('$secret{api_key}')"))[0], 'ok', 'API key verified');
(undef, $secret{exchanged}) = auth("SELECT * FROM auth.exchange_api_key('$secret{api_key}')");
(undef, $secret{totp}) = auth("SELECT * FROM auth.enroll_totp('$user')");
(undef, $secret{email}) = auth("SELECT * FROM auth.request_email_verification('$user')");
is((auth("SELECT * FROM auth.verify_email('$secret{email}')"))[0], 'ok', 'address verified');
$secret{hash} = $node->safe_psql('aisales_auth', 'SELECT password_hash FROM auth.users');

# with errors in the middle, in the statement and in what it calls
auth("SELECT auth.login('ann\@example.com', '$secret{password}', 'no address'::inet)");
auth("SELECT auth.login('ann\@example.com', '$secret{password}'), 1 / 0");
auth("SELECT auth.no_such_function('$secret{password}')");
auth("BEGIN; SELECT auth.login('ann\@example.com', '$secret{wrong}'); SELECT auth.login(");
auth("SELECT auth.register_user('b\@example.com', '$secret{password}', 'B'), auth.issue_tokens('x')");
auth("DO \$\$ BEGIN PERFORM auth.login('a', '$secret{wrong}'); END \$\$");
auth("PREPARE p (text, text) AS SELECT (auth.login(\$1, \$2)).status; EXECUTE p('ann\@example.com', '$secret{wrong}')");
call('aisales_app', 'app_login', "SELECT dualdb.authenticate('$secret{access}x')");
call('aisales_app', 'app_login', "SELECT dualdb.no_such_function('$secret{access}')");

auth("SET client_min_messages = log; SELECT auth.login('ann\@example.com', '$secret{wrong}')");
auth("PREPARE p AS SELECT (auth.login(\$1, \$2, \$3::text::inet)).status; EXECUTE p('a', '$secret{wrong}', 'x')");
my $prepare = 'PREPARE p AS SELECT (auth.login($1, $2, $3::text::inet)).status';
auth("$prepare; $_") foreach "/* as p */ EXECUTE p('a', '$secret{wrong}', 'x')", "SELECT 1\\; EXECUTE p('a', '$secret{wrong}', 'x')",
  "EXPLAIN ANALYZE EXECUTE p('a', '$secret{wrong}', 'x')";
auth("SELECT U&\"\\0061uth\".U&\"l\\006fgin\"('a', '$secret{wrong}')");

# in a statement within a statement that does not say so: a context quotes it
$node->safe_psql('aisales_auth', "CREATE TABLE public.told (password text); INSERT INTO public.told /* auth.login */ VALUES ('$secret{told}')" . q{;
	CREATE FUNCTION public.tell(more text) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		v_status text;
	BEGIN
		EXECUTE format('SELECT (auth.login(''nobody@example.com'', %L)).status %s', (SELECT t.password FROM public.told t), more) INTO v_status;
		RETURN v_status;
	END $$});
is($node->safe_psql('aisales_auth', q{SELECT public.tell('')}), 'invalid_credentials', 'within another statement');
error_is($node, 'aisales_auth', scalar getpwuid($<), q{SELECT public.tell(', 1 / 0')}, qr/^22012/, 'with an error');
error_is($node, 'aisales_auth', scalar getpwuid($<), q{SELECT public.tell(', planted_column')}, qr/^42703/, 'with another one');

# as bind parameters
my $script = $node->basedir . '/bind.sql';
open my $file, '>', $script or die $!;
print $file "SELECT (auth.login('ann\@example.com', :pw)).status;\nSELECT (auth.login('nobody\@example.com', :pw)).status;\n",
  "SELECT auth.logout(:token);\nSELECT dualdb.verify_password(:pw, 'x');\n";
close $file;
foreach my $mode ('extended', 'prepared')
{
	run_command([
			'pgbench', '-n', '-t', '1', '-M', $mode, '-f', $script, '-D', "pw=$secret{reset_password}", '-D',
			"token=$secret{refresh}", '-U', 'auth_login', '-h', $node->host, '-p', $node->port, 'aisales_auth' ]);
}

# control: the same statements of anybody else's functions are in the log
psql_as($node, 'aisales_app', 'app_login', "SELECT length('planted control')");
psql_as($node, 'aisales_app', 'app_login', "SELECT 'planted executed' AS not_executed, 1 / 0");
my $log = slurp_file($node->logfile, $start);
like($log, qr/planted control/, 'control: literals are logged');
like($log, qr/STATEMENT:  SELECT 'planted executed'/, 'control: so are statements with an error');
like($log, qr/auth\.login\('\*\*\*'/, "control: statements of ours are logged without theirs");
like($log, qr/Query Text: .*auth\.login/, 'control: auto_explain logs them, too');
like($log, qr/[Pp]arameters: \$1 = '\*\*\*'/, 'control: and so are parameters');
cmp_ok(scalar(keys %secret), '>=', 14, 'there are secrets to look for');
foreach my $name (sort keys %secret)
{
	ok(length($secret{$name} // '') > 10, "control: $name is known");
	unlike($log, qr/\Q$secret{$name}\E/, "$name is not in the log");
	is($node->safe_psql('aisales_auth', 'SELECT count(*) FROM pg_stat_activity a WHERE strpos(a.query, '
			  . "left('$secret{$name}', 500) ) > 0 AND a.pid <> pg_backend_pid()"), '0', "$name is not in pg_stat_activity");
}
my $statements = $node->safe_psql('aisales_auth', 'SELECT query FROM pg_stat_statements');
like($statements, qr/auth\.login/, 'control: pg_stat_statements has the statements');
my @left = grep { index($statements, $secret{$_}) >= 0 } sort keys %secret;
is("@left", '', 'but not the secrets');

done_testing();
