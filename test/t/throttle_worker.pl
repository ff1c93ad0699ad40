# The worker that writes failures down: no client keeps it from that, and it does
# not keep a database.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', conf => q{
dualdb.argon2_memory = '19MB'
dualdb.argon2_iterations = 2
dualdb.max_login_failures = 2
max_prepared_transactions = 2
});
set_up_auth($node);
my $password = $DualDB::Test::PASSWORD;

sub owner { return $node->safe_psql('aisales_auth', shift); }

# Let an address fail, in transactions that are rolled back.
sub failures_of
{
	my ($email) = @_;
	my (undef, $out) = psql_as($node, 'aisales_auth', 'auth_login',
		"BEGIN; SELECT status FROM auth.login('$email', 'wrong $password'); ROLLBACK;\n" x 3,
		on_error_stop => 0);

	return join ',', split /\n/, $out;
}
my $throttled = 'invalid_credentials,invalid_credentials,throttled';

# Is the address's lock in the table within some rounds of the worker's?
sub written
{
	my ($email) = @_;
	my $rows = 0;

	for (my $polls = 0; !$rows && $polls < 50; $polls++)
	{
		$rows = owner("SELECT count(*) FROM auth.login_failures WHERE identifier = auth.login_identifier('$email') AND in_a_row = 2");
		select(undef, undef, undef, 0.1) unless $rows;
	}
	return $rows;
}

# A service's session that has done something and stays.
sub session
{
	my ($sql, $in, $out) = @_;
	my $session = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('aisales_auth'), '-U', 'auth_login' ],
		'<', $in, '>', $out, '2>&1', IPC::Run::timeout(120));

	$$in .= "$sql;\n\\echo done\n";
	IPC::Run::pump($session) until $$out =~ /done/;
	return $session;
}

sub gone
{
	return $node->poll_query_until('postgres',
		"SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'dualdb flush worker'");
}

is(failures_of('one@example.com'), $throttled, 'failures lock');
is(written('one@example.com'), '1', 'and are written down');
ok(gone(), 'the worker goes');

# a login that is not yet committed has locked its row
register($node, 'ann@example.com');
owner("INSERT INTO auth.login_failures (identifier, in_a_row, in_all, last_at)
	VALUES (auth.login_identifier('ann\@example.com'), 1, 1, now())");
my ($in, $out) = ('', '');
my $session = session("BEGIN; SELECT status FROM auth.login('ann\@example.com', '$password')", \$in, \$out);
like($out, qr/^ok$/m, 'a login in an open transaction');
is(failures_of('two@example.com'), $throttled, 'failures of another address');
is(written('two@example.com'), '1', 'are written down meanwhile');
$in .= "ROLLBACK;\n\\q\n";
IPC::Run::finish($session);
is(written('two@example.com'), '1', 'and are there afterwards');

# the lock of a flush is for nobody else to take
($in, $out) = ('', '');
$session = session("SELECT pg_advisory_lock(hashtext('auth.flush'))", \$in, \$out);
is(failures_of('three@example.com'), $throttled, 'failures while a client has an advisory lock');
is(written('three@example.com'), '1', 'are written down meanwhile');
$in .= "\\q\n";
IPC::Run::finish($session);
is(written('three@example.com'), '1', 'and are there afterwards');

# a logout that meets reuse has its session before the worker hears of it
my (undef, $used) = login_tokens($node, 'ann@example.com');
owner("SET dualdb.refresh_grace = 0; SELECT FROM auth.refresh('$used')");
my ($lock_in, $lock_out, $logout_out) = ('', '', '');
my $lock = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('aisales_auth') ],
	'<', \$lock_in, '>', \$lock_out, IPC::Run::timeout(120));
$lock_in .= "BEGIN; SELECT 'locked' FROM auth.users WHERE email_norm = 'ann\@example.com' FOR UPDATE;\n";
IPC::Run::pump($lock) until $lock_out =~ /locked/;
my $logout = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('aisales_auth'), '-c',
	"SELECT * FROM auth.logout('$used', 'global')" ], '>', \$logout_out, IPC::Run::timeout(120));
ok($node->poll_query_until('aisales_auth', 'SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)'), 'a logout waits');
is(failures_of('four@example.com'), $throttled, 'failures that the worker writes down');
is(written('four@example.com'), '1', 'while it waits');
$lock_in .= "ROLLBACK;\n\\q\n";
IPC::Run::finish($_) foreach $lock, $logout;
is($logout_out, "reuse_detected|1\n", 'and it is the logout that ends the session');

# rows of addresses that were tried once do not stay for ever
owner("UPDATE auth.login_failures SET last_at = now() - interval '200 days'");
owner('SET dualdb.disable_after_failures = 0; SELECT auth.purge_expired()');
is(owner('SELECT count(*) FROM auth.login_failures'), '0', 'old failures are purged where none disables');
owner('SELECT auth.purge_expired()');
is(owner('SELECT count(*) FROM auth.login_failures'), '0', 'and where some do');

# a new database of the name has shared memory, however the old one went
foreach my $drop ('DROP DATABASE aisales_auth', 'DROP DATABASE aisales_auth WITH (FORCE)')
{
	my $forced = $drop =~ /FORCE/;

	ok(gone(), 'the worker goes') unless $forced;
	is(failures_of('unwritten@example.com'), $throttled, 'failures to write') if $forced;
	$node->safe_psql('postgres', $drop);
	$node->safe_psql('postgres', 'CREATE DATABASE aisales_auth');
	owner('CREATE EXTENSION dualdb; SELECT dualdb.setup_auth()');
	is(failures_of('last@example.com'), $throttled, "failures count in spite of ROLLBACK after $drop");
}

# a prepared transaction has written nothing yet; last, as the server may not live
$node->restart;
is(failures_of('prepared@example.com'), $throttled, 'failures to write');
my ($status) = psql_as($node, 'aisales_auth', scalar getpwuid($<), q{
	BEGIN; SELECT auth.flush(); PREPARE TRANSACTION 'flush';
	SELECT 1; SELECT 2; ROLLBACK PREPARED 'flush'}, on_error_stop => 0);
isnt($status, 2, 'a flush in a prepared transaction does not cost the connection');
is(eval { written('prepared@example.com') } // $@, '1', 'nor the failures');

# a server that has gone cannot be stopped
$node->stop('immediate', fail_ok => 1);
done_testing();
