# Clients that work while servers come and go, each a process of its own: what they
# were told, and when.
#
# A client connects again after every error, as a pool does, by a connection string
# that names all servers.

package DualDB::Load;

use strict;
use warnings FATAL => 'all';

use DualDB::Session;
use DualDB::Test;
use Exporter 'import';
use List::Util qw(max);
use POSIX ();
use PostgreSQL::Test::Utils;
use Time::HiRes qw(time);

our @EXPORT = qw(session_client asking_client guessing_client tokens_told);

# Between attempts that fail, seconds.
use constant RETRY => 0.05;

# DualDB::Load->start(folder, name, connection string, step): the step is called with
# the client, over and over.
sub start
{
	my ($class, $folder, $name, $connstr, $step) = @_;
	my $self = bless {
		name => $name, connstr => $connstr, parent => $$,
		file => "$folder/$name.client", stop => "$folder/$name.stop"
	}, $class;

	# another process must not write what this one has yet to write
	STDOUT->flush;
	$self->{pid} = fork // die "cannot fork: $!";
	return $self if $self->{pid};

	# the servers are not this process's to stop when it ends
	POSIX::_exit(eval { $self->_work($step) } ? 0 : 1);
}

sub _work
{
	my ($self, $step) = @_;

	open $self->{log}, '>>', $self->{file} or die "cannot write $self->{file}: $!";
	$self->{log}->autoflush;
	$step->($self) until -e $self->{stop} || getppid != $self->{parent};
	$self->_leave;
	return 1;
}

# What a client is told of an error: its SQLSTATE, or what keeps it from having one.
sub _failure
{
	my ($answer) = @_;

	return $1 if $answer =~ /^(?:WARNING:\s+)?(\w{5}): /;
	return 'refused' if $answer =~ /Connection refused|No such file/;
	return 'not writable' if $answer =~ /read-only|hot standby mode/;
	return 'starting or ending' if $answer =~ /the database system is/;
	return 'connection lost' if $answer =~ /server closed|connection to server was lost|psql: error/;
	return;
}

# ask(operation, SQL, status): the columns of its one row, and none after an error.
# What comes back is written down; where a status is expected, another one is a failure.
sub ask
{
	my ($self, $operation, $sql, $status) = @_;
	my $session = $self->{session} //= DualDB::Session->to($self->{connstr});
	my $answer = eval { $session->ask($sql) } // '';
	my $error = $answer eq '' ? 'connection lost' : _failure($answer);
	my @columns = defined $error ? () : split /\|/, $answer, -1;
	my $outcome = $error // (defined $status && $columns[0] ne $status ? "status $columns[0]" : 'ok');

	printf { $self->{log} } "%.3f\t%s\t%s\t%s\n", time, $operation, $outcome, $answer =~ tr/\n\t|/   /r;
	if (defined $error)
	{
		$self->_leave;
		select undef, undef, undef, RETRY;
	}
	return @columns;
}

sub _leave
{
	my ($self) = @_;
	my $session = delete $self->{session};

	$session->end if $session;
	return;
}

# What it has been told so far.
sub records
{
	my ($self) = @_;
	my @records;

	foreach (-e $self->{file} ? split /\n/, slurp_file($self->{file}) : ())
	{
		my %record;

		@record{qw(at operation outcome data)} = split /\t/, $_, 4;
		push @records, \%record;
	}
	return @records;
}

sub succeeded { return grep { $_->{outcome} eq 'ok' } $_[0]->records; }
sub failed { return grep { $_->{outcome} ne 'ok' } $_[0]->records; }

# Wait until each of the clients has succeeded so often since.
sub wait_for_success
{
	my ($times, $since, @clients) = @_;

	foreach my $client (@clients)
	{
		my $polls = 0;

		until ((grep { $_->{at} >= $since } $client->succeeded) >= $times)
		{
			die "client $client->{name} does not get on: " . $client->summary
			  if $polls++ > 20 * $PostgreSQL::Test::Utils::timeout_default;
			select undef, undef, undef, 0.1;
		}
	}
	return;
}

# Let each of them end with what it is doing.
sub stop
{
	my (@clients) = @_;

	append_to_file($_->{stop}, '') foreach @clients;
	foreach my $client (@clients)
	{
		my $polls = 0;

		until (waitpid($client->{pid}, POSIX::WNOHANG) == $client->{pid})
		{
			kill 'KILL', $client->{pid} if $polls++ == 10 * $PostgreSQL::Test::Utils::timeout_default;
			select undef, undef, undef, 0.1;
		}
		die 'a client died: ' . $client->summary if $?;
	}
	return;
}

# One line: how often it succeeded, its longest time without, and its errors.
sub summary
{
	my ($self) = @_;
	my @times = map { $_->{at} } $self->succeeded;
	my %failures;

	$failures{ $_->{outcome} }++ foreach $self->failed;
	return sprintf '%-10s %5d answers, longest gap %4.1f s; errors: %s', $self->{name}, scalar @times,
	  max(0, map { $times[$_] - $times[ $_ - 1 ] } 1 .. $#times),
	  join(', ', map { "$_ $failures{$_}" } sort keys %failures) || 'none';
}

# A user who logs in and refreshes, and who presents a token again as long as no
# answer comes.
sub session_client
{
	my ($email) = @_;
	my $login = "auth.login('$email', '$DualDB::Test::PASSWORD')";
	my ($token, $refreshes);

	return sub {
		my ($client) = @_;
		my ($operation, $call) = defined $token ? ('refresh', "auth.refresh('$token')") : ('login', $login);
		my @row = $client->ask($operation, "SELECT status, session_id, refresh_token FROM $call", 'ok') or return;

		$refreshes = $operation eq 'login' ? 0 : $refreshes + 1;
		$token = $row[0] eq 'ok' && $refreshes < 4 ? $row[2] : undef;
		return;
	};
}

# One that asks the same again and again.
sub asking_client
{
	my ($operation, $sql, $status) = @_;

	return sub { $_[0]->ask($operation, $sql, $status); return; };
}

# One that guesses passwords, of one address after the other.
sub guessing_client
{
	my $guesses = 0;

	return sub {
		my $email = 'guess' . ++$guesses . '@example.com';

		$_[0]->ask('guess', "SELECT status, '$email' FROM auth.login('$email', 'wrong')", 'invalid_credentials');
		return;
	};
}

# The newest token of each session that clients have been told of, and the one before.
sub tokens_told
{
	my (%newest, %before);

	foreach my $record (map { $_->succeeded } @_)
	{
		my (undef, $session, $token) = split / /, $record->{data};

		$before{$session} = $newest{$session} if defined $newest{$session};
		$newest{$session} = $token;
	}
	return (\%newest, \%before);
}

1;
