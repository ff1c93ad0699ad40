# The setup functions: run twice, run as a script, dumped and restored, they leave
# the same catalog; and what they refuse.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = auth_app_cluster('main');

sub catalog { return catalog_of($node, shift); }

# What a dump without -C leaves out.
sub database_level
{
	my ($database) = @_;
	return $node->safe_psql($database, q{
		SELECT d.datacl, (SELECT string_agg(s.setconfig::text, ' ' ORDER BY s.setrole) FROM pg_db_role_setting s WHERE s.setdatabase = d.oid)
		FROM pg_database d WHERE d.datname = current_database()});
}

sub create_database
{
	my ($database, $sql) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, $sql) if $sql;
	return;
}

my %setup = (
	auth => 'dualdb.setup_auth()',
	app => "dualdb.setup_app(auth_database => 'aisales_auth')");
foreach my $name ('auth', 'app')
{
	my $database = "aisales_$name";
	my $fresh = catalog($database);
	cmp_ok(scalar(@$fresh), '>', 200, "the catalog of $database is not empty");

	like($node->safe_psql($database, "SELECT $setup{$name}"),
		qr/^schema $name is at version 1/, "$setup{$name} again");
	is_deeply(catalog($database), $fresh, 'changes nothing');

	# what it shows is what it does
	create_database("script_$name", 'CREATE EXTENSION dualdb');
	my $script = $node->basedir . "/$name.sql";
	open my $file, '>', $script or die $!;
	print $file $node->safe_psql("script_$name", "SELECT dualdb.setup_script('$name')");
	close $file;
	$node->command_ok(
		[ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr("script_$name"), '-f', $script ],
		"setup_script('$name') runs by itself");
	is_deeply(catalog("script_$name"), $fresh, "and leaves the catalog that $setup{$name} leaves");

	# drift is mended
	$node->safe_psql($database, $name eq 'auth'
		? 'GRANT EXECUTE ON FUNCTION auth.login(text, text, inet, text) TO PUBLIC; DROP FUNCTION auth.logout(text, text)'
		: 'ALTER TABLE app.orders DISABLE ROW LEVEL SECURITY; DROP POLICY own_projects ON app.orders');
	my $drifted = catalog($database);
	isnt("@$drifted", "@$fresh", 'a catalog that has drifted is seen');
	$node->safe_psql($database, "SELECT $setup{$name}");
	is_deeply(catalog($database), $fresh, 'and the setup brings it back');
}

# dump and restore, rows and all
register($node, 'ann@example.com', 'Ann');
my ($token, $refresh_token) = login_tokens($node, 'ann@example.com');
$node->safe_psql('aisales_app', q{SELECT dualdb.sync();
	INSERT INTO app.projects (id, user_id, name) VALUES ('p', 'u', 'Project');
	INSERT INTO app.api_logs (project_id, method, path) VALUES ('p', 'GET', '/')});
