# app.lookup_users() and app.lookup_user_by_email(): what they return, what they put
# into the directory, and that they keep out of the caller's transaction.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my ($auth, $app) = two_clusters();
my $superuser = getpwuid($<);

sub auth { return $auth->safe_psql('aisales_auth', shift); }
sub app { return $app->safe_psql('aisales_app', shift); }
sub service
{
	my ($status, $out, $err) = psql_as($app, 'aisales_app', 'app_login', shift);
	is($err, '', 'no error');
	return $out;
}

auth(q{INSERT INTO auth.users (id, email, display_name) VALUES
	('a', 'Ann@Example.com', 'Ann'), ('b', 'bob@example.com', 'Bob'), ('c', 'c@example.com', NULL)});
is(app('SELECT count(*) FROM app.users'), '0', 'the directory has not heard of them');

# what is returned
is(service(q{SELECT * FROM app.lookup_users(ARRAY['a', 'c', 'nobody', NULL, 'a']) ORDER BY id}),
	"a|Ann\@Example.com|Ann|t\nc|c\@example.com||t", 'users by id');
is(app('SELECT id FROM app.users ORDER BY id'), "a\nc", 'are in the directory now');
is(service(q{SELECT * FROM app.lookup_user_by_email('  BOB@example.COM ')}), 'b|bob@example.com|Bob|t', 'a user by address');
is(service(q{SELECT count(*) FROM app.lookup_user_by_email('nobody@example.com')}), '0', 'an address that nobody has');
is(service("SELECT count(*) FROM app.$_"), '0', "nothing asked: $_") foreach "lookup_users('{}')", 'lookup_users(NULL)', 'lookup_user_by_email(NULL)';
is(service(q{SELECT id FROM app.lookup_users(ARRAY['b', E'quote''"\\\\{},', 'NULL', ''])}), 'b', 'ids with any characters');
is(service(q{SELECT u.display_name, p.name FROM app.lookup_users(ARRAY['a']) u LEFT JOIN app.projects p ON p.user_id = u.id}), 'Ann|', 'in a join');
auth(q{UPDATE auth.users SET display_name = 'Ann B.' WHERE id = 'a'; DELETE FROM auth.users WHERE id = 'b'});
is(service(q{SELECT display_name FROM app.lookup_users(ARRAY['a', 'b'])}), 'Ann B.', 'what has changed, at once, and not who is gone');
is(app(q{SELECT display_name FROM app.users WHERE id = 'a'}), 'Ann B.', 'in the directory, too');

# one row a moment old, joined in the same transaction
auth(q{INSERT INTO auth.users (id, email, display_name) VALUES ('new', 'new@example.com', 'New')});
is(service(q{BEGIN; SELECT FROM app.lookup_users(ARRAY['new']);
	INSERT INTO app.projects (id, user_id, name) VALUES ('p', 'new', 'Project');
	SELECT p.name, u.display_name FROM app.projects p JOIN app.users u ON u.id = p.user_id WHERE p.id = 'p'; COMMIT}),
	"Project|New", 'the next statement joins it');
auth(q{INSERT INTO auth.users (id, email, display_name) VALUES ('ro', 'ro@example.com', 'Ro')});
is(service(q{BEGIN READ ONLY; SELECT id FROM app.lookup_users(ARRAY['ro']); COMMIT}), 'ro', 'a transaction that only reads');
is(app(q{SELECT count(*) FROM app.users WHERE id = 'ro'}), '0', 'writes nothing');
is(service(qq{BEGIN ISOLATION LEVEL $_; SELECT id FROM app.lookup_users(ARRAY['ro']); COMMIT}), 'ro', "at $_")
  foreach 'REPEATABLE READ', 'SERIALIZABLE';

# nobody waits for an open transaction
auth(q{INSERT INTO auth.users (id, email, display_name) VALUES ('open', 'open@example.com', 'Open'), ('other', 'other@example.com', 'Other')});
my ($in, $out) = ('', '');
my $open = IPC::Run::start([ 'psql', '-XAtq', '-d', $app->connstr('aisales_app'), '-U', 'app_login' ],
	'<', \$in, '>', \$out, '2>&1', IPC::Run::timeout(120));
$in .= "BEGIN; SELECT id FROM app.lookup_users(ARRAY['open']);\n";
IPC::Run::pump($open) until $out =~ /open/;
is(service(q{SET lock_timeout = '20s'; SELECT id FROM app.lookup_users(ARRAY['open', 'other']) ORDER BY id}), "open\nother",
	'a second look-up of the same user answers');
