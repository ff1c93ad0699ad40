# The sync worker: it brings what is new, says how it is doing, wakes early for a key
# that nobody knows, and is there again after whatever happened to it.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($auth, $app) = two_clusters(app => { allows_streaming => 1,
	conf => "dualdb.app_database = 'aisales_app'\ndualdb.sync_interval = '200ms'" });
my $superuser = getpwuid($<);

sub auth { return $auth->safe_psql('aisales_auth', shift); }
sub app { return $app->safe_psql('aisales_app', shift); }
sub soon
{
	my ($sql, $what, $node) = @_;
	return ok(($node // $app)->poll_query_until('aisales_app', $sql), $what);
}
sub wait_for_log
{
	my ($in, $pattern) = @_;
	for (my $polls = 0; $polls < 600; $polls++)
	{
		return 1 if slurp_file($in->logfile) =~ $pattern;
		select(undef, undef, undef, 0.1);
	}
	return 0;
}
my $worker = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'dualdb sync worker'";

# what is new arrives by itself
my $ann = register($auth, 'ann@example.com', 'Ann');
soon("SELECT EXISTS (SELECT FROM app.users WHERE id = '$ann' AND display_name = 'Ann')", 'a user arrives');
auth("UPDATE auth.users SET display_name = 'Ann B.' WHERE id = '$ann'");
soon("SELECT display_name = 'Ann B.' FROM app.users WHERE id = '$ann'", 'a change arrives');
my ($token, $refresh) = login_tokens($auth, 'ann@example.com');
is(app("SELECT dualdb.authenticate('$token')"), $ann, 'a token is good');
auth("SELECT auth.logout('$refresh')");
soon("SELECT count(*) = 1 FROM dualdb.revocations", 'its revocation arrives');
error_is($app, 'aisales_app', 'app_login', "SELECT dualdb.authenticate('$token')", qr/^28000: token is not valid/, 'and the token is refused');
($token) = login_tokens($auth, 'ann@example.com');
is(app("SELECT dualdb.authenticate('$token')"), $ann, 'a later one is good');

# who does it
is(app("SELECT DISTINCT usename FROM pg_stat_activity WHERE backend_type = 'dualdb sync worker'"), $superuser, 'the session is the superuser\'s');
app(q{CREATE FUNCTION public.whoami() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO public.seen VALUES (session_user, current_user);
		BEGIN
			SET ROLE NONE; INSERT INTO public.seen VALUES ('escaped', current_user);
		EXCEPTION WHEN OTHERS THEN INSERT INTO public.seen VALUES ('refused', SQLSTATE);
		END;
		RETURN NULL;
	END $$;
	CREATE TABLE public.seen (s text, c text); GRANT INSERT ON public.seen TO PUBLIC;
	CREATE CONSTRAINT TRIGGER whoami AFTER INSERT ON app.users DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION public.whoami()});
register($auth, 'who@example.com', 'Who');
soon("SELECT count(*) >= 2 FROM public.seen", 'a trigger of the directory runs');
# from version 18 on as who has queued it
like(app("SELECT DISTINCT c FROM public.seen ORDER BY c"), qr/^42501\ndualdb_(?:sync|bridge_owner)$/, 'as the sync\'s roles, which it cannot leave')
  or diag app('SELECT * FROM public.seen');
app('DROP FUNCTION public.whoami() CASCADE');

# what it shows
my $status = 'SELECT %s FROM app.sync_status';
is(app(sprintf $status, "last_success > now() - interval '1 minute', lag < interval '1 minute', complete, failures"), 't|t|t|0', 'the view of a sync that works');
app("GRANT pg_monitor TO app_reader_login");
is((psql_as($app, 'aisales_app', 'app_reader_login', sprintf($status, 'failures')))[1], '0', 'a monitoring role reads it');
error_is($app, 'aisales_app', 'app_login', sprintf($status, 'failures'), qr/^42501/, 'others do not');

# the auth server is gone and comes back
my $log = -s $app->logfile;
$auth->stop('immediate');
soon(sprintf($status, 'failures > 2'), 'failures are counted');
is(app(sprintf $status, "last_error ~ '^could not connect to the auth database: ', last_failure IS NOT NULL, lag > interval '0'"), 't|t|t', 'and shown');
is(scalar(() = slurp_file($app->logfile, $log) =~ /ERROR:  could not connect to the auth database/g), 1, 'but logged once');
is(app("SELECT dualdb.authenticate('$token')"), $ann, 'tokens are good meanwhile');
$auth->start;
auth("UPDATE auth.users SET display_name = 'Ann C.' WHERE id = '$ann'");
soon("SELECT display_name = 'Ann C.' FROM app.users WHERE id = '$ann'", 'the sync goes on when it is back');
is(app(sprintf $status, 'failures'), '0', 'the view says so');
like(slurp_file($app->logfile, $log), qr/LOG:  dualdb sync: the auth database can be reached again/, 'the log says so');

# the worker is ended
my $pid = app($worker);
app("SELECT pg_terminate_backend($pid)");
soon("SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'dualdb sync worker' AND pid <> $pid", 'a worker that was ended is started again');

# an unknown key does not wait for the interval
$app->append_conf('postgresql.conf', "dualdb.sync_interval = '1h'");
$app->reload;
soon(sprintf($status, "lag > interval '2 s'"), 'the worker waits');
auth('SELECT auth.rotate_signing_key(); SELECT auth.rotate_signing_key()');
my ($new) = login_tokens($auth, 'ann@example.com');
my $deadline = time + 60;
my $error = 'x';
while ($error && time < $deadline)
{
	$error = psql_error($app, 'aisales_app', 'app_login', "SELECT dualdb.authenticate('$new')");
	select(undef, undef, undef, 0.1) if $error;
}
is($error, '', 'a token of a key that had not arrived makes the worker look for it');
($pid) = app($worker);
my $first = app(sprintf $status, 'last_success');
my $forged = $new =~ s/^[^.]+/eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCIsImtpZCI6Im5vYm9keSJ9/r;
error_is($app, 'aisales_app', 'app_login', "SELECT dualdb.authenticate('$forged')", qr/^28000/, 'a forged key is refused');
soon(sprintf($status, "last_success > '$first'"), 'and looked for');
$first = app(sprintf $status, 'last_success');
my $began = app('SELECT clock_timestamp()');
psql_error($app, 'aisales_app', 'app_login', "SELECT dualdb.authenticate('$forged')") foreach 1 .. 20;
soon(sprintf($status, "last_success > '$first'"), 'again');
my $spacing = app(sprintf $status, "last_success - '$first' >= interval '0.5 s'");
is($spacing, 't', 'but not at once');

# feed age; the worker would make it young again
$app->append_conf('postgresql.conf', "dualdb.app_database = ''");
$app->reload;
ok($app->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'dualdb sync worker'"), 'no worker');
app('SELECT dualdb.sync()');
is(app("SET dualdb.max_feed_age = '1h'; SELECT dualdb.authenticate('$new')"), $ann, 'a feed that is young enough');
app("UPDATE bridge.sync_state SET synced_at = now() - interval '2 h'");
is(app("SELECT dualdb.authenticate('$new')"), $ann, 'an old one is good enough by default');
error_is($app, 'aisales_app', $superuser, "SET dualdb.max_feed_age = '1h'; SELECT dualdb.authenticate('$new')", qr/^28000: token is not valid$/, 'and not where its age is limited');
like(slurp_file($app->logfile, $log), qr/longer ago than dualdb.max_feed_age/, 'the log says why');
is(app("BEGIN; SELECT dualdb.authenticate('$new'); SET dualdb.max_feed_age = '1h'; SELECT dualdb.user_id() IS NULL; COMMIT"), "$ann\nt", 'nor is an identity that was set before');
error_is($app, 'aisales_app', 'app_login', "SET dualdb.max_feed_age = 0", qr/^42501/, 'nobody may lift that limit for themselves');
app('SELECT dualdb.sync()');
is(app("SET dualdb.max_feed_age = '1h'; SELECT dualdb.authenticate('$new')"), $ann, 'the next sync makes tokens good again');
is($auth->safe_psql('aisales_auth', "SET dualdb.max_feed_age = 1; SELECT dualdb.jwt_verify('$new') ->> 'sub'"), $ann, 'the auth database itself has no feed to be old');

# a long pass does not wait for the interval between its batches
auth("INSERT INTO auth.users (id, email) SELECT 'm' || i, 'm' || i || '\@example.com' FROM generate_series(1, 25000) i");
$app->append_conf('postgresql.conf', "dualdb.app_database = 'aisales_app'");
$app->reload;
soon("SELECT count(*) = 25000 FROM app.users WHERE id ~ '^m'", 'many users arrive');
auth('VACUUM FULL auth.users');
$app->reload;
soon('SELECT horizon > \'0\' AND stage IS NULL AND feed_id LIKE \'%/\' || ' . auth("SELECT pg_relation_filenode('auth.users')") . ' FROM bridge.sync_state',
	'another feed is looked through, too');

# a standby has no worker, until it is promoted
$app->append_conf('postgresql.conf', "dualdb.sync_interval = '200ms'");
$app->reload;
$app->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($app, 'backup', has_streaming => 1);
$standby->start;
$app->wait_for_catchup($standby);
is($standby->safe_psql('aisales_app', $worker), '', 'a standby has none');
is($standby->safe_psql('aisales_app', sprintf $status, 'lag IS NOT NULL'), 't', 'its view shows the primary\'s sync');
$app->stop;
$standby->promote;
auth("UPDATE auth.users SET display_name = 'Ann D.' WHERE id = '$ann'");
soon("SELECT display_name = 'Ann D.' FROM app.users WHERE id = '$ann'", 'a promoted one has one', $standby);

# another database, and none: a reload is enough
sub set_database
{
	my ($database) = @_;
	$standby->safe_psql('postgres', "ALTER SYSTEM SET dualdb.app_database = '$database'");
	$standby->reload;
	return;
}
my $where = "SELECT count(*) = 1 AND bool_and(datname IS NOT DISTINCT FROM %s) FROM pg_stat_activity WHERE backend_type = 'dualdb sync worker'";
set_database('');
ok($standby->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'aisales_app' AND pid <> pg_backend_pid()"),
	'without a database it lets go of the one it had');
$standby->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE aisales_app; DROP DATABASE copy');
set_database('postgres');
ok($standby->poll_query_until('postgres', sprintf $where, "'postgres'"), 'a database without the extension does not trouble it');
set_database('nowhere');
ok(wait_for_log($standby, qr/FATAL:  database "nowhere" does not exist/), 'one that does not exist is in the log');
set_database('aisales_app');
ok($standby->poll_query_until('postgres', sprintf $where, "'aisales_app'"), 'it moves');
auth("UPDATE auth.users SET display_name = 'Ann E.' WHERE id = '$ann'");
soon("SELECT display_name = 'Ann E.' FROM app.users WHERE id = '$ann'", 'and works', $standby);

done_testing();
