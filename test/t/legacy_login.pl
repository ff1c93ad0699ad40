# Users who come with hashes of other programs: they log in, get an argon2id hash
# at the first login, and are refused as everybody is.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', conf => q{
	dualdb.argon2_memory = '19MB'
	dualdb.argon2_iterations = 2
	dualdb.max_login_failures = 1000
	dualdb.disable_after_failures = 0});
set_up_auth($node);
my $users = 0;

# one of each way in which a hash is computed or written; the functions have all
my %vectors = (
	bcrypt => [ 'U*U', '$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW' ],
	django_bcrypt => [ 'U*U', 'bcrypt$$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW' ],
	passlib_bcrypt_sha256 => [ 'password', '$bcrypt-sha256$v=2,t=2b,r=5$5Hg1DKFqPE8C2aflZ5vVoe$wOK1VFFtS8IGTrGa7.h5fs0u84qyPbS' ],
	md5crypt => [ 'password', '$1$5pZSV9va$azfrPr6af3Fc7dLblQXVa0' ],
	sha256crypt => [ 'Hello world!', '$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5' ],
	yescrypt => [ 'THE YEAR', '$y$j85$LdJMENpBABJJ3hIHjB1Bi.$9bzSqsy.tgf3vABDP.Wuq0kUG2dQzR03IMMoqvle5I0' ],
	passlib_pbkdf2_sha1 => [ 'password', '$pbkdf2$1212$OB.dtnSEXZK8U5cgxU/GYQ$y5LKPOplRmok7CZp/aqVDVg8zGI' ],
	django_pbkdf2_sha256 => [ 'not a password', 'pbkdf2_sha256$10000$kjVJaVz6qsnJ$5yPHw3rwJGECpUf70daLGhOrQ5+AMxIJdz1c3bqK1Rs=' ],
	werkzeug_pbkdf2_sha256 => [ 'hunter2', 'pbkdf2:sha256:1000$NaClNaCl$1fa61730fb490772f78ef7625ea7aa78dd5ba8a7f26a3e2bda91db5959752bcb' ],
	passlib_scrypt => [ 'test', '$scrypt$ln=8,r=8,p=1$wlhLyXmP8b53bm1NKYVQqg$mTpvG8lzuuDk+DWz8HZIB6Vum6erDuUm0As5yU+VxWA' ],
	argon2i => [ 'password', '$argon2i$v=19$m=65536,t=2,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG' ],
	django_argon2 => [ 'password', 'argon2$argon2i$v=19$m=380,t=2,p=2$c29tZXNhbHQ$SrssP8n7m/12VWPM8dvNrw' ]);

sub owner
{
	return $node->safe_psql('aisales_auth', $_[0]);
}

sub service
{
	my ($sql) = @_;
	my ($status, $out, $err) = psql_as($node, 'aisales_auth', 'auth_login', $sql);

	is($status, 0, 'no error') or diag "$sql\n$err";
	is($err, '', 'nor a warning');
	return $out;
}

sub login
{
	my ($email, $password) = @_;
	return service("SELECT status FROM auth.login('$email', '$password')");
}

# A user with the hash, an SQL expression; as an existing application inserts it.
sub import_user
{
	my ($hash, $is_active) = @_;
	my $email = 'user' . ++$users . '@example.com';

	owner("INSERT INTO auth.users (id, email, password_hash, is_active)
		VALUES ('id$users', '$email', $hash, " . ($is_active // 'true') . ')');
	return $email;
}

# each format, as it is and wrapped: what a login says, and whether the hash stayed
foreach my $format (sort keys %vectors)
{
	my ($password, $hash) = @{ $vectors{$format} };

	foreach my $import ("'$hash'", "dualdb.wrap_password_hash('$hash')")
	{
		my $email = import_user($import);
		my $login = "SELECT l.status FROM auth.login('$email'";
		my $stayed = "SELECT u.password_hash = :'hash' FROM auth.users u WHERE u.email = '$email'";
		my $keep = "SELECT u.password_hash AS hash FROM auth.users u WHERE u.email = '$email' \\gset";

		is(owner(qq{$keep
			$login, '${password}x') l;
			$stayed;
			$login, '$password') l;
			SELECT u.password_hash LIKE '\$argon2id\$v=19\$m=19456,t=2,p=1\$%' FROM auth.users u WHERE u.email = '$email';
			$keep
			$login, '$password') l;
			$stayed;
			$login, '${password}x') l}),
			"invalid_credentials\nt\nok\nt\nok\nt\ninvalid_credentials",
			"$format: logs in, gets a hash of today, and logs in with that");
	}
}

