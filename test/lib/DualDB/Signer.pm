# An issuer of tokens that shares no code with the server: every byte of header
# and payload is the caller's, and the signature is CryptX's.

package DualDB::Signer;

use strict;
use warnings FATAL => 'all';

use Crypt::Digest::SHA256 qw(sha256);
use Crypt::Misc qw(encode_b64u);
use Crypt::PK::Ed25519;

# new(issuer, kid): the key id is the RFC 7638 thumbprint unless given.
sub new
{
	my ($class, $issuer, $kid) = @_;
	my $key = Crypt::PK::Ed25519->new->generate_key;
	my $public_key = $key->export_key_raw('public');

	return bless {
		issuer => $issuer // 'aisales_auth',
		kid => $kid // thumbprint(encode_b64u($public_key)),
		key => $key,
		public_key => $public_key
	}, $class;
}

# RFC 7638 thumbprint of an Ed25519 key, from the x of its JWK.
sub thumbprint
{
	my ($x) = @_;

	return encode_b64u(sha256(qq({"crv":"Ed25519","kty":"OKP","x":"$x"})));
}

sub kid { return shift->{kid}; }
sub public_key { return shift->{public_key}; }

# SQL that makes the key a trusted one; columns are SQL expressions.
sub trust_sql
{
	my ($self, %columns) = @_;
	my $kid = $self->{kid} =~ s/'/''/gr;
	my $hex = unpack 'H*', $self->{public_key};
	my %row = (
		kid => "'$kid'",
		issuer => "'$self->{issuer}'",
		public_key => "'\\x$hex'",
		origin => "'import'",
		%columns);
	my @names = sort keys %row;

	return sprintf 'INSERT INTO dualdb.trusted_keys (%s) VALUES (%s);',
	  join(', ', @names), join(', ', @row{@names});
}

# JSON text of an object.  Values are JSON text, too; undef is left out.
sub object
{
	my %members = @_;

	return '{'
	  . join(',',
		map { qq("$_":$members{$_}) }
		grep { defined $members{$_} } sort keys %members) . '}';
}

# The header of a valid token, but for the members that are given.
sub header
{
	my ($self, %members) = @_;

	return object(
		alg => '"EdDSA"',
		typ => '"at+jwt"',
		kid => qq("$self->{kid}"),
		%members);
}

# The claims of a valid token, but for those that are given.
sub claims
{
	my ($self, %claims) = @_;
	my $now = time;

	return object(
		iss => qq("$self->{issuer}"),
		aud => '"aisales_app"',
		sub => '"user-1"',
		iat => $now,
		exp => $now + 600,
		%claims);
}

# Segments are signed as they stand, correctly encoded or not.
sub sign_segments
{
	my ($self, $header, $payload) = @_;
	my $input = "$header.$payload";

	return "$input." . encode_b64u($self->{key}->sign_message($input));
}

sub sign
{
	my ($self, $header, $payload) = @_;

	return $self->sign_segments(encode_b64u($header), encode_b64u($payload));
}

# token(claims): valid but for the claims that are given.
sub token
{
	my ($self, %claims) = @_;

	return $self->sign($self->header, $self->claims(%claims));
}

# (name => token, ...): tokens that differ from a valid one in a claim, each named
# after the JSON text that it has there; undef leaves the claim out.
sub tokens_by_claim
{
	my ($self, $claim, @values) = @_;

	return map {
		$claim . ': ' . substr($_ // 'missing', 0, 40),
		  $self->token($claim => $_)
	} @values;
}

1;
