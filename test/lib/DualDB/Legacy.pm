# What the tests of migration share: a database of another application, the way to it,
# and mappings of its tables.

package DualDB::Legacy;

use strict;
use warnings FATAL => 'all';

use DualDB::Session;
use DualDB::Test;
use Exporter 'import';
use FindBin;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(published_hashes legacy_database reach_legacy legacy_mapping migrate checked verified
  kill_while_migrating migration_ok);

# [password, hash] of every format, as the test of verify_password() has them.
sub published_hashes
{
	my $vectors = slurp_file("$FindBin::RealBin/../sql/legacy_hashes.sql");

	return map { /^\t\('\w+', '([^']+)', '([^']+)'\)[,;]$/ ? [ $1, $2 ] : () } split /\n/, $vectors;
}

# legacy_database(node, database, id_type, users, orders, [hash, ...]): user n has the
# hash at n modulo their number.
sub legacy_database
{
	my ($node, $database, $id_type, $users, $orders, @hashes) = @_;
	my $n = 0;

	$node->safe_psql($database, 'CREATE TABLE passwords (n integer PRIMARY KEY, hash text)');
	$node->safe_psql($database, 'INSERT INTO passwords VALUES ' . join ',', map { sprintf "(%d, '%s')", $n++, $_ } @hashes);
	system_or_bail('psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-v', "users=$users", '-v', "orders=$orders",
		'-v', "id_type=$id_type", '-d', $node->connstr($database), '-f', "$FindBin::RealBin/../lib/legacy_source.sql");
	return;
}

# Schema legacy of a database, with foreign tables for those of a database beside it; of
# a type that only the source knows, the text is enough.
sub reach_legacy
{
	my ($node, $database, $legacy, $id_type) = @_;
	my ($host, $port) = ($node->host, $node->port);

	$node->safe_psql($database, qq{
		CREATE EXTENSION IF NOT EXISTS postgres_fdw;
		CREATE SERVER legacy FOREIGN DATA WRAPPER postgres_fdw
			OPTIONS (host '$host', port '$port', dbname '$legacy', fetch_size '10000', options '-c row_security=off');
		CREATE USER MAPPING FOR CURRENT_USER SERVER legacy;
		CREATE SCHEMA legacy;
		IMPORT FOREIGN SCHEMA public LIMIT TO (accounts, workspaces, account_roles) FROM SERVER legacy INTO legacy;
		CREATE FOREIGN TABLE legacy.purchases (id $id_type, workspace_id $id_type, account_id $id_type, state text,
			amount numeric(10, 2), bought timestamp) SERVER legacy OPTIONS (schema_name 'public')});
	return;
}

# As JSON; the tables are in a schema, and what is given replaces or adds tables.
sub legacy_mapping
{
	my ($schema, %tables) = @_;

	%tables = (
		users => qq{{"from": "$schema.accounts", "columns": {"id": "id", "email": "mail",
			"password_hash": "hashed_password", "display_name": {"sql": "concat_ws(' ', first_name, last_name)"},
			"is_active": {"sql": "NOT blocked"}, "created_at": "joined"},
			"back": {"first_name": "split_part(display_name, ' ', 1)", "last_name": "split_part(display_name, ' ', 2)",
				"blocked": "NOT is_active"}}},
		projects => qq{{"from": "$schema.workspaces", "columns": {"id": "id", "user_id": "owner_id", "name": "title"}}},
		orders => qq{{"from": "$schema.purchases", "columns": {"id": "id", "project_id": "workspace_id",
			"user_id": "account_id", "status": "state", "total": "amount", "created_at": "bought", "currency": {"value": "USD"}}}},
		%tables);
	return '{' . join(', ', map { qq{"$_": $tables{$_}} } sort grep { $tables{$_} } keys %tables) . '}';
}

