# Databases with many users, and the plans of everything that is done in them every day:
# no statement may read a table that grows with the users from end to end.

package DualDB::Scale;

use strict;
use warnings FATAL => 'all';

use DualDB::Plans;
use DualDB::Test;
use Exporter 'import';
use FindBin;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(scaled_cluster work_ok reads_of found);

# Tables that have a row for one user in twenty at least, and whether that is all of them.
my $GROWN = q{
	SELECT c.relname FROM pg_class c
	WHERE c.relnamespace IN (to_regnamespace('auth'), to_regnamespace('app'), to_regnamespace('dualdb'))
		AND c.relkind = 'r' AND c.relname <> 'common_passwords' AND c.reltuples >= %d
	ORDER BY c.relname};
my %EXPECTED = (
	auth => 'api_keys audit_log_N deleted_users login_failures one_time_tokens recovery_codes refresh_tokens'
	  . ' revocations sessions totp_factors user_roles users',
	app => 'orders projects revocations users');

# What a statement of one request may look at, whatever the number of users.
use constant ROWS => 200;

my $PASSWORD = $DualDB::Test::PASSWORD;
my ($node, $tables);

# Both databases in one cluster, with so many users.
sub scaled_cluster
{
	my ($users) = @_;

	$node = auth_app_cluster("users_$users", conf => $DualDB::Plans::CONF);
	_generate('auth', $users);
	$node->safe_psql('aisales_app', 'SELECT dualdb.sync()');
	_generate('app', $users);
	is($node->safe_psql('aisales_auth', 'SELECT count(*) FROM auth.users WHERE deleted_at IS NULL'),
		$node->safe_psql('aisales_app', 'SELECT count(*) FROM app.users'), 'all users are in the directory');
	is($node->safe_psql('aisales_app', 'SELECT count(*) FROM app.orders'),
		10 * $node->safe_psql('aisales_app', 'SELECT count(*) FROM app.users'), 'ten orders each');
	$tables = join '|', map { _grown($_, $users) } sort keys %EXPECTED;
	$tables = qr/^(?:$tables)$/;
	return $node;
}

sub _generate
{
	my ($side, $users) = @_;

	system_or_bail('psql', '-Xq', '-d', $node->connstr("aisales_$side"), '-v', "users=$users",
		'-f', "$FindBin::RealBin/../../bench/scale/$side.sql");
	return;
}

sub _grown
{
	my ($side, $users) = @_;
	my @grown = split /\n/, $node->safe_psql("aisales_$side", sprintf $GROWN, $users / 20);
	my %names = map { s/_\d{6}$/_N/r => 1 } @grown;

	is(join(' ', sort keys %names), $EXPECTED{$side}, "what grows with the users in the $side database");
	return @grown;
}

sub _set
{
	my ($name, $value) = @_;

	$node->safe_psql('postgres', "ALTER SYSTEM SET $name = '$value'");
	$node->reload;
	$node->poll_query_until('postgres', "SELECT current_setting('$name') = '$value'") or die "$name did not change";
	return;
}

# reads_of(database, role, SQL): what it printed, and its plans.
sub reads_of
{
	my ($database, $role, $sql) = @_;
	my $offset = -s $node->logfile;
	my ($status, $out, $err) = psql_as($node, "aisales_$database", $role, $sql);

	die "$sql: $err" unless $status == 0;
	return ($out, plans_since($node, $offset));
}

# What a plan has found that reads a table from end to end, or more rows than one request
# may look at.
sub found { return long_reads($tables, ROWS, @_); }

