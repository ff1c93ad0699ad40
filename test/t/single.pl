# One database: the names of two, the wall between the roles, and revocations that
# count at once.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main',
	conf => "dualdb.argon2_memory = '19MB'\ndualdb.argon2_iterations = 2\n");
set_up_single($node);
my $superuser = getpwuid($<);
my $password = $DualDB::Test::PASSWORD;

sub owner { return $node->safe_psql('aisales', shift); }

sub as_role
{
	my ($role, $sql) = @_;
	my ($status, $out, $err) = psql_as($node, 'aisales', $role, $sql);
	is($status, 0, 'no error') or diag "$sql\n$err";
	return $out;
}
sub auth { return as_role('auth_login', shift); }
sub app { return as_role('app_login', shift); }
sub catalog { return catalog_of($node, shift); }

# the setup: again, its auth half alone, as a script, dumped and restored
my $fresh = catalog('aisales');
is(owner('SELECT dualdb.setup_single()'),
	'schema auth is at version 1; schema app is at version 1; functions, views and privileges are in place', 'setup_single() again');
is_deeply(catalog('aisales'), $fresh, 'changes nothing');
is(owner('SELECT dualdb.setup_auth()'), 'schema auth is at version 1; functions, views and privileges are in place',
	'setup_auth() in one database');
is_deeply(catalog('aisales'), $fresh, 'changes nothing either');
owner('GRANT SELECT ON app.users TO PUBLIC; REVOKE USAGE ON LANGUAGE plpgsql FROM dualdb_app_service;
	DROP FUNCTION app.lookup_users(text[]); SELECT dualdb.setup_single()');
is_deeply(catalog('aisales'), $fresh, 'drift is mended');

$node->safe_psql('postgres', 'CREATE DATABASE script');
$node->safe_psql('script', 'CREATE EXTENSION dualdb');
my $script = $node->basedir . '/single.sql';
open my $file, '>', $script or die $!;
print $file $node->safe_psql('script', "SELECT dualdb.setup_script('single')");
close $file;
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('script'), '-f', $script ],
	"setup_script('single') runs by itself");
is_deeply(catalog('script'), $fresh, 'and leaves the catalog that setup_single() leaves');
like($node->safe_psql('script', "SELECT dualdb.setup_script('single')"), qr/^BEGIN;.*COMMIT;$/s, 'it can be had again');

$node->safe_psql('postgres', 'CREATE DATABASE grown');
$node->safe_psql('grown', 'CREATE EXTENSION dualdb; SELECT dualdb.setup_auth()');
is($node->safe_psql('grown', 'SELECT dualdb.setup_single()'),
	'schema auth is at version 1; schema app created at version 1; functions, views and privileges are in place',
	'schema app beside a schema auth that was there');
is_deeply(catalog('grown'), $fresh, 'is the same');

# the names of two databases
my $user = auth("SELECT user_id FROM auth.register_user('Ann\@Example.com', '$password', 'Ann')");
my ($gone) = auth("SELECT user_id FROM auth.register_user('bob\@example.com', '$password', 'Bob')");
my ($token, $refresh) = split /\|/,
  auth("SELECT access_token, refresh_token FROM auth.login('ann\@example.com', '$password')");
my ($status, $next) = split /\|/, auth("SELECT status, access_token FROM auth.refresh('$refresh')");
is($status, 'ok', 'log in and refresh');
app("INSERT INTO app.projects (id, user_id, name) VALUES ('p', '$user', 'Hers'), ('q', '$gone', 'His')");
is(app("SELECT p.name, u.email, u.display_name, u.is_active FROM app.projects p JOIN app.users u ON u.id = p.user_id ORDER BY p.id"),
	"Hers|Ann\@Example.com|Ann|t\nHis|bob\@example.com|Bob|t", 'a join with the directory, without a sync');
my $mine = 'SELECT p.name, u.display_name FROM app.projects p JOIN app.users u ON u.id = p.user_id';
session_ok($node, 'aisales', 'app_user_login',
	[ 'nobody sees nothing', $mine, '' ],
	[ 'authenticate', "BEGIN; SELECT dualdb.authenticate('$next')", $user ],
	[ 'her rows', $mine, 'Hers|Ann' ],
	[ 'names, not addresses', "COMMIT; SELECT email FROM app.users", 'ERROR: 42501' ]);
