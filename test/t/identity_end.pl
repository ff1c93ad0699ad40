# What ends an identity before its transaction or session does: the token's
# expiry, and the loss of the key that vouched for it.

use strict;
use warnings FATAL => 'all';

use Crypt::Misc qw(decode_b64u);
use FindBin;
use Time::HiRes qw(time);
use lib "$FindBin::RealBin/../lib";
use DualDB::Signer;
use DualDB::Test;
use Test::More;

my $node = new_cluster('end');
set_up_app($node);
my $signer = DualDB::Signer->new;
my $other_key = DualDB::Signer->new;
$node->safe_psql(
	'aisales_app', $signer->trust_sql . q{
	INSERT INTO app.projects (id, user_id, name) VALUES ('a1', 'alice', 'a1');
	ALTER DATABASE aisales_app SET dualdb.leeway = 0});

# A token that expires soon, in fractions of a second because it can.
sub short_lived
{
	return $signer->token(
		sub => '"alice"',
		sid => '"session-a"',
		roles => '["admin"]',
		scope => '"*"',
		iat => undef,
		exp => sprintf('%.3f', time + 2.5));
}

# Wait within one statement, at most six seconds, until the caller is nobody;
# test.seen becomes what was seen at first and at last.
my $wait = q{DO $$
	DECLARE v_first text := coalesce(dualdb.user_id(), 'nobody');
	BEGIN
		FOR i IN 1 .. 120 LOOP
			EXIT WHEN dualdb.user_id() IS NULL;
			PERFORM pg_sleep(0.05);
		END LOOP;
		PERFORM set_config('test.seen', v_first || ', then '
			|| coalesce(dualdb.user_id(), 'nobody'), false);
	END $$};
my $who = 'SELECT dualdb.user_id()';
my $all = q{SELECT dualdb.user_id(), dualdb.session_id(),
	dualdb.claims() ->> 'sub', dualdb.has_role('admin'),
	dualdb.has_permission('orders:read')};
my $alice = 'alice|session-a|alice|t|t';
my $nobody = 'nobody|nobody|nobody|f|f';
my $rows = 'SELECT count(*) FROM app.projects';
my $bobs = $signer->token(sub => '"bob"');

# expiry, by the wall clock and not the transaction's
my $short = short_lived();
my ($exp) = decode_b64u((split /\./, $short)[1]) =~ /"exp":([\d.]+)/;
session_ok(
	$node,
	'aisales_app',
	'app_user_login',
	[
		'Bob, for the session',
		"SELECT dualdb.authenticate_session('$bobs')", 'bob'
	],
	[
		'Alice, for a transaction',
		"BEGIN; SELECT dualdb.authenticate('$short')",
		'alice'
	],
	[ 'who she is', $all, $alice ],
	[ 'her row', $rows, '1' ],
	[ 'in one statement', "$wait; SHOW test.seen", 'alice, then nobody' ],
	[ 'nobody, and not Bob', $all, $nobody ],
	[ 'no row', $rows, '0' ],
	[
		'no new row',
		"SAVEPOINT s; INSERT INTO app.projects (user_id, name) VALUES ('alice', 'x');
		ROLLBACK TO s",
		'ERROR: 42501'
	],
	[
		"the transaction's time is before",
		"SELECT now() < to_timestamp($exp)",
		't'
	],
	[
		'the token is refused, too',
		"SAVEPOINT s; SELECT dualdb.jwt_verify('$short'); ROLLBACK TO s",
		'ERROR: 28000'
	],
	[ 'Bob again', "COMMIT; $who", 'bob' ],
	[
		'it stays refused',
		"SELECT dualdb.authenticate_session('$short')",
		'ERROR: 28000'
	]);
$short = short_lived();
session_ok(
	$node,
	'aisales_app',
	'app_user_login',
	[
		'Alice, for the session',
		"SELECT dualdb.authenticate_session('$short')", 'alice'
	],
	[ 'who she is', $all, $alice ],
	[ 'in one statement', "$wait; SHOW test.seen", 'alice, then nobody' ],
	[ 'nobody', $all, $nobody ],
	[ 'no row', $rows, '0' ]);

