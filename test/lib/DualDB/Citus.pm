# What the tests of a sharded app database share: an auth server, a coordinator and
# two workers, where the server has Citus.

package DualDB::Citus;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use FindBin;
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(citus_servers contrib join_nodes distribute with_token);

# Four servers share a machine: connections to each are few.
my $conf = q{
shared_preload_libraries = 'citus, dualdb'
wal_level = logical
max_prepared_transactions = 50
log_statement = all
citus.shard_count = 4
citus.max_adaptive_executor_pool_size = 2
};

# The auth server is set up, the coordinator has an app database of it, and the
# workers an empty one with Citus.
sub citus_servers
{
	my $auth = new_cluster('auth');

	if ($auth->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'citus'}) eq '0')
	{
		plan skip_all => 'Citus is not installed beside this server';
	}
	set_up_auth($auth);
	my ($coordinator, @workers) = map { new_cluster($_, no_preload => 1, conf => $conf) } qw(coordinator worker1 worker2);
	# where a node reaches itself; there is no TCP here
	$_->append_conf('postgresql.conf', "citus.local_hostname = '" . $_->host . "'"), $_->reload foreach $coordinator, @workers;
	foreach my $worker (@workers)
	{
		$worker->safe_psql('postgres', 'CREATE DATABASE aisales_app');
		$worker->safe_psql('aisales_app', 'CREATE EXTENSION citus');
	}
	$coordinator->safe_psql('postgres', 'CREATE DATABASE aisales_app');
	$coordinator->safe_psql('aisales_app', sprintf(q{CREATE EXTENSION dualdb; SELECT dualdb.setup_app(auth_host => '%s', auth_port => %d)}, $auth->host, $auth->port));
	return ($auth, $coordinator, @workers);
}

# Run a file of contrib/citus; returns its errors.
sub contrib
{
	my ($auth, $node, $file) = @_;
	my ($out, $err) = run_command([ 'psql', '-XAtq', '-d', $node->connstr('aisales_app'),
			'-v', 'auth_host=' . $auth->host, '-v', 'auth_port=' . $auth->port,
			'-f', "$FindBin::RealBin/../../contrib/citus/$file" ]);

	return join "\n", grep { /ERROR/ } split /\n/, $err;
}

# Step 1 and 2 of docs/sharding.md, and the logins of an application.
sub join_nodes
{
	my ($coordinator, @workers) = @_;

	$coordinator->safe_psql('aisales_app', 'CREATE EXTENSION citus');
	$coordinator->safe_psql('aisales_app', sprintf(q{SELECT citus_set_coordinator_host('%s', %d)}, $coordinator->host, $coordinator->port));
	$coordinator->safe_psql('aisales_app', sprintf(q{SELECT citus_add_node('%s', %d)}, $_->host, $_->port)) foreach @workers;
	$coordinator->safe_psql('aisales_app', 'CREATE ROLE app_login LOGIN IN ROLE dualdb_app_service; CREATE ROLE app_user_login LOGIN IN ROLE dualdb_app_user');
	return;
}

# Step 3 and 4, and the workers' keys.
sub distribute
{
	my ($auth, $coordinator, @workers) = @_;

	is(contrib($auth, $coordinator, 'shard.sql'), '', 'schema app is distributed');
	is(contrib($auth, $_, 'node.sql'), '', 'a worker gets its part') foreach @workers;
	return;
}

# SQL as the user of a token, in a transaction.
sub with_token
{
	my ($token, $sql) = @_;

	return "BEGIN; SELECT dualdb.authenticate('$token') \\g /dev/null\n$sql; COMMIT";
}

1;
