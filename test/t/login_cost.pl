# What a login can cost: neither the password that is sent nor the hashes that users
# came with let one of them take the server for minutes.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Session;
use DualDB::Test;
use Test::More;
use Time::HiRes qw(sleep);

my $node = new_cluster('main', conf => q{
	dualdb.argon2_memory = '19MB'
	dualdb.argon2_iterations = 2
	dualdb.max_login_failures = 1000
	dualdb.disable_after_failures = 0});
set_up_auth($node);

sub owner
{
	return $node->safe_psql('aisales_auth', $_[0]);
}

# Seconds that the SQL takes, and what it prints.
sub timed
{
	my ($sql) = @_;
	my $start = time;

	return (owner($sql), time - $start);
}

# Marks in the wrong order, which normalizing sorts in the square of their number.
my $marks = "repeat(U&'\\0315', %1\$d) || repeat(U&'\\0316', %1\$d)";
my ($normal, $slow) = timed(sprintf "SELECT normalize($marks) <> ''", 10000);
is($normal, 't', "control: $slow seconds for 40 kB of marks");
foreach my $function ("login('ann\@example.com', %s)", "change_password('nobody', %s, 'x')", "register_user('x\@example.com', %s)")
{
	my ($status, $seconds) = timed('SELECT status FROM auth.' . sprintf($function, sprintf $marks, 30000));

	like($status, qr/^(invalid_credentials|weak_password)$/, "$function with 120 kB of marks");
	cmp_ok($seconds, '<', $slow + 8, 'takes no time by their number');
}

# a hundred costs of argon2id: one of them is compared with for all
owner(q{INSERT INTO auth.users (id, email, password_hash)
	VALUES ('today', 'today@example.com', dualdb.hash_password('a password of today'))});
owner(q{INSERT INTO auth.users (id, email, password_hash)
	SELECT n, n || '@example.com', format('$argon2id$v=19$m=%s,t=2,p=1$%s$%s', 8 + n * 4, repeat('A', 22), repeat('A', 43))
	FROM generate_series(1, 100) n});
is(owner(q{SELECT cardinality(h), 'today' = ANY (ARRAY(SELECT u.id FROM auth.users u WHERE u.password_hash = ANY (h)))
	FROM auth.costliest_hashes() h}), '2|t', 'that of today and the costliest of the others');
owner(q{UPDATE auth.users SET password_hash = replace(password_hash, 'm=408,', 'm=40000,') WHERE id = '100'});
is(owner(q{SELECT string_agg(u.id, ' ' ORDER BY u.id) FROM auth.users u WHERE u.password_hash = ANY (auth.costliest_hashes())}),
	'100', 'which can be costlier than that of today');

# a machine that stands still while a hash is measured does not make that hash costly
my $STILL = 8;
owner(q{DELETE FROM auth.users; INSERT INTO auth.users (id, email, password_hash)
	VALUES ('old', 'old@example.com', '$2b$12$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW')});
my $session = DualDB::Session->new($node, 'aisales_auth');
my $backend = $session->query('SELECT pg_backend_pid()');
sub ticks { open my $stat, '<', "/proc/$backend/stat" or die $!; return (split ' ', <$stat>)[13]; }
my $idle = ticks();
$session->start("SELECT status FROM auth.login('old\@example.com', 'a wrong password')");
sleep 0.002 until ticks() > $idle + 5;
kill 'STOP', $backend;
sleep $STILL;
kill 'CONT', $backend;
is($session->result, 'invalid_credentials', "a login that stood still for $STILL seconds");
my ($status, $seconds) = timed(q{SELECT status FROM auth.login('nobody@example.com', 'a wrong password')});
is($status, 'invalid_credentials', 'and another one');
cmp_ok($seconds, '<', $STILL, 'which does not wait for as long');

done_testing();
