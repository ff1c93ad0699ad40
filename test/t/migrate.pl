# From another application's database to two of dualdb's, killed on the way; the same with
# 200,000 users and a million orders is migrate_large.pl.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Legacy;
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my ($node, $mapping) = migration_ok(2000, 10000, published_hashes());

done_testing();
