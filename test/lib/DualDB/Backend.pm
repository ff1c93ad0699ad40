# The FastAPI application of docker/backend under uvicorn, on databases that are set up
# as the documentation says, with logins that have passwords and no more than it needs.

package DualDB::Backend;

use strict;
use warnings FATAL => 'all';

use DualDB::Test;
use Exporter 'import';
use FindBin;
use HTTP::Tiny;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

our @EXPORT = qw(need_backend dual_databases single_database start_backend stop_backend
  run_pytest outages no_secret_in);

my $PYTHON = '/usr/bin/python3';
my $TREE = "$FindBin::RealBin/../..";
my @MODULES = qw(fastapi sqlalchemy asyncpg uvicorn alembic httpx pytest);

# Passwords are hashed at the lowest cost, and nobody is told to come again.
my $CONF = q{
max_connections = 120
log_statement = all
log_min_duration_statement = 0
dualdb.argon2_memory = '19MB'
dualdb.argon2_iterations = 2
dualdb.max_hash_wait = '60s'
dualdb.max_login_failures = 4
dualdb.sync_interval = '200ms'
};
my $HBA = q{
local aisales_auth dualdb_bridge peer map=dualdb
local all backend,backend_auth,backend_app,backend_orm scram-sha-256};

sub need_backend
{
	plan skip_all => "the backend needs $PYTHON, which is not there" unless -x $PYTHON;
	my ($missing) = run_command([ $PYTHON, '-c',
			'import sys; from importlib.util import find_spec; print(*(m for m in sys.argv[1:] if not find_spec(m)))',
			@MODULES ]);
	plan skip_all => "the backend needs Python modules that are not there: $missing" if $missing;
	return;
}

sub random_password { return join '', map { sprintf '%04x', rand 65536 } 1 .. 8; }

# user[:password]@folder of the socket:port/database
sub url
{
	my ($node, $database, $user) = @_;

	return sprintf 'postgresql://%s@%s:%d/%s', $user, $node->host =~ s{/}{%2F}gr, $node->port, $database;
}

sub admin_url { return url(@_, scalar getpwuid $<); }

sub password_file
{
	my ($node, $password) = @_;
	my $file = $node->basedir . "/password";

	open my $out, '>', $file or die "cannot write $file: $!";
	print $out "$password\n";
	close $out;
	return $file;
}

# Auth and app on two servers; the routes have no rights but those that they need.
sub dual_databases
{
	my ($auth, $app) = two_clusters(map { $_ => { conf => $CONF, bridge_hba => $HBA } } qw(auth app));
	my $password = random_password();

	$auth->safe_psql('aisales_auth', qq{
		CREATE ROLE backend_auth LOGIN PASSWORD '$password' IN ROLE dualdb_auth_service;
		CREATE ROLE backend_orm LOGIN PASSWORD '$password' IN ROLE dualdb_auth_service, dualdb_auth_orm});
	$app->safe_psql('aisales_app', qq{
		CREATE ROLE backend_app LOGIN PASSWORD '$password' IN ROLE dualdb_app_user;
		CREATE ROLE backend_orm LOGIN PASSWORD '$password' IN ROLE dualdb_app_service;
		ALTER SYSTEM SET dualdb.app_database = 'aisales_app'});
	$app->reload;

	return {
		mode => 'dual',
		auth => [ $auth, 'aisales_auth' ],
		app => [ $app, 'aisales_app' ],
		secrets => [$password],
		env => {
			APP_DATABASE_URL => url($app, 'aisales_app', "backend_app:$password"),
			AUTH_DATABASE_URL => url($auth, 'aisales_auth', 'backend_auth'),
			AUTH_DATABASE_PASSWORD_FILE => password_file($auth, $password),
		},
		orm_env => {
			APP_DATABASE_URL => url($app, 'aisales_app', "backend_orm:$password"),
			AUTH_DATABASE_URL => url($auth, 'aisales_auth', "backend_orm:$password"),
		},
	};
}

# One database and one login, which sees all rows where it is not told who asks.
sub single_database
{
	my $node = new_cluster('main', conf => $CONF, bridge_hba => $HBA);
	my $password = random_password();

	set_up_single($node);
	$node->safe_psql('aisales', qq{
		CREATE ROLE backend LOGIN PASSWORD '$password'
			IN ROLE dualdb_auth_service, dualdb_app_service, dualdb_app_user;
		CREATE ROLE backend_orm LOGIN PASSWORD '$password' IN ROLE backend, dualdb_auth_orm});
	return {
		mode => 'single',
		auth => [ $node, 'aisales' ],
		app => [ $node, 'aisales' ],
		secrets => [$password],
		env => {
			DATABASE_URL => sprintf('postgres://backend@/aisales?host=%s&port=%d', $node->host, $node->port),
			DATABASE_PASSWORD_FILE => password_file($node, $password),
		},
		orm_env => { DATABASE_URL => url($node, 'aisales', "backend_orm:$password") },
	};
}

