# The way back: what has been made, changed and deleted here comes to the source, and
# everybody can go on there.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Legacy;
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', conf => "dualdb.argon2_memory = '19MB'\ndualdb.argon2_iterations = 2\n");
my ($bcrypt) = grep { $_->[1] =~ /^\$2b/ } published_hashes();
my $new_password = 'a password that is new';

set_up_single($node);
sub sql { return $node->safe_psql('aisales', shift); }
sub source { return $node->safe_psql('legacy', shift); }
sub back
{
	my ($mapping, $arguments) = @_;
	return join ' ', split /\n/, sql("SELECT * FROM dualdb.migrate_back(\$m\$$mapping\$m\$" . ($arguments // '') . ')');
}

$node->safe_psql('postgres', 'CREATE DATABASE legacy');
legacy_database($node, 'legacy', 'uuid', 100, 500, $bcrypt->[1]);
reach_legacy($node, 'aisales', 'legacy', 'uuid');
# columns that the foreign table sends for each new row have a default here, too
sql("ALTER FOREIGN TABLE legacy.accounts ALTER blocked SET DEFAULT false");
my $mapping = legacy_mapping('legacy', user_roles => q{{"from": "legacy.account_roles", "columns": {"user_id": "account_id", "role_id": "role_name"}}});
sql("INSERT INTO auth.roles (id, name) VALUES ('seller', 'seller'), ('admin', 'admin')");
like(migrate($node, 'aisales', $mapping), qr/^users 100 written/, 'copied');
is(back($mapping), '', 'nothing is to be written back');
my $before = source('SELECT md5(string_agg(a::text, \'\' ORDER BY id)) FROM accounts a');

my ($id, $id_other, $project) = map { source("SELECT $_") } "md5('account1')::uuid", "md5('account2')::uuid", "md5('workspace1')::uuid";
is(sql("SELECT status FROM auth.login('user$_\@example.com', '$bcrypt->[0]')"), 'ok', "user $_ logs in") foreach 1, 2, 3;
is(back($mapping), '', 'a login that computes the hash anew is nothing to write back');
is(sql("SELECT status FROM auth.change_password('$id_other', '$bcrypt->[0]', '$new_password')"), 'ok', 'another password');
is(sql("SELECT status FROM auth.register_user('fresh\@example.com', '$new_password', 'Fresh User')"), 'ok', 'a new user');
sql("UPDATE auth.users SET display_name = 'Ann Other', is_active = false WHERE id = '$id';
	INSERT INTO app.projects (id, user_id, name) SELECT gen_random_uuid(), id, 'Fresh' FROM auth.users WHERE email = 'fresh\@example.com';
	INSERT INTO app.orders (project_id, user_id, status, total, currency) SELECT id, user_id, 'open', 3, 'USD' FROM app.projects WHERE name = 'Fresh';
	INSERT INTO app.orders (project_id, id, user_id, status) VALUES ('$project', 'no uuid', '$id', 'open');
	INSERT INTO auth.user_roles SELECT id, 'admin' FROM auth.users WHERE email = 'fresh\@example.com'; DELETE FROM auth.user_roles WHERE user_id = '$id' AND role_id = 'seller';
	DELETE FROM app.orders WHERE id IN (md5('purchase1')::uuid::text, md5('purchase2')::uuid::text);
	UPDATE app.orders SET status = 'sent', total = 9 WHERE id = md5('purchase3')::uuid::text");
my $all = 'users|insert|1 users|password|1 users|update|1 user_roles|delete|1 user_roles|insert|1 projects|insert|1 '
  . 'orders|delete|2 orders|insert|1 orders|refused|1 orders|update|1';
is(back($mapping, ', dry_run => true'), $all, 'what is to be written back');
is(source('SELECT md5(string_agg(a::text, \'\' ORDER BY id)) FROM accounts a'), $before, 'which is not written by that');
is(back($mapping), $all, 'written back');

is(source("SELECT first_name, last_name, blocked FROM accounts WHERE id = '$id'"), 'Ann|Other|t', 'a user who has changed');
is(source("SELECT a.mail, a.first_name, a.blocked, w.title, p.state, p.amount, r.role_name FROM accounts a
	JOIN workspaces w ON w.owner_id = a.id JOIN purchases p ON p.workspace_id = w.id JOIN account_roles r ON r.account_id = a.id
	WHERE a.mail = 'fresh\@example.com'"), 'fresh@example.com|Fresh|f|Fresh|open|3.00|admin', 'a new user with all that is theirs');
is(source("SELECT count(*), sum(amount) FILTER (WHERE state = 'sent' AND id = md5('purchase3')::uuid) FROM purchases"), '499|9.00', 'orders');
is(source("SELECT string_agg(role_name, ' ') FROM account_roles WHERE account_id = '$id'"), 'admin', 'a role that was taken away');
is(source("SELECT count(*) FROM accounts WHERE hashed_password = '$bcrypt->[1]'"), '99', 'who has not changed the password has the old hash');
is(sql("SELECT count(*) FROM legacy.accounts a WHERE dualdb.verify_password('$new_password', a.hashed_password)"), '2', 'who has, a new one');

is(back($mapping), 'orders|refused|1', 'there is no more to write back');
is(migrate($node, 'aisales', $mapping), 'users 0 written, 0 removed, 0 put off; user_roles 0 written, 0 removed, 0 put off; '
	. 'projects 0 written, 0 removed, 0 put off; orders 0 written, 0 removed, 0 put off', 'and none to copy again');
like(verified($node, 'aisales', $mapping), qr/^ok.* ok.* ok.* ok\|orders\|499\|499\|t\|1 made here$/, 'both have the same');

# mappings that do not lead back
my %refused = (
	'is the source of another table, too' => { projects => q{{"from": "legacy.accounts", "columns": {"id": "id", "user_id": "id", "name": "mail"}}} },
	'is mapped more than once' => { orders => q{{"from": "legacy.purchases", "columns": {"id": "id", "project_id": "account_id", "user_id": "account_id"}}} },
	'is not mapped to a column of' => { orders => q{{"from": "legacy.purchases", "key": "id", "columns": {"id": {"sql": "'x' || id"}, "project_id": "workspace_id", "user_id": "account_id"}}} },
	'fills column "nothing"' => { orders => q{{"from": "legacy.purchases", "columns": {"id": "id", "project_id": "workspace_id", "user_id": "account_id"}, "back": {"nothing": "1"}}} });
foreach my $detail (sort keys %refused)
{
	my $wrong = legacy_mapping('legacy', %{ $refused{$detail} });
	my (undef, undef, $error) = psql_as($node, 'aisales', scalar getpwuid($<), "SELECT * FROM dualdb.migrate_back(\$m\$$wrong\$m\$)");

	like($error, qr/cannot be used for the way back/, $detail);
}

# what the source refuses leaves it as it was
sql("INSERT INTO auth.users (id, email, password_hash) VALUES (gen_random_uuid(), 'second\@example.com', 'secret'), (gen_random_uuid(), 'third\@example.com', 'secret')");
source("ALTER TABLE accounts ADD CHECK (mail <> 'third\@example.com')");
my (undef, undef, $error) = psql_as($node, 'aisales', scalar getpwuid($<), "SELECT * FROM dualdb.migrate_back(\$m\$$mapping\$m\$)");
like($error, qr/nothing has been written back: .*violates check constraint/, 'a constraint of the source');
unlike($error, qr/secret/, 'whose error does not show the row');
is(source("SELECT count(*) FROM accounts WHERE mail = 'second\@example.com'"), '0', 'nothing is written');

done_testing();
