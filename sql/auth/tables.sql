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
	change_xid xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX users_change_xid_idx ON auth.users (change_xid);
CREATE INDEX users_deleted_idx ON auth.users (change_xid) WHERE deleted_at IS NOT NULL;
COMMENT ON TABLE auth.users IS 'who people are';
COMMENT ON COLUMN auth.users.password_hash IS 'PHC string; NULL: no password login';
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

CREATE TABLE auth.sessions
(
	id text PRIMARY KEY DEFAULT dualdb.new_id(),
	user_id text NOT NULL REFERENCES auth.users ON DELETE CASCADE,
	created_at timestamptz NOT NULL DEFAULT now(),
	refreshed_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz NOT NULL,
	ended_at timestamptz,
	end_reason text CHECK (end_reason IN ('logout', 'reuse_detected')),
	ip inet,
	user_agent text,
	CHECK ((ended_at IS NULL) = (end_reason IS NULL))
);
CREATE INDEX sessions_user_id_idx ON auth.sessions (user_id);
COMMENT ON TABLE auth.sessions IS
	'logins; a session lives until it is ended or expires, however often it is refreshed';

CREATE TABLE auth.refresh_tokens
(
	id text PRIMARY KEY DEFAULT dualdb.new_id(),
	session_id text NOT NULL REFERENCES auth.sessions ON DELETE CASCADE,
	token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
	created_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz NOT NULL,
	used_at timestamptz
);
CREATE INDEX refresh_tokens_session_id_idx ON auth.refresh_tokens (session_id);
COMMENT ON TABLE auth.refresh_tokens IS
	'the refresh token family of each session: one unused token, and the used ones before it';
COMMENT ON COLUMN auth.refresh_tokens.token_hash IS
	'hash keyed by the master key; the token itself is stored nowhere';

CREATE TABLE auth.signing_keys
(
	kid text PRIMARY KEY,
	status text NOT NULL
		CHECK (status IN ('next', 'active', 'retired')),
	sealed_key bytea,
	created_at timestamptz NOT NULL DEFAULT now(),
	activated_at timestamptz,
	retired_at timestamptz,
	CHECK ((sealed_key IS NULL) = (status = 'retired'))
);
CREATE UNIQUE INDEX signing_keys_status_idx ON auth.signing_keys (status)
	WHERE status IN ('next', 'active');
COMMENT ON TABLE auth.signing_keys IS
	'private halves of the signing keys; the public halves are in dualdb.trusted_keys';
COMMENT ON COLUMN auth.signing_keys.sealed_key IS
	'private key sealed under the master key; wiped when the key is retired';
