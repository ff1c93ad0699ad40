# Attempts that must be refused for want of privileges, and that must show none of the
# secrets; controls that must be allowed.

package DualDB::Attack;

use strict;
use warnings FATAL => 'all';

use DualDB::Test;
use Test::More;

# What is called without a privilege, as anybody; what an attacker cannot use.
our @HARMLESS = qw(new_id user_id session_id claims has_role has_permission password_hash_class);

# new(node, secret, ...)
sub new
{
	my ($class, $node, @secrets) = @_;

	return bless { node => $node, secrets => join('|', map { quotemeta } @secrets) }, $class;
}

sub allowed
{
	my ($self, $database, $role, $sql, $name) = @_;
	my ($status, $out, $err) = psql_as($self->{node}, $database, $role, $sql);

	ok($status == 0 && $out ne '', "control: $name") or diag $err;
	return $out;
}

sub refused
{
	my ($self, $database, $role, $sql, $name) = @_;
	my ($status, $out, $err) = psql_as($self->{node}, $database, $role, "\\set VERBOSITY verbose\n$sql");

	isnt($status, 0, "refused: $name") or diag $out;
	unlike($out . $err, qr/$self->{secrets}/, "$name: nothing leaks");
	like($err, qr/42501|permission denied|must be (?:owner|superuser)|28000|25006/, "$name: for want of privileges");
	return;
}

# A call of every function and procedure of a schema but the harmless ones, none of its
# arguments NULL: a strict function is not called with NULL, and so not refused.
sub calls
{
	my ($self, $database, $schema) = @_;
	my $harmless = join ', ', map { "'$_'" } @HARMLESS;

	return split /\n/, $self->{node}->safe_psql($database, qq{
		SELECT format('%s %s(%s)', CASE p.prokind WHEN 'p' THEN 'CALL' ELSE 'SELECT' END, p.oid::regproc, (SELECT string_agg(CASE t::regtype::text
				WHEN 'text' THEN '''x''' WHEN 'oid' THEN '1::oid' WHEN 'inet' THEN 'inet ''127.0.0.1''' WHEN 'jsonb' THEN 'jsonb ''{}'''
				WHEN 'bytea' THEN 'bytea ''x''' WHEN 'integer' THEN '1' WHEN 'bigint' THEN '1::bigint'
				WHEN 'timestamp with time zone' THEN 'now()' WHEN 'text[]' THEN '''{x}''::text[]'
				WHEN 'cidr[]' THEN '''{}''::cidr[]' WHEN 'interval' THEN 'interval ''1 day''' WHEN 'boolean' THEN 'true'
				WHEN 'regclass' THEN '''pg_class''::regclass' ELSE 'NULL::' || t::regtype END, ', ')
			FROM unnest(p.proargtypes) t))
		FROM pg_proc p WHERE p.pronamespace = '$schema'::regnamespace AND p.prorettype NOT IN ('trigger'::regtype, 'internal'::regtype)
			AND p.proname NOT IN ($harmless)});
}

1;
