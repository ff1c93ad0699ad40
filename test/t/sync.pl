# dualdb.sync(): what reaches the app database, and that nothing is passed by.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = auth_app_cluster('main');

sub auth { return $node->safe_psql('aisales_auth', shift); }
sub app { return $node->safe_psql('aisales_app', shift); }
sub sync { return app('SELECT keys, users, deleted FROM dualdb.sync()'); }
sub directory { return app('SELECT id, email, display_name, is_active FROM app.users ORDER BY id'); }

is(app('SELECT count(*) FROM dualdb.trusted_keys'), '2', 'the first sync has brought the keys');
is(sync(), '0|0|0', 'nothing has changed, nothing is written');

# inserts and changes
auth(q{INSERT INTO auth.users (id, email, display_name) VALUES
	('a', 'Ann@Example.com', 'Ann'), ('b', 'bob@example.com', 'Bob'), ('c', 'c@example.com', NULL)});
is(sync(), '0|3|0', 'new users arrive');
is(directory(), "a|Ann\@Example.com|Ann|t\nb|bob\@example.com|Bob|t\nc|c\@example.com||t",
	'with their address, name and state');
auth(q{UPDATE auth.users SET display_name = 'Ann B.' WHERE id = 'a';
	UPDATE auth.users SET is_active = false WHERE id = 'b'});
is(sync(), '0|2|0', 'changed users arrive, the others do not');
is(app(q{SELECT display_name, is_active FROM app.users WHERE id IN ('a', 'b') ORDER BY id}),
	"Ann B.|t\nBob|f", 'the changes are there');
auth(q{UPDATE auth.users SET password_hash = 'x' WHERE id = 'a'});
is(sync(), '0|0|0', 'a new password is no news for the app database');

# tombstones
auth(q{DELETE FROM auth.users WHERE id = 'b'; UPDATE auth.users SET deleted_at = now() WHERE id = 'c'});
is(sync(), '0|0|2', 'a deleted row and a row marked as deleted arrive as tombstones');
is(app(q{SELECT * FROM app.users WHERE id IN ('b', 'c') ORDER BY id}), "b|||f\nc|||f",
	'nothing is left of them but their ids');
is(sync(), '0|0|0', 'and they arrive once');
auth(q{INSERT INTO auth.users (id, email) VALUES ('b', 'bob@example.com')});
is(sync(), '0|1|0', 'a user who comes back is back');
auth(q{UPDATE auth.users SET id = 'b2' WHERE id = 'b'});
is(sync(), '0|1|1', 'a new id is a new user and a tombstone');
is(app(q{SELECT id, email FROM app.users WHERE id IN ('b', 'b2') ORDER BY id}),
	"b|\nb2|bob\@example.com", 'under the right ids');

# a transaction that commits after a later one has been pulled
my $late = IPC::Run::timeout(60);
my ($in, $out, $err) = ('', '', '');
my $slow = IPC::Run::start(
	[ 'psql', '-XAtq', '-d', $node->connstr('aisales_auth') ],
	'<', \$in, '>', \$out, '2>', \$err, $late);
$in .= "BEGIN; INSERT INTO auth.users (id, email) VALUES ('late', 'late\@example.com'); SELECT 'inserted';\n";
IPC::Run::pump($slow) until $out =~ /inserted/;
auth(q{INSERT INTO auth.users (id, email) VALUES ('early', 'early@example.com')});
is(sync(), '0|1|0', 'the later transaction, committed first, is pulled');
is(sync(), '0|0|0', 'and the open one is not seen');
$in .= "COMMIT; SELECT 'committed';\n";
IPC::Run::pump($slow) until $out =~ /committed/;
IPC::Run::finish($slow);
is(sync(), '0|1|0', 'the late commit is not lost');
is(app(q{SELECT count(*) FROM app.users WHERE id IN ('early', 'late')}), '2', 'both are there');

