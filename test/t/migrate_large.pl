# migrate.pl with 200,000 users, who share a few hundred hashes of every format, and a
# million orders.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Legacy;
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'it takes minutes: make test-large' unless $ENV{DUALDB_LARGE};

my @hashes = published_hashes();
# by crypt(3) of the system
foreach my $n (1 .. 80)
{
	my $salt = sprintf 'salt%04d', $n;

	push @hashes, map { [ "password $n", crypt("password $n", $_) ] }
	  "\$6\$rounds=1000\$$salt\$", "\$5\$rounds=1000\$$salt\$", "\$1\$$salt\$", "\$2b\$04\$CCCCCCCCCCCCC${salt}.";
}
is(scalar(grep { ($_->[1] // '') !~ /^\$\w+\$/ } @hashes[-320 .. -1]), 0, 'crypt() knows the formats');

my $started_at = time;
migration_ok(200_000, 1_000_000, @hashes);
note 'seconds: ', time - $started_at;

done_testing();
