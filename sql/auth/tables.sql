-- Tables of schema auth.  New columns go to the end, here and in a migration.

CREATE TABLE auth.schema_version
(
	version integer PRIMARY KEY,
	installed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE auth.schema_version IS 'versions of this schema that setup_auth() has installed';
INSERT INTO auth.schema_version (version) VALUES (1);

-- Only ASCII is folded, whatever the locale: the result must be the same on
-- every server and after every upgrade of its libraries.
CREATE FUNCTION auth.normalize_email(email text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN lower(btrim(email) COLLATE "C");
COMMENT ON FUNCTION auth.normalize_email(text) IS
	'the form in which e-mail addresses are compared: trimmed, ASCII letters in lower case';
REVOKE ALL ON FUNCTION auth.normalize_email(text) FROM PUBLIC;

CREATE TABLE auth.users
(
	id text PRIMARY KEY DEFAULT dualdb.new_id(),
	email text NOT NULL,
	email_norm text COLLATE "C" NOT NULL UNIQUE
		GENERATED ALWAYS AS (auth.normalize_email(email)) STORED,
	password_hash text,
	display_name text,
	is_active boolean NOT NULL DEFAULT true,
	email_verified_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	deleted_at timestamptz,
	change_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
	password_changed_at timestamptz,
	token_version integer NOT NULL DEFAULT 0
);
CREATE INDEX users_change_xid_idx ON auth.users (change_xid);
CREATE INDEX users_deleted_idx ON auth.users (change_xid) WHERE deleted_at IS NOT NULL;
COMMENT ON TABLE auth.users IS 'who people are';
COMMENT ON COLUMN auth.users.password_hash IS
	'PHC string, or another program''s until the first login; NULL: no password login';
COMMENT ON COLUMN auth.users.token_version IS
	'claim of new access tokens; those of a lower version have been revoked';
COMMENT ON COLUMN auth.users.change_xid IS
	'transaction of the last change that the app database is to see';

CREATE TABLE auth.deleted_users
(
	id text PRIMARY KEY,
	change_xid xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX deleted_users_change_xid_idx ON auth.deleted_users (change_xid);
COMMENT ON TABLE auth.deleted_users IS
	'tombstones of deleted rows of auth.users, for the app database';

CREATE TABLE auth.directory_columns
(
	position integer GENERATED ALWAYS AS IDENTITY,
	name text PRIMARY KEY
);
COMMENT ON TABLE auth.directory_columns IS
	'columns of users that the app database sees besides its usual ones; dualdb.add_directory_column()';

CREATE TABLE auth.sessions
(
	id text PRIMARY KEY DEFAULT dualdb.new_id(),
	user_id text NOT NULL REFERENCES auth.users ON DELETE CASCADE,
	created_at timestamptz NOT NULL DEFAULT now(),
	refreshed_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz NOT NULL,
	ended_at timestamptz,
	end_reason text CHECK (end_reason IN ('logout', 'revoked', 'reuse_detected',
		'password_changed', 'deactivated', 'erased')),
	ip inet,
	user_agent text,
	amr text[] NOT NULL DEFAULT '{pwd}',
	CHECK ((ended_at IS NULL) = (end_reason IS NULL))
);
CREATE INDEX sessions_user_id_idx ON auth.sessions (user_id);
CREATE INDEX sessions_expires_at_idx ON auth.sessions (expires_at);
CREATE INDEX sessions_ended_at_idx ON auth.sessions (ended_at) WHERE ended_at IS NOT NULL;
COMMENT ON TABLE auth.sessions IS
	'logins; a session lives until it is ended or expires, however often it is refreshed';
COMMENT ON COLUMN auth.sessions.amr IS
	'how the user was authenticated (RFC 8176): pwd, otp';

CREATE TABLE auth.hash_keys
(
	id text PRIMARY KEY DEFAULT 'tokens' CHECK (id = 'tokens'),
	sealed_key bytea NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE auth.hash_keys IS
	'the key that tokens are hashed under: one row';
COMMENT ON COLUMN auth.hash_keys.sealed_key IS
	'sealed under the master key';

CREATE TABLE auth.refresh_tokens
(
	id text PRIMARY KEY DEFAULT dualdb.new_id(),
	session_id text NOT NULL REFERENCES auth.sessions ON DELETE CASCADE,
	token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
	created_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz NOT NULL,
	used_at timestamptz,
	successor bytea
);
CREATE INDEX refresh_tokens_session_id_idx ON auth.refresh_tokens (session_id);
CREATE INDEX refresh_tokens_expires_at_idx ON auth.refresh_tokens (expires_at);
CREATE INDEX refresh_tokens_successor_idx ON auth.refresh_tokens (used_at)
	WHERE successor IS NOT NULL;
COMMENT ON TABLE auth.refresh_tokens IS
	'the refresh token family of each session: one unused token, and the used ones before it';
COMMENT ON COLUMN auth.refresh_tokens.token_hash IS
	'hash keyed by auth.hash_keys; the token itself is stored nowhere';
COMMENT ON COLUMN auth.refresh_tokens.successor IS
	'the token that this one was exchanged for, sealed under this one; wiped after the grace period';

CREATE TABLE auth.signing_keys
(
	kid text PRIMARY KEY,
	status text NOT NULL
		CHECK (status IN ('next', 'active', 'retired', 'revoked')),
	sealed_key bytea,
	created_at timestamptz NOT NULL DEFAULT now(),
	activated_at timestamptz,
	retired_at timestamptz,
	CHECK ((sealed_key IS NULL) = (status IN ('retired', 'revoked')))
);
CREATE UNIQUE INDEX signing_keys_status_idx ON auth.signing_keys (status)
	WHERE status IN ('next', 'active');
COMMENT ON TABLE auth.signing_keys IS
	'private halves of the signing keys; the public halves are in dualdb.trusted_keys';
COMMENT ON COLUMN auth.signing_keys.sealed_key IS
	'private key sealed under the master key; wiped when the key is retired';

CREATE TABLE auth.one_time_tokens
(
	id text PRIMARY KEY DEFAULT dualdb.new_id(),
	user_id text NOT NULL REFERENCES auth.users ON DELETE CASCADE,
	purpose text NOT NULL CHECK (purpose IN ('password_reset', 'email', 'mfa')),
	token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
	email_norm text COLLATE "C" NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz NOT NULL,
	used_at timestamptz
);
CREATE INDEX one_time_tokens_user_id_idx ON auth.one_time_tokens (user_id);
CREATE INDEX one_time_tokens_expires_at_idx ON auth.one_time_tokens (expires_at);
COMMENT ON TABLE auth.one_time_tokens IS
	'tokens for a password reset, the verification of an address, the second step of a login';
COMMENT ON COLUMN auth.one_time_tokens.email_norm IS
	'address that the token was made for; void when the user has another one';

CREATE TABLE auth.api_keys
(
	id text PRIMARY KEY,
	user_id text NOT NULL REFERENCES auth.users ON DELETE CASCADE,
	name text NOT NULL,
	secret_hash bytea NOT NULL CHECK (octet_length(secret_hash) = 32),
	scopes text[] NOT NULL,
	allowed_networks cidr[],
	created_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz,
	revoked_at timestamptz,
	last_used_at timestamptz,
	last_used_ip inet,
	rotated_from text REFERENCES auth.api_keys ON DELETE SET NULL
);
CREATE INDEX api_keys_user_id_idx ON auth.api_keys (user_id);
CREATE INDEX api_keys_dead_at_idx ON auth.api_keys (least(expires_at, revoked_at));
CREATE INDEX api_keys_rotated_from_idx ON auth.api_keys (rotated_from) WHERE rotated_from IS NOT NULL;
COMMENT ON TABLE auth.api_keys IS 'API keys, by their public ids';
COMMENT ON COLUMN auth.api_keys.scopes IS
	'permissions of the key; it never has more than its owner at the time of use';

CREATE TABLE auth.roles
(
	id text PRIMARY KEY DEFAULT dualdb.new_id(),
	name text NOT NULL UNIQUE,
	description text
);
COMMENT ON TABLE auth.roles IS 'roles of the application; not roles of the database';

CREATE TABLE auth.permissions
(
	id text PRIMARY KEY DEFAULT dualdb.new_id(),
	name text NOT NULL UNIQUE,
	description text
);
COMMENT ON TABLE auth.permissions IS 'permissions: resource:action';

CREATE TABLE auth.role_permissions
(
	role_id text NOT NULL REFERENCES auth.roles ON DELETE CASCADE,
	permission_id text NOT NULL REFERENCES auth.permissions ON DELETE CASCADE,
	PRIMARY KEY (role_id, permission_id)
);
COMMENT ON TABLE auth.role_permissions IS 'what a role may do';

CREATE TABLE auth.user_roles
(
	user_id text NOT NULL REFERENCES auth.users ON DELETE CASCADE,
	role_id text NOT NULL REFERENCES auth.roles ON DELETE CASCADE,
	granted_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (user_id, role_id)
);
CREATE INDEX user_roles_role_id_idx ON auth.user_roles (role_id);
COMMENT ON TABLE auth.user_roles IS 'which roles a user has';

CREATE TABLE auth.totp_factors
(
	id text PRIMARY KEY DEFAULT dualdb.new_id(),
	user_id text NOT NULL UNIQUE REFERENCES auth.users ON DELETE CASCADE,
	sealed_secret bytea NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	confirmed_at timestamptz,
	last_step bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE auth.totp_factors IS 'authenticator applications (RFC 6238), one a user';
COMMENT ON COLUMN auth.totp_factors.last_step IS
	'time step of the last code that was accepted; no code counts twice';

CREATE TABLE auth.recovery_codes
(
	id text PRIMARY KEY DEFAULT dualdb.new_id(),
	user_id text NOT NULL REFERENCES auth.users ON DELETE CASCADE,
	code_hash bytea NOT NULL UNIQUE CHECK (octet_length(code_hash) = 32),
	created_at timestamptz NOT NULL DEFAULT now(),
	used_at timestamptz
);
CREATE INDEX recovery_codes_user_id_idx ON auth.recovery_codes (user_id);
COMMENT ON TABLE auth.recovery_codes IS
	'codes that stand in for a lost authenticator, each once';

CREATE TABLE auth.login_failures
(
	identifier bytea PRIMARY KEY CHECK (octet_length(identifier) = 32),
	in_a_row integer NOT NULL,
	in_all integer NOT NULL,
	last_at timestamptz NOT NULL
);
CREATE INDEX login_failures_last_at_idx ON auth.login_failures (last_at);
COMMENT ON TABLE auth.login_failures IS
	'failed attempts since the last success, by keyed hash of what was tried, so that unknown users lock like known ones';

CREATE TABLE auth.audit_log
(
	id text NOT NULL DEFAULT dualdb.new_id(),
	at timestamptz NOT NULL DEFAULT clock_timestamp(),
	event text NOT NULL,
	user_id text,
	object_id text,
	ip inet,
	user_agent text,
	PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
CREATE INDEX audit_log_at_idx ON auth.audit_log (at);
CREATE INDEX audit_log_user_id_idx ON auth.audit_log (user_id, at);
COMMENT ON TABLE auth.audit_log IS
	'what happened, in the event names of the OWASP logging vocabulary; never a secret';
COMMENT ON COLUMN auth.audit_log.object_id IS
	'session, API key, role or signing key that the event is about';
CREATE TABLE auth.audit_log_default PARTITION OF auth.audit_log DEFAULT;
COMMENT ON TABLE auth.audit_log_default IS 'events of months that have no partition';

CREATE TABLE auth.common_passwords
(
	password text COLLATE "C" PRIMARY KEY
);
COMMENT ON TABLE auth.common_passwords IS
	'passwords that nobody may choose, in lower case; add your own';
