# A primary that is lost, and what docs/failover.md says to do before and after.

package DualDB::Failover;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use File::Copy qw(copy);
use FindBin;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(prepare_failover promote_best rejoin switch_over multi_host);

# What the documentation has that matches, with the names of this place in it.
sub documented
{
	my ($pattern, %here) = @_;
	my ($text) = slurp_file("$FindBin::RealBin/../../docs/failover.md") =~ $pattern
	  or die "the documentation has nothing like $pattern";

	foreach my $name (sort { length $b <=> length $a } keys %here)
	{
		$text =~ s/\Q$name\E/$here{$name}/g or die "no $name in: $text";
	}
	return $text;
}

# A connection string for all of them.
sub multi_host
{
	my ($database, $role, $attributes, @nodes) = @_;

	return sprintf 'host=%s port=%s dbname=%s user=%s target_session_attrs=%s connect_timeout=3',
	  join(',', map { $_->host } @nodes), join(',', map { $_->port } @nodes), $database, $role, $attributes;
}

# The servers are told of each other: the primary first, then its standbys.
sub prepare_failover
{
	my ($authority, $synchronous, @nodes) = @_;
	my $hosts = join ',', ('127.0.0.1') x @nodes;

	foreach my $i (0 .. $#nodes)
	{
		my $sql = documented(
			qr/^(ALTER SYSTEM SET primary_conninfo = .*?)^```$/ms,
			'auth1.example.com,auth2.example.com,auth3.example.com port=5432' => "$hosts port=" . join(',', map { $_->port } @nodes),
			'/etc/dualdb/ca.crt' => $authority,
			'/etc/dualdb/replicator.pass' => $nodes[ $i || 1 ]->basedir . '/replicator.pass');

		$sql =~ s/dualdb_standby_1(?= sslmode|';)/'dualdb_standby_' . ($i || 1)/ge;
		$sql =~ s/^.*synchronous_standby_names.*\n//m unless $synchronous;
		$nodes[$i]->safe_psql('postgres', $sql);
	}
	return;
}

# Promote the one that has all that has been acknowledged, as soon as none of them
# receives any more; returns it, and the others.
sub promote_best
{
	my ($database, @standbys) = @_;
	my %received;

	foreach my $node (@standbys)
	{
		$node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM pg_stat_wal_receiver') or die 'the standby still receives';
		$received{ $node->name } = $node->safe_psql('postgres', "SELECT pg_last_wal_receive_lsn() - '0/0'");
	}
	my ($best, @others) = sort { $received{ $b->name } <=> $received{ $a->name } } @standbys;

	$best->safe_psql($database, documented(qr/^ *(SELECT pg_promote\(\);)$/m));
	return ($best, @others);
}

# The files of this place lie in the data directory, and would become the source's.
sub rewind
{
	my ($node, $source) = @_;
	my @files = map { $node->data_dir . "/$_" } 'postgresql.conf', 'pg_hba.conf';
	my $rewound;

	copy($_, $node->basedir) or die "cannot copy $_: $!" foreach @files;
	my $command = documented(qr/^(pg_rewind .*\ntouch .*)$/m,
		'/var/lib/postgresql/15/main' => $node->data_dir,
		'/etc/postgresql/15/main/postgresql.conf' => $files[0],
		'host=/var/lib/postgresql port=5433' => 'host=' . $source->host . ' port=' . $source->port);
	# the processes that a killed postmaster leaves behind end by themselves
	foreach (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		$rewound = system_log('bash', '-ec', $command) == 0;
		last if $rewound;
		select undef, undef, undef, 0.1;
	}
	die 'cannot rewind ' . $node->name unless $rewound;
	copy($node->basedir . "/$_", $node->data_dir) or die "cannot copy $_: $!" foreach 'postgresql.conf', 'pg_hba.conf';
	return;
}

# A former primary becomes a standby of the new one.
sub rejoin
{
	my ($node, $source) = @_;

	$source->safe_psql('postgres', documented(qr/^(CHECKPOINT;)$/m));
	rewind($node, $source);
	$node->start;
	make_slots_anew($node);
	return;
}

sub make_slots_anew
{
	my ($node) = @_;

	$node->safe_psql('postgres', documented(qr/^(SELECT pg_drop_replication_slot.*?)^```$/ms));
	return;
}

# A primary and one of its standbys change places, on purpose.
sub switch_over
{
	my ($primary, $standby) = @_;

	$primary->safe_psql('postgres', documented(qr/^(SELECT format\('ALTER SYSTEM SET primary_conninfo.*?)^```$/ms,
		'dualdb_standby_2' => $standby->safe_psql('postgres', 'SHOW primary_slot_name')));
	$primary->stop('fast');
	$standby->safe_psql('postgres', documented(qr/^ *(SELECT pg_promote\(\);)$/m));
	$primary->set_standby_mode;
	$primary->start;
	make_slots_anew($primary);
	return;
}

1;
