# The token's signature: whose it is, over what, and how it is spelled.

use strict;
use warnings FATAL => 'all';

use Crypt::Misc qw(decode_b64u encode_b64u);
use FindBin;
use Math::BigInt;
use lib "$FindBin::RealBin/../lib";
use DualDB::Signer;
use DualDB::Test;
use DualDB::TokenCorpus;
use Test::More;

my $node = new_cluster('signature');
install_corpus($node);
my $signer = DualDB::Signer->new;
my $stranger = DualDB::Signer->new($signer->{issuer}, $signer->kid);
$node->safe_psql('postgres', $signer->trust_sql);

my $valid = $signer->token;
my ($header, $payload) = split /\./, $valid;

sub signed_with
{
	my ($bytes) = @_;

	return "$header.$payload." . encode_b64u($bytes);
}

# S and S + L, the order of the group, are the same number to a lax verifier.
sub plus_group_order
{
	my ($bytes) = @_;
	my $s = Math::BigInt->from_bytes(scalar reverse substr($bytes, 32));
	my $order = Math::BigInt->new(2)->bpow(252)
	  ->badd('27742317777372353535851937790883648493');

	return substr($bytes, 0, 32) . reverse $s->badd($order)->to_bytes;
}

my $bytes = decode_b64u((split /\./, $valid)[2]);
# without its last byte, a verifier that fills up what is missing takes it
my $ends_in_zero;
for (my $i = 0;; $i++)
{
	$ends_in_zero = $signer->token(jti => qq("$i"));
	last if decode_b64u((split /\./, $ends_in_zero)[2]) =~ /\0\z/;
}
my $shortened = $ends_in_zero =~ s/AA\z//r;
my $reordered =
  qq({"typ":"at+jwt", "kid":"${\$signer->kid}",\n"alg":"EdDSA"});
tokens_ok(
	$node,
	'signatures',
	accepted => [
		'over a header in another order, with white space' =>
		  $signer->sign($reordered, " " . $signer->claims . "\n"),
		'ending in zero' => $ends_in_zero,
		'over the bytes' => signed_with($bytes)
	],
	refused => [
		# right after the whole of it, should its last byte lie around
		'63 bytes' => signed_with(substr $bytes, 0, 63),
		'32 bytes' => signed_with(substr $bytes, 0, 32),
		'without the zero at its end' => $shortened,
		'by another key' => $stranger->token,
		'of another token' => "$header.$payload."
		  . (split /\./, $signer->token(sub => '"user-2"'))[2],
		'under another payload' => join('.',
			$header, encode_b64u($signer->claims(sub => '"user-2"')),
			encode_b64u($bytes)),
		'of the payload alone' =>
		  signed_with($signer->{key}->sign_message($payload)),
		'of the decoded text' => signed_with(
			$signer->{key}->sign_message(
				decode_b64u($header) . '.' . decode_b64u($payload))),
		'over a re-encoding' => encode_b64u($reordered)
		  . ".$payload."
		  . encode_b64u($bytes),
		'65 bytes' => signed_with("$bytes\0"),
		'twice' => signed_with($bytes . $bytes),
		'halves exchanged' =>
		  signed_with(substr($bytes, 32) . substr($bytes, 0, 32)),
		'zeros' => signed_with("\0" x 64),
		'ones' => signed_with("\xff" x 64),
		'S + L' => signed_with(plus_group_order($bytes)),
	]);

# Under the neutral element as public key a lax verifier accepts R = neutral,
# S = 0 for every message.
my $neutral = "\x01" . "\0" x 31;
my $weak = DualDB::Signer->new($signer->{issuer}, 'weak');
my $weak_row =
  $weak->trust_sql(public_key => "'\\x" . unpack('H*', $neutral) . "'");
$node->safe_psql('postgres', $weak_row);
tokens_ok(
	$node,
	'a key of small order',
	accepted => [ 'a valid token' => $valid ],
	refused => [
			'R = neutral, S = 0' => encode_b64u($weak->header)
		  . ".$payload."
		  . encode_b64u($neutral . "\0" x 32)
	]);

done_testing();
