# The token's claims: issuer, audience, subject, times and their types.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Signer;
use DualDB::Test;
use DualDB::TokenCorpus;
use Test::More;

my $node = new_cluster('claims');
install_corpus($node);
my $signer = DualDB::Signer->new;
$node->safe_psql('postgres', $signer->trust_sql);

# with(claim => JSON text, ...): a token that differs in these claims
sub with { return $signer->token(@_); }

# named_after(claim, JSON texts): tokens named after what they have
sub named_after { return $signer->tokens_by_claim(@_); }

my @not_strings = ('null', 'true', 'false', '0', '1', '[]', '{}');
my @not_numbers =
  ('null', 'true', 'false', '[]', '{}', '""', '"x"', '"NaN"', '"Infinity"');

# The token is judged when psql runs, some time after it was made: what is
# within the leeway of 60 seconds, or out of it, is so by many seconds.
my $now = time;

# issuer
tokens_ok(
	$node, 'issuer',
	accepted =>
	  [ named_after(iss => '"aisales_auth"', '"\u0061isales_auth"') ],
	refused => [
		named_after(
			iss => undef,
			@not_strings,
			'["aisales_auth"]',
			map { qq("$_") } '', 'aisales', 'aisales_aut', 'isales_auth',
			'aisales_authx', 'xaisales_auth', 'AISALES_AUTH', 'Aisales_auth',
			'aisales_auth ', ' aisales_auth', 'aisales_auth/',
			'aisales_auth\u0000', 'aisales_auth\n',
			'https://aisales_auth', 'aisales_auth aisales_auth',
			'aisales_app', '*', '%')
	]);

# audience
tokens_ok(
	$node,
	'audience',
	accepted => [
		named_after(
			aud => '"aisales_app"',
			'["aisales_app"]', '["other","aisales_app"]',
			'["aisales_app","other"]', '["aisales_app","aisales_app"]',
			'["","aisales_app"]', '["\u0061isales_app"]')
	],
	refused => [
		named_after(
			aud => undef,
			@not_strings, '[""]', '["other"]', '["other","another"]',
			'[["aisales_app"]]', '[{"aud":"aisales_app"}]',
			'{"aud":"aisales_app"}', '{"aisales_app":true}',
			'["aisales_app",1]', '[1,"aisales_app"]', '["aisales_app",null]',
			'["aisales_app",[]]', '["aisales_app",{}]',
			'["aisales_app",["x"],"y"]',
			map { (qq("$_"), qq(["$_"])) } '', 'other', 'aisales_auth',
			'aisales', 'aisales_ap', 'isales_app', 'aisales_appx',
			'xaisales_app', 'AISALES_APP', 'Aisales_App', 'aisales_app ',
			' aisales_app', 'aisales_app/', 'aisales_app\u0000',
			'aisales_app,other', 'aisales_app other', '*', '%')
	]);

# the audience that jwt_verify() is asked for
my $for_other = with(aud => '"other"');
my $for_both = with(aud => '["other","aisales_app"]');
my $for_us = with();

sub verified_for
{
	my ($token, $audience) = @_;

	return $node->safe_psql('postgres',
		"SELECT test.outcome_of('SELECT dualdb.jwt_verify(\$1, $audience)', '$token')"
	);
}
is(verified_for($for_us, "''aisales_app''"), 'ok', 'our audience by name');
is(verified_for($for_us, 'NULL'), 'ok', 'NULL is our audience');
is(verified_for($for_other, "''other''"), 'ok', 'another audience');
is(verified_for($for_both, "''other''"), 'ok', 'one of two audiences');
foreach (
	[ $for_us, "''other''" ],
	[ $for_us, "''''" ],
	[ $for_us, "''*''" ],
	[ $for_us, "''aisales''" ],
	[ $for_us, "''aisales_app ''" ],
	[ $for_other, "''aisales_app''" ],
	[ $for_other, 'NULL' ],
	[ $for_both, "''''" ],
	[ $for_both, "''other,aisales_app''" ])
{
	is(verified_for(@$_), $DualDB::TokenCorpus::REFUSED,
		"a token is refused for audience $_->[1]");
}

