-- The database of an application that knows nothing of dualdb: tables, columns and
-- types of its own.  With :users, :orders and :id_type, which is integer, uuid or text;
-- table passwords (n, hash) is there before.
\set QUIET on
SET client_min_messages = warning;

-- Texts of both cases and with other signs: collations have another order than bytes.
SELECT CASE :'id_type'
	WHEN 'integer' THEN 'n::text'
	WHEN 'uuid' THEN 'md5(kind || n)::uuid::text'
	ELSE '(ARRAY[''a-'', ''B_'', ''ä'', ''b''])[n % 4 + 1] || n' END AS expression \gset
CREATE FUNCTION legacy_id(kind text, n bigint) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN :expression;

CREATE TYPE purchase_state AS ENUM ('open', 'paid', 'sent');
CREATE TABLE accounts
(
	id :id_type PRIMARY KEY,
	mail varchar(255) NOT NULL UNIQUE,
	hashed_password text,
	first_name text,
	last_name text,
	blocked boolean NOT NULL DEFAULT false,
	joined timestamp NOT NULL DEFAULT now()
);
CREATE TABLE workspaces
(
	id :id_type PRIMARY KEY,
	owner_id :id_type NOT NULL,
	title varchar(100) NOT NULL
);
CREATE TABLE purchases
(
	id :id_type PRIMARY KEY,
	workspace_id :id_type NOT NULL,
	account_id :id_type NOT NULL,
	state purchase_state NOT NULL DEFAULT 'open',
	amount numeric(10, 2) NOT NULL,
	bought timestamp NOT NULL DEFAULT now()
);
CREATE TABLE account_roles
(
	account_id :id_type NOT NULL,
	role_name text NOT NULL,
	PRIMARY KEY (account_id, role_name)
);

INSERT INTO accounts (id, mail, hashed_password, first_name, last_name, blocked, joined)
SELECT legacy_id('account', s.n):::id_type, format('User%s@Example.com', s.n), p.hash, 'First' || s.n, 'Last',
	s.n % 50 = 0, timestamp '2020-01-01' + s.n * interval '1 minute'
FROM generate_series(1, :users) s (n)
	JOIN passwords p ON p.n = s.n % (SELECT count(*) FROM passwords);
INSERT INTO workspaces (id, owner_id, title)
SELECT legacy_id('workspace', n):::id_type, legacy_id('account', n):::id_type, 'Workspace ' || n
FROM generate_series(1, :users, 2) n;
INSERT INTO purchases (id, workspace_id, account_id, state, amount, bought)
SELECT legacy_id('purchase', n):::id_type, legacy_id('workspace', w.owner::bigint):::id_type,
	legacy_id('account', w.owner::bigint):::id_type, (enum_range(NULL::purchase_state))[n % 3 + 1],
	n % 100000 / 100.0, timestamp '2021-01-01' + n * interval '1 second'
FROM generate_series(1, :orders) n
	CROSS JOIN LATERAL (SELECT n * 2 % (:users / 2 * 2) + 1) w (owner);
INSERT INTO account_roles (account_id, role_name)
SELECT legacy_id('account', n):::id_type, r.name
FROM generate_series(1, :users, 10) n, (VALUES ('admin'), ('seller')) r (name);

-- after the rows, which is faster
ALTER TABLE workspaces ADD CONSTRAINT workspaces_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES accounts;
ALTER TABLE purchases ADD CONSTRAINT purchases_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES workspaces,
	ADD CONSTRAINT purchases_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts;
ALTER TABLE account_roles ADD FOREIGN KEY (account_id) REFERENCES accounts;
ANALYZE;
