# verify_setup() of pg_hba.conf and pg_ident.conf: each line that opens too much.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use DualDB::Verify;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = verified_cluster('main');
my $auth = 'aisales_auth';

make_certificate($node);
$node->append_conf('postgresql.conf', 'ssl = on');
$node->reload;

# Lines before those of the documentation make the findings, with a hint that
# names what to write.
sub lines_say
{
	my ($expected, $hint, @lines) = @_;
	my ($item) = $expected =~ /\|(\w+)/;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	write_hba($node, @lines);
	is(findings($node, $auth), join(' ', sort(split(' ', "$expected $DualDB::Verify::EVERYWHERE"))), "@lines");
	my $hints = hints_of($node, $auth, $item);
	like($hints, $hint, 'the hint');

	# which, where it says what to put before the line, takes the finding away
	if (my @put = $hints =~ /^Put "(.*?)"(?: and "(.*?)")? before (?:it|line 1 )/mg)
	{
		write_hba($node, "local $auth dualdb_bridge peer map=dualdb", grep({ defined } @put), @lines);
		unlike(findings($node, $auth), qr/\|$item|hba_file/, 'mends it');
	}
	return;
}

my $trust = 'error|hba_trust';
my $elsewhere = 'error|hba_bridge_elsewhere';
lines_say('error|hba_file', qr/^Correct line 1 of pg_hba.conf/, 'local all all no_such_method');
lines_say($trust, qr/scram-sha-256 or peer instead of trust in line 1 /, 'local other carol trust');
lines_say($trust, qr/^Write scram-sha-256 instead/, 'hostssl all carol 10.0.0.0/8 trust');

# the bridge role elsewhere
lines_say($elsewhere, qr/^Put "local all dualdb_bridge reject" before it/, 'local all dualdb_bridge scram-sha-256');
lines_say($elsewhere, qr/^Put "host all dualdb_bridge all reject" before it/, 'hostssl all all all scram-sha-256');
lines_say($elsewhere, qr/./, 'local postgres,aisales_app dualdb_bridge peer map=dualdb');
lines_say($elsewhere, qr/./, 'local sameuser,aisales_app all scram-sha-256');
lines_say($elsewhere, qr/./, 'local all +dualdb_bridge scram-sha-256');
lines_say($elsewhere, qr/./, 'local /^post /^dualdb scram-sha-256') if $node->pg_version->major >= 16;
lines_say('warning|hba_bridge_elsewhere', qr/^Put "local replication dualdb_bridge reject"/, 'local replication dualdb_bridge scram-sha-256');
lines_say('warning|hba_bridge_elsewhere warning|hba_replication', qr/./, 'hostssl replication all 10.0.0.0/8 scram-sha-256');
like(hints_of($node, $auth, 'hba_replication'), qr/^Remove line \d of pg_hba.conf, or write the role that replicates instead of all/, 'the hint');

