# A psql session that stays: statements are sent one after the other, and each
# one's output is waited for.

package DualDB::Session;

use strict;
use warnings FATAL => 'all';

use IPC::Run;

# The superuser's, without a role.
sub new
{
	my ($class, $node, $database, $role) = @_;
	my $self = bless { in => '', out => '', sent => 0 }, $class;

	$self->{run} = IPC::Run::start(
		[ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $node->connstr($database),
		  defined $role ? ('-U', $role) : () ],
		'<', \$self->{in}, '>', \$self->{out}, '2>&1', IPC::Run::timeout(180));
	return $self;
}

# Send SQL and do not wait.
sub start
{
	my ($self, $sql) = @_;

	$self->{sent}++;
	$self->{out} = '';
	$self->{in} .= "$sql;\n\\echo done $self->{sent}\n";
	IPC::Run::pump_nb($self->{run});
	return;
}

# What it has put out, errors among it.
sub result
{
	my ($self) = @_;
	my $mark = "done $self->{sent}\n";

	IPC::Run::pump($self->{run}) until $self->{out} =~ /^\Q$mark\E/m;
	return $self->{out} =~ s/\Q$mark\E.*//sr =~ s/\n\z//r;
}

sub query
{
	my ($self, $sql) = @_;

	$self->start($sql);
	return $self->result;
}

# The rows, or SQLSTATE and message of the first error.
sub ask
{
	my ($self, $sql) = @_;
	my $out = $self->query($sql);

	return $out =~ /(?:ERROR|FATAL):\s+(\w{5}: [^\n]*)/ ? $1 : $out;
}

# End the session, if it has not ended yet.
sub finish
{
	my ($self) = @_;
	my $run = delete $self->{run} or return;

	$self->{in} .= "\\q\n" if $run->pumpable;
	eval { IPC::Run::finish($run) };
	return;
}

sub DESTROY { $_[0]->finish }

1;
