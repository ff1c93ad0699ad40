# pg_upgrade from one major version to another, both databases in place: sessions,
# tokens and keys go on, the sync compares all, and the setup mends what the new version
# has brought along.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Docs;
use DualDB::Majors;
use DualDB::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my %installations = major_installations();
my ($from, @others) = sort { $a <=> $b } keys %installations;
my $to = pop @others;
plan skip_all => "pg_upgrade needs two major versions with their development files; there is $from" unless $to;

my $place = PostgreSQL::Test::Utils::tempdir;
my %path = map { ($_ => install_extension($installations{$_}, "$place/$_")) } $from, $to;
my $password = $DualDB::Test::PASSWORD;
my $superuser = getpwuid($<);
my $conf = q{
dualdb.argon2_memory = '19MB'
dualdb.argon2_iterations = 2
dualdb.max_login_failures = 2
dualdb.app_database = 'aisales_app'
dualdb.sync_interval = '200ms'
};

my $old = new_cluster('old', conf => $conf, install_path => $path{$from});
my $new = new_cluster('new', conf => $conf, install_path => $path{$to},
	key_file => $old->basedir . '/master.key',
	# they must be alike, and version 18 turns them on
	initdb => $to >= 18 && $from < 18 ? ['--no-data-checksums'] : []);
is($_->[0]->safe_psql('postgres', "SELECT current_setting('server_version_num')::integer / 10000"), $_->[1], "a server of version $_->[1]")
  foreach [ $old, $from ], [ $new, $to ];
$new->stop;

my $node = $old;
sub auth { return $node->safe_psql('aisales_auth', shift); }
sub app { return $node->safe_psql('aisales_app', shift); }

# What verify_setup() finds amiss, but for the tests' own pg_hba.conf.
sub findings
{
	my ($database) = @_;
	return $node->safe_psql($database, q{SELECT v.status, v.item, v.detail FROM dualdb.verify_setup() v WHERE v.status <> 'ok' AND v.item !~ '^hba_' ORDER BY 1, 2, 3});
}

set_up_auth($node);
set_up_app($node);
my $ann = register($node, 'ann@example.com', 'Ann');
register($node, 'bob@example.com', 'Bob');
my ($token, $refresh_token) = login_tokens($node, 'ann@example.com');
my (undef, $ended) = login_tokens($node, 'ann@example.com');
auth("SELECT auth.logout('$ended')");
my $api_key = auth("SELECT api_key FROM auth.create_api_key('$ann', 'key', '{}')");
my $secret = auth("SELECT secret FROM auth.enroll_totp('$ann')");
auth("SELECT auth.confirm_totp('$ann', '" . totp_code($secret, -1) . "')");
auth('CREATE ROLE monitor LOGIN IN ROLE pg_monitor; GRANT CONNECT ON DATABASE aisales_auth TO monitor');
ok($node->poll_query_until('aisales_app', 'SELECT count(*) = 2 FROM app.users'), 'the sync worker has brought the users');
app("INSERT INTO app.projects (id, user_id, name) VALUES ('p', '$ann', 'Project');
	INSERT INTO app.api_logs (project_id, method, path) VALUES ('p', 'GET', '/')");
psql_as($node, 'aisales_auth', 'auth_login', "BEGIN; SELECT auth.login('guess\@example.com', 'wrong'); ROLLBACK;\n" x 2);
ok($node->poll_query_until('aisales_auth', 'SELECT auth.flush() = 0'), 'what was in shared memory is written down');
my %before = map { ($_ => findings("aisales_$_")) } 'auth', 'app';

# a user whom no change mark shows: they come by a comparison of all
app("ALTER SYSTEM SET dualdb.app_database = ''; SELECT pg_reload_conf()");
ok($node->poll_query_until('aisales_app', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'dualdb sync worker' AND datname IS NOT NULL}), 'the worker waits');
app("DELETE FROM app.users WHERE email = 'bob\@example.com'");
auth('ALTER SYSTEM RESET dualdb.app_database');
my $feed = auth('SELECT feed_id FROM bridge.feed');
$node->safe_psql(@$_) foreach sql_blocks('runbooks/upgrade-postgresql.md', 'Before');
is(auth("SELECT bool_and(has_function_privilege('monitor', p.oid, 'EXECUTE')) FROM pg_proc p WHERE p.proname = 'pg_logical_emit_message'"), 't', 'functions that the new version lacks are as initdb made them');
$node->stop;

