# The sync from a standby of the auth server that is behind: nothing is lost, and
# nothing is taken for newer than it is.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($auth, $app) = two_clusters(auth => { allows_streaming => 1 });
my $superuser = getpwuid($<);

sub auth { return $auth->safe_psql('aisales_auth', shift); }
sub app { return $app->safe_psql('aisales_app', shift); }

my $standby = PostgreSQL::Test::Cluster->new('standby');
$auth->backup('backup');
$standby->init_from_backup($auth, 'backup', has_streaming => 1);
$standby->start;
sub go_to
{
	app(sprintf "ALTER SERVER dualdb_auth OPTIONS (SET host '%s', SET port '%s')",
		join(',', map { $_->host } @_), join(',', map { $_->port } @_));
	return;
}
sub names { return app("SELECT string_agg(DISTINCT display_name, ',' ORDER BY display_name) FROM app.users WHERE id ~ '^u'"); }

auth(q{INSERT INTO auth.users (id, email, display_name) SELECT 'u' || i, 'u' || i || '@example.com', 'Old' FROM generate_series(1, 9) i});
my $ann = register($auth, 'ann@example.com', 'Ann');
my ($token, $refresh) = login_tokens($auth, 'ann@example.com');
app('SELECT dualdb.sync()');
$auth->wait_for_catchup($standby);

# control: from a standby that keeps up
go_to($standby);
is(app('SELECT users, complete FROM dualdb.sync()'), '0|t', 'from a standby there is nothing new');
is(app("SELECT lag < interval '1 minute' FROM app.sync_status"), 't', 'and it is up to date');
is(app("SET dualdb.max_feed_age = '1min'; SELECT dualdb.authenticate('$token')"), $ann, 'its revocations count as new');

# a pass that begins at the primary and goes on at a standby that is behind
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
$standby->poll_query_until('postgres', "SELECT pg_get_wal_replay_pause_state() = 'paused'") or die 'replay does not pause';
auth("UPDATE auth.users SET display_name = 'New' WHERE id ~ '^u'; SELECT auth.logout('$refresh')");
go_to($auth, $standby);
is(app('SELECT users, complete FROM dualdb.sync(3)'), '3|f', 'a pass begins at the primary');
$auth->stop;
is(app('SELECT complete FROM dualdb.sync()'), 't', 'and ends at the standby');
is(names(), 'New,Old', 'which does not know of all');
$auth->start;
go_to($auth);
is(app('SELECT complete FROM dualdb.sync()'), 't', 'back at the primary');
is(names(), 'New', 'nothing has been passed by');
error_is($app, 'aisales_app', $superuser, "SELECT dualdb.authenticate('$token')", qr/^28000/, 'and the revocation is there');

# revocations that a standby does not know of are not waited for under another name
app('DELETE FROM dualdb.revocations');
go_to($standby);
ok($app->poll_query_until('aisales_app', "SELECT s.complete AND v.lag > interval '2 s' FROM dualdb.sync() s, app.sync_status v"),
	'a standby that is behind makes the feed grow old');
error_is($app, 'aisales_app', $superuser, "SET dualdb.max_feed_age = 1; SELECT dualdb.authenticate('$token')", qr/^28000/, 'as max_feed_age sees');
is(app("SELECT dualdb.authenticate('$token')"), $ann, 'control: without it the token is good');
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
$auth->wait_for_catchup($standby);
ok($app->poll_query_until('aisales_app', "SELECT s.complete AND v.lag < interval '1 s' FROM dualdb.sync() s, app.sync_status v"), 'when it has caught up the feed is new');

done_testing();
