# A PgBouncer of the tests, in front of the app database of a cluster that
# clients_cluster() made: the documented configuration, with addresses of the tests.

package DualDB::PgBouncer;

use strict;
use warnings FATAL => 'all';

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(usleep);

my $PROGRAM = '/usr/sbin/pgbouncer';
my $CONSOLE_PASSWORD = 'of the console';

# DualDB::PgBouncer->new(cluster, authority, example, setting => value, ...): running.
sub new
{
	my ($class, $node, $tls, $example, %settings) = @_;
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my $self = bless { port => $port, log => $tls->file("pgbouncer-$port.log") }, $class;
	my $file = $tls->file("pgbouncer-$port");
	my %all = (
		listen_port => $port, unix_socket_dir => '', logfile => $self->{log}, auth_file => "$file.users",
		client_tls_cert_file => $tls->file('server.crt'), client_tls_key_file => $tls->file('server.key'),
		server_tls_ca_file => $tls->authority, admin_users => 'console', %settings);

	_write("$file.users", "\"console\" \"$CONSOLE_PASSWORD\"\n"
		  . $node->safe_psql('postgres', q{SELECT format('"%s" "%s"', a.rolname, a.rolpassword)
				FROM pg_authid a WHERE a.rolname IN ('backend_auth', 'backend_user')}) . "\n");
	_write("$file.ini", _configuration($example, $node->port, %all));
	$self->{console} = "host=127.0.0.1 port=$port dbname=pgbouncer user=console password='$CONSOLE_PASSWORD'"
	  . ' sslmode=verify-full sslrootcert=' . $tls->authority;
	# not into a pipe, which nobody empties
	$self->{process} = IPC::Run::start([ $PROGRAM, '-q', "$file.ini" ], '<', \undef, '&>', "$file.out");
	$self->_wait_until_up;
	return $self;
}

sub port { return $_[0]->{port}; }
sub log { return slurp_file($_[0]->{log}); }

# (major, minor)
sub version
{
	my ($out) = run_command([ $PROGRAM, '--version' ]);

	return $out =~ /PgBouncer (\d+)\.(\d+)/;
}

# Since when it can tell apart the prepared statements of its clients.
sub has_prepared_statements
{
	my ($major, $minor) = version();

	return $major > 1 || $minor >= 21;
}

# What the console says, as rows of columns by name.
sub show
{
	my ($self, $what) = @_;
	my ($out, $err) = run_command([ 'psql', '-X', '-A', '-F', '|', '-d', $self->{console}, '-c', "SHOW $what" ]);
	my ($head, @lines) = grep { !/^\(\d+ rows?\)$/ } split /\n/, $out;
	my @names = split /\|/, $head // '';

	return map { my %row; @row{@names} = split /\|/, $_, -1; \%row } @lines;
}

# Close the server connections, so that the next ones have new settings.
sub reconnect
{
	my ($self) = @_;

	run_command([ 'psql', '-X', '-d', $self->{console}, '-c', 'RECONNECT' ]);
	return;
}

# Wait until a condition on what the console says holds.
sub wait_for
{
	my ($self, $what, $condition) = @_;

	foreach (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return 1 if grep { $condition->($_) } $self->show($what);
		usleep(100_000);
	}
	return 0;
}

sub stop
{
	my ($self) = @_;
	my $process = delete $self->{process} or return;

	$process->kill_kill;
	return;
}

sub DESTROY { $_[0]->stop }

sub _wait_until_up
{
	my ($self) = @_;

	$self->wait_for('VERSION', sub { 1 })
	  or die 'pgbouncer does not start: ' . (-e $self->{log} ? $self->log : '');
	return;
}

# The example with other settings.  A second section would take back the first.
sub _configuration
{
	my ($example, $server_port, %settings) = @_;
	my $text = slurp_file($example);

	$text =~ s/^(\w+) = host=.*$/join "\n", map { "$_ = host=127.0.0.1 port=$server_port dbname=$_" } $1, 'aisales_auth'/me
	  or die "no database in $example";
	foreach my $name (sort keys %settings)
	{
		$text =~ s/^$name = .*$/$name = $settings{$name}/m or $text .= "$name = $settings{$name}\n";
	}
	return $text;
}

sub _write
{
	my ($path, $text) = @_;

	open my $file, '>', $path or die "cannot write $path: $!";
	print $file $text;
	close $file;
	chmod 0600, $path or die "cannot chmod $path: $!";
	return;
}

1;
