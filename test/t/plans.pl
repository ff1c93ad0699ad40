# With 10,000 users, no statement of what is done every day reads a table that grows
# with them from end to end.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Scale;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = scaled_cluster(10_000);
my $superuser = getpwuid $<;

work_ok(10_000);

# that what is looked for would be found
sub found_of
{
	my (undef, @plans) = reads_of(@_);

	return [ map { s/:.*//r } found(@plans) ];
}

is_deeply(found_of('auth', $superuser, q{SELECT FROM auth.users WHERE display_name = 'Nobody'}),
	['Seq Scan on users, 10000 rows'], 'a table that is read from end to end');
is_deeply(found_of('auth', $superuser, q{SET enable_seqscan = off; SET enable_bitmapscan = off;
	SELECT FROM auth.users WHERE id > '' AND display_name = 'Nobody'}),
	['Index Scan on users, 10000 rows'], 'an index that is');

my $list = q{SELECT auth.list_sessions((SELECT id FROM auth.users WHERE email_norm = 'user5@example.com'))};

is_deeply(found_of('auth', $superuser, $list), [], 'the sessions of a user');
$node->safe_psql('aisales_auth', 'DROP INDEX auth.sessions_user_id_idx');
like(found_of('auth', $superuser, $list)->[0], qr/^Seq Scan on sessions, \d{5} rows$/, 'without their index');

$node->safe_psql('aisales_app', q{UPDATE pg_proc SET prosupport = 0 WHERE oid = 'dualdb.owns_project'::regproc});
like(found_of('app', 'app_user_login', 'SELECT FROM app.orders')->[0] // '', qr/^Seq Scan on orders/,
	'own rows when the planner does not know whose they are');

done_testing();
