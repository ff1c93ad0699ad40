# The keys that tokens are verified with: whose they are, from when to when, and
# that a change of them is seen at once.

use strict;
use warnings FATAL => 'all';

use Crypt::Misc qw(decode_b64u);
use Crypt::PK::Ed25519;
use FindBin;
use JSON::PP;
use lib "$FindBin::RealBin/../lib";
use DualDB::Signer;
use DualDB::Test;
use DualDB::TokenCorpus;
use Test::More;

my $node = new_cluster('keys');
install_corpus($node);
my $signer = DualDB::Signer->new;
my $second = DualDB::Signer->new;
my $foreign = DualDB::Signer->new('elsewhere');
my $token = $signer->token;
my $seconds = $second->token;
my $no_kid = $signer->sign($signer->header(kid => undef), $signer->claims);
my $seconds_no_kid =
  $second->sign($second->header(kid => undef), $second->claims);

# Steps of one session, all in it: [what is done, token, ok or refused].
sub steps_ok
{
	my ($title, @steps) = @_;
	my $script = join "\n",
	  map { "$_->[0];\n" . token_outcome($_->[1]) } @steps;
	my @outcomes = split /\n/, $node->safe_psql('postgres', $script);

	foreach my $step (@steps)
	{
		is( shift @outcomes,
			$step->[2] eq 'ok' ? 'ok' : $DualDB::TokenCorpus::REFUSED,
			"$title: $step->[0]");
	}
	return;
}

sub update { return 'UPDATE dualdb.trusted_keys SET ' . shift; }

# from when to when
$node->safe_psql('postgres', $signer->trust_sql);
steps_ok(
	'bounds',
	[ 'SELECT', $token, 'ok' ],
	[ update("not_before = now() + interval '1 hour'"), $token, 'refused' ],
	[ update("not_before = now() - interval '1 hour'"), $token, 'ok' ],
	[ update("not_before = 'infinity'"), $token, 'refused' ],
	[ update("not_before = '-infinity'"), $token, 'ok' ],
	[ update('not_before = NULL'), $token, 'ok' ],
	[ update("not_after = now() - interval '1 second'"), $token, 'refused' ],
	[ update("not_after = now() + interval '1 hour'"), $token, 'ok' ],
	[ update("not_after = '-infinity'"), $token, 'refused' ],
	[ update("not_after = 'infinity'"), $token, 'ok' ],
	[ update('not_after = NULL'), $token, 'ok' ]);

# a key's end needs no change of the table to be seen
is( $node->safe_psql(
		'postgres', qq{
		BEGIN;
		@{[update("not_after = clock_timestamp() + interval '0.5 s'")]};
		@{[token_outcome($token)]}
		DO \$\$ BEGIN
			FOR i IN 1 .. 400 LOOP
				EXIT WHEN test.outcome('$token') <> 'ok';
				PERFORM pg_sleep(0.05);
			END LOOP;
		END \$\$;
		@{[token_outcome($token)]}
		ROLLBACK}),
	"ok\n$DualDB::TokenCorpus::REFUSED",
	'a key ends in the middle of a transaction');

# every kind of change
steps_ok(
	'changes',
	[ 'DELETE FROM dualdb.trusted_keys', $token, 'refused' ],
	[ $signer->trust_sql, $token, 'ok' ],
	[ 'TRUNCATE dualdb.trusted_keys', $token, 'refused' ],
	[ $signer->trust_sql, $token, 'ok' ],
	[ update("kid = 'other'"), $token, 'refused' ],
	[ update("kid = '@{[$signer->kid]}'"), $token, 'ok' ],
	[ update("issuer = 'other'"), $token, 'refused' ],
	[ update("issuer = 'aisales_auth'"), $token, 'ok' ],
	[
		update("public_key = decode(repeat('00', 32), 'hex')"), $token,
		'refused'
	],
	[ 'TRUNCATE dualdb.trusted_keys', $token, 'refused' ],
	[ $signer->trust_sql, $token, 'ok' ],
	# the trigger that tells the backends fires in replica mode, too
	[
		'SET session_replication_role = replica; '
		  . 'DELETE FROM dualdb.trusted_keys',
		$token,
		'refused'
	],
	[ $signer->trust_sql, $token, 'ok' ]);

