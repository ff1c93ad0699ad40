# What connection pools send between two clients ends the session's identity; and
# parallel plans go on after the keys have changed.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = auth_app_cluster('main');
my $user = register($node, 'ann@example.com', 'Ann');
my ($token) = login_tokens($node, 'ann@example.com');

sub identity_after
{
	my ($sql) = @_;
	return (psql_as($node, 'aisales_app', 'app_login',
		"SELECT dualdb.authenticate_session('$token') \\g /dev/null\n$sql;\nSELECT coalesce(dualdb.user_id(), 'nobody')"))[1];
}

is(identity_after($_), $user, "control: $_ leaves the identity")
  foreach 'RESET work_mem', 'DISCARD PLANS', 'RESET ROLE', 'SET ROLE NONE', 'CLOSE ALL';
is(identity_after($_), 'nobody', "$_ ends it")
  foreach 'DISCARD ALL', 'RESET ALL', 'SET SESSION AUTHORIZATION DEFAULT', 'RESET SESSION AUTHORIZATION';

# the keys are read again in the middle of a parallel plan
my $force = $node->pg_version < 16 ? 'force_parallel_mode' : 'debug_parallel_query';
my $touch = "\\! psql -Xq -d '" . $node->connstr('aisales_app') . "' -c 'UPDATE dualdb.trusted_keys SET not_before = NULL'";
is((psql_as($node, 'aisales_app', 'app_login',
	"SELECT dualdb.authenticate_session('$token') \\g /dev/null\nSET $force = on;\n$touch\nSELECT dualdb.user_id(), count(*) FROM pg_class WHERE relname = 'pg_class'"))[1],
	"$user|1", 'an identity in a parallel plan after a change of the keys');

done_testing();
