# Nothing but a valid token makes an identity: no setting, no option of the
# connection, no object of an ordinary role's own.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Signer;
use DualDB::Test;
use Test::More;

# Without preloading, settings can be given values before there is anything that
# knows what they are.
my $node = new_cluster('forgery', no_preload => 1);
my $superuser = getpwuid($<);
set_up_app($node);
my $signer = DualDB::Signer->new;
my $stranger = DualDB::Signer->new;
$node->safe_psql(
	'aisales_app', $signer->trust_sql . q{
	INSERT INTO app.projects (id, user_id, name) VALUES ('a1', 'alice', 'a1');
	CREATE ROLE outsider LOGIN;
	GRANT CONNECT ON DATABASE aisales_app TO outsider;

	-- SQLSTATE of what became of a token, or ok
	CREATE FUNCTION public.outcome(token text) RETURNS text
	LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM dualdb.authenticate(token);
		RETURN 'ok';
	EXCEPTION WHEN OTHERS THEN
		RETURN sqlstate;
	END
	$$});

my $ours = $signer->token(sub => '"alice"');
my $evil = $signer->token(sub => '"alice"', aud => '"evil"');
my $expired = $signer->token(sub => '"alice"', exp => time - 100);
my $who = 'SELECT dualdb.user_id()';

sub outcome { return "SELECT public.outcome('$_[0]')"; }

# A session of this role in the app database.
sub session_of
{
	my ($role, @steps) = @_;

	session_ok($node, 'aisales_app', $role, @steps);
	return;
}

# A setting that is given a value before the library is loaded.  The library
# takes the value back, with a warning, as it comes to know the setting.
my $set = q{SET dualdb.audience = 'evil'};
foreach my $attack (
	[ 'SET', $set, '' ],
	[ 'SET LOCAL', q{BEGIN; SET LOCAL dualdb.audience = 'evil'}, '' ],
	[ 'SET in a transaction', "BEGIN; $set", '' ],
	[
		'SET in a savepoint',
		"BEGIN; $set; SAVEPOINT s; SET LOCAL dualdb.audience = 'evil'", ''
	],
	[
		'set_config()',
		q{SELECT set_config('dualdb.audience', 'evil', false)}, 'evil'
	],
	[
		'SET of many',
		"$set; SET dualdb.leeway = 300; SET dualdb.issuer = 'x'", ''
	])
{
	my ($title, $sql, $printed) = @$attack;

	session_of(
		'app_user_login',
		[ "$title, before the library is loaded", $sql, $printed ],
		# as many warnings as there are settings and levels
		[ 'loading it', "SET client_min_messages = error; $who", 'nobody' ],
		[ 'a token for another audience', outcome($evil), '28000' ],
		[ 'a token that has expired', outcome($expired), '28000' ],
		[ 'control: a valid token', outcome($ours), 'ok' ],
		[
			'the setting is what it was',
			'COMMIT; SHOW dualdb.audience',
			'aisales_app'
		]);
}
session_of(
	'app_user_login',
	[ 'SET', $set, '' ],
	[
		'and the token as the first thing',
		"SELECT dualdb.authenticate('$evil')",
		'WARNING: 42501 ERROR: 28000'
	],
	[ 'nobody', $who, 'nobody' ]);
session_of(
	'app_user_login',
	[ 'SET dualdb.leeway', 'SET dualdb.leeway = 300', '' ],
	[
		'and an expired token',
		"SELECT dualdb.authenticate('$expired')",
		'WARNING: 42501 ERROR: 28000'
	]);
session_of(
	$superuser,
	[ 'control: a superuser may', "$set; " . outcome($evil), 'ok' ],
	[ 'and does not take ours then', outcome($ours), '28000' ]);
session_of(
	$superuser,
	[ 'control: so for the leeway', 'SET dualdb.leeway = 300', '' ],
	[ 'an expired token', outcome($expired), 'ok' ]);

# a function of one's own that brings the setting along
session_of(
	'app_login',
	[
		'a function with a setting',
		q{CREATE FUNCTION pg_temp.f(token text) RETURNS text
		LANGUAGE sql SET dualdb.audience = 'evil' AS 'SELECT public.outcome(token)'},
		'ERROR: 42501'
	],
	[
		'control: with another one',
		q{CREATE FUNCTION pg_temp.f(token text) RETURNS text
		LANGUAGE sql SET work_mem = '1MB' AS 'SELECT public.outcome(token)'},
		''
	],
	[ 'it takes a token', "SELECT pg_temp.f('$ours')", 'ok' ],
	[ 'but not for another audience', "SELECT pg_temp.f('$evil')", '28000' ]);

# names that mean nothing
session_of(
	'app_user_login',
	[ 'dualdb.user_id', q{SET dualdb.user_id = 'alice'}, '' ],
	[ 'is taken away', $who, 'nobody WARNING: 42602' ],
	[ 'and gone', 'SHOW dualdb.user_id', 'ERROR: 42704' ],
	[ 'for good', q{SET dualdb.user_id = 'alice'}, 'ERROR: 42602' ]);
my @foreign = (
	[ 'request.jwt.claims', '{"sub":"alice","role":"admin"}' ],
	[ 'request.jwt.claim.sub', 'alice' ],
	[ 'jwt.claims.user_id', 'alice' ],
	[ 'app.user_id', 'alice' ]);

sub settings_of_others_ok
{
	session_of(
		'app_user_login',
		(   map {
				[
					$_->[0], "SELECT set_config('$_->[0]', '$_->[1]', false)",
					$_->[1]
				]
			} @foreign),
		[
			'and still nobody',
			q{SELECT dualdb.user_id(), dualdb.claims(), dualdb.has_role('admin')},
			'nobody|nobody|f'
		],
		[ 'with no rows', 'SELECT count(*) FROM app.projects', '0' ],
		[
			'control: a token has them',
			"BEGIN; SELECT dualdb.authenticate('$ours');
			SELECT count(*) FROM app.projects; COMMIT",
			'alice 1'
		]);
	return;
}
settings_of_others_ok();

