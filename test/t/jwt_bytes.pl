# Tokens as bytes: cut, changed, split in other ways, too long, and encoded in
# ways that are not base64url.

use strict;
use warnings FATAL => 'all';

use Crypt::Misc qw(encode_b64u);
use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Signer;
use DualDB::Test;
use DualDB::TokenCorpus;
use Test::More;

my $node = new_cluster('bytes');
install_corpus($node);
my $signer = DualDB::Signer->new;
$node->safe_psql('postgres', $signer->trust_sql);

my $valid = $signer->token;
my ($header, $payload, $signature) = split /\./, $valid;
my @valid = ('a valid token' => $valid);

# a changed byte anywhere
tokens_ok(
	$node,
	'cut at every byte',
	accepted => \@valid,
	refused => [
		map { ("first $_ bytes" => substr($valid, 0, $_)) }
		  0 .. length($valid) - 1
	]);
tokens_ok(
	$node,
	'cut from the front',
	accepted => \@valid,
	refused =>
	  [ map { ("from byte $_" => substr($valid, $_)) } 1 .. length($valid) ]);

sub with_replaced
{
	my ($at, $replacement) = @_;
	my $token = $valid;

	substr($token, $at, 1) = $replacement;
	return $token;
}

my @replaced;
foreach my $at (0 .. length($valid) - 1)
{
	my $c = substr($valid, $at, 1);

	# a neighbour in the alphabet differs in as few bits as possible
	foreach
	  my $other ($c eq 'A' ? 'B' : 'A', chr(ord($c) ^ 1), "\x7f", '.', '=')
	{
		push @replaced, "byte $at: $other" => with_replaced($at, $other)
		  unless $other eq $c;
	}
	push @replaced,
	  "byte $at left out" => with_replaced($at, ''),
	  "byte $at twice" => with_replaced($at, $c . $c);
}
tokens_ok(
	$node, 'one byte changed',
	accepted => \@valid,
	refused => \@replaced);

# segments
my $json_signature = qq({"protected":"$header","signature":"$signature"});
tokens_ok(
	$node,
	'segments',
	accepted => \@valid,
	refused => [
		NULL => undef,
		empty => '',
		'one dot' => '.',
		'two dots' => '..',
		'three dots' => '...',
		'a million dots' => '.' x 1_000_000,
		'a valid token and a million dots' => $valid . '.' x 1_000_000,
		'one segment' => $header,
		'two segments' => "$header.$payload",
		'two segments and a dot' => "$header.$payload.",
		'no header' => ".$payload.$signature",
		'no payload' => "$header..$signature",
		'an empty header, signed' => $signer->sign_segments('', $payload),
		'an empty payload, signed' => $signer->sign_segments($header, ''),
		'four segments' => "$valid.$signature",
		'an empty fourth segment' => "$valid.",
		'an empty first segment' => ".$valid",
		'five segments' => "$valid.$payload.$signature",
		'four segments, signed over three' =>
		  $signer->sign_segments("$header.$payload", $payload),
		'JSON, general' =>
		  qq({"payload":"$payload","signatures":[$json_signature]}),
		'JSON, flattened' =>
		  qq({"payload":"$payload","protected":"$header","signature":"$signature"}),
		'JSON with two dots' => qq({"token":"$valid"}),
	]);

tokens_ok(
	$node,
	'around the token',
	accepted => \@valid,
	refused => [
		map {
			my $c = $_;
			my $name = join ' ', map { sprintf '%02x', ord } split //, $c;

			"$name before" => $c . $valid, "$name after" => $valid . $c;
		} ' ',
		"\t", "\n", "\r\n", "\x01", '=', '"',
		'%20',
		"\xc2\xa0",
		"\xef\xbb\xbf",
		'A',
		'Bearer '
	]);

# base64url: every segment is signed as it stands, so that only its spelling is
# wrong
sub spelled
{
	my ($change) = @_;

	return (
		$signer->sign_segments($change->($header), $payload),
		$signer->sign_segments($header, $change->($payload)),
		"$header.$payload." . $change->($signature));
}

