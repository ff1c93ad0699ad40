# Auth 1+2 and app 1+5, made by the commands of the documentation, filled, and used:
# logins on the auth primary, everything that reads on the standbys.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Replicas;
use DualDB::Session;
use DualDB::Test;
use DualDB::TwoServers;
use PostgreSQL::Test::Utils;
use Test::More;

my $conf = "$DualDB::Replicas::CONF\ndualdb.argon2_memory = '19MB'\ndualdb.argon2_iterations = 2";
# how long a look-up may take is tested elsewhere
my ($auth, $app, $tls) = two_servers(auth_conf => $conf, app_conf => "$conf\ndualdb.bridge_timeout = '30s'");
$tls->issue('app', 'localhost', hosts => 'IP:127.0.0.1');
listen_on_tcp($app);
use_tls($app, $tls, 'app');
my $superuser = getpwuid($<);

sub auth { return $auth->safe_psql('aisales_auth', shift); }
sub app { return $app->safe_psql('aisales_app', shift); }

# users, some who log in; each has a project with an order
auth(q{INSERT INTO auth.users (id, email, display_name)
	SELECT 'u' || i, 'u' || i || '@example.com', 'User ' || i FROM generate_series(1, 500) i});
my $ann = register($auth, 'ann@example.com', 'Ann');
auth("SELECT auth.create_role('manager', '{projects:read}'); SELECT auth.grant_role('$ann', 'manager')");
my ($token, $refresh_token) = login_tokens($auth, 'ann@example.com');
my $api_key = auth("SELECT api_key FROM auth.create_api_key('$ann', 'key', '{projects:read}')");
app(q{SELECT dualdb.sync(); INSERT INTO app.projects (id, user_id, name) SELECT 'of ' || u.id, u.id, 'Project' FROM app.users u;
	INSERT INTO app.orders (project_id, user_id, total) SELECT p.id, p.user_id, 10 FROM app.projects p});

# the primaries
is(auth("SELECT string_agg(s.status || ' ' || s.detail, ' ' ORDER BY s.detail) FROM dualdb.setup_replicas(2) s WHERE s.status = 'done'"),
	'done Role "dualdb_replicator" has been created. done Slot "dualdb_standby_1" has been created. done Slot "dualdb_standby_2" has been created.',
	'a role and slots are made');
set_up_primary($auth, 'aisales_auth', 2);
set_up_primary($app, 'aisales_app', 5);
is(auth("SELECT string_agg(s.detail, ' ') FROM dualdb.setup_replicas(2) s WHERE s.status = 'remains'"),
	'Logins are not replicated synchronously: run this again when two standbys stream.', 'this remains on the auth server');
is(app("SELECT string_agg(s.detail, ' ') FROM dualdb.setup_replicas(5) s WHERE s.status = 'remains'"), '', 'and nothing on the app server');
is(auth(q{SELECT r.rolcanlogin AND r.rolreplication AND NOT (r.rolsuper OR r.rolcreatedb OR r.rolcreaterole OR r.rolbypassrls)
	FROM pg_roles r WHERE r.rolname = 'dualdb_replicator'}), 't', 'the role replicates and can do nothing else');

# the standbys
my @auth_standbys = map { add_standby($auth, "auth_standby_$_", $_, $tls->authority) } 1 .. 2;
my @app_standbys = map { add_standby($app, "app_standby_$_", $_, $tls->authority) } 1 .. 5;

sub replay
{
	wait_for_standbys($auth, 2);
	wait_for_standbys($app, 5);
	return;
}
replay();
is($_->[0]->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_replication r JOIN pg_replication_slots s
		ON s.slot_name = r.application_name AND s.active_pid = r.pid JOIN pg_stat_ssl t ON t.pid = r.pid
	WHERE r.usename = 'dualdb_replicator' AND t.ssl}), $_->[1], 'each standby comes by TLS, under its name, with its slot')
  foreach [ $auth, 2 ], [ $app, 5 ];
my ($names, $secrets) = ('', '');
foreach my $node (@auth_standbys, @app_standbys)
{
	my $settings = slurp_file($node->data_dir . '/postgresql.auto.conf');
	$names .= "$1 " if $settings =~ /^primary_conninfo = .*passfile=.* application_name=(\w+) .*\n(?:.*\n)*primary_slot_name = '\1'/m;
	$secrets .= $node->name if $settings =~ /\Q$DualDB::Replicas::PASSWORD\E/;
}
is($names, 'dualdb_standby_1 dualdb_standby_2 ' . join('', map { "dualdb_standby_$_ " } 1 .. 5), 'settings name the standby and its file');
is($secrets, '', 'and hold no password');

