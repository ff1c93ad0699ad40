# What somebody with SQL of their own as an application's role, and a valid token of
# their own, cannot do on Citus: at the coordinator, and straight at a worker.
# Skipped where the server has no Citus.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Citus;
use DualDB::Session;
use DualDB::Test;
use Test::More;

my ($auth, $coordinator, @workers) = citus_servers();
my $ann = register($auth, 'ann@example.com', 'Ann');
my $bob = register($auth, 'bob@example.com', 'Bob');

sub app { return $coordinator->safe_psql('aisales_app', $_[0]); }
sub as_user { return (psql_as($_[0], 'aisales_app', 'app_user_login', $_[1]))[1]; }

app('SELECT dualdb.sync()');
app("INSERT INTO app.projects (id, user_id, name)
		SELECT 'a' || g, '$ann', 'Ann''s' FROM generate_series(1, 12) g UNION ALL SELECT 'b' || g, '$bob', 'Bob''s' FROM generate_series(1, 12) g;
	INSERT INTO app.orders (project_id, user_id, total) SELECT p.id, p.user_id, 1 FROM app.projects p, generate_series(1, 3);
	INSERT INTO app.api_logs (project_id, method, path) SELECT p.id, 'GET', '/' FROM app.projects p");
join_nodes($coordinator, @workers);
distribute($auth, $coordinator, @workers);
my ($anns) = login_tokens($auth, 'ann@example.com');
my ($bobs) = login_tokens($auth, 'bob@example.com');
$_->safe_psql('aisales_app', 'SELECT dualdb.sync()') foreach @workers;

# A worker that has the shard of Bob's project and another one, and an id whose
# project belongs to the other.
sub shard_of { return app("SELECT get_shard_id_for_distribution_column('app.$_[0]', '$_[1]')"); }
my $bobs_shard = shard_of('projects', 'b1');
my ($port, $other_shard) = split /\|/, app(qq{SELECT t.nodeport, min(t.shardid) FROM citus_shards b JOIN citus_shards t USING (nodeport, table_name)
	WHERE b.shardid = $bobs_shard AND t.shardid <> b.shardid GROUP BY 1});
my ($worker) = grep { $_->port == $port } @workers;
my $id = app(qq{SELECT 'y' || g FROM generate_series(1, 1000) g
	WHERE get_shard_id_for_distribution_column('app.projects', 'y' || g) = $other_shard LIMIT 1});
my $orders = 'app.orders_' . shard_of('orders', 'b1');
my $direct = 'SET LOCAL citus.enable_manual_changes_to_shards = on; SET LOCAL citus.override_table_visibility = off';

sub straight { return as_user($worker, with_token($_[0], "$direct; $_[1]")); }

# rows in shards that they do not belong to
is(straight($anns, "SELECT count(*) > 0, bool_and(user_id = '$ann') FROM $orders"), 't|t', 'straight to a shard a user sees their rows');
is(straight($anns, "INSERT INTO app.projects_$other_shard (id, user_id, name) VALUES ('$id', '$ann', 'mine'), ('b1', '$ann', 'not there');
		INSERT INTO app.projects_$bobs_shard (id, user_id, name) VALUES ('$id', '$ann', 'not here');
		INSERT INTO $orders (project_id, id, user_id) VALUES ('$id', '0', '$ann') RETURNING project_id"), $id,
	'control: rows of their own into any shard');
my $backwards = "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off;
	SELECT string_agg(DISTINCT o.project_id, ' ' ORDER BY o.project_id) FROM (SELECT project_id FROM $orders ORDER BY project_id DESC) o WHERE o.project_id ~ '^(b1|y)'";
is(straight($anns, $backwards), $id, 'a project that is planted in another shard shows no rows');
error_is($worker, 'aisales_app', 'app_user_login', with_token($anns, "$direct;
	INSERT INTO $orders (project_id, user_id) VALUES ('$id', '$ann'), ('b1', '$ann')"), qr/^42501: new row violates row-level security/,
	'nor does it let any in');
like(straight($bobs, $backwards), qr/\bb1\b/, 'rows that are planted hide nobody else\'s');
is(as_user($coordinator, with_token($bobs, 'SELECT count(*), bool_and(user_id = dualdb.user_id()) FROM app.orders')), '36|t', 'users see all of theirs');

# the tables of others
is(as_user($worker, 'SELECT count(display_name) FROM app.users'), '2', 'control: names are for all');
error_is($worker, 'aisales_app', 'app_user_login', $_, qr/^42501/, "refused at a worker: $_")
  foreach 'SELECT email FROM app.users', (map { 'SELECT FROM app.users_' . $_ } app(q{SELECT shardid || ' WHERE email <> ''''' FROM citus_shards WHERE table_name = 'app.users'::regclass LIMIT 1})),
  'SELECT FROM app.api_logs_default', 'CREATE TEMPORARY TABLE t (a integer)', 'SELECT dualdb.sync()',
  (map { "$direct; SELECT FROM $_" } app(qq{SELECT shard_name FROM citus_shards WHERE table_name = 'app.api_logs_default'::regclass AND nodeport = $port LIMIT 1}));
is((psql_as($worker, 'aisales_app', 'app_login', 'CREATE TEMPORARY TABLE t (a integer); SELECT count(*) FROM t'))[1], '0',
	'control: the service may make temporary tables, as at the coordinator');
is($worker->safe_psql('aisales_app', q{SELECT has_database_privilege('public', current_database(), 'CONNECT')}), 'f', 'nobody else comes into a worker');

# from the coordinator nobody reaches a shard by name, nor another's transaction
foreach my $node ($coordinator, $worker)
{
	error_is($node, 'aisales_app', $_->[0], "SELECT $_->[1]", qr/^42501: permission denied for function/, "$_->[0] of " . $node->name . ": $_->[1]") foreach
	  (map { [ 'app_user_login', $_ ], [ 'app_login', $_ ] } q{run_command_on_workers('SELECT 1')}, q{run_command_on_shards('app.orders', 'SELECT 1')}, q{run_command_on_all_nodes('SELECT 1')}),
	  map { [ 'app_user_login', $_ ] } q{run_command_on_placements('app.orders', 'SELECT 1')}, q{run_command_on_colocated_placements('app.orders', 'app.orders', 'SELECT 1')},
	  q{run_command_on_coordinator('SELECT 1')}, q{master_run_on_worker(ARRAY['x'], ARRAY[1], ARRAY['SELECT 1'], false)};
}
error_is($coordinator, 'aisales_app', 'app_user_login', q{SELECT assign_distributed_transaction_id(0, 1, now())}, qr/^42501/,
	'nobody takes the place of another transaction, and reads its intermediate results');
is(app(q{SELECT bool_and(success) FROM run_command_on_all_nodes('SELECT 1')}), 't', 'control: a superuser runs commands');
is(as_user($coordinator, with_token($bobs, q{WITH x AS MATERIALIZED (SELECT o.id FROM app.orders o ORDER BY o.id LIMIT 20)
	SELECT count(*) FROM app.orders o JOIN x ON x.id = o.id})), '20', 'control: a query has its own intermediate results');
is(contrib($auth, $coordinator, 'shard.sql'), '', 'shard.sql again');
is(app(q{SELECT v.item || ': ' || v.detail FROM dualdb.verify_setup() v WHERE v.item ~ 'catalog|privileges' AND v.status <> 'ok'}), '',
	'verify_setup() finds nothing in it');


# what verify_setup() says where the workers would not know the caller
foreach my $setting ([ 'dualdb.forward_tokens', 'off', 'on' ], [ 'citus.propagate_set_commands', 'none', 'local' ])
{
	my ($name, $bad, $good) = @$setting;
	my $found = q{SELECT DISTINCT v.status, v.hint FROM dualdb.verify_setup() v WHERE v.item = 'forwarded_tokens'};

	is(app($found), 'ok|', "verify_setup() of $name");
	app("ALTER DATABASE aisales_app SET $name = $bad");
	is(app($found), "error|ALTER DATABASE aisales_app SET $name = $good;", 'is an error where it is not on');
	is(as_user($coordinator, with_token($bobs, 'SELECT count(*) FROM app.orders')), '0', 'and users see no rows');
	app("ALTER DATABASE aisales_app SET $name = $good");
	is(as_user($coordinator, with_token($bobs, 'SELECT count(*) FROM app.orders')), '36', 'and they do with the hint');
}

done_testing();
