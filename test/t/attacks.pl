# What a stolen connection can do: as dualdb_bridge, as a role of the app side, and
# as the auth service.  Every refusal has a control beside it that is allowed.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Attack;
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = auth_app_cluster('main');
my $superuser = getpwuid($<);
my $user = register($node, 'ann@example.com', 'Ann');
register($node, 'bob@example.com', 'Bob');
my ($token, $refresh_token) = login_tokens($node, 'ann@example.com');
my $hash = $node->safe_psql('aisales_auth', "SELECT password_hash FROM auth.users WHERE id = '$user'");
$node->safe_psql('aisales_app', 'SELECT dualdb.sync()');

my $attack = DualDB::Attack->new($node, $hash, $refresh_token);
sub allowed { return $attack->allowed(@_); }
sub refused { return $attack->refused(@_); }

# as the bridge role, in the auth database
sub bridge_refused { return refused('aisales_auth', 'dualdb_bridge', @_); }
is(allowed('aisales_auth', 'dualdb_bridge', 'SELECT count(*) FROM bridge.user_lookup', 'the narrow view'), '2',
	'shows the users');
is(allowed('aisales_auth', 'dualdb_bridge', 'SELECT string_agg(a.attname, $$,$$ ORDER BY a.attnum) FROM pg_attribute a
	WHERE a.attrelid = $$bridge.user_lookup$$::regclass AND a.attnum > 0', 'its columns'),
	'id,email,email_norm,display_name,is_active,change_xid', 'and no others');
my @columns = split /\n/, $node->safe_psql('aisales_auth',
	q{SELECT a.attname FROM pg_attribute a WHERE a.attrelid = 'auth.users'::regclass AND a.attnum > 0});
cmp_ok(scalar(@columns), '>=', 11, 'auth.users has columns to try');
bridge_refused("SELECT u.$_ FROM auth.users u", "column $_ of auth.users") foreach @columns;
my @tables = split /\n/, $node->safe_psql('aisales_auth',
	q{SELECT c.oid::regclass FROM pg_class c WHERE c.relkind IN ('r', 'p', 'v')
		AND c.relnamespace IN ('auth'::regnamespace, 'dualdb'::regnamespace)});
cmp_ok(scalar(@tables), '>=', 6, 'there are tables to try');
foreach my $table (@tables)
{
	bridge_refused("SELECT * FROM $table", "reading $table");
	bridge_refused("SET default_transaction_read_only = off; BEGIN; LOCK TABLE $table IN EXCLUSIVE MODE", "locking $table");
}
foreach my $schema ('auth', 'dualdb')
{
	my @calls = $attack->calls('aisales_auth', $schema);
	cmp_ok(scalar(@calls), '>=', 10, "schema $schema has functions to try");
	bridge_refused($_, "calling: $_") foreach @calls;
	my ($control) = grep { /normalize_email|password_needs/ } @calls;
	unlike(psql_error($node, 'aisales_auth', $superuser, $control), qr/^42/, "control: $control can be called");
}

my $write = 'SET default_transaction_read_only = off; ';
bridge_refused($write . $_->[0], $_->[1])
  foreach [ 'CREATE TABLE bridge.t (x int)', 'a table in schema bridge' ],
  [ 'CREATE TABLE public.t (x int)', 'a table in schema public' ], [ 'CREATE TEMP TABLE t (x int)', 'a temporary table' ],
  [ 'CREATE SCHEMA s', 'a schema' ], [ 'CREATE ROLE r', 'a role' ], [ 'CREATE DATABASE d', 'a database' ],
  [ 'CREATE FUNCTION bridge.f() RETURNS int LANGUAGE sql RETURN 1', 'a function' ],
  [ 'DO $$BEGIN END$$', 'an anonymous block' ], [ "SELECT lo_create(0)", 'a large object' ],
  [ 'SELECT pg_advisory_lock(1)', 'an advisory lock' ], [ 'SELECT pg_sleep(0)', 'sleeping' ],
  [ "SELECT pg_notify('x', 'y')", 'a notification' ], [ "SELECT pg_read_file('PG_VERSION')", 'a file' ],
  [ 'SELECT * FROM pg_authid', 'pg_authid' ], [ 'SELECT * FROM pg_hba_file_rules', 'the hba rules' ],
  [ "COPY (SELECT 1) TO PROGRAM 'true'", 'a program' ], [ 'SET dualdb.audience = $$x$$', 'a setting' ],
  [ 'SET temp_file_limit = -1', 'the limit of temporary files' ], [ 'SELECT pg_terminate_backend(0)', 'ending a backend' ],
  [ "SELECT table_to_xml('auth.users', true, true, '')", 'a table as XML' ],
  [ 'SELECT pg_export_snapshot()', 'a snapshot' ];
bridge_refused("SET ROLE $_", "becoming $_")
  foreach $superuser, 'dualdb_auth_owner', 'dualdb_bridge_owner', 'dualdb_auth_service', 'dualdb_auth_orm', 'auth_login', 'dualdb_sync';
bridge_refused("ALTER VIEW bridge.user_lookup SET (security_barrier = false)", 'changing its view');
bridge_refused("INSERT INTO bridge.trusted_keys (kid) VALUES ('x')", 'a key of its own');
foreach my $database ('postgres', 'template1', 'aisales_app')
{
	like((psql_as($node, $database, 'dualdb_bridge', 'SELECT 1'))[2], qr/pg_hba.conf rejects connection/, "no way into $database");
}
allowed('aisales_auth', 'dualdb_bridge', 'SELECT count(*) FROM bridge.trusted_keys', 'its connection still works');

# a view that is changed to show more shows an error, not the hash
$node->safe_psql('aisales_auth', 'CREATE VIEW bridge.wider AS SELECT u.id, u.password_hash FROM auth.users u;
	ALTER VIEW bridge.wider OWNER TO dualdb_bridge_owner; GRANT SELECT ON bridge.wider TO dualdb_bridge');
bridge_refused('SELECT * FROM bridge.wider', 'a view that shows the hash');
$node->safe_psql('aisales_auth', 'DROP VIEW bridge.wider');

# as the roles of the app side, in the app database
foreach my $role ('app_login', 'app_user_login', 'app_reader_login')
{
	allowed('aisales_app', $role, "SELECT dualdb.authenticate('$token')", "$role authenticates");
	allowed('aisales_app', $role, 'SELECT count(u.display_name) FROM app.users u', "$role reads names");
	refused('aisales_app', $role, $_->[0], "$role, $_->[1]")
	  foreach [ 'SELECT * FROM bridge.user_lookup', 'the foreign table' ],
	  [ 'SELECT * FROM bridge.sync_state', 'the state of the sync' ],
	  [ 'SELECT dualdb.sync()', 'the sync' ], [ 'SELECT bridge.sync()', 'the inner sync' ],
	  [ 'SELECT * FROM dualdb.trusted_keys', 'the keys' ],
	  [ "INSERT INTO dualdb.trusted_keys (kid, issuer, public_key) VALUES ('x', 'aisales_auth', decode(repeat('11', 32), 'hex'))", 'a key of its own' ],
	  [ "UPDATE app.users SET display_name = 'x'", 'the directory' ],
	  [ 'IMPORT FOREIGN SCHEMA auth FROM SERVER dualdb_auth INTO public', 'importing schema auth' ],
	  [ "CREATE FOREIGN TABLE public.f (id text) SERVER dualdb_auth OPTIONS (schema_name 'auth', table_name 'users')", 'a foreign table of its own' ],
	  [ "ALTER FOREIGN TABLE bridge.user_lookup OPTIONS (SET schema_name 'auth', SET table_name 'users')", 'pointing the foreign table elsewhere' ],
	  [ "ALTER SERVER dualdb_auth OPTIONS (SET dbname 'postgres')", 'pointing the server elsewhere' ],
	  [ "CREATE USER MAPPING FOR CURRENT_USER SERVER dualdb_auth OPTIONS (user 'dualdb_bridge')", 'a mapping of its own' ],
	  [ 'DROP USER MAPPING FOR dualdb_bridge_owner SERVER dualdb_auth', 'the mapping' ],
	  [ 'CREATE TABLE app.t (x int)', 'a table' ], [ 'CREATE TABLE public.t (x int)', 'a table in public' ],
	  [ 'ALTER TABLE app.orders DISABLE ROW LEVEL SECURITY', 'row-level security off' ],
	  [ 'SELECT dualdb.hash_token($$refresh$$, $$x$$)', 'the keyed hash' ],
	  [ 'SELECT * FROM dualdb.generate_signing_key()', 'a signing key' ],
	  [ q{SELECT dualdb.jwt_sign('{"sub": "x"}')}, 'signing' ],
	  map { [ "SET ROLE $_", "becoming $_" ] } $superuser, 'dualdb_app_owner', 'dualdb_bridge_owner', 'dualdb_sync', 'dualdb_bridge';
	is(allowed('aisales_app', $role, 'SELECT count(*) FROM pg_user_mappings m WHERE m.umoptions IS NOT NULL',
		"$role looks at the mappings"), '0', 'and sees no options');
	like((psql_as($node, 'aisales_auth', $role, 'SELECT 1'))[2], qr/permission denied for database "aisales_auth"/,
		"$role has no way into aisales_auth");
}
is(allowed('aisales_app', $superuser, 'SELECT count(*) FROM pg_user_mappings m WHERE m.umoptions IS NOT NULL',
	'the superuser sees the mapping'), '1', 'there is one');
is($node->safe_psql('aisales_app', 'SELECT m.umoptions FROM pg_user_mappings m'), '{user=dualdb_bridge,password_required=false}',
	'and there is no password in it');
refused('aisales_app', 'app_user_login', 'SELECT email FROM app.users', 'addresses, for a role that only needs names');
allowed('aisales_app', 'app_login', 'SELECT email FROM app.users', 'addresses for the service');
refused('aisales_app', 'app_reader_login', "INSERT INTO app.projects (user_id, name) VALUES ('x', 'x')", 'writing by the reader');

# row-level security
my ($others) = $node->safe_psql('aisales_auth', "SELECT access_token FROM auth.login('bob\@example.com', '$DualDB::Test::PASSWORD')");
$node->safe_psql('aisales_app', "INSERT INTO app.projects (id, user_id, name) VALUES ('a', '$user', 'Ann''s'), ('b', 'bob', 'Bob''s');
	INSERT INTO app.orders (project_id, user_id) SELECT p.id, p.user_id FROM app.projects p, generate_series(1, 3)");
my $see = 'SELECT (SELECT count(*) FROM app.projects), (SELECT count(*) FROM app.orders)';
sub as_user { return psql_as($node, 'aisales_app', 'app_user_login', "BEGIN; SELECT $_[0] \\g /dev/null\n $_[1]; COMMIT"); }
is((as_user("dualdb.authenticate('$token')", $see))[1], '1|3', 'a user sees their own projects');
is((as_user("dualdb.authenticate('$others')", $see))[1], '0|0', 'another user does not');
is((as_user('1', $see))[1], '0|0', 'nobody sees nothing');
is((psql_as($node, 'aisales_app', 'app_login', $see))[1], '2|6', 'the service sees all');
like((as_user("dualdb.authenticate('$token')", "INSERT INTO app.orders (project_id, user_id) VALUES ('b', '$user')"))[2],
	qr/violates row-level security policy/, "no order in another's project");
is((as_user("dualdb.authenticate('$token')", "UPDATE app.orders SET status = 'x' WHERE project_id = 'b' RETURNING 1"))[1], '',
	"no change in another's project");
is((as_user("dualdb.authenticate('$token')", "UPDATE app.orders SET status = 'x' WHERE project_id = 'a' RETURNING 1"))[1],
	"1\n1\n1", 'control: changes in their own');

# as the auth service: the functions, not the tables
allowed('aisales_auth', 'auth_login', "SELECT status FROM auth.login('ann\@example.com', 'x')", 'the service logs in');
refused('aisales_auth', 'auth_login', "SELECT * FROM $_", "the service, reading $_") foreach @tables;
refused('aisales_auth', 'auth_login', $_->[0], "the service, $_->[1]")
  foreach [ q{SELECT dualdb.jwt_sign('{"sub": "x"}')}, 'signing' ], [ "SELECT auth.issue_tokens('x')", 'tokens for any session' ],
  [ "SELECT auth.start_session('x', NULL, NULL, '{pwd}')", 'a session for any user' ],
  [ "SELECT auth.add_signing_key('next')", 'a signing key' ], [ "SELECT dualdb.hash_token('refresh', 'x')", 'the keyed hash' ],
  [ 'SELECT * FROM bridge.user_lookup', 'the bridge view' ], [ "SELECT lo_import('/etc/hostname')", 'a file of the server' ];

done_testing();
