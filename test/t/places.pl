# What runs where: every function is marked, each that is called to write says on a
# standby where to go, before it does anything, and all others run there.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Session;
use DualDB::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = auth_app_cluster('primary', allows_streaming => 1, conf => q{
dualdb.argon2_memory = '19MB'
dualdb.argon2_iterations = 2
dualdb.max_concurrent_hashes = 1
dualdb.max_hash_wait = 0
});
$primary->safe_psql('postgres', 'CREATE DATABASE aisales');
$primary->safe_psql('aisales', 'CREATE EXTENSION dualdb; SELECT dualdb.setup_single()');
$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby);

my $elsewhere = sprintf 'Connect to the primary server. This standby has its changes from host "%s", port %d.',
  $primary->host, $primary->port;

# Call every function, with an argument of some kind where a type needs one, and
# say what came of it.
my $call_all = q{
DO $do$
DECLARE
	v_call record;
	v_state text;
	v_hint text;
BEGIN
	FOR v_call IN
		SELECT f.function::text AS function, f.place, p.prorettype = 'trigger'::regtype AS is_trigger,
			coalesce(obj_description(p.oid, 'pg_proc') LIKE 'internal:%', false) AS is_internal,
			format('%s %s(%s)%s', CASE p.prokind WHEN 'p' THEN 'CALL' ELSE 'SELECT count(*) FROM' END, p.oid::regproc, (
				SELECT string_agg(coalesce(format('%L', CASE format_type(a.type, NULL)
						WHEN 'text' THEN CASE p.proname WHEN 'run_setup' THEN 'auth' ELSE 'x' END
						WHEN 'bytea' THEN '\x' || repeat('00', 32) WHEN 'jsonb' THEN '{}' WHEN 'text[]' THEN '{x}'
						WHEN 'integer' THEN '1' WHEN 'bigint' THEN '1' WHEN 'oid' THEN '1' WHEN 'boolean' THEN 't'
						WHEN 'interval' THEN '1 s' WHEN 'timestamp with time zone' THEN 'now' WHEN 'xid8' THEN '1'
					END), 'NULL') || '::' || format_type(a.type, NULL), ', ' ORDER BY a.n)
				FROM unnest(p.proargtypes) WITH ORDINALITY a (type, n)),
				CASE WHEN p.prorettype = 'record'::regtype AND p.proargmodes IS NULL THEN ' AS r(x text)' END) AS sql
		FROM dualdb.function_places() f JOIN pg_proc p ON p.oid = f.function
		ORDER BY 1
	LOOP
		v_state := '00000';
		v_hint := '';
		BEGIN
			IF NOT v_call.is_trigger THEN
				EXECUTE v_call.sql;
			END IF;
		EXCEPTION WHEN OTHERS THEN
			v_state := SQLSTATE;
			GET STACKED DIAGNOSTICS v_hint = PG_EXCEPTION_HINT;
		END;
		RAISE INFO '%', concat_ws('|', v_call.function, coalesce(v_call.place, 'nowhere'), CASE WHEN v_call.is_trigger
			THEN 'trigger' WHEN v_call.is_internal THEN 'internal' ELSE 'called' END, v_state, v_hint);
	END LOOP;
END
$do$};