# a change of the password is a login, too
my ($password, $hash) = @{ $vectors{bcrypt} };
my $changer = import_user("'$hash'");
is(service("SELECT status FROM auth.change_password('id$users', '$_->[0]', 'a sufficiently long one')"), $_->[1], "change by $_->[1]")
  foreach [ 'U*V', 'invalid_credentials' ], [ $password, 'ok' ];
is(login($changer, 'a sufficiently long one'), 'ok', 'the new password is good');

# what can never log in is refused as others are
my %refused = (
	'an unusable hash' => "'!Wm0o5VQyCmLzWXvDyDXuX1BCIRYKKvVbhcAWzpOo'",
	'a malformed hash' => "'\$2b\$05\$tooshort'",
	'an unknown format' => "'md5\$salt\$0123456789abcdef'",
	'traditional DES' => "'CCNf8Sbh3HDfQ'",
	'a hash that costs too much' => "'\$2b\$31\$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'",
	'a hash of nothing' => "'bcrypt_sha256\$\$2a\$06\$/3OeRpbOf8/l6nPPRdZPp.nRiyYqPobEZGdNRBWihQhiFDh1ws1tu'",
	'no hash' => 'NULL');
foreach my $name (sort keys %refused)
{
	my $email = import_user($refused{$name});

	is(login($email, $_), 'invalid_credentials', "$name: '$_'") foreach 'U*U', '';
}
my $inactive = import_user("'$hash'", 'false');
is(login($inactive, $password), 'invalid_credentials', 'an inactive user');
owner("UPDATE auth.users SET is_active = true WHERE email = '$inactive'");
is(login($inactive, $password), 'ok', 'who is active again');

# What takes a user's hash whose time is far from that of argon2 here, for all of
# the time that is needed to see it.
my $costly = '$2b$10$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW';
my $cheap = 'pbkdf2:sha256:1000$NaClNaCl$1fa61730fb490772f78ef7625ea7aa78dd5ba8a7f26a3e2bda91db5959752bcb';

# Median times in ms of refusals, in random order; arguments are pairs of a name
# and the SQL of a query.
sub medians
{
	my ($rounds, %queries) = @_;
	my $cases = join ', ', map { "('$_', \$sql\$$queries{$_}\$sql\$)" } sort keys %queries;
	my $out = owner(qq{
		CREATE TEMP TABLE sample (kind text, ms double precision);
		DO \$\$
		DECLARE
			v_case record;
			v_start timestamptz;
		BEGIN
			FOR v_round IN 1 .. $rounds LOOP
				FOR v_case IN SELECT v.kind, v.query FROM (VALUES $cases) v (kind, query) ORDER BY random() LOOP
					v_start := clock_timestamp();
					EXECUTE v_case.query;
					INSERT INTO sample VALUES (v_case.kind, extract(epoch FROM clock_timestamp() - v_start) * 1000);
				END LOOP;
			END LOOP;
		END
		\$\$;
		SELECT s.kind, percentile_cont(0.5) WITHIN GROUP (ORDER BY s.ms) FROM sample s GROUP BY s.kind});

	note $out;
	return map { split /\|/ } split /\n/, $out;
}

