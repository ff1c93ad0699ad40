# The app server is the attacker's, with all that is readable there: no token can be
# made of it that the auth server takes.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use Crypt::Mac::HMAC qw(hmac);
use Crypt::Misc qw(decode_b64u encode_b64u);
use DualDB::Session;
use DualDB::Signer;
use DualDB::Test;
use DualDB::TwoServers;
use PostgreSQL::Test::Utils;
use Test::More;

my ($auth, $app, $tls) = two_servers();
my $superuser = getpwuid($<);
my $user = register($auth, 'ann@example.com', 'Ann');
my ($token, $refresh_token) = login_tokens($auth, 'ann@example.com');
$app->safe_psql('aisales_app', 'SELECT dualdb.sync()');

# what the app server has: the dump of its database, and tokens that pass by
my $dump = (run_command([ 'pg_dump', '-d', $app->connstr('aisales_app') ]))[0];
my ($header, $payload) = map { decode_b64u($_) } (split /\./, $token)[ 0, 1 ];
my ($kid) = $header =~ /"kid" *: *"([^"]+)"/;
my ($sid) = $payload =~ /"sid" *: *"([^"]+)"/;
like($dump, qr/\Q$kid\E/, 'the dump has the trusted keys');
my ($public_key) = map { pack 'H*', $_ } $dump =~ /^\Q$kid\E\t.*?\\\\x([0-9a-f]{64})/m;
is(length($public_key // ''), 32, 'and the public key');
unlike($dump, qr/\Q$token\E|\Q$refresh_token\E/, 'but no token');

my $mallory = DualDB::Signer->new('aisales_auth', $kid);
my %claims = (sub => qq("$user"), sid => qq("$sid"));
my %forged = (
	'signed by another key' => $mallory->token(%claims),
	'signed by another key, and with its own kid' => DualDB::Signer->new->token(%claims),
	'not signed' => encode_b64u($mallory->header(alg => '"none"')) . '.' . encode_b64u($mallory->claims(%claims)) . '.',
	'with a key in its header' => $mallory->sign($mallory->header(
		jwk => '{"kty":"OKP","crv":"Ed25519","x":"' . encode_b64u($mallory->public_key) . '"}'), $mallory->claims(%claims)),
	'with the claims of another' => join('.', (split /\./, $token)[0], encode_b64u($payload =~ s/\Q$user\E/mallory/r), (split /\./, $token)[2]));
foreach my $secret ([ 'the public key', $public_key ], [ 'the public key as text', unpack 'H*', $public_key ])
{
	my $input = encode_b64u($mallory->header(alg => '"HS256"')) . '.' . encode_b64u($mallory->claims(%claims));
	$forged{"signed with $secret->[0] as a shared secret"} = "$input." . encode_b64u(hmac('SHA256', $secret->[1], $input));
}

sub verified
{
	my ($node, $database, $role, $candidate) = @_;
	return psql_error($node, $database, $role, "SELECT dualdb.jwt_verify('$candidate')");
}

is(verified($auth, 'aisales_auth', 'auth_login', $token), '', 'control: the auth server takes its own token');
foreach my $name (sort keys %forged)
{
	like(verified($auth, 'aisales_auth', 'auth_login', $forged{$name}), qr/^28000: token is not valid$/, "not one $name");
	like(verified($app, 'aisales_app', 'app_login', $forged{$name}), qr/^28000: token is not valid$/, "nor does an honest app server: $name");
}

# an app server that has been told to trust the attacker lies to itself, not to auth
$app->safe_psql('aisales_app', "DELETE FROM dualdb.trusted_keys t WHERE t.kid = '$kid';" . $mallory->trust_sql);
is(verified($app, 'aisales_app', 'app_login', $forged{'signed by another key'}), '', 'an app server can be made to trust another key by its superuser');
like(verified($auth, 'aisales_auth', 'auth_login', $forged{'signed by another key'}), qr/^28000: /, 'which the auth server does not hear of');
$app->safe_psql('aisales_app', 'SELECT dualdb.sync()');
like(verified($auth, 'aisales_auth', 'auth_login', $forged{'signed by another key'}), qr/^28000: /, 'with the sync, either');
is($auth->safe_psql('aisales_auth', 'SELECT count(*) FROM dualdb.trusted_keys t WHERE t.public_key = decode($$'
	  . unpack('H*', $mallory->public_key) . '$$, $$hex$$)'), '0', 'its key is not there');

# what else the auth server could take
sub status { return (psql_as($auth, 'aisales_auth', 'auth_login', "SELECT status FROM auth.$_[0]"))[1]; }
isnt(status("refresh('$_->[1]')"), 'ok', "no refresh by $_->[0]")
  foreach [ 'an access token', $token ], [ 'a session id', $sid ], [ 'a user id', $user ], [ 'another token of the same form', $refresh_token =~ s/(.{10})$/'A' x 10/er ];
is(status("refresh('$refresh_token')"), 'ok', 'control: by the refresh token');
isnt(status("verify_api_key('$_->[1]')"), 'ok', "no API key: $_->[0]") foreach [ 'an access token', $token ], [ 'a user id', $user ];
my $api_key = $auth->safe_psql('aisales_auth', "SELECT api_key FROM auth.create_api_key('$user', 'key', '{}')");
is(status("verify_api_key('$api_key')"), 'ok', 'control: an API key');

# and as the bridge, on the auth server itself
my $attacker = DualDB::Session->to(bridge_connstr($auth, $tls, 'aisales_auth'));
my $owner = DualDB::Session->new($auth, 'aisales_auth');
foreach my $sql (qq{dualdb.jwt_sign('{"sub": "$user"}')}, "auth.issue_tokens('$sid')", "auth.start_session('$user', NULL, NULL, '{pwd}')",
	"dualdb.hash_token('refresh', 'x')", "dualdb.hash_password('x')", "auth.rotate_signing_key()",
	"auth.login('ann\@example.com', '$DualDB::Test::PASSWORD')", "dualdb.jwt_verify('$token')")
{
	like($attacker->ask("SELECT $sql"), qr/^42501: /, 'the bridge may not: ' . substr $sql, 0, 24);
	unlike($owner->ask("BEGIN; SELECT $sql"), qr/^\w{5}: /, 'control: the superuser may');
	$owner->ask('ROLLBACK');
}

$_->end foreach $attacker, $owner;
done_testing();
