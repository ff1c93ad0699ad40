# How long an identity lasts: statements, transactions, savepoints, sessions.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Signer;
use DualDB::Test;
use Test::More;

my $node = new_cluster('identity', conf => "max_prepared_transactions = 2\n");
set_up_app($node);
my $signer = DualDB::Signer->new;
$node->safe_psql('aisales_app', $signer->trust_sql);

my %token = (
	alice => $signer->token(
		sub => '"alice"',
		sid => '"session-a"',
		roles => '["admin"]',
		scope => '"orders:read"'),
	bob => $signer->token(sub => '"bob"'),
	expired => $signer->token(sub => '"alice"', exp => 1),
	other => $signer->token(sub => '"alice"', aud => '"other"'));

sub become { return "SELECT dualdb.authenticate('$token{$_[0]}')"; }

sub become_in_session
{
	return "SELECT dualdb.authenticate_session('$token{$_[0]}')";
}

# A refusal that the caller survives.
sub try
{
	my ($statement) = @_;

	$statement =~ s/^SELECT/PERFORM/;
	return
	  "DO \$\$ BEGIN $statement; EXCEPTION WHEN OTHERS THEN NULL; END \$\$";
}
my $who = 'SELECT dualdb.user_id()';

# Steps of one session of an ordinary role.
sub steps_ok
{
	session_ok($node, 'aisales_app', 'app_user_login', @_);
	return;
}

# the transaction's identity
my $all = q{SELECT dualdb.user_id(), dualdb.session_id(),
	dualdb.claims() ->> 'sub', dualdb.has_role('admin'),
	dualdb.has_permission('orders:read')};
my $nobody = 'nobody|nobody|nobody|f|f';
my $alice = 'alice|session-a|alice|t|t';
steps_ok(
	[ 'nobody before', $all, $nobody ],
	[ 'autocommit: the statement', become('alice'), 'alice' ],
	[ 'autocommit: nobody after it', $all, $nobody ],
	[
		'one message of two statements',
		become('alice') . "\\; $who",
		'alice alice'
	],
	[ 'nobody after it', $who, 'nobody' ],
	[ 'in a transaction', 'BEGIN; ' . become('alice'), 'alice' ],
	[ 'it lasts', $all, $alice ],
	[ 'and lasts', $all, $alice ],
	[ 'nobody after COMMIT', "COMMIT; $all", $nobody ],
	[ 'nor in the next transaction', "BEGIN; $all; COMMIT", $nobody ],
	[ 'ROLLBACK', 'BEGIN; ' . become('alice') . "; $who", 'alice alice' ],
	[ 'nobody after ROLLBACK', "ROLLBACK; $all", $nobody ],
	[
		'an error',
		'BEGIN; ' . become('alice') . '; SELECT 1/0; ROLLBACK',
		'alice ERROR: 22012'
	],
	[ 'nobody after an error', $all, $nobody ],
	[
		'COMMIT AND CHAIN',
		'BEGIN; ' . become('alice') . "; COMMIT AND CHAIN; $all; COMMIT",
		"alice $nobody"
	],
	[
		'ROLLBACK AND CHAIN',
		'BEGIN; ' . become('alice') . "; ROLLBACK AND CHAIN; $all; COMMIT",
		"alice $nobody"
	],
	[
		'PREPARE TRANSACTION',
		'BEGIN; ' . become('alice') . "; PREPARE TRANSACTION 'x'; $all",
		"alice $nobody"
	],
	[ 'COMMIT PREPARED', "COMMIT PREPARED 'x'; $all", $nobody ],
	[
		'COMMIT in a DO block',
		"DO \$\$ BEGIN
			PERFORM dualdb.authenticate('$token{alice}');
			PERFORM set_config('test.before', dualdb.user_id(), false);
			COMMIT;
			PERFORM set_config('test.after', coalesce(dualdb.user_id(), 'gone'), false);
		END \$\$; SHOW test.before; SHOW test.after",
		'alice gone'
	],
	[
		'the last one counts',
		'BEGIN; ' . become('alice') . '; ' . become('bob') . "; $all; COMMIT",
		'alice bob bob|nobody|bob|f|f'
	],
	[
		'a read-only transaction',
		'BEGIN READ ONLY; ' . become('alice') . "; $all; COMMIT",
		"alice $alice"
	]);

# refused tokens
steps_ok(
	[ 'expired', become('expired'), 'ERROR: 28000' ],
	[ 'another audience', become('other'), 'ERROR: 28000' ],
	[ 'NULL', 'SELECT dualdb.authenticate(NULL)', 'ERROR: 28000' ],
	[ 'nobody after it', $all, $nobody ],
	[
		'refused in a block',
		'BEGIN; ' . try(become('expired')) . "; $all; COMMIT", $nobody
	],
	[
		'refused in a block, after another identity',
		'BEGIN; '
		  . become('alice') . '; '
		  . try(become('expired'))
		  . "; $all; COMMIT",
		"alice $nobody"
	],
	[
		'accepted in a block',
		'BEGIN; ' . try(become('alice')) . "; $who; COMMIT", 'alice'
	],
	[
		'accepted in a block that fails then',
		'BEGIN; ' . try(become('alice') . '; PERFORM 1/0') . "; $who; COMMIT",
		'nobody'
	],
	[
		'a block that fails without a token',
		'BEGIN; '
		  . become('alice') . '; '
		  . try('PERFORM 1/0')
		  . "; $who; COMMIT",
		'alice alice'
	]);

