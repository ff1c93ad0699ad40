# The auth primary is killed while clients log in, refresh, verify and look up: what
# has been acknowledged is there on the standby that takes over, and the app server
# has not noticed more than it must.

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
my ($auth, $app, $tls) = two_servers(auth_conf => "$conf\ndualdb.refresh_grace = '60s'\ndualdb.max_login_failures = 4",
	app_conf => "$conf\ndualdb.app_database = 'aisales_app'");
$tls->issue('app', 'localhost', hosts => 'IP:127.0.0.1');
listen_on_tcp($app);
use_tls($app, $tls, 'app');
set_up_primary($auth, 'aisales_auth', 2);
set_up_primary($app, 'aisales_app', 1);
my @standbys = map { add_standby($auth, "auth_standby_$_", $_, $tls->authority) } 1 .. 2;
my $app_standby = add_standby($app, 'app_standby', 1, $tls->authority);
wait_for_standbys($auth, 2);
prepare_failover($tls->authority, 1, $auth, @standbys);
server_options($app, host => '127.0.0.1,127.0.0.1,127.0.0.1', port => join(',', map { $_->port } $auth, @standbys));
my $new;

sub app { return $app->safe_psql('aisales_app', shift); }
sub new_auth { return $new->safe_psql('aisales_auth', shift); }

