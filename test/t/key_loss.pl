# A master key that is taken away too early, changed without the step between, or
# lost for good: what users are told, what the administrator is told, and what helps.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::MasterKeys;
use DualDB::Session;
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', conf => "dualdb.argon2_memory = '19MB'\ndualdb.argon2_iterations = 2\nlog_statement = all\n");
set_up_auth($node);
my $password = $DualDB::Test::PASSWORD;
my $superuser = getpwuid($<);
my ($old, $new) = (key_of($node), new_key());

sub owner { return $node->safe_psql('aisales_auth', shift); }
sub service { return (psql_as($node, 'aisales_auth', 'auth_login', shift))[1]; }
sub log_in { return "SELECT status FROM auth.login('$_[0]\@example.com', '$password')"; }

# How it is refused, with the hint; the role is one of those that serve users.
sub refused_ok
{
	my ($sql, $expected, $name) = @_;
	my (undef, undef, $err) = psql_as($node, 'aisales_auth', 'auth_login', "\\set VERBOSITY verbose\n$sql");

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	like($err, $expected, $name);
	return;
}

# status|item|detail of what verify_setup() says of keys; the parts of it that do
my $findings = q{(SELECT v.* FROM (SELECT dualdb.verify_sides() AS sides) s, LATERAL (
	SELECT * FROM dualdb.verify_key_file(s.sides) UNION ALL SELECT * FROM dualdb.verify_sealed(s.sides)
	UNION ALL SELECT * FROM dualdb.verify_keys(s.sides)) v) f};
sub verified { return owner("SELECT f.status, f.item, f.detail FROM $findings ORDER BY f.item, f.detail"); }
sub hints { return owner("SELECT DISTINCT f.hint FROM $findings WHERE f.item = '$_[0]'"); }
sub key_id { return owner("SELECT key_id FROM auth.master_key_usage() WHERE state = '$_[0]'"); }

my %user = map { ($_ => register($node, "$_\@example.com")) } qw(ann bob carl);
foreach my $name ('bob', 'carl')
{
	my $secret = owner("SELECT secret FROM auth.enroll_totp('$user{$name}')");
	owner("SELECT auth.confirm_totp('$user{$name}', '" . totp_code($secret) . "')");
}
my $refresh_token = owner("SELECT refresh_token FROM auth.login('ann\@example.com', '$password')");
my $api_key = owner("SELECT api_key FROM auth.create_api_key('$user{ann}', 'key', '{}')");
my $verify = "SELECT status FROM auth.verify_api_key('$api_key')";
my $by_code = "SELECT challenge FROM auth.login('bob\@example.com', '$password') \\gset\nSELECT status FROM auth.login_totp(:'challenge', '000000')";
is(service($verify), 'ok', 'control: the API key is good');
is(service($by_code), 'invalid_credentials', 'control: a wrong code is a wrong code');
is(verified(), '', 'and verify_setup() finds nothing');

# only superusers have to do with it
my $id = key_id('current');
error_is($node, 'aisales_auth', 'auth_login', $_, qr/^42501/, $_)
  foreach 'SELECT auth.reseal()', 'SELECT auth.master_key_usage()', 'SELECT auth.replace_hash_key()', 'SELECT dualdb.master_keys()',
  'SELECT dualdb.new_hash_key()', q{SELECT dualdb.reseal('x', 'x')}, 'SELECT sealed_key FROM auth.hash_keys';
is(owner("SELECT string_agg(status || rows_resealed, ' ') FROM unnest('{NULL,0,-1,1}'::int[]) n, auth.reseal(n)"),
	'invalid_argument0 invalid_argument0 invalid_argument0 ok0', 'how many rows must be said sensibly');
is(index($old, pack 'H*', $id), -1, 'the id is no part of the key');

