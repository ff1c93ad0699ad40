# What changes at the source after it has been copied comes with the next pass, and what
# has been made here meanwhile stays.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Legacy;
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', conf => "dualdb.argon2_memory = '19MB'\ndualdb.argon2_iterations = 2\n");
my @passwords = published_hashes();
my ($bcrypt) = grep { $_->[1] =~ /^\$2b/ } @passwords;
my ($sha512) = grep { $_->[1] =~ /^\$6/ } @passwords;

set_up_single($node);
$node->safe_psql('postgres', 'CREATE DATABASE legacy');
legacy_database($node, 'legacy', 'integer', 100, 1000, $bcrypt->[1]);
reach_legacy($node, 'aisales', 'legacy', 'integer');
my $mapping = legacy_mapping('legacy', users => q{{"from": "legacy.accounts", "columns": {"id": "id", "email": "mail",
	"password_hash": "hashed_password", "display_name": "first_name", "email_verified_at": "joined", "is_active": {"sql": "NOT blocked"}}}});
my $nothing = 'users 0 written, 0 removed, 0 put off; projects 0 written, 0 removed, 0 put off; orders 0 written, 0 removed, 0 put off';

sub sql { return $node->safe_psql('aisales', shift); }
sub source { return $node->safe_psql('legacy', shift); }
sub copy { return migrate($node, 'aisales', $mapping, shift); }
sub login
{
	my ($n, $password) = @_;
	return sql("SELECT status FROM auth.login('user$n\@example.com', '$password')");
}
# the user's whole row, but for the password hash
sub user { return sql("SELECT email, display_name, is_active, email_verified_at IS NOT NULL FROM auth.users WHERE id = '$_[0]'"); }

like(copy(), qr/^users 100 written, .* orders 1000 written, 0 removed, 0 put off$/, 'copied');
my $before = sql('SELECT count(*), max(change_xid::text) FROM auth.users');
is(copy(), $nothing, 'a pass over what has not changed writes nothing');
is(sql('SELECT count(*), max(change_xid::text) FROM auth.users'), $before, 'and touches no user');
is(sql("SELECT string_agg(object_id, ' / ' ORDER BY at) ~ 'users 100 written.* / users 0 written', count(*) FROM auth.audit_log WHERE event = 'users_migrated'"),
	't|2', 'a line of the audit log for a pass');
is(sql("SELECT count(*) FROM auth.audit_log WHERE event <> 'users_migrated' AND event NOT LIKE 'signing_key%'"), '0', 'and none for a user');

