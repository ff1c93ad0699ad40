# What connection pools send between two clients ends the session's identity, or the
# server refuses to make one; and parallel plans go on after the keys have changed.

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

# where a pooler sends nothing, the server can refuse what would be left
my $session = "SELECT dualdb.authenticate_session('$token')";
my $who = "SELECT coalesce(dualdb.user_id(), 'nobody')";
$node->safe_psql('postgres', 'ALTER ROLE app_user_login SET dualdb.session_identity = off');
session_ok($node, 'aisales_app', 'app_user_login',
	[ 'no identity for the session', $session, 'ERROR: 55000' ],
	[ 'the role cannot turn it on', 'SET dualdb.session_identity = on', 'ERROR: 42501' ],
	[ 'nor after a reset', "RESET ALL; $session", 'ERROR: 55000' ],
	[ 'nobody', $who, 'nobody' ],
	[ 'control: one for the transaction', "BEGIN; SELECT dualdb.authenticate('$token'); COMMIT", $user ]);
session_ok($node, 'aisales_app', 'app_login', [ 'control: another role has one', $session, $user ]);
is($node->safe_psql('aisales_app', "$session \\g /dev/null\nSET dualdb.session_identity = off; $who"), $user,
	'turning it off ends none that is there');

# the keys are read again in the middle of a parallel plan
my $force = $node->pg_version < 16 ? 'force_parallel_mode' : 'debug_parallel_query';
my $touch = "\\! psql -Xq -d '" . $node->connstr('aisales_app') . "' -c 'UPDATE dualdb.trusted_keys SET not_before = NULL'";
is((psql_as($node, 'aisales_app', 'app_login',
	"SELECT dualdb.authenticate_session('$token') \\g /dev/null\nSET $force = on;\n$touch\nSELECT dualdb.user_id(), count(*) FROM pg_class WHERE relname = 'pg_class'"))[1],
	"$user|1", 'an identity in a parallel plan after a change of the keys');

done_testing();