my %places;
foreach my $database ('aisales_auth', 'aisales_app', 'aisales')
{
	my (undef, undef, $err) = psql_as($standby, $database, scalar getpwuid($<), $call_all);
	my @calls = map { [ split /\|/, $_, -1 ] } $err =~ /INFO:  (.*\|.*)$/mg;

	cmp_ok(scalar @calls, '>', 100, "every function of $database is called on a standby");
	unlike($err, qr/ERROR/, 'to the end');
	is(join(' ', map { $_->[0] } grep { $_->[1] eq 'nowhere' } @calls), '', 'each says where it runs');
	is(join(' ', map { $_->[0] } grep { $_->[1] eq 'any' && $_->[3] eq '25006' } @calls), '',
		'what runs anywhere does not write');
	# the sync of a database without a bridge has something else to say
	is(join("\n", map { "@$_" } grep { $_->[1] eq 'primary' && $_->[2] eq 'called'
			&& "$_->[3] $_->[4]" ne "25006 $elsewhere" && "$_->[0] $_->[3]" ne 'dualdb.sync(integer) 55000' } @calls),
		'', 'what is called to write says where to go');
	$places{ $_->[0] =~ s/\(.*//r } = $_->[1] foreach @calls;
}
is($primary->safe_psql('aisales_app', q{BEGIN; CREATE FUNCTION app.mine() RETURNS integer LANGUAGE sql VOLATILE RETURN 1;
		SELECT f.function FROM dualdb.function_places() f WHERE f.place IS NULL; ROLLBACK}),
	'app.mine()', 'control: a function without a mark is seen');

is(join(' ', grep { !exists $places{$_} } split /\n/, $primary->safe_psql('aisales_auth',
			q{SELECT format('%s.%s', v.schema, v.name) FROM dualdb.volatile_functions() v})),
	'', 'every mark is that of a function');

# the documentation has every function that somebody may call, at its place
my %documented;
my $place;
foreach (split /\n/, slurp_file("$FindBin::RealBin/../../docs/reference/standbys.md"))
{
	$place = $1 =~ /primary/ ? 'primary' : 'any' if /^## (.*)/;
	$documented{$_} = $place foreach /`((?:dualdb|auth|app)\.\w+)\(\)`/g;
}
my %granted = map { $_ => $places{$_} } grep { !/\.require_primary$/ } map { split /\n/, $primary->safe_psql($_, q{
	SELECT DISTINCT p.pronamespace::regnamespace || '.' || p.proname
	FROM pg_proc p CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a LEFT JOIN pg_roles r ON r.oid = a.grantee
	WHERE p.pronamespace IN ('dualdb'::regnamespace, to_regnamespace('auth'), to_regnamespace('app'))
		AND (a.grantee = 0 OR r.rolname ~ '^dualdb_(sync$|auth_service|app_(service|user|readonly))')
	UNION
	SELECT 'dualdb.' || p.proname FROM pg_proc p
	WHERE p.proname ~ '^(setup_(auth|app|single|script|replicas)|verify_setup|(add|drop)_directory_column|jwt_sign|maintain_partitions|migrate_(check|from|verify|back|finish))$'}) }
  'aisales_auth', 'aisales_app';
is_deeply(\%documented, \%granted, 'every function is documented, at its place');

# a refusal costs no password hash: there is no turn to be had for one
my $busy = DualDB::Session->new($standby, 'aisales_auth');
$busy->query("SET dualdb.argon2_memory = '256MB'; SET dualdb.argon2_iterations = 16");
$busy->start("SELECT count(dualdb.hash_password('x')) FROM generate_series(1, 1000)");
my $password = $DualDB::Test::PASSWORD;
ok($standby->poll_query_until('aisales_auth', "SELECT count(*) = 1 FROM pg_stat_activity a WHERE a.state = 'active' AND a.query = '<hidden by dualdb>'"),
	'somebody computes hashes');
error_is($standby, 'aisales_auth', 'auth_login', "SELECT dualdb.hash_password('$password')", qr/^53000/, 'control: there is no turn for another');
error_is($standby, 'aisales_auth', 'auth_login', "SELECT auth.$_", qr/^25006/, "no turn is needed for $_") foreach
  "login('nobody\@example.com', '$password')", "register_user('new\@example.com', '$password')",
  "change_password('nobody', '$password', '$password')";
error_is($standby, 'aisales_auth', scalar getpwuid($<), "SELECT dualdb.try_password('\\x" . '00' x 32 . "', NULL, NULL, NULL, '$password', NULL, NULL)",
	qr/^25006/, 'nor for what they call');
$standby->safe_psql('postgres', "SELECT pg_cancel_backend(a.pid) FROM pg_stat_activity a WHERE a.query = '<hidden by dualdb>'");

done_testing();
