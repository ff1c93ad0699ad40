# The app server is the attacker's: its superuser has the certificate of the bridge
# and comes to the auth server with it.  What can be read there is listed here to the
# column; everything else is refused.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Attack;
use DualDB::Session;
use DualDB::Test;
use DualDB::TwoServers;
use PostgreSQL::Test::Utils;
use Test::More;

my ($auth, $app, $tls) = two_servers();
my $superuser = getpwuid($<);
sub auth { return $auth->safe_psql('aisales_auth', shift); }

# something of every kind, so that there is something to find
my %secret;
my $user = register($auth, 'ann@example.com', 'Ann');
my $ghost = register($auth, 'ghost@example.com', 'Ghost');
my (undef, $refresh_token) = login_tokens($auth, 'ann@example.com');
auth("SELECT status FROM auth.login('ann\@example.com', '$DualDB::Test::PASSWORD', '198.51.100.7', 'planted agent')");
auth("SELECT status FROM auth.login('ann\@example.com', 'planted wrong password', '198.51.100.8', 'planted agent')");
($secret{'an API key'}) = auth("SELECT api_key FROM auth.create_api_key('$user', 'planted key name', '{}')");
auth("SELECT status FROM auth.enroll_totp('$user')");
auth("SELECT status FROM auth.request_password_reset('ann\@example.com')");
auth("SELECT auth.create_role('planted_role', '{orders:read}'); SELECT auth.grant_role('$user', 'planted_role')");
auth("UPDATE auth.users SET deleted_at = now() WHERE id = '$ghost'");
auth('ANALYZE');
%secret = (
	%secret,
	'a password' => $DualDB::Test::PASSWORD,
	'a refresh token' => $refresh_token,
	'a hash' => auth("SELECT password_hash FROM auth.users WHERE id = '$user'"),
	'a hash of a token' => auth('SELECT max(token_hash::text) FROM auth.refresh_tokens'),
	'a sealed key' => auth('SELECT max(sealed_key::text) FROM auth.signing_keys'),
	'an address of a deleted user' => 'ghost@example.com',
	'an IP address' => '198.51.100.7',
	'a user agent' => 'planted agent',
	'the name of a key' => 'planted key name',
	'a role of a user' => 'planted_role',
	'the place of the key file' => $auth->basedir . '/master.key');
