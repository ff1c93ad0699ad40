# Look-ups and syncs at the same time: an answer that is older than what a sync has
# brought is not written over it, and nobody stops the others.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Session;
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my ($auth, $app) = two_clusters(app => { conf => "max_prepared_transactions = 2\ndualdb.bridge_timeout = '2min'" });

sub auth { return $auth->safe_psql('aisales_auth', shift); }
sub app { return $app->safe_psql('aisales_app', shift); }

# Let the answer to a look-up be given, and not yet be read, while SQL runs.
sub while_answered
{
	my ($id, $meanwhile) = @_;
	my $session = DualDB::Session->new($app, 'aisales_app', 'app_login');
	my $pid = $session->query('SELECT pg_backend_pid()');
	my $lock = DualDB::Session->new($auth, 'aisales_auth');

	$session->query("SELECT FROM app.lookup_users('{}')");
	$lock->query('BEGIN; LOCK TABLE auth.users');
	$session->start("SELECT id FROM app.lookup_users(ARRAY['$id'])");
	$auth->poll_query_until('aisales_auth', "SELECT count(*) = 1 FROM pg_locks WHERE relation = 'auth.users'::regclass AND NOT granted")
	  or die 'the look-up does not wait';
	kill 'STOP', $pid;
	$lock->query('COMMIT');
	$auth->poll_query_until('aisales_auth', "SELECT count(*) = 0 FROM pg_stat_activity WHERE usename = 'dualdb_bridge' AND state <> 'idle'")
	  or die 'the look-up is not answered';
	$meanwhile->();
	kill 'CONT', $pid;
	my $answer = $session->result;
	$session->end;
	return $answer;
}

auth(q{INSERT INTO auth.users (id, email, display_name) VALUES ('known', 'known@example.com', 'Known')});
app('SELECT dualdb.sync()');
auth(q{INSERT INTO auth.users (id, email, display_name) VALUES ('unknown', 'unknown@example.com', 'Unknown')});
auth(q{UPDATE auth.users SET display_name = 'Newer' WHERE id = 'known'});
is(while_answered('known', sub { is(app('SELECT complete FROM dualdb.sync()'), 't', 'a sync meanwhile') }), 'known', 'control: an answer');
is(app("SELECT display_name FROM app.users WHERE id = 'known'"), 'Newer', 'which is in the directory');
app("DELETE FROM app.users WHERE id = 'unknown'");
foreach my $id ('known', 'unknown')
{
	is(while_answered($id, sub {
		auth("DELETE FROM auth.users WHERE id = '$id'");
		app('SELECT dualdb.sync()');
	}), $id, "$id: the answer is that of before the deletion");
	is(app('SELECT complete FROM dualdb.sync()'), 't', "$id: the next sync");
	is(app("SELECT count(*) FROM app.users WHERE id = '$id' AND (email IS NOT NULL OR display_name IS NOT NULL OR is_active)"), '0',
		"$id: nothing of the deleted user has come back");
}

# a prepared transaction holds its user, and no other
auth(q{INSERT INTO auth.users (id, email) VALUES ('p1', 'p1@example.com'), ('p2', 'p2@example.com')});
my $prepared = DualDB::Session->new($app, 'aisales_app', 'app_login');
$prepared->query("BEGIN; SELECT id FROM app.lookup_users(ARRAY['p1']); PREPARE TRANSACTION 'look-up'");
$prepared->end;
is(app('SELECT users, complete FROM dualdb.sync()'), '1|f', 'beside a prepared transaction the others come');
is(app('SELECT put_off, scanning FROM app.sync_status'), '1|f', 'as the status says');
is(app("SELECT count(*) FROM app.users WHERE id = 'p2'"), '1', 'into the directory');
app("ROLLBACK PREPARED 'look-up'");
is(app('SELECT users, complete FROM dualdb.sync()'), '1|t', 'and then the one that it held');

# very many at once
auth("INSERT INTO auth.users (id, email) SELECT 'm' || i, 'm' || i || '\@example.com' FROM generate_series(1, 30000) i");
is((psql_as($app, 'aisales_app', 'app_login', "SELECT count(*) FROM app.lookup_users(ARRAY(SELECT 'm' || i FROM generate_series(1, 30000) i))"))[1],
	'30000', 'a look-up of very many does not use up the locks');
is(app("SELECT count(*) FROM app.users WHERE id ~ '^m'"), '100', 'and leaves the most of them to the sync');

# one sync after the other, and not for ever
my $open = DualDB::Session->new($app, 'aisales_app');
is($open->query('BEGIN; SELECT complete FROM dualdb.sync()'), 't', 'a sync in an open transaction');
error_is($app, 'aisales_app', scalar getpwuid($<), 'SELECT dualdb.sync()', qr/^55P03: /, 'another one does not wait for ever');
$open->query('COMMIT');
is(app("SELECT count(*) FROM app.users WHERE id ~ '^m'"), '30000', 'all have come');
is(app('SELECT complete FROM dualdb.sync()'), 't', 'and a sync works');

done_testing();
