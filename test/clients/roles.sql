-- The login roles of the examples, made by a superuser.  Each gets its password by
-- psql's \password, which sends nothing but its SCRAM secret.

-- logs users in, in aisales_auth
CREATE ROLE backend_auth LOGIN IN ROLE dualdb_auth_service;

-- works for the authenticated user, in aisales_app, and sees that user's rows only
CREATE ROLE backend_user LOGIN IN ROLE dualdb_app_user;

-- where a pooler shares its sessions between clients: no identity for a session
ALTER ROLE backend_user SET dualdb.session_identity = off;
