# The plans of what runs in a cluster, as auto_explain logs them: statements within
# functions, of foreign keys, of background workers and of the bridge, too.

package DualDB::Plans;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use JSON::PP qw(decode_json);
use PostgreSQL::Test::Utils;

our @EXPORT = qw(plans_since long_reads indexes_of);

# For a cluster that has dualdb preloaded.  What is a notice is not redacted.
our $CONF = q{
shared_preload_libraries = 'dualdb, auto_explain'
auto_explain.log_nested_statements = on
auto_explain.log_analyze = on
auto_explain.log_timing = off
auto_explain.log_format = json
auto_explain.log_level = notice
log_min_messages = notice
client_min_messages = warning
};

# What has been executed since a length of the log.
sub plans_since
{
	my ($node, $offset) = @_;
	my $log = slurp_file($node->logfile, $offset);
	my @plans;

	push @plans, decode_json($1) while $log =~ /NOTICE:  duration: \S+ ms  plan:\n((?:\t.*\n)+)/g;
	return @plans;
}

# All nodes of a plan that have been executed.
sub _nodes
{
	my ($node) = @_;

	return $node->{'Actual Loops'} ? $node : (), map { _nodes($_) } @{ $node->{Plans} // [] };
}

# How many rows a node has looked at to find those that it returns.
sub _rows_read
{
	my ($node) = @_;
	my $rows = 0;

	$rows += $node->{$_} // 0 foreach 'Actual Rows', 'Rows Removed by Filter', 'Rows Removed by Index Recheck';
	return $rows * $node->{'Actual Loops'};
}

# long_reads(tables, limit, plans): each node that reads one of the tables from end to
# end or looks at more rows of it than the limit, as a line of text.
sub long_reads
{
	my ($tables, $limit, @plans) = @_;
	my %found;

	foreach my $plan (@plans)
	{
		foreach my $node (_nodes($plan->{Plan}))
		{
			my $table = $node->{'Relation Name'} // next;
			my $rows = _rows_read($node);

			next if $table !~ $tables || $node->{'Node Type'} !~ /Scan/;
			next if $node->{'Node Type'} ne 'Seq Scan' && $rows <= $limit;
			$found{"$node->{'Node Type'} on $table, $rows rows: " . $plan->{'Query Text'} =~ s/\s+/ /gr}++;
		}
	}
	return sort keys %found;
}

sub indexes_of
{
	my (@plans) = @_;
	my %indexes = map { $_->{'Index Name'} ? ($_->{'Index Name'} => 1) : () } map { _nodes($_->{Plan}) } @plans;

	return sort keys %indexes;
}

1;
