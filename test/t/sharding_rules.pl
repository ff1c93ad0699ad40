# The rules of schema app that let it be distributed by project, read from the
# catalog.  Each has a violation that it finds.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use Test::More;

my $node = new_cluster('rules');
set_up_app($node);

# The tables of projects, partitions included, and the number of the column that
# names the project.
my $tables = q{
	WITH tables AS MATERIALIZED (
		SELECT c.oid, c.oid::regclass AS name, a.attnum
		FROM pg_class c
			LEFT JOIN pg_attribute a ON a.attrelid = c.oid
				AND a.attname = CASE c.oid::regclass::text WHEN 'app.projects' THEN 'id' ELSE 'project_id' END
		WHERE c.relnamespace = 'app'::regnamespace AND c.relkind IN ('r', 'p')
			AND c.oid::regclass::text NOT IN ('app.users', 'app.schema_version')
	)};

my @rules = (
	[ 'has a column for its project, never NULL', q{
		SELECT t.name FROM tables t
		WHERE NOT EXISTS (SELECT FROM pg_attribute a
			WHERE a.attrelid = t.oid AND a.attnum = t.attnum AND a.attnotnull AND a.atttypid = 'text'::regtype)},
		'CREATE TABLE app.planted (id text PRIMARY KEY)',
		'ALTER TABLE app.orders DROP CONSTRAINT orders_pkey, ALTER project_id DROP NOT NULL' ],
	[ 'has no unique index without the project as its first column', q{
		SELECT t.name FROM tables t JOIN pg_index i ON i.indrelid = t.oid
		WHERE (i.indisunique OR i.indisexclusion) AND i.indkey[0] IS DISTINCT FROM t.attnum},
		'ALTER TABLE app.products ADD UNIQUE (sku)',
		'ALTER TABLE app.products ADD UNIQUE (sku, project_id)',
		'CREATE UNIQUE INDEX ON app.orders ((lower(id)))',
		'ALTER TABLE app.orders DROP CONSTRAINT orders_pkey, ADD PRIMARY KEY (id, project_id)',
		'ALTER TABLE app.orders ADD EXCLUDE (id WITH =)' ],
	[ 'has a primary key', q{
		SELECT t.name FROM tables t
		WHERE NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = t.oid AND i.indisprimary)},
		'ALTER TABLE app.messages DROP CONSTRAINT messages_pkey' ],
	[ 'refers to nothing but rows of the same project', q{
		SELECT t.name FROM tables t
			JOIN pg_constraint k ON k.conrelid = t.oid AND k.contype = 'f'
			LEFT JOIN tables r ON r.oid = k.confrelid
		WHERE (k.conkey[1], k.confkey[1]) IS DISTINCT FROM (t.attnum, r.attnum)},
		'ALTER TABLE app.orders ADD UNIQUE (project_id, id); ALTER TABLE app.messages ADD order_id text,
			ADD FOREIGN KEY (order_id, project_id) REFERENCES app.orders (id, project_id)',
		'ALTER TABLE app.orders ADD FOREIGN KEY (user_id) REFERENCES app.projects',
		'CREATE TABLE public.kinds (id text PRIMARY KEY); ALTER TABLE app.integrations ADD FOREIGN KEY (kind) REFERENCES public.kinds' ],
	[ 'sets no column of a foreign key to NULL or to its default', q{
		SELECT t.name FROM tables t JOIN pg_constraint k ON k.conrelid = t.oid AND k.contype = 'f'
		WHERE k.confdeltype IN ('n', 'd') OR k.confupdtype <> 'a'},
		'ALTER TABLE app.orders ADD FOREIGN KEY (project_id) REFERENCES app.projects ON DELETE SET NULL',
		'ALTER TABLE app.orders ADD FOREIGN KEY (project_id) REFERENCES app.projects ON UPDATE CASCADE' ],
	[ 'has no trigger and no rule', q{
		SELECT t.name FROM tables t JOIN pg_trigger g ON g.tgrelid = t.oid AND NOT g.tgisinternal
		UNION ALL
		SELECT t.name FROM tables t JOIN pg_rewrite r ON r.ev_class = t.oid},
		'CREATE TRIGGER planted BEFORE UPDATE ON app.orders FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()',
		'CREATE RULE planted AS ON DELETE TO app.orders DO INSTEAD NOTHING' ],
	[ 'counts nothing: ids are dualdb.new_id()', q{
		SELECT t.name FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
			LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
		WHERE a.attidentity <> '' OR a.attgenerated <> ''
			OR a.attname = 'id' AND pg_get_expr(d.adbin, d.adrelid) IS DISTINCT FROM 'dualdb.new_id()'
			OR pg_get_expr(d.adbin, d.adrelid) ~ '\mnextval\(|\mSELECT\M'},
		'ALTER TABLE app.orders ADD number bigserial',
		'ALTER TABLE app.orders ADD number bigint GENERATED ALWAYS AS IDENTITY',
		'ALTER TABLE app.orders ALTER id SET DEFAULT gen_random_uuid()' ],
	[ 'inherits from nothing but the table that it is a partition of', q{
		SELECT t.name FROM tables t JOIN pg_inherits i ON i.inhrelid = t.oid JOIN pg_class c ON c.oid = t.oid
		WHERE NOT c.relispartition},
		'CREATE TABLE app.planted (PRIMARY KEY (project_id, id)) INHERITS (app.orders)' ],
	[ 'has no policy with a sub-query', q{
		SELECT t.name FROM tables t JOIN pg_policy p ON p.polrelid = t.oid
		WHERE concat(p.polqual, p.polwithcheck) ~ '\{SUBLINK'},
		'CREATE POLICY planted ON app.orders USING (project_id IN (SELECT p.id FROM app.projects p))',
		'CREATE POLICY planted ON app.orders USING (true) WITH CHECK (user_id = (SELECT dualdb.user_id()))' ],
	[ 'is permanent', q{
		SELECT t.name FROM tables t JOIN pg_class c ON c.oid = t.oid WHERE c.relpersistence <> 'p'},
		'ALTER TABLE app.integrations SET UNLOGGED' ]);

foreach my $rule (@rules)
{
	my ($name, $query, @violations) = @$rule;

	is($node->safe_psql('aisales_app', "$tables $query"), '', "every table $name");
	foreach my $violation (@violations)
	{
		like($node->safe_psql('aisales_app', "BEGIN; $violation; $tables $query; ROLLBACK"),
			qr/^app\.\w+$/m, "found: $violation");
	}
}
is($node->safe_psql('aisales_app', "$tables SELECT count(*) FROM tables WHERE name::text !~ '^app.api_logs_'"), '8', 'of eight tables');

done_testing();