# without the step between, a statement that is under way meets what it cannot open
my $session = DualDB::Session->new($node, 'aisales_auth');
my $holder = DualDB::Session->new($node, 'aisales_auth');
$session->query("CREATE FUNCTION public.wait() RETURNS void LANGUAGE plpgsql AS \$\$BEGIN PERFORM pg_advisory_xact_lock_shared(1); END\$\$;
	SELECT dualdb.hash_token('x', 'x')");
$holder->query('BEGIN; SELECT pg_advisory_xact_lock(1)');
$session->start('SELECT l.status FROM public.wait() w, LATERAL (' . log_in('ann') =~ s/'ann/coalesce(w::text, '') || 'ann/r . ') l');
$node->poll_query_until('aisales_auth', "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)") or die;
use_keys($node, $new, $old);
owner('SELECT auth.reseal(2)');
$holder->query('COMMIT');
like($session->result, qr/F0000: hash key was sealed under another master key/, 'a session that has not heard of the new key');
is($session->ask(log_in('ann')), 'ok', 'its next statement is all right');
is(usage($node), 'current|1|1|0 other|0|1|2', 'half of the way');
is(verified(), "warning|other_keys|The key file holds key $id besides the current one; values that are sealed under it: 3.", 'verify_setup() says how far it is');

# the old key is gone too early
use_keys($node, $new);
is(usage($node), 'current|1|1|0 missing|0|1|2', 'it is missed');
is(service($verify), 'ok', 'what has been sealed anew is good');
refused_ok($by_code, qr/^psql:\S+ ERROR:  F0000: TOTP secret was sealed under another master key\nHINT:  Restore the key file/m, 'a code');
is(verified(), "error|sealed_values|Values of auth.signing_keys are sealed under key $id, which is not in the key file: 1.\n"
	  . "error|sealed_values|Values of auth.totp_factors are sealed under key $id, which is not in the key file: 2.", 'verify_setup() names it');
like(hints('sealed_values'), qr/^Restore the key file that holds this key/, 'and what to do');
is(owner('SELECT rows_resealed FROM auth.reseal()'), '0', 'nothing can be sealed anew');
use_keys($node, $new, $old);
is(service($by_code), 'invalid_credentials', 'with the old key all is well');
is(hints('other_keys'), 'SELECT * FROM auth.reseal();', 'the hint of verify_setup()');
is(owner(hints('other_keys')), 'ok|3', 'seals the rest');
is(hints('other_keys'), 'Go on with the rotation of the master key, or write a key file without this key.', 'and says what comes then');
use_keys($node, $new, $new, $old);
is(usage($node), 'current|1|2|2 other|0|0|0', 'a key that is there twice is one');
is(owner('SELECT rows_resealed FROM auth.reseal()'), '0', 'and nothing is to be sealed anew under it');
use_keys($node, "\0" x 32, $new);
refused_ok($by_code, qr/F0000: key file refused\nHINT:  A key in the file is all zeros/, 'a key of zeros');
use_keys($node, $new);
is(verified(), '', 'without the old key all is well');

# from before anything was sealed anew: errors, and never a refusal that ends a session
my $newest = new_key();
use_keys($node, $newest);
my $offset = -s $node->logfile;
refused_ok("SELECT status FROM auth.refresh('$refresh_token')",
	qr/^psql:\S+ ERROR:  F0000: hash key was sealed under another master key\nHINT:  Restore the key file/m, 'a refresh');
refused_ok($verify, qr/F0000: hash key was sealed/, 'an API key');
refused_ok(log_in('ann'), qr/F0000: hash key was sealed/, 'a login');
refused_ok("SELECT dualdb.jwt_sign('{\"sub\": \"x\"}')", qr/42501|F0000/, 'a token');
is(owner("SELECT string_agg(DISTINCT item, ' ' ORDER BY item) FROM dualdb.verify_setup() WHERE status = 'error' AND item ~ 'key|seal'"),
	'hash_key sealed_values signing_key', 'verify_setup() finds all of it');
like(hints('hash_key'), qr/^Restore the key file/, 'and what to do');
my $log = slurp_file($node->logfile, $offset);
like($log, qr/hash key was sealed/, 'control: the log has the errors');
unlike($log, qr/\Q$refresh_token\E|\Q$api_key\E|\Q$password\E/, 'and no secret');
use_keys($node, $new);
my ($status, $next_token) = split /\|/, service("SELECT status, refresh_token FROM auth.refresh('$refresh_token')");
is($status, 'ok', 'the refresh token is still good');

# a value that has been altered is in nobody's way
owner("UPDATE auth.totp_factors SET sealed_secret = set_byte(sealed_secret, 40, get_byte(sealed_secret, 40) # 1) WHERE user_id = '$user{bob}'");
use_keys($node, $newest, $new);
is(owner('SELECT rows_resealed FROM auth.reseal()'), '4', 'all others are sealed anew');
is(usage($node), 'current|1|2|1 other|0|0|1', 'and it stays');
refused_ok($by_code, qr/XX001: sealed TOTP secret has been altered/, 'it is refused');
owner("UPDATE auth.hash_keys SET sealed_key = set_byte(sealed_key, 40, get_byte(sealed_key, 40) # 1)");
refused_ok($verify, qr/XX001: sealed hash key has been altered/, 'so is an altered hash key');
owner("UPDATE auth.hash_keys SET sealed_key = 'x'");
refused_ok($verify, qr/XX001: sealed hash key has been altered/, 'or a short one');
like(hints('hash_key'), qr/^Restore table auth.hash_keys/, 'with what to do');
owner('DELETE FROM auth.hash_keys');
refused_ok($verify, qr/55000: there is no hash key/, 'or none');
is(owner('SELECT dualdb.setup_auth()') =~ s/.*; //r, 'hash key made', 'which the setup makes');
is(service($verify), 'invalid_credentials', 'another one');

# lost for good
use_keys($node, new_key());
refused_ok(log_in('ann'), qr/F0000: hash key was sealed/, 'the key is lost');
my $other = DualDB::Session->new($node, 'aisales_auth', 'auth_login');
like($other->ask(log_in('ann')), qr/^F0000/, 'in a session that stays, too');
owner('SELECT auth.replace_hash_key(); SELECT auth.rotate_signing_key(); SELECT auth.rotate_signing_key()');
is($other->ask(log_in('ann')), 'ok', 'which goes on with new keys');
is(service("SELECT status FROM auth.refresh('$next_token')"), 'invalid_credentials', 'tokens of before are void');
is(service("SELECT r.status FROM auth.login('ann\@example.com', '$password') l, LATERAL auth.refresh(l.refresh_token) r"), 'ok', 'control: new ones are not');
refused_ok($by_code, qr/F0000: TOTP secret was sealed under another master key/, 'a code is not');
is(service("SELECT auth.disable_totp(u) FROM unnest('{$user{bob},$user{carl}}'::text[]) u"), "ok\nok", 'until its factor is taken away');
is(service(log_in('bob')), 'ok', 'then the user logs in');
is(verified(), '', 'and verify_setup() finds nothing');

# every session uses a new key at once
$api_key = owner("SELECT api_key FROM auth.create_api_key('$user{ann}', 'key', '{}')");
is($other->ask("SELECT status FROM auth.verify_api_key('$api_key')"), 'ok', 'a session that has the hash key');
owner('SELECT auth.replace_hash_key()');
is($other->ask("SELECT status FROM auth.verify_api_key('$api_key')"), 'invalid_credentials', 'does not go on with one that was replaced');

done_testing();
