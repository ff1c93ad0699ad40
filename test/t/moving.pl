# From one database to two, and on to two servers: one story with data in place.
# The application's statements stay the same, and so do their results.

use strict;
use warnings FATAL => 'all';

use File::Copy qw(copy);
use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $conf = "dualdb.argon2_memory = '19MB'\ndualdb.argon2_iterations = 2\ndualdb.refresh_grace = 1\n";
my $one = new_cluster('one', conf => $conf);
set_up_single($one);
my $superuser = getpwuid($<);
my $password = $DualDB::Test::PASSWORD;

# where schema auth is in use now
my ($node, $database) = ($one, 'aisales');

sub app { return $one->safe_psql('aisales', shift); }
sub owner { return $node->safe_psql($database, shift); }

sub auth
{
	my ($sql) = @_;
	my ($status, $out, $err) = psql_as($node, $database, 'auth_login', $sql);
	is($status, 0, 'no error') or diag "$sql\n$err";
	return $out;
}

# A session that stays.
sub start_session
{
	my ($session_database, $role) = @_;
	my %s = (in => '', out => '', err => '');
	$s{run} = IPC::Run::start([ 'psql', '-XAtq', '-U', $role, '-d', $one->connstr($session_database) ],
		'<', \$s{in}, '>', \$s{out}, '2>', \$s{err}, IPC::Run::timeout(300));
	return \%s;
}

sub send_sql
{
	my ($s, $sql) = @_;
	$s->{out} = '';
	$s->{in} .= "$sql;\n\\echo end of answer\n";
	IPC::Run::pump_nb($s->{run}) while length $s->{in};
	return;
}

sub answer
{
	my ($s) = @_;
	IPC::Run::pump($s->{run}) until $s->{out} =~ s/end of answer\n//;
	return $s->{out} =~ s/\n$//r;
}
sub ask { send_sql(@_); return answer($_[0]); }

