# Many tokens, each to be accepted or refused by every function that takes one.

package DualDB::TokenCorpus;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use Test::More;

our @EXPORT = qw(install_corpus tokens_ok token_outcome);

# What every refusal looks like, whatever its cause.
our $REFUSED = '28000: token is not valid';

# The functions that tokens_ok() needs, in database postgres.
sub install_corpus
{
	my ($node) = @_;

	$node->safe_psql(
		'postgres', q{
		CREATE EXTENSION dualdb;
		CREATE SCHEMA test;
		CREATE TABLE test.token (id integer PRIMARY KEY, hex text);

		-- SQLSTATE and all that a client sees of an error, or ok
		CREATE FUNCTION test.outcome_of(query text, token text) RETURNS text
		LANGUAGE plpgsql AS $$
		DECLARE
			v_detail text;
			v_hint text;
		BEGIN
			EXECUTE query USING token;
			RETURN 'ok';
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS v_detail = PG_EXCEPTION_DETAIL,
				v_hint = PG_EXCEPTION_HINT;
			RETURN concat_ws(' ', sqlstate || ': ' || sqlerrm,
				nullif(v_detail, ''), nullif(v_hint, ''));
		END
		$$;

		-- all functions must agree, and a refusal must leave nobody
		CREATE FUNCTION test.outcome(token text) RETURNS text
		LANGUAGE plpgsql AS $$
		DECLARE
			v_query text;
			v_outcome text;
			v_all text[] := '{}';
		BEGIN
			FOREACH v_query IN ARRAY ARRAY['SELECT dualdb.jwt_verify($1)',
				'SELECT dualdb.authenticate_session($1)',
				'SELECT dualdb.authenticate($1)']
			LOOP
				v_outcome := test.outcome_of(v_query, token);
				IF NOT v_outcome = ANY (v_all) THEN
					v_all := v_all || v_outcome;
				END IF;
			END LOOP;
			IF (dualdb.user_id() IS NOT NULL) <> (v_outcome = 'ok') THEN
				v_all := v_all || format('user_id() %s', dualdb.user_id());
			END IF;
			RETURN array_to_string(v_all, ', ');
		END
		$$});
	return;
}

# tokens_ok(node, title, accepted => [name => token, ...], refused => [...])
#
# Tokens are bytes; undef is NULL.  Both lists are required, so that neither a
# verifier that refuses everything nor one that accepts everything passes.
sub tokens_ok
{
	my ($node, $title, %lists) = @_;
	my (@cases, @wrong);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	foreach my $list ('accepted', 'refused')
	{
		my @tokens = @{ $lists{$list} };

		die "$title: nothing is to be $list" unless @tokens;
		while (my ($name, $token) = splice @tokens, 0, 2)
		{
			push @cases,
			  {
				name => $name,
				hex => defined $token ? unpack('H*', $token) : '\N',
				expected => $list eq 'accepted' ? 'ok' : $REFUSED
			  };
		}
	}

	my $rows = join '', map { "$_\t$cases[$_]{hex}\n" } 0 .. $#cases;
	my @outcomes = split /\n/, $node->safe_psql(
		'postgres', qq{
TRUNCATE test.token;
COPY test.token FROM STDIN;
$rows\\.
SELECT test.outcome(convert_from(decode(hex, 'hex'), 'UTF8'))
FROM test.token ORDER BY id});
	foreach my $i (0 .. $#cases)
	{
		my $outcome = $outcomes[$i] // 'no answer';

		push @wrong, "$cases[$i]{name}: $outcome"
		  if $outcome ne $cases[$i]{expected};
	}
	return is(
		join("\n", @wrong),
		'', sprintf '%s: %d accepted, %d refused',
		$title, map { @{ $lists{$_} } / 2 } 'accepted', 'refused');
}

# SQL for the outcome of one token, in scripts that do more between tokens.
sub token_outcome
{
	my ($token) = @_;

	return "SELECT test.outcome('$token');";
}

1;