# changes that do not come to stay
steps_ok(
	'transactions',
	[ 'BEGIN; DELETE FROM dualdb.trusted_keys', $token, 'refused' ],
	[ 'ROLLBACK', $token, 'ok' ],
	[ 'BEGIN; ' . $second->trust_sql, $seconds, 'ok' ],
	[ 'ROLLBACK', $seconds, 'refused' ],
	[ 'BEGIN; SAVEPOINT s; ' . $second->trust_sql, $seconds, 'ok' ],
	[ 'ROLLBACK TO s', $seconds, 'refused' ],
	[ 'COMMIT', $seconds, 'refused' ],
	[
		'BEGIN; SAVEPOINT s; DELETE FROM dualdb.trusted_keys', $token,
		'refused'
	],
	[ 'ROLLBACK TO s', $token, 'ok' ],
	[
		'SAVEPOINT s; DELETE FROM dualdb.trusted_keys; RELEASE s', $token,
		'refused'
	],
	[ 'ROLLBACK', $token, 'ok' ]);

# changes that another session makes, in the middle of a transaction that sees
# nothing else of them
my $session = $node->background_psql('postgres');
my $other = $node->background_psql('postgres');
my $outcome = "SELECT test.outcome('%s')";
$session->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
is($session->query_safe(sprintf $outcome, $token), 'ok', 'a key is trusted');
is($session->query_safe(sprintf $outcome, $seconds),
	$DualDB::TokenCorpus::REFUSED, 'another one is not');
$other->query_safe(
	'BEGIN; DELETE FROM dualdb.trusted_keys;' . $second->trust_sql);
is($session->query_safe(sprintf $outcome, $token),
	'ok', 'until the other session commits');
is($session->query_safe(sprintf $outcome, $seconds),
	$DualDB::TokenCorpus::REFUSED, 'both are what they were');
$other->query_safe('COMMIT');
is($session->query_safe(sprintf $outcome, $token),
	$DualDB::TokenCorpus::REFUSED, 'then the one is gone');
is($session->query_safe(sprintf $outcome, $seconds),
	'ok', 'the other is there');
$other->query_safe('TRUNCATE dualdb.trusted_keys;' . $signer->trust_sql);
is($session->query_safe(sprintf $outcome, $token), 'ok', 'and back');

# the same name with another key in it
my $renamed = DualDB::Signer->new($signer->{issuer}, $signer->kid);
$other->query_safe('DELETE FROM dualdb.trusted_keys;' . $renamed->trust_sql);
is($session->query_safe(sprintf $outcome, $token),
	$DualDB::TokenCorpus::REFUSED, 'another key of the same name');
is($session->query_safe(sprintf $outcome, $renamed->token),
	'ok', 'verifies its own tokens');
$session->quit;
$other->quit;

# an issuer's key vouches for that issuer only
$node->safe_psql('postgres',
		'DELETE FROM dualdb.trusted_keys;'
	  . $signer->trust_sql
	  . $foreign->trust_sql);
tokens_ok(
	$node,
	'two issuers',
	accepted => [ 'the one' => $token, 'the other' => $foreign->token ],
	refused => [
		"the one's key for the other" => $signer->token(iss => '"elsewhere"'),
		"the other's key for the one" =>
		  $foreign->token(iss => '"aisales_auth"'),
		"the other's key under the one's name" =>
		  $foreign->sign($signer->header, $signer->claims),
		'no name and the wrong issuer' =>
		  $foreign->sign($foreign->header(kid => undef), $signer->claims)
	]);
my $impostor = DualDB::Signer->new('elsewhere', $signer->kid);
is( $node->safe_psql(
		'postgres',
		sprintf q{SELECT test.outcome_of($$%s$$, NULL) ~ '^23505: '},
		$impostor->trust_sql),
	't',
	'a second key of the same name is refused');