# uvicorn with the application and the routes that test/backend adds; it is ready when
# it says that both databases are.
sub start_backend
{
	my ($place, %env) = @_;
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my $log = $place->{app}[0]->basedir . "/backend.$port.log";
	my $backend = { url => "http://127.0.0.1:$port", log => $log };

	{
		local %ENV = (
			%ENV, %{ $place->{env} }, %env,
			DB_POOL_TIMEOUT => 300,
			PYTHONDONTWRITEBYTECODE => 1,
			PYTHONPATH => "$TREE/docker/backend:$TREE/test/backend");
		$backend->{process} = IPC::Run::start(
			[
				$PYTHON, '-m', 'uvicorn', 'raising_app:app', '--host', '127.0.0.1',
				'--port', $port, '--log-level', 'debug', '--timeout-keep-alive', 120
			],
			'<', '/dev/null', '>', $log, '2>&1');
	}
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
	until (HTTP::Tiny->new(timeout => 10)->get("$backend->{url}/health")->{success})
	{
		if (time > $deadline or !$backend->{process}->pumpable)
		{
			stop_backend($backend);
			die 'the backend does not come up: ' . slurp_file($log);
		}
		sleep 0.1;
	}
	return $backend;
}

sub stop_backend
{
	my ($backend) = @_;
	my $process = delete $backend->{process} or return;

	eval { $process->signal('TERM') };
	eval { $process->finish };
	return;
}

# The Python tests of these files, each as a test of this one.
sub run_pytest
{
	my ($place, $backend, @files) = @_;
	my $out = '';

	local %ENV = (
		%ENV, %{ $place->{orm_env} },
		BACKEND_URL => $backend ? $backend->{url} : '',
		BACKEND_MODE => $place->{mode},
		BACKEND_SECRETS => $place->{app}[0]->basedir . '/secrets',
		TEST_AUTH_URL => admin_url(@{ $place->{auth} }),
		TEST_APP_URL => admin_url(@{ $place->{app} }),
		PYTHONDONTWRITEBYTECODE => 1,
		PYTHONPATH => "$TREE/docker/backend:$TREE/test/backend");
	IPC::Run::run([
			$PYTHON, '-m', 'pytest', '-v', '--tb=short', '-p', 'no:cacheprovider',
			map { "$TREE/test/backend/$_.py" } @files ],
		'<', '/dev/null', '>', \$out, '2>&1');
	my @results = $out =~ /^(\S+::\S.*?) (PASSED|FAILED|ERROR)/mg;

	cmp_ok(scalar @results, '>=', @files, 'the tests have been found') or diag $out;
	while (my ($name, $result) = splice @results, 0, 2)
	{
		is($result, 'PASSED', $name =~ s{.*/}{}r);
	}
	diag $out unless $? == 0;
	return;
}

sub is_health
{
	my ($backend, $expected, $name) = @_;
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
	my $got;

	do
	{
		my $answer = HTTP::Tiny->new(timeout => 30)->get("$backend->{url}/health");
		my %state = $answer->{content} =~ /"(\w+)":"([^"]*)"/g;
		$got = join ' ', $answer->{status}, map { $state{$_} // '?' } qw(auth app);
	} while ($got ne $expected && time < $deadline);
	return is($got, $expected, $name);
}

# A server goes and comes back: health says which, and requests are answered.
sub outages
{
	my ($place, $backend) = @_;
	my ($auth, $app) = map { $_->[0] } @{$place}{qw(auth app)};
	my $shared = $auth == $app;
	my $login = sub {
		return HTTP::Tiny->new(timeout => 30)->post("$backend->{url}/auth/login", {
				headers => { 'Content-Type' => 'application/json' },
				content => '{"email": "nobody@example.com", "password": "a wrong password"}' });
	};

	$auth->stop('fast');
	is_health($backend, $shared ? '503 failed failed' : '503 failed ok', 'without the auth server');
	my $answer = $login->();
	is("$answer->{status} $answer->{content}", '503 {"detail":"database is not available"}', 'no login');
	is($answer->{headers}{'retry-after'}, 1, 'for now');
	$auth->start;
	is_health($backend, '200 ok ok', 'with it');
	is($login->()->{status}, 401, 'control: logins are answered');
	return if $shared;

	$app->stop('fast');
	is_health($backend, '503 ok failed', 'without the app server');
	is($login->()->{status}, 401, 'logins go on');
	$app->start;
	is_health($backend, '200 ok ok', 'with it');
	return;
}

# What the tests sent and got that must not be read anywhere is in neither log.
sub no_secret_in
{
	my ($place, $backend) = @_;
	my @secrets = (@{ $place->{secrets} },
		split /\n/, slurp_file($place->{app}[0]->basedir . '/secrets'));
	my %log = (backend => slurp_file($backend->{log}),
		map { $_->name => slurp_file($_->logfile) } $place->{auth}[0], $place->{app}[0]);

	cmp_ok(scalar @secrets, '>', 100, 'secrets have been used');
	like($log{backend}, qr{POST /auth/login}, 'control: requests are logged');
	like($log{backend}, qr/SQL parameters hidden/, 'control: statements are logged');
	like($log{ $place->{auth}[0]->name }, qr/FROM auth\.login\(/, 'control: by the server, too');
	foreach my $name (sort keys %log)
	{
		my @found = grep { index($log{$name}, $_) >= 0 } @secrets;
		is(scalar @found, 0, "no password and no token in the log of $name");
	}
	return;
}

1;