is(app("SELECT * FROM app.lookup_users(ARRAY['$user', 'x'])"), "$user|Ann\@Example.com|Ann|t", 'look-up by id');
is(app("SELECT id FROM app.lookup_user_by_email(' ANN\@example.COM ')"), $user, 'look-up by address, as a login normalises it');
is(as_role('app_reader_login', "SELECT id FROM app.lookup_user_by_email('ann\@example.com')"), $user, 'also for the reader');
is(app("SELECT count(*) FROM app.lookup_user_by_email('nobody\@example.com')"), '0', 'nobody has another one');
error_is($node, 'aisales', 'app_user_login', "SELECT * FROM app.$_", qr/^42501/, "dualdb_app_user does not call $_")
  foreach "lookup_users('{}')", "lookup_user_by_email('x')";
is(owner(q{SELECT string_agg(format('%s %s', attname, atttypid::regtype), ', ' ORDER BY attnum) FROM pg_attribute
	WHERE attrelid = 'app.users'::regclass AND attnum > 0}), 'id text, email text, display_name text, is_active boolean',
	'the columns of the directory');

# joins go by the primary keys
like(owner("SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
	EXPLAIN (COSTS OFF) SELECT u.display_name FROM app.projects p JOIN app.users u ON u.id = p.user_id WHERE p.id = 'p'"),
	qr/Append\n.*Index Scan using users_pkey.*\n.*Index Cond: \(id = p.user_id\)\n.*deleted_users_pkey/, 'a join probes indexes');

# what ends, ends at once
auth("SELECT auth.set_user_active('$user', false)");
error_is($node, 'aisales', 'app_user_login', "SELECT dualdb.authenticate('$next')", qr/^28000: token is not valid$/,
	'the token of a deactivated user');
is(app("SELECT is_active, email FROM app.users WHERE id = '$user'"), 'f|Ann@Example.com', 'who is inactive in the directory');
auth("SELECT auth.set_user_active('$user', true)");
($token, $refresh) = split /\|/, auth("SELECT access_token, refresh_token FROM auth.login('ann\@example.com', '$password')");
as_role('app_user_login', "SELECT dualdb.authenticate('$token')");
auth("SELECT auth.logout('$refresh')");
error_is($node, 'aisales', 'app_user_login', "SELECT dualdb.authenticate('$token')", qr/^28000: token is not valid$/,
	'and that of a session that has ended');

# who is gone
my $bob = "SELECT coalesce(u.email, 'none'), coalesce(u.display_name, 'none'), u.is_active
	FROM app.projects p JOIN app.users u ON u.id = p.user_id WHERE p.id = 'q'";
is(app($bob), 'bob@example.com|Bob|t', 'control: Bob is there');
owner("UPDATE auth.users SET deleted_at = now() WHERE id = '$gone'");
is(app($bob), 'none|none|f', 'a row marked as deleted is inactive, without name and address');
is(app("SELECT (SELECT count(*) FROM app.lookup_users(ARRAY['$gone'])), (SELECT count(*) FROM app.lookup_user_by_email('bob\@example.com'))"),
	'0|0', 'and is not looked up');
is(auth("SELECT status FROM auth.erase_user('$gone')"), 'ok', 'erased');
is(app($bob), 'none|none|f', 'the same is left of a row that is deleted');

# the wall
my %wall = (auth => "'dualdb_app_owner', 'dualdb_app_service', 'dualdb_app_user', 'dualdb_app_readonly', 'dualdb_sync'",
	app => "'dualdb_auth_owner', 'dualdb_auth_service', 'dualdb_auth_orm', 'dualdb_bridge'");
sub privileges_in
{
	my ($schema, $roles) = @_;
	return owner("SELECT count(*) FROM pg_roles r CROSS JOIN (
			SELECT 'r' AS kind, c.oid FROM pg_class c WHERE c.relnamespace = '$schema'::regnamespace AND c.relkind IN ('r', 'p', 'v')
			UNION ALL SELECT 'f', p.oid FROM pg_proc p WHERE p.pronamespace = '$schema'::regnamespace
			UNION ALL SELECT 'n', '$schema'::regnamespace) o
		WHERE r.rolname IN ($roles) AND CASE o.kind
			WHEN 'r' THEN has_table_privilege(r.oid, o.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
				OR has_any_column_privilege(r.oid, o.oid, 'SELECT, INSERT, UPDATE, REFERENCES')
			WHEN 'f' THEN has_function_privilege(r.oid, o.oid, 'EXECUTE')
			ELSE has_schema_privilege(r.oid, o.oid, 'USAGE, CREATE') END");
}
is(privileges_in('auth', $wall{auth}), '0', 'no app role has a privilege in schema auth');
is(privileges_in('bridge', $wall{auth}), '0', 'nor in schema bridge');
is(privileges_in('app', $wall{app}), '0', 'no auth role has one in schema app');
cmp_ok(privileges_in('auth', "'dualdb_auth_service'"), '>', 20, 'control: such privileges are found');
cmp_ok(privileges_in('app', "'dualdb_app_service'"), '>', 8, 'on either side');
error_is($node, 'aisales', $_->[0], $_->[1], qr/^42501: permission denied/, "$_->[0]: $_->[1]")
  foreach [ 'app_login', 'SELECT password_hash FROM auth.users' ], [ 'app_login', 'SELECT change_xid FROM auth.users' ],
  [ 'app_login', "SELECT auth.login('ann\@example.com', 'x')" ], [ 'app_login', "SELECT dualdb.hash_token('refresh', 'x')" ],
  [ 'app_login', 'SELECT * FROM dualdb.trusted_keys' ], [ 'app_user_login', 'SELECT id FROM auth.users' ],
  [ 'app_reader_login', 'SELECT id FROM auth.users' ], [ 'auth_login', 'SELECT * FROM app.projects' ],
  [ 'auth_login', 'SELECT id FROM app.users' ], [ 'auth_login', 'SELECT password_hash FROM auth.users' ],
  [ 'app_login', "SELECT lo_import('/etc/hostname')" ], [ 'auth_login', 'CREATE TEMPORARY TABLE t (x integer)' ],
  [ 'auth_login', 'DO $$BEGIN END$$' ];
error_is($node, 'aisales', 'app_login', 'UPDATE app.users SET is_active = true', qr/^55000: cannot update view "users"$/,
	'the directory is not written');

# what an application has in a database of its own
app($_)
  foreach 'DO $$BEGIN PERFORM 1; END$$', 'SELECT pg_advisory_lock(1), pg_try_advisory_xact_lock(2)',
  'CREATE TEMPORARY TABLE t AS SELECT 1 AS x; SELECT x FROM t', "SELECT pg_notify('channel', 'x'), pg_sleep(0)",
  'BEGIN; SELECT lo_create(0); ROLLBACK', 'SELECT pg_current_xact_id()';
as_role('app_user_login', 'DO $$BEGIN PERFORM pg_advisory_xact_lock(1); END$$');
owner('CREATE FUNCTION public.of_the_application() RETURNS integer LANGUAGE sql RETURN 1');
app('SELECT public.of_the_application()');
is(owner("SELECT string_agg(p.oid::regprocedure::text, ' ') FROM pg_proc p
	WHERE p.proname IN ('pg_sleep', 'pg_advisory_lock', 'lo_create') AND has_function_privilege('dualdb_bridge', p.oid, 'EXECUTE')
		OR p.oid = 'app.lookup_users(text[])'::regprocedure AND has_function_privilege('public', p.oid, 'EXECUTE')"), '',
	'others have it not');

# dumped and restored, rows and all
my $dump = $node->basedir . '/single.dump';
$node->command_ok([ 'pg_dump', '-d', $node->connstr('aisales'), '-f', $dump ], 'dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('restored'), '-f', $dump ], 'restore');
is_deeply(catalog('restored'), catalog('aisales'), 'has the same catalog');
is($node->safe_psql('restored', "SELECT dualdb.setup_single() !~ 'created', (SELECT count(*) FROM app.users)"), 't|2', 'and its users');

# refusals
error_is($node, 'aisales', $superuser, 'SELECT dualdb.sync()', qr/^55000: this database has no bridge to an auth database$/,
	'there is nothing to sync');
like((psql_as($node, 'aisales', $superuser, 'SELECT dualdb.sync()'))[2], qr/HINT:  Users and keys are in this database/, 'as the hint says');
is($node->safe_psql('aisales', "SELECT item, detail FROM dualdb.verify_setup() WHERE status = 'error' AND item !~ '^(hba|bridge_connect)'"), '',
	'verify_setup() finds no error');
set_up_auth_and_app();
error_is($node, 'aisales_app', $superuser, "SELECT dualdb.$_", qr/^55000: this database is an app database with a bridge to an auth database$/, "$_ in an app database")
  foreach 'setup_single()', 'setup_auth()', "setup_script('single')";
error_is($node, 'aisales_auth', $superuser, "SELECT dualdb.$_", qr/^55000: this database is an auth database$/, "$_ in an auth database")
  foreach 'setup_app()', "setup_script('app')";
error_is($node, 'aisales', 'app_login', 'SELECT dualdb.setup_single()', qr/^42501/, 'an ordinary role sets nothing up');

sub set_up_auth_and_app
{
	$node->safe_psql('postgres', 'CREATE DATABASE aisales_auth');
	$node->safe_psql('postgres', 'CREATE DATABASE aisales_app');
	$node->safe_psql('aisales_auth', 'CREATE EXTENSION dualdb; SELECT dualdb.setup_auth()');
	$node->safe_psql('aisales_app', 'CREATE EXTENSION dualdb; SELECT dualdb.setup_app()');
	return;
}

done_testing();
