-- Table access for an existing ORM (role dualdb_auth_orm): the weaker choice, as
-- it can read password hashes.  Signing keys stay out of its reach.

GRANT SELECT, INSERT, UPDATE ON auth.users, auth.sessions, auth.refresh_tokens,
	auth.api_keys, auth.roles, auth.permissions, auth.role_permissions,
	auth.user_roles TO dualdb_auth_orm;
GRANT DELETE ON auth.role_permissions, auth.user_roles TO dualdb_auth_orm;
-- evaluated for the generated column, with the rights of whoever inserts
GRANT EXECUTE ON FUNCTION auth.normalize_email(text) TO dualdb_auth_orm;