# So many wait for the directory.
sub waiting_is
{
	my ($n) = @_;
	$one->poll_query_until('aisales', "SELECT count(*) = $n FROM pg_stat_activity
		WHERE datname = 'aisales' AND wait_event_type = 'Lock' AND wait_event = 'relation'")
	  or die "$n do not wait";
	return;
}

# Users of all kinds, with all that they can have.
my %user;
$user{$_} = auth("SELECT user_id FROM auth.register_user('$_\@example.com', '$password', '" . ucfirst . "')")
  foreach qw(ann bob carl dora idle gone erased);
auth("SELECT auth.create_role('editor', '{orders:read}'); SELECT auth.grant_role('$user{ann}', 'editor');
	SELECT auth.set_user_active('$user{idle}', false)");
my ($secret) = auth("SELECT secret FROM auth.enroll_totp('$user{bob}')");
is(auth("SELECT status FROM auth.confirm_totp('$user{bob}', '" . totp_code($secret) . "')"), 'ok', 'a second factor');
my $api_key = auth("SELECT api_key FROM auth.create_api_key('$user{carl}', 'key', '{}')");
my $projects = join ', ', map { "('p_$_', '$user{$_}', 'Project of $_')" } sort keys %user;
app("INSERT INTO app.projects (id, user_id, name) VALUES $projects;
	INSERT INTO app.orders (project_id, user_id, total) SELECT p.id, p.user_id, n FROM app.projects p, generate_series(1, 20) n;
	INSERT INTO app.messages (project_id, user_id, body) SELECT p.id, p.user_id, 'x' FROM app.projects p;
	INSERT INTO app.api_logs (project_id, method, path) SELECT p.id, 'GET', '/' FROM app.projects p");
owner("UPDATE auth.users SET deleted_at = now() WHERE id = '$user{gone}'");
auth("SELECT auth.erase_user('$user{erased}'); SELECT FROM auth.login('ann\@example.com', 'wrong')");

sub tokens { return split /\|/, auth("SELECT access_token, refresh_token FROM auth.login('$_[0]\@example.com', '$password')"); }
my ($token, $refresh_token) = tokens('ann');
my ($ended) = tokens('ann');
auth("SELECT auth.logout('" . (tokens('ann'))[1] . "', 'others')");
($token, $refresh_token) = tokens('ann');
my %token_of = map { ($_ => (tokens($_))[0]) } 'carl', 'dora';

# What the application says, in every phase.
my @statements = (
	[ 'app_login', 'SELECT p.name, u.email, u.display_name, u.is_active FROM app.projects p JOIN app.users u ON u.id = p.user_id ORDER BY p.id' ],
	[ 'app_login', 'SELECT u.display_name, sum(o.total) FROM app.orders o LEFT JOIN app.users u ON u.id = o.user_id GROUP BY 1 ORDER BY 1' ],
	[ 'app_login', "SELECT id, is_active FROM app.users WHERE lower(email COLLATE \"C\") = 'ann\@example.com'" ],
	[ 'app_login', 'SELECT count(*), count(email), count(*) FILTER (WHERE is_active) FROM app.users' ],
	[ 'app_login', "BEGIN; INSERT INTO app.orders (project_id, user_id, total) VALUES ('p_ann', '$user{ann}', 99) RETURNING total; ROLLBACK" ],
	[ 'app_login', 'DO $$BEGIN PERFORM pg_advisory_xact_lock(1); END$$; CREATE TEMPORARY TABLE t AS SELECT id FROM app.users; SELECT count(*) FROM t' ],
	[ 'app_login', "SELECT dualdb.jwt_verify('$token') ->> 'sub', jsonb_array_length(dualdb.jwks() -> 'keys')" ],
	[ 'app_user_login', "BEGIN; SELECT dualdb.authenticate('$token'); SELECT p.name, u.display_name, dualdb.has_role('editor'), (SELECT count(*) FROM app.orders)
		FROM app.projects p JOIN app.users u ON u.id = p.user_id; COMMIT" ],
	[ 'app_user_login', 'SELECT count(*) FROM app.orders' ],
	[ 'app_user_login', 'SELECT email FROM app.users' ],
	[ 'app_user_login', "SELECT dualdb.authenticate('$ended')" ],
	[ 'app_reader_login', 'SELECT count(*), sum(total) FROM app.orders' ],
	[ 'app_reader_login', "INSERT INTO app.projects (user_id, name) VALUES ('x', 'x')" ]);

sub answers
{
	return [
		map {
			my ($status, $out, $err) = psql_as($one, 'aisales', $_->[0], "\\set VERBOSITY sqlstate\n$_->[1]");
			"$_->[1]: $status $out " . ($err =~ /(ERROR:.*)/ ? $1 : '');
		} @statements
	];
}

# All rows of a schema, a line for each table.
sub rows_of
{
	my ($rows_node, $rows_database, $schema) = @_;
	my @tables = split /\n/, $rows_node->safe_psql($rows_database, "SELECT c.oid::regclass FROM pg_class c
		WHERE c.relnamespace = '$schema'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname NOT IN ('schema_version', 'users', 'common_passwords') ORDER BY c.oid::regclass::text");
	push @tables, 'auth.users' if $schema eq 'auth';
	return $rows_node->safe_psql($rows_database,
		join ';', map { "SELECT '$_', count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM $_ t" } @tables);
}

my $answers = answers();
like($answers->[0], qr/Project of ann\|ann\@example.com\|Ann\|t\n.*Project of bob.*\nProject of erased\|\|\|f\nProject of gone\|\|\|f\n.*Idle\|f/s,
	'the directory shows users of all kinds');
like($answers->[7], qr/Project of ann\|Ann\|t\|20 /, 'and a user their own rows');
like($answers->[9], qr/ERROR:  42501/, 'not the addresses of others');
like($answers->[10], qr/ERROR:  28000/, 'and a token of a session that has ended is refused');
my $app_rows = rows_of($one, 'aisales', 'app');
my $session = start_session('aisales', 'app_user_login');
my $mine = 'SELECT p.name, u.display_name FROM app.projects p JOIN app.users u ON u.id = p.user_id';
ask($session, "SELECT dualdb.authenticate_session('$token'); PREPARE mine AS $mine");
is(ask($session, 'EXECUTE mine'), 'Project of ann|Ann', 'a session with a prepared statement');

# What is true in every phase.
sub phase_ok
{
	my ($phase) = @_;
	is_deeply(answers(), $answers, "$phase: the application's statements have the same results");
	is(rows_of($one, 'aisales', 'app'), $app_rows, "$phase: and its rows are the same");
	is(ask($session, 'EXECUTE mine'), 'Project of ann|Ann', "$phase: a session of before goes on");

	my ($status, $fresh) = split /\|/, auth("SELECT status, access_token, refresh_token FROM auth.refresh('$refresh_token')"), 2;
	is($status, 'ok', "$phase: a refresh token of before is exchanged");
	($fresh, $refresh_token) = split /\|/, $fresh // '|';
	is(app("SELECT dualdb.jwt_verify('$fresh') ->> 'sub'"), $user{ann}, "$phase: for a token that the app side knows");
	is(auth("SELECT user_id FROM auth.login('ann\@example.com', '$password')"), $user{ann}, "$phase: login, and the same id");
	is(auth("SELECT status FROM auth.login('idle\@example.com', '$password')"), 'invalid_credentials', "$phase: who is inactive stays out");
	owner('UPDATE auth.totp_factors SET last_step = 0');
	my $challenge = auth("SELECT challenge FROM auth.login('bob\@example.com', '$password')");
	is(auth("SELECT status, user_id FROM auth.login_totp('$challenge', '" . totp_code($secret) . "')"), "ok|$user{bob}", "$phase: the second factor");
	is(auth("SELECT status, user_id FROM auth.verify_api_key('$api_key')"), "ok|$user{carl}", "$phase: the API key");
	return;
}

# What ends in the auth database ends in the app database.
sub end_reaches_app
{
	my ($phase, $who) = @_;
	my $use = "SELECT dualdb.authenticate('$token_of{$who}')";
	is((psql_as($one, 'aisales', 'app_user_login', $use))[1], $user{$who}, "$phase: control: the token of $who");
	auth("SELECT auth.set_user_active('$user{$who}', false)");
	app('SELECT FROM dualdb.sync()') if $database ne 'aisales';
	error_is($one, 'aisales', 'app_user_login', $use, qr/^28000: token is not valid$/, "$phase: is refused when $who has been deactivated");
	is(app("SELECT is_active FROM app.users WHERE id = '$user{$who}'"), 'f', "$phase: and the directory says so");
	auth("SELECT auth.set_user_active('$user{$who}', true)");
	app('SELECT FROM dualdb.sync()') if $database ne 'aisales';
	return;
}

# docs/moving.md: nobody logs in while schema auth is copied.
sub keep_logins_out
{
	owner('REVOKE USAGE ON SCHEMA auth FROM dualdb_auth_service, dualdb_auth_orm');
	owner(q{SELECT pg_terminate_backend(a.pid, 10000) FROM pg_stat_activity a
		WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.xact_start < now()
			AND (pg_has_role(a.usesysid, 'dualdb_auth_service', 'MEMBER') OR pg_has_role(a.usesysid, 'dualdb_auth_orm', 'MEMBER'))});
	$node->poll_query_until($database, 'SELECT auth.flush() = 0 AND NOT EXISTS (SELECT FROM auth.refresh_tokens WHERE successor IS NOT NULL)')
	  or die 'what is pending is not written';
	return;
}

sub copy_into
{
	my ($target, $restore, @options) = @_;
	my $dump = $one->basedir . '/auth.dump';
	$target->command_ok([ 'createdb', '-T', 'template0', '-E', 'UTF8', '-p', $target->port, 'aisales_auth' ], 'createdb');
	$node->command_ok([ 'pg_dump', @options, '-d', $node->connstr($database), '-f', $dump ], 'pg_dump');
	$target->command_ok([ @$restore, '-d', $target->connstr('aisales_auth'), $restore->[0] eq 'psql' ? '-f' : (), $dump ], $restore->[0]);
	return;
}

# phase 0
phase_ok('one database');
end_reaches_app('one database', 'carl');
($token_of{carl}) = tokens('carl');

# the move is refused where something would be lost, and nothing has changed then
my $single = catalog_of($one, 'aisales');
error_is($one, 'aisales', $superuser, 'SELECT dualdb.setup_app()', qr/^08001: /, 'no auth database');
$one->safe_psql('postgres', 'CREATE DATABASE aisales_auth');
$one->safe_psql('aisales_auth', 'CREATE EXTENSION dualdb; SELECT dualdb.setup_auth()');
my $fresh_auth = catalog_of($one, 'aisales_auth');
error_is($one, 'aisales', $superuser, 'SELECT dualdb.setup_app()',
	qr/^55000: the auth database does not have all that this database has$/, 'an auth database without the users');
my $script = $one->basedir . '/move.sql';
append_to_file($script, "\\set VERBOSITY verbose\n" . app("SELECT dualdb.setup_script('app')"));
my ($out, $err) = run_command([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $one->connstr('aisales'), '-f', $script ]);
like($err, qr/ERROR:  55000: the auth database does not have all that this database has$/m, 'nor by the script');
$one->safe_psql('postgres', 'DROP DATABASE aisales_auth');
is_deeply(catalog_of($one, 'aisales'), $single, 'refusals have changed nothing');
phase_ok('after refusals');

# phase 0 to 1
my $before = start_session('aisales', 'auth_login');
my $open = start_session('aisales', 'auth_login');
is(ask($before, "PREPARE q AS SELECT status FROM auth.login('ann\@example.com', '$password'); EXECUTE q"), 'ok', 'control: logins before');
is(ask($open, "BEGIN; SELECT status FROM auth.register_user('late\@example.com', '$password')"), 'ok', 'a registration that is not committed');
keep_logins_out();
ask($before, 'EXECUTE q');
like($before->{err}, qr/permission denied for schema auth/, 'no login while schema auth is copied');
eval { ask($open, 'COMMIT') };
isnt($@, '', 'and who was at it is disconnected');
is(owner("SELECT count(*) FROM auth.users WHERE email = 'late\@example.com'"), '0', 'without a trace');
is_deeply(answers(), $answers, 'the application goes on meanwhile');
my $auth_rows = rows_of($node, $database, 'auth') . $node->safe_psql($database, 'SELECT * FROM dualdb.trusted_keys ORDER BY 1; SELECT * FROM dualdb.revocations ORDER BY 1, 2');
copy_into($one, [ 'psql', '-X1', '-v', 'ON_ERROR_STOP=1' ], '--schema=auth', '--schema=bridge', '--extension=dualdb');
is($one->safe_psql('aisales_auth', 'SELECT dualdb.setup_auth()'), 'schema auth is at version 1; functions, views and privileges are in place',
	'setup_auth() in the copy');
is(rows_of($one, 'aisales_auth', 'auth') . $one->safe_psql('aisales_auth', 'SELECT * FROM dualdb.trusted_keys ORDER BY 1; SELECT * FROM dualdb.revocations ORDER BY 1, 2'),
	$auth_rows, 'every row is there');
is_deeply(catalog_of($one, 'aisales_auth'), $fresh_auth, 'and the catalog is that of a fresh auth database');
# what depends on the view is not lost
app('CREATE VIEW public.names AS SELECT display_name FROM app.users; CREATE ROLE reporter;
	GRANT EXECUTE ON FUNCTION pg_read_file(text) TO dualdb_app_readonly; GRANT SELECT (id, is_active) ON app.users TO reporter');
error_is($one, 'aisales', $superuser, 'SELECT dualdb.setup_app()',
	qr/^2BP01: view app.users cannot become a table because other objects depend on it/, 'a view of somebody on the directory');
like((psql_as($one, 'aisales', $superuser, 'SELECT dualdb.setup_app()'))[2],
	qr/DETAIL:  view public.names depends on view app.users/, 'which is named');
is(app('SELECT count(*) FROM public.names'), '7', 'and still there');
app('DROP VIEW public.names');
# whoever reads the directory meanwhile waits, and has their rows afterwards
my ($reader, $mover) = map { start_session('aisales', $_) } 'app_login', $superuser;
is(ask($reader, 'BEGIN; SELECT count(*) FROM app.users'), '7', 'a transaction that reads the directory');
send_sql($mover, 'SELECT dualdb.setup_app()');
waiting_is(1);
send_sql($session, $mine);
waiting_is(2);
is(ask($reader, 'SELECT count(*) FROM app.orders; COMMIT'), '140', 'reads on');
is(answer($mover), 'schema app is at version 1; functions, views and privileges are in place; '
	  . 'schema auth is not used here any more: when users log in at the auth database, run DROP SCHEMA auth CASCADE', 'setup_app() in the old one');
is(answer($session), 'Project of ann|Ann', 'and who has waited has an answer');
is(app('SELECT * FROM dualdb.sync()'), '0|0|0|0|t', 'the sync finds nothing to do');
# initdb's hba rules are not the move's
my $errors = "SELECT item FROM dualdb.verify_setup() WHERE status = 'error' AND item !~ '^hba'";
is(app($errors), "auth_left_over\ncatalog_privileges\nsecret_values", 'and verify_setup() says that schema auth is still there, and what the test has granted');
is(app("SELECT string_agg(DISTINCT origin, ' ') FROM dualdb.trusted_keys"), 'bridge', 'the keys are those of the auth database now');
is(app("SELECT has_column_privilege('reporter', 'app.users', 'id', 'SELECT'), has_column_privilege('reporter', 'app.users', 'email', 'SELECT')"), 't|f',
	'what others might read of the directory they still may');
is(app("SELECT r, has_function_privilege(r, 'pg_read_file(text)', 'EXECUTE'), has_function_privilege(r, 'pg_sleep(double precision)', 'EXECUTE')
	FROM unnest(ARRAY['public', 'dualdb_app_readonly']) r"), "public|f|t\ndualdb_app_readonly|t|t", 'and everybody has what everybody had, no more');
error_is($one, 'aisales', 'auth_login', 'SELECT 1', qr/permission denied for database "aisales"/, 'the auth service has no business here any more');
$one->safe_psql('postgres', 'CREATE ROLE both_login LOGIN IN ROLE dualdb_auth_service, dualdb_app_service');
error_is($one, 'aisales', 'both_login', "SELECT auth.login('ann\@example.com', 'x')", qr/^42501: permission denied for schema auth$/, 'nor who has other business here');
error_is($one, 'aisales', $superuser, "SELECT auth.login('ann\@example.com', 'x')", qr/^42501: permission denied for function/, 'and nobody logs in at two places');
error_is($one, 'aisales', $superuser, "SELECT dualdb.$_", qr/^55000: this database is an app database/, "no way back by $_") foreach 'setup_auth()', 'setup_single()';
($node, $database) = ($one, 'aisales_auth');
phase_ok('two databases');
end_reaches_app('two databases', 'carl');

# the rest of schema auth
app('REVOKE SELECT (id, is_active) ON app.users FROM reporter; REVOKE EXECUTE ON FUNCTION pg_read_file(text) FROM dualdb_app_readonly; DROP SCHEMA auth CASCADE');
is(app($errors), '', 'then verify_setup() finds no error');
$one->safe_psql('postgres', 'CREATE DATABASE fresh_app');
$one->safe_psql('fresh_app', 'CREATE EXTENSION dualdb; SELECT dualdb.setup_app()');
is_deeply(catalog_of($one, 'aisales'), catalog_of($one, 'fresh_app'), 'without schema auth the catalog is that of a fresh app database');
my $database_level = q{SELECT x.grantee::regrole, x.privilege_type FROM pg_database d, aclexplode(d.datacl) x WHERE d.datname = current_database() ORDER BY 1, 2;
	SELECT s.setrole::regrole, s.setconfig FROM pg_database d JOIN pg_db_role_setting s ON s.setdatabase = d.oid WHERE d.datname = current_database() ORDER BY 1};
is(app($database_level), $one->safe_psql('fresh_app', $database_level), 'and so is what belongs to the database');
is(app('SELECT dualdb.setup_app()'), 'schema app is at version 1; functions, views and privileges are in place', 'setup_app() again');
phase_ok('two databases alone');

# phase 1 to 2
my $two = new_cluster('two', conf => $conf);
$two->stop;
copy($one->basedir . '/master.key', $two->basedir . '/master.key') or die $!;
$two->start;
my $roles = $one->basedir . '/roles.sql';
$one->command_ok([ 'pg_dumpall', '--roles-only', '-d', $one->connstr('postgres'), '-f', $roles ], 'pg_dumpall');
run_command([ 'psql', '-Xq', '-d', $two->connstr('postgres'), '-f', $roles ]);
keep_logins_out();
$auth_rows = rows_of($node, $database, 'auth');
copy_into($two, [ 'pg_restore', '-1' ], '-Fc');
is(rows_of($two, 'aisales_auth', 'auth'), $auth_rows, 'every row is on the second server');
owner(q{UPDATE auth.users SET display_name = 'Never' WHERE email = 'ann@example.com'});
$two->safe_psql('aisales_auth', 'SELECT dualdb.setup_auth()');
app("SELECT dualdb.setup_app(auth_host => '" . $two->host . "', auth_port => " . $two->port . ')');
is(app('SELECT * FROM dualdb.sync()'), '0|0|0|0|t', 'the sync starts over and finds nothing to do');
$one->safe_psql('postgres', 'DROP DATABASE aisales_auth WITH (FORCE)');
($node, $database) = ($two, 'aisales_auth');
is_deeply(catalog_of($two, 'aisales_auth'), $fresh_auth, 'the catalog is that of a fresh auth database');
phase_ok('two servers');
end_reaches_app('two servers', 'dora');
auth("SELECT auth.register_user('new\@example.com', '$password', 'New')");
is(app("SELECT users FROM dualdb.sync()"), '1', 'a new user arrives from there');

# a server is changed for live sessions by ALTER SERVER, too
app(q{ALTER SERVER dualdb_auth OPTIONS (SET host '/nonexistent')});
error_is($one, 'aisales', $superuser, 'SELECT dualdb.sync()', qr/^08001: /, 'a server that does not answer');
is((psql_as($one, 'aisales', 'app_user_login', "SELECT dualdb.authenticate('$token')"))[1], $user{ann}, 'tokens are verified all the same');
app("ALTER SERVER dualdb_auth OPTIONS (SET host '" . $two->host . "')");
is(app('SELECT * FROM dualdb.sync()'), '0|0|0|0|t', 'and one that does');

$_->{run}->kill_kill foreach $session, $before, $open, $reader, $mover;
done_testing();