# changed, new, gone
source("UPDATE accounts SET mail = 'changed\@example.com', first_name = 'Changed', blocked = true WHERE id = 1;
	INSERT INTO accounts (id, mail) VALUES (1001, 'new\@example.com');
	INSERT INTO workspaces VALUES (1001, 1001, 'New'); INSERT INTO purchases (id, workspace_id, account_id, amount) VALUES (1001, 1001, 1001, 5);
	UPDATE purchases SET amount = 7, state = 'paid' WHERE id = 1; UPDATE purchases SET workspace_id = 3 WHERE id = 2;
	DELETE FROM purchases WHERE id = 3; DELETE FROM account_roles WHERE account_id IN (99, 91);
	DELETE FROM purchases WHERE workspace_id = 99; DELETE FROM workspaces WHERE id = 99; DELETE FROM accounts WHERE id = 99");
is(verified($node, 'aisales', $mapping) =~ s/\|-?\d+\|-?\d+\|[tf]\|/: /gr, 'error|users: 1 missing here, 1 not up to date, 1 gone at the source '
	. 'error|projects: 1 missing here, 1 gone at the source error|orders: 1 missing here, 2 not up to date, 21 gone at the source', 'differences are seen');
like(copy('max_removals => 20'), qr/21 rows are gone from legacy.purchases/, 'not more than so many rows go');
is(sql('SELECT count(*) FROM app.orders'), '1000', 'nothing went');
is(copy('batch_size => 30'), 'users 2 written, 1 removed, 0 put off; projects 1 written, 1 removed, 0 put off; orders 3 written, 21 removed, 0 put off', 'the next pass');
like(verified($node, 'aisales', $mapping), qr/^ok.*\| ok.*\| ok.*\|$/, 'all is as it is at the source');
is(user(1), 'changed@example.com|Changed|f|t', 'a user who has changed');
is(sql("SELECT project_id FROM app.orders WHERE id = '2'"), '3', 'an order that has moved, once');
is(sql("SELECT is_active, email FROM app.users WHERE id = '99'"), 'f|', 'who is gone is inactive in the directory');

# addresses that wander: each takes the one of the user before
source("UPDATE accounts SET mail = 'x' || mail WHERE id IN (11, 12); UPDATE accounts SET mail = 'User11\@Example.com' WHERE id = 10;
	UPDATE accounts SET mail = 'User10\@Example.com' WHERE id = 12");
like(copy(), qr/^users 1 written, 0 removed, 2 put off;/, 'who waits for another');
like(copy(), qr/^users 2 written, 0 removed, 0 put off;/, 'comes with the next pass');
like(verified($node, 'aisales', $mapping), qr/^ok/, 'then all is as at the source');

# password hashes
is(login(20, $bcrypt->[0]), 'ok', 'a user logs in');
is(sql("SELECT dualdb.password_hash_format(password_hash) FROM auth.users WHERE id = '20'"), 'argon2id', 'which makes a hash of ours');
source('UPDATE accounts SET last_name = \'Other\', first_name = \'Other\' WHERE id = 20');
like(copy(), qr/^users 1 written/, 'the user changes at the source');
is(sql("SELECT dualdb.password_hash_format(password_hash), display_name FROM auth.users WHERE id = '20'"), 'argon2id|Other', 'and keeps the hash');
like(verified($node, 'aisales', $mapping), qr/^ok\|users\|.*1 with a password hash of its own here/, 'which is counted');
source("UPDATE accounts SET hashed_password = '$sha512->[1]' WHERE id IN (20, 21)");
like(verified($node, 'aisales', $mapping), qr/^error\|users\|.*2 with another password hash at the source/, 'another password at the source');
like(copy(), qr/^users 2 written/, 'comes');
is(join(' ', login(20, $bcrypt->[0]), login(20, $sha512->[0]), login(21, $sha512->[0])), 'invalid_credentials ok ok', 'and is the one that counts');

# who has chosen a password here keeps it, whatever the old application makes of the old one
is(sql("SELECT status FROM auth.change_password('22', '$bcrypt->[0]', 'chosen on the new side')"), 'ok', 'a password is chosen here');
source("UPDATE accounts SET first_name = 'Again' WHERE id = 22");
like(copy(), qr/^users 1 written/, 'the user changes at the source');
source("UPDATE accounts SET hashed_password = '$sha512->[1]' WHERE id = 22");
like(copy(), qr/^users 1 written, 0 removed, 0 put off/, 'and so does the hash');
is(join(' ', login(22, 'chosen on the new side'), login(22, $sha512->[0])), 'ok invalid_credentials', 'the password of here is the one that counts');
is(sql("SELECT row_count FROM dualdb.migrate_back('$mapping', dry_run => true) WHERE name = 'users' AND item = 'password'"), '1', 'on the way back, too');
like(copy(), qr/^users 0 written, 0 removed, 0 put off/, 'nothing is left to do');

# nobody comes back who was deactivated or deleted here
sql("SELECT auth.set_user_active('23', false), auth.erase_user('24')");
source("UPDATE accounts SET first_name = 'Back', hashed_password = '$sha512->[1]' WHERE id IN (23, 24, 25)");
like(copy(), qr/^users 1 written, 0 removed, 2 put off/, 'of three users who change at the source one is copied');
is(sql("SELECT string_agg(id || ' ' || is_active || ' ' || display_name, ', ' ORDER BY id) FROM auth.users WHERE id IN ('23', '24', '25')"),
	'23 false First23, 25 true Back', 'who was deactivated here stays so, who was deleted here stays away');
source('UPDATE accounts SET blocked = true WHERE id IN (23, 25)');
like(copy(), qr/^users 2 written, 0 removed, 1 put off/, 'who is blocked at the source, too, is as there');
source('UPDATE accounts SET blocked = false WHERE id IN (23, 25); DELETE FROM account_roles WHERE account_id = 24;
	DELETE FROM purchases WHERE workspace_id = 24; DELETE FROM workspaces WHERE id = 24; DELETE FROM accounts WHERE id = 24');
like(copy(), qr/^users 2 written, 0 removed, 0 put off/, 'and comes back when the source says so');

# rows of here
sql("INSERT INTO auth.users (id, email) VALUES ('own', 'own\@example.com');
	INSERT INTO app.orders (project_id, id, user_id) VALUES ('5', 'own', '5');
	UPDATE app.orders SET total = 1000 WHERE id IN ('41', '42', '43'); DELETE FROM app.orders WHERE id = '44'");
like(copy(), qr/orders 0 written, 0 removed, 0 put off$/, 'rows of here stay');
like(verified($node, 'aisales', $mapping), qr/1 made here.* error\|orders\|.*1 missing here, 3 changed here, 1 made here$/, 'and are counted');
source("UPDATE purchases SET amount = 8 WHERE id = 41; DELETE FROM purchases WHERE id IN (42, 46)");
like(copy(), qr/orders 1 written, 1 removed, 1 put off$/, 'where both have changed a row, it is the source\'s; what changed here is not removed');
is(sql("SELECT string_agg(id || ' ' || total, ', ' ORDER BY id) FROM app.orders WHERE id IN ('41', '42', '43', 'own')"),
	'41 8.00, 42 1000.00, 43 1000.00, own 0.00', 'so they are');
source('DELETE FROM purchases WHERE workspace_id = 5; DELETE FROM workspaces WHERE id = 5');
like(copy(), qr/projects 0 written, 0 removed, 1 put off/, 'a project with an order of here stays');

# another mapping is another copy
$mapping = legacy_mapping('legacy', projects => q{{"from": "legacy.workspaces", "columns": {"id": "id", "user_id": "owner_id", "name": {"sql": "upper(title)"}}}});
like(copy(), qr/projects 49 written/, 'another mapping');
is(sql("SELECT name FROM app.projects WHERE id = '7'"), 'WORKSPACE 7', 'has its effect');

# a row that cannot be written: its error has no row of a user
source("INSERT INTO accounts (id, mail, hashed_password) VALUES (2000, 'last\@example.com', '$sha512->[1]')");
sql('ALTER TABLE auth.users ADD CONSTRAINT no_last CHECK (email <> \'last@example.com\')');
my $log_offset = -s $node->logfile;
my $error = copy();
like($error, qr/ERROR:  table "users" could not be migrated: .*violates check constraint "no_last"/, 'a constraint');
unlike($error, qr/DETAIL|last\@|\$6\$/, 'does not show the row');
unlike(slurp_file($node->logfile, $log_offset), qr/\Q$sha512->[1]\E/, 'and neither does the log');
sql('ALTER TABLE auth.users DROP CONSTRAINT no_last');
like(copy(), qr/^users 1 written/, 'and without it the pass goes on');

# wrapped at import
is(sql("SELECT dualdb.migrate_finish() LIKE 'migration finished%'; DELETE FROM auth.users"), 't', 'from the start');
$mapping = legacy_mapping('legacy', projects => '', orders => '');
source('DELETE FROM purchases; DELETE FROM workspaces; DELETE FROM account_roles; DELETE FROM accounts WHERE id > 22 AND id < 1000');
like(copy('wrap_hashes => true'), qr/^users \d+ written, 0 removed, 0 put off$/, 'with hashes wrapped');
is(sql("SELECT count(*) FROM auth.users WHERE password_hash !~ '^.dualdb-wrapped'"), '0', 'none is left');
is(join(' ', login(20, $sha512->[0]), login(19, $bcrypt->[0]), login(19, 'x')), 'ok ok invalid_credentials', 'and they log in');
is(copy('wrap_hashes => true'), 'users 0 written, 0 removed, 0 put off', 'a pass more changes nothing');

done_testing();
