# The FastAPI application: auth and app on two servers.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Backend;
use Test::More;

need_backend();
my $place = dual_databases();
my $backend = start_backend($place);

run_pytest($place, $backend, 
	qw(test_accounts test_rollback test_projects test_api_keys test_second_factor
	test_concurrent test_orm));
outages($place, $backend);
stop_backend($backend);
no_secret_in($place, $backend);

done_testing();
