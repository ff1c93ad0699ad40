# verify_setup() of secrets in the app database: by name, and by what they look like.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use DualDB::Verify;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = verified_cluster('main');
my $app = 'aisales_app';
my $good = $DualDB::Verify::EVERYWHERE;

register($node, 'ann@example.com', 'Ann');
my ($access_token, $refresh_token) = login_tokens($node, 'ann@example.com');
my $api_key = $node->safe_psql('aisales_auth', q{SELECT api_key FROM auth.create_api_key((SELECT id FROM auth.users), 'key', '{}')});
my $hash = '$argon2id$v=19$m=65536,t=3,p=1$c29tZXNhbHQ$iWh06vD8Fy27wf9npn6FXWiCX4K6pW6Ue1Bnzz07Z8A';
like($api_key, qr/^ddb_/, 'control: there is an API key');

# by content, whatever the column's name; a value is in neither detail nor hint
$node->safe_psql($app, q{CREATE TABLE public.notes (id serial, body text, tags text[], data jsonb, short varchar(2000)); INSERT INTO app.projects (id, user_id, name) VALUES ('p', 'u', 'Project')});
my %secrets = ('argon2' => $hash, 'bcrypt' => '$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW',
	'sha512crypt' => '$6$rounds=5000$saltsalt$' . 'x' x 40, 'pbkdf2' => 'pbkdf2_sha256$390000$salt$hash', 'scrypt' => 'scrypt:32768:8:1$salt$hash',
	'SCRAM' => 'SCRAM-SHA-256$4096:salt$key', 'an access token' => $access_token, 'a refresh token' => $refresh_token, 'an API key' => $api_key,
	'a private key' => '-----BEGIN EC PRIVATE KEY-----', 'a connection string' => 'postgresql://user:pass@host/db',
	'keywords and a password' => 'host=h user=u password=pass', 'a password and keywords' => 'password=pass dbname=d host=h');
foreach my $kind (sort keys %secrets)
{
	breaks_ok($node, $app, [ 'error|secret_values', "INSERT INTO app.messages (project_id, user_id, body) VALUES ('p', 'u', 'this is $secrets{$kind}')",
		after => 'DELETE FROM app.messages' ]);
}
breaks_ok($node, $app,
	[ 'error|secret_values', "INSERT INTO public.notes (data) VALUES ('{\"a\": [{\"b\": \"$hash\"}]}')" ],
	[ 'error|secret_values', "INSERT INTO public.notes (tags) VALUES ('{a,$refresh_token}')" ],
	[ 'error|secret_values', "INSERT INTO public.notes (short) VALUES ('$access_token')" ],
	[ 'error|secret_values', "INSERT INTO app.api_logs (project_id, method, path) VALUES ('p', 'GET', '/?token=$access_token')" ]);
$node->safe_psql($app, "INSERT INTO public.notes (body) VALUES ('$refresh_token')");
is($node->safe_psql($app, "SELECT count(*) FROM dualdb.verify_setup() v WHERE strpos(v::text, '$refresh_token') > 0"), '0', 'the secret itself is not shown');
is($node->safe_psql($app, q{SELECT data FROM public.notes WHERE data IS NOT NULL}), '{"a": [{"b": "***"}]}', 'and what is around it stays');
$node->safe_psql($app, 'TRUNCATE public.notes');

# a table that is locked is not waited for
my $session = $node->background_psql($app, on_error_stop => 1);
$session->query_safe('BEGIN; LOCK TABLE public.notes');
is(findings($node, $app), "$good warning|secret_values", 'a table that is locked');
$session->query_safe('ROLLBACK');
$session->quit;

# by name
breaks_ok($node, $app,
	(map { [ 'warning|secret_columns', "ALTER TABLE app.integrations ADD \"$_\" text" ] } 'password', 'passwordHash', 'api_key', 'secret',
		'refresh_token', 'private_key', 'Client Secret', 'token'),
	[ 'warning|secret_columns', 'ALTER TABLE public.notes ADD token_hash bytea' ],
	[ 'warning|secret_columns', 'ALTER TABLE app.api_logs ADD credentials jsonb' ],
	[ 'warning|secret_columns', 'CREATE SERVER legacy FOREIGN DATA WRAPPER postgres_fdw; CREATE FOREIGN TABLE public.people (id text, hashed_password text) SERVER legacy',
		after => 'DROP SERVER legacy CASCADE' ]);

# elsewhere than in rows
breaks_ok($node, $app,
	[ 'error|secret_settings', "ALTER DATABASE aisales_app SET my.value = '$refresh_token'" ],
	[ 'error|secret_settings', "ALTER ROLE app_login SET my.api_key = 'x'" ],
	[ 'error|secret_settings', "ALTER ROLE app_login IN DATABASE aisales_app SET my.value = '$hash'" ],
	[ 'error|secret_options', q{CREATE SERVER other FOREIGN DATA WRAPPER postgres_fdw; CREATE USER MAPPING FOR app_login SERVER other OPTIONS (user 'x', password 'y')},
		after => 'DROP SERVER other CASCADE' ],
	[ 'error|secret_options', "CREATE SERVER \"Other\" FOREIGN DATA WRAPPER postgres_fdw OPTIONS (application_name '$api_key')", after => 'DROP SERVER "Other"' ],
	[ 'error|secret_texts', "CREATE FUNCTION public.\"F\"(x integer) RETURNS text LANGUAGE sql AS \$f\$ SELECT '$api_key' \$f\$" ],
	[ 'error|secret_texts', "COMMENT ON TABLE public.notes IS 'key: $api_key'" ],
	[ 'error|secret_texts', "COMMENT ON COLUMN public.notes.body IS '$hash'" ],
	[ 'error|secret_texts', "COMMENT ON POLICY own_projects ON app.orders IS '$hash'" ]);

$node->append_conf('postgresql.conf', "my.value = '$refresh_token'");
is(findings($node, $app), "error|secret_settings $good", 'a secret in postgresql.conf');
like(hints_of($node, $app, 'secret_settings'), qr/^Remove my\.value in \S*postgresql.conf/, 'the hint');
$node->adjust_conf('postgresql.conf', 'my.value', undef);

# control: what only looks a little like it
$node->safe_psql($app, q{ALTER TABLE public.notes ADD password_changed_at timestamptz, ADD token_count text, ADD is_secret boolean, ADD api_key_id text, ADD tokens integer;
	INSERT INTO public.notes (body, data) VALUES ('costs $2 or $6, see eyJ and scrypt, argon2id', '{"a": "ddb_x"}'), ('https://user@example.com/?a=b', NULL), ('host=h user=u passfile=/x, password=*** host=h, password=x alone', NULL), (NULL, NULL);
	ALTER DATABASE aisales_app SET my.value = 'plain'});
is(findings($node, $app), $good, 'words and names that only resemble it');

# a database that was both, and got a bridge
$node->safe_psql($app, 'CREATE SCHEMA auth AUTHORIZATION dualdb_auth_owner; SET ROLE dualdb_auth_owner;
	CREATE TABLE auth.schema_version (version integer); INSERT INTO auth.schema_version VALUES (1)');
like(findings($node, $app), qr/^error\|auth_left_over /, 'schema auth beside a bridge');
is(hints_of($node, $app, 'auth_left_over'), 'DROP SCHEMA auth CASCADE;', 'the hint');
$node->safe_psql($app, hints_of($node, $app, 'auth_left_over'));
unlike(findings($node, $app), qr/auth_left_over/, 'mends it');

done_testing();
