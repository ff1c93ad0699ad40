# verify_setup() of the server: logging, durability, TLS, logical replication, keys.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use DualDB::Verify;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = verified_cluster('main', conf => "wal_level = logical\nmax_worker_processes = 8");
my $good = $DualDB::Verify::EVERYWHERE;
my $auth = 'aisales_auth';

sub restart_with
{
	$node->append_conf('postgresql.conf', $_[0]);
	$node->restart;
	return;
}

breaks_ok($node, $auth,
	(map { [ "error|debug_print", "ALTER $_" ] } 'DATABASE aisales_auth SET debug_print_parse = on',
		'ROLE auth_login SET debug_print_plan = on', 'ROLE auth_login IN DATABASE aisales_auth SET debug_print_rewritten = on'),
	[ 'error|replication_role', 'ALTER ROLE auth_login SET session_replication_role = replica' ],
	[ 'warning|durability', 'ALTER SYSTEM SET full_page_writes = off' ],
	[ 'warning|durability', 'ALTER SYSTEM SET fsync = off' ],
	[ 'error|password_encryption', 'ALTER SYSTEM SET password_encryption = md5' ],
	[ 'error|tls', q{ALTER SYSTEM SET ssl_min_protocol_version = 'TLSv1'} ],
	[ 'error|publications', 'CREATE PUBLICATION "My pub" FOR TABLE auth.users' ,
		after => 'DROP PUBLICATION "My pub"' ],
	[ 'error|publications', 'CREATE PUBLICATION p FOR TABLES IN SCHEMA auth', after => 'DROP PUBLICATION p' ],
	[ 'error|publications', 'CREATE PUBLICATION p FOR ALL TABLES' ],
	[ 'warning|subscriptions', q{CREATE SUBSCRIPTION "My sub" CONNECTION '' PUBLICATION p WITH (connect = false)} ],
	[ 'warning|migration', q{INSERT INTO dualdb.migration_tables (name, mapping, state) VALUES ('users', '{}', 'done')} ],
	[ 'warning|logical_slots', q{SELECT pg_create_logical_replication_slot('slot', 'pgoutput')} ],
	[ 'error|signing_key', q{UPDATE auth.signing_keys SET sealed_key = 'x' WHERE status = 'active'} ]);

# control: a publication of other tables
$node->safe_psql($auth, 'CREATE TABLE public.t (); CREATE PUBLICATION p FOR TABLE public.t');
is(findings($node, $auth), $good, 'a publication of other tables');

# what of a statement is logged, where the library is there to redact it and where not
my @logging = ('log_statement = \'all\'', 'log_min_duration_statement = 0', 'log_parameter_max_length = -1');
$node->safe_psql($auth, "ALTER ROLE auth_login SET $_") foreach @logging;
is(findings($node, $auth), $good, 'a preloaded library takes secrets out of the log');
restart_with("shared_preload_libraries = ''\nlog_min_error_statement = error\nmax_worker_processes = 4");
is(findings($node, $auth), join(' ', sort(split(' ', $good), 'warning|preload', 'warning|max_worker_processes',
	'warning|statement_logging', 'warning|log_statement', 'error|log_parameter_max_length')), 'and without it each setting is found');
like(hints_of($node, $auth, 'preload'), qr/^Add dualdb to shared_preload_libraries/, 'with what to do');
$node->safe_psql($auth, hints_of($node, $auth, $_)) foreach 'log_statement', 'statement_logging', 'log_parameter_max_length';
is(findings($node, $auth), join(' ', sort(split(' ', $good), 'warning|preload', 'warning|max_worker_processes')),
	'the hints change the settings where they are');
restart_with("shared_preload_libraries = 'dualdb,pg_stat_statements'\nmax_worker_processes = 8");
is(findings($node, $auth), "$good warning|statement_statistics", 'statistics of utility statements');
$node->safe_psql($auth, hints_of($node, $auth, 'statement_statistics'));
ok($node->poll_query_until($auth, q{SELECT NOT EXISTS (SELECT FROM dualdb.verify_setup() WHERE item = 'statement_statistics' AND status <> 'ok')}),
	'and without');

# a server that is reached by network; only the auth database needs TLS
restart_with("listen_addresses = '127.0.0.1'");
is(findings($node, $auth), $good, 'a server that listens to the loopback interface alone');
restart_with("listen_addresses = '*'");
is(findings($node, $auth), "error|tls $good", 'a server that listens to the network without TLS');
is(findings($node, 'aisales_app'), $good, 'which the app database does not need');
make_certificate($node);
$node->safe_psql($auth, hints_of($node, $auth, 'tls'));
ok($node->poll_query_until($auth, q{SELECT current_setting('ssl') = 'on'}), 'the hint turns it on');
is(findings($node, $auth), $good, 'and all is well');
restart_with("listen_addresses = ''");

# the key file
sub key_is
{
	my ($path, $expected, $hint, $name) = @_;
	$node->safe_psql('postgres', "ALTER SYSTEM SET dualdb.key_file = '$path'");
	$node->reload;
	$node->poll_query_until($auth, "SELECT dualdb.setting('key_file') = '$path'") or die 'the setting did not arrive';
	is(findings($node, $auth), join(' ', sort(split(' ', "$good $expected"))), $name);
	like(hints_of($node, $auth, 'key_file'), $hint, 'the hint') if $hint;
	return;
}
my $base = $node->basedir;
my $both = 'error|key_file error|signing_key';
key_is('', $both, qr/^Set dualdb.key_file/, 'no key file');
key_is("$base/missing", $both, qr/must be able to read/, 'a missing key file');
like($node->safe_psql($auth, q{SELECT detail FROM dualdb.verify_setup() WHERE item = 'key_file'}), qr/: "\Q$base\E\/missing"\.$/, 'which is named');
is(hints_of($node, $auth, 'signing_key'), 'Do what the hint of key_file says.', 'once');
key_is(make_key_file("$base/open.key", 0640), $both, qr/mode must be 0600/, 'a key file that the group can read');
key_is(make_key_file($node->data_dir . '/key'), $both, qr/outside the data directory/, 'a key file in the data directory');
key_is(make_key_file("$base/other.key"), 'error|signing_key error|hash_key error|sealed_values', undef, 'another key file');
like(hints_of($node, $auth, 'signing_key'), qr/^Restore the key file/, 'and what to do about it');

# the right key at a wrong place
sub copy_to
{
	my ($directory, $mode) = @_;
	mkdir "$base/$directory";
	open my $file, '>:raw', "$base/$directory/key" or die $!;
	print $file slurp_file("$base/master.key");
	close $file;
	chmod 0600, "$base/$directory/key" or die $!;
	chmod $mode, "$base/$directory" or die $!;
	return "$base/$directory/key";
}
key_is(copy_to('private', 0700), '', undef, 'control: a directory of the server\'s user');
foreach my $mode (0770, 0777, 01777)
{
	key_is(copy_to('shared', $mode), 'error|key_file', qr/^chmod go-w \S*shared;/, sprintf('a directory of mode %o', $mode));
	chmod 0755, "$base/shared" or die $!;
	is(findings($node, $auth), $good, 'mended by chmod');
}
mkdir "$base/space" or die $!;
$node->safe_psql('postgres', "CREATE TABLESPACE space LOCATION '$base/space'");
key_is(copy_to('space', 0700), 'error|key_file', qr/^Move the file out of it/, 'a tablespace');
key_is("$base/master.key", '', undef, 'the right file again');

done_testing();
