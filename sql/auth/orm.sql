-- Table access for an existing ORM (role dualdb_auth_orm): the weaker choice, as
-- it can read password hashes.  Signing keys stay out of its reach.

GRANT SELECT, INSERT, UPDATE ON auth.users, auth.sessions, auth.refresh_tokens
	TO dualdb_auth_orm;
-- evaluated for the generated column, with the rights of whoever inserts
GRANT EXECUTE ON FUNCTION auth.normalize_email(text) TO dualdb_auth_orm;
