# One more column of the users in the directory: shown in auth, taken over in app, and
# taken back.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Session;
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = auth_app_cluster('main');
my $superuser = getpwuid($<);

sub auth { return $node->safe_psql('aisales_auth', shift); }
sub app { return $node->safe_psql('aisales_app', shift); }
sub refused
{
	my ($database, $call, $error) = @_;
	error_is($node, $database, $superuser, "SELECT dualdb.$call", $error, "$database: $call");
	return;
}

auth(q{ALTER TABLE auth.users ADD COLUMN "de partment" text, ADD COLUMN level integer;
	INSERT INTO auth.users (id, email, "de partment", level) VALUES ('a', 'a@example.com', 'Sales', 1), ('b', 'b@example.com', NULL, 2)});
app('SELECT dualdb.sync()');
my $live = DualDB::Session->new($node, 'aisales_app', 'app_login');
is($live->ask(q{SELECT * FROM app.lookup_users(ARRAY['a'])}), 'a|a@example.com||t', 'before');

# what cannot be shown
refused('aisales_auth', "add_directory_column('$_')", qr/^42501: /) foreach 'password_hash', 'token_version';
refused('aisales_auth', "add_directory_column('$_')", qr/^22023: /) foreach 'email', 'deleted_at';
refused('aisales_auth', "add_directory_column('nothing')", qr/^42703: column "nothing" of auth.users does not exist/);
auth('CREATE DOMAIN public.posint AS integer; ALTER TABLE auth.users ADD COLUMN dom public.posint, ADD COLUMN arr text[]');
refused('aisales_auth', "add_directory_column('dom')", qr/^42804: type public.posint cannot be had/);
refused('aisales_app', "add_directory_column('level')", qr/^42703: the auth database does not show column "level"/);
refused('aisales_app', "drop_directory_column('level')", qr/^42703: column "level" is not among/);
refused('postgres', "add_directory_column('level')", qr/^3F000: /);
error_is($node, 'aisales_auth', 'auth_login', "SELECT dualdb.add_directory_column('level')", qr/^42501: /, 'superusers only');

# added at both sides
like(auth(q{SELECT dualdb.add_directory_column('de partment')}), qr/run the same in the app database/, 'shown');
is(app('SELECT users, complete FROM dualdb.sync()'), '0|t', 'which is no news for an app that has not asked');
like(app(q{SELECT dualdb.add_directory_column('de partment')}), qr/the next sync fills it/, 'taken over');
is(app('SELECT users, deleted, complete FROM dualdb.sync()'), '1|0|t', 'the next sync brings the values');
is(app(q{SELECT id, "de partment" FROM app.users ORDER BY id}), "a|Sales\nb|", 'of everybody');
auth(q{UPDATE auth.users SET "de partment" = 'Law' WHERE id = 'b'});
is($live->ask(q{SELECT * FROM app.lookup_users(ARRAY['b'])}), 'b|b@example.com||t|Law', 'a look-up has it, in a session of before, too');
is(app('SELECT users FROM dualdb.sync()'), '0', 'and has put it into the directory');
auth(q{UPDATE auth.users SET "de partment" = 'IT' WHERE id = 'b'; UPDATE auth.users SET level = 7 WHERE id = 'a'});
is(app('SELECT users FROM dualdb.sync()'), '1', 'changes of it travel, those of other columns do not');
auth(q{DELETE FROM auth.users WHERE id = 'b'});
is(app('SELECT deleted FROM dualdb.sync()'), '1', 'a user who is gone');
is(app(q{SELECT "de partment" IS NULL FROM app.users WHERE id = 'b'}), 't', 'has no value left');
is((psql_as($node, 'aisales_app', 'app_reader_login', q{SELECT "de partment" FROM app.users WHERE id = 'a'}))[1], 'Sales', 'readers see it');
error_is($node, 'aisales_app', 'app_user_login', q{SELECT "de partment" FROM app.users}, qr/^42501/, 'users do not');
error_is($node, 'aisales_auth', $superuser, 'SET ROLE dualdb_bridge_owner; SELECT level FROM auth.users', qr/^42501/, 'the view\'s owner reads no other column');

