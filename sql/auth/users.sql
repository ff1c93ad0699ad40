-- Triggers of auth.users: what the app database is to hear of.

CREATE OR REPLACE FUNCTION auth.stamp_user() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF TG_OP = 'UPDATE' THEN
		NEW.updated_at := now();
		NEW.change_xid := OLD.change_xid;
		-- another address has not been verified
		IF auth.normalize_email(NEW.email) <> auth.normalize_email(OLD.email)
			AND NEW.email_verified_at = OLD.email_verified_at
		THEN
			NEW.email_verified_at := NULL;
		END IF;
	END IF;
	IF TG_OP = 'INSERT'
		OR (NEW.id, NEW.email, NEW.display_name, NEW.is_active, NEW.deleted_at)
			IS DISTINCT FROM
			(OLD.id, OLD.email, OLD.display_name, OLD.is_active, OLD.deleted_at)
		OR EXISTS (SELECT FROM auth.directory_columns c
			WHERE to_jsonb(NEW) -> c.name IS DISTINCT FROM to_jsonb(OLD) -> c.name)
	THEN
		NEW.change_xid := pg_current_xact_id();
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION auth.stamp_user() IS
	'stamps a user with the current transaction when something changes that the app database sees';
REVOKE ALL ON FUNCTION auth.stamp_user() FROM PUBLIC;
CREATE OR REPLACE TRIGGER stamp_user BEFORE INSERT OR UPDATE ON auth.users
	FOR EACH ROW EXECUTE FUNCTION auth.stamp_user();

-- A definer, because an ORM that deletes users has no rights on the tombstones.
CREATE OR REPLACE FUNCTION auth.bury_user() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF TG_OP <> 'INSERT' THEN
		INSERT INTO auth.deleted_users AS d (id) VALUES (OLD.id)
		ON CONFLICT (id) DO UPDATE SET change_xid = pg_current_xact_id();
	END IF;
	IF TG_OP <> 'DELETE' THEN
		DELETE FROM auth.deleted_users d WHERE d.id = NEW.id;
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION auth.bury_user() IS
	'keeps a tombstone for every user id that is gone';
REVOKE ALL ON FUNCTION auth.bury_user() FROM PUBLIC;
CREATE OR REPLACE TRIGGER bury_user AFTER INSERT OR DELETE ON auth.users
	FOR EACH ROW EXECUTE FUNCTION auth.bury_user();
CREATE OR REPLACE TRIGGER rename_user AFTER UPDATE OF id ON auth.users
	FOR EACH ROW WHEN (OLD.id <> NEW.id) EXECUTE FUNCTION auth.bury_user();

-- What the owner of the bridge views may read, and nothing else of this schema.
GRANT SELECT (id, email, email_norm, display_name, is_active, deleted_at, change_xid)
	ON auth.users TO dualdb_bridge_owner;
DO $$
DECLARE
	v_column text;
BEGIN
	FOR v_column IN SELECT c.name FROM auth.directory_columns c LOOP
		EXECUTE format('GRANT SELECT (%I) ON auth.users TO dualdb_bridge_owner', v_column);
	END LOOP;
END
$$;
GRANT SELECT ON auth.directory_columns TO dualdb_bridge_owner, dualdb_auth_orm;
GRANT SELECT ON auth.deleted_users TO dualdb_bridge_owner;
-- in one database it looks users up by their address, too
GRANT EXECUTE ON FUNCTION auth.normalize_email(text) TO dualdb_bridge_owner;