# The same bytes with the bits set that the last character has to spare.
sub with_trailing_bits
{
	my ($segment) = @_;
	my $alphabet = join '', 'A' .. 'Z', 'a' .. 'z', 0 .. 9, '-_';

	return $segment if length($segment) % 4 == 0;
	substr($segment, -1) =
	  substr($alphabet, index($alphabet, substr($segment, -1)) + 1, 1);
	return $segment;
}

# segments that do have bits to spare
($header, $payload) = map { encode_b64u($_) }
  map { length($_) % 3 ? $_ : "$_ " } $signer->header, $signer->claims;
my @odd;
my %changes = (
	'one =' => sub { "$_[0]=" },
	'two =' => sub { "$_[0]==" },
	'padded' => sub { $_[0] . '=' x (4 - length($_[0]) % 4) },
	'trailing bits' => \&with_trailing_bits,
	'one character too many' => sub { $_[0] . 'A' x (5 - length($_[0]) % 4) },
	'a line break inside' =>
	  sub { substr($_[0], 0, 8) . "\n" . substr($_[0], 8) },
	'a space inside' => sub { substr($_[0], 0, 8) . ' ' . substr($_[0], 8) },
	'a space at the end' => sub { "$_[0] " },
	'a + inside' => sub { substr($_[0], 0, 8) . '+' . substr($_[0], 9) },
	'a / inside' => sub { substr($_[0], 0, 8) . '/' . substr($_[0], 9) },
	'a letter of two bytes' =>
	  sub { substr($_[0], 0, 8) . "\xc3\xa9" . substr($_[0], 10) });
foreach my $change (sort keys %changes)
{
	my @tokens = spelled($changes{$change});

	push @odd,
	  "$change, header" => $tokens[0],
	  "$change, payload" => $tokens[1],
	  "$change, signature" => $tokens[2];
}
tokens_ok(
	$node,
	'base64url',
	accepted => [ 'canonical' => $signer->sign_segments($header, $payload) ],
	refused => \@odd);

# a payload with bytes that base64 and base64url spell differently.
my $spelled = encode_b64u($signer->claims(x => qq("???>>>~~~\xc3\xbf")));
like($spelled, qr/[-_]/, 'a payload with - or _');
tokens_ok(
	$node,
	'alphabet',
	accepted => [ '- and _' => $signer->sign_segments($header, $spelled) ],
	refused => [
		'+ and /' => $signer->sign_segments($header, $spelled =~ tr{-_}{+/}r)
	]);

# sizes: 16 KiB for the token, 4 KiB for its header
sub with_header_length
{
	my ($length) = @_;
	my $text = $signer->header;
	my $bytes = int($length * 3 / 4);

	return $signer->sign($text . ' ' x ($bytes - length $text),
		$signer->claims);
}

sub with_token_length
{
	my ($length) = @_;

	# lengths of 1 modulo 4 do not exist: the header makes up for it
	foreach my $spaces (0 .. 3)
	{
		my $h = encode_b64u($signer->header . ' ' x $spaces);
		my $rest = $length - length("$h..") - 86;
		my $text = $signer->claims;

		next if $rest % 4 == 1;
		return $signer->sign_segments($h,
			encode_b64u($text . ' ' x (int($rest * 3 / 4) - length $text)));
	}
	die 'no token of this length';
}

is(length with_token_length(16384), 16384, 'a token of 16 KiB');
is(length with_token_length(16385), 16385, 'and one byte more');
tokens_ok(
	$node, 'sizes',
	accepted => [
		'a header of 4096 characters' => with_header_length(4096),
		'a token of 16384 bytes' => with_token_length(16384)
	],
	refused => [
		'a header of 4098 characters' => with_header_length(4098),
		'a token of 16385 bytes' => with_token_length(16385),
		'a signed token of 1 MB' =>
		  $signer->token(x => '"' . 'x' x 750_000 . '"'),
		'1 MB without a dot' => 'A' x 1_000_000,
		'1 MB in three segments' => join('.', ('A' x 350_000) x 3)
	]);

done_testing();
