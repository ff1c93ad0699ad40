# From another application's database to two of dualdb's, killed on the way; then over to
# them for good.  The same with 200,000 users and a million orders is migrate_large.pl.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Legacy;
use DualDB::Test;
use DualDB::Verify;
use PostgreSQL::Test::Utils;
use Test::More;

use constant { USERS => 2000, ORDERS => 10000 };

my ($node, $mapping) = migration_ok(USERS, ORDERS, published_hashes());

# the directory
ok($node->poll_query_until('aisales_app', 'SELECT complete FROM dualdb.sync()'), 'the sync brings the users');
is($node->safe_psql('aisales_app', 'SELECT count(*), count(*) FILTER (WHERE is_active) FROM app.users'),
	USERS . '|' . USERS * 49 / 50, 'all of them');
is($node->safe_psql('aisales_app', 'SELECT count(*) FROM app.orders o JOIN app.users u ON u.id = o.user_id'), ORDERS, 'to join orders with');

# at work, while the old application changes its last rows
my $token = $node->safe_psql('aisales_auth', "SELECT access_token FROM auth.login('user39\@example.com', '@{[ (published_hashes())[39 % published_hashes()]->[0] ]}')");
my ($status, $orders) = psql_as($node, 'aisales_app', 'app_user_login', "BEGIN; SELECT dualdb.authenticate('$token') \\gset\nSELECT count(*) FROM app.orders; COMMIT");
cmp_ok($orders, '>', 0, 'a user sees their orders');
cmp_ok($orders, '<', ORDERS, 'and no others');
$node->safe_psql('legacy', "UPDATE accounts SET mail = 'last\@example.com' WHERE mail = 'User41\@Example.com'; UPDATE purchases SET amount = 1 WHERE id = md5('purchase1')::uuid");
like(migrate($node, 'aisales_auth', $mapping), qr/^users 1 written/, 'a user who has changed');
like(migrate($node, 'aisales_app', $mapping), qr/orders 1 written/, 'an order that has changed');
like(verified($node, $_, $mapping), qr/^(ok\|\w+\|\d+\|\d+\|t\|[^|]*)+$/, "$_ is as the source") foreach 'aisales_auth', 'aisales_app';
ok($node->poll_query_until('aisales_app', "SELECT count(*) = 1 FROM dualdb.sync() s, app.users u WHERE u.email = 'last\@example.com'"), 'the directory hears of it');

# over for good
write_hba($node);
$node->append_conf('postgresql.conf', "fsync = on\n");
$node->reload;
$node->safe_psql('postgres', 'REVOKE CONNECT ON DATABASE legacy FROM PUBLIC');
my $left = 'warning|migration';
is(findings($node, 'aisales_auth'), "$DualDB::Verify::EVERYWHERE $left", 'what is left in the auth database');
is(findings($node, 'aisales_app'), "$DualDB::Verify::EVERYWHERE $left warning|secret_columns", 'and in the app database');
foreach my $database ('aisales_auth', 'aisales_app')
{
	like($node->safe_psql($database, 'SELECT dualdb.migrate_finish()'), qr/^migration finished/, "finish in $database");
	$node->safe_psql($database, 'DROP SERVER legacy CASCADE; DROP SCHEMA legacy CASCADE');
	is(findings($node, $database), $DualDB::Verify::EVERYWHERE, 'verify_setup() is content');
}

done_testing();