# options of the connection
{
	local $ENV{PGOPTIONS} = '-c dualdb.audience=evil -c dualdb.leeway=300';

	session_of(
		'app_user_login',
		[
			'options, without preloading',
			'SET client_min_messages = error',
			''
		],
		[ 'a token for another audience', outcome($evil), '28000' ],
		[ 'a token that has expired', outcome($expired), '28000' ],
		[ 'control: a valid token', outcome($ours), 'ok' ]);
	session_of($superuser,
		[ "control: a superuser's options", outcome($evil), 'ok' ]);
}

# defaults for later sessions
my @defaults = (
	q{ALTER ROLE CURRENT_USER SET dualdb.audience = 'evil'},
	q{ALTER ROLE app_user_login IN DATABASE aisales_app SET dualdb.leeway = 300},
	q{ALTER DATABASE aisales_app SET dualdb.audience = 'evil'},
	q{ALTER SYSTEM SET dualdb.audience = 'evil'});
session_of('app_user_login', map { [ $_, $_, 'ERROR: 42501' ] } @defaults);
session_of(
	'app_user_login',
	[ 'loaded', $who, 'nobody' ],
	map { [ "loaded: $_", $_, 'ERROR: 42501' ] } @defaults);
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_db_role_setting WHERE setconfig::text ~ 'dualdb'}),
	'0', 'nothing has stayed');

# with preloading
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'dualdb'");
$node->restart;
my @settings = map { [ split /\|/, $_, -1 ] } split /\n/,
  $node->safe_psql(
	'aisales_app',
	q{SELECT name, context, setting FROM pg_settings WHERE name LIKE 'dualdb.%'}
  );
cmp_ok(scalar @settings, '>=', 10, 'there are settings to try');

# as it is, so that nothing but the privilege is missing; the context decides
# which error that is
my %refusal = (superuser => 'ERROR: 42501', sighup => 'ERROR: 55P02');
foreach my $setting (@settings)
{
	my ($name, $context, $value) = @$setting;

	session_of(
		'app_user_login',
		[ "SET $name", "SET $name = '$value'", $refusal{$context} ],
		[ "RESET $name", "RESET $name", $refusal{$context} ],
		[
			"set_config('$name')",
			"SELECT set_config('$name', '$value', false)",
			$refusal{$context}
		]);
	session_of($superuser,
		[ "control: SET $name", "SET $name = '$value'", '' ])
	  if $context eq 'superuser';
}
session_of(
	'app_user_login',
	[ 'an unknown setting', q{SET dualdb.user_id = 'alice'}, 'ERROR: 42602' ],
	[ 'control: any other one', q{SET anything.user_id = 'alice'}, '' ],
	[
		'SET LOCAL', q{BEGIN; SET LOCAL dualdb.audience = 'evil'; ROLLBACK},
		'ERROR: 42501'
	],
	[ 'a token for another audience', outcome($evil), '28000' ],
	[ 'control: a valid token', outcome($ours), 'ok' ],
	map { [ "preloaded: $_", $_, 'ERROR: 42501' ] } @defaults);
settings_of_others_ok();
{
	local $ENV{PGOPTIONS} = '-c dualdb.audience=evil';

	like(
		psql_error($node, 'aisales_app', 'app_user_login', $who),
		qr/permission denied to set parameter "dualdb.audience"/,
		'options of an ordinary role');
	session_of($superuser,
		[ "control: a superuser's options", outcome($evil), 'ok' ]);
}

# objects
my $key_of_ones_own = $stranger->trust_sql =~ s/;$//r;
session_of(
	'app_user_login',
	[ 'a key of its own', $key_of_ones_own, 'ERROR: 42501' ],
	[
		'another owner for a key',
		q{UPDATE dualdb.trusted_keys SET issuer = 'x'},
		'ERROR: 42501'
	],
	[
		'another function',
		q{CREATE OR REPLACE FUNCTION dualdb.user_id() RETURNS text
		LANGUAGE sql AS $$SELECT 'alice'$$},
		'ERROR: 42501'
	],
	[
		'a function in the schema',
		q{CREATE FUNCTION dualdb.f() RETURNS text LANGUAGE sql AS $$SELECT 'alice'$$},
		'ERROR: 42501'
	],
	[
		'no policy', 'DROP POLICY own_projects ON app.projects',
		'ERROR: 42501'
	],
	[
		'no row-level security',
		'SET row_security = off; SELECT count(*) FROM app.projects',
		'ERROR: 42501'
	],
	[ 'another role', 'SET ROLE dualdb_app_service', 'ERROR: 42501' ],
	[ 'another user', 'SET SESSION AUTHORIZATION app_login', 'ERROR: 42501' ]
);
session_of(
	'app_login',
	[
		'the library under other names',
		q{CREATE FUNCTION pg_temp.sign(text, bytea, text) RETURNS text
		LANGUAGE c AS '$libdir/dualdb', 'dualdb_sign_jwt'},
		'ERROR: 42501'
	],
	[
		'control: a temporary function',
		q{CREATE FUNCTION pg_temp.f() RETURNS text LANGUAGE sql AS $$SELECT 'x'$$;
		SELECT pg_temp.f()},
		'x'
	]);
session_of(
	'outsider',
	[ 'everybody may ask', $who, 'nobody' ],
	map { [ $_, "SELECT dualdb.$_('$ours')", 'ERROR: 42501' ] }
	  'authenticate',
	'authenticate_session',
	'jwt_verify');

done_testing();
