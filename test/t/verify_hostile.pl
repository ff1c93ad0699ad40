# verify_setup() where somebody has been before who knew that a superuser would run it:
# nothing of theirs is run, and nothing that they made stops it.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use DualDB::Verify;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = verified_cluster('main');
my $superuser = getpwuid($<);

$node->safe_psql('postgres', 'CREATE ROLE mallory LOGIN');
write_hba($node, 'local all mallory trust');
$node->reload;

# Whatever runs the trap as a superuser makes mallory one.  What must be immutable
# says that it is.
sub trap_function
{
	my ($signature, $result, $value, $volatility) = @_;
	return "CREATE FUNCTION $signature RETURNS $result LANGUAGE plpgsql " . ($volatility // 'VOLATILE')
	  . " AS \$t\$ BEGIN PERFORM public.fire(); RETURN $value; END \$t\$;";
}

sub is_super
{
	return $node->safe_psql('postgres', q{SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory'});
}

# The superuser asks; every check must come to its end, and no trap must fire.
sub verified
{
	my ($database, $name) = @_;
	my $failed = $node->safe_psql($database, q{SELECT v.detail FROM dualdb.verify_setup() v WHERE v.item LIKE 'verify%'});

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($failed, '', "$name: every check comes to its end");
	is(is_super(), 'f', "$name: no trap has fired");
	return;
}

# a database of mallory's, in which the setup has been run
$node->safe_psql('postgres', 'CREATE DATABASE hostile OWNER mallory');
$node->safe_psql('hostile', q{CREATE EXTENSION dualdb; SELECT dualdb.setup_app(auth_database => 'aisales_auth')});
verified('hostile', 'control: before');
psql_as($node, 'hostile', 'mallory', q{CREATE FUNCTION public.fire() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
	IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN ALTER ROLE mallory SUPERUSER; END IF; END $$});

sub mallory
{
	my ($sql) = @_;
	my ($status, undef, $err) = psql_as($node, 'hostile', 'mallory', $sql);
	is($status, 0, 'control: the trap is laid') or diag $err;
	return;
}

# better matches than pg_catalog's functions and operators, in public and where search_path leads
mallory(trap_function('public.format(text, name)', 'text', "''") . trap_function('public.count(text)', 'bigint', '1')
	  . trap_function('public.starts_with(name, text)', 'boolean', 'true') . trap_function('public.eq(name, text)', 'boolean', 'true')
	  . q{CREATE OPERATOR public.= (LEFTARG = name, RIGHTARG = text, FUNCTION = public.eq);
	ALTER DATABASE hostile SET search_path = public, pg_catalog});
verified('hostile', 'functions and operators of the same names');

# control: the planner itself runs code of the table's owner, whoever asks
mallory(trap_function('public.folded(integer)', 'integer', '1', 'IMMUTABLE')
	  . "CREATE TABLE public.control (body text); CREATE INDEX ON public.control ((public.folded(1)));
	INSERT INTO public.control VALUES ('x')");
verified('hostile', 'an index on an expression');
$node->safe_psql('hostile', 'SELECT count(*) FROM public.control');
is(is_super(), 't', 'control: a query of that table is enough');
$node->safe_psql('postgres', 'ALTER ROLE mallory NOSUPERUSER');

# columns that run code when they are read or compared, and what is no table
mallory(trap_function('public.checked(text)', 'boolean', 'true', 'IMMUTABLE') . trap_function('public.made()', 'text', "'x'")
	  . q{CREATE DOMAIN public.d AS text CHECK (public.checked(VALUE)); CREATE TYPE public.pair AS (a public.d, b text);
	CREATE TABLE public.odd (body public.d, p public.pair, "col""umn" text DEFAULT public.made(), password public.pair,
		made text GENERATED ALWAYS AS (public.checked('x')::text) STORED);
	INSERT INTO public.odd VALUES ('x', ('a', 'b'), '$argon2id$v=19$x', NULL);
	ALTER TABLE public.odd ENABLE ROW LEVEL SECURITY; ALTER TABLE public.odd FORCE ROW LEVEL SECURITY;
	CREATE POLICY p ON public.odd USING (public.checked("col""umn"));
	CREATE VIEW public.secrets AS SELECT public.made() AS password;
	CREATE STATISTICS public.s ON (public.checked('x')), ("col""umn" || 'x') FROM public.odd;
	CREATE SCHEMA "we""ird"; CREATE TABLE "we""ird"."ta'ble" ("se'cret" text, "my secret" text);
	CREATE FUNCTION "we""ird"."f'"(x public.pair) RETURNS text LANGUAGE sql AS $$ SELECT '$argon2id$' $$;
	COMMENT ON TABLE "we""ird"."ta'ble" IS '$argon2id$'});
verified('hostile', 'domains, row types, policies, views and rules');
like($node->safe_psql('hostile', q{SELECT hint FROM dualdb.verify_setup() WHERE item = 'secret_values'}),
	qr/^UPDATE public\.odd SET "col""umn" = dualdb\.without_secrets/, 'and what they hold is found all the same');
is($node->safe_psql('hostile', q{SELECT count(*) FROM dualdb.verify_setup() WHERE item = 'secret_texts' AND status = 'error'}), '2',
	'under whatever name');
$node->safe_psql('hostile', hints_of($node, 'hostile', $_)) foreach 'secret_texts', 'secret_columns';
is($node->safe_psql('hostile', q{SELECT count(*) FROM dualdb.verify_setup() WHERE item IN ('secret_texts', 'secret_columns') AND status <> 'ok'}), '0',
	'and their hints are well quoted');

# relations and schemas with the names of ours
mallory('CREATE SCHEMA auth;' . trap_function('auth.trap()', 'integer', '1')
	  . 'CREATE VIEW auth.schema_version AS SELECT auth.trap() AS version; CREATE VIEW auth.signing_keys AS SELECT auth.trap() AS kid;
	CREATE VIEW auth.users AS SELECT auth.trap() AS id');
verified('hostile', 'views in place of our tables');
like(hints_of($node, 'hostile', 'schemas'), qr/^ALTER SCHEMA auth RENAME TO other_auth;$/, 'with a hint');
$node->safe_psql('hostile', hints_of($node, 'hostile', 'schemas'));
is($node->safe_psql('hostile', q{SELECT status FROM dualdb.verify_setup() WHERE item = 'schemas'}), 'ok', 'that mends it');

# a superuser has handed our objects over
$node->safe_psql('hostile', 'ALTER TABLE bridge.sync_state OWNER TO mallory; GRANT CREATE, USAGE ON SCHEMA bridge TO mallory');
mallory(trap_function('bridge.trap(timestamptz)', 'timestamptz', 'now()', 'IMMUTABLE') . 'CREATE INDEX ON bridge.sync_state (bridge.trap(\'epoch\'))');
verified('hostile', 'a table of ours with an owner of theirs');

# what a catalog can have lost
$node->safe_psql('postgres', 'CREATE DATABASE odd');
$node->safe_psql('odd', 'CREATE EXTENSION dualdb');
verified('odd', 'a database that was not set up');
$node->safe_psql('odd', q{SELECT dualdb.setup_app(auth_database => 'aisales_auth'); DROP SCHEMA bridge CASCADE; DROP SCHEMA public CASCADE; DROP SERVER IF EXISTS dualdb_auth CASCADE});
verified('odd', 'an app database without bridge and public');
$node->safe_psql('postgres', 'ALTER ROLE dualdb_bridge RENAME TO gone');
verified('aisales_auth', 'an auth database without its bridge role');
$node->safe_psql('postgres', 'ALTER ROLE gone RENAME TO dualdb_bridge');
$node->safe_psql('odd', 'REVOKE ALL ON SCHEMA app, dualdb FROM PUBLIC, dualdb_app_owner; REVOKE ALL ON ALL TABLES IN SCHEMA app FROM dualdb_app_owner;
	UPDATE pg_proc SET proacl = NULL WHERE proname = $$sync$$; UPDATE pg_class SET relacl = NULL WHERE relname = $$users$$');
verified('odd', 'empty and missing privileges');

error_is($node, 'hostile', 'mallory', 'SELECT dualdb.verify_setup()', qr/^42501: permission denied for function/, 'others may not ask');

done_testing();
