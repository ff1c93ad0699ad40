# The auth server fails in every way it can; the app goes on.
#
# For each: what the application sees (an error of class 08 that it can catch), that
# this takes no longer than it should, and that no write of the app's is lost.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Session;
use DualDB::Test;
use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes 'time';

my ($auth, $app) = two_clusters(auth => { allows_streaming => 1, conf => 'max_connections = 40' },
	app => { allows_streaming => 1, conf => "max_connections = 40\ndualdb.bridge_timeout = '2s'" });
my $superuser = getpwuid($<);
my $writes = 0;

sub auth { return $auth->safe_psql('aisales_auth', shift); }
sub app { return $app->safe_psql('aisales_app', shift); }
sub service { return DualDB::Session->new($app, 'aisales_app', 'app_login'); }
my $lookup = "SELECT id FROM app.lookup_users(ARRAY['a'])";

auth(q{INSERT INTO auth.users (id, email) VALUES ('a', 'a@example.com')});

# A look-up in a transaction fails, within a time that is far from "for ever"; the
# transaction catches that and writes.
sub fails_but_writes
{
	my ($session, $sqlstate, $case) = @_;
	my $began = time;

	$writes++;
	$session->query('BEGIN');
	my $out = $session->query(qq{SAVEPOINT s; $lookup; ROLLBACK TO s;
		INSERT INTO app.projects (id, user_id, name) VALUES ('w$writes', 'a', 'Write'); COMMIT});
	my $took = time - $began;
	like($out, qr/ERROR:  $sqlstate: /, "$case: the look-up fails with $sqlstate");
	note sprintf '%s: after %.2f s: %s', $case, $took, $out =~ s/\n.*//sr;
	cmp_ok($took, '<', 20, "$case: in bounded time");
	is(app("SELECT count(*) FROM app.projects WHERE id = 'w$writes'"), '1', "$case: the write is there");
	return $out;
}

