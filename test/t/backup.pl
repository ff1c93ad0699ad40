# Backup by pgBackRest with the configuration in contrib/pgbackrest: the auth cluster
# goes back to a moment between two logins while the app cluster goes on; a restored
# auth cluster is worth nothing without its key file; old backups expire.

use strict;
use warnings FATAL => 'all';

use File::Find;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::MasterKeys;
use DualDB::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $pgbackrest = (grep { -x } map { "$_/pgbackrest" } split /:/, $ENV{PATH})[0]
  or plan skip_all => 'pgbackrest is not installed';
my $contrib = "$FindBin::RealBin/../../contrib/pgbackrest";
my $place = PostgreSQL::Test::Utils::tempdir;
my $password = $DualDB::Test::PASSWORD;

# How pgbackrest is called.
sub pgbackrest
{
	my ($stanza, $configuration) = @_;

	return ($pgbackrest, "--config=$place/$stanza/" . ($configuration // 'here') . '.conf',
		"--config-include-path=$place/$stanza/conf.d", "--stanza=$stanza");
}

# The configuration as it is, but for places and how to connect.
sub configure
{
	my ($stanza, $configuration, $node) = @_;
	my $conf = slurp_file("$contrib/$stanza.conf");
	my %there = ('repo1-path' => "$place/$stanza/repo", 'pg1-path' => $node->data_dir . "\npg1-port=" . $node->port . "\npg1-socket-path=" . $node->host,
		'log-level-file' => "info\nlog-path=$place/$stanza/log\nlock-path=$place/$stanza/lock\nspool-path=$place/$stanza/spool");

	foreach my $option (keys %there)
	{
		$conf =~ s/^$option=.*/$option=$there{$option}/m or die "no $option";
	}
	append_to_file("$place/$stanza/$configuration.conf", $conf);
	return;
}

# What archives is configured when the cluster is there.
sub make_places
{
	my ($stanza) = @_;

	mkdir "$place/$stanza" or die $!;
	mkdir "$place/$stanza/$_" or die $! foreach qw(conf.d lock log repo spool);
	append_to_file("$place/$stanza/conf.d/cipher.conf", "[global]\nrepo1-cipher-pass=" . unpack('H*', new_key()) . "\n");
	my $archive = join ' ', pgbackrest($stanza), 'archive-push %p';
	return { allows_streaming => 1, conf => "archive_mode = on\narchive_command = 'test ! -e $place/$stanza/here.conf || $archive'\n"
		  . "dualdb.argon2_memory = '19MB'\ndualdb.argon2_iterations = 2" };
}

my ($auth, $app) = two_clusters(map { ($_ => make_places($_)) } 'auth', 'app');
sub auth { return $auth->safe_psql('aisales_auth', shift); }
sub app { return $app->safe_psql('aisales_app', shift); }
sub refresh { return auth("SELECT status FROM auth.refresh('$_[0]')"); }

# What of these a folder holds in clear, by name.
sub found_in
{
	my ($folder, %bytes) = @_;
	my %found;

	find(sub {
		return unless -f;
		my $content = slurp_file($_);
		foreach my $name (keys %bytes) { $found{$name} = 1 if index($content, $bytes{$name}) >= 0; }
	}, $folder);
	return join ' ', sort keys %found;
}

my %cluster = (auth => $auth, app => $app);

# What the timers have pgbackrest do, but for the stanza, which is there already.
sub arguments_of_unit
{
	my ($stanza, $type) = @_;
	my ($arguments) = slurp_file("$contrib/dualdb-backup-$stanza\@.service") =~ /^ExecStart=\S*flock \S+ \S*pgbackrest --stanza=$stanza (.*)/m
	  or die 'no command';

	return split / /, $arguments =~ s/%i/$type/r;
}

sub backup_ok
{
	my ($stanza, $type) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return command_ok([ pgbackrest($stanza), arguments_of_unit($stanza, $type) ], "$stanza: $type backup");
}
sub backups
{
	my ($out) = run_command([ pgbackrest($_[0]), 'info' ]);

	return scalar(() = $out =~ /^\s+(?:full|diff|incr) backup:/mg);
}
sub archived
{
	my ($node) = @_;
	my $segment = $node->safe_psql('postgres', 'SELECT pg_walfile_name(pg_current_wal_lsn())');

	$node->safe_psql('postgres', 'SELECT pg_switch_wal()');
	$node->poll_query_until('postgres', "SELECT last_archived_wal >= '$segment' FROM pg_stat_archiver") or die "$segment is not archived";
	return;
}

foreach my $stanza (sort keys %cluster)
{
	configure($stanza, 'here', $cluster{$stanza});
	command_ok([ pgbackrest($stanza), $_ ], "$stanza: $_") foreach 'stanza-create', 'check';
	backup_ok($stanza, 'full');
}

# cron does what the timers do
my @lines = map { my $stanza = $_; map { join ' ', "pgbackrest --stanza=$stanza", arguments_of_unit($stanza, $_) } 'incr', 'full' } 'auth', 'app';
is_deeply([ slurp_file("$contrib/dualdb-backup.cron") =~ /flock \S+ (.*)/g ], \@lines, 'cron runs the commands of the timers');

# two logins, and the moment between
my $ann = register($auth, 'ann@example.com', 'Ann');
my $secret = auth("SELECT secret FROM auth.enroll_totp('$ann')");
my $api_key = auth("SELECT api_key FROM auth.create_api_key('$ann', 'key', '{}')");
my ($token, $refresh_token) = login_tokens($auth, 'ann@example.com');
backup_ok('auth', 'incr');
my $moment = auth('SELECT clock_timestamp()');
auth("SELECT pg_sleep(0.01)");
my (undef, $later_token) = login_tokens($auth, 'ann@example.com');
register($auth, 'late@example.com', 'Late');
app('SELECT dualdb.sync()');
is(app('SELECT string_agg(display_name, \' \' ORDER BY display_name) FROM app.users'), 'Ann Late', 'the app knows both users');
app("INSERT INTO app.projects (id, user_id, name) VALUES ('p', '$ann', 'Project')");
archived($auth);

# the repository
my %secrets = ('password' => $password, 'refresh token' => $refresh_token, 'API key' => $api_key, 'master key' => key_of($auth),
	'TOTP secret' => pack('B160', join '', map { sprintf '%05b', index 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567', $_ } split //, $secret));
my %known = ('address' => 'ann@example.com', 'password hash' => '$argon2id$');
$auth->safe_psql('postgres', 'CHECKPOINT');
is(found_in($auth->data_dir, %known), 'address password hash', 'control: the data directory has addresses in clear');
is(found_in("$place/auth/repo", %secrets, %known), '', 'the repository has nothing in clear');
my %head;
find(sub { $head{ -f && -s > 8 ? substr(slurp_file($_), 0, 8) : next }++ if -f && -s > 8 }, "$place/auth/repo");
is(join(' ', keys %head), 'Salted__', 'every file of it is encrypted');
my @with_key_of_app = map { s/auth(?=.conf.d)/app/r } pgbackrest('auth');
command_like([ pgbackrest('auth'), 'info' ], qr/status: ok/, 'control: its key opens it');
command_like([ @with_key_of_app, 'info' ], qr/status: (?!ok)/, 'the key of the other repository does not');

# back to the moment; the app goes on
$auth->stop;
is(app("SELECT dualdb.authenticate('$token')"), $ann, 'the app knows users while the auth cluster is down');
app("INSERT INTO app.orders (project_id, user_id) VALUES ('p', '$ann')");
command_ok([ pgbackrest('auth'), '--delta', '--type=time', "--target=$moment", '--target-action=promote', 'restore' ], 'restore');
$auth->start;
$auth->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'recovery does not end';
is(refresh($refresh_token), 'ok', 'the first login goes on');
is(refresh($later_token), 'invalid_credentials', 'the second has not been');
is(auth("SELECT status FROM auth.login('ann\@example.com', '$password')"), 'ok', 'who was there logs in');
is(auth("SELECT status FROM auth.login('late\@example.com', '$password')"), 'invalid_credentials', 'who came later does not');
is(app('SELECT count(*) FROM app.orders'), '1', 'what the app has written is there');
is(app('SELECT complete FROM dualdb.sync()'), 't', 'the sync notices and compares');
is(app('SELECT string_agg(display_name, \' \') FROM app.users WHERE is_active'), 'Ann', 'who came later is gone from the directory');
register($auth, 'new@example.com', 'New');
is(app('SELECT users, complete FROM dualdb.sync()'), '1|t', 'and what changes from now on arrives');
backup_ok('auth', 'incr');

# its standbys do not go back, once the settings of pgBackRest are gone
sub new_standby
{
	my ($name) = @_;
	my $standby = PostgreSQL::Test::Cluster->new($name);

	$auth->backup($name);
	$standby->init_from_backup($auth, $name, has_streaming => 1);
	return $standby;
}
sub is_standby
{
	my ($status, $out) = $_[0]->psql('postgres', 'SELECT pg_is_in_recovery()');

	return $status == 0 && $out eq 't';
}

my $stopped = new_standby('stopped');
$stopped->start(fail_ok => 1);
auth('CREATE TABLE public.later ()');
foreach (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
{
	last unless is_standby($stopped);
	select undef, undef, undef, 0.1;
}
ok(!is_standby($stopped), 'control: with them a server that is to be a standby is none');
$stopped->stop('fast', fail_ok => 1);
$auth->safe_psql('postgres', slurp_file("$FindBin::RealBin/../../docs/backup.md") =~ /^(ALTER SYSTEM RESET recovery_target_time;.*?)^```$/ms ? $1 : die 'not documented');
my $follower = new_standby('follower');
$follower->start;
auth('DROP TABLE public.later');
ok($follower->poll_query_until('aisales_auth', "SELECT to_regclass('public.later') IS NULL"), 'without them it follows');
ok(is_standby($follower), 'and stays a standby');
$follower->stop;

# somewhere else, with and without the key file
my $copy = PostgreSQL::Test::Cluster->new('copy');
mkdir $copy->data_dir, 0700 or die $!;
configure('auth', 'copy', $copy);
command_ok([ pgbackrest('auth', 'copy'), '--type=immediate', '--target-action=promote', '--archive-mode=off', 'restore' ], 'restore somewhere else');
is(found_in($copy->data_dir, %secrets), '', 'it reveals no secret');
is(found_in($copy->data_dir, %known), 'address password hash', 'control: it is the data');
my $key_file = $copy->basedir . '/master.key';
$copy->append_conf('postgresql.conf', 'port = ' . $copy->port . "\ndualdb.key_file = '$key_file'\n");
$copy->start;
$copy->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'recovery does not end';

sub copy { return $copy->safe_psql('aisales_auth', shift); }
sub reload_with
{
	my ($key) = @_;
	my $loaded = copy('SELECT pg_conf_load_time()');

	unlink $key_file;
	append_to_file($key_file, $key);
	chmod 0600, $key_file or die $!;
	$copy->reload;
	$copy->poll_query_until('postgres', "SELECT pg_conf_load_time() > '$loaded'") or die;
	return;
}
sub login_error { return psql_error($copy, 'aisales_auth', scalar getpwuid($<), "SELECT auth.login('ann\@example.com', '$password')"); }
sub errors { return copy("SELECT string_agg(DISTINCT item, ' ' ORDER BY item) FROM dualdb.verify_setup() WHERE status = 'error' AND item ~ 'key|seal'"); }

like(login_error(), qr/^F0000: could not read the key file: No such file/, 'without the key file nobody logs in');
is(errors(), 'key_file signing_key', 'verify_setup() says what is missing');
reload_with(new_key());
like(login_error(), qr/^F0000: hash key was sealed under another master key$/, 'nor with another one');
is(errors(), 'hash_key sealed_values signing_key', 'verify_setup() says so');
reload_with(key_of($auth));
is(copy("SELECT status FROM auth.login('ann\@example.com', '$password')"), 'ok', 'with the right one all is well');
is(copy("SELECT status FROM auth.verify_api_key('$api_key')"), 'ok', 'API keys, too');

# what is old expires, and only that
SKIP:
{
	my $faketime = (grep { -x } map { "$_/faketime" } split /:/, $ENV{PATH})[0] or skip 'faketime is not installed', 11;
	backup_ok($_, 'full') foreach 'auth', 'app';
	is(backups('auth') . ' ' . backups('app'), '4 2', 'all backups are there');
	foreach my $case ([ 'app', 6, 2 ], [ 'app', 8, 1 ], [ 'auth', 8, 4 ], [ 'auth', 29, 4 ], [ 'auth', 31, 1 ])
	{
		my ($stanza, $days, $left) = @$case;
		run_log([ $faketime, '-f', "+${days}d", pgbackrest($stanza), 'expire' ]) or die 'expire failed';
		is(backups($stanza), $left, "$stanza: after $days days");
	}
	command_ok([ pgbackrest('auth', 'copy'), 'verify' ], 'what is left is whole');
	$copy->stop;
	command_ok([ pgbackrest('auth', 'copy'), '--delta', '--type=immediate', '--archive-mode=off', 'restore' ], 'and can be restored');
}

done_testing();
