# The documented examples of test/clients, run as the real clients that they are: by
# TCP, TLS and password, as login roles that are made as the documentation says.

package DualDB::Clients;

use strict;
use warnings FATAL => 'all';

use DualDB::Test;
use DualDB::TLS;
use DualDB::TwoServers;
use Exporter 'import';
use FindBin;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(clients_cluster example example_text missing_package run_example rows_of);

our $FOLDER = "$FindBin::RealBin/../clients";
my $LOGIN_PASSWORD = 'a login role\'s password';

# Each with a command that succeeds where the package is installed.
my %PACKAGES = (
	psycopg => [ 'python3-psycopg', 'python3', '-c', 'import psycopg' ],
	asyncpg => [ 'python3-asyncpg', 'python3', '-c', 'import asyncpg' ],
	node_postgres => [ 'node-pg', 'node', '-e', 'require("pg")' ],
	Jdbc => [ 'libpostgresql-jdbc-java and default-jdk-headless', 'sh', '-c',
		'test -r /usr/share/java/postgresql.jar && java --list-modules | grep -q jdk.compiler' ],
	pgbouncer => [ 'pgbouncer', 'sh', '-c', 'test -x /usr/sbin/pgbouncer' ]);

# How an example is run; its name starts with that of its client.
my %COMMANDS = (
	sql => sub { ('psql', '-X', '-d', $ENV{AUTH_DATABASE_URL}, '-v', "email=$_[1]", '-f', $_[0]) },
	py => sub { ('python3', @_) },
	js => sub { ('node', @_) },
	java => sub { ('java', '-cp', '/usr/share/java/postgresql.jar', @_) });

sub example { my ($name) = @_; return "$FOLDER/$name"; }
sub example_text { my ($name) = @_; return slurp_file(example($name)); }

# (cluster, authority) with both databases, the examples' login roles, and the
# environment that the examples take: URLs without passwords, and a password file.
sub clients_cluster
{
	my (%options) = @_;
	my $node = auth_app_cluster('main', %options);
	my $tls = DualDB::TLS->new($node->basedir . '/tls', 'tests');
	my $hba = slurp_file($node->data_dir . '/pg_hba.conf');

	$tls->issue('server', 'localhost', hosts => 'DNS:localhost, IP:127.0.0.1');
	$node->psql('aisales_auth', example_text('roles.sql'), on_error_die => 1);
	set_login_password($node, $_) foreach 'backend_auth', 'backend_user';
	unlink $node->data_dir . '/pg_hba.conf';
	$node->append_conf('pg_hba.conf',
		"hostssl all backend_auth,backend_user,authenticator 127.0.0.1/32 scram-sha-256\n"
		  . "host all backend_auth,backend_user,authenticator all reject\n$hba");
	listen_on_tcp($node);
	use_tls($node, $tls, 'server');
	set_environment($tls, $node->port);
	return ($node, $tls);
}

# The name of the package that a client is missing, if it is.
sub missing_package
{
	my ($client) = @_;
	my ($package, @command) = @{ $PACKAGES{$client} };
	my $there = eval { IPC::Run::run(\@command, '<', \undef, '&>', \my $out) };

	return $there ? undef : $package;
}

# Run an example: (exit status, what it prints, errors).
sub run_example
{
	my ($name, $input, @arguments) = @_;
	my ($ending) = $name =~ /\.(\w+)\z/;
	my ($out, $err) = ('', '');
	my @command = $COMMANDS{$ending}->(example($name), @arguments);

	IPC::Run::run(\@command, '<', \$input, '>', \$out, '2>', \$err, IPC::Run::timeout(180));
	return ($?, $out, $err);
}

# { name => [values] } of what an example prints.
sub rows_of
{
	my ($out) = @_;
	my %rows;

	push @{ $rows{$1} }, $2 while $out =~ /^(?:Password: )?([a-z ]+): (.*)$/mg;
	return \%rows;
}

sub set_login_password
{
	my ($node, $role) = @_;

	$node->safe_psql('postgres', "ALTER ROLE $role PASSWORD '" . $LOGIN_PASSWORD =~ s/'/''/gr . "'");
	return;
}

# Where the examples connect to: the server itself, or poolers in front of it.
sub set_environment
{
	my ($tls, $port, %options) = @_;
	my $passwords = $tls->file('passwords');
	my $parameters = 'sslmode=verify-full&sslrootcert=' . $tls->authority;
	my $auth_port = $options{auth_port} // $port;
	my $app_parameters = join '&', $parameters, $options{jdbc} // ();

	open my $file, '>', $passwords or die "cannot write $passwords: $!";
	print $file "*:*:*:*:$LOGIN_PASSWORD\n";
	close $file;
	chmod 0600, $passwords or die "cannot chmod $passwords: $!";
	$ENV{PGPASSFILE} = $passwords;
	$ENV{AUTH_DATABASE_URL} = "postgresql://backend_auth\@127.0.0.1:$auth_port/aisales_auth?$parameters";
	$ENV{APP_DATABASE_URL} = "postgresql://backend_user\@127.0.0.1:$port/aisales_app?$parameters";
	$ENV{AUTH_JDBC_URL} = "jdbc:postgresql://127.0.0.1:$auth_port/aisales_auth?user=backend_auth&$app_parameters";
	$ENV{APP_JDBC_URL} = "jdbc:postgresql://127.0.0.1:$port/aisales_app?user=backend_user&$app_parameters";
	return;
}

1;