chdir $place or die "cannot enter $place: $!";
my @upgrade = ('pg_upgrade', '--no-sync', '--retain', '-d', $old->data_dir, '-D', $new->data_dir,
	'-b', "$path{$from}/bin", '-B', "$path{$to}/bin", '-s', $new->host, '-p', $old->port, '-P', $new->port);
$new->command_ok([ @upgrade, '--check' ], "pg_upgrade --check from $from to $to");
$new->command_ok(\@upgrade, "pg_upgrade from $from to $to");
my $log = join '', map { slurp_file($_) } glob $new->data_dir . '/pg_upgrade_output.d/*/log/pg_upgrade_server.log';
like($log, qr/CREATE FUNCTION "dualdb"/, 'it has restored the extension');
unlike($log, qr/dualdb sync worker/, 'the sync worker kept out of it');
$node = $new;
$node->start;

# all goes on before anything else is done
is(app("SELECT dualdb.authenticate('$token')"), $ann, 'a token of before is good');
is(auth("SELECT status FROM auth.refresh('$refresh_token')"), 'ok', 'a session goes on');
is(auth("SELECT status FROM auth.refresh('$ended')"), 'revoked', 'one that has ended does not');
is(auth("SELECT status FROM auth.verify_api_key('$api_key')"), 'ok', 'an API key is good');
is(auth("SELECT status FROM auth.login('bob\@example.com', '$password')"), 'ok', 'a password is good');
is(auth("SELECT t.status FROM auth.login('ann\@example.com', '$password') l, auth.login_totp(l.challenge, '" . totp_code($secret) . "') t"), 'ok', 'so is a second factor');
is(auth("SELECT status FROM auth.login('guess\@example.com', 'wrong')"), 'throttled', 'and a lock holds');
# a server of the same port would not need this
app(sprintf q{ALTER SERVER dualdb_auth OPTIONS (SET host '%s', SET port '%d')}, $node->host, $node->port);
isnt(auth('SELECT feed_id FROM bridge.feed'), $feed, 'the auth database is another feed');
ok($node->poll_query_until('aisales_app', q{SELECT count(*) = 1 FROM app.users WHERE email = 'bob@example.com'}), 'so all users are compared');
register($node, 'zoe@example.com', 'Zoe');
ok($node->poll_query_until('aisales_app', q{SELECT v.complete AND EXISTS (SELECT FROM app.users WHERE email = 'zoe@example.com') FROM app.sync_status v}), 'and new ones come');
is(app("SELECT p.name, u.display_name, l.path FROM app.projects p JOIN app.users u ON u.id = p.user_id JOIN app.api_logs l ON l.project_id = p.id"), 'Project|Ann|/', 'the application has its rows');

# the setups, which know what the new version has more than the old one
like(findings('aisales_auth'), qr/^error\|catalog_functions\|PUBLIC may call pg_logical_emit_message/m, 'verify_setup() finds that PUBLIC may call them')
  if $from < 17 && $to >= 17;
foreach my $name ('auth', 'app')
{
	foreach my $block (grep { $_->[0] eq "aisales_$name" } sql_blocks('runbooks/upgrade-postgresql.md', 'After'))
	{
		my ($status, undef, $err) = psql_as($node, $block->[0], $superuser, $block->[1]);
		is($status, 0, "as the runbook says: $block->[1]") or diag $err;
	}
	is(findings("aisales_$name"), $before{$name}, 'verify_setup() finds what it found before');
}
foreach my $name ('auth', 'app')
{
	$node->safe_psql('postgres', "CREATE DATABASE fresh_$name");
	$node->safe_psql("fresh_$name", "CREATE EXTENSION dualdb; SELECT dualdb.setup_$name(" . ($name eq 'app' ? "auth_database => 'aisales_auth'" : '') . ')');
	is_deeply(catalog_of($node, "aisales_$name"), catalog_of($node, "fresh_$name"), "the catalog of aisales_$name is that of a fresh database");
}
is((psql_as($node, 'aisales_auth', 'monitor', 'SELECT logins >= 2 FROM auth.statistics'))[1], 't', 'monitoring goes on');

done_testing();
