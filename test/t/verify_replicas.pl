# verify_setup() of standbys, from their primary and from themselves: each fault is
# found, and its hint mends it.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use DualDB::Verify;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $superuser = getpwuid($<);
my $auth = 'aisales_auth';

# by the socket, as the superuser: TLS and the role have a test of their own
my $primary = verified_cluster('main', conf => "wal_level = replica\nmax_wal_senders = 10\nmax_replication_slots = 3\nwal_log_hints = on");
sub hba
{
	my (@lines) = @_;

	write_hba($primary, @lines, "local replication $superuser peer");
	$primary->reload;
	return;
}
hba();
is($primary->safe_psql($auth, 'SELECT s.statement FROM dualdb.setup_replicas(2) s WHERE s.statement IS NOT NULL ORDER BY 1'),
	"ALTER SYSTEM SET hot_standby_feedback = on\nALTER SYSTEM SET max_slot_wal_keep_size = '10GB'", 'what remains to be set');
error_is($primary, $auth, $superuser, 'SELECT dualdb.setup_replicas(4)', qr/^53400: 4 replication slots are needed, and max_replication_slots is 3/,
	'more slots than can be had');
is($primary->safe_psql($auth, 'SELECT count(*) FROM pg_replication_slots'), '2', 'and none of them is made');
error_is($primary, $auth, $superuser, "SELECT dualdb.setup_replicas($_)", qr/^22023/, "$_ standbys") foreach 0, 101, 'NULL';
$primary->safe_psql($auth, 'SELECT s.statement FROM dualdb.setup_replicas(2) s \gexec');
$primary->reload;
$primary->backup('backup');

my @standbys;
foreach my $name ('dualdb_standby_1', 'dualdb_standby_2')
{
	my $standby = PostgreSQL::Test::Cluster->new($name);
	$standby->init_from_backup($primary, 'backup', has_streaming => 1);
	$standby->append_conf('postgresql.conf', "primary_slot_name = '$name'");
	$standby->start;
	push @standbys, $standby;
}

# Only what is about standbys: all of verify_setup() would take a while each time.
my $all = join ' UNION ALL ', map { "SELECT v.* FROM dualdb.verify_$_(dualdb.verify_sides()) v" } 'slots', 'synchrony', 'conninfo', 'standby';

sub found
{
	my ($node) = @_;
	return join ' ', split /\n/, $node->safe_psql($auth, "SELECT DISTINCT f.status || '|' || f.item FROM ($all) f ORDER BY 1");
}

sub found_is
{
	my ($node, $expected, $name) = @_;
	my $found = '';

	foreach (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		$found = found($node);
		last if $found eq $expected;
		select undef, undef, undef, 0.1;
	}
	return is($found, $expected, $name);
}

sub hint
{
	my ($node, $item) = @_;
	return $node->safe_psql($auth, "SELECT f.hint FROM ($all) f WHERE f.item = '$item' ORDER BY f.status LIMIT 1");
}