# the leeway counts for an identity as it does for a token
my $expired = $signer->token(sub => '"alice"', exp => time - 20);
my $leeway = $node->safe_psql(
	'aisales_app', qq{
	SET dualdb.leeway = 60;
	SELECT dualdb.authenticate_session('$expired');
	$who;
	SET dualdb.leeway = 0;
	SELECT dualdb.user_id() IS NULL});
is($leeway, "alice\nalice\nt", 'expired, and within the leeway or not');

# keys: what another session does to them, and who one is then
my $session = $node->background_psql('aisales_app',
	extra_params => [ '-U', 'app_user_login' ]);
my $admin = $node->background_psql('aisales_app');
my $alices = $signer->token(sub => '"alice"');
my $kid = $signer->kid;
my $trust = 'TRUNCATE dualdb.trusted_keys; ' . $signer->trust_sql;
my $other_hex = unpack 'H*', $other_key->public_key;
my @changes = (
	[ 'another key is added', $other_key->trust_sql, 'alice' ],
	[
		'another key is deleted',
		$other_key->trust_sql
		  . " DELETE FROM dualdb.trusted_keys WHERE kid <> '$kid'",
		'alice'
	],
	[
		'the deletion is rolled back',
		'BEGIN; DELETE FROM dualdb.trusted_keys; ROLLBACK', 'alice'
	],
	[
		'the key ends some day',
		"UPDATE dualdb.trusted_keys SET not_after = now() + interval '1 day'",
		'alice'
	],
	[ 'the key is deleted', 'DELETE FROM dualdb.trusted_keys', '' ],
	[ 'the keys are truncated', 'TRUNCATE dualdb.trusted_keys', '' ],
	[
		'the key has ended',
		'UPDATE dualdb.trusted_keys SET not_after = now()', ''
	],
	[
		'the key is not valid yet',
		"UPDATE dualdb.trusted_keys SET not_before = now() + interval '1 day'",
		''
	],
	[
		'the key is renamed',
		"UPDATE dualdb.trusted_keys SET kid = 'other'", ''
	],
	[
		'the key becomes another one',
		"UPDATE dualdb.trusted_keys SET public_key = '\\x$other_hex'", ''
	],
	[
		"the key becomes another issuer's",
		"UPDATE dualdb.trusted_keys SET issuer = 'elsewhere'", ''
	]);

foreach my $change (@changes)
{
	my ($title, $sql, $expected) = @$change;

	# between the statements of a transaction that reads no table
	$admin->query_safe($trust);
	is( $session->query_safe(
			"BEGIN; SELECT dualdb.authenticate('$alices'); $who"),
		"alice\nalice",
		"Alice, before $title");
	$admin->query_safe($sql);
	is($session->query_safe($who), $expected, "$title: in a transaction");
	$session->query_safe('COMMIT');

	$admin->query_safe($trust);
	is( $session->query_safe(
			"SELECT dualdb.authenticate_session('$alices'); $who"),
		"alice\nalice",
		"Alice in the session, before $title");
	$admin->query_safe($sql);
	is($session->query_safe($who), $expected, "$title: in a session");
	$session->query_safe('DISCARD ALL');
}

# in the middle of a statement, too
$admin->query_safe($trust);
$session->query_safe("SELECT dualdb.authenticate_session('$alices')");
$session->query_until(qr/started/, "\\echo started\n$wait;\n");
$node->poll_query_until('aisales_app',
	"SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
  or die 'the statement does not run';
$admin->query_safe('DELETE FROM dualdb.trusted_keys');
is( $session->query_safe('SHOW test.seen'),
	'alice, then nobody',
	'the key is deleted: in a statement');

# a key's end comes without a change of the table, announced or not
$admin->query_safe($trust);
my $soon = q{UPDATE dualdb.trusted_keys
	SET not_after = clock_timestamp() + interval '2 s'};
$session->query_safe("SELECT dualdb.authenticate_session('$alices')");
$admin->query_safe($soon);
is( $session->query_safe("$wait; SHOW test.seen"),
	'alice, then nobody',
	'the key ends, as was said after the identity was given');
$admin->query_safe("$trust; $soon");
$session->query_safe("SELECT dualdb.authenticate_session('$alices')");
is( $session->query_safe("$wait; SHOW test.seen"),
	'alice, then nobody',
	'the key ends, as was said before');
$session->quit;
$admin->quit;

done_testing();
