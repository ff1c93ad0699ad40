# What an identity may do: roles, permissions, row-level security, also in
# prepared statements and in parallel plans.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Signer;
use DualDB::Test;
use Test::More;

my $node = new_cluster('rights');
set_up_app($node);
my $signer = DualDB::Signer->new;
$node->safe_psql(
	'aisales_app', $signer->trust_sql . q{
	INSERT INTO app.projects (id, user_id, name) VALUES
		('a1', 'alice', 'a1'), ('a2', 'alice', 'a2'), ('b1', 'bob', 'b1');

	-- marked wrongly on purpose: shows what a parallel worker would answer
	CREATE FUNCTION public.user_id_in_worker() RETURNS text
	LANGUAGE plpgsql PARALLEL SAFE AS 'BEGIN RETURN dualdb.user_id(); END'});

my %token = (
	alice => $signer->token(
		sub => '"alice"',
		roles => '["admin","editor"]',
		scope => '"orders:read reports:* *:audit admin:users:*"'),
	bob => $signer->token(sub => '"bob"'),
	root => $signer->token(sub => '"root"', scope => '"*"'),
	guest => $signer->token(sub => '"guest"', scope => '""', roles => '[]'));

sub become { return "SELECT dualdb.authenticate('$token{$_[0]}')"; }

sub become_in_session
{
	return "SELECT dualdb.authenticate_session('$token{$_[0]}')";
}

# Steps of one session of an ordinary role.
sub steps_ok
{
	session_ok($node, 'aisales_app', 'app_user_login', @_);
	return;
}

# roles and permissions
sub held
{
	my ($function, @names) = @_;
	my $list = join ',', map { defined $_ ? "'$_'" : 'NULL' } @names;

	return "SELECT string_agg(n, ' ' ORDER BY o)
		FROM unnest(ARRAY[$list]) WITH ORDINALITY a(n, o)
		WHERE dualdb.$function(n)";
}
my $roles = held(
	has_role => qw(admin editor),
	undef, '',
	qw(Admin adm admins user * alice), 'admin editor', 'admin,editor');
my $permissions = held(
	has_permission => qw(orders:read reports:read reports:read:all x:audit
	  admin:users:delete),
	undef, '', qw(orders orders:* orders:write orders:rea orders:readx
	  orders:read:all Orders:read reports Reports:read audit x:y:audit * *:*
	  admin admin:users admin:roles:delete users:delete),
	' orders:read', 'orders:read reports:read');
my $granted =
  'orders:read reports:read reports:read:all x:audit admin:users:delete';
steps_ok(
	[ 'roles of nobody', $roles, 'nobody' ],
	[ 'permissions of nobody', $permissions, 'nobody' ],
	[ 'in session', become_in_session('alice'), 'alice' ],
	[ 'roles', $roles, 'admin editor' ],
	[ 'permissions', $permissions, $granted ],
	[ 'without such claims', become_in_session('bob'), 'bob' ],
	[ 'no roles', $roles, 'nobody' ],
	[ 'no permissions', $permissions, 'nobody' ],
	[ 'with empty claims', become_in_session('guest'), 'guest' ],
	[ 'still no roles', $roles, 'nobody' ],
	[ 'still no permissions', $permissions, 'nobody' ],
	[ 'with all permissions', become_in_session('root'), 'root' ],
	[
		'each of them',
		held(has_permission => qw(orders:read a a:b:c *), undef, ''),
		'orders:read a a:b:c *'
	],
	[ 'which are no roles', $roles, 'nobody' ]);

# each identity has its own rows, also in plans that were made for another one
my $mine = "SELECT string_agg(name, ' ' ORDER BY name) FROM app.projects";
foreach my $plans ('force_generic_plan', 'force_custom_plan')
{
	steps_ok(
		[ $plans, "SET plan_cache_mode = $plans; PREPARE q AS $mine", '' ],
		[ 'rows of nobody', 'EXECUTE q', 'nobody' ],
		[
			'of Alice', 'BEGIN; ' . become('alice') . '; EXECUTE q',
			'alice a1 a2'
		],
		[ 'of Bob', become('bob') . '; EXECUTE q', 'bob b1' ],
		[ 'of Alice again', become('alice') . '; EXECUTE q', 'alice a1 a2' ],
		[ 'and of nobody', 'COMMIT; EXECUTE q', 'nobody' ]);
}
my $insert = "INSERT INTO app.projects (id, user_id, name) VALUES";
steps_ok(
	[
		'nobody writes nothing', "$insert ('x', 'alice', 'x')",
		'ERROR: 42501'
	],
	[ 'as Alice', become_in_session('alice'), 'alice' ],
	[ 'her own row', "$insert ('a3', 'alice', 'a3'); $mine", 'a1 a2 a3' ],
	[ "not Bob's", "$insert ('b2', 'bob', 'b2')", 'ERROR: 42501' ],
	[ 'no gift', "UPDATE app.projects SET user_id = 'bob'", 'ERROR: 42501' ],
	[ 'no theft', "DELETE FROM app.projects WHERE user_id = 'bob'", '' ],
	[ 'she changes hers', "DELETE FROM app.projects WHERE id = 'a3'", '' ],
	[ 'as Bob', become_in_session('bob') . "; $mine", 'bob b1' ]);

# workers have no identity, so nothing that asks for it may run in one
my $force =
  $node->pg_version >= 16 ? 'debug_parallel_query' : 'force_parallel_mode';
steps_ok(
	[ 'as Alice', become_in_session('alice'), 'alice' ],
	[
		'parallel plans',
		"SET $force = on; SET parallel_setup_cost = 0;
		SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0",
		''
	],
	[ 'workers do run', 'SELECT public.user_id_in_worker()', 'nobody' ],
	[
		'the leader answers',
		q{SELECT dualdb.user_id(), dualdb.has_role('admin')}, 'alice|t'
	],
	[ 'also for policies', $mine, 'a1 a2' ],
	[
		'and conditions',
		'SELECT count(*) FROM app.projects WHERE user_id = dualdb.user_id()',
		'2'
	],
	[ 'authenticate', become('bob'), 'bob' ]);

done_testing();
