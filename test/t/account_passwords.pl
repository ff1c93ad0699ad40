# Which passwords may be chosen: length in code points, NFC, no common ones.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use Test::More;

my $node = new_cluster('main',
	conf => "dualdb.argon2_memory = '19MB'\ndualdb.argon2_iterations = 2\n");
set_up_auth($node);
my $users = 0;

sub service
{
	my ($sql) = @_;
	my ($status, $out, $err) = psql_as($node, 'aisales_auth', 'auth_login', $sql);
	is($status, 0, 'no error') or diag "$sql\n$err";
	return $out;
}

# What becomes of a registration with the password, an SQL expression.
sub registered
{
	my ($password) = @_;

	$users++;
	return service("SELECT status FROM auth.register_user('user$users\@example.com', $password)");
}
sub login
{
	my ($password) = @_;
	return service("SELECT status FROM auth.login('user$users\@example.com', $password)");
}

# length
is(registered("repeat('ab c', 4)"), 'ok', 'sixteen characters');
is(registered("'exactly fifteen'"), 'ok', 'fifteen');
is(registered("'only  fourteen'"), 'weak_password', 'fourteen');
is(registered("repeat(U&'\\00fc', 7) || repeat('x', 7)"), 'weak_password', 'fourteen, in 21 bytes');
is(registered("repeat(U&'\\+01f600', 14)"), 'weak_password', 'fourteen, in 56 bytes');
is(registered("repeat(U&'\\+01f600', 15)"), 'ok', 'fifteen, in 60 bytes');
is(registered("normalize(repeat(U&'\\00fc', 14), NFD)"), 'weak_password', 'fourteen, 28 when decomposed');
is(registered("normalize(repeat(U&'\\00fc', 15), NFD)"), 'ok', 'fifteen, 30 when decomposed');
is(registered("'               '"), 'ok', 'blanks are characters');
is(registered("repeat('x', 1024)"), 'ok', '1024 bytes');
is(login("repeat('x', 1024)"), 'ok', 'log in');
is(login("repeat('x', 1023)"), 'invalid_credentials', 'nothing of them is cut off');
is(registered("repeat('x', 1025)"), 'weak_password', '1025 bytes');
is(registered("repeat(U&'\\00fc', 512)"), 'ok', '1024 bytes of 512 characters');
is(registered("repeat(U&'\\00fc', 513)"), 'weak_password', '1026 bytes of 513 characters');

# one password in two forms
my $composed = "U&'cr\\00e8me br\\00fbl\\00e9e \\00e0 emporter'";
my $decomposed = "normalize($composed, NFD)";
is(service("SELECT $composed = $decomposed"), 'f', 'two texts');
is(registered($composed), 'ok', 'registered composed');
is(login($decomposed), 'ok', 'logs in decomposed');
is(login($composed), 'ok', 'and composed');
is(login("'creme brulee a emporter'"), 'invalid_credentials', 'not without accents');
is(registered($decomposed), 'ok', 'registered decomposed');
is(login($composed), 'ok', 'logs in composed');
is(login($decomposed), 'ok', 'and decomposed');
is(login("upper($composed)"), 'invalid_credentials', 'not in other letters');

# common ones
is(registered("'$_'"), 'weak_password', "a common password: $_")
  foreach 'welcomewelcome1', 'WelcomeWelcome1', 'WELCOMEWELCOME1', '123456789012345', '1QAZ2WSX3EDC4RFV';
is(registered("'$_'"), 'ok', "an uncommon one: $_") foreach 'welcomewelcome1 too', 'unwelcomewelcome1';
$node->safe_psql('aisales_auth', "INSERT INTO auth.common_passwords VALUES (U&'m\\00fcnchner kindl'), ('our company 2024')");
is(registered($_), 'weak_password', "one that was added: $_")
  foreach "'Our Company 2024'", "U&'m\\00fcnchner kindl'", "U&'M\\00dcNCHNER Kindl'",
  "normalize(U&'m\\00fcnchner kindl', NFD)";
is(registered("'munchner kindl.'"), 'ok', 'one that was not');
is(registered("'our company 2024' || repeat(' ', 200)"), 'ok', 'a long one that begins with a common one');

# the setting
$node->safe_psql('postgres', 'ALTER SYSTEM SET dualdb.password_min_length = 20; SELECT pg_reload_conf()');
$node->poll_query_until('postgres', "SELECT current_setting('dualdb.password_min_length') = '20'")
  or die 'the setting does not arrive';
is(registered("repeat('ab', 9) || 'x'"), 'weak_password', 'nineteen of twenty');
is(registered("repeat('ab', 10)"), 'ok', 'twenty of twenty');

done_testing();
