# Ids of other types, and tables of another shape: integers, in an application without
# projects whose tables lie in the same database; and texts in the order of a collation.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Legacy;
use DualDB::Test;
use DualDB::Verify;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', conf => "dualdb.argon2_memory = '19MB'\ndualdb.argon2_iterations = 2\n");
my ($argon2) = grep { $_->[1] =~ /^\$argon2id/ } published_hashes();

set_up_single($node);
sub sql { return $node->safe_psql('aisales', shift); }

# integers; each user gets a project of the same id
legacy_database($node, 'aisales', 'integer', 300, 1000, $argon2->[1]);
sql(q{ALTER TABLE auth.users ADD COLUMN surname text; ALTER TABLE app.orders ADD COLUMN shipped boolean NOT NULL DEFAULT false;
	INSERT INTO account_roles VALUES (2, 'buyer')});
my $mapping = legacy_mapping('public',
	users => q{{"from": "public.accounts", "where": "id <> 300", "columns": {"id": "id", "email": "mail",
		"password_hash": "hashed_password", "surname": "last_name"}}},
	roles => q{{"from": "public.account_roles", "key": "role_name", "where": "account_id IN (1, 2) AND role_name <> 'seller'",
		"columns": {"id": {"sql": "'role-' || role_name"}, "name": "role_name"}}},
	user_roles => q{{"from": "public.account_roles", "where": "role_name <> 'seller'",
		"columns": {"user_id": "account_id", "role_id": {"sql": "'role-' || role_name"}}}},
	projects => q{{"from": "public.accounts", "columns": {"id": "id", "user_id": "id", "name": {"sql": "'Orders of ' || first_name"}}}},
	orders => q{{"from": "public.purchases", "columns": {"id": "id", "project_id": "account_id", "user_id": "account_id",
		"status": "state", "total": "amount", "created_at": "bought", "shipped": {"sql": "state = 'sent'"}}}});
is(checked($node, 'aisales', $mapping), 'warning|projects|orphan|1', 'but for the user who is left out, nothing is amiss');
is(migrate($node, 'aisales', $mapping, 'batch_size => 70'), 'users 299 written, 0 removed, 0 put off; '
	. 'roles 2 written, 0 removed, 0 put off; user_roles 31 written, 0 removed, 0 put off; '
	. 'projects 300 written, 0 removed, 0 put off; orders 1000 written, 0 removed, 0 put off', 'all of it');
is(verified($node, 'aisales', $mapping), join(' ', map { "ok|$_->[0]|$_->[1]|$_->[1]|t|" } [ 'users', 299 ], [ 'roles', 2 ],
		[ 'user_roles', 31 ], [ 'projects', 300 ], [ 'orders', 1000 ]), 'verified');
is(sql('SELECT count(*), count(DISTINCT o.project_id), bool_and(o.shipped = (p.state = \'sent\')) FROM app.orders o
	JOIN app.projects j ON j.id = o.project_id AND j.user_id = o.user_id JOIN purchases p ON p.id::text = o.id'),
	sql('SELECT count(*), count(DISTINCT account_id), true FROM purchases'), 'every order is in its user\'s project');
is(sql('SELECT count(*) FROM auth.users WHERE surname = \'Last\''), '299', 'columns of one\'s own are filled');
is(sql("SELECT count(*) FROM auth.users WHERE created_at < now() - interval '1 minute'"), '0', 'those that are not mapped have their default');
is(sql("SELECT auth.has_permission('1', 'x')"), 'f', 'roles can be asked');
is(sql("SELECT status FROM auth.login('user7\@example.com', '$argon2->[0]')"), 'ok', 'a user logs in');

# times without a time zone are those of UTC, whatever the session's is
is(sql("SET timezone = 'Asia/Tokyo'; SELECT count(*) FROM app.orders o JOIN purchases p ON p.id::text = o.id
	AND o.created_at = p.bought AT TIME ZONE 'UTC'"), '1000', 'times are in UTC');
is(sql("SET timezone = 'Asia/Tokyo'; SET datestyle = 'SQL, DMY'; SELECT status FROM dualdb.migrate_verify(\$m\$$mapping\$m\$) WHERE name = 'orders'"),
	'ok', 'and compare so');

# texts
sql('SELECT dualdb.migrate_finish(); DELETE FROM app.projects; DELETE FROM auth.users; DELETE FROM auth.roles');
$node->safe_psql('postgres', "CREATE DATABASE legacy TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LOCALE 'C.UTF-8' ENCODING 'UTF8'");
legacy_database($node, 'legacy', 'text', 300, 1000, $argon2->[1]);
isnt($node->safe_psql('legacy', 'SELECT string_agg(id, \',\' ORDER BY id) FROM accounts'),
	$node->safe_psql('legacy', 'SELECT string_agg(id, \',\' ORDER BY id COLLATE "C") FROM accounts'), 'the source has another order');
reach_legacy($node, 'aisales', 'legacy', 'text');
$mapping = legacy_mapping('legacy', user_roles => q{{"from": "legacy.account_roles", "columns": {"user_id": "account_id", "role_id": "role_name"}}});
like(checked($node, 'aisales', $mapping), qr/^error\|user_roles\|orphan\|60$/, 'roles that are not here');
sql("INSERT INTO auth.roles (id, name) VALUES ('seller', 'seller'), ('admin', 'admin')");
is(checked($node, 'aisales', $mapping), '', 'nothing is amiss');
is(migrate($node, 'aisales', $mapping, 'batch_size => 70'), 'users 300 written, 0 removed, 0 put off; user_roles 60 written, 0 removed, 0 put off; '
	. 'projects 150 written, 0 removed, 0 put off; orders 1000 written, 0 removed, 0 put off', 'texts');
is(verified($node, 'aisales', $mapping), 'ok|users|300|300|t| ok|user_roles|60|60|t| ok|projects|150|150|t| ok|orders|1000|1000|t|', 'verified');
like(sql("EXPLAIN (VERBOSE) SELECT (s.id::text)::text FROM legacy.purchases s WHERE s.id::text OPERATOR(pg_catalog.~>~) 'B' ORDER BY s.id::text USING OPERATOR(pg_catalog.~<~) OFFSET 9 LIMIT 1"),
	qr/Remote SQL: SELECT id FROM public.purchases WHERE .*~>~.*ORDER BY.*LIMIT/, 'the source looks for the end of a batch');

done_testing();
