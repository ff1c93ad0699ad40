# The commands and queries by which docs/backup.md rotates the master key, as they stand:
# nobody else can read a key on the way, and nothing is sealed under one that goes.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Docs;
use DualDB::MasterKeys;
use DualDB::Session;
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', conf => "max_prepared_transactions = 5\ndualdb.argon2_memory = '19MB'\ndualdb.argon2_iterations = 2\n");
set_up_auth($node);
my $superuser = getpwuid($<);
my $folder = $node->basedir . '/keys';
my $bin = $node->basedir . '/bin';
mkdir $_, 0700 or die $! foreach $folder, $bin;
my %user = map { ($_ => register($node, "$_\@example.com")) } qw(ann bob carl);
sub owner { return $node->safe_psql('aisales_auth', shift); }

# who the owner is and who may become him is the system's; here it is one user
append_to_file("$bin/chown", "#!/bin/sh\nexit 0\n");
append_to_file("$bin/sudo", "#!/bin/sh\nshift 2\nexec \"\$@\" -d '" . $node->connstr('postgres') . "'\n");
chmod 0700, "$bin/chown", "$bin/sudo" or die $!;

my $old = key_of($node);
append_to_file("$folder/master.key", $old);
chmod 0600, "$folder/master.key" or die $!;
$node->safe_psql('postgres', "ALTER SYSTEM SET dualdb.key_file = '$folder/master.key'");
$node->reload;
$node->poll_query_until('aisales_auth', "SELECT dualdb.setting('key_file') = '$folder/master.key'") or die;

my @commands = code_blocks('backup.md', 'Rotating the master key', '');
my ($waits, $reseals) = code_blocks('backup.md', 'Rotating the master key', 'sql');
is(scalar @commands, 4, 'a new key, and three steps with commands');

# What they leave behind: names, modes and the keys in the file.
sub run_commands
{
	my ($commands, $name) = @_;
	my $loaded = $node->safe_psql('postgres', 'SELECT pg_conf_load_time()');
	local $ENV{PATH} = "$bin:$ENV{PATH}";
	my $umask = umask 022;

	command_ok([ 'sh', '-euc', $commands =~ s{/etc/dualdb}{$folder}gr ], $name);
	umask $umask;
	$node->poll_query_until('postgres', "SELECT pg_conf_load_time() > '$loaded'") or die 'no reload' if $commands =~ /reload/;
	is(join(' ', grep { (stat)[2] & 077 } glob "$folder/*"), '', "$name: nobody else can read a key");
	return slurp_file("$folder/master.key");
}
sub waited_for { return $node->safe_psql('aisales_auth', $waits); }
sub enroll { return "SELECT status FROM auth.enroll_totp('$user{$_[0]}')"; }

run_commands(shift @commands, 'a new key');
my $new = slurp_file("$folder/new.key");
is(length $new, 32, 'of 32 bytes');
is(run_commands(shift @commands, 'step 1'), $old . $new, 'step 1: the new key is known');
is(waited_for(), '', 'nobody is to be waited for');

# who has sealed under the old key, and has not committed
my $session = DualDB::Session->new($node, 'aisales_auth');
$session->query('BEGIN');
is($session->ask(enroll('ann')), 'ok', 'a secret that is sealed before step 2');
my $pid = $session->ask('SELECT pg_backend_pid()');
owner('BEGIN; ' . enroll('bob') . q{; PREPARE TRANSACTION 'enrolled'});
is(run_commands(shift @commands, 'step 2'), $new . $old, 'step 2: the new key is the current one');
is(join(' ', glob "$folder/*"), "$folder/master.key", 'step 2: and the only copy here');
is(owner(enroll('carl')), 'ok', 'a secret that is sealed after step 2');
owner($reseals);
is(usage($node), 'current|1|2|1 other|0|0|0', 'the others are seen by nobody');
like(waited_for(), qr/^\Q$pid\E\|idle in transaction\|.*\nenrolled\|prepared\|/, 'but are waited for');
$session->query('COMMIT');
owner(q{COMMIT PREPARED 'enrolled'});
is(waited_for(), '', 'until they commit');
is(usage($node), 'current|1|2|1 other|0|0|2', 'there they are');
owner($reseals);
is(usage($node), 'current|1|2|3 other|0|0|0', 'step 3: all is sealed anew');
is(run_commands(shift @commands, 'step 4'), $new, 'step 4: the old key is gone');
is(usage($node), 'current|1|2|3', 'and nothing is missing');

done_testing();
