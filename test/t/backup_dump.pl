# Encrypted dumps by contrib/dump/dualdb-dump: nothing in them can be read, the
# machine that makes them cannot read them either, and what is restored from them
# logs people in.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $dualdb_dump = "$FindBin::RealBin/../../contrib/dump/dualdb-dump";
my $place = PostgreSQL::Test::Utils::tempdir;
my $password = $DualDB::Test::PASSWORD;
my %has = map { my $program = $_; ($_ => scalar grep { -x "$_/$program" } split /:/, $ENV{PATH}) } qw(age gpg gpg-agent);
plan skip_all => 'neither age nor gpg is installed' if !$has{age} && !($has{gpg} && $has{'gpg-agent'});

my $node = auth_app_cluster('main', conf => "dualdb.argon2_memory = '19MB'\ndualdb.argon2_iterations = 2\n");
my $ann = register($node, 'ann@example.com', 'Ann');
my (undef, $refresh_token) = login_tokens($node, 'ann@example.com');
my $api_key = $node->safe_psql('aisales_auth', "SELECT api_key FROM auth.create_api_key('$ann', 'key', '{}')");
$node->safe_psql('aisales_app', 'SELECT dualdb.sync()');
$node->safe_psql('postgres', "ALTER ROLE auth_login PASSWORD 'database password'");
my ($scram) = $node->safe_psql('postgres', q{SELECT rolpassword FROM pg_authid WHERE rolname = 'auth_login'});
my @secrets = ($password, $refresh_token, $api_key, slurp_file($node->basedir . '/master.key'));
my @known = ('ann@example.com', '$argon2id$', 'dualdb_auth_owner');

my $server = new_cluster('restored');