sub refusal
{
	return "SELECT auth.login('$_[0]', 'a wrong password')";
}

# The largest of the times in terms of the smallest.
sub spread
{
	my @sorted = sort { $a <=> $b } @_;
	return $sorted[-1] / $sorted[0];
}

owner('DELETE FROM auth.users');
my $local = import_user("dualdb.hash_password('a password of today')");
my %alone = medians(7, unknown => refusal('nobody@example.com'), local => refusal($local));
my %kinds = (
	unknown => refusal('nobody@example.com'),
	local => refusal($local),
	costly => refusal(import_user("'$costly'")),
	cheap => refusal(import_user("'$cheap'")),
	wrapped => refusal(import_user("dualdb.wrap_password_hash('$cheap')")),
	inactive => "SELECT auth.login('" . import_user("'$hash'", 'false') . "', '$password')",
	malformed => refusal(import_user("'\$2b\$05\$tooshort'")));
my %together = medians(15, %kinds);
cmp_ok(spread(values %together), '<', 1.25, 'a refusal takes the same time whoever it is for');
cmp_ok($together{unknown}, '>', 1.5 * $alone{unknown}, 'that of the costliest hash among them');
my %bare = medians(7, map { $_->[0] => "SELECT t.outcome FROM dualdb.try_password(sha256('$_->[0]'),
	NULL, NULL, NULL, 'a wrong password', '$_->[1]', NULL) t" } [ costly => $costly ], [ cheap => $cheap ]);
cmp_ok(spread(values %bare), '>', 1.5, 'control: which the hashes by themselves would tell apart');

# a long password does not tell SHA-crypt, which takes longer for it
owner("DELETE FROM auth.users WHERE email <> '$local'");
my $long = 'x' x 500;
my $sha = import_user("'\$6\$rounds=30000\$saltstring\$" . '.' x 86 . "'");
my %long = medians(9, map { $_->[0] => "SELECT auth.login('$_->[1]', '$long')" } [ unknown => 'nobody@example.com' ], [ sha => $sha ]);
cmp_ok(spread(values %long), '<', 1.25, 'nor does the length of the password tell');
my %lengths = medians(7, map { $_->[0] => "SELECT dualdb.verify_password('$_->[1]', '\$6\$rounds=30000\$saltstring\$" . '.' x 86 . "')" }
	[ long => $long ], [ short => 'x' ]);
cmp_ok($lengths{long}, '>', 2 * $lengths{short}, 'control: the hash alone takes longer for a longer one');

# nobody waits for what is not there any more
owner("DELETE FROM auth.users WHERE email <> '$local'");
my %again = medians(7, unknown => refusal('nobody@example.com'));
cmp_ok($again{unknown}, '<', 0.75 * $together{unknown}, 'without such users nobody waits');

# a refusal that waits can be cancelled, which does not take it back
import_user("'\$2b\$14\$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'");
is(login('nobody@example.com', 'a wrong password'), 'invalid_credentials', 'how long it takes is known');
my $cancelled = '';
my $client = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('aisales_auth'), '-U', 'auth_login',
	'-c', refusal('waiting@example.com') ], '<', '/dev/null', '>', \$cancelled, '2>&1', IPC::Run::timeout(120));
my $waiting = q{FROM pg_stat_activity WHERE usename = 'auth_login' AND wait_event_type = 'Extension'};
ok($node->poll_query_until('aisales_auth', "SELECT count(*) = 1 $waiting"), 'a refusal waits');
owner("SELECT pg_cancel_backend(pid) $waiting");
IPC::Run::finish($client);
like($cancelled, qr/canceling statement due to user request/, 'and can be cancelled');
is(owner(q{SELECT auth.flush() >= 0; SELECT f.in_all FROM auth.login_failures f
	WHERE f.identifier = auth.login_identifier('waiting@example.com')}), "t\n1", 'but has been counted');

done_testing();