$node->safe_psql('postgres',
	'DELETE FROM dualdb.trusted_keys;' . $impostor->trust_sql);
tokens_ok(
	$node,
	'the same name under another issuer',
	accepted => [ 'its own issuer' => $impostor->token ],
	refused => [
		'the other issuer' => $impostor->token(iss => '"aisales_auth"'),
		"the other issuer's token" => $token
	]);

# a token without a key id means the only key there is
$node->safe_psql('postgres', 'TRUNCATE dualdb.trusted_keys');
steps_ok(
	'no key id',
	[ 'SELECT', $no_kid, 'refused' ],
	[ $signer->trust_sql, $no_kid, 'ok' ],
	[ $second->trust_sql, $no_kid, 'refused' ],
	[ 'SELECT', $seconds_no_kid, 'refused' ],
	[ 'SELECT', $token, 'ok' ],
	[ 'SELECT', $seconds, 'ok' ],
	[
		update(
			"not_after = now() - interval '1 s' WHERE kid = '"
			  . $second->kid . "'"),
		$no_kid, 'ok'
	],
	[ 'SELECT', $seconds, 'refused' ],
	[
		update(
			"not_after = NULL, not_before = now() + interval '1 h' WHERE kid = '"
			  . $second->kid . "'"),
		$no_kid, 'ok'
	],
	[ update('not_before = NULL'), $no_kid, 'refused' ]);

# many keys, each for its own tokens
my @many = map { DualDB::Signer->new } 1 .. 40;
$node->safe_psql('postgres', join "\n", map { $_->trust_sql } @many);
tokens_ok(
	$node,
	'many keys',
	accepted => [ map { ("key $_" => $many[$_]->token) } 0 .. $#many ],
	refused => [
		map {
			("the key after $_" =>
				  $many[$_]->sign($many[ $_ - 1 ]->header, $many[$_]->claims))
		} 0 .. $#many
	]);

# keys made here: names, JWK Set and signatures, checked by other code
set_up_auth($node);
my $keys =
  decode_json($node->safe_psql('aisales_auth', 'SELECT dualdb.jwks()'))
  ->{keys};
is(scalar @$keys, 2, 'the active and the next key are published');
foreach my $jwk (@$keys)
{
	is( $jwk->{kid},
		DualDB::Signer::thumbprint($jwk->{x}),
		'a key is named by its RFC 7638 thumbprint');
	is( join(' ',
			map { "$_=$jwk->{$_}" } grep { !/^(kid|x)$/ } sort keys %$jwk),
		'alg=EdDSA crv=Ed25519 kty=OKP use=sig',
		'and has its public members alone');
	is(length decode_b64u($jwk->{x}), 32, 'of the right length');
}
my $own = $node->safe_psql('aisales_auth',
	q{SELECT dualdb.jwt_sign('{"sub":"user-1","x":"\u00e9"}')});
my ($header, $payload, $signature) = split /\./, $own;
my $named = decode_json(decode_b64u($header));
my ($jwk) = grep { $_->{kid} eq $named->{kid} } @$keys;
my $public_key =
  Crypt::PK::Ed25519->new->import_key_raw(decode_b64u($jwk->{x}), 'public');
ok( $public_key->verify_message(decode_b64u($signature), "$header.$payload"),
	'a token that was signed here verifies elsewhere');
ok( !$public_key->verify_message(
		decode_b64u($signature), "$header.${payload}A"),
	'and a changed one does not');
is(decode_json(decode_b64u($payload))->{x}, "\x{e9}",
	'with the claims in it');

my $seen = $node->safe_psql(
	'aisales_auth', qq{
	@{[$signer->trust_sql]}
	SELECT count(*) FROM jsonb_array_elements(dualdb.jwks() -> 'keys');
	UPDATE dualdb.trusted_keys SET not_after = now() - interval '1 s'
		WHERE kid = '@{[$signer->kid]}';
	SELECT count(*) FROM jsonb_array_elements(dualdb.jwks() -> 'keys')});
is($seen, "3\n2", 'a key that has ended is no longer published');

done_testing();
