# The token's header: algorithm, type, key id, and members that would change
# what is verified.

use strict;
use warnings FATAL => 'all';

use Crypt::Mac::HMAC qw(hmac);
use Crypt::Misc qw(encode_b64u);
use Crypt::PK::ECC;
use Encode qw(encode);
use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Signer;
use DualDB::Test;
use DualDB::TokenCorpus;
use Test::More;

my $node = new_cluster('header');
install_corpus($node);
my $signer = DualDB::Signer->new;
my $stranger = DualDB::Signer->new;
$node->safe_psql('postgres', $signer->trust_sql);

# A token whose header alone is in question: the right key signs it.
sub with_header
{
	my ($header) = @_;

	return $signer->sign($header, $signer->claims);
}

# with(member => JSON text, ...)
sub with { return with_header($signer->header(@_)); }

# named_after(member, JSON texts): tokens named after what they have
sub named_after
{
	my ($member, @values) = @_;

	return map {
		$member . ': ' . substr($_ // 'missing', 0, 40), with($member => $_)
	} @values;
}

# the algorithm
my $kid = $signer->kid;
my $public_key = $signer->public_key;
my $pem = $signer->{key}->export_key_pem('public');
my $claims = encode_b64u($signer->claims);

sub with_mac
{
	my ($alg, $secret) = @_;
	my $input = encode_b64u($signer->header(alg => qq("$alg"))) . ".$claims";

	return "$input." . encode_b64u(hmac('SHA256', $secret, $input));
}

sub es256
{
	my $input = encode_b64u($signer->header(alg => '"ES256"')) . ".$claims";
	my $key = Crypt::PK::ECC->new;

	$key->generate_key('secp256r1');
	return "$input."
	  . encode_b64u($key->sign_message_rfc7518($input, 'SHA256'));
}

my $unsigned = encode_b64u($signer->header(alg => '"none"')) . ".$claims.";
tokens_ok(
	$node,
	'algorithm',
	accepted =>
	  [ named_after(alg => '"EdDSA"', '"Ed25519"', '"\u0045dDSA"'), ],
	refused => [
		named_after(
			alg => undef,
			'null', 'true', '1', '[]', '{}', '""', '["EdDSA"]',
			'{"EdDSA":"EdDSA"}',
			map { qq("$_") }
			  qw(none NONE None noNE nOnE EDDSA eddsa EddSA
			  EdDS EdDSAA ED25519 ed25519 Ed448 HS256 HS512 ES256
			  Es256 ES256K RS256 PS256 dir A128KW), 'EdDSA ', ' EdDSA',
			'EdDSA,none', 'EdDSA\n', 'EdDSA\u0000', 'ES256\u0000', 'Ed25519 '
		),
		'none, no signature' => $unsigned,
		'none, any signature' => $unsigned . 'AA',
		'HS256 with the public key' => with_mac('HS256', $public_key),
		'HS256 with the public key in hex' =>
		  with_mac('HS256', unpack 'H*', $public_key),
		'HS256 with the public key as x' =>
		  with_mac('HS256', encode_b64u($public_key)),
		'HS256 with the public key as PEM' => with_mac('HS256', $pem),
		# HMAC pads with zeros: the same as an empty secret
		'HS256 with a secret of zero' => with_mac('HS256', "\0"),
		'EdDSA with a MAC' => with_mac('EdDSA', $public_key),
		'ES256 by some key' => es256()
	]);

# the type (RFC 9068 section 4)
tokens_ok(
	$node, 'type',
	accepted => [
		named_after(
			typ => map { qq("$_") }
			  qw(at+jwt AT+JWT At+Jwt
			  application/at+jwt APPLICATION/AT+JWT))
	],
	refused => [
		named_after(
			typ => undef,
			'null', '1', 'true', '[]', '["at+jwt"]', '{}',
			map { qq("$_") } '', qw(JWT jwt JOSE JOSE+JSON id+jwt dpop+jwt
			  logout+jwt secevent+jwt at-jwt at+jw at+jwtx text/at+jwt
			  application/jwt application/application/at+jwt), 'at+jwt ',
			' at+jwt', 'at+jwt; charset=utf-8', 'at+jwt\u0000')
	]);

# The key id may be left out as long as there is but one key.  One that is no
# string is not left out.
tokens_ok(
	$node,
	'type of the key id',
	accepted => [ named_after(kid => undef, qq("$kid")) ],
	refused => [
		named_after(
			kid => 'null',
			'true', 'false', '0', '1', '[]', '{}', '""', '[""]', qq(["$kid"]),
			qq({"kid":"$kid"}))
	]);

# it is an exact match and nothing else
my $injection = q(' OR true; DROP TABLE dualdb.trusted_keys; --);
my $quoted = DualDB::Signer->new($signer->{issuer}, $injection);
my $longest = DualDB::Signer->new($signer->{issuer}, 'k' x 255);
$node->safe_psql('postgres', join "\n",
	map { $_->trust_sql } $quoted, $longest);
tokens_ok(
	$node, 'key id',
	accepted => [
		'as it is' => with(),
		'escaped' =>
		  with(kid => sprintf '"\u%04x%s"', ord($kid), substr $kid, 1),
		'with quotes' => $quoted->token,
		'255 bytes' => $longest->token
	],
	refused => [
		named_after(
			kid => undef,
			map { qq("$_") } $injection, 'unknown', '*', '%', '.*',
			'../../../etc/passwd', '/dev/null', lc $kid, uc $kid, "$kid ",
			" $kid", "$kid\\u0000", "$kid\\n", substr($kid, 1),
			substr($kid, 0, -1), 'k' x 254, 'k' x 256, 'k' x 3000,
			'k' x 10240),
		"the other keys' names" => with(kid => qq("$injection")),
		"a key that did not sign" =>
		  $quoted->sign($signer->header, $signer->claims)
	]);
is( $node->safe_psql('postgres', 'SELECT count(*) FROM dualdb.trusted_keys'),
	'3',
	'the table is still there');

# members that would bring a key along or change what is signed; the same
# members with the values of their RFCs, and of a kind that nothing would use
my $jwk = sprintf '{"kty":"OKP","crv":"Ed25519","x":"%s","kid":"%s"}',
  encode_b64u($stranger->public_key), $stranger->kid;
my $own_jwk = sprintf '{"kty":"OKP","crv":"Ed25519","x":"%s"}',
  encode_b64u($public_key);
my @values = ('null', '""', '[]', '{}', 'true', 'false', '0');
tokens_ok(
	$node,
	'refused members',
	accepted => [
		'without them' => with(),
		'members that mean nothing here' => with(
			foo => '{"bar":[1,null,{}]}',
			nonce => '"x"',
			Crit => '["exp"]',
			JWK => $jwk,
			'' => '0'),
		'their names as values' => with(x => '["crit","b64","jwk","zip"]'),
		'their names further inside' => with(x => '{"crit":["exp"]}')
	],
	refused => [
		(   map { named_after($_ => @values) }
			  qw(crit b64 zip enc cty jwk jku x5u x5c x5t),
			'x5t#S256'),
		named_after(
			crit => '["exp"]',
			'["b64"]', '["dualdb"]', '"exp"', '{"exp":true}'),
		'crit and b64' => with(crit => '["b64"]', b64 => 'false'),
		'crit and its extension' => with(crit => '["x"]', x => 'true'),
		named_after(zip => '"DEF"'),
		named_after(enc => '"A256GCM"'),
		named_after(cty => '"JWT"', '"jwt"', '"application/json"'),
		named_after(jwk => $own_jwk, $jwk),
		named_after(jku => '"https://evil.example/jwks.json"'),
		named_after(x5u => '"https://evil.example/cert.pem"'),
		named_after(x5c => '["MIIB"]'),
		named_after(x5t => '"dGh1bWI"'),
		'escaped name' =>
		  with_header($signer->header =~ s/^\{/{"\\u006awk":$own_jwk,/r),
		'an own key in jwk' =>
		  $stranger->sign($stranger->header(jwk => $jwk), $signer->claims),
		'an own key in jwk under a trusted name' =>
		  $stranger->sign($signer->header(jwk => $jwk), $signer->claims),
		'an own key in jwk without a name' => $stranger->sign(
			$signer->header(jwk => $jwk, kid => undef),
			$signer->claims)
	]);

# no name twice, at any level
my $members = substr $signer->header, 1, -1;
tokens_ok(
	$node,
	'duplicate members',
	accepted => [
		'none' => with_header("{$members}"),
		'a name in two objects' =>
		  with_header(qq({$members,"x":{"a":1,"alg":2},"y":{"a":1}})),
		'names that differ in case' =>
		  with_header(qq({$members,"Alg":"none"}))
	],
	refused => [
		'alg, same' => with_header(qq({$members,"alg":"EdDSA"})),
		'alg, good last' => with_header(qq({"alg":"none",$members})),
		'alg, good first' => with_header(qq({$members,"alg":"none"})),
		'kid' => with_header(qq({$members,"kid":"x"})),
		'typ' => with_header(qq({"typ":"JWT",$members})),
		'escaped' => with_header(qq({$members,"\\u0061lg":"none"})),
		'all escaped' =>
		  with_header(qq({$members,"\\u0061\\u006C\\u0067":"EdDSA"})),
		'unknown' => with_header(qq({$members,"x":1,"x":1})),
		'nested' => with_header(qq({$members,"x":{"a":1,"a":1}})),
		'in an array' => with_header(qq({$members,"x":[[{"a":1,"a":1}]]})),
		'empty name' => with_header(qq({$members,"":1,"":1}))
	]);

# JSON: one object, in UTF-8, not too deep
my $header = $signer->header;
my $nested = sub {
	my ($n) = @_;
	return with(x => '[' x $n . ']' x $n);
};
tokens_ok(
	$node, 'JSON',
	accepted => [
		'white space' => with_header(" \t\r\n$header \t\r\n"),
		'31 levels inside' => $nested->(31),
		'brackets in a string' => with(x => '"' . '[{' x 100 . '"')
	],
	refused => [
		'no object' => with_header('[]'),
		'a string' => with_header('"EdDSA"'),
		'null' => with_header('null'),
		'an empty object' => with_header('{}'),
		'white space alone' => with_header(' '),
		'in an array' => with_header("[$header]"),
		'two objects' => with_header($header . $header),
		'something after it' => with_header("$header x"),
		'a comma after it' => with_header("$header,"),
		'NUL after it' => with_header("$header\0"),
		'NUL before it' => with_header("\0$header"),
		'a comma too many' => with_header($header =~ s/\}$/,}/r),
		'not closed' => with_header($header =~ s/\}$//r),
		'single quotes' => with_header($header =~ tr/"/'/r),
		'a comment' => with_header("$header//"),
		'BOM' => with_header("\xef\xbb\xbf$header"),
		'UTF-16LE' => with_header(encode('UTF-16LE', $header)),
		'UTF-16BE with BOM' => with_header(encode('UTF-16', $header)),
		'not UTF-8' => with(x => qq("\xff")),
		'lone surrogate' => with(x => '"\ud800"'),
		'escaped NUL' => with(x => '"\u0000"'),
		'number too large' => with(x => '1e999'),
		'32 levels inside' => $nested->(32),
		'100 levels inside' => $nested->(100),
		'1000 levels inside' => $nested->(1000),
		'1500 open brackets' => with_header('[' x 1500),
		'300 open objects' => with_header('{"a":' x 300)
	]);

done_testing();