# savepoints: rolling back over a change of identity leaves nobody
my $to_s = 'ROLLBACK TO s';
steps_ok(
	[
		'set in a savepoint that is rolled back',
		"BEGIN; SAVEPOINT s; @{[become('alice')]}; $to_s; $all; COMMIT",
		"alice $nobody"
	],
	[
		'changed in a savepoint that is rolled back',
		"BEGIN; @{[become('alice')]}; SAVEPOINT s; @{[become('bob')]}; $to_s; $all; COMMIT",
		"alice bob $nobody"
	],
	[
		'refused in a savepoint that is rolled back',
		"BEGIN; @{[become('alice')]}; SAVEPOINT s; @{[become('expired')]}; $to_s; $all; COMMIT",
		"alice $nobody ERROR: 28000"
	],
	[
		'untouched by a savepoint that is rolled back',
		"BEGIN; @{[become('alice')]}; SAVEPOINT s; SELECT 1/0; $to_s; $who; COMMIT",
		'alice alice ERROR: 22012'
	],
	[
		'set anew after the savepoint',
		"BEGIN; SAVEPOINT s; @{[become('alice')]}; $to_s; @{[become('bob')]}; $who; COMMIT",
		'alice bob bob'
	],
	[
		'released savepoint',
		"BEGIN; SAVEPOINT s; @{[become('alice')]}; RELEASE s; $all; COMMIT",
		"alice $alice"
	],
	[
		'released into a savepoint that is rolled back',
		"BEGIN; SAVEPOINT s; SAVEPOINT t; @{[become('alice')]}; RELEASE t; $who; $to_s; $who; COMMIT",
		'alice alice nobody'
	],
	[
		'released twice',
		"BEGIN; SAVEPOINT s; SAVEPOINT t; @{[become('alice')]}; RELEASE t; RELEASE s; $who; COMMIT",
		'alice alice'
	],
	[
		'an inner savepoint of a changed identity',
		"BEGIN; SAVEPOINT s; @{[become('alice')]}; SAVEPOINT t; ROLLBACK TO t; $who; $to_s; $who; COMMIT",
		'alice alice nobody'
	],
	[ 'nobody after all', $all, $nobody ]);

# the session's identity
steps_ok(
	[ 'for the session', become_in_session('alice'), 'alice' ],
	[ 'it lasts', $all, $alice ],
	[ 'over COMMIT', "BEGIN; COMMIT; $who", 'alice' ],
	[ 'over ROLLBACK', "BEGIN; ROLLBACK; $who", 'alice' ],
	[ 'over an error', "SELECT 1/0; $who", 'alice ERROR: 22012' ],
	[
		'over a savepoint',
		"BEGIN; SAVEPOINT s; $to_s; $who; COMMIT; $who",
		'alice alice'
	],
	[
		'over other DISCARDs',
		"DISCARD PLANS; DISCARD SEQUENCES; $who", 'alice'
	],
	[ 'over RESET of one setting', "RESET work_mem; $who", 'alice' ],
	[
		"the transaction's hides it",
		'BEGIN; ' . become('bob') . "; $all",
		'bob bob|nobody|bob|f|f'
	],
	[ 'until COMMIT', "COMMIT; $all", $alice ],
	[
		'or ROLLBACK', 'BEGIN; ' . become('bob') . "; ROLLBACK; $all",
		"bob $alice"
	],
	[
		'a refused one hides it, too',
		'BEGIN; ' . try(become('expired')) . "; $all; COMMIT; $who",
		"$nobody alice"
	],
	[
		'as does a rolled-back one',
		"BEGIN; SAVEPOINT s; @{[become('bob')]}; $to_s; $who; COMMIT; $who",
		'bob nobody alice'
	],
	[ 'another user', become_in_session('bob') . "; $who", 'bob bob' ],
	[ 'DISCARD ALL ends it', "DISCARD ALL; $all", $nobody ],
	[ 'a new start', become_in_session('alice') . "; $who", 'alice alice' ],
	[ 'reconnecting ends it', "\\c\n$all", $nobody ]);
steps_ok(
	[
		'rolled back',
		'BEGIN; ' . become_in_session('alice') . "; $who; ROLLBACK; $who",
		'alice alice nobody'
	],
	[
		'rolled back by an error',
		'BEGIN; ' . become_in_session('alice') . "; SELECT 1/0; COMMIT; $who",
		'alice nobody ERROR: 22012'
	],
	[
		'rolled back, after another identity',
		become_in_session('bob')
		  . '; BEGIN; '
		  . become_in_session('alice')
		  . "; ROLLBACK; $who",
		'bob alice nobody'
	],
	[
		'refused, after another identity',
		become_in_session('bob')
		  . "; $who; "
		  . become_in_session('expired')
		  . "; $who",
		'bob bob nobody ERROR: 28000'
	],
	[
		'refused in a block, after another identity',
		become_in_session('bob')
		  . "; $who; "
		  . try(become_in_session('expired'))
		  . "; $who",
		'bob bob nobody'
	],
	[
		'in a savepoint that is rolled back',
		"BEGIN; SAVEPOINT s; @{[become_in_session('alice')]}; $to_s; $who; COMMIT; $who",
		'alice nobody nobody'
	],
	[
		'in a savepoint that is released',
		"BEGIN; SAVEPOINT s; @{[become_in_session('alice')]}; RELEASE s; COMMIT; $who",
		'alice alice'
	]);

done_testing();
