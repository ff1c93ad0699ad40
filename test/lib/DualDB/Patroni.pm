# Clusters that Patroni runs, by the files of contrib/patroni, and etcds for them.

package DualDB::Patroni;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use FindBin;
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(patroni_missing start_etcd new_member start_patroni kill_member https rest wait_for_role);

# What the files say, and is so short here that a test can wait for it: a leader that
# is killed is missed when its key has expired.
my %TIMES = ('ttl: 30' => 'ttl: 20', 'loop_wait: 10' => 'loop_wait: 1', 'retry_timeout: 10' => 'retry_timeout: 5');

my $REST = <<'EOP';
import ssl, sys, urllib.error, urllib.request
method, url, authority, certificate, body = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)
if certificate:
    context.load_cert_chain(certificate + ".crt", certificate + ".key")
request = urllib.request.Request(url, body.encode() or None, method=method)
try:
    answer = urllib.request.urlopen(request, context=context, timeout=120)
except urllib.error.HTTPError as error:
    answer = error
print(answer.code, answer.read().decode())
EOP

# By process id; they are this test's to end.
my %running;

# What the machine has not, as a sentence; empty when all is there.
sub patroni_missing
{
	my @missing = grep { system("command -v $_ >/dev/null") != 0 } 'patroni', 'etcd';

	push @missing, 'python3-etcd' if system('/usr/bin/python3 -c "import etcd" 2>/dev/null') != 0;
	return @missing ? 'there is no ' . join(' and no ', @missing) : '';
}

sub start_process
{
	my ($name, @command) = @_;
	my $log = "$PostgreSQL::Test::Utils::log_path/${FindBin::Script}_$name.log";
	my $pid = fork // die "cannot fork: $!";

	if (!$pid)
	{
		open STDIN, '<', '/dev/null' or die "$!";
		open STDOUT, '>>', $log or die "cannot write $log: $!";
		open STDERR, '>&', \*STDOUT or die "$!";
		exec @command or die "cannot run $command[0]: $!";
	}
	$running{$pid} = $name;
	return $pid;
}

# start_etcd(authority of its clients, folder): returns host and port.
sub start_etcd
{
	my ($control, $folder) = @_;
	my ($client, $peer) = map { '127.0.0.1:' . PostgreSQL::Test::Cluster::get_free_port() } 1 .. 2;

	$control->issue('etcd', 'localhost', hosts => 'IP:127.0.0.1', peer => 1);
	start_process("etcd_$client", 'etcd', '--name', 'etcd1', '--data-dir', "$folder/etcd",
		'--listen-client-urls', "https://$client", '--advertise-client-urls', "https://$client",
		'--listen-peer-urls', "http://$peer", '--initial-advertise-peer-urls', "http://$peer",
		'--initial-cluster', "etcd1=http://$peer", '--client-cert-auth', '--trusted-ca-file', $control->authority,
		'--cert-file', $control->file('etcd.crt'), '--key-file', $control->file('etcd.key'));
	return $client;
}

# new_member(node, file of contrib/patroni, etcd, authority, that of who may change
# things): a node that is not initialized, with its configuration: the file's, with the
# names of this place.
sub new_member
{
	my ($node, $file, $etcd, $tls, $control) = @_;
	my ($cluster) = $file =~ /(\w+)\.yml/;
	my $yaml = slurp_file("$FindBin::RealBin/../../contrib/patroni/$file");
	my ($bin) = run_command([ 'pg_config', '--bindir' ]);
	my $api = '127.0.0.1:' . PostgreSQL::Test::Cluster::get_free_port();
	my $server = '127.0.0.1:' . $node->port;
	my @here = (
		%TIMES,
		join(',', map { "etcd$_.$cluster.example.com:2379" } 1 .. 3) => $etcd,
		'/etc/dualdb/control-ca.crt' => $control->authority, '/etc/dualdb/patroni.' => $control->file('patroni.'),
		'/etc/dualdb/' => $tls->file(''),
		'0.0.0.0:8008' => $api, "${cluster}1.example.com:8008" => $api,
		'0.0.0.0:5432' => $server, "${cluster}1.example.com:5432" => $server,
		"name: ${cluster}1" => 'name: ' . $node->name,
		"/var/lib/postgresql/15/$cluster" => $node->data_dir,
		'/usr/lib/postgresql/15/bin' => $bin,
		'/var/run/postgresql' => $node->host,
		'username: postgres' => 'username: ' . getpwuid($<),
		($cluster eq 'auth' ? ('10.0.0.0/28' => '127.0.0.1/32') : ()),
		'10.0.0.16/28' => '127.0.0.1/32', '10.0.0.0/24' => '127.0.0.1/32');

	while (my ($there, $here) = splice @here, 0, 2)
	{
		$yaml =~ s/\Q$there\E/$here/g or die "$file has no $there";
	}
	append_to_file($node->basedir . '/patroni.yml', $yaml);
	return { node => $node, api => "https://$api", tls => $tls };
}

sub start_patroni
{
	my ($member) = @_;

	$member->{pid} = start_process($member->{node}->name, 'patroni', $member->{node}->basedir . '/patroni.yml');
	return;
}

# As a machine that is switched off.
sub kill_member
{
	my ($member) = @_;
	my ($postmaster) = split /\n/, slurp_file($member->{node}->data_dir . '/postmaster.pid');

	kill 'KILL', $member->{pid}, $postmaster;
	waitpid $member->{pid}, 0;
	delete $running{ $member->{pid} };
	return;
}

# https(method, address, its authority, certificate, body): status and what it says; none
# when it ends the connection.
sub https
{
	my ($method, $address, $tls, $certificate, $body) = @_;
	my ($out) = run_command([ '/usr/bin/python3', '-c', $REST, $method, $address, $tls->authority, $certificate // '', $body // '' ]);

	return split / /, $out, 2;
}

# rest(member, method, path, certificate, body): the same of a member.
sub rest
{
	my ($member, $method, $path, @rest) = @_;

	return https($method, $member->{api} . $path, $member->{tls}, @rest);
}

# What Patroni takes it for: leader, sync_standby or replica, when it runs.
sub role_of
{
	my ($member) = @_;
	my ($status, $json) = rest($member, 'GET', '/cluster');
	my ($itself) = grep { $_->{name} eq $member->{node}->name && $_->{state} =~ /^(?:running|streaming)$/ }
	  map { @{ $_->{members} } } $status ? JSON::PP::decode_json($json) : ();

	return $itself ? $itself->{role} : '';
}

sub wait_for_role
{
	my ($role, @members) = @_;

	foreach my $member (@members)
	{
		my $polls = 0;

		until (role_of($member) eq $role)
		{
			die $member->{node}->name . " does not become $role" if $polls++ > 3 * $PostgreSQL::Test::Utils::timeout_default;
			select undef, undef, undef, 1;
		}
	}
	return;
}

# Patroni stops its server when it is told to end.
END
{
	my $status = $?;

	kill 'TERM', grep { $running{$_} !~ /^etcd/ } keys %running;
	waitpid $_, 0 foreach grep { $running{$_} !~ /^etcd/ } keys %running;
	kill 'TERM', keys %running;
	waitpid $_, 0 foreach keys %running;
	$? = $status;
}

1;
