# Setting up in a database, or on a server, where somebody else has been before:
# nothing that they left behind is run, trusted or kept.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main');
my $superuser = getpwuid($<);
my $made = 0;

# The database of a role that may do all in it, and is no superuser.
sub hostile_database
{
	my ($sql) = @_;
	my $database = 'hostile' . $made++;
	$node->safe_psql('postgres', "CREATE DATABASE $database OWNER mallory");
	my ($status, undef, $err) = psql_as($node, $database, 'mallory', $sql);
	is($status, 0, "control: $database is prepared") or diag $err;
	$node->safe_psql($database, 'CREATE EXTENSION dualdb');
	return $database;
}

sub still_harmless
{
	my ($name) = @_;
	return is($node->safe_psql('postgres', "SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory'"),
		'f', "$name: nobody has become superuser");
}

$node->safe_psql('postgres', 'CREATE ROLE mallory LOGIN; CREATE ROLE dave LOGIN');
my $trap = q{CREATE FUNCTION %s RETURNS %s LANGUAGE plpgsql AS $$ BEGIN
	IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN ALTER ROLE mallory SUPERUSER; END IF;
	RETURN %s; END $$;};

# control: the trap works on a superuser who steps into it
my $database = hostile_database(sprintf($trap, 'public.trap()', 'integer', '1'));
$node->safe_psql($database, 'SELECT public.trap()');
is($node->safe_psql('postgres', "SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory'"), 't', 'control: the trap works');
$node->safe_psql('postgres', 'ALTER ROLE mallory NOSUPERUSER');

# a view where the version is looked up
foreach my $name ('auth', 'app')
{
	$database = hostile_database("CREATE SCHEMA $name;" . sprintf($trap, "$name.trap()", 'integer', '1')
		  . "CREATE VIEW $name.schema_version AS SELECT $name.trap() AS version");
	error_is($node, $database, $superuser, "SELECT dualdb.$_", qr/^42P06: schema "$name" exists already/, "$_ with a planted view")
	  foreach "setup_script('$name')", "setup_$name()";
	still_harmless("a view as $name.schema_version");
}

# a function called bridge.sync()
$database = hostile_database('CREATE SCHEMA bridge;'
	  . sprintf($trap, 'bridge.sync(OUT keys integer, OUT users integer, OUT deleted integer)', 'record', ''));
error_is($node, $database, $superuser, 'SELECT dualdb.sync()', qr/^55000: this database has no bridge/, 'sync with a planted function');
still_harmless('a planted bridge.sync()');

# a better match than pg_catalog's function in schema public, for the script
$database = hostile_database(sprintf($trap, 'public.quote_ident(name)', 'text', '$1::text')
	  . sprintf($trap, 'public.format(text, name)', 'text', '$1'));
my $script = $node->basedir . '/script.sql';
open my $file, '>', $script or die $!;
print $file $node->safe_psql($database, "SELECT dualdb.setup_script('app')");
close $file;
$node->command_ok([ 'psql', '-Xq1', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($database), '-f', $script ],
	'the script runs where functions of the same names are');
still_harmless('functions in schema public');

# a server that leads elsewhere
$database = hostile_database('SELECT 1');
$node->safe_psql($database, 'CREATE EXTENSION postgres_fdw; GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO mallory');
psql_as($node, $database, 'mallory', q{CREATE SERVER dualdb_auth FOREIGN DATA WRAPPER postgres_fdw
	OPTIONS (host 'x', port '1', dbname 'x', hostaddr '127.0.0.2')});
error_is($node, $database, $superuser, 'SELECT dualdb.setup_app()',
	qr/^42710: server "dualdb_auth" does not belong to a superuser$/, 'a planted server');
$node->safe_psql($database, "ALTER SERVER dualdb_auth OWNER TO \"$superuser\"");
error_is($node, $database, $superuser, 'SELECT dualdb.setup_app()',
	qr/^42710: server "dualdb_auth" was there before the setup$/, 'a server that was there before');
$node->safe_psql($database, 'DROP SERVER dualdb_auth; SELECT dualdb.setup_app();
	GRANT USAGE ON FOREIGN SERVER dualdb_auth TO mallory; GRANT SELECT ON bridge.user_lookup TO mallory');
is($node->safe_psql($database, 'SELECT dualdb.setup_app(); SELECT srvacl::text ~ $$mallory$$ FROM pg_foreign_server'), "schema app is at version 1; functions, views and privileges are in place\nf",
	'a later grant on the server is taken back');
$node->safe_psql($database, q{CREATE USER MAPPING FOR mallory SERVER dualdb_auth OPTIONS (user 'x', password 'y')});
error_is($node, $database, $superuser, 'SELECT dualdb.setup_app()',
	qr/^42710: server "dualdb_auth" has a user mapping that it must not have$/, 'another mapping');
$node->safe_psql($database, q{DROP USER MAPPING FOR mallory SERVER dualdb_auth;
	ALTER USER MAPPING FOR dualdb_bridge_owner SERVER dualdb_auth OPTIONS (ADD password 'y')});
error_is($node, $database, $superuser, 'SELECT dualdb.setup_app()',
	qr/^42710: server "dualdb_auth" has a user mapping/, 'a password in the mapping');

# default privileges, of the superuser and of the owner roles
$node->safe_psql('postgres', 'CREATE DATABASE generous');
$node->safe_psql('generous', "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO dave;
	ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO dave; ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO dave;
	ALTER DEFAULT PRIVILEGES FOR ROLE dualdb_app_owner GRANT ALL ON TABLES TO dave;
	CREATE TABLE control (x integer); CREATE EXTENSION dualdb");
like($node->safe_psql('generous', "SELECT relacl FROM pg_class WHERE relname = 'control'"), qr/dave/, 'control: the default privileges are in force');
$node->safe_psql('generous', 'SELECT dualdb.setup_app()');
is($node->safe_psql('generous', q{SELECT name FROM (
		SELECT oid::regclass::text AS name, relacl AS acl FROM pg_class WHERE relnamespace::regnamespace::text IN ('dualdb', 'app', 'bridge')
		UNION ALL SELECT oid::regprocedure::text, proacl FROM pg_proc WHERE pronamespace::regnamespace::text IN ('dualdb', 'app', 'bridge')
		UNION ALL SELECT nspname, nspacl FROM pg_namespace WHERE nspname IN ('dualdb', 'app', 'bridge')) x WHERE acl::text ~ 'dave'}),
	'', 'and dave has got nothing of it');

# roles
error_is($node, 'generous', $superuser, "BEGIN; $_->[0]; SELECT dualdb.setup_app()", qr/^0P000: role "$_->[1]/, $_->[0])
  foreach [ 'GRANT pg_read_all_data TO dualdb_bridge_owner', 'dualdb_bridge_owner" must not be a member of role "pg_read_all_data"' ],
  [ 'GRANT dualdb_app_owner TO dave', 'dualdb_app_owner" must not have role "dave" as a member' ];
$node->safe_psql('generous', "ALTER ROLE dualdb_app_owner LOGIN PASSWORD 'x' SUPERUSER; SELECT dualdb.setup_app()");
is($node->safe_psql('postgres', "SELECT rolcanlogin, rolsuper, rolpassword IS NULL FROM pg_authid WHERE rolname = 'dualdb_app_owner'"),
	'f|f|t', 'an owner role is brought back to what it must be');

done_testing();
