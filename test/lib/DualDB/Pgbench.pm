# Many clients at once: pgbench by TCP and TLS, and beside it how many connections of
# their role the server has.

package DualDB::Pgbench;

use strict;
use warnings FATAL => 'all';

use DualDB::Session;
use IPC::Run ();
use Time::HiRes qw(usleep);

my $scripts = 0;

# DualDB::Pgbench->start(authority, connection, options ..., scripts): port, database and
# role are of the connection; a script is its text.
sub start
{
	my ($class, $tls, $to, $options, @scripts) = @_;
	my $self = bless { out => '', role => $to->{role}, most => 0 }, $class;
	my @files;

	foreach my $text (@scripts)
	{
		my $path = $tls->file('pgbench-' . ++$scripts . '.sql');

		open my $file, '>', $path or die "cannot write $path: $!";
		print $file $text;
		close $file;
		push @files, '-f', $path;
	}
	local $ENV{PGSSLMODE} = 'verify-full';
	local $ENV{PGSSLROOTCERT} = $tls->authority;
	$self->{process} = IPC::Run::start(
		[ 'pgbench', '-n', '-j', 2, @$options, @files, '-h', '127.0.0.1', '-p', $to->{port}, '-U', $to->{role}, $to->{database} ],
		'<', \undef, '>&', \$self->{out}, IPC::Run::timeout(180));
	return $self;
}

# Go on until it has ended, or a condition holds, and watch the server.
sub watch
{
	my ($self, $node, $until) = @_;
	my $session = DualDB::Session->new($node, 'postgres');

	while (1)
	{
		my $running = $self->{process}->pumpable;
		my $now = $session->ask("SELECT count(*) FROM pg_stat_activity a WHERE a.usename = '$self->{role}'");

		$self->{most} = $now if $now > $self->{most};
		last if !$running || $until && $until->();
		$self->{process}->pump_nb;
		usleep(20_000);
	}
	$session->end;
	return $self;
}

# Wait for its end: has every client done all that it was told to, and nothing failed?
sub succeeds
{
	my ($self) = @_;
	my $ok = $self->{process}->finish;
	my ($done, $of) = $self->{out} =~ m{actually processed: (\d+)/(\d+)};

	return $ok && $done == $of && $self->{out} =~ /^number of failed transactions: 0 /m && $self->{out} !~ /aborted|ERROR|FATAL/;
}

sub said { return $_[0]->{out}; }

# The most connections of the role that there were.
sub most { return $_[0]->{most}; }

# How fast it was, for people.
sub speed
{
	my ($self) = @_;

	return join ', ', $self->{out} =~ /^(latency average = .*|tps = \S+)/mg;
}

1;
