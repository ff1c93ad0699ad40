# verify_setup() of roles: each fault is found, and its hint mends it.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use DualDB::Verify;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = verified_cluster('main');
my $version = $node->pg_version->major;

$node->safe_psql('postgres', 'CREATE ROLE carol LOGIN; CREATE ROLE "Dave ""D""" LOGIN; CREATE ROLE team');
my $carol = 'GRANT %s TO carol';

breaks_ok($node, 'aisales_auth',
	# attributes
	(map { [ 'error|role_attributes', "ALTER ROLE $_" ] }
		'dualdb_auth_owner SUPERUSER', 'dualdb_auth_service CREATEDB', 'dualdb_app_service CREATEROLE',
		'dualdb_app_user BYPASSRLS', 'dualdb_bridge REPLICATION', 'dualdb_bridge_owner LOGIN',
		'dualdb_sync LOGIN', 'dualdb_bridge NOLOGIN', 'dualdb_bridge INHERIT', 'dualdb_bridge CONNECTION LIMIT -1'),
	[ 'error|role_attributes', 'CREATE ROLE dualdb_other CREATEROLE', after => 'DROP ROLE dualdb_other' ],
	[ 'error|role_missing', 'ALTER ROLE dualdb_auth_orm RENAME TO orm', also => [ 'error|schema_privileges',
		'error|relation_privileges', 'error|function_privileges' ], mend => 'ALTER ROLE orm RENAME TO dualdb_auth_orm',
		like => qr/^SELECT dualdb\.setup_auth\(\);$/ ],
	# passwords and settings
	[ 'error|role_password', q{ALTER ROLE dualdb_app_owner PASSWORD 'x'} ],
	[ 'error|role_password', q{SET password_encryption = md5; ALTER ROLE dualdb_bridge PASSWORD 'x'} ],
	[ 'error|bridge_settings', 'ALTER ROLE dualdb_bridge IN DATABASE aisales_auth RESET default_transaction_read_only' ],
	[ 'error|bridge_settings', 'ALTER ROLE dualdb_bridge IN DATABASE aisales_auth SET statement_timeout = 0' ],
	[ 'error|bridge_settings', 'ALTER ROLE dualdb_bridge IN DATABASE aisales_auth SET "search_path" = public' ],
	[ 'error|bridge_settings', 'ALTER ROLE dualdb_bridge SET enable_sort = off' ],
	[ 'error|bridge_settings', 'ALTER ROLE dualdb_bridge IN DATABASE aisales_auth SET enable_seqscan = off' ],
	# memberships
	[ 'error|role_members', 'GRANT dualdb_auth_owner TO team' ],
	[ 'error|role_members', 'GRANT dualdb_bridge TO team' ],
	[ 'error|role_members', 'GRANT pg_monitor TO dualdb_bridge' ],
	[ 'error|role_members', 'GRANT team TO dualdb_auth_service' ],
	[ 'error|who_can_become', 'GRANT dualdb_auth_owner TO "Dave ""D"""', also => ['error|role_members'] ],
	[ 'error|who_can_become', 'GRANT dualdb_bridge_owner TO team; GRANT team TO carol', also => ['error|role_members'],
		after => 'REVOKE team FROM carol' ],
	[ 'warning|mixed_logins', 'GRANT dualdb_auth_service, dualdb_app_service TO carol', after => 'REVOKE dualdb_app_service FROM carol' ],
	[ 'warning|orm_logins', 'GRANT team TO carol; GRANT dualdb_auth_orm TO team', after => 'REVOKE team FROM carol' ],
	# powers
	(map { [ 'error|powerful_roles', sprintf($carol, $_) ] } 'pg_read_all_data', 'pg_write_all_data',
		'pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files'),
	[ 'warning|powerful_roles', 'ALTER ROLE carol REPLICATION' ],
	($version < 16 ? [ 'warning|powerful_roles', 'ALTER ROLE carol CREATEROLE' ] : ()));

# a grant of somebody else's, by ADMIN OPTION
$node->safe_psql('postgres', 'GRANT dualdb_auth_orm TO carol WITH ADMIN OPTION');
$node->safe_psql('postgres', 'SET ROLE carol; GRANT dualdb_auth_orm TO "Dave ""D"""');
like(hints_of($node, 'aisales_auth', 'orm_logins'), qr/FROM "Dave ""D""" GRANTED BY carol CASCADE;/, 'a grant by an admin of the role');
$node->safe_psql('postgres', hints_of($node, 'aisales_auth', 'orm_logins'));
is(findings($node, 'aisales_auth'), $DualDB::Verify::EVERYWHERE, 'is taken back');

breaks_ok($node, 'aisales_app', [ 'warning|powerful_roles', 'ALTER ROLE carol BYPASSRLS' ]);

# control: what is allowed to be there is not found
$node->safe_psql('postgres', 'GRANT dualdb_app_service TO team; GRANT team, pg_monitor TO carol; GRANT pg_read_all_data TO team;
	CREATE ROLE admin SUPERUSER LOGIN; GRANT dualdb_auth_owner TO admin; REVOKE dualdb_auth_owner FROM admin;
	CREATE ROLE dualdb_replicator LOGIN REPLICATION; CREATE ROLE dualdb_backend LOGIN IN ROLE dualdb_app_user');
like(findings($node, 'aisales_app'), qr/error\|powerful_roles/, 'control: a power that comes through a group is found');
$node->safe_psql('postgres', 'REVOKE pg_read_all_data FROM team');
is(findings($node, 'aisales_app'), $DualDB::Verify::EVERYWHERE, 'and groups, monitoring, replicator and backends are not');

done_testing();
