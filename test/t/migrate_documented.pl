# The mapping of docs/migrating.md, there and back.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Legacy;
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', conf => "dualdb.argon2_memory = '19MB'\ndualdb.argon2_iterations = 2\n");
my ($mapping) = slurp_file("$FindBin::RealBin/../../docs/migrating.md") =~ /^```json\n(.*?)^```/ms;
my ($bcrypt) = grep { $_->[1] =~ /^\$2b/ } published_hashes();

set_up_single($node);
sub sql { return $node->safe_psql('aisales', shift); }
sql(qq{CREATE SCHEMA legacy;
	CREATE TABLE legacy.users (id serial PRIMARY KEY, email text UNIQUE, hashed_password text, first_name text, last_name text,
		disabled boolean NOT NULL DEFAULT false, created timestamp NOT NULL DEFAULT now());
	CREATE TABLE legacy.orders (id serial PRIMARY KEY, user_id integer REFERENCES legacy.users, state text, amount numeric, created timestamp);
	INSERT INTO legacy.users (email, hashed_password, first_name, last_name) VALUES ('ann\@example.com', '$bcrypt->[1]', 'Ann', 'van Other'), ('bob\@example.com', NULL, NULL, NULL);
	INSERT INTO legacy.orders (user_id, state, amount, created) VALUES (1, 'new', 3.5, now()), (1, 'paid', 4, now()), (2, 'new', 5, now())});

is(checked($node, 'aisales', $mapping), 'warning|users|no_password|1', 'the dry run');
is(migrate($node, 'aisales', $mapping), 'users 2 written, 0 removed, 0 put off; projects 2 written, 0 removed, 0 put off; '
	. 'orders 3 written, 0 removed, 0 put off', 'copied');
is(verified($node, 'aisales', $mapping), 'ok|users|2|2|t| ok|projects|2|2|t| ok|orders|3|3|t|', 'verified');
is(sql("SELECT status FROM auth.login('ann\@example.com', '$bcrypt->[0]')"), 'ok', 'a login');
is(sql("SELECT u.display_name, p.name, sum(o.total) FROM app.orders o JOIN app.projects p ON p.id = o.project_id JOIN app.users u ON u.id = o.user_id
	WHERE u.email = 'ann\@example.com' GROUP BY 1, 2"), 'Ann van Other|Default|7.50', 'rows belong together');

# new users and orders with numbers, as the guide proposes
my @numbers = slurp_file("$FindBin::RealBin/../../docs/migrating.md") =~ /^```sql\n(CREATE SEQUENCE.*?)^```/msg;
is(scalar(@numbers), 2, 'two sequences');
sql($_) foreach @numbers;
is(sql("SELECT string_agg(item || ' ' || detail, ', ') FROM dualdb.verify_setup() WHERE detail LIKE '%\\_ids%'"), '',
	'that verify_setup() has nothing against');
is(sql("SELECT status, user_id FROM auth.register_user('carl\@example.com', 'an unlikely long password', 'Carl')"), 'ok|10000000', 'a new user');
sql("UPDATE auth.users SET display_name = 'Ann von Other', is_active = false WHERE id = '1';
	INSERT INTO app.orders (project_id, user_id, total) VALUES ('2', '2', 6); DELETE FROM app.orders WHERE id = '1'");
is(sql("SELECT string_agg(concat_ws(' ', name, item, row_count), ', ') FROM dualdb.migrate_back(\$m\$$mapping\$m\$)"),
	'users insert 1, users update 1, orders delete 1, orders insert 1', 'the way back');
is(sql('SELECT first_name, last_name, disabled FROM legacy.users WHERE id = 1'), 'Ann|von Other|t', 'a user');
is(sql('SELECT string_agg(concat_ws(\' \', id, user_id, amount), \', \' ORDER BY id) FROM legacy.orders'), '2 1 4, 3 2 5, 10000000 2 6.00', 'orders');

done_testing();
