# Every block of SQL of the runbooks and of the page on monitoring runs as it stands,
# and does what it is there for; afterwards users log in and the sync works.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Docs;
use DualDB::Session;
use DualDB::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = auth_app_cluster('main', allows_streaming => 'physical', conf => q{
dualdb.argon2_memory = '19MB'
dualdb.argon2_iterations = 2
});
my $superuser = getpwuid($<);
my $password = $DualDB::Test::PASSWORD;
my $docs = "$FindBin::RealBin/../../docs";
my $ann = register($node, 'ann@example.com', 'Ann');
my $bob = register($node, 'bob@example.com', 'Bob');

sub auth { return $node->safe_psql('aisales_auth', shift); }
sub app { return $node->safe_psql('aisales_app', shift); }
sub new_key { return auth("SELECT api_key FROM auth.create_api_key('$ann', 'key', '{}')"); }
sub status_of { return auth("SELECT status FROM auth.$_[0]"); }
sub refused { return psql_error($node, $_[0], $superuser, "SELECT dualdb.jwt_verify('$_[1]')") =~ /^28000: / ? 'refused' : 'good'; }

# Run a section as it stands; returns what its blocks print.
sub run_section
{
	my ($file, $heading) = @_;

	return run_blocks($file . (defined $heading ? ", $heading" : ''), sql_blocks($file, $heading));
}

sub run_blocks
{
	my ($name, @blocks) = @_;
	my $all = '';
	my $errors = '';

	foreach my $block (@blocks)
	{
		my ($database, $sql) = @$block;
		my ($status, $out, $err) = psql_as($node, $database, $superuser, $sql);
		# libpq tells of a connection that the block itself has ended
		$errors .= "$sql$err" if $status != 0;
		$all .= "$out\n";
	}
	is($errors, '', "$name runs");
	return $all;
}

sub works_ok
{
	my ($after) = @_;
	my ($token) = login_tokens($node, 'bob@example.com');

	app('SELECT dualdb.sync()');
	return is(app("SELECT dualdb.jwt_verify('$token') ->> 'sub'"), $bob, "after $after users log in, and the sync works");
}

# monitoring comes first: its role is made there
run_section('monitoring.md');
is((psql_as($node, 'aisales_auth', 'monitor', 'SELECT logins = 0 FROM auth.statistics'))[1], 't', 'the monitoring role reads');
foreach my $name ('auth', 'app')
{
	my $yaml = slurp_file("$docs/../contrib/monitoring/queries-$name.yaml");
	my %queries = $yaml =~ /^(\w+):\n  query: \|\n((?:    .*\n)+)/mg;

	foreach my $metric (sort keys %queries)
	{
		my ($status, $out, $err) = psql_as($node, "aisales_$name", 'monitor', "\\pset tuples_only off\n\\pset footer off\n$queries{$metric}");
		my ($columns) = split /\n/, $out;
		my ($section) = $yaml =~ /^$metric:\n.*?metrics:\n(.*?)(?=^\w|\z)/ms;

		is($status, 0, "the exporter's query $metric") or diag $err;
		is($columns, join('|', $section =~ /^    - (\w+):/mg), 'and its metrics are the columns');
	}
	my $documented = slurp_file("$docs/monitoring.md");
	my @columns = split /\n/, $node->safe_psql("aisales_$name", "SELECT attname FROM pg_attribute WHERE attrelid = '$name.statistics'::regclass AND attnum > 0");
	is(join(' ', grep { $documented !~ /^\|[^|]*\b$_\b[^|]*\|/m } @columns), '', "every column of $name.statistics is documented");
}

foreach my $file ('phases', 'failover', 'upgrade-extension')
{
	run_section("runbooks/$file.md");
	works_ok($file);
}

