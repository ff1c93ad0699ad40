# The app primary is killed while the application writes: a standby takes over with
# its sync worker, tokens and row-level security, and nobody's login notices.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Failover;
use DualDB::Load;
use DualDB::Replicas;
use DualDB::Test;
use DualDB::TwoServers;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $conf = "$DualDB::Replicas::CONF\ndualdb.argon2_memory = '19MB'\ndualdb.argon2_iterations = 2";
my ($auth, $app, $tls) = two_servers(auth_conf => $conf, app_conf => "$conf\ndualdb.app_database = 'aisales_app'");
$tls->issue('app', 'localhost', hosts => 'IP:127.0.0.1');
listen_on_tcp($app);
use_tls($app, $tls, 'app');
set_up_primary($app, 'aisales_app', 2);
my @standbys = map { add_standby($app, "app_standby_$_", $_, $tls->authority) } 1 .. 2;
wait_for_standbys($app, 2);
# an application that has chosen synchronous commits
prepare_failover($tls->authority, 1, $app, @standbys);
ok($app->poll_query_until('postgres', "SELECT count(*) = 2 FROM pg_stat_replication r WHERE r.sync_state = 'quorum'"), 'standbys are synchronous');
my $new = $app;

sub auth { return $auth->safe_psql('aisales_auth', shift); }
sub new_app { return $new->safe_psql('aisales_app', shift); }

# two users, each with a project
my @users = map { register($auth, "user$_\@example.com", "User $_") } 1 .. 2;
my ($access_token, $refresh_token) = login_tokens($auth, 'user1@example.com');
my ($other_token) = login_tokens($auth, 'user2@example.com');
ok($app->poll_query_until('aisales_app', "SELECT count(*) = 2 FROM app.users"), 'the sync worker works');
new_app("INSERT INTO app.projects (id, user_id, name) SELECT 'of ' || u.display_name, u.id, 'Project' FROM app.users u");

my @servers = ($app, @standbys);
sub client { return DualDB::Load->start($auth->basedir, @_); }
my $writes = client('writes', multi_host('aisales_app', 'app_login', 'read-write', @servers),
	asking_client('write', "INSERT INTO app.orders (project_id, user_id) VALUES ('of User 1', '$users[0]') RETURNING 'ok', id", 'ok'));
my $reads = client('reads', multi_host('aisales_app', 'app_user_login', 'any', @servers),
	asking_client('read', "SELECT dualdb.authenticate_session('$access_token') \\g /dev/null
		SELECT 'ok', string_agg(p.id, ',') FROM app.projects p JOIN app.users u ON u.id = p.user_id", 'ok'));
my $lookups = client('look-ups', multi_host('aisales_app', 'app_login', 'any', @servers),
	asking_client('look-up', "SELECT 'ok', count(*) FROM app.lookup_users(ARRAY['$users[0]', '$users[1]'])", 'ok'));
my $logins = client('logins', multi_host('aisales_auth', 'auth_login', 'read-write', $auth), session_client('user2@example.com'));
my @clients = ($writes, $reads, $lookups, $logins);

DualDB::Load::wait_for_success(20, 0, @clients);
my $killed_at = time;
$app->kill9;
($new, my $other) = promote_best('aisales_app', @standbys);
my $promoted_at = time;
DualDB::Load::wait_for_success(20, $promoted_at, @clients);
DualDB::Load::stop(@clients);
diag sprintf 'app primary killed, standby promoted after %.1f s; what clients saw:', $promoted_at - $killed_at;
diag $_->summary foreach @clients;

# what the application has
my $ids = join ',', map { "'" . (split / /, $_->{data})[1] . "'" } $writes->succeeded;
is(new_app("SELECT count(*) FROM app.orders o WHERE o.id IN ($ids)"), scalar $writes->succeeded, 'each order that was acknowledged is there');
is(join(',', map { $_->{outcome} } $logins->failed), '', 'no login and no refresh failed');
is(join(',', map { $_->{data} } grep { $_->{data} ne 'ok of User 1' } $reads->succeeded), '', 'whoever read saw their rows alone');
is(join(',', map { $_->{data} } grep { $_->{data} ne 'ok 2' } $lookups->succeeded), '', 'each look-up that answered had found all');

# tokens and row-level security on the new primary
session_ok($new, 'aisales_app', 'app_user_login',
	[ 'nobody sees nothing', 'SELECT count(*) FROM app.projects p', '0' ],
	[ 'a token verifies', "SELECT dualdb.authenticate_session('$other_token')", $users[1] ],
	[ 'and its user sees their project', 'SELECT p.id FROM app.projects p', 'of User 2' ],
	[ 'cannot write into that of another', "INSERT INTO app.orders (project_id, user_id) VALUES ('of User 1', '$users[1]')", 'ERROR: 42501' ],
	[ 'and can into theirs', "INSERT INTO app.orders (project_id, user_id) VALUES ('of User 2', '$users[1]') RETURNING project_id", 'of User 2' ]);

# the sync is where the primary is
my $workers = "SELECT count(*) FROM pg_stat_activity a WHERE a.backend_type = 'dualdb sync worker'";
ok($new->poll_query_until('aisales_app', "SELECT ($workers) = 1 AND s.failures = 0 AND s.last_success > to_timestamp($promoted_at) FROM app.sync_status s"),
	'the sync worker has started there by itself');
is($other->safe_psql('postgres', $workers), '0', 'and not on the standby');
my $late = register($auth, 'late@example.com', 'Late');
is(psql_error($new, 'aisales_app', 'app_login', "SELECT dualdb.authenticate('$access_token')"), '', 'control: a session goes on');
auth("SELECT auth.logout('$refresh_token')");
foreach my $node ($new, $other)
{
	my $name = $node->name;
	ok($node->poll_query_until('aisales_app', "SELECT count(*) = 1 FROM app.users u WHERE u.id = '$late'"), "$name: a new user appears");
	ok($node->poll_query_until('aisales_app', "SELECT count(*) = 1 FROM dualdb.revocations r WHERE r.kind = 'session'"), "$name: a revocation arrives");
	error_is($node, 'aisales_app', 'app_login', "SELECT dualdb.authenticate('$access_token')", qr/^28000/, "$name: and is obeyed");
}

# the former primary comes back as a standby, without a sync worker
rejoin($app, $new);
ok($new->poll_query_until('postgres', "SELECT count(*) = 2 FROM pg_stat_replication r WHERE r.sync_state = 'quorum'"), 'the former primary is a standby again');
wait_for_standbys($new, 2);
is($app->safe_psql('aisales_app', "SELECT count(*) FROM app.orders o WHERE o.id IN ($ids)"), scalar $writes->succeeded, 'which has all orders');
is($app->safe_psql('postgres', $workers), '0', 'and no sync worker');

# on purpose: the other standby takes over, and nobody fights for its slot
switch_over($new, $other);
ok($other->poll_query_until('postgres', "SELECT count(*) = 2 FROM pg_stat_replication r WHERE r.sync_state = 'quorum'"), 'after a switchover both of the others follow');
wait_for_standbys($other, 2);
is($new->safe_psql('aisales_app', "SELECT count(*) FROM app.orders o WHERE o.id IN ($ids)"), scalar $writes->succeeded, 'and nothing is lost');
is($new->safe_psql('postgres', 'SELECT count(*) FROM pg_replication_slots s WHERE s.restart_lsn IS NOT NULL'), '0', 'the former primary keeps no WAL for anybody');

done_testing();
