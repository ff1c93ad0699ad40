# The JSON that carries the claims: one object, in UTF-8, no name twice, within
# bounds; and what is returned is what was signed.

use strict;
use warnings FATAL => 'all';

use Encode qw(encode);
use FindBin;
use JSON::PP;
use lib "$FindBin::RealBin/../lib";
use DualDB::Signer;
use DualDB::Test;
use DualDB::TokenCorpus;
use Test::More;

my $node = new_cluster('json');
install_corpus($node);
my $signer = DualDB::Signer->new;
$node->safe_psql('postgres', $signer->trust_sql);

# with(claim => JSON text, ...): a token that differs in these claims
sub with { return $signer->token(@_); }

# named_after(claim, JSON texts): tokens named after what they have
sub named_after { return $signer->tokens_by_claim(@_); }

# A token with these bytes as payload.
sub with_payload
{
	my ($payload) = @_;

	return $signer->sign($signer->header, $payload);
}

# no name twice, at any level
my $claims = substr $signer->claims, 1, -1;
tokens_ok(
	$node,
	'duplicate claims',
	accepted => [
		'none' => with_payload("{$claims}"),
		'a name in two objects' => with_payload(
			qq({$claims,"x":{"a":1,"sub":2},"y":[{"a":1},{"a":1}]})),
		'names that differ in case' => with_payload(qq({$claims,"Sub":"x"})),
		'a hundred claims' => with(map { ("c$_" => $_) } 1 .. 100)
	],
	refused => [
		'same value' => with_payload(qq({$claims,"sub":"user-1"})),
		'good last' => with_payload(qq({"sub":"admin",$claims})),
		'good first' => with_payload(qq({$claims,"sub":"admin"})),
		'exp' => with_payload(qq({"exp":1,$claims})),
		'aud' => with_payload(qq({$claims,"aud":"x"})),
		'iss' => with_payload(qq({$claims,"iss":"x"})),
		'null' => with_payload(qq({$claims,"sub":null})),
		'escaped' => with_payload(qq({$claims,"\\u0073ub":"admin"})),
		'all escaped' =>
		  with_payload(qq({$claims,"\\u0073\\u0075\\u0062":"admin"})),
		'unknown' => with_payload(qq({$claims,"x":1,"x":1})),
		'unknown, escaped in two ways' =>
		  with_payload(qq({$claims,"\\u00e9":1,"\xc3\xa9":1})),
		'unknown, beyond the BMP' =>
		  with_payload(qq({$claims,"\\ud83d\\ude00":1,"\xf0\x9f\x98\x80":1})),
		'nested' => with_payload(qq({$claims,"x":{"a":1,"a":1}})),
		'deeply nested' =>
		  with_payload(qq({$claims,"x":[[{"y":{"a":1,"b":2,"a":1}}]]})),
		'empty name' => with_payload(qq({$claims,"":1,"":1}))
	]);

# JSON: one object, in UTF-8, with bounds
my $text = $signer->claims;

