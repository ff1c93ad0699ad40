# A psql session that stays open while the test does something else.

package DualDB::Session;

use strict;
use warnings FATAL => 'all';

use IPC::Run ();

# DualDB::Session->new(node, database, role); without a role the superuser's.
sub new
{
	my ($class, $node, $database, $role) = @_;

	return $class->to($node->connstr($database) . (defined $role ? " user=$role" : ''));
}

# by a connection string
sub to
{
	my ($class, $connstr) = @_;
	my $self = bless { in => '', out => '', asked => 0 }, $class;

	$self->{psql} = IPC::Run::start(
		[ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $connstr ],
		'<', \$self->{in}, '>', \$self->{out}, '2>&1', IPC::Run::timeout(180));
	return $self;
}

# Send statements and do not wait.
sub start
{
	my ($self, $sql) = @_;

	$self->{asked}++;
	$self->{out} = '';
	$self->{in} .= "$sql;\n\\echo end of answer $self->{asked}\n";
	IPC::Run::pump_nb($self->{psql});
	return;
}

# All that they print, errors among it.
sub result
{
	my ($self) = @_;
	my $end = "end of answer $self->{asked}\n";

	while ($self->{out} !~ /^\Q$end\E/m)
	{
		last if !IPC::Run::pump($self->{psql});
	}
	return $self->{out} =~ s/\Q$end\E.*//sr =~ s/\n\z//r;
}

sub query
{
	my ($self, $sql) = @_;

	$self->start($sql);
	return $self->result;
}

# What they print: rows, or SQLSTATE and message of the first error; the error of a
# connection that ends, too.
sub ask
{
	my ($self, $sql) = @_;
	my $out = $self->query($sql);

	return $1 if $out =~ /(?:ERROR|FATAL):\s+(\w{5}: [^\n]*)/;
	return $1 if $out =~ /((?:psql: error|FATAL): [^\n]*)/;
	return $out;
}

# End it, if it has not ended yet.
sub end
{
	my ($self) = @_;
	my $psql = delete $self->{psql} or return;

	$self->{in} .= "\\q\n" if $psql->pumpable;
	eval { IPC::Run::finish($psql) };
	return;
}

sub DESTROY { $_[0]->end }

1;
