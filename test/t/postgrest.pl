# PostgREST-style use: a login role that becomes another for each request, and a
# function before the query that authenticates the request.  What PostgREST sends is
# sent here by psql, statement by statement.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Clients;
use DualDB::Session;
use DualDB::Test;
use Test::More;

my $node = auth_app_cluster('main', conf => "dualdb.argon2_memory = '19MB'\ndualdb.argon2_iterations = 2\n");
$node->psql('aisales_app', example_text('postgrest.sql'), on_error_die => 1);

my %user = map { $_ => register($node, "$_\@example.com", $_) } 'ann', 'bob';
my %token = map { $_ => (login_tokens($node, "$_\@example.com"))[0] } keys %user;
$node->safe_psql('aisales_app', "INSERT INTO app.projects (user_id, name) VALUES ('$user{$_}', 'project of $_')") foreach keys %user;

my $postgrest = DualDB::Session->new($node, 'aisales_app', 'authenticator');

# One request: (what it answers, SQLSTATE and message of an error).
sub request
{
	my (%request) = @_;
	my $headers = join ', ', map { qq("$_": "$request{headers}{$_}") } sort keys %{ $request{headers} // {} };
	my $mode = $request{write} ? 'READ WRITE' : 'READ ONLY';
	my @answers;

	$postgrest->query("BEGIN ISOLATION LEVEL READ COMMITTED $mode");
	push @answers, $postgrest->ask($_) foreach
	  qq{select set_config('search_path', '"api", "public"', true), set_config('role', 'web', true),
		set_config('request.jwt.claims', '{"role":"web"}', true), set_config('request.method', 'GET', true),
		set_config('request.path', '/projects', true), set_config('request.headers', '{$headers}', true),
		set_config('request.cookies', '{}', true) \\g /dev/null\n},
	  'select "api"."authenticate_request"()', $request{query};
	$postgrest->query('COMMIT');
	my ($error) = grep { /^\w{5}: / } @answers;
	return ($answers[-1], $error // '');
}

my $projects = q{WITH pgrst_source AS (SELECT "api"."projects".* FROM "api"."projects")
	SELECT coalesce(json_agg(_postgrest_t.name), '[]') FROM (SELECT * FROM pgrst_source) _postgrest_t};

sub sees
{
	my ($headers, $expected, $name) = @_;
	my ($answer, $error) = request(headers => $headers, query => $projects);

	is($error, '', "$name: no error");
	return is($answer, $expected, $name);
}

# one connection, one request after the other
is($node->safe_psql('aisales_app', 'SELECT count(*) FROM api.projects'), '2', 'control: two projects');
foreach my $name ('ann', 'bob', 'ann')
{
	sees({ 'x-access-token' => $token{$name} }, qq(["project of $name"]), "$name sees the own project");
	sees({}, '[]', 'a request without a token sees nothing');
}
sees({ 'x-other' => $token{ann} }, '[]', 'a token in another header is none');

foreach my $wrong ("$token{ann}x", '', 'Bearer', "Bearer $token{ann}")
{
	my ($answer, $error) = request(headers => { 'x-access-token' => $wrong }, query => $projects);

	like($error, qr/^28000: token is not valid/, 'a wrong token is an error: ' . substr $wrong, 0, 10);
	like($answer, qr/^25P02/, 'and no query follows');
	sees({}, '[]', 'the next request sees nothing');
}

# the role in between
my $insert = "INSERT INTO app.projects (user_id, name) VALUES ('%s', 'another') RETURNING name";
like((request(headers => { 'x-access-token' => $token{ann} }, query => sprintf($insert, $user{bob}), write => 1))[1],
	qr/^42501: new row violates row-level security/, 'no row of another user');
is((request(headers => { 'x-access-token' => $token{ann} }, query => sprintf($insert, $user{ann}), write => 1))[0],
	'another', 'control: a row of the own');
like($postgrest->ask('SELECT count(*) FROM api.projects'), qr/^42501/, 'authenticator itself may read nothing');
like($postgrest->ask("SELECT dualdb.authenticate('$token{ann}')"), qr/^42501/, 'nor authenticate');
is($postgrest->ask("SELECT coalesce(dualdb.user_id(), 'nobody') || ' ' || current_user"), 'nobody authenticator',
	'nothing is left of the last request');

# claims that PostgREST has not verified count for nothing
my ($answer) = request(query => qq{SELECT coalesce(dualdb.user_id(), 'nobody')
	FROM set_config('request.jwt.claims', '{"sub":"$user{ann}","role":"web"}', true)});
is($answer, 'nobody', 'settings make no identity');

# what the example grants is in order
is($node->safe_psql('aisales_app', q{SELECT v.item, v.detail FROM dualdb.verify_setup() v WHERE v.status <> 'ok'
	AND v.detail ~ '\m(authenticator|web|api)\M'}), '', 'verify_setup() finds nothing wrong with it');

done_testing();