cmp_ok(length($secret{$_} // ''), '>', 8, "control: $_ is known") foreach sort keys %secret;

my $attacker = DualDB::Session->to(bridge_connstr($auth, $tls, 'aisales_auth'));
my $owner = DualDB::Session->new($auth, 'aisales_auth');
is($attacker->ask('SELECT session_user, current_setting($$is_superuser$$)'), 'dualdb_bridge|off', 'the attacker is there');
# defaults that anybody may change
is($attacker->ask('SET default_transaction_read_only = off; SET statement_timeout = 0; SET row_security = off; SET search_path = auth, bridge'),
	'', 'what the role is set to by default can be changed');

sub refused
{
	my ($sql, $name, $expected) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return like($attacker->ask($sql), $expected // qr/^42501: /, "refused: $name");
}

# every column of every relation, one by one
my @columns = split /\n/, auth(q{
	SELECT format('%s %I', c.oid::regclass, a.attname)
	FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p', 'S') AND a.attnum > 0 AND NOT a.attisdropped
		AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
	ORDER BY c.oid::regclass::text COLLATE "C", a.attnum});
cmp_ok(scalar(@columns), '>', 100, 'there are columns to try');
my @readable;
foreach my $column (@columns)
{
	my ($relation, $name) = split / /, $column;
	my $sql = "SELECT count(x.$name) FROM $relation x";
	my $answer = $attacker->ask($sql);

	like($owner->ask($sql), qr/^\d+$/, "control: $column can be read by the superuser");
	if ($answer =~ /^\d+$/)
	{
		push @readable, $column;
		next;
	}
	like($answer, qr/^42501: permission denied/, "refused: $column");
}
note "what the app server can read:\n", join "\n", @readable;
is_deeply(\@readable, [ split /\n/, <<'EOL' ], 'these columns can be read, and no others');
bridge.deleted_users id
bridge.deleted_users change_xid
bridge.feed horizon
bridge.feed feed_id
bridge.feed is_standby
bridge.feed age
bridge.revocations kind
bridge.revocations id
bridge.revocations min_version
bridge.revocations expires_at
bridge.revocations change_xid
bridge.trusted_keys kid
bridge.trusted_keys issuer
bridge.trusted_keys public_key
bridge.trusted_keys not_before
bridge.trusted_keys not_after
bridge.user_lookup id
bridge.user_lookup email
bridge.user_lookup email_norm
bridge.user_lookup display_name
bridge.user_lookup is_active
bridge.user_lookup change_xid
EOL

# writing, into what can be read and into what cannot
my %relation = map { (split / /)[0] => 1 } @columns;
foreach my $relation (sort keys %relation)
{
	# a view of several tables is nobody's to empty
	refused("DELETE FROM $relation", "emptying $relation", qr/^(?:42501|55000): /);
	refused("LOCK TABLE $relation IN EXCLUSIVE MODE", "locking $relation", qr/^(?:42501|25P01): /);
}
like($owner->ask('BEGIN; DELETE FROM auth.login_failures; ROLLBACK'), qr/^$/, 'control: the superuser can empty a table');
refused("INSERT INTO bridge.trusted_keys (kid, issuer, public_key) VALUES ('x', 'aisales_auth', decode(repeat('11', 32), 'hex'))", 'a key of its own');
refused("INSERT INTO bridge.revocations (kind, id, expires_at) VALUES ('sid', 'x', now())", 'a revocation of its own');
refused("UPDATE bridge.user_lookup SET email = 'mallory\@example.com'", 'another address for everybody');
refused('TRUNCATE auth.users', 'truncating the users');
refused("SELECT nextval('$_')", "sequence $_") foreach split /\n/, auth(q{SELECT c.oid::regclass FROM pg_class c WHERE c.relkind = 'S'});
refused('SELECT 1 FROM bridge.user_lookup FOR UPDATE', 'row locks');
refused("CREATE $_", "a $_")
  foreach 'TABLE bridge.t (x int)', 'TEMP TABLE t (x int)', 'TEMP VIEW v AS SELECT 1', 'TEMP SEQUENCE s', 'SCHEMA s',
  'FUNCTION pg_temp.f() RETURNS int LANGUAGE sql RETURN 1', 'TYPE bridge.t AS (x int)', 'ROLE r', 'DATABASE d',
  'EXTENSION dblink', 'EXTENSION postgres_fdw', 'SUBSCRIPTION s CONNECTION $$$$ PUBLICATION p', 'PUBLICATION p',
  'EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION auth.users_changed()';
refused('SELECT * INTO TEMP t FROM bridge.user_lookup', 'a copy on the auth server');

# every function, called
my $attack = DualDB::Attack->new($auth);
foreach my $schema ('auth', 'dualdb', 'bridge')
{
	foreach my $call ($attack->calls('aisales_auth', $schema))
	{
		refused($call, "calling: $call");
	}
}
my $executable = q{
	SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
	WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND has_schema_privilege(%1$s, n.oid, 'USAGE')
		AND has_function_privilege(%1$s, p.oid, 'EXECUTE') ORDER BY p.oid};
is(auth(sprintf $executable, q{'dualdb_bridge'}), join("\n", 'dualdb.new_id()', 'dualdb.password_hash_class(text)', 'dualdb.user_id()', 'dualdb.session_id()',
	'dualdb.claims()', 'dualdb.has_role(text)', 'dualdb.has_permission(text)'), 'of the functions outside of the catalog only these can be called');
is($attacker->ask("SELECT dualdb.user_id(), dualdb.session_id(), dualdb.claims(), dualdb.has_role('planted_role'), dualdb.has_permission('orders:read')"),
	'|||f|f', 'and they know nobody');
like(auth(sprintf $executable, q{'auth_login'}), qr/^auth\.login\(/m, 'control: the service may call some');
unlike(psql_error($auth, 'aisales_auth', 'auth_login', "SELECT status FROM auth.login('ann\@example.com', 'x')"), qr/./, 'control: and can');
my $acting = q{
	SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace AND has_function_privilege(%s, p.oid, 'EXECUTE')
		AND p.proname !~ '_old$' AND p.proname ~ '^(lo_|lowrite|loread|pg_(try_)?advisory_|pg_notify|pg_sleep|pg_logical_emit|pg_read_|pg_ls_|pg_stat_file|pg_terminate|pg_cancel|pg_export_snapshot|pg_current_xact_id$|txid_current$|pg_reload|pg_rotate|pg_switch|pg_promote|pg_create_restore|pg_backup_|pg_stat_reset|(query|table|schema|database|cursor)_to_xml)'};
is(auth(sprintf $acting, q{'dualdb_bridge'}), '', 'and none of the catalog that acts, waits or reads in bulk');
like(auth(sprintf $acting, "'$superuser'"), qr/^pg_sleep\(/m, 'control: the superuser may call them');

refused("SELECT pg_read_file_old('PG_VERSION', 0, 10)", 'the old way to read a file')
  if auth("SELECT to_regproc('pg_read_file_old')");

# through the views: a predicate of the attacker's own does not see hidden rows
my $tell = q{SELECT count(*) FROM %s u WHERE (CASE WHEN u.email LIKE '%s' THEN u.email ELSE '1' END)::integer = 1};
is($attacker->ask(sprintf $tell, 'bridge.user_lookup', 'ghost%'), '1', 'no error tells of a deleted user');
like($attacker->ask(sprintf $tell, 'bridge.user_lookup', 'ann%'), qr/^22P02: .*ann/, 'control: of a visible one it does');
like($owner->ask(sprintf $tell, 'auth.users', 'ghost%'), qr/^22P02: .*ghost/, 'control: without the view it does');
refused('EXPLAIN SELECT * FROM auth.users', 'a plan');
refused('DECLARE c CURSOR WITH HOLD FOR SELECT * FROM auth.users', 'a cursor');
refused('PREPARE p AS SELECT * FROM auth.users; EXECUTE p', 'a prepared statement');
refused("COPY $_", "COPY $_") foreach 'auth.users TO STDOUT', '(SELECT * FROM auth.users) TO STDOUT', "bridge.user_lookup TO '/tmp/x'",
  "(SELECT 1) TO PROGRAM 'true'", "auth.users FROM PROGRAM 'true'";
refused($_->[0], $_->[1]) foreach [ 'DO $$BEGIN END$$', 'an anonymous block' ], [ "SELECT pg_read_file('PG_VERSION')", 'a file' ],
  [ "SELECT pg_ls_dir('.')", 'a folder' ], [ "SELECT lo_import('/etc/passwd')", 'a file as a large object' ],
  [ 'SELECT lo_create(0)', 'a large object' ], [ "LOAD '/tmp/x.so'", 'a library' ], [ 'SELECT pg_sleep(0)', 'sleeping' ],
  [ 'SELECT pg_advisory_lock(1)', 'an advisory lock' ], [ "SELECT pg_notify('x', 'y')", 'a notification by function' ],
  [ 'ALTER SYSTEM SET log_statement = $$all$$', 'the configuration' ], [ 'CHECKPOINT', 'a checkpoint' ],
  [ 'SET temp_file_limit = -1', 'the limit of temporary files' ], [ 'SET dualdb.audience = $$x$$', 'a setting of dualdb' ],
  [ 'SET session_replication_role = replica', 'triggers off' ], [ 'SET log_statement = $$all$$', 'what is logged' ],
  [ 'ALTER VIEW bridge.user_lookup SET (security_barrier = false)', 'the barrier' ],
  [ 'GRANT SELECT ON auth.users TO dualdb_bridge', 'a grant' ], [ 'REINDEX TABLE auth.users', 'an index' ];

# everything that the catalogs show, row by row
sub shown
{
	my ($session) = @_;
	my ($text, @refused) = ('');
	foreach my $relation (split /\n/, auth(q{
		SELECT c.oid::regclass FROM pg_class c WHERE c.relkind IN ('r', 'v') AND c.relnamespace::regnamespace::text IN ('pg_catalog', 'information_schema')}))
	{
		my $answer = $session->ask("SELECT x::text FROM $relation x");
		push @refused, $relation if $answer =~ /^42501: /;
		$text .= $answer;
	}
	return ($text, map { s/^pg_catalog\.//r } @refused);
}
my ($seen, @hidden) = shown($attacker);
my ($all) = shown($owner);
my %hidden = map { $_ => 1 } @hidden;
my @open = grep { !$hidden{$_} } qw(pg_authid pg_shadow pg_hba_file_rules pg_ident_file_mappings pg_file_settings
  pg_statistic pg_largeobject pg_user_mapping pg_backend_memory_contexts pg_shmem_allocations pg_config);
is("@open", '', 'catalogs that hold something are refused');
like($seen, qr/password_hash/, 'control: names of columns are shown');
my @found = grep { index($seen, $secret{$_}) >= 0 } sort keys %secret;
is("@found", '', 'and nothing that is in them');
@found = grep { index($all, $secret{$_}) >= 0 } 'a hash', 'an address of a deleted user', 'the place of the key file';
is(scalar(@found), 3, 'control: the superuser sees such things there') or diag "@found";

# by the attacker's own foreign tables, which the app server cannot be kept from
my $foreign = DualDB::Session->new($app, 'aisales_app');
is($foreign->ask(q{CREATE USER MAPPING FOR CURRENT_USER SERVER dualdb_auth OPTIONS (user 'dualdb_bridge', password_required 'false');
	CREATE SCHEMA stolen; CREATE SCHEMA open; IMPORT FOREIGN SCHEMA bridge FROM SERVER dualdb_auth INTO open}), '', 'control: a schema can be imported');
is($foreign->ask('SELECT u.display_name FROM open.user_lookup u'), 'Ann', 'control: and read');
is($foreign->ask(q{IMPORT FOREIGN SCHEMA auth LIMIT TO (users, sessions) FROM SERVER dualdb_auth INTO stolen OPTIONS (import_generated 'false')}),
	'', 'schema auth can be imported');
like($foreign->ask(q{SELECT a.attname FROM pg_attribute a WHERE a.attrelid = 'stolen.users'::regclass AND a.attnum > 0}), qr/^password_hash$/m,
	'which shows names');
like($foreign->ask($_), qr/^42501: permission denied/, "and nothing else: $_")
  foreach 'SELECT * FROM stolen.users', 'SELECT * FROM stolen.sessions',
  q{ALTER SERVER dualdb_auth OPTIONS (SET updatable 'true'); DELETE FROM stolen.users},
  q{ALTER FOREIGN TABLE bridge.user_lookup OPTIONS (SET schema_name 'auth', SET table_name 'users'); SELECT * FROM bridge.user_lookup};

$_->end foreach $attacker, $owner, $foreign;
done_testing();