# who works, and who is locked out
my @users = map { register($auth, "user$_\@example.com", "User $_") } 1 .. 2;
my ($access_token) = login_tokens($auth, 'user1@example.com');
my $api_key = $auth->safe_psql('aisales_auth', "SELECT api_key FROM auth.create_api_key('$users[0]', 'key', '{}')");
app("SELECT dualdb.sync(); INSERT INTO app.projects (id, user_id, name) VALUES ('p', '$users[0]', 'Project')");
my $locked = q{SELECT f.in_a_row FROM auth.login_failures f WHERE f.identifier = auth.login_identifier('locked@example.com')};
ok($auth->poll_query_until('aisales_auth', "SELECT CASE l.status WHEN 'throttled' THEN l.retry_after > 60 ELSE false END
	FROM auth.login('locked\@example.com', 'wrong') l"), 'failures lock');
ok($auth->poll_query_until('aisales_auth', "SELECT ($locked) = 4"), 'and are written down');
ok($auth->poll_query_until('postgres', "SELECT count(*) = 2 FROM pg_stat_replication r WHERE r.sync_state = 'quorum'"), 'standbys are synchronous');

my @servers = ($auth, @standbys);
sub client { return DualDB::Load->start($auth->basedir, @_); }
my @logins = map { client("login $_", multi_host('aisales_auth', 'auth_login', 'read-write', @servers),
		session_client("user$_\@example.com")) } 1 .. 2;
my $guesses = client('guesses', multi_host('aisales_auth', 'auth_login', 'read-write', @servers), guessing_client());
my $verifies = client('API keys', multi_host('aisales_auth', 'auth_login', 'any', @servers),
	asking_client('verify', "SELECT status, dualdb.jwt_verify('$access_token') ->> 'sub' FROM auth.verify_api_key('$api_key')", 'ok'));
my @lookups = map { client($_->[0], multi_host('aisales_app', 'app_login', 'any', $_->[1]),
		asking_client('look-up', "SELECT 'ok', count(*) FROM app.lookup_users(ARRAY['$users[0]', '$users[1]'])", 'ok')) }
  [ 'look-ups', $app ], [ 'at standby', $app_standby ];
my $writes = client('writes', multi_host('aisales_app', 'app_login', 'read-write', $app),
	asking_client('write', "INSERT INTO app.orders (project_id, user_id) SELECT 'p', dualdb.authenticate('$access_token') RETURNING 'ok'", 'ok'));
my @clients = (@logins, $guesses, $verifies, @lookups, $writes);

# the primary is killed when all of them work, and guesses have been written down
my $guessed = q{SELECT count(*) FROM auth.login_failures f WHERE f.in_all = 1};
DualDB::Load::wait_for_success(5, 0, @clients);
$auth->poll_query_until('aisales_auth', "SELECT ($guessed) > 2") or die 'no guess is written down';
my $written = $auth->safe_psql('aisales_auth', $guessed);
my $killed_at = time;
$auth->kill9;
($new, my $other) = promote_best('aisales_auth', @standbys);
my $promoted_at = time;
DualDB::Load::wait_for_success(5, $promoted_at, @clients);
ok($new->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_replication r WHERE r.sync_state = 'quorum'"),
	'the other standby follows the new primary by itself, and is synchronous');
DualDB::Load::stop(@clients);
diag sprintf 'auth primary killed, standby promoted after %.1f s; what clients saw:', $promoted_at - $killed_at;
diag $_->summary foreach @clients;

# sessions and tokens
my ($newest, $before) = tokens_told(@logins);
my $sessions = keys %$newest;
my $ids = join ',', map { "'$_'" } keys %$newest;
is(new_auth("SELECT count(*) FROM auth.sessions s WHERE s.ended_at IS NULL AND s.id IN ($ids)"), $sessions, 'every session that was acknowledged is there');
is(join(',', map { $_->{outcome} } grep { $_->{operation} eq 'refresh' && $_->{outcome} =~ /^status/ } map { $_->failed } @logins), '',
	'no refresh was refused');
my $values = join ',', map { "('$_', '$newest->{$_}')" } keys %$newest;
is(new_auth("SELECT count(*) FROM (VALUES $values) n (session_id, token), auth.refresh(n.token) r
	WHERE r.status = 'ok' AND r.session_id = n.session_id"), $sessions, 'and its newest token refreshes');
is(new_auth('SELECT count(*) FROM (SELECT FROM auth.refresh_tokens t GROUP BY t.session_id HAVING count(*) FILTER (WHERE t.used_at IS NULL) <> 1) x'),
	'0', 'no family of tokens has forked, and none has ended');
my ($any) = keys %$before;
is(new_auth("SELECT r.status FROM auth.refresh('$before->{$any}') r"), 'reuse_detected', 'a token whose successor has been used is not usable');
is(new_auth("SELECT s.end_reason FROM auth.sessions s WHERE s.id = '$any'"), 'reuse_detected', 'and ends its session');
my ($token, $successor) = (login_tokens($new, 'user2@example.com'))[1];
$successor = new_auth("SELECT r.refresh_token FROM auth.refresh('$token') r");
is(new_auth("SELECT r.refresh_token FROM auth.refresh('$token') r"), $successor, 'within the grace a used token gives its successor');
next_setting($new, 'dualdb.refresh_grace' => '0');
is(new_auth("SELECT r.status FROM auth.refresh('$token') r"), 'reuse_detected', 'and beyond it nothing');

# failures: what had been written stays, and not more than the guesses
is(new_auth($locked), '4', 'failures that were written down are there');
like(new_auth("SELECT l.status, l.retry_after > 60 FROM auth.login('locked\@example.com', '$DualDB::Test::PASSWORD') l"), qr/^throttled\|t$/,
	'and who was locked out is');
my @guesses = grep { $_->{at} < $promoted_at } $guesses->succeeded;
my $emails = join ',', map { "'" . (split / /, $_->{data})[1] . "'" } @guesses;
my $kept = new_auth("SELECT count(*) FROM unnest(ARRAY[$emails]) g (email) JOIN auth.login_failures f ON f.identifier = auth.login_identifier(g.email)");
cmp_ok($kept, '>=', $written, 'so are guesses that were written down when the primary was killed');
cmp_ok($kept, '<=', scalar @guesses, 'and not more than there were');
diag sprintf '%d failed logins of %d were not written down yet, the oldest %.1f s before', @guesses - $kept, scalar @guesses,
  $kept < @guesses ? $killed_at - $guesses[$kept]{at} : 0;
my $latest = (split / /, ($guesses->succeeded)[-1]{data})[1];
ok($new->poll_query_until('aisales_auth', "SELECT count(*) = 1 FROM auth.login_failures f WHERE f.identifier = auth.login_identifier('$latest')"),
	'those after the promotion are written down');

# the app server
is(join(',', map { $_->{outcome} } $writes->failed), '', 'no write of the application failed');
is(app('SELECT count(*) FROM app.orders'), scalar $writes->succeeded, 'and each of them is there');
is(join(',', map { $_->{data} } grep { $_->{data} ne 'ok 2' } map { $_->succeeded } @lookups), '', 'each look-up that answered had found all');
my $late = register($new, 'late@example.com', 'Late');
ok($app->poll_query_until('aisales_app', "SELECT count(*) = 1 FROM app.users u, app.sync_status s WHERE u.id = '$late' AND s.failures = 0"),
	'the sync goes on by itself');

# the former primary comes back as a standby, and could take over itself
rejoin($auth, $new);
ok($new->poll_query_until('postgres', "SELECT count(*) = 2 FROM pg_stat_replication r WHERE r.sync_state = 'quorum'"), 'the former primary is a standby again');
wait_for_standbys($new, 2);
is($auth->safe_psql('aisales_auth', "SELECT count(*) FROM auth.users u WHERE u.id = '$late'"), '1', 'which has what happened since');
is($auth->safe_psql('postgres', 'SELECT count(*) FROM pg_replication_slots s WHERE s.restart_lsn IS NOT NULL'), '0', 'and whose slots keep no WAL');
is(new_auth(q{SELECT coalesce(string_agg(v.item, ','), 'nothing') FROM dualdb.verify_setup() v WHERE v.status <> 'ok'
	AND v.item IN ('standby_slots', 'slot_wal', 'synchronous_standbys', 'rewind', 'standby_slot', 'standby_feedback')}), 'nothing', 'verify_setup() finds nothing');

# control: what no standby has is lost, and noticed
$_->stop foreach $other, $auth;
$token = new_auth("SET synchronous_commit = local; SELECT l.refresh_token FROM auth.login('user1\@example.com', '$DualDB::Test::PASSWORD') l");
like($token, qr/^ddbr_/, 'a login that does not wait for standbys is acknowledged');
$new->kill9;
$other->start;
($new) = promote_best('aisales_auth', $other);
is(new_auth("SELECT r.status FROM auth.refresh('$token') r"), 'invalid_credentials', 'and lost with the primary');
is(new_auth("SELECT count(*) FROM auth.sessions s WHERE s.id IN ($ids)"), $sessions, 'control: those of before are there');

done_testing();