# how it comes into the auth database
my $local = "local $auth dualdb_bridge";
lines_say("error|hba_bridge_method $trust", qr/^Put "local aisales_auth dualdb_bridge peer map=dualdb" before line 1 /, "$local trust");
lines_say('error|hba_bridge_method', qr/^Put "local/, "$local password");
lines_say('error|hba_bridge_method', qr/^Put "local/, "$local md5");
lines_say('error|hba_bridge_method', qr/^Put "host all,replication dualdb_bridge all reject" before line 1 of pg_hba.conf, after a hostssl line/,
	"hostssl $auth $_ md5") foreach 'dualdb_bridge 10.0.0.1/32', 'all 0.0.0.0/0';
lines_say('error|hba_bridge_tls', qr/^Write hostssl instead of host in line 1/, "host $auth dualdb_bridge $_ scram-sha-256")
  foreach '10.0.0.1/32', '127.0.0.1/1', '::1/0';
lines_say('error|hba_bridge_tls', qr/^Write hostssl instead of hostnossl in line 1/, "hostnossl $auth all all scram-sha-256");

# control: lines that are in order, by first match
foreach my $lines (["hostssl $auth dualdb_bridge 10.0.0.1/32 cert"], (map { ["host $auth dualdb_bridge $_ scram-sha-256"] } '127.0.0.1/32', '127.0.0.0/8', '::1/128', 'samehost'),
	["hostssl $auth dualdb_bridge all scram-sha-256"],
	[ 'local all dualdb_bridge reject' ],
	[ 'host all,replication dualdb_bridge all reject', 'host all,replication carol all scram-sha-256', 'hostssl all all all scram-sha-256' ],
	[ 'local replication carol peer', 'local all carol,dave scram-sha-256' ])
{
	write_hba($node, @$lines);
	my $way = $lines->[0] eq 'local all dualdb_bridge reject' ? ' warning|hba_bridge_way' : '';
	is(findings($node, $auth), "$DualDB::Verify::EVERYWHERE$way", "in order: @$lines");
}

# lines that are missing
sub without
{
	my ($pattern, $expected, $hint) = @_;
	my ($item) = $expected =~ /\|(\w+)/;

	write_hba($node);
	my $hba = $node->data_dir . '/pg_hba.conf';
	my @lines = grep { !/$pattern/ } split /\n/, slurp_file($hba);
	unlink $hba;
	$node->append_conf('pg_hba.conf', join "\n", @lines);
	is(findings($node, $auth), join(' ', sort(split(' ', "$expected $DualDB::Verify::EVERYWHERE"))), "without $pattern");
	like(hints_of($node, $auth, $item), $hint, 'the hint');
	return;
}
without('^local all.*reject', 'warning|hba_bridge_reject', qr/^Add "local all dualdb_bridge reject"/);
without('^host all.*reject', 'warning|hba_bridge_reject', qr/^Add "host all dualdb_bridge all reject"/);
without('peer map', 'warning|hba_bridge_way', qr/^Put "local aisales_auth dualdb_bridge peer map=dualdb" first/);


# peer without a map is for an operating system user of the role's name
sub way_with
{
	my ($line) = @_;

	unlink $node->data_dir . '/pg_hba.conf';
	$node->append_conf('pg_hba.conf', $line);
	return $node->safe_psql($auth, q{SELECT status FROM dualdb.verify_setup() WHERE item = 'hba_bridge_way'});
}
is(way_with('local all all peer'), 'warning', 'peer without a map is no way');
is(way_with("local $auth dualdb_bridge peer map=dualdb\nlocal all all peer"), 'ok', 'and with one it is');

# replication and the ident map
$node->safe_psql('postgres', 'CREATE ROLE dualdb_replicator LOGIN REPLICATION');
write_hba($node, 'hostssl replication dualdb_replicator 10.0.0.0/8 scram-sha-256');
is(findings($node, $auth), $DualDB::Verify::EVERYWHERE, 'control: a line for replication');
write_hba($node, 'hostssl aisales_app dualdb_replicator 10.0.0.0/8 scram-sha-256');
like(findings($node, $auth), qr/^error\|hba_replicator /, 'a line that lets the replication role into a database');
like(hints_of($node, $auth, 'hba_replicator'), qr/^Put "local all dualdb_replicator reject"/, 'the hint');
write_hba($node);
foreach ('dualdb mallory dualdb_bridge', 'dualdb /^(.*)$ dualdb_bridge', 'dualdb /^(x')
{
	my $ident = slurp_file($node->data_dir . '/pg_ident.conf');
	$node->append_conf('pg_ident.conf', $_);
	like(findings($node, $auth), qr/^error\|ident_map /, "in pg_ident.conf: $_");
	like(hints_of($node, $auth, 'ident_map'), qr/pg_ident.conf/, 'the hint');
	unlink $node->data_dir . '/pg_ident.conf';
	$node->append_conf('pg_ident.conf', $ident);
}
is(findings($node, $auth), $DualDB::Verify::EVERYWHERE, 'and without them all is well');
is(findings($node, 'aisales_app'), $DualDB::Verify::EVERYWHERE, 'as it is seen from the app database');
write_hba($node, 'local aisales_app dualdb_bridge scram-sha-256');
like(findings($node, 'aisales_app'), qr/^error\|hba_bridge_elsewhere /, 'which sees the other lines, too');

done_testing();