# does(title, indexes that are used, database, role, SQL): the columns of the last row.
sub does
{
	my ($title, $indexes, $database, $role, $sql, $limit) = @_;
	my ($out, @plans) = reads_of($database, $role, $sql);
	my %used = map { $_ => 1 } indexes_of(@plans);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is_deeply([ long_reads($tables, $limit // ROWS, @plans) ], [], "$title reads no table from end to end");
	is_deeply([ map { $_->{'Query Text'} } grep { $_->{JIT} } @plans ], [], "$title compiles nothing");
	is(join(' ', grep { !$used{$_} } split / /, $indexes), '', "$title uses $indexes")
	  or diag join ' ', sort keys %used;
	return split /\|/, (split /\n/, $out)[-1] // '', -1;
}

sub auth { return does(shift, shift, 'auth', 'auth_login', @_); }
sub app { return does(shift, shift, 'app', 'app_login', @_); }

sub _user_id { return $node->safe_psql('aisales_auth', "SELECT id FROM auth.users WHERE email = 'user$_[0]\@example.com'"); }

sub _logins
{
	my ($n) = @_;
	my $login = sprintf q{SELECT * FROM auth.login('user%d@example.com', '%s')}, $n, $PASSWORD;
	my $by_address = 'users_email_norm_key';
	my $by_hash = 'refresh_tokens_token_hash_key';

	auth('a wrong password', 'login_failures_pkey', q{SELECT * FROM auth.login('user2@example.com', 'wrong')});
	auth('an unknown user', $by_address, q{SELECT * FROM auth.login('nobody@example.com', 'wrong')});
	my ($status, $user_id, $session_id, undef, $token) = auth('login', $by_address, $login);
	is($status, 'ok', 'logged in');
	(undef, undef, undef, undef, my $second) = auth('refresh', $by_hash, "SELECT * FROM auth.refresh('$token')");
	auth('refresh within the grace period', $by_hash, "SELECT * FROM auth.refresh('$token')");
	auth('refresh again', $by_hash, "SELECT * FROM auth.refresh('$second')");
	auth('reuse', $by_hash, "SELECT status FROM auth.refresh('$token')");
	auth('refresh with what was never a token', $by_hash, q{SELECT * FROM auth.refresh('ddbr_nothing')});
	foreach my $scope ('local', 'others', 'global')
	{
		my @login = auth('login', $by_address, $login);

		is((auth("logout, $scope", $by_hash, "SELECT * FROM auth.logout('$login[4]', '$scope')"))[0],
			'ok', 'logged out');
	}
	(undef, undef, $session_id) = auth('login', $by_address, $login);
	auth('list_sessions', 'sessions_user_id_idx', "SELECT * FROM auth.list_sessions('$user_id')");
	is((auth('revoke_session', 'sessions_pkey', "SELECT * FROM auth.revoke_session('$session_id')"))[0], 'ok', 'revoked');
	return;
}

sub _api_keys
{
	my ($n) = @_;
	my $user_id = _user_id($n);
	my (undef, $id, $key) = auth('create_api_key', 'users_pkey',
		"SELECT * FROM auth.create_api_key('$user_id', 'key', '{orders:read}')");

	is((auth('verify_api_key', 'api_keys_pkey', "SELECT * FROM auth.verify_api_key('$key')"))[0], 'ok', 'verified');
	auth('exchange_api_key', 'api_keys_pkey', "SELECT * FROM auth.exchange_api_key('$key')");
	(undef, $id) = auth('rotate_api_key', 'api_keys_pkey', "SELECT * FROM auth.rotate_api_key('$id')");
	is((auth('revoke_api_key', 'api_keys_pkey', "SELECT * FROM auth.revoke_api_key('$id')"))[0], 'ok', 'revoked');
	auth('has_permission', 'user_roles_pkey', "SELECT auth.has_permission('$user_id', 'orders:read')");
	is((auth('grant_role', 'users_pkey', "SELECT auth.grant_role('$user_id', 'role7')"))[0], 'ok', 'granted');
	auth('revoke_role', 'user_roles_pkey', "SELECT auth.revoke_role('$user_id', 'role7')");
	return;
}

sub _passwords
{
	my ($n) = @_;
	my $email = "user$n\@example.com";
	my $user_id = _user_id($n);
	my $new = 'another long password';
	my $by_token = 'one_time_tokens_token_hash_key';

	auth('register_user', 'common_passwords_pkey', "SELECT * FROM auth.register_user('new$n\@example.com', '$PASSWORD')");
	auth('register_user with an address that is taken', 'common_passwords_pkey', "SELECT * FROM auth.register_user('$email', '$PASSWORD')");
	is((auth('change_password', 'users_pkey', "SELECT auth.change_password('$user_id', '$PASSWORD', '$new')"))[0], 'ok', 'changed');
	my (undef, $token) = auth('request_password_reset', 'users_email_norm_key', "SELECT * FROM auth.request_password_reset('$email')");
	is((auth('reset_password', $by_token, "SELECT auth.reset_password('$token', '$PASSWORD')"))[0], 'ok', 'reset');
	(undef, $token) = auth('request_email_verification', 'one_time_tokens_user_id_idx', "SELECT * FROM auth.request_email_verification('$user_id')");
	is((auth('verify_email', $by_token, "SELECT * FROM auth.verify_email('$token')"))[0], 'ok', 'verified');

	my (undef, $secret) = auth('enroll_totp', 'totp_factors_user_id_key', "SELECT * FROM auth.enroll_totp('$user_id')");
	is((auth('confirm_totp', 'totp_factors_user_id_key',
		sprintf "SELECT auth.confirm_totp('$user_id', '%s')", totp_code($secret, 0)))[0], 'ok', 'confirmed');
	auth('recovery_codes', 'recovery_codes_user_id_idx', "SELECT auth.recovery_codes('$user_id')");
	my @login = auth('login with a second factor', 'totp_factors_user_id_key', "SELECT * FROM auth.login('$email', '$PASSWORD')");
	auth('a wrong recovery code', 'recovery_codes_code_hash_key', "SELECT * FROM auth.login_totp('$login[7]', 'ddbc_nothing')");
	is((auth('login_totp', $by_token,
		sprintf "SELECT * FROM auth.login_totp('$login[7]', '%s')", totp_code($secret, 1)))[0], 'ok', 'logged in');
	auth('disable_totp', 'totp_factors_user_id_key', "SELECT auth.disable_totp('$user_id')");
	return;
}

# The users with keys that have been rotated: a key that goes is looked for among them.
sub _administration
{
	my ($n) = @_;
	my $user_id = _user_id($n);

	auth('export_user', 'sessions_user_id_idx', "SELECT status FROM auth.export_user('$user_id')");
	is((auth('set_user_active', 'users_pkey', "SELECT auth.set_user_active('$user_id', false)"))[0], 'ok', 'deactivated');
	is((auth('erase_user', 'api_keys_rotated_from_idx', "SELECT * FROM auth.erase_user('$user_id')"))[0], 'ok', 'erased');
	auth('rotate_signing_key', '', 'SELECT auth.rotate_signing_key()');
	return;
}

# All that may be deleted, and what goes with it: a statement for each row.  Where these
# are too many to look at, those that take no time are left out.
sub _purge
{
	my ($users) = @_;
	my $every = $users <= 10_000;
	my $purge = "SELECT rows_deleted FROM auth.purge_expired($users)";
	my @indexes = qw(one_time_tokens_expires_at sessions_expires_at
	  refresh_tokens_expires_at api_keys_dead_at login_failures_last_at);

	push @indexes, qw(sessions_ended_at refresh_tokens_session_id api_keys_rotated_from) if $every;
	_set('auto_explain.log_min_duration' => $every ? 0 : '10ms');
	my ($rows) = auth('purge_expired', join(' ', map { "${_}_idx" } @indexes), $purge, $users);

	_set('auto_explain.log_min_duration' => 0);
	cmp_ok($rows, '>', 0.6 * $users, 'purged');
	is((auth('purge_expired when there is nothing', 'sessions_expires_at_idx', $purge))[0], 0, 'nothing is left');
	return;
}

sub _app_side
{
	my ($n) = @_;
	my $user_id = _user_id($n);
	my $token = $node->safe_psql('aisales_auth', "SELECT access_token FROM auth.issue_access_token((SELECT s.id
		FROM auth.sessions s WHERE s.user_id = '$user_id' AND s.ended_at IS NULL LIMIT 1))");
	my $mine = "BEGIN; SELECT dualdb.authenticate('$token');";

	app('lookup_users', 'users_pkey', "SELECT * FROM app.lookup_users('{$user_id}')");
	app('lookup_user_by_email', 'users_email_norm_key', "SELECT * FROM app.lookup_user_by_email('user$n\@example.com')");
	app('a user by address in the directory', 'users_email_idx', "SELECT * FROM app.users WHERE lower(email COLLATE \"C\") = 'user$n\@example.com'");
	app('a page of orders', 'orders_pkey', "SELECT o.id, u.display_name FROM app.orders o JOIN app.users u ON u.id = o.user_id
		WHERE o.project_id = (SELECT p.id FROM app.projects p WHERE p.user_id = '$user_id') ORDER BY o.id LIMIT 20");
	foreach my $what ('FROM app.orders', 'FROM app.projects p JOIN app.orders o ON o.project_id = p.id',
		'FROM app.orders o JOIN app.users u ON u.id = o.user_id')
	{
		is((does("own rows: $what", 'orders_pkey', 'app', 'app_user_login', "$mine SELECT count(*) $what; COMMIT"))[0],
			10, 'ten orders');
	}
	is((does('a change of own rows', 'orders_pkey', 'app', 'app_user_login',
		"$mine UPDATE app.orders SET status = 'paid' RETURNING id; COMMIT"))[0] ne '', 1, 'changed');
	return;
}

sub _sync
{
	my ($n) = @_;

	$node->safe_psql('aisales_auth', "UPDATE auth.users SET display_name = 'New name' WHERE email = 'user$n\@example.com'");
	does('sync', 'users_change_xid_idx', 'app', scalar(getpwuid($<)), join ';', ('SELECT dualdb.sync()') x 8);
	$node->safe_psql('aisales_auth', "DELETE FROM auth.users WHERE email = 'user$n\@example.com'");
	does('sync of who is gone', 'deleted_users_change_xid_idx', 'app', scalar(getpwuid($<)), 'SELECT dualdb.sync()');
	return;
}

# work_ok(users): everything that is done every day.  Requests run with plans of either
# kind; the others are so long that theirs are made anew each time.
sub work_ok
{
	my ($users) = @_;
	my $n = 2;

	_set('auto_explain.log_min_duration' => 0);
	foreach my $mode ('force_custom_plan', 'force_generic_plan', 'auto')
	{
		_set(plan_cache_mode => $mode);
		next if $mode eq 'auto';
		_logins($n += 10);
		_api_keys($n += 10);
		_passwords($n += 10);
		_app_side($n += 10);
	}
	_sync($n += 10);
	_administration(40);
	_purge($users);
	return;
}

1;