# A pass: what it says at its end.
sub migrate
{
	my ($node, $database, $mapping, $arguments) = @_;
	my ($status, $out, $err) = psql_as($node, $database, scalar getpwuid($<),
		'CALL dualdb.migrate_from(' . join(', ', "\$m\$$mapping\$m\$", $arguments // ()) . ')');

	return $err =~ /NOTICE:  end of the pass: (.*)/ ? $1 : $err;
}

# status|table|item|rows of all that is not ok, joined by blanks.
sub checked
{
	my ($node, $database, $mapping) = @_;

	return join ' ', split /\n/, $node->safe_psql($database,
		"SELECT status, name, item, row_count FROM dualdb.migrate_check(\$m\$$mapping\$m\$) WHERE status <> 'ok'");
}

# status|table|rows there|rows here|are the checksums equal?|detail, joined by blanks.
sub verified
{
	my ($node, $database, $mapping) = @_;

	return join ' ', split /\n/, $node->safe_psql($database,
		"SELECT status, name, source_rows, target_rows, source_sum = target_sum, detail FROM dualdb.migrate_verify(\$m\$$mapping\$m\$)");
}

# Start a pass, and kill its backend in the middle of the batch after which so many rows
# would have been read.
sub kill_while_migrating
{
	my ($node, $database, $mapping, $arguments, $rows) = @_;
	my $lock = DualDB::Session->new($node, $database);
	my $pass = DualDB::Session->new($node, $database);
	my $log_offset = -s $node->logfile;

	# a batch that has written everything waits here, before its COMMIT
	$lock->query('BEGIN');
	$lock->start("DO \$\$ BEGIN
		WHILE (SELECT coalesce(sum(m.rows_read), 0) < $rows FROM dualdb.migration_tables m) LOOP
			PERFORM pg_sleep(0.002);
		END LOOP;
		LOCK TABLE dualdb.migration_tables IN SHARE MODE;
		END \$\$");
	$pass->start('CALL dualdb.migrate_from(' . join(', ', "\$m\$$mapping\$m\$", $arguments) . ')');
	$lock->result;
	$node->poll_query_until($database, q{SELECT count(*) = 1 FROM pg_stat_activity
		WHERE query LIKE 'CALL dualdb.migrate_from%' AND wait_event_type = 'Lock'}) or die 'no pass waits';
	my $state = $node->safe_psql($database, q{SELECT sum(rows_read) > 0 AND bool_or(state <> 'done'), (SELECT pid FROM pg_stat_activity
		WHERE query LIKE 'CALL dualdb.migrate_from%' AND wait_event_type = 'Lock') FROM dualdb.migrate_progress});
	my ($is_under_way, $pid) = split /\|/, $state;
	is($is_under_way, 't', 'the progress shows in another session');

	kill 'KILL', $pid or die "no backend $pid";
	$node->wait_for_log(qr/all server processes terminated; reinitializing/, $log_offset);
	$node->poll_query_until($database, 'SELECT NOT pg_is_in_recovery()') or die 'the server is not up';
	return;
}

# From one database to both of dualdb's, killed three times on the way: nothing is lost
# or there twice, and of each hash somebody logs in.
sub migration_ok
{
	my ($users, $orders, @passwords) = @_;
	my $node = new_cluster('main', conf => "dualdb.argon2_memory = '19MB'\ndualdb.argon2_iterations = 2\nrestart_after_crash = on\n");
	my $projects = $users / 2;

	set_up_auth($node);
	set_up_app($node);
	$node->safe_psql('postgres', 'CREATE DATABASE legacy');
	legacy_database($node, 'legacy', 'uuid', $users, $orders, map { $_->[1] } @passwords);
	reach_legacy($node, $_, 'legacy', 'uuid') foreach 'aisales_auth', 'aisales_app';
	my $mapping = legacy_mapping('legacy');
	is(checked($node, $_, $mapping), '', "the dry run finds nothing in $_") foreach 'aisales_auth', 'aisales_app';

	my $size = sprintf 'batch_size => %d', $users / 20;
	kill_while_migrating($node, 'aisales_auth', $mapping, $size, $users / 2);
	is(migrate($node, 'aisales_auth', $mapping, $size), "users $users written, 0 removed, 0 put off", 'users');
	kill_while_migrating($node, 'aisales_app', $mapping, $size, $projects + $orders / 4);
	kill_while_migrating($node, 'aisales_app', $mapping, $size, $projects + $orders / 2);
	is(migrate($node, 'aisales_app', $mapping, $size),
		"projects $projects written, 0 removed, 0 put off; orders $orders written, 0 removed, 0 put off", 'the rest');
	is(verified($node, 'aisales_auth', $mapping), "ok|users|$users|$users|t|", 'the users are as they were');
	is(verified($node, 'aisales_app', $mapping),
		"ok|projects|$projects|$projects|t| ok|orders|$orders|$orders|t|", 'and the rest');
	is($node->safe_psql('aisales_app', 'SELECT count(*), sum(total) FROM app.orders'),
		$node->safe_psql('legacy', 'SELECT count(*), sum(amount) FROM purchases'), 'not a cent is missing');

	# every fiftieth is blocked
	my @logins = map { sprintf "('user%d\@example.com', '%s')", $_ + @passwords, $passwords[$_][0] }
	  grep { ($_ + @passwords) % 50 } 0 .. $#passwords;
	is($node->safe_psql('aisales_auth', 'SELECT l.status, count(*) FROM (VALUES ' . join(', ', @logins)
			. ') v (email, password), LATERAL auth.login(v.email, v.password) l GROUP BY 1'),
		'ok|' . @logins, 'somebody logs in by each hash');
	return ($node, $mapping);
}

1;
