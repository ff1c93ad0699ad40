# The master key file: what is refused, what works without it, and what is sealed.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use File::Find;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = auth_app_cluster('main');
my $superuser = getpwuid($<);
my $good = $node->basedir . '/master.key';
my $made = 0;

register($node, 'ann@example.com', 'Ann');
my ($token) = login_tokens($node, 'ann@example.com');

sub use_key_file
{
	my ($path) = @_;
	$node->safe_psql('postgres', "ALTER SYSTEM SET dualdb.key_file = '$path'");
	$node->reload;
	$node->poll_query_until('aisales_auth',
		"SELECT dualdb.setting('key_file') = '$path'") or die 'the setting did not arrive';
	return;
}

sub key_is
{
	my ($path, $expected, $name) = @_;
	use_key_file($path);
	error_is($node, 'aisales_auth', $superuser, q{SELECT dualdb.jwt_sign('{"sub": "x"}')}, $expected, $name);
	error_is($node, 'aisales_auth', $superuser, 'SELECT * FROM dualdb.generate_signing_key()', $expected,
		"$name: sealing");
	error_is($node, 'aisales_auth', $superuser, "SELECT auth.login('ann\@example.com', 'x')", $expected,
		"$name: login");
	return;
}

sub key_with
{
	my ($mode, $bytes) = @_;
	my $path = make_key_file($node->basedir . '/key' . $made++, 0600);
	truncate($path, $bytes) or die $! if defined $bytes;
	chmod $mode, $path or die $!;
	return $path;
}

key_is($good, qr/^$/, 'the right file');
key_is('', qr/^55000: no key file is configured$/, 'no file');
is($node->safe_psql('aisales_auth', "SELECT dualdb.jwt_verify('$token') ->> 'iss'"), 'aisales_auth',
	'tokens verify without a key file');
is($node->safe_psql('aisales_auth', "SELECT dualdb.verify_password('x', dualdb.hash_password('x'))"), 't',
	'passwords are hashed without a key file');
is($node->safe_psql('aisales_app', 'SELECT keys FROM dualdb.sync()'), '0', 'the app database works without a key file');
like($node->safe_psql('aisales_auth', 'SELECT dualdb.setup_auth()'), qr/in place$/,
	'the setup works without a key file');

key_is($node->basedir . '/missing', qr/^F0000: could not read the key file: No such file/, 'a missing file');
key_is(key_with(0640), qr/^F0000: key file refused$/, 'a file that the group can read');
key_is(key_with(0604), qr/^F0000: key file refused$/, 'a file that others can read');
key_is(key_with(0000), qr/^F0000: could not read the key file: Permission denied/, 'a file that cannot be read')
  unless $> == 0;
key_is(key_with(0600, 31), qr/^F0000: key file refused$/, 'a short file');
key_is(key_with(0600, 33), qr/^F0000: key file refused$/, 'a long file');
key_is($node->basedir, qr/^F0000: key file refused$/, 'a directory');
key_is(make_key_file($node->data_dir . '/key'), qr/^F0000: key file refused$/, 'a file in the data directory');
symlink $node->data_dir . '/key', $node->basedir . '/link' or die $!;
key_is($node->basedir . '/link', qr/^F0000: key file refused$/, 'a link into the data directory');
symlink $good, $node->basedir . '/good_link' or die $!;
key_is($node->basedir . '/good_link', qr/^$/, 'a link to the right file');
chmod 0400, $good or die $!;
key_is($good, qr/^$/, 'a file that can only be read');

# another key: what is sealed stays sealed
use_key_file(key_with(0600));
error_is($node, 'aisales_auth', $superuser, q{SELECT dualdb.jwt_sign('{"sub": "x"}')},
	qr/^F0000: signing key was sealed under another master key$/, 'another key file does not open the signing key');
use_key_file($good);

# sealed keys cannot be altered or exchanged
my $keys = 'auth.signing_keys';
my $saved = $node->safe_psql('aisales_auth', "SELECT string_agg(format('UPDATE $keys SET sealed_key = %L WHERE kid = %L', sealed_key, kid), ';') FROM $keys");
my $sign = q{SELECT dualdb.jwt_sign('{"sub": "x"}')};
is(psql_error($node, 'aisales_auth', $superuser, $sign), '', 'the signing key works');
$node->safe_psql('aisales_auth', "UPDATE $keys k SET sealed_key = o.sealed_key FROM $keys o WHERE o.kid <> k.kid");
error_is($node, 'aisales_auth', $superuser, $sign, qr/^XX001: sealed signing key has been altered$/,
	'two sealed keys exchanged');
$node->safe_psql('aisales_auth', $saved);
foreach my $byte (0, 20, 40, 60, 80)
{
	$node->safe_psql('aisales_auth',
		"UPDATE $keys SET sealed_key = set_byte(sealed_key, $byte, get_byte(sealed_key, $byte) # 1)");
	error_is($node, 'aisales_auth', $superuser, $sign, qr/^XX001: sealed signing key has been altered$/,
		"byte $byte of a sealed key changed");
	$node->safe_psql('aisales_auth', $saved);
}
$node->safe_psql('aisales_auth', "UPDATE $keys SET sealed_key = ''");
error_is($node, 'aisales_auth', $superuser, $sign, qr/^XX001: sealed signing key has been altered$/, 'an empty one');
$node->safe_psql('aisales_auth', $saved);
is(psql_error($node, 'aisales_auth', $superuser, $sign), '', 'and with the right ones it signs again');

# neither database can be asked to sign without a key of its own
error_is($node, 'aisales_app', $superuser, $sign, qr/^55000: there is no active signing key$/,
	'the app database does not sign');

# the key is nowhere in the cluster
unlink glob($node->basedir . '/key*');
my $key = slurp_file($good);
my $found = 0;
$node->stop;
find(sub { $found++ if -f && index(slurp_file($_), $key) >= 0 }, $node->data_dir);
is($found, 0, 'no file of the data directory contains the master key');
find(sub { $found++ if -f && index(slurp_file($_), $key) >= 0 }, $node->basedir);
cmp_ok($found, '>', 0, 'though the key file itself does');

done_testing();