sub literal { return "'" . ($_[0] =~ s/'/''/gr) . "'"; }

# The setting makes the finding; its hint, or what the hint says, takes it away.
sub setting_ok
{
	my ($node, $setting, $expected, %options) = @_;
	my ($item) = $expected =~ /\|(\w+)/;

	$node->safe_psql($auth, "ALTER SYSTEM SET $setting");
	$node->reload;
	found_is($node, $expected, "$expected: $setting");
	my $hint = hint($node, $item);
	like($hint, $options{like}, 'the hint') if $options{like};
	$node->safe_psql($auth, $options{mend} ? "ALTER SYSTEM SET $options{mend}" : $hint);
	$node->reload;
	found_is($node, '', 'mended by ' . ($options{mend} // $hint));
	return;
}

# logins that survive; the superuser's own commits are not to wait for nobody
my $names = 'synchronous_standby_names';
my $good = "$names = 'ANY 1 (dualdb_standby_1, dualdb_standby_2)'";
# the hint names those that stream, so both have to
$primary->poll_query_until($auth, "SELECT cardinality(dualdb.streaming_standbys()) = 2") or die 'the standbys do not stream';
found_is($primary, 'warning|synchronous_standbys', 'standbys that are not synchronous');
like(hint($primary, 'synchronous_standbys'), qr/^ALTER SYSTEM SET \Q$good\E; /, 'the hint');
$primary->safe_psql($auth, hint($primary, 'synchronous_standbys'));
found_is($primary, '', 'mends it');
setting_ok($primary, "$names = ''", 'warning|synchronous_standbys');
setting_ok($primary, "$names = '$_'", 'warning|synchronous_standbys', like => qr/^Have one standby more/, mend => $good)
  foreach 'dualdb_standby_1', '1 (dualdb_standby_1)', 'FIRST 2 (dualdb_standby_1, dualdb_standby_2)';
setting_ok($primary, "$names = 'ANY 1 (dualdb_standby_1, nobody)'", 'warning|synchronous_standbys', like => qr/^Start the others/, mend => $good);
setting_ok($primary, "$names = 'ANY 1 (nobody, no_other)'", 'error|synchronous_standbys', like => qr/synchronous_commit = local/, mend => $good);
foreach my $control ('*', 'dualdb_standby_1, dualdb_standby_2', 'ANY 1 (dualdb_standby_1, "dualdb_standby_2")')
{
	$primary->safe_psql($auth, "ALTER SYSTEM SET $names = '$control'");
	$primary->reload;
	$primary->poll_query_until($auth, "SELECT current_setting('$names') = '$control'") or die 'the setting did not arrive';
	found_is($primary, '', "control: $control");
}
foreach my $value ('local', 'remote_write')
{
	$primary->safe_psql($auth, "ALTER ROLE auth_login SET synchronous_commit = $value");
	found_is($primary, 'warning|synchronous_standbys', "a role that does not wait for the disk of a standby: $value");
	$primary->safe_psql($auth, hint($primary, 'synchronous_standbys'));
	found_is($primary, '', 'mended by the hint');
}
$primary->safe_psql($auth, 'ALTER ROLE auth_login SET synchronous_commit = remote_apply');
found_is($primary, '', 'control: one that waits for longer');
$primary->safe_psql($auth, 'ALTER ROLE auth_login RESET synchronous_commit');

# slots
setting_ok($primary, 'max_slot_wal_keep_size = -1', 'warning|slot_wal');
$standbys[1]->stop;
found_is($primary, 'warning|standby_slots warning|synchronous_standbys', 'a standby that is gone');
my $copy = $primary->basedir . '/copy';
mkdir $copy or die "cannot make $copy: $!";
my $receiver = IPC::Run::start([ 'pg_receivewal', '-D', $copy, '-d', $primary->connstr . ' application_name=dualdb_standby_2' ]);
$primary->poll_query_until($auth, "SELECT count(*) = 1 FROM pg_stat_replication r WHERE r.application_name = 'dualdb_standby_2' AND r.state = 'streaming'")
  or die 'pg_receivewal does not stream';
found_is($primary, 'warning|standby_slots warning|synchronous_standbys', 'what only receives WAL is no standby');
is($primary->safe_psql($auth, 'SELECT dualdb.streaming_standbys()'), '{dualdb_standby_1}', 'nor one for setup_replicas()');
$receiver->kill_kill;
like(hint($primary, 'standby_slots'), qr/^Start its standby; if .* SELECT pg_drop_replication_slot\('dualdb_standby_2'\);$/, 'the hint');
$standbys[1]->start;
found_is($primary, '', 'and is back');
$standbys[1]->stop;
$primary->safe_psql($auth, "ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'");
$primary->reload;
$primary->safe_psql($auth, 'SELECT pg_logical_emit_message(false, $$test$$, $$x$$); SELECT pg_switch_wal()') foreach 1 .. 3;
# or it would lose its slot, too
$primary->wait_for_catchup('dualdb_standby_1', 'flush', $primary->lsn('insert'));
$primary->safe_psql($auth, 'CHECKPOINT');
found_is($primary, 'error|standby_slots warning|synchronous_standbys', 'a slot that is lost');
$primary->safe_psql($auth, hint($primary, 'standby_slots'));
found_is($primary, 'warning|standby_slots warning|synchronous_standbys', 'and made anew, for a new standby');
$primary->safe_psql($auth, "ALTER SYSTEM SET max_slot_wal_keep_size = '10GB'");

# how standbys get in
my $line = 'replication dualdb_replicator 10.0.0.11/32';
foreach ([ "host $line scram-sha-256", 1 ], [ "hostnossl $line scram-sha-256", 1 ], [ "hostssl $line md5", 1 ],
	[ 'host replication dualdb_replicator 127.0.0.1/1 scram-sha-256', 1 ], [ 'host replication dualdb_replicator ::1/0 scram-sha-256', 1 ],
	[ 'host replication dualdb_replicator ::1/128 scram-sha-256', 0 ],
	[ "hostssl $line scram-sha-256", 0 ], [ "hostssl $line cert", 0 ], [ 'host replication dualdb_replicator 127.0.0.1/32 scram-sha-256', 0 ])
{
	hba($_->[0]);
	like(found($primary), $_->[1] ? qr/error\|hba_replicator_tls/ : qr/^warning\|standby_slots warning\|synchronous_standbys$/, $_->[0]);
	like(hint($primary, 'hba_replicator_tls'), qr/^Write hostssl and scram-sha-256 or cert in line 1 /, 'the hint') if $_->[1];
}

# a standby
my $standby = $standbys[0];
found_is($standby, '', 'control: a standby that is as it should be');
setting_ok($standby, 'hot_standby_feedback = off', 'warning|standby_feedback');
setting_ok($standby, "primary_slot_name = ''", 'warning|standby_slot', like => qr/^ALTER SYSTEM SET primary_slot_name = 'dualdb_standby_1';/);
my $conninfo = $standby->safe_psql($auth, "SELECT setting FROM pg_settings WHERE name = 'primary_conninfo'");
my $mend = 'primary_conninfo = ' . literal($conninfo);
setting_ok($standby, 'primary_conninfo = ' . literal("$conninfo $_"), 'error|primary_conninfo',
	like => qr/^(?!.*planted).*passfile=\/etc\/dualdb\/replicator\.pass/)
  foreach 'password=planted', q{password = 'planted \' planted'};
setting_ok($standby, "primary_conninfo = 'postgresql://r:planted_secret\@localhost:1/?sslmode=verify-full'", 'error|primary_conninfo',
	like => qr/^Write it as keywords/, mend => $mend);
setting_ok($standby, "primary_conninfo = '$_'", 'error|primary_conninfo', like => qr/^Write sslmode=verify-full/, mend => $mend)
  foreach 'host=localhost port=1 user=r', 'host=/tmp hostaddr=127.0.0.1 port=1 sslmode=require', 'postgresql://r@localhost:1/';
$standby->safe_psql($auth, "ALTER SYSTEM SET primary_conninfo = 'host=localhost port=1 user=r sslmode=verify-full'");
$standby->reload;
$standby->poll_query_until($auth, "SELECT current_setting('primary_conninfo') ~ 'verify-full'") or die 'the setting did not arrive';
found_is($standby, '', 'control: TLS, and the server proved');

# all of it is part of verify_setup(), and nothing else is found on a standby
is(findings($standby, $auth), $DualDB::Verify::EVERYWHERE, 'nothing else is to be said of a standby');
$standby->safe_psql($auth, "ALTER SYSTEM SET $_") foreach 'hot_standby_feedback = off', "primary_slot_name = ''", "primary_conninfo = 'host=localhost port=1'";
$standby->append_conf('postgresql.conf', 'wal_log_hints = off');
$standby->restart;
# checksums do as well, which newer versions have by default
my $rewind = $standby->safe_psql($auth, "SELECT current_setting('data_checksums')") eq 'on' ? '' : 'warning|rewind';
is(findings($standby, $auth), join(' ', sort split(' ', $DualDB::Verify::EVERYWHERE), 'error|primary_conninfo', $rewind || (),
		'warning|standby_feedback', 'warning|standby_slot'), 'verify_setup() says all of it');
is(hints_of($standby, $auth, 'rewind'), $rewind && 'ALTER SYSTEM SET wal_log_hints = on; and restart.', 'and how a former primary can come back');

done_testing();
