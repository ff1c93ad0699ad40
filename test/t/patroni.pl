# Patroni runs both clusters by the files of contrib/patroni: a switchover by its REST
# API, and a failover when the leaders' machines are gone.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Failover;
use DualDB::Patroni;
use DualDB::Session;
use DualDB::Test;
use DualDB::TLS;
use DualDB::TwoServers;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $missing = patroni_missing();
plan skip_all => $missing if $missing;

my @nodes = map { PostgreSQL::Test::Cluster->new($_) } 'auth1', 'auth2', 'app1', 'app2';
mkdir $_->basedir foreach @nodes;
my $folder = $nodes[0]->basedir;
my (%tls, %control, %etcd);
foreach my $cluster ('auth', 'app')
{
	$tls{$cluster} = DualDB::TLS->new("$folder/tls_$cluster", $cluster);
	$tls{$cluster}->issue('server', 'localhost', hosts => 'IP:127.0.0.1', peer => 1);
	$tls{$cluster}->issue(@$_) foreach [ 'replicator', 'dualdb_replicator' ], [ 'rewind', 'dualdb_rewind' ];
	$control{$cluster} = DualDB::TLS->new("$folder/control_$cluster", "$cluster control");
	$control{$cluster}->issue('patroni', 'patroni');
	mkdir "$folder/$cluster" or die $!;
	$etcd{$cluster} = start_etcd($control{$cluster}, "$folder/$cluster");
}
$tls{auth}->issue('bridge', 'app1-2027');
make_key_file($tls{auth}->file('master.key'));
my ($auth1, $auth2) = map { new_member($_, 'auth.yml', $etcd{auth}, $tls{auth}, $control{auth}) } @nodes[ 0, 1 ];
my ($app1, $app2) = map { new_member($_, 'app.yml', $etcd{app}, $tls{app}, $control{app}) } @nodes[ 2, 3 ];
my $in_charge = $control{auth}->file('patroni');

# the leaders are made and set up; then the others are made from them
start_patroni($_) foreach $auth1, $app1;
wait_for_role('leader', $auth1);
set_up_auth($auth1->{node});
start_patroni($auth2);
wait_for_role('leader', $app1);
set_up_app($app1->{node}, sprintf "auth_host => '127.0.0.1,127.0.0.1', auth_port => %d", $auth1->{node}->port);
server_options($app1->{node}, port => join(',', map { $_->{node}->port } $auth1, $auth2), sslrootcert => $tls{auth}->authority,
	sslcert => $tls{auth}->file('bridge.crt'), sslkey => $tls{auth}->file('bridge.key'));
start_patroni($app2);
wait_for_role('sync_standby', $auth2);
wait_for_role('replica', $app2);
pass('both clusters run, the standby of the auth cluster is synchronous');

# clients who name both servers
my $secret = 'planted password of a client';
$auth1->{node}->safe_psql('aisales_auth', "ALTER ROLE auth_login PASSWORD '$secret'");
$app1->{node}->safe_psql('aisales_app', "ALTER ROLE app_login PASSWORD '$secret'");
sub ask
{
	my ($database, $role, $members, $sql) = @_;
	local $ENV{PGPASSWORD} = $secret;
	my $session = DualDB::Session->to(multi_host($database, $role, 'read-write', map { $_->{node} } @$members)
		  =~ s/host=\S+/host=127.0.0.1,127.0.0.1/r . ' sslmode=verify-full sslrootcert=' . $members->[0]{tls}->authority);
	my $answer = $session->ask($sql);

	$session->end;
	return $answer;
}
sub auth { return ask('aisales_auth', 'auth_login', [ $auth1, $auth2 ], shift); }
sub app { return ask('aisales_app', 'app_login', [ $app1, $app2 ], shift); }
my $token;

sub session_goes_on
{
	my ($name) = @_;
	my ($status, $next) = split /\|/, auth("SELECT r.status, r.refresh_token FROM auth.refresh('$token') r");

	is($status, 'ok', "$name: the session goes on");
	is(auth("SELECT status FROM auth.login('ann\@example.com', '$DualDB::Test::PASSWORD')"), 'ok', "$name: a login");
	$token = $next;
	return;
}
sub verify_finds
{
	my ($node, $database) = @_;

	return $node->safe_psql($database, q{SELECT v.status || ' ' || v.item FROM dualdb.verify_setup() v
		WHERE v.status = 'error' OR v.status = 'warning'
			AND v.item ~ '^(standby|slot|synchronous|rewind$|primary_conninfo$|hba_replic)'});
}