sub nested
{
	my ($n) = @_;
	return with(x => '[' x $n . ']' x $n);
}
tokens_ok(
	$node, 'JSON',
	accepted => [
		'white space' => with_payload(" \t\r\n$text \t\r\n"),
		'31 levels inside' => nested(31),
		'31 objects inside' => with(x => '{"a":' x 30 . '{}' . '}' x 30),
		'brackets in a string' => with(x => '"' . '[{\"[' x 100 . '"'),
		'a pair of surrogates' => with(x => '"\ud83d\ude00"'),
		'letters of two, three and four bytes' =>
		  with(x => qq("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80")),
		named_after(
			x => '1e20',
			'-1e-20', '1.5', '0', '-0', '1' . '0' x 30, '9223372036854775808')
	],
	refused => [
		'nothing' => with_payload(''),
		'white space alone' => with_payload(' '),
		'an empty object' => with_payload('{}'),
		'an array' => with_payload("[$text]"),
		'an empty array' => with_payload('[]'),
		'a string' => with_payload('"x"'),
		'a number' => with_payload('1'),
		'null' => with_payload('null'),
		'true' => with_payload('true'),
		'two objects' => with_payload($text . $text),
		'something after it' => with_payload("$text x"),
		'a comma after it' => with_payload("$text,"),
		'a bracket after it' => with_payload("$text}"),
		'NUL after it' => with_payload("$text\0"),
		'NUL before it' => with_payload("\0$text"),
		'NUL inside' => with(x => qq("\0")),
		'a comma too many' => with_payload($text =~ s/\}$/,}/r),
		'not closed' => with_payload($text =~ s/\}$//r),
		'closed by the wrong bracket' => with_payload($text =~ s/\}$/]/r),
		'names without quotes' => with_payload($text =~ s/"exp"/exp/r),
		'single quotes' => with_payload($text =~ tr/"/'/r),
		'comments' => with_payload("/**/$text//"),
		'a bare backslash' => with(x => '\\'),
		'an unknown escape' => with(x => '"\x41"'),
		'a short escape' => with(x => '"\u004"'),
		'a line break in a string' => with(x => qq("\n")),
		'a control character in a string' => with(x => qq("\x01")),
		'another JWT' => with_payload(with()),
		'BOM' => with_payload("\xef\xbb\xbf$text"),
		(   map { $_ => with_payload(encode($_, $text)) }
			  qw(UTF-16 UTF-16LE UTF-16BE UTF-32 UTF-32LE)),
		(   map { sprintf('bytes %vx', $_) => with(x => qq("$_")) } "\xff",
			"\x80",
			"\xc3",
			"\xc0\x80",
			"\xc1\xbf",
			"\xe0\x80\xaf",
			"\xed\xa0\x80",
			"\xed\xb0\x80",
			"\xed\xa0\xbd\xed\xb8\x80",
			"\xf0\x80\x80\xaf",
			"\xf4\x90\x80\x80",
			"\xf8\x88\x80\x80\x80"),
		named_after(
			x => '"\ud800"',
			'"\udc00"', '"\ud800\ud800"', '"\udc00\ud800"', '"\ud800x"',
			'"\ud83d\u0041"', '["\ud800"]', '{"\ud800":1}',
			'"\u0000"', '"a\u0000b"', '["\u0000"]', '{"\u0000":1}'),
		'a claim whose name goes on after NUL' =>
		  with(sub => undef, 'sub\u0000' => '"user-1"'),
		named_after(
			x => '1e999',
			'-1e999', '1e999999', '[1e999]', '{"y":1e999}', '1e99999999999',
			'1' . '0' x 1000, '0.' . '0' x 1000 . '1', 'NaN', '-Infinity',
			'01', '1.', '.5', '+1', '0x10', '1e', '--1', 'nul', 'True',
			'undefined'),
		'32 levels inside' => nested(32),
		'32 objects inside' => with(x => '{"a":' x 31 . '{}' . '}' x 31),
		'100 levels inside' => nested(100),
		'5000 levels inside' => nested(5000),
		'12000 open brackets' => with_payload('[' x 12000),
		'2000 open objects' => with_payload('{"a":' x 2000)
	]);

# what is accepted is what was signed
my %signed = (
	iss => 'aisales_auth',
	aud => [ 'other', 'aisales_app' ],
	sub => "us\x{e9}r \x{1f600}",
	exp => time + 600,
	roles => ['admin'],
	scope => 'a b',
	nested => { list => [ 1, undef, JSON::PP::true, { deep => 'x' } ] });
my $json = JSON::PP->new->canonical->utf8;
my $returned = $node->safe_psql('postgres',
		"SELECT dualdb.jwt_verify('"
	  . with_payload($json->encode(\%signed))
	  . "')");
is_deeply($json->decode($returned), \%signed, 'the claims are returned');

done_testing();