# Its only wait ends at once when the session is to end or the statement's time is up.
sub is_interruptible
{
	my ($case) = @_;

	app("ALTER ROLE app_login SET dualdb.bridge_timeout = '10min'");
	my $slow = service();
	my $began = time;
	like($slow->query("SET statement_timeout = '300ms'; $lookup"), qr/ERROR:  57014: /, "$case: statement_timeout ends it");
	cmp_ok(time - $began, '<', 20, "$case: at once");
	my $victim = service();
	my $pid = $victim->query('SELECT pg_backend_pid()');
	$victim->start($lookup);
	ok($app->poll_query_until('aisales_app', "SELECT wait_event = 'Extension' FROM pg_stat_activity WHERE pid = $pid"),
		"$case: a look-up that waits");
	$began = time;
	app("SELECT pg_terminate_backend($pid)");
	ok($app->poll_query_until('aisales_app', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid"), "$case: can be terminated");
	cmp_ok(time - $began, '<', 20, "$case: at once");
	app('ALTER ROLE app_login RESET dualdb.bridge_timeout');
	$_->end foreach $slow, $victim;
	return;
}

# the control: everything works
my $session = service();
is($session->query($lookup), 'a', 'a look-up');

# stopped before the first contact
$auth->stop('immediate');
my $fresh = service();
my $out = fails_but_writes($fresh, '08001', 'stopped before first contact');
unlike($out, qr/\Q${\$auth->host}\E/, 'the application is not told where the auth server is');
like(slurp_file($app->logfile), qr/DETAIL:  .*\Q${\$auth->host}\E/, 'the log is');
is($fresh->query(q{DO $$ BEGIN FOR i IN 1 .. 500 LOOP
	BEGIN PERFORM app.lookup_users(ARRAY['a']); EXCEPTION WHEN connection_exception OR sqlclient_unable_to_establish_sqlconnection THEN NULL; END;
	END LOOP; END $$}), '', 'many failures');
fails_but_writes($session, '08001', 'stopped while connected');

# back again
$auth->start;
is($session->query($lookup), 'a', 'a session whose connection died looks users up when the server is back');
is($fresh->query($lookup), 'a', 'and so does one with many failures behind it, which have left no files open');

# restarted between two look-ups of one transaction
$session->query("BEGIN; $lookup");
$auth->restart;
is($session->query("$lookup; COMMIT"), 'a', 'a restart between two look-ups is not noticed');

# killed after a look-up, and then the app commits
$session->query("BEGIN; $lookup");
$auth->stop('immediate');
is($session->query("INSERT INTO app.projects (id, user_id, name) VALUES ('killed', 'a', 'Write'); COMMIT"), '', 'killed after a look-up: COMMIT succeeds');
is(app("SELECT count(*) FROM app.projects WHERE id = 'killed'"), '1', 'and the write is there');
$auth->start;
my $fdw = DualDB::Session->new($app, 'aisales_app', $superuser);
is($fdw->query('BEGIN; SET ROLE dualdb_bridge_owner; SELECT count(*) FROM bridge.user_lookup; RESET ROLE'), '1', 'the control: the same through postgres_fdw');
$auth->stop('immediate');
like($fdw->query("INSERT INTO app.projects (id, user_id, name) VALUES ('fdw', 'a', 'Write'); COMMIT"), qr/ERROR/, 'cannot commit');
is(app("SELECT count(*) FROM app.projects WHERE id = 'fdw'"), '0', 'and loses the write');
$auth->start;

# frozen before the connection is made
my $postmaster = (split /\n/, slurp_file($auth->data_dir . '/postmaster.pid'))[0];
sub all_of { my ($pid) = @_; return ($pid, grep { /\d/ } split /\s+/, `ps -o pid= --ppid $pid`); }
kill 'STOP', $postmaster;
fails_but_writes(service(), '08001', 'frozen before the connection');
is_interruptible('frozen before the connection');
kill 'CONT', $postmaster;
is(service()->query($lookup), 'a', 'thawed: a look-up');

# frozen in the middle of a query
is($session->query($lookup), 'a', 'a session is connected');
my @frozen = all_of($postmaster);
kill 'STOP', @frozen;
fails_but_writes($session, '08006', 'frozen while connected');
kill 'CONT', @frozen;
is($session->query($lookup), 'a', 'thawed: a look-up');
my $locker = DualDB::Session->new($auth, 'aisales_auth', $superuser);
$locker->query('BEGIN; LOCK TABLE auth.users');
fails_but_writes($session, '0800[06]', 'a query that hangs');
is_interruptible('a query that hangs');
$locker->query('ROLLBACK');
is($session->query($lookup), 'a', 'free again: a look-up');

# packets to the first host are dropped: nobody takes what is in a full backlog
my $dead = IO::Socket::INET->new(Listen => 0, LocalAddr => '127.0.0.1', Proto => 'tcp') or die "cannot listen: $!";
my @fill = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $dead->sockport, Proto => 'tcp', Blocking => 0) } 1 .. 4;
my ($host, $port) = ($auth->host, $auth->port);
app(sprintf "ALTER SERVER dualdb_auth OPTIONS (SET host '127.0.0.1', SET port '%d')", $dead->sockport);
fails_but_writes($session, '08001', 'packets dropped');
is_interruptible('packets dropped');
app(sprintf "ALTER SERVER dualdb_auth OPTIONS (SET host '127.0.0.1,%s', SET port '%d,%d')", $host, $dead->sockport, $port);
is($session->query($lookup), 'a', 'the next host of the list is asked in time');
is(app('SELECT complete FROM dualdb.sync()'), 't', 'by the sync, too');
kill 'STOP', $postmaster;
app(sprintf "ALTER SERVER dualdb_auth OPTIONS (SET host '%s,%s', SET port '%d,%d')", $host, $host, $dead->sockport, $port);
fails_but_writes($session, '08001', 'no host of two answers');
kill 'CONT', $postmaster;
app("ALTER SERVER dualdb_auth OPTIONS (SET host '$host', SET port '$port')");
is($session->query($lookup), 'a', 'and back');

