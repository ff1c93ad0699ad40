# The FastAPI application through PgBouncer in transaction mode: fifty clients share few
# server connections, and each sees itself and nobody else.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Backend;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

need_backend();
my ($program) = grep { -x } '/usr/sbin/pgbouncer', '/usr/bin/pgbouncer';
plan skip_all => 'pgbouncer is not there' unless $program;

my ($major, $minor) = `$program --version` =~ /PgBouncer (\d+)\.(\d+)/ or die 'no version of PgBouncer';
my $has_prepared = $major > 1 || $minor >= 21;
my $place = dual_databases();
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $dir = $place->{app}[0]->basedir;
my $password = $place->{secrets}[0];

sub write_file
{
	my ($name, $text) = @_;
	open my $file, '>', "$dir/$name" or die "cannot write $name: $!";
	print $file $text;
	close $file;
	return "$dir/$name";
}

my $users = write_file('users.txt', join '', map { qq{"$_" "$password"\n} } qw(backend_auth backend_app));
my $databases = join "\n",
  map { sprintf '%s = host=%s port=%d', $_->[1], $_->[0]->host, $_->[0]->port } @{$place}{qw(auth app)};
my $ini = write_file('pgbouncer.ini', qq{
[databases]
$databases
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $port
unix_socket_dir =
auth_type = scram-sha-256
auth_file = $users
pool_mode = transaction
default_pool_size = 5
max_client_conn = 200
} . ($has_prepared ? "max_prepared_statements = 100\n" : ''));
my $log = "$dir/pgbouncer.log";
my $pgbouncer = IPC::Run::start([ $program, '-q', $ini ], '<', '/dev/null', '>', $log, '2>&1');

sub through_pgbouncer
{
	my ($prepared_statements, @tests) = @_;
	my $backend = start_backend($place,
		APP_DATABASE_URL => "postgresql://backend_app:$password\@127.0.0.1:$port/aisales_app",
		AUTH_DATABASE_URL => "postgresql://backend_auth\@127.0.0.1:$port/aisales_auth",
		DB_PREPARED_STATEMENTS => $prepared_statements);

	run_pytest($place, $backend, @tests);
	cmp_ok($place->{app}[0]->safe_psql('postgres',
			"SELECT count(*) FROM pg_stat_activity WHERE usename = 'backend_app'"), '<=', 5,
		'control: by few server connections');
	stop_backend($backend);
	return;
}

through_pgbouncer('false', qw(test_projects test_concurrent test_rollback));
SKIP:
{
	skip 'this PgBouncer has no max_prepared_statements', 1 unless $has_prepared;
	through_pgbouncer('true', qw(test_concurrent));
}
$pgbouncer->signal('INT');
$pgbouncer->finish;

done_testing();