my $ann = register($auth1->{node}, 'ann@example.com', 'Ann');
$token = (login_tokens($auth1->{node}, 'ann@example.com'))[1];
session_goes_on('at first');
# Patroni itself sees to it that the loss of the one standby does not stop commits
is(verify_finds($auth1->{node}, 'aisales_auth'), 'warning synchronous_standbys', 'verify_setup() warns of the one synchronous standby');
is(verify_finds(@$_), '', 'and finds no error on ' . $_->[0]->name)
  foreach [ $auth2->{node}, 'aisales_auth' ], [ $app1->{node}, 'aisales_app' ], [ $app2->{node}, 'aisales_app' ];

# What an app server has is good for nothing at the auth cluster: whoever can change its
# settings can run programs there.
my %theirs = (bridge => $tls{auth}->file('bridge'), server => $tls{app}->file('server'), patroni => $control{app}->file('patroni'));
foreach my $name (sort keys %theirs)
{
	my ($answer) = rest($auth1, 'PATCH', '/config', $theirs{$name}, '{"postgresql": {"parameters": {"archive_command": "true"}}}');
	isnt($answer // 'none', '200', "the REST API changes nothing by an app server's $name.crt");
	is((https('GET', "https://$etcd{auth}/version", $control{auth}, $theirs{$name}))[0], undef, 'and etcd does not answer');
}
is((rest($auth1, 'PATCH', '/config', $in_charge, '{"postgresql": {"parameters": {"work_mem": "5MB"}}}'))[0], '200', 'control: it does by an auth server\'s');
is((https('GET', "https://$etcd{auth}/version", $control{auth}, $in_charge))[0], '200', 'control: and etcd answers');
unlike((rest($auth1, 'GET', '/config'))[1], qr/archive_command/, 'nothing has been changed');
sub replicates
{
	my ($tls) = @_;
	my $files = join ' ', map { "$_->[0]=" . $tls->file($_->[1]) } [ 'sslcert', 'replicator.crt' ], [ 'sslkey', 'replicator.key' ];

	return (run_command([ 'psql', '-XAtc', 'IDENTIFY_SYSTEM', sprintf 'host=127.0.0.1 port=%d user=dualdb_replicator replication=true sslmode=verify-full sslrootcert=%s %s',
				$auth1->{node}->port, $tls{auth}->authority, $files ]))[0] ne '';
}
ok(!replicates($tls{app}), 'nor does the replicator.crt of an app server copy the auth cluster');
ok(replicates($tls{auth}), 'control: that of an auth server does');

# a switchover
my $switchover = '{"leader": "auth1", "candidate": "auth2"}';
my ($status) = rest($auth1, 'POST', '/switchover', undef, $switchover);
is($status, '403', 'nobody switches over without a certificate');
is((rest($auth1, 'GET', '/leader'))[0], '200', 'and the leader is the same');
($status) = rest($auth1, 'POST', '/switchover', $in_charge, $switchover);
is($status, '200', 'control: with it they do');
wait_for_role('leader', $auth2);
wait_for_role('sync_standby', $auth1);
session_goes_on('after the switchover');

# the machines of both leaders are gone
my $killed_at = time;
kill_member($_) foreach $auth2, $app1;
wait_for_role('leader', $auth1, $app2);
diag sprintf 'leaders killed, others lead after %.1f s', time - $killed_at;
session_goes_on('after the failover');
my $late = register($auth1->{node}, 'late@example.com', 'Late');
is(app("INSERT INTO app.projects (id, user_id, name) VALUES ('p', '$ann', 'Project') RETURNING id"), 'p', 'the application writes');
ok($app2->{node}->poll_query_until('aisales_app', "SELECT count(*) = 1 FROM app.users u, app.sync_status s WHERE u.id = '$late' AND s.failures = 0"),
	'the sync goes on between the new leaders');

# they come back, and are rewound
start_patroni($_) foreach $auth2, $app1;
wait_for_role('sync_standby', $auth2);
wait_for_role('replica', $app1);
is($auth2->{node}->safe_psql('aisales_auth', "SELECT count(*) FROM auth.users u WHERE u.id = '$late'"), '1', 'the former leader has what happened since');
session_goes_on('with a standby again');

# logins wait for a standby that is gone, until Patroni takes it out
kill_member($auth2);
session_goes_on('without a standby');

done_testing();