# logins that survive
superuser_gexec($auth, 'aisales_auth', 2);
$auth->reload;
ok($auth->poll_query_until('postgres', "SELECT count(*) = 2 FROM pg_stat_replication r WHERE r.sync_state = 'quorum'"),
	'both standbys of the auth server are synchronous');
is(auth('SELECT count(*) FROM dualdb.setup_replicas(2) s WHERE s.statement IS NOT NULL'), '0', 'then nothing remains');
like(auth("SELECT s.detail FROM dualdb.setup_replicas(1) s WHERE s.status = 'remains' AND s.detail ~ 'Slot'"),
	qr/^Slot "dualdb_standby_2" is one more than 1, and in use: stop its standby first\.$/, 'fewer standbys drop nothing');
is(auth('SELECT count(*) FROM pg_replication_slots s WHERE s.active'), '2', 'both slots are there');
$auth_standbys[0]->stop;
is((login_tokens($auth, 'ann@example.com'))[0] =~ tr/.//, 2, 'with one standby gone people log in');
$auth_standbys[1]->stop;
my $waiting = DualDB::Session->new($auth, 'aisales_auth');
$waiting->start("SELECT status FROM auth.login('ann\@example.com', '$DualDB::Test::PASSWORD')");
ok($auth->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity a WHERE a.wait_event = 'SyncRep'
	AND a.backend_type = 'client backend'"), 'with both gone a login waits');
$_->start foreach @auth_standbys;
is($waiting->result, 'ok', 'and is acknowledged when a standby has it');
$waiting->end;
replay();

# what reads, on every standby
foreach my $node (@auth_standbys)
{
	my $name = $node->name;
	is((psql_as($node, 'aisales_auth', 'auth_login', "SELECT dualdb.jwt_verify('$token') ->> 'sub'"))[1], $ann, "$name: a token verifies");
	is((psql_as($node, 'aisales_auth', 'auth_login', "SELECT status, scopes FROM auth.verify_api_key('$api_key')"))[1], 'ok|{projects:read}',
		"$name: an API key verifies");
	is((psql_as($node, 'aisales_auth', 'auth_login', "SELECT dualdb.jwt_verify(k.access_token) ->> 'sub' FROM auth.exchange_api_key('$api_key') k"))[1],
		$ann, "$name: and is exchanged for a token");
	is((psql_as($node, 'aisales_auth', 'auth_login', "SELECT auth.has_permission('$ann', 'projects:read')"))[1], 't', "$name: a permission");
	error_is($node, 'aisales_auth', 'auth_login', "SELECT auth.login('ann\@example.com', '$DualDB::Test::PASSWORD')", qr/^25006/, "$name: no login");
}
server_options($app, host => '127.0.0.1,127.0.0.1,127.0.0.1',
	port => join(',', map { $_->port } @auth_standbys, $auth), target_session_attrs => 'prefer-standby');
my $bob = register($auth, 'bob@example.com', 'Bob');
replay();
my @sessions = map { DualDB::Session->new($_, 'aisales_app', 'app_login') } @app_standbys;
foreach my $i (0 .. 4)
{
	my $name = $app_standbys[$i]->name;
	is((psql_as($app_standbys[$i], 'aisales_app', 'app_user_login', qq{BEGIN; SELECT dualdb.authenticate('$token') \\g /dev/null
		SELECT u.display_name, o.total, dualdb.has_permission('projects:read')
		FROM app.orders o JOIN app.projects p ON p.id = o.project_id JOIN app.users u ON u.id = p.user_id; COMMIT}))[1], 'Ann|10.00|t',
		"$name: a user joins their rows with the directory");
	is($sessions[$i]->ask("SELECT string_agg(u.display_name, ',' ORDER BY u.id) FROM app.lookup_users('{u1,u2,nobody}') u"), 'User 1,User 2',
		"$name: a look-up");
	is($sessions[$i]->ask("SELECT (SELECT count(*) FROM app.users u WHERE u.id = '$bob'), l.display_name
		FROM app.lookup_users(ARRAY['$bob']) l, app.lookup_user_by_email('BOB\@example.com') e WHERE e.id = l.id"), '0|Bob',
		"$name: who is not in the directory is found, and returned");
	is($sessions[$i]->ask("SELECT dualdb.authenticate('$token')"), $ann, "$name: a session has keys and revocations");
}
sub bridges { return $_[0]->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity a WHERE a.usename = 'dualdb_bridge'"); }
is(bridges($auth_standbys[0]) + bridges($auth_standbys[1]), 5, 'the look-ups go to standbys of the auth server');
is(bridges($auth), 0, 'and not to its primary');

# the sync goes on, from a standby to the standbys; changes of keys reach the sessions
next_setting($app, 'dualdb.app_database' => 'aisales_app');
my ($new_token) = do {
	auth('SELECT auth.rotate_signing_key()') foreach 1 .. 2;
	login_tokens($auth, 'bob@example.com');
};
my $kid = auth(q{SELECT k.kid FROM auth.signing_keys k WHERE k.status = 'active'});
sub every_session_says
{
	my ($sql, $expected, $name) = @_;
	my @late = grep {
		my ($session, $answer) = ($_, '');
		foreach (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
		{
			$answer = $session->ask($sql);
			last if $answer =~ $expected;
			select undef, undef, undef, 0.1;
		}
		$answer !~ $expected;
	} @sessions;

	return is(scalar @late, 0, "$name, in every session of an app standby");
}
every_session_says("SELECT u.display_name FROM app.users u WHERE u.id = '$bob'", qr/^Bob$/, 'a new user is in the directory');
every_session_says("SELECT dualdb.authenticate('$new_token')", qr/^\Q$bob\E$/, 'a token of a new key is good');
every_session_says("SELECT dualdb.authenticate('$token')", qr/^\Q$ann\E$/, 'control: and one of the key before');
auth("SELECT auth.logout('$refresh_token')");
every_session_says("SELECT dualdb.authenticate('$token')", qr/^28000/, 'a token of a session that has ended is refused');
every_session_says("SELECT dualdb.authenticate('$new_token')", qr/^\Q$bob\E$/, 'control: another one is not');
auth("SELECT auth.revoke_signing_key('$kid')");
every_session_says("SELECT dualdb.authenticate('$new_token')", qr/^28000/, 'a token of a revoked key is refused');
$_->end foreach @sessions;

# the key file is what the keyed hashes of a standby need, and nothing else
next_setting($auth_standbys[0], 'dualdb.key_file' => '');
$token = (login_tokens($auth, 'ann@example.com'))[0];
replay();
is($auth_standbys[0]->safe_psql('aisales_auth', "SELECT dualdb.jwt_verify('$token') ->> 'sub'"), $ann, 'without the key file a token verifies');
error_is($auth_standbys[0], 'aisales_auth', 'auth_login', "SELECT auth.verify_api_key('$api_key')", qr/^55000: no key file/, 'and no API key');

# promoted, a standby does what a primary does
my ($new_auth, $new_app) = ($auth_standbys[1], $app_standbys[4]);
my $workers = "SELECT count(*) FROM pg_stat_activity a WHERE a.backend_type = 'dualdb %s worker'";
is($new_app->safe_psql('postgres', sprintf $workers, 'sync'), '0', 'no sync worker on a standby');
next_setting($new_app, 'dualdb.app_database' => 'aisales_app');
error_is($new_auth, 'aisales_auth', 'auth_login', "SELECT auth.login('ann\@example.com', 'wrong')", qr/^25006/, 'a guess on a standby') foreach 1 .. 2;
my $before = $new_app->safe_psql('postgres', 'SELECT clock_timestamp()');
$_->promote foreach $new_auth, $new_app;
is((psql_as($new_auth, 'aisales_auth', 'auth_login', "SELECT status FROM auth.login('ann\@example.com', 'wrong')"))[1], 'invalid_credentials',
	'a login on the promoted auth server') foreach 1 .. 2;
is((login_tokens($new_auth, 'bob@example.com'))[0] =~ tr/.//, 2, 'and one that succeeds');
ok($new_auth->poll_query_until('aisales_auth', q{SELECT count(*) = 1 FROM auth.login_failures f
	WHERE f.identifier = auth.login_identifier('ann@example.com') AND f.in_a_row = 2}), 'a worker writes failures down there, and those of before were none');
ok($new_app->poll_query_until('aisales_app', "SELECT s.failures = 0 AND s.last_success > '$before' AND (" . sprintf($workers, 'sync')
	. ') = 1 FROM app.sync_status s'), 'and one syncs on the promoted app server');
is(psql_error($new_app, 'aisales_app', $superuser, 'SELECT dualdb.sync()'), '', 'as it does by hand');

done_testing();
