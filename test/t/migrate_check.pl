# The dry run: it finds what is planted, and nothing where nothing is; it writes nothing.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Legacy;
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main');
set_up_single($node);
legacy_database($node, 'aisales', 'integer', 100, 200, map { $_->[1] } published_hashes());
my $mapping = legacy_mapping('public');

sub sql { return $node->safe_psql('aisales', shift); }

# planted(what, SQL, findings): of a copy of the tables that is undone
sub planted
{
	my ($what, $sql, $found) = @_;

	is(sql("BEGIN; $sql; SELECT string_agg(concat_ws('|', c.status, c.name, c.item, c.row_count), ' ')
		FROM dualdb.migrate_check(\$m\$$mapping\$m\$) c WHERE c.status <> 'ok'; ROLLBACK") =~ s/^\s+//r, $found, $what);
	return;
}

planted('nothing', 'SELECT', '');
is(sql("SELECT count(*), sum(row_count) FROM dualdb.migrate_check(\$m\$$mapping\$m\$)
	WHERE item = 'hash_format' AND detail LIKE 'Password hashes of format %'"),
	sql('SELECT count(DISTINCT dualdb.password_hash_format(hash)), 100 FROM passwords'), 'hashes are counted by format');

planted('two addresses that are one', "INSERT INTO accounts VALUES (1000, ' uSER1\@example.COM')",
	'error|users|duplicate_email|1 warning|users|no_password|1');
planted('an address that somebody has here', "INSERT INTO auth.users (email) VALUES ('user2\@EXAMPLE.com')",
	'error|users|email_taken|1');
planted('what is no address', "UPDATE accounts SET mail = 'nobody' WHERE id = 3", 'warning|users|email|1');
planted('no address', 'ALTER TABLE accounts ALTER mail DROP NOT NULL; UPDATE accounts SET mail = NULL WHERE id IN (4, 5)',
	'error|users|null|2');
planted('hashes that nobody knows', "UPDATE accounts SET hashed_password = 'md5of' || id WHERE id < 4", 'error|users|hash_format|3');
planted('a hash that costs too much', "UPDATE accounts SET hashed_password = '\$2b\$31\$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW' WHERE id = 1",
	'error|users|hash_format|1');
planted('an order of nobody', 'ALTER TABLE purchases DROP CONSTRAINT purchases_account_id_fkey; UPDATE purchases SET account_id = 999 WHERE id < 5',
	'warning|orders|orphan|4');
planted('an order of no project', 'ALTER TABLE purchases DROP CONSTRAINT purchases_workspace_id_fkey; UPDATE purchases SET workspace_id = 999 WHERE id < 4',
	'error|orders|orphan|3');
planted('a project of nobody', 'ALTER TABLE workspaces DROP CONSTRAINT workspaces_owner_id_fkey; UPDATE workspaces SET owner_id = 999 WHERE id = 1',
	'warning|projects|orphan|1');
planted('an id that is another row here', "INSERT INTO app.projects (id, user_id, name) VALUES ('1', '1', 'Mine')",
	'error|projects|id_taken|1');
planted('a constraint of the target', "ALTER TABLE app.orders ADD CHECK (total < 1)", 'error|orders|constraint|101');
planted('a unique index of the target', 'ALTER TABLE app.projects ADD UNIQUE (name); UPDATE workspaces SET title = \'Same\' WHERE id < 6',
	'error|projects|duplicate|1');
planted('ids that are the same as text', "ALTER TABLE workspaces DROP CONSTRAINT workspaces_pkey CASCADE;
	ALTER TABLE workspaces ALTER id TYPE char(4); INSERT INTO workspaces VALUES ('1', 1, 'x')", 'error|projects|duplicate_id|1');
planted('a value that its column cannot take', "ALTER TABLE purchases ALTER amount TYPE numeric; UPDATE purchases SET amount = 1e20 WHERE id = 9",
	'error|orders|unreadable');
planted('a relation that is gone', 'DROP TABLE purchases', 'error|orders|mapping');
planted('columns that are gone', 'ALTER TABLE purchases DROP amount, DROP state', 'error|orders|mapping error|orders|mapping');
planted('a column that must be mapped', 'ALTER TABLE app.orders ADD tenant text NOT NULL', 'error|orders|mapping');

# of the mapping itself
my %wrong = (
	'"users": {"from": "accounts_of_nobody"}' => 'error|users|mapping',
	'"customers": {}' => 'error|customers|mapping| error||mapping|',
	'"users": 1' => 'error|users|mapping',
	'"projects": {"from": "public.workspaces", "columns": {"id": {"sql": "id + 1"}, "user_id": "owner_id", "name": {"value": "x"}}}' =>
	  'error|projects|mapping');
$mapping = "{$_}", like(checked($node, 'aisales', $mapping), qr/^\Q$wrong{$_}\E/, "mapping {$_}") foreach sort keys %wrong;
error_is($node, 'aisales', scalar getpwuid($<), "CALL dualdb.migrate_from('$mapping')", qr/^22023: the mapping/, 'which no pass takes');

is(sql('SELECT count(*) FROM auth.users'), '0', 'nothing has been written');
is(sql('SELECT count(*) FROM dualdb.migration_tables'), '0', 'not even that');
foreach my $role ('auth_login', 'app_login')
{
	error_is($node, 'aisales', $role, $_, qr/^42501: /, "$role: $_")
	  foreach "CALL dualdb.migrate_from('{}')", "SELECT * FROM dualdb.migrate_check('{}')", "SELECT * FROM dualdb.migrate_verify('{}')",
	  "SELECT * FROM dualdb.migrate_back('{}')", 'SELECT dualdb.migrate_finish()', 'TABLE dualdb.migration_rows', 'TABLE dualdb.migrate_progress';
}

done_testing();