# too many connections
auth('ALTER ROLE dualdb_bridge CONNECTION LIMIT 1');
$_->end foreach $session, $fresh, $fdw;
ok($auth->poll_query_until('aisales_auth', "SELECT count(*) = 0 FROM pg_stat_activity WHERE usename = 'dualdb_bridge'"), 'nobody is connected');
$session = service();
is($session->query($lookup), 'a', 'the only connection');
$fresh = service();
fails_but_writes($fresh, '08001', 'connection limit reached');
$session->end;
ok($auth->poll_query_until('aisales_auth', "SELECT count(*) = 0 FROM pg_stat_activity WHERE usename = 'dualdb_bridge'"), 'it is given back');
is($fresh->query($lookup), 'a', 'and the next one gets it');
auth('ALTER ROLE dualdb_bridge CONNECTION LIMIT 30');

# refused by the auth database
auth('REVOKE SELECT ON bridge.user_lookup FROM dualdb_bridge');
$out = fails_but_writes($fresh, '08000', 'privilege taken away');
unlike($out, qr/permission denied/, 'why is for the log');
like(slurp_file($app->logfile), qr/DETAIL:  ERROR:  permission denied for view user_lookup/, 'which has it');
auth('GRANT SELECT ON bridge.user_lookup TO dualdb_bridge');
is($fresh->query($lookup), 'a', 'given back: a look-up');

# a standby of the app reads
my $app_standby = PostgreSQL::Test::Cluster->new('app_standby');
$app->backup('app');
$app_standby->init_from_backup($app, 'app', has_streaming => 1);
$app_standby->start;
$app->wait_for_catchup($app_standby);
my $reader = DualDB::Session->new($app_standby, 'aisales_app', 'app_reader_login');
is($reader->query($lookup), 'a', 'on a standby of the app, a look-up');
$auth->stop('immediate');
like($reader->query($lookup), qr/ERROR:  08001/, 'without the auth server it fails');
is($reader->query("SELECT count(*) FROM app.projects p JOIN app.users u ON u.id = p.user_id WHERE p.id = 'killed'"), '1', 'joins go on');
$auth->start;
is($reader->query($lookup), 'a', 'and it works again');

# the auth server fails over to its standby
my $auth_standby = PostgreSQL::Test::Cluster->new('auth_standby');
$auth->backup('auth');
$auth_standby->init_from_backup($auth, 'auth', has_streaming => 1);
$auth_standby->start;
$auth->wait_for_catchup($auth_standby);
app(sprintf "ALTER SERVER dualdb_auth OPTIONS (SET host '%s,%s', SET port '%d,%d')", $host, $auth_standby->host, $port, $auth_standby->port);
is($fresh->query($lookup), 'a', 'with two hosts');
auth(q{INSERT INTO auth.users (id, email) VALUES ('b', 'b@example.com')});
$auth->wait_for_catchup($auth_standby);
$auth->stop('immediate');
is($fresh->query($lookup), 'a', 'the standby is asked in the same session');
is(app('SELECT users, complete FROM dualdb.sync()'), '1|t', 'the sync goes on from where it was');
$auth_standby->promote;
$auth_standby->safe_psql('aisales_auth', q{INSERT INTO auth.users (id, email) VALUES ('c', 'c@example.com')});
is(app('SELECT users, complete FROM dualdb.sync()'), '1|t', 'and after the promotion');
is(app('SELECT string_agg(id, \',\' ORDER BY id) FROM app.users'), 'a,b,c', 'nothing is missing');
app("ALTER SERVER dualdb_auth OPTIONS (ADD target_session_attrs '$_')"),
  is(service()->query($lookup), 'a', "target_session_attrs = $_"),
  app('ALTER SERVER dualdb_auth OPTIONS (DROP target_session_attrs)')
  foreach 'any', 'primary', 'prefer-standby';
app("ALTER SERVER dualdb_auth OPTIONS (ADD target_session_attrs 'standby')");
like(service()->query($lookup), qr/ERROR:  08001/, 'target_session_attrs = standby, and there is none');

is(app("SELECT count(*) FROM app.projects WHERE id LIKE 'w%'"), $writes, 'every write of the app is there');
done_testing();