# restore: everybody logs in again, and what may have been ended after the moment is
my ($token, $refresh_token) = login_tokens($node, 'ann@example.com');
my $api_key = new_key();
my $reset = auth("SELECT token FROM auth.request_password_reset('ann\@example.com')");
is(join(' ', status_of("verify_api_key('$api_key')"), refused('aisales_app', $token)), 'ok good', 'control: all of it is good');
# until all of it has ended, nobody but a superuser gets in
my @steps = sql_blocks('runbooks/restore.md');
my ($kept_out) = code_blocks('runbooks/restore.md', undef, '');
my $hba = slurp_file($node->data_dir . '/pg_hba.conf');
sub write_hba
{
	unlink $node->data_dir . '/pg_hba.conf';
	$node->append_conf('pg_hba.conf', $_[0]);
	return $node->reload;
}
write_hba(($kept_out // '') =~ s/postgres +peer/$superuser trust/r . $hba);
run_blocks('restore.md, before anybody is let in', @steps[ 0 .. 2 ]);
like(DualDB::Session->to($node->connstr('aisales_auth') . ' user=auth_login')->ask('SELECT 1'), qr/pg_hba\.conf rejects/, 'nobody is in before it');
write_hba($hba);
is((psql_as($node, 'aisales_auth', 'auth_login', 'SELECT 1'))[1], '1', 'control: and afterwards they are');
run_blocks('restore.md, then', @steps[ 3 .. $#steps ]);
is(join(' ', status_of("refresh('$refresh_token')"), status_of("verify_api_key('$api_key')"), status_of("reset_password('$reset', '$password')")),
	'revoked revoked invalid_credentials', 'sessions, API keys and tokens by mail have ended');
is(join(' ', map { refused($_, $token) } 'aisales_auth', 'aisales_app'), 'refused refused', 'access tokens, too');
works_ok('restore');

# rotation: tokens of before are good
($token) = login_tokens($node, 'ann@example.com');
auth("SELECT auth.create_api_key('$ann', 'soon', '{}', now() + interval '1 week')");
my $out = run_section('runbooks/key-rotation.md');
like($out, qr/\|soon\|ann\@example\.com\|/, 'a key that is to be rotated is listed');
app('SELECT dualdb.sync()');
is(refused('aisales_app', $token), 'good', 'tokens of before the rotation are good');
works_ok('key-rotation');

# compromise, one after the other
($token) = login_tokens($node, 'ann@example.com');
run_section('runbooks/key-compromise.md', 'A signing key');
is(join(' ', map { refused($_, $token) } 'aisales_auth', 'aisales_app'), 'refused refused', 'tokens of the key are refused');
works_ok('the loss of a signing key');

($token, $refresh_token) = login_tokens($node, 'ann@example.com');
$api_key = new_key();
auth("SELECT auth.enroll_totp('$bob')");
$out = run_section('runbooks/key-compromise.md', 'The master key');
like($out, qr/^bob\@example\.com$/m, 'whose second factor is known is listed');
is(join(' ', status_of("refresh('$refresh_token')"), status_of("verify_api_key('$api_key')"), refused('aisales_auth', $token)),
	'invalid_credentials invalid_credentials refused', 'nothing of before is good');
works_ok('the loss of the master key');

my ($stolen, $bobs) = (new_key(), auth("SELECT api_key FROM auth.create_api_key('$bob', 'key', '{}')"));
run_section('runbooks/key-compromise.md', 'An API key');
is(join(' ', map { status_of("verify_api_key('$_')") } $stolen, $bobs), 'revoked ok', 'the keys of one user are revoked');
works_ok('the loss of an API key');

my ($cut, $ended, $seen, $let_in) = sql_blocks('runbooks/key-compromise.md', 'A stolen app server');
app('SELECT dualdb.sync()');
auth('CREATE ROLE orm_login LOGIN IN ROLE dualdb_auth_orm');
$node->append_conf('pg_hba.conf', 'local all orm_login trust');
$node->reload;
$api_key = new_key();
$reset = auth("SELECT token FROM auth.request_password_reset('ann\@example.com')");
auth("SELECT auth.create_role('planted', '{everything}'), auth.grant_role('$bob', 'planted')");
($token, $refresh_token) = login_tokens($node, 'ann@example.com');
my %open = map { ($_ => DualDB::Session->new($node, 'aisales_auth', $_)) } 'auth_login', 'orm_login';
is($open{$_}->ask('SELECT 1'), '1', "control: a session of $_") foreach sort keys %open;
$node->safe_psql(@$cut);
error_is($node, 'aisales_app', $superuser, 'SELECT dualdb.sync()', qr/^08/, 'a stolen app server is cut off');
error_is($node, 'aisales_auth', 'auth_login', "SELECT auth.login('ann\@example.com', '$password')", qr/^42501: /, 'its application does not log in');
is(auth(q{SELECT count(*) FROM pg_stat_activity a WHERE a.usename IN ('auth_login', 'orm_login')}), '0', 'nor go on');
is(join(' ', status_of("verify_api_key('$api_key')"), refused('aisales_auth', $token)), 'ok good', 'control: what it has seen is still good');
$node->safe_psql(@$ended);
like($node->safe_psql(@$seen), qr/\|authz_change\|bob\@example\.com\|planted$/m, 'what it has done is listed');
$node->safe_psql(@$let_in);
is(join(' ', status_of("refresh('$refresh_token')"), status_of("verify_api_key('$api_key')"), status_of("reset_password('$reset', '$password')"),
		refused('aisales_auth', $token)), 'revoked revoked invalid_credentials refused', 'nothing that it has seen is good');
is((psql_as($node, 'aisales_auth', 'auth_login', "SELECT status FROM auth.login('ann\@example.com', '$password')"))[1], 'ok', 'and afterwards it does');
works_ok('a stolen app server');

# a standby that takes everything along, and another one that is still ours
auth('SELECT count(*) FROM dualdb.setup_replicas(2)');
auth("ALTER ROLE dualdb_replicator PASSWORD 'planted'");
my %standby;
foreach my $name ('dualdb_standby_1', 'dualdb_standby_2')
{
	mkdir $node->basedir . "/$name" or die $!;
	$standby{$name} = IPC::Run::start([ 'pg_receivewal', '--no-loop', '-S', $name, '-D', $node->basedir . "/$name", '-d', $node->connstr . " application_name=$name" ], '2>', '/dev/null');
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_replication WHERE application_name = '$name'") or die "$name does not stream";
}
run_section('runbooks/key-compromise.md', 'A stolen standby');
is($node->safe_psql('postgres', 'SELECT r.application_name, s.slot_name FROM pg_stat_replication r, pg_replication_slots s'),
	'dualdb_standby_1|dualdb_standby_1', 'a stolen standby is cut off, the other one is not');
is($node->safe_psql('postgres', "SELECT rolpassword IS NULL FROM pg_authid WHERE rolname = 'dualdb_replicator'"), 't', 'and its password is void');
$_->kill_kill foreach values %standby;
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_replication");
$node->safe_psql('postgres', "SELECT pg_drop_replication_slot('dualdb_standby_1')");
run_section('runbooks/key-compromise.md', 'A stolen backup of the auth database');

# a slot that nobody uses
$node->safe_psql('postgres', "SELECT pg_create_physical_replication_slot('dualdb_standby_2', true), pg_create_physical_replication_slot('dualdb_standby_3', true)");
like(run_section('runbooks/disk-full.md'), qr/^dualdb_standby_2\|f\|reserved\|/m, 'a slot that retains WAL is shown');
is($node->safe_psql('postgres', 'SELECT slot_name FROM pg_replication_slots'), 'dualdb_standby_3', 'and dropped, but not the others');
works_ok('a lost replica');

# the sync: a directory that is not what the sync believes
app("DELETE FROM app.users WHERE id = '$ann'; SELECT dualdb.sync()");
is(app("SELECT count(*) FROM app.users WHERE id = '$ann'"), '0', 'a user is missing');
run_section('runbooks/sync-stopped.md');
is(app("SELECT count(*) FROM app.users WHERE id = '$ann'"), '1', 'and is there when all have been compared');
works_ok('a sync that stopped');

# somebody tries passwords, and finds one
my $from = "ip => '203.0.113.7'";
(undef, $refresh_token) = login_tokens($node, 'ann@example.com');
psql_as($node, 'aisales_auth', 'auth_login', join '', map { "SELECT auth.login('guess$_\@example.com', 'wrong', $from);\n" } 1 .. 21);
psql_as($node, 'aisales_auth', 'auth_login', "SELECT auth.login('ann\@example.com', '$password', $from)");
auth('SELECT auth.flush()') foreach 1 .. 2;
ok($node->poll_query_until('aisales_auth', "SELECT count(*) = 21 FROM auth.audit_log WHERE ip = '203.0.113.7' AND event = 'authn_login_fail'"), 'failures are in the audit log');
$out = run_section('runbooks/login-failures.md');
like($out, qr/^203\.0\.113\.7\|21\|0\|/m, 'where they came from');
like($out, qr/^\Q$ann\E\|ann\@example\.com\|203\.0\.113\.7\|/m, 'and whose account is taken over');
is(join(' ', status_of("login('ann\@example.com', '$password')"), status_of("refresh('$refresh_token')")), 'invalid_credentials revoked', 'which nothing opens');
$reset = auth("SELECT token FROM auth.request_password_reset('ann\@example.com')");
is(join(' ', status_of("reset_password('$reset', '$password')"), status_of("login('ann\@example.com', '$password')")), 'ok ok', 'until its owner resets the password');
works_ok('failing logins');

# no runbook is left out
my $text = slurp_file("$docs/runbooks/README.md");
is(join(' ', grep { index($text, "($_)") < 0 } map { s{.*/}{}r } glob "$docs/runbooks/*-*.md"), '', 'every runbook is in the list');

done_testing();