# a token that was accepted for one audience is not thereby good for another
is( $node->safe_psql(
		'postgres', qq{
		SELECT test.outcome('$for_us');
		SELECT test.outcome_of('SELECT dualdb.jwt_verify(\$1, ''other'')', '$for_us');
		SELECT test.outcome('$for_us');
		SET dualdb.audience = 'other';
		SELECT test.outcome('$for_us');
		SELECT test.outcome('$for_both');
		RESET dualdb.audience;
		SELECT test.outcome('$for_us')}),
	join("\n",
		'ok', $DualDB::TokenCorpus::REFUSED, 'ok',
		$DualDB::TokenCorpus::REFUSED, 'ok', 'ok'),
	'the audience is compared each time');

# subject, and the optional claims that mean something
tokens_ok(
	$node,
	'subject and optional claims',
	accepted => [
		named_after(
			sub => '"user-1"',
			'"0"', qq("\xc3\xa9"), '"' . 'x' x 1000 . '"'),
		named_after(sid => undef, '"session-1"', '""'),
		named_after(scope => undef, '""', '"a b"'),
		named_after(roles => undef, '[]', '["a"]', '["a","b"]'),
		named_after(jti => '"x"'),
		named_after(client_id => '"x"'),
		named_after(unknown => '"x"', @not_strings)
	],
	refused => [
		named_after(sub => undef, @not_strings, '""', '["user-1"]'),
		named_after(sid => @not_strings),
		named_after(scope => @not_strings, '["a","b"]'),
		named_after(
			roles => 'null',
			'true', '0', '{}', '"a"', '""', '["a",1]', '[null]', '[["a"]]',
			'{"a":true}')
	]);

# a token that is bound to a proof key is refused, not taken for a bearer token
tokens_ok(
	$node,
	'proof of possession',
	accepted => [
		'no cnf' => with(),
		'cnf further inside' => with(x => '{"cnf":{"jkt":"x"}}')
	],
	refused => [
		named_after(
			cnf => '{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}',
			'{"x5t#S256":"x"}', '{"jwk":{}}', @not_strings, '""')
	]);

# expiry
tokens_ok(
	$node, 'exp',
	accepted => [
		named_after(
			exp => $now + 600,
			$now + 600.5, sprintf('%.6f', $now + 600), '2e9',
			'20000.00E+5', '4102444800', '253402300799'),
		'within the leeway' => with(exp => $now - 20),
		'within the leeway, with a fraction' => with(exp => $now - 20.75)
	],
	refused => [
		# right after a token that has one, should it be remembered
		'missing' => with(exp => undef),
		'beyond the leeway' => with(exp => $now - 60),
		'beyond the leeway, with a fraction' => with(exp => $now - 60.5),
		named_after(
			exp => @not_numbers,
			qq("@{[$now + 600]}"), qq([@{[$now + 600]}]),
			$now - 3600, '0', '-0', '0.0', '1', '-1', -$now - 600,
			'-9223372036854775808', '9223372036854775807',
			'9223372036854775808', '18446744073709551616',
			'1e99', '1e999', '1e999999', '-1e999', '1e-999', '1e99999999999',
			'1' . '0' x 400, 'NaN', 'Infinity', '-Infinity', '0x7fffffff',
			'+4102444800', '04102444800', '4102444800.', '4102444800e',
			'4_102_444_800', '4102444800L', '4102444800 0')
	]);

# not before, issued at
foreach my $claim ('nbf', 'iat')
{
	tokens_ok(
		$node, $claim,
		accepted => [
			named_after(
				$claim => undef,
				$now, $now - 0.5, $now - 86400, '0', '-0', '-1', '1e9',
				'-2208988800'),
			'within the leeway' => with($claim => $now + 30),
			'within the leeway, with a fraction' =>
			  with($claim => $now + 30.25)
		],
		refused => [
			'beyond the leeway' => with($claim => $now + 150),
			named_after(
				$claim => @not_numbers,
				qq("$now"), qq([$now]), $now + 3600, '9223372036854775807',
				'9223372036854775808', '-9223372036854775809', '1e99',
				'1e999', '-1e999', '1e999999', 'NaN', 'Infinity', "0$now",
				"+$now")
		]);
}

# the leeway is a setting with a limit
my $expired = with(exp => time - 20);
is( $node->safe_psql(
		'postgres', qq{
		SET dualdb.leeway = 0; SELECT test.outcome('$expired');
		SET dualdb.leeway = 300; SELECT test.outcome('$expired')}),
	"$DualDB::TokenCorpus::REFUSED\nok",
	'leeway is a setting');
is( $node->safe_psql(
		'postgres',
		"SELECT test.outcome_of('SET dualdb.leeway = 301', NULL) ~ '^22023: '"
	),
	't',
	'of at most 300 seconds');

done_testing();
