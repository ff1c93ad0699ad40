# verify_setup() of the app side of the bridge.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use DualDB::Verify;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = verified_cluster('main');
my $app = 'aisales_app';
my $mapping = 'ALTER USER MAPPING FOR dualdb_bridge_owner SERVER dualdb_auth OPTIONS';

$node->safe_psql('postgres', 'CREATE ROLE carol LOGIN');
my $is_there = sub { $node->safe_psql($app, "SELECT $_[0]") eq 't' };

breaks_ok($node, $app,
	[ 'error|server_owner', 'GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO carol; ALTER SERVER dualdb_auth OWNER TO carol',
		also => ['warning|wrapper_usage'], after => 'SELECT 1', mend => 'ALTER SERVER dualdb_auth OWNER TO CURRENT_USER;
		REVOKE ALL ON FOREIGN DATA WRAPPER postgres_fdw FROM carol', like => qr/^ALTER SERVER dualdb_auth OWNER TO \S+;$/ ],
	[ 'warning|wrapper_usage', 'GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO PUBLIC' ],
	[ 'error|server_usage', 'GRANT USAGE ON FOREIGN SERVER dualdb_auth TO carol' ],
	[ 'error|server_usage', 'GRANT USAGE ON FOREIGN SERVER dualdb_auth TO PUBLIC' ],
	(map { [ 'error|server_options', "ALTER SERVER dualdb_auth OPTIONS ($_)" ] }
		q{ADD hostaddr '127.0.0.2'}, q{ADD service 'x'}, q{ADD extensions 'postgres_fdw'}, q{SET updatable 'true'}, q{DROP truncatable}),
	[ 'warning|server_options', 'ALTER SERVER dualdb_auth OPTIONS (DROP tcp_user_timeout)' ],
	[ 'error|user_mapping', q{CREATE USER MAPPING FOR carol SERVER dualdb_auth} ],
	[ 'error|user_mapping', q{CREATE USER MAPPING FOR PUBLIC SERVER dualdb_auth OPTIONS (user 'x')} ],
	[ 'error|user_mapping', "$mapping (ADD password 'x')", also => ['error|secret_options'] ],
	[ 'error|user_mapping', "$mapping (SET user 'postgres')" ],
	[ 'error|user_mapping', 'DROP USER MAPPING FOR dualdb_bridge_owner SERVER dualdb_auth' ],
	[ 'error|other_servers', q{CREATE SERVER "Other" FOREIGN DATA WRAPPER postgres_fdw OPTIONS (dbname 'aisales_auth')} ],
	[ 'error|other_servers', q{CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw; CREATE USER MAPPING FOR carol SERVER s OPTIONS (user 'dualdb_bridge')} ],
	[ 'error|foreign_tables', 'CREATE FOREIGN TABLE public."Users" (id text) SERVER dualdb_auth' ],
	[ 'error|foreign_tables', q{ALTER FOREIGN TABLE bridge.user_lookup OPTIONS (SET schema_name 'pg_catalog', SET table_name 'pg_roles')} ],
	[ 'error|foreign_tables', 'ALTER FOREIGN TABLE bridge.feed OPTIONS (DROP schema_name)' ],
	[ 'error|dblink', 'CREATE EXTENSION dblink' ],
	[ 'error|server_missing', 'ALTER SERVER dualdb_auth RENAME TO elsewhere', mend => 'ALTER SERVER elsewhere RENAME TO dualdb_auth',
		instead => 1, also => ['error|other_servers'], like => qr/^SELECT dualdb.setup_app\(\);$/ ],
	[ 'warning|trusted_keys', q{INSERT INTO dualdb.trusted_keys (kid, issuer, public_key) VALUES ('my ''key''', 'x', sha256('x'))} ],
	[ 'error|trusted_keys', 'DELETE FROM dualdb.trusted_keys' ],
	[ 'error|role_missing', 'ALTER ROLE dualdb_sync RENAME TO old_sync', mend => 'ALTER ROLE old_sync RENAME TO dualdb_sync',
		also => [ 'error|schema_privileges', 'error|function_privileges' ], like => qr/^SELECT dualdb.setup_app\(\);$/ ]);

# by network: TLS and a certificate or passfile; hints name files only by place
$node->safe_psql($app, q{ALTER SERVER dualdb_auth OPTIONS (SET host 'auth.example.com,10.0.0.2', DROP sslmode)});
is(findings($node, $app), "error|server_credentials error|server_tls $DualDB::Verify::EVERYWHERE", 'a host on the network');
like(hints_of($node, $app, 'server_tls'), qr/ADD sslmode 'verify-full'\);\n.*ADD sslrootcert '...'\)/s, 'with what is missing');
$node->safe_psql($app, q{ALTER SERVER dualdb_auth OPTIONS (ADD sslmode 'require', ADD sslrootcert '/etc/root.crt', ADD passfile '/etc/pass')});
is(findings($node, $app), "error|server_tls $DualDB::Verify::EVERYWHERE", 'with TLS that does not verify the server');
$node->safe_psql($app, hints_of($node, $app, 'server_tls'));
is(findings($node, $app), $DualDB::Verify::EVERYWHERE, 'and with TLS that does');
$node->safe_psql($app, q{ALTER SERVER dualdb_auth OPTIONS (DROP passfile, DROP sslrootcert, SET host '} . $node->host . q{')});
is(findings($node, $app), $DualDB::Verify::EVERYWHERE, 'control: the socket needs none of it');

# the sync
sub said_of
{
	return $node->safe_psql($app, "SELECT status FROM dualdb.verify_setup() WHERE item = '$_[0]'");
}
$node->safe_psql($app, 'UPDATE bridge.sync_state SET synced_at = NULL');
is(said_of('sync'), 'warning', 'no sync');
is($node->safe_psql($app, "SELECT detail FROM dualdb.verify_setup() WHERE item = 'sync'"), 'There has been no sync.', 'and it says so');
$node->safe_psql($app, hints_of($node, $app, 'sync'));
is(said_of('sync'), 'ok', 'a sync a moment ago');
$node->safe_psql($app, q{UPDATE bridge.sync_state SET synced_at = now() - interval '1 minute'});
is(said_of('sync'), 'warning', 'a sync a minute ago');
$node->safe_psql($app, 'ALTER TABLE bridge.sync_state RENAME TO x; CREATE VIEW bridge.sync_state AS SELECT now() AS synced_at');
is(said_of('sync'), 'warning', 'a view is not asked');
$node->safe_psql($app, 'DROP VIEW bridge.sync_state; ALTER TABLE bridge.x RENAME TO sync_state');

# settings that not every version of the library has
SKIP:
{
	skip 'no setting dualdb.max_feed_age', 2 unless $is_there->("current_setting('dualdb.max_feed_age', true) IS NOT NULL");
	is(said_of('max_feed_age'), 'warning', 'revocations that are old do not matter');
	$node->safe_psql($app, hints_of($node, $app, 'max_feed_age'));
	is(said_of('max_feed_age'), 'ok', 'but may');
}
SKIP:
{
	skip 'no setting dualdb.app_database', 3 unless $is_there->("current_setting('dualdb.app_database', true) IS NOT NULL");
	is(said_of('sync_worker'), 'warning', 'no worker');
	$node->safe_psql($app, hints_of($node, $app, 'sync_worker'));
	ok($node->poll_query_until($app, q{SELECT status = 'ok' FROM dualdb.verify_setup() WHERE item = 'sync_worker'}), 'a worker, by the hint');
	ok($node->poll_query_until($app, q{SELECT lag < interval '1 minute' FROM app.sync_status}), 'which works');
}

done_testing();