$node->safe_psql('aisales_auth', 'ALTER TABLE auth.users ADD COLUMN nickname text');
foreach my $name ('auth', 'app')
{
	my $dump = $node->basedir . "/$name.dump";
	$node->command_ok([ 'pg_dump', '-d', $node->connstr("aisales_$name"), '-f', $dump ], "dump of $name");
	create_database("restored_$name");
	$node->command_ok(
		[ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr("restored_$name"), '-f', $dump ],
		"restore of $name");
	is_deeply(catalog("restored_$name"), catalog("aisales_$name"), 'has the same catalog');
	unlike(slurp_file($dump), qr/password '/, 'no password is in the dump');
	isnt(database_level("restored_$name"), database_level("aisales_$name"), 'but for what belongs to the database itself');
	$node->safe_psql("restored_$name", "SELECT $setup{$name}");
	is(database_level("restored_$name"), database_level("aisales_$name"), 'which the setup brings back');
}
is($node->safe_psql('restored_auth', "SELECT status FROM auth.refresh('$refresh_token')"), 'ok',
	'a refresh token of before the dump is exchanged after the restore');
is($node->safe_psql('restored_auth', "SELECT status FROM auth.login('ann\@example.com', '$DualDB::Test::PASSWORD')"),
	'ok', 'and the user logs in');
is($node->safe_psql('restored_app', "SELECT dualdb.jwt_verify('$token') ->> 'sub' = u.id FROM app.users u"), 't',
	'the restored app database verifies tokens');
is($node->safe_psql('restored_app', 'SELECT count(*) FROM app.api_logs'), '1', 'and has its rows');

# DROP EXTENSION takes no data along
my $superuser = getpwuid($<);
error_is($node, 'restored_auth', $superuser,
	'DROP EXTENSION dualdb', qr/^2BP01: cannot drop extension dualdb because other objects depend on it/,
	'the extension is not dropped under the tables');
my $before = catalog('restored_auth');
$node->safe_psql('restored_auth', 'DROP EXTENSION dualdb CASCADE');
is($node->safe_psql('restored_auth', 'SELECT count(*) FROM auth.users'), '1', 'and with CASCADE the users stay');
$node->safe_psql('restored_auth', 'CREATE EXTENSION dualdb; SELECT dualdb.setup_auth()');
is_deeply(catalog('restored_auth'), $before, 'and the setup brings the rest back');

# where the bridge leads is changed by arguments alone
$node->safe_psql('restored_app', "SELECT dualdb.setup_app(auth_host => '/elsewhere', auth_port => 12345); SELECT dualdb.setup_app()");
is($node->safe_psql('restored_app', q{SELECT string_agg(o, ' ' ORDER BY o) FROM pg_foreign_server s, unnest(s.srvoptions) o
	WHERE o ~ '^(host|port|dbname)='}), 'dbname=aisales_auth host=/elsewhere port=12345',
	'a setup without arguments leaves the bridge where it is');

# refusals
create_database('taken', 'CREATE SCHEMA auth; CREATE EXTENSION dualdb');
error_is($node, 'taken', $superuser, 'SELECT dualdb.setup_auth()',
	qr/^42P06: schema "auth" exists already and is not dualdb's$/, 'a schema of somebody else is left alone');
error_is($node, 'taken', $superuser, "SELECT dualdb.setup_script('nothing')",
	qr/^22023: there is no setup script "nothing"$/, 'an unknown script');
$node->safe_psql('postgres', "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
$node->safe_psql('latin', 'CREATE EXTENSION dualdb');
error_is($node, 'latin', $superuser, 'SELECT dualdb.setup_auth()',
	qr/^0A000: dualdb requires a database with encoding UTF8$/, 'another encoding');
create_database('squatted', 'CREATE SCHEMA dualdb');
error_is($node, 'squatted', $superuser, 'CREATE EXTENSION dualdb',
	qr/^42P06: schema "dualdb" already exists$/, 'a schema dualdb of somebody else');
$node->safe_psql('postgres', 'CREATE ROLE intruder; GRANT dualdb_auth_owner TO intruder');
error_is($node, 'aisales_auth', $superuser, 'SELECT dualdb.setup_auth()',
	qr/^0P000: role "dualdb_auth_owner" must not have role "intruder" as a member$/, 'an owner role with a member');
$node->safe_psql('postgres', 'REVOKE dualdb_auth_owner FROM intruder; CREATE ROLE owner LOGIN;
	GRANT CONNECT ON DATABASE aisales_auth TO owner');
error_is($node, 'aisales_auth', 'owner', "SELECT $_",
	qr/^42501: permission denied for function/, "an ordinary role does not call $_")
  foreach 'dualdb.setup_auth()', 'dualdb.setup_app()', 'dualdb.setup_single()', "dualdb.setup_script('auth')", "dualdb.run_setup('auth', '{}')";

done_testing();
