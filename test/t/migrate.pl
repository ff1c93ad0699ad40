# From another application's database to two of dualdb's: killed three times on the way,
# no row is lost or there twice, and everybody logs in.

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

my $node = verified_cluster('main', conf => q{
dualdb.argon2_memory = '19MB'
dualdb.argon2_iterations = 2
restart_after_crash = on
});
my @hashes = map { $node->safe_psql('aisales_auth', "SELECT dualdb.hash_password('password $_')") } 0 .. 3;
$node->safe_psql('postgres', 'CREATE DATABASE legacy');
legacy_database($node, 'legacy', 'uuid', USERS, ORDERS, @hashes);
my $auth_before = findings($node, 'aisales_auth');
my $app_before = findings($node, 'aisales_app');

reach_legacy($node, $_, 'legacy', 'uuid') foreach 'aisales_auth', 'aisales_app';
my $mapping = legacy_mapping('legacy');

is(checked($node, 'aisales_auth', $mapping), '', 'nothing is amiss with the users');
is(checked($node, 'aisales_app', $mapping), '', 'nor with the rest');
kill_while_migrating($node, 'aisales_auth', $mapping, 'batch_size => 100', USERS / 3);
kill_while_migrating($node, 'aisales_auth', $mapping, 'batch_size => 100', USERS * 2 / 3);
like(migrate($node, 'aisales_auth', $mapping), qr/^users @{[ USERS ]} written, 0 removed, 0 put off$/, 'users');
kill_while_migrating($node, 'aisales_app', $mapping, 'batch_size => 500', ORDERS / 2);
is(migrate($node, 'aisales_app', $mapping), '', 'the rest');
is(verified($node, 'aisales_auth', $mapping), '', 'verify');
is(verified($node, 'aisales_app', $mapping), '', 'verify');
done_testing();
