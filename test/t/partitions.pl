# Monthly partitions of app.api_logs and auth.audit_log: made ahead, filled from the
# default one, dropped by retention.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Session;
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = auth_app_cluster('partitions');

sub app { return $node->safe_psql('aisales_app', $_[0]); }
sub auth { return $node->safe_psql('aisales_auth', $_[0]); }
sub maintain { return app("SELECT * FROM dualdb.maintain_partitions('app.api_logs'" . ($_[0] // '') . ')'); }

# app.api_logs_202611 for the month that is so many months from now
sub name_of
{
	my ($log, $months) = @_;

	return app("SELECT '$log' || to_char(now() AT TIME ZONE 'UTC' + interval '$months months', '_YYYYMM')");
}

# Partitions but for the default one, as months from now.
my $months = q{
	SELECT string_agg(((extract(year FROM b.at) - extract(year FROM n.at)) * 12
		+ extract(month FROM b.at) - extract(month FROM n.at))::text, ' ' ORDER BY b.at)
	FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid,
		LATERAL (SELECT to_date(substring(c.relname FROM '_(\d{6})$'), 'YYYYMM') AS at) b,
		(SELECT now() AT TIME ZONE 'UTC' AS at) n
	WHERE i.inhparent = '%s'::regclass AND b.at IS NOT NULL};

sub months_of
{
	my ($log) = @_;

	return $node->safe_psql($log =~ /^auth/ ? 'aisales_auth' : 'aisales_app', sprintf($months, $log));
}

app("INSERT INTO app.projects (id, user_id, name) VALUES ('p', 'u', 'p')");

# Rows so many months from now: in the middle of the month, not to slip into another.
sub log_calls
{
	my ($count, @at) = @_;

	app("INSERT INTO app.api_logs (project_id, method, path, created_at)
		SELECT 'p', 'GET', '$_ ' || g, (date_trunc('month', now() AT TIME ZONE 'UTC')
			+ interval '$_ months 9 days') AT TIME ZONE 'UTC'
		FROM generate_series(1, $count) g") foreach @at;
	return;
}

# made ahead
is(months_of($_), '0 1 2', "$_: setup makes this month and two more") foreach 'app.api_logs', 'auth.audit_log';
is(maintain(), '0|0|0|0', 'nothing to do');
is(app(q{SET timezone = 'Pacific/Kiritimati'; SET datestyle = 'SQL, DMY';
	SELECT * FROM dualdb.maintain_partitions('app.api_logs')}), '0|0|0|0', 'whatever the time zone and the style of dates');
is(maintain(', ahead => 4'), '2|0|0|0', 'further ahead');
is(months_of('app.api_logs'), '0 1 2 3 4', 'months have their partitions');
is(app("SELECT string_agg(DISTINCT p.lower || ' ' || p.upper, ',') FROM (SELECT set_config('timezone', 'UTC', false)) s,
		dualdb.log_partitions('app.api_logs') p WHERE p.lower = date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'"),
	app("SELECT date_trunc('month', now() AT TIME ZONE 'UTC') || '+00 ' || date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month' || '+00'"),
	'from midnight to midnight, UTC');

# what it is not for
my $call = "SELECT dualdb.maintain_partitions('app.api_logs'";
my $superuser = getpwuid($<);
error_is($node, 'aisales_app', $superuser, $_, qr/^22023: partitions cannot be maintained/, "refused: $_")
  foreach "$call, -1)", "$call, 37)", "$call, NULL)", "$call, keep => '-1 day')", "$call, keep => '101 years')", "$call, keep => '1000000 years')", "$call, keep => '1 month -40 days')", 'SELECT dualdb.maintain_partitions(NULL)';
error_is($node, 'aisales_app', $superuser, "SELECT dualdb.maintain_partitions('app.orders')",
	qr/^42809: "app.orders" is not partitioned/, 'refused: another table');
error_is($node, 'aisales_app', 'app_login', "$call)", qr/^42501/, 'not for the application');
error_is($node, 'aisales_auth', 'auth_login', "SELECT dualdb.maintain_partitions('auth.audit_log', keep => '0 days')",
	qr/^42501/, 'nor for the auth service: it cannot drop the audit log');

# rows of the default partition
my $this = name_of('app.api_logs', 0);
my $rows = q{SELECT count(*), md5(string_agg(l.id || l.path || l.created_at, ',' ORDER BY l.id)) FROM app.api_logs l};
app("DROP TABLE $this");
log_calls(20, 0, -3, -40, 60);
log_calls(3, 1);
my $before = app($rows);
is(app('SELECT count(*) FROM app.api_logs_default'), '80', 'rows without a partition of their own');
app('ALTER TABLE app.api_logs ADD COLUMN extra text; ALTER TABLE app.api_logs DROP COLUMN extra;
	ALTER TABLE app.api_logs ADD COLUMN "My note" text DEFAULT \'x\'');
is(maintain(), '2|40|0|0', 'this month and one of last year are moved');
is(app($rows), $before, 'nothing is lost');
is(months_of('app.api_logs'), '-3 0 1 2 3 4', 'months have their partitions');
is(app("SELECT count(*) FROM $this"), '20', 'with their rows');
is(app('SELECT count(*) FROM app.api_logs_default'), '40', 'times long ago and far ahead stay in the default one');
is(app("SELECT c.relowner::regrole, c.relacl::text, count(DISTINCT k.oid), count(DISTINCT i.indexrelid)
		FROM pg_class c JOIN pg_constraint k ON k.conrelid = c.oid AND k.conparentid <> 0 JOIN pg_index i ON i.indrelid = c.oid
		WHERE c.oid = '$this'::regclass AND EXISTS (SELECT FROM pg_inherits n WHERE n.inhrelid = i.indexrelid) GROUP BY 1, 2"),
	'dualdb_app_owner||2|2', 'the owner\'s, with both keys and the indexes of the log');
error_is($node, 'aisales_app', 'app_user_login', "SELECT FROM $this", qr/^42501/, 'nobody reads past the policies');
is((psql_as($node, 'aisales_app', 'app_user_login', 'SELECT count(*) FROM app.api_logs'))[1], '0', 'who has no identity sees nothing');
is((psql_as($node, 'aisales_app', 'app_login', 'SELECT count(*) FROM app.api_logs'))[1], '83', 'the service sees all');

# pruning
my $plan = app("EXPLAIN (COSTS OFF) SELECT FROM app.api_logs WHERE created_at >= date_trunc('month', timestamptz '2025-01-01')");
like($plan, qr/api_logs_default/, 'control: a plan over all times reads the default partition');
my ($lower, $upper) = split /\|/, app("SELECT p.lower, p.upper FROM dualdb.log_partitions('app.api_logs') p WHERE p.partition = '$this'::regclass");
$plan = app("EXPLAIN (COSTS OFF) SELECT FROM app.api_logs WHERE project_id = 'p' AND created_at >= '$lower' AND created_at < '$upper'");
is_deeply([ sort { $a cmp $b } keys %{ { map { $_ => 1 } $plan =~ /\bon (api_logs\w*)/g } } ], [ $this =~ /(\w+)$/ ],
	'a plan of one month reads one partition');

# retention
log_calls(10, -9 .. -1);
is(maintain(), '8|80|0|0', 'nothing is dropped by itself');
is(maintain(", keep => '3 months'"), '0|0|6|20', 'months older than that are dropped, and from the default one');
is(months_of('app.api_logs'), '-3 -2 -1 0 1 2 3 4', 'others stay');
is(app("SELECT count(*) FILTER (WHERE l.path ~ '^-[123] '), count(*) FILTER (WHERE l.path ~ '^0 '), count(*) FILTER (WHERE l.path ~ '^60 '), count(*)
	FROM app.api_logs l"), '50|20|20|93', 'with all of their rows');
is(maintain(", keep => '3 months'"), '0|0|0|0', 'once');

# partitions of the operator's own
app("DROP TABLE $this");
app("CREATE TABLE app.first_week PARTITION OF app.api_logs FOR VALUES FROM ('$lower') TO (timestamptz '$lower' + interval '7 days')");
is(maintain(), '0|0|0|0', 'a month that has other partitions is left alone');
app('DROP TABLE app.first_week');
is(maintain(), '1|0|0|0', 'and has its own otherwise');

# the audit log
my $audit = name_of('auth.audit_log', 0);
auth("DROP TABLE $audit");
is(register($node, 'ann@example.com', 'Ann') ne '', 1, 'a user registers');
isnt(auth('SELECT count(*) FROM auth.audit_log_default'), '0', 'an event without a partition');
$before = auth('SELECT count(*) FROM auth.audit_log');
is((psql_as($node, 'aisales_auth', 'auth_login', 'SELECT status FROM auth.purge_expired()'))[1], 'ok', 'the service purges');
is(auth("SELECT count(*) FROM $audit"), $before, 'and the event has one');
is(auth("SELECT relowner::regrole FROM pg_class WHERE oid = '$audit'::regclass"), 'dualdb_auth_owner', 'which is the owner\'s');
auth("INSERT INTO auth.audit_log (at, event) SELECT now() - make_interval(months => g), 'x' FROM generate_series(1, 6) g");
is(auth("SELECT created, moved FROM dualdb.maintain_partitions('auth.audit_log')"), '6|6', 'months before');
is(auth("SELECT dropped FROM dualdb.maintain_partitions('auth.audit_log', keep => '4 months')"), '2', 'are dropped by retention alone');
is(months_of('auth.audit_log'), '-4 -3 -2 -1 0 1 2', 'the others stay');

# one that was detached, to be kept
auth("INSERT INTO auth.audit_log (event) VALUES ('kept')");
auth("ALTER TABLE auth.audit_log DETACH PARTITION $audit");
is((psql_as($node, 'aisales_auth', 'auth_login', 'SELECT status FROM auth.purge_expired()'))[1], 'ok', 'the service purges beside a partition that was detached');
is((login_tokens($node, 'ann@example.com'))[0] ne '', 1, 'users log in');
is(auth("SELECT count(*) > 0 FROM auth.audit_log_default"), 't', 'with an event');
is(auth("SELECT count(*) FROM $audit WHERE event = 'kept'"), '1', 'what was detached is left alone');
auth("ALTER TABLE $audit RENAME TO kept");
is(auth("SELECT created, moved > 0 FROM dualdb.maintain_partitions('auth.audit_log')"), '1|t', 'and under another name is not in the way');

# logins do not wait for a purge
auth("DROP TABLE $audit");
auth("INSERT INTO auth.audit_log (event) VALUES ('x')");
my $locker = DualDB::Session->new($node, 'aisales_auth');
my $purge = DualDB::Session->new($node, 'aisales_auth', 'auth_login');
$locker->query('BEGIN; LOCK TABLE auth.one_time_tokens IN SHARE MODE');
$purge->start('SELECT status FROM auth.purge_expired()');
ok($node->poll_query_until('aisales_auth', "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 'auth.one_time_tokens'::regclass"), 'a purge takes its time');
is((psql_as($node, 'aisales_auth', 'auth_login', "SET statement_timeout = '20s'; SELECT status FROM auth.login('ann\@example.com', '$DualDB::Test::PASSWORD')"))[1], 'ok', 'users log in meanwhile');
$locker->end;
is($purge->result, 'ok', 'and it comes to its end');
is(auth("SELECT to_regclass('$audit')"), $audit, 'with the partition');

# an open transaction is not waited for, and not harmed
my $writer = DualDB::Session->new($node, 'aisales_app', 'app_login');
app("DROP TABLE $this");
my $insert = "INSERT INTO app.api_logs (project_id, method, path) VALUES ('p', 'GET', 'open')";
is($writer->ask("BEGIN; $insert"), '', 'a transaction has written to the default partition');
error_is($node, 'aisales_app', $superuser, "$call)", qr/^55P03/, 'which cannot be locked then');
is(app("SELECT to_regclass('$this')"), '', 'and nothing is done by halves');
is($writer->ask("$insert; COMMIT"), '', 'the transaction goes on');
my $maintainer = DualDB::Session->new($node, 'aisales_app');
is($writer->ask("BEGIN; UPDATE app.projects SET name = 'q'"), '', 'another one has changed a project');
$maintainer->start("SET lock_timeout = 0; $call)");
ok($node->poll_query_until('aisales_app', "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 'app.projects'::regclass"),
	'maintenance waits for it');
is($writer->ask("$insert; COMMIT"), '', 'which does not wait for maintenance');
like($maintainer->result, qr/^(?:\(1,3,0,0\)|.*55P03.*)$/s, 'nor is there a deadlock');
$maintainer->end;

auth("DROP TABLE $audit");
auth("INSERT INTO auth.audit_log (event) VALUES ('x')");
my $reader = DualDB::Session->new($node, 'aisales_auth');
is($reader->ask('BEGIN; SELECT FROM auth.audit_log_default LIMIT 0'), '', 'somebody reads the audit log');
is((psql_as($node, 'aisales_auth', 'auth_login', 'SELECT status FROM auth.purge_expired()'))[1], 'ok', 'the purge does not fail');
is(auth("SELECT to_regclass('$audit')"), '', 'and leaves the partition for the next one');
$reader->end;
is((psql_as($node, 'aisales_auth', 'auth_login', 'SELECT status FROM auth.purge_expired()'))[1], 'ok', 'the next one');
is(auth("SELECT to_regclass('$audit')"), $audit, 'makes it');

# under concurrent inserts
app("DROP TABLE IF EXISTS $this");
app('TRUNCATE app.api_logs');
my @writers = map { DualDB::Session->new($node, 'aisales_app', 'app_login') } 1 .. 3;
$_->start(q{DO $$ BEGIN FOR i IN 1 .. 4000 LOOP
	INSERT INTO app.api_logs (project_id, method, path) VALUES ('p', 'GET', i); COMMIT; END LOOP; END $$}) foreach @writers;
ok($node->poll_query_until('aisales_app', 'SELECT count(*) > 100 FROM app.api_logs_default'), 'inserts go to the default partition');
my $done = '';
foreach (1 .. 100)
{
	$done = psql_error($node, 'aisales_app', $superuser, "$call)");
	last if $done !~ /^55P03/;
}
is($done, '', 'maintained while they go on');
cmp_ok(app('SELECT count(*) FROM app.api_logs'), '<', 12000, 'they have not come to their end');
is($_->result, '', 'no insert fails') foreach @writers;
is(app('SELECT count(*), count(DISTINCT id) FROM app.api_logs'), '12000|12000', 'none is lost, none is twice');
is(app('SELECT count(*) FROM app.api_logs_default'), '0', 'and all have found the partition');

done_testing();