sub folder { my $path = "$place/$_[0]"; mkdir $path, 0700 or die $!; return $path; }
sub files { my ($folder) = @_; return join ' ', sort map { s/.*\///r =~ s/\d{8}T\d{6}Z/now/r } glob "$folder/*"; }
sub holds { my ($file, @words) = @_; my $content = slurp_file($file); return scalar grep { index($content, $_) >= 0 } @words; }

# A PATH on which these programs are shell scripts.
sub fakes
{
	my ($name, %scripts) = @_;
	my $bin = folder("bin_$name");

	foreach my $program (keys %scripts)
	{
		append_to_file("$bin/$program", "#!/bin/sh\n$scripts{$program}\n");
		chmod 0700, "$bin/$program" or die $!;
	}
	return "$bin:$ENV{PATH}";
}

# run_dump(environment, arguments) as the timer does
sub run_dump
{
	my ($environment, @arguments) = @_;
	my ($out, $err) = ('', '');

	local @ENV{ keys %$environment } = values %$environment;
	local @ENV{ 'PGHOST', 'PGPORT' } = ($node->host, $node->port);
	my $done = IPC::Run::run([ $dualdb_dump, @arguments ], '>', \$out, '2>', \$err);
	return ($done, $err);
}

# Dumps, decrypts, restores: reader is who can decrypt, as a command.
sub round_trip_ok
{
	my ($ending, $environment, @reader) = @_;
	my $folder = folder("dumps_$ending");

	my ($done, $err) = run_dump($environment, 'aisales_auth', $folder, 30);
	ok($done, "$ending: a dump") or diag $err;
	is(files($folder), "aisales_auth-now.dump.$ending globals-now.sql.$ending", "$ending: of the database, and of the roles");
	is(join(' ', map { sprintf '%o', (stat)[2] & 0777 } glob "$folder/*"), '600 600', "$ending: for one pair of eyes");
	my ($dump, $globals) = glob "$folder/*";
	is(holds($_, @secrets, @known, $scram, 'PGDMP'), 0, "$ending: nothing can be read") foreach $dump, $globals;

	run_log([ @reader, $dump ], '>', "$place/clear.dump") or die 'cannot decrypt';
	run_log([ @reader, $globals ], '>', "$place/globals.sql") or die 'cannot decrypt';
	is(holds("$place/globals.sql", $scram, 'dualdb_auth_owner'), 2, "$ending: control: there is something");
	is(holds("$place/clear.dump", 'PGDMP'), 1, "$ending: control: it is a dump");
	run_log([ 'pg_restore', '-f', "$place/clear.sql", "$place/clear.dump" ]) or die;
	is(holds("$place/clear.sql", @known), 3, "$ending: control: with addresses in clear");
	is(holds("$place/clear.sql", @secrets), 0, "$ending: and no secret");

	$server->safe_psql('postgres', $_) foreach 'DROP DATABASE IF EXISTS aisales_auth WITH (FORCE)', 'ALTER SYSTEM RESET dualdb.key_file';
	$server->reload;
	run_log([ 'psql', '-Xq', '-d', $server->connstr('postgres'), '-f', "$place/globals.sql" ]);
	command_ok([ 'pg_restore', '-C', '-d', $server->connstr('postgres'), "$place/clear.dump" ], "$ending: restore");
	error_is($server, 'aisales_auth', scalar getpwuid($<), "SELECT auth.login('ann\@example.com', '$password')",
		qr/^F0000: hash key was sealed under another master key$/, "$ending: with another key file nobody logs in");
	$server->safe_psql('postgres', "ALTER SYSTEM SET dualdb.key_file = '" . $node->basedir . "/master.key'");
	$server->reload;
	$server->poll_query_until('aisales_auth', "SELECT EXISTS (SELECT FROM auth.master_key_usage() WHERE state = 'current' AND hash_keys = 1)") or die;
	foreach my $call ("login('ann\@example.com', '$password')", "refresh('$refresh_token')", "verify_api_key('$api_key')")
	{
		is($server->safe_psql('aisales_auth', "SELECT status FROM auth.$call"), 'ok', "$ending: " . $call =~ s/\(.*//r);
	}
	unlink "$place/clear.dump", "$place/clear.sql", "$place/globals.sql";
	return;
}

my %recipient;
if ($has{age})
{
	run_log([ 'age-keygen', '-o', "$place/identity" ]) or die;
	run_log([ 'age-keygen', '-y', "$place/identity" ], '>', "$place/recipients") or die;
	%recipient = (DUALDB_DUMP_AGE_RECIPIENTS => "$place/recipients");
	round_trip_ok('age', {%recipient}, 'age', '--decrypt', '--identity', "$place/identity");
}
SKIP:
{
	skip 'gpg and gpg-agent are not installed', 1 if !$has{gpg} || !$has{'gpg-agent'};
	my ($home, $public) = (folder('gpg'), folder('gpg_public'));
	my @gpg = ('gpg', '--batch', '--quiet', '--no-tty', '--homedir', $home);
	run_log([ @gpg, '--passphrase', '', '--quick-generate-key', 'backup@example.com', 'future-default', 'default' ]) or die 'no gpg key';
	run_log([ @gpg, '--output', "$place/public.gpg", '--export' ]) or die;
	run_log([ 'gpg', '--batch', '--quiet', '--homedir', $public, '--import', "$place/public.gpg" ]) or die;
	my %gpg_recipient = (GNUPGHOME => $public, DUALDB_DUMP_GPG_RECIPIENT => 'backup@example.com');
	round_trip_ok('gpg', \%gpg_recipient, @gpg, '--decrypt');
	command_fails([ 'gpg', '--batch', '--homedir', $public, '--decrypt', glob "$place/dumps_gpg/globals*" ], 'gpg: who dumps cannot decrypt');
	run_log([ 'gpgconf', '--homedir', $_, '--kill', 'all' ]) foreach $home, $public;
	%recipient = %gpg_recipient if !%recipient;
}

# what is old goes, what is another's stays
my $folder = folder('kept');
my @old = map { "$folder/$_" } 'aisales_auth-20200101T000000Z.dump.age', 'aisales_auth-20200101T000000Z.dump.gpg', 'globals-20200101T000000Z.sql.age',
  'globals-20200101T000000Z.sql.gpg', 'aisales_auth-20200101T000000Z.dump.age.part', 'aisales_app-20200101T000000Z.dump.age', 'notes';
append_to_file($_, 'x') foreach @old;
utime time - 31 * 86400, time - 31 * 86400, @old or die $!;
append_to_file("$folder/aisales_auth-20200201T000000Z.dump.$_", 'x') foreach 'age', 'gpg';
utime time - 29 * 86400, time - 29 * 86400, glob "$folder/*0201*" or die $!;
my ($ending) = $recipient{DUALDB_DUMP_AGE_RECIPIENTS} ? 'age' : 'gpg';
my $other = $ending eq 'age' ? 'gpg' : 'age';
ok((run_dump(\%recipient, 'aisales_auth', $folder, 30))[0], 'a dump to a folder with old ones');
is(files($folder), join(' ', sort 'aisales_app-now.dump.age', "aisales_auth-now.dump.$other", 'aisales_auth-now.dump.age', 'aisales_auth-now.dump.gpg',
		"aisales_auth-now.dump.$ending", "globals-now.sql.$other", "globals-now.sql.$ending", 'notes'), 'what is older than 30 days is gone');

# a folder that is a link to where there is room
my $linked = folder('linked');
append_to_file("$linked/aisales_auth-20200101T000000Z.dump.$ending", 'x');
utime time - 31 * 86400, time - 31 * 86400, glob "$linked/*" or die $!;
symlink $linked, "$place/link" or die $!;
ok((run_dump(\%recipient, 'aisales_auth', "$place/link", 30))[0], 'a dump by a link to the folder');
is(scalar(grep { /20200101/ } glob "$linked/*"), 0, 'old ones are found there, too');

# the other database's reader learns no password of a role
my $without = folder('without');
ok((run_dump({ %recipient, DUALDB_DUMP_PASSWORDS => 'no', PATH => fakes('without', pg_dumpall => 'echo "$@" >' . "$place/arguments") },
			'aisales_app', $without, 7))[0], 'a dump without the passwords of roles');
is(slurp_file("$place/arguments"), "--globals-only --no-role-passwords\n", 'asks for none');
my ($globals) = run_command([ 'pg_dumpall', '-d', $node->connstr('postgres'), '--globals-only', '--no-role-passwords' ]);
is(index($globals, 'SCRAM'), -1, 'and gets none');

# what fails leaves nothing that looks like a dump
$folder = folder('failed');
my $taken = folder('taken');
append_to_file("$taken/aisales_auth-20300101T000000Z.dump.$ending.part", 'of another one');
foreach my $case (
	[ 'a database that is not there', \%recipient, 'missing', $folder, 30, qr/pg_dump failed/ ],
	[ 'no recipient', {}, 'aisales_auth', $folder, 30, qr/set DUALDB_DUMP_AGE_RECIPIENTS or/ ],
	[ 'a recipient that is not there', { $ending eq 'age' ? (DUALDB_DUMP_AGE_RECIPIENTS => "$place/missing") : (DUALDB_DUMP_GPG_RECIPIENT => 'x') },
		'aisales_auth', $folder, 30, qr/could not encrypt/ ],
	[ 'a folder that is not there', \%recipient, 'aisales_auth', "$place/missing", 30, qr/no folder/ ],
	[ 'no number of days', \%recipient, 'aisales_auth', $folder, 'x', qr/not a number of days/ ],
	[ 'no day, which the new one would not survive', \%recipient, 'aisales_auth', $folder, 0, qr/not a number of days/ ],
	[ 'a number in another base', \%recipient, 'aisales_auth', $folder, '010', qr/not a number of days/ ],
	[ 'neither yes nor no', { %recipient, DUALDB_DUMP_PASSWORDS => 'none' }, 'aisales_auth', $folder, 30, qr/DUALDB_DUMP_PASSWORDS is yes or no/ ],
	# all that is left of the pipe ends well
	[ 'a shell that is killed with half of the dump', { %recipient, PATH => fakes('killed', pg_dump => 'echo half; kill -KILL $PPID') },
		'aisales_auth', $folder, 30, qr/pg_dump failed/ ],
	[ 'a dump of the same second', { %recipient, PATH => fakes('second', date => 'echo 20300101T000000Z') },
		'aisales_auth', $taken, 30, qr/is being written/ ],
	[ 'a name that is a path', \%recipient, '../x', $folder, 30, qr/cannot name files/ ])
{
	my ($name, $environment, @arguments) = @$case;
	my $expected = pop @arguments;
	my ($done, $err) = run_dump($environment, @arguments);
	ok(!$done, "$name: it fails");
	like($err, $expected, "$name: and says why");
	is(scalar(grep { /aisales_auth|missing|x-/ } glob "$folder/*"), 0, "$name: without a dump");
}
is(join(' ', map { -s } glob "$taken/aisales_auth*"), length 'of another one', 'the other one goes on');

done_testing();