# the setups keep it
auth("SELECT dualdb.setup_auth()");
app("SELECT dualdb.setup_app()");
like(auth(q{SELECT dualdb.add_directory_column('level')}), qr/is shown/, 'a second one');
like(app(q{SELECT dualdb.add_directory_column('level')}), qr/next sync/, 'taken over');
refused('aisales_app', "add_directory_column('level')", qr/^42701: /);
app('SELECT dualdb.sync()');
is($live->ask(q{SELECT * FROM app.lookup_user_by_email('A@example.com')}), 'a|a@example.com||t|Sales|7', 'both are there');

# a column of the app's own stays what it is
app(q{ALTER TABLE app.users ADD COLUMN note text; UPDATE app.users SET note = 'mine' WHERE id = 'a'});
app('SELECT dualdb.setup_app()');
auth(q{UPDATE auth.users SET level = 8 WHERE id = 'a'});
is($live->ask(q{SELECT * FROM app.lookup_users(ARRAY['a'])}), 'a|a@example.com||t|Sales|8|mine', 'a look-up returns it');
is(app(q{SELECT level, note FROM app.users WHERE id = 'a'}), '8|mine', 'and keeps it');

# taken back
like(app(q{SELECT dualdb.drop_directory_column('de partment')}), qr/run the same in the auth database/, 'dropped in app');
like(auth(q{SELECT dualdb.drop_directory_column('de partment')}), qr/no longer shown/, 'and in auth');
auth(q{UPDATE auth.users SET display_name = 'A', "de partment" = 'secret' WHERE id = 'a'});
is(app('SELECT users, complete FROM dualdb.sync()'), '1|t', 'the sync goes on');
is($live->ask(q{SELECT * FROM app.lookup_users(ARRAY['a'])}), 'a|a@example.com|A|t|8|mine', 'look-ups, too');
error_is($node, 'aisales_auth', $superuser, 'SET ROLE dualdb_bridge_owner; SELECT "de partment" FROM auth.users', qr/^42501/, 'nobody sees it any more');

# in one database
my $single = new_cluster('single');
set_up_single($single);
$single->safe_psql('aisales', q{ALTER TABLE auth.users ADD COLUMN level integer;
	INSERT INTO auth.users (id, email, level) VALUES ('a', 'a@example.com', 1); SELECT dualdb.add_directory_column('level')});
is($single->safe_psql('aisales', q{SELECT u.*, l.level FROM app.users u, app.lookup_users(ARRAY['a']) l}), 'a|a@example.com||t|1|1', 'one call');
$single->safe_psql('aisales', 'SELECT dualdb.setup_single()');

# from there to two: the directory keeps the column
my $dump = $single->basedir . '/auth.sql';
$single->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE aisales; CREATE DATABASE aisales_auth');
$single->command_ok([ 'pg_dump', '--schema=auth', '--schema=bridge', '--extension=dualdb', '-d', $single->connstr('copy'), '-f', $dump ], 'dump');
$single->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $single->connstr('aisales_auth'), '-f', $dump ], 'restore');
$single->safe_psql('aisales_auth', 'SELECT dualdb.setup_auth()');
$single->safe_psql('copy', q{SELECT dualdb.setup_app(auth_database => 'aisales_auth')});
is($single->safe_psql('copy', q{SELECT * FROM app.users}), 'a|a@example.com||t|1', 'after the move');
is($single->safe_psql('copy', q{SELECT users, complete FROM dualdb.sync()}), '0|t', 'with its values');
is($single->safe_psql('copy', q{SELECT level FROM app.lookup_users(ARRAY['a'])}), '1', 'in look-ups, too');
$single->safe_psql('aisales', q{SELECT dualdb.drop_directory_column('level')});
is($single->safe_psql('aisales', q{SELECT u.*, l.is_active FROM app.users u, app.lookup_users(ARRAY['a']) l}), 'a|a@example.com||t|t', 'and back');

done_testing();
