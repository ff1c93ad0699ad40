# A PgBouncer of the tests, in front of one of the databases of a cluster that
# clients_cluster() made: by the files of contrib/pgbouncer, with addresses of the tests.

package DualDB::PgBouncer;

use strict;
use warnings FATAL => 'all';

use File::Copy qw(copy);
use FindBin;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Scalar::Util qw(weaken);
use Time::HiRes qw(usleep);

# Perl destroys what is left at its end in no order, a pooler's process before it.
my @running;
END { local $?; $_->stop foreach grep { defined } @running }

my $PROGRAM = '/usr/sbin/pgbouncer';
my %ROLES = (auth => 'backend_auth', app => 'backend_user');

our $FOLDER = "$FindBin::RealBin/../../contrib/pgbouncer";

# DualDB::PgBouncer->new(cluster, authority, auth or app, setting => value, ...): running.
sub new
{
	my ($class, $node, $tls, $name, %settings) = @_;
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my $folder = $tls->file("pgbouncer-$port");
	my $self = bless {
		name => $name, node => $node, port => $port, folder => $folder, log => "$folder/log",
		socket => PostgreSQL::Test::Utils::tempdir_short()
	}, $class;

	mkdir $folder, 0700 or die "cannot make $folder: $!";
	copy($tls->file("server.$_"), "$folder/$name.$_") or die "cannot copy server.$_: $!" foreach 'crt', 'key';
	chmod 0600, "$folder/$name.key" or die "cannot chmod $folder/$name.key: $!";
	copy($tls->authority, $folder) or die "cannot copy the authority: $!";
	$self->write_users or die 'no auth_file';
	$self->configure(%settings);
	$self->{console} = "host=$self->{socket} port=$port dbname=pgbouncer user=pgbouncer";
	# not into a pipe, which nobody empties
	$self->{process} = IPC::Run::start([ $PROGRAM, "$folder/$name.ini" ], '<', \undef, '&>', $self->{log});
	weaken($running[@running] = $self);
	$self->_wait_until_up;
	return $self;
}

sub port { return $_[0]->{port}; }
sub log { return slurp_file($_[0]->{log}); }
sub users_file { return "$_[0]->{folder}/$_[0]->{name}.users"; }

# Write the auth_file by the script, for its own role or another one; did it work?
sub write_users
{
	my ($self, $role) = @_;

	local $ENV{PSQL} = 'psql -h ' . $self->{node}->host . ' -p ' . $self->{node}->port;
	return system_log("$FOLDER/dualdb-pgbouncer-users", $self->users_file, scalar getgrgid $(, $role // $ROLES{ $self->{name} }) == 0;
}

# Write the files of the configuration, with these settings in place of theirs.
sub configure
{
	my ($self, %settings) = @_;
	my %here = (
		"host=$self->{name}.example.com port=5432" => 'host=127.0.0.1 port=' . $self->{node}->port,
		"/run/dualdb-pgbouncer-$self->{name}" => $self->{socket},
		'/etc/pgbouncer' => $self->{folder});
	my $own = slurp_file("$FOLDER/$self->{name}.ini");
	my $common = slurp_file("$FOLDER/common.ini") =~ s{/etc/pgbouncer}{$self->{folder}}gr;

	foreach my $name (keys %here)
	{
		$own =~ s/\Q$name\E/$here{$name}/g or die "no $name in $self->{name}.ini";
	}
	%settings = (listen_port => $self->{port}, %settings);
	foreach my $name (sort keys %settings)
	{
		$own =~ s/^$name = .*$/$name = $settings{$name}/m or $own .= "$name = $settings{$name}\n";
	}
	_write("$self->{folder}/$self->{name}.ini", $own);
	_write("$self->{folder}/common.ini", $common);
	return;
}

# Another cluster has its databases from now on; RELOAD tells it.
sub lead_to
{
	my ($self, $node) = @_;

	$self->{node} = $node;
	$self->configure;
	return;
}

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

# PAUSE, RESUME, RELOAD or RECONNECT, which closes the server connections, so that the
# next ones have new settings.
sub command
{
	my ($self, $command) = @_;

	run_command([ 'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-d', $self->{console}, '-c', $command ]);
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
