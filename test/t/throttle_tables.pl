# Without shared memory (not preloaded, before PostgreSQL 17) the table counts
# failures in the caller's transaction: all works, but for what is rolled back.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', no_preload => 1);
plan skip_all => 'the library has shared memory without being preloaded'
  if $node->safe_psql('postgres', "SELECT current_setting('server_version_num')::int >= 170000") eq 't';
set_up_auth($node);

# of the database, since the library's settings are unknown to the server here
sub settings
{
	my (%values) = @_;
	$node->safe_psql('aisales_auth', join '', "LOAD 'dualdb';",
		map { "ALTER DATABASE aisales_auth SET dualdb.$_ = $values{$_};" } keys %values);
	return;
}
settings(argon2_memory => q{'19MB'}, argon2_iterations => 2, max_login_failures => 2,
	refresh_grace => 0);
my $password = $DualDB::Test::PASSWORD;
my $wrong = 'wrong horse battery staple';

sub owner { return $node->safe_psql('aisales_auth', shift); }
sub service
{
	my (undef, $out) = psql_as($node, 'aisales_auth', 'auth_login', shift, on_error_stop => 0);
	return join ',', split /\n/, $out;
}
sub attempt
{
	my ($email, $with) = @_;
	return "SELECT status FROM auth.login('$email', '" . ($with // $wrong) . "');\n";
}
sub rolled_back { return "BEGIN;\n$_[0]ROLLBACK;\n"; }
sub background
{
	my ($in, $out, @options) = @_;
	return IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('aisales_auth'),
		'-U', 'auth_login', @options ], '<', $in, '>', $out, '2>&1', IPC::Run::timeout(120));
}

is(owner('SELECT dualdb.failures_shared()'), 'f', 'there is no shared memory');
my $ann = register($node, 'ann@example.com');
register($node, 'bob@example.com');

# failures lock when they are committed
foreach my $email ('ann@example.com', 'unknown@example.com')
{
	is(service(attempt($email) x 2), 'invalid_credentials,invalid_credentials', "two failures of $email");
	is(service("SELECT status, retry_after BETWEEN 1 AND 1800, user_id, access_token FROM auth.login('$email', '$password')"),
		'throttled|t||', 'lock, for the right password, too');
	is(owner("SELECT in_a_row, in_all FROM auth.login_failures WHERE identifier = auth.login_identifier('$email')"),
		'2|2', 'are counted in the table, the attempts while it is locked are not');
}
is(service(attempt('bob@example.com', $password)), 'ok', 'another address is not locked');
is(service(join '', (attempt('bob@example.com'), attempt('bob@example.com', $password)) x 3),
	join(',', ('invalid_credentials', 'ok') x 3), 'a success clears the count');
is(owner("SELECT count(*) FROM auth.login_failures WHERE identifier = auth.login_identifier('bob\@example.com')"),
	'0', 'and the row');
is(owner("SELECT count(*) > 2 FROM auth.audit_log WHERE event = 'authn_login_fail'"), 't', 'refusals are logged');

# what is lost without shared memory
is(service(rolled_back(attempt('bob@example.com')) x 4 . attempt('bob@example.com', $password)),
	join(',', ('invalid_credentials') x 4, 'ok'), 'failures that are rolled back do not count');

# a new password, and the end of a lock
is(service("SELECT status FROM auth.change_password('$ann', '$password', 'entirely $password')"), 'throttled',
	'no change of the password while it is locked');
my (undef, $token) = split /\|/, service("SELECT status, token FROM auth.request_password_reset('ann\@example.com')");
is(service("SELECT status FROM auth.reset_password('$token', 'entirely $password');" . attempt('ann@example.com', "entirely $password")),
	'ok,ok', 'a reset ends the lock');
is(service("SELECT status FROM auth.change_password('$ann', '$wrong', '$password');\n" x 3),
	'invalid_credentials,invalid_credentials,throttled', 'guesses at a change lock again');
settings(lockout_duration => 1);
my $polls = 0;
my $status = 'throttled';
while ($status eq 'throttled' && $polls++ < 600)
{
	$status = service(attempt('ann@example.com', "entirely $password"));
	select(undef, undef, undef, 0.1);
}
is($status, 'ok', 'a lock ends by itself');
settings(lockout_duration => 1800);

# a guess waits for the one before it to be committed
my ($in, $out, $out2) = ('', '', '');
my $first = background(\$in, \$out);
$in .= "BEGIN;\n" . attempt('bob@example.com');
IPC::Run::pump($first) until $out =~ /\n/;
is($out, "invalid_credentials\n", 'a guess in an open transaction');
my $second = background('/dev/null', \$out2, '-c', attempt('bob@example.com'));
ok($node->poll_query_until('aisales_auth', q{SELECT count(*) = 1 FROM pg_stat_activity
	WHERE usename = 'auth_login' AND wait_event_type = 'Lock'}), 'has the next one wait');
is($out2, '', 'without an answer');
$in .= "COMMIT;\n\\q\n";
IPC::Run::finish($_) foreach $first, $second;
is($out2, "invalid_credentials\n", 'until it has ended');
is(service(attempt('bob@example.com')), 'throttled', 'and both count');

# many at once do not get past the limit together
settings(max_login_failures => 6);
my @outputs = ('') x 20;
my @clients = map { background('/dev/null', \$outputs[$_], '-c', attempt('nobody@example.com')) } 0 .. $#outputs;
IPC::Run::finish($_) foreach @clients;
my $guesses = grep { $_ eq "invalid_credentials\n" } @outputs;
is($guesses + (grep { $_ eq "throttled\n" } @outputs), scalar @outputs, 'parallel guesses are refused one way or the other');
cmp_ok($guesses, '>=', 4, 'the first half costs nothing, and one more');
cmp_ok($guesses, '<=', 6, 'no more than the limit are made');

# failures in all
settings(max_login_failures => 100, disable_after_failures => 3);
is(service(attempt('far@example.com') x 3 . "SELECT status, retry_after FROM auth.login('far\@example.com', '$wrong')"),
	join(',', ('invalid_credentials') x 3, 'throttled|'), 'three failures in all disable');

# reuse, and what needs no counting
my ($used, $other) = map { (login_tokens($node, 'carl@example.com'))[1] } register($node, 'carl@example.com') ? (1, 2) : ();
my (undef, $newest) = split /\|/, service("SELECT status, refresh_token FROM auth.refresh('$used')");
is(service(join '', map { "SELECT status FROM auth.refresh('$_');\n" } $used, $newest, $other), 'reuse_detected,revoked,ok',
	'reuse ends its session and no other');
is(owner("SELECT count(*) FROM auth.sessions WHERE end_reason = 'reuse_detected'"), '1', 'which is written down');
is(owner("SELECT count(*) FROM auth.audit_log WHERE event = 'authn_token_reuse'"), '1', 'and logged');
my ($made, $key) = split /\|/, service("SELECT status, api_key FROM auth.create_api_key('$ann', 'key', '{}')");
is($made, 'ok', 'an API key is made');
is(service("SELECT status, user_id FROM auth.verify_api_key('$key', '192.0.2.1')"), "ok|$ann", 'and is good');
is(service("SELECT status FROM auth.verify_api_key('${key}x', '192.0.2.1')"), 'invalid_credentials', 'as no other is');
is(owner('SELECT count(last_used_at) FROM auth.api_keys'), '1', 'its use is noted');
is(owner("SELECT auth.flush() >= 0, (SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'dualdb%')"), 't|0',
	'writing down works, and there is no worker');

done_testing();