# keys
my ($token) = do { register($node, 'd@example.com', 'Dee'); login_tokens($node, 'd@example.com') };
auth('SELECT auth.rotate_signing_key()');
my ($next) = login_tokens($node, 'd@example.com');
is(app("SELECT dualdb.jwt_verify('$next') ->> 'iss'"), 'aisales_auth',
	'a token of the next key verifies before the key change has been pulled');
sync();
is(app("SELECT dualdb.jwt_verify('$token') ->> 'iss'"), 'aisales_auth',
	'a token of the retired key still verifies');
auth(q{DELETE FROM dualdb.trusted_keys t USING auth.signing_keys k
	WHERE t.kid = k.kid AND k.status = 'retired'});
is(sync(), '1|0|0', 'the end of a key arrives');
error_is($node, 'aisales_app', scalar getpwuid($<), "SELECT dualdb.jwt_verify('$token')",
	qr/^28000: token is not valid$/, 'its tokens are refused');
is(app("SELECT dualdb.jwt_verify('$next') ->> 'iss'"), 'aisales_auth', 'those of the other key are not');
app(q{INSERT INTO dualdb.trusted_keys (kid, issuer, public_key) VALUES ('imported', 'x', decode(repeat('11', 32), 'hex'))});
is(sync(), '0|0|0', 'a key that was imported by hand is left alone');

# the same id again, by a transaction that cannot see the tombstone
auth(q{INSERT INTO auth.users (id, email) VALUES ('again', 'again@example.com')});
sync();
auth(q{DELETE FROM auth.users WHERE id = 'again'; INSERT INTO auth.users (id, email) VALUES ('again', 'again@example.com');
	INSERT INTO auth.deleted_users (id) VALUES ('again')});
sync();
is(app(q{SELECT email, is_active FROM app.users WHERE id = 'again'}), 'again@example.com|t',
	'a tombstone of a user who is there buries nobody');

# rows that go without a trace
auth(q{CREATE TABLE public.kept AS SELECT id, email FROM auth.users WHERE id = 'a';
	TRUNCATE auth.users CASCADE; INSERT INTO auth.users (id, email) SELECT id, email FROM public.kept; DROP TABLE public.kept});
sync();
is(app(q{SELECT string_agg(id, ',') FROM app.users WHERE is_active}), 'a', 'after TRUNCATE only who is there is active');
app(q{UPDATE bridge.sync_state SET horizon = '9223372036854775807'});
auth(q{UPDATE auth.users SET display_name = 'Back' WHERE id = 'a'});
is(sync(), '0|1|0', 'a horizon that moves back makes the sync start over');

# another feed: the auth database restored from a dump, with rows gone
my $dump = $node->basedir . '/auth.sql';
auth(q{INSERT INTO auth.users (id, email) VALUES ('after', 'after@example.com')});
$node->command_ok([ 'pg_dump', '-d', $node->connstr('aisales_auth'), '-f', $dump ], 'dump of auth');
auth(q{INSERT INTO auth.users (id, email) VALUES ('lost', 'lost@example.com')});
is(sync(), '0|2|0', 'a user that the dump has and one that it has not');
$node->safe_psql('postgres', 'DROP DATABASE aisales_auth WITH (FORCE)');
$node->safe_psql('postgres', 'CREATE DATABASE aisales_auth');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('aisales_auth'), '-f', $dump ],
	'restore of auth');
auth(q{UPDATE auth.users SET display_name = 'Restored' WHERE id = 'a'});
sync();
is(app(q{SELECT id, email, display_name FROM app.users WHERE id IN ('a', 'after', 'lost') ORDER BY id}),
	"a|Ann\@Example.com|Restored\nafter|after\@example.com|\nlost||",
	'after a restore the directory follows the restored database');

# without a bridge
$node->safe_psql('postgres', 'CREATE DATABASE plain');
$node->safe_psql('plain', 'CREATE EXTENSION dualdb');
error_is($node, 'plain', scalar getpwuid($<), 'SELECT dualdb.sync()',
	qr/^55000: this database has no bridge/, 'a database without a bridge says so');

done_testing();