auth(q{INSERT INTO auth.users (id, email) VALUES ('third', 'third@example.com')});
is(app('SELECT users, complete FROM dualdb.sync()'), '1|f', 'a sync brings the others and puts the user off');
is(app(q{SELECT string_agg(id, ',' ORDER BY id) FROM app.users WHERE id IN ('open', 'other', 'third')}), 'other,third', 'who is in the directory');
is(app('SELECT users, complete FROM dualdb.sync()'), '0|f', 'again');
$in .= "ROLLBACK;\n\\q\n";
IPC::Run::finish($open);
is(app('SELECT users, complete FROM dualdb.sync()'), '1|t', 'and the user comes when the transaction has ended');
is(app(q{SELECT display_name FROM app.users WHERE id = 'open'}), 'Open', 'into the directory');

# put off, and gone meanwhile
auth(q{INSERT INTO auth.users (id, email) VALUES ('brief', 'brief@example.com')});
($in, $out) = ('', '');
$open = IPC::Run::start([ 'psql', '-XAtq', '-d', $app->connstr('aisales_app'), '-U', 'app_login' ],
	'<', \$in, '>', \$out, '2>&1', IPC::Run::timeout(120));
$in .= "BEGIN; SELECT id FROM app.lookup_users(ARRAY['brief']);\n";
IPC::Run::pump($open) until $out =~ /brief/;
is(app('SELECT users, complete FROM dualdb.sync()'), '0|f', 'a user is put off');
auth(q{DELETE FROM auth.users WHERE id = 'brief'});
is(app('SELECT complete FROM dualdb.sync()'), 'f', 'and deleted');
$in .= "COMMIT;\n\\q\n";
IPC::Run::finish($open);
is(app('SELECT deleted, complete FROM dualdb.sync()'), '1|t', 'the directory hears of the deletion');
is(app(q{SELECT email IS NULL, is_active FROM app.users WHERE id = 'brief'}), 't|f', 'and has nothing left');

# many of them deadlock with nobody
auth(q{INSERT INTO auth.users (id, email) SELECT 'm' || i, 'm' || i || '@example.com' FROM generate_series(1, 200) i});
my $script = $app->basedir . '/lookups.sql';
append_to_file($script, q{\set i random(1, 200)
\set j random(1, 200)
\set k (:i + :j) / 2
BEGIN;
SELECT count(*) FROM app.lookup_users(ARRAY['m' || :i]);
SELECT count(*) FROM app.lookup_users(ARRAY['m' || :j]);
SELECT count(*) FROM app.lookup_users(ARRAY['m' || :i, 'm' || :j, 'm' || :k]);
COMMIT;
});
$app->command_ok([ 'pgbench', '-n', '-c', '8', '-t', '50', '-M', 'prepared', '-f', $script, '-U', 'app_login', '-h', $app->host,
		'-p', $app->port, 'aisales_app' ], 'look-ups in any order, side by side');
is(app('SELECT complete FROM dualdb.sync()'), 't', 'a sync afterwards');
is(app(q{SELECT count(*) FROM app.users WHERE id LIKE 'm%' AND is_active}), '200', 'has them all');

# who may
is((psql_as($app, 'aisales_app', 'app_reader_login', q{SELECT id FROM app.lookup_users(ARRAY['a'])}))[1], 'a', 'a reader looks users up');
error_is($app, 'aisales_app', 'app_user_login', "SELECT app.$_", qr/^42501: permission denied for function/, "a user does not: $_")
  foreach q{lookup_users(ARRAY['a'])}, q{lookup_user_by_email('ann@example.com')};
error_is($app, 'aisales_app', 'app_login', "SELECT * FROM dualdb.$_('SELECT 1', '{}') AS r(i integer)", qr/^42501: permission denied for function/,
	"what they use is for nobody: $_") foreach 'bridge_lookup', 'bridge_fetch';
error_is($auth, 'aisales_auth', $superuser, q{SELECT * FROM dualdb.bridge_lookup('SELECT 1', '{}') AS r(i integer)},
	qr/^55000: this database has no bridge/, 'a database without a bridge says so');
error_is($app, 'aisales_app', $superuser, q{SELECT * FROM dualdb.bridge_lookup('SELECT 1, 2', '{}') AS r(i integer)},
	qr/^08P01: the auth database returned 2 columns/, 'an answer of another shape');

done_testing();
