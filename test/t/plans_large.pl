# plans.pl with 100,000 and with 1,000,000 users.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Scale;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'it takes a quarter of an hour: make test-large' unless $ENV{DUALDB_LARGE};

foreach my $users (100_000, 1_000_000)
{
	my $started_at = time;
	my $node = scaled_cluster($users);

	work_ok($users);
	note "$users users, seconds: ", time - $started_at;
	$node->clean_node;
}

done_testing();
