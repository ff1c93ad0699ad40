# Standbys, made as docs/replicas.md says: by TLS, with a password that is in a file.

package DualDB::Replicas;

use strict;
use warnings FATAL => 'all';

use DualDB::Test;
use DualDB::TwoServers;
use Exporter 'import';
use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(set_up_primary add_standby wait_for_standbys superuser_gexec);

our $PASSWORD = 'planted replication password';

# A server without any of the settings that setup_replicas() asks for.
our $CONF = "wal_level = replica\nmax_wal_senders = 10\nshared_buffers = 8MB\nmax_connections = 40";

# Run what setup_replicas() says, as the documentation does.
sub superuser_gexec
{
	my ($node, $database, $standbys) = @_;

	$node->safe_psql($database, "SELECT s.statement FROM dualdb.setup_replicas($standbys) s \\gexec");
	return;
}

# The primary's side: role, slots, settings, and who may come.
sub set_up_primary
{
	my ($node, $database, $standbys) = @_;
	my $hba = slurp_file($node->data_dir . '/pg_hba.conf');

	superuser_gexec($node, $database, $standbys);
	$node->safe_psql($database, "ALTER ROLE dualdb_replicator PASSWORD '$PASSWORD'");
	unlink $node->data_dir . '/pg_hba.conf';
	$node->append_conf('pg_hba.conf', join("\n",
			'hostssl replication dualdb_replicator 127.0.0.1/32 scram-sha-256',
			'local all,replication dualdb_replicator reject',
			'host all,replication dualdb_replicator all reject', $hba));
	$node->restart;
	return;
}

sub password_file
{
	my ($node) = @_;
	my $path = $node->basedir . '/replicator.pass';

	open my $file, '>', $path or die "cannot write $path: $!";
	print $file "*:*:replication:dualdb_replicator:$PASSWORD\n";
	close $file;
	chmod 0600, $path or die "cannot chmod $path: $!";
	return $path;
}

# The command of the documentation, with the names of this place in it.
sub documented_command
{
	my ($primary, $standby, $number, $authority) = @_;
	my ($command) = slurp_file("$FindBin::RealBin/../../docs/replicas.md") =~ /^(pg_basebackup .*)$/m
	  or die 'the documentation has no command';
	my %here = (
		'host=auth1.example.com port=5432' => 'host=127.0.0.1 port=' . $primary->port,
		'/etc/dualdb/ca.crt' => $authority,
		'/etc/dualdb/replicator.pass' => password_file($standby),
		'/var/lib/postgresql/15/main' => $standby->data_dir);

	$command =~ s/\Q$_\E/$here{$_}/ or die "the command has no $_" foreach keys %here;
	$command =~ s/dualdb_standby_1/dualdb_standby_$number/g;
	return $command;
}

# A standby that runs.
sub add_standby
{
	my ($primary, $name, $number, $authority) = @_;
	my $standby = PostgreSQL::Test::Cluster->new($name);

	system_or_bail('bash', '-c', documented_command($primary, $standby, $number, $authority));
	$standby->append_conf('postgresql.conf', 'port = ' . $standby->port);
	$standby->start;
	return $standby;
}

# Until so many standbys have all that the primary has.
sub wait_for_standbys
{
	my ($primary, $standbys) = @_;

	$primary->wait_for_catchup("dualdb_standby_$_") foreach 1 .. $standbys;
	return;
}

1;
