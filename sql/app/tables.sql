-- Tables of schema app.  New columns go to the end, here and in a migration.
--
-- project_id comes first in every key, there are no triggers, and nothing is
-- unique across projects: so the tables can be distributed by project without a
-- change.  user_id refers to auth.users; there is no foreign key, because a user
-- may be a moment older than the local directory.

CREATE TABLE app.schema_version
(
	version integer PRIMARY KEY,
	installed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE app.schema_version IS 'versions of this schema that setup_app() has installed';
INSERT INTO app.schema_version (version) VALUES (1);

CREATE TABLE app.projects
(
	id text PRIMARY KEY DEFAULT dualdb.new_id(),
	user_id text NOT NULL,
	name text NOT NULL,
	description text,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX projects_user_id_idx ON app.projects (user_id);
COMMENT ON TABLE app.projects IS 'projects; user_id is the owner';

CREATE TABLE app.orders
(
	project_id text NOT NULL REFERENCES app.projects ON DELETE CASCADE,
	id text NOT NULL DEFAULT dualdb.new_id(),
	user_id text NOT NULL,
	status text NOT NULL DEFAULT 'new',
	total numeric(14, 2) NOT NULL DEFAULT 0,
	currency text NOT NULL DEFAULT 'EUR',
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (project_id, id)
);
CREATE INDEX orders_user_id_idx ON app.orders (user_id);
COMMENT ON TABLE app.orders IS 'orders; user_id is who placed it';

CREATE TABLE app.messages
(
	project_id text NOT NULL REFERENCES app.projects ON DELETE CASCADE,
	id text NOT NULL DEFAULT dualdb.new_id(),
	user_id text NOT NULL,
	body text NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (project_id, id)
);
CREATE INDEX messages_user_id_idx ON app.messages (user_id);
COMMENT ON TABLE app.messages IS 'messages; user_id is the author';

CREATE TABLE app.integrations
(
	project_id text NOT NULL REFERENCES app.projects ON DELETE CASCADE,
	id text NOT NULL DEFAULT dualdb.new_id(),
	kind text NOT NULL,
	name text NOT NULL,
	config jsonb NOT NULL DEFAULT '{}',
	is_active boolean NOT NULL DEFAULT true,
	created_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (project_id, id)
);
COMMENT ON TABLE app.integrations IS 'connections to other systems; their secrets do not belong here';

CREATE TABLE app.products
(
	project_id text NOT NULL REFERENCES app.projects ON DELETE CASCADE,
	id text NOT NULL DEFAULT dualdb.new_id(),
	sku text,
	name text NOT NULL,
	price numeric(14, 2) NOT NULL DEFAULT 0,
	currency text NOT NULL DEFAULT 'EUR',
	is_active boolean NOT NULL DEFAULT true,
	created_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (project_id, id)
);
COMMENT ON TABLE app.products IS 'products that a project sells';

CREATE TABLE app.reports
(
	project_id text NOT NULL REFERENCES app.projects ON DELETE CASCADE,
	id text NOT NULL DEFAULT dualdb.new_id(),
	user_id text NOT NULL,
	title text NOT NULL,
	content jsonb NOT NULL DEFAULT '{}',
	created_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (project_id, id)
);
COMMENT ON TABLE app.reports IS 'reports; user_id is who asked for it';

CREATE TABLE app.model_trainings
(
	project_id text NOT NULL REFERENCES app.projects ON DELETE CASCADE,
	id text NOT NULL DEFAULT dualdb.new_id(),
	user_id text NOT NULL,
	model text NOT NULL,
	status text NOT NULL DEFAULT 'queued',
	parameters jsonb NOT NULL DEFAULT '{}',
	metrics jsonb,
	started_at timestamptz,
	finished_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (project_id, id)
);
COMMENT ON TABLE app.model_trainings IS 'training runs; user_id is who started it';

CREATE TABLE app.api_logs
(
	project_id text NOT NULL REFERENCES app.projects ON DELETE CASCADE,
	id text NOT NULL DEFAULT dualdb.new_id(),
	user_id text,
	method text NOT NULL,
	path text NOT NULL,
	status_code integer,
	duration_ms integer,
	created_at timestamptz NOT NULL DEFAULT now(),
	-- the key of a partitioned table includes what it is partitioned by
	PRIMARY KEY (project_id, id, created_at)
) PARTITION BY RANGE (created_at);
CREATE INDEX api_logs_created_at_idx ON app.api_logs (created_at);
COMMENT ON TABLE app.api_logs IS 'API calls; user_id is the caller, NULL when anonymous';
CREATE TABLE app.api_logs_default PARTITION OF app.api_logs DEFAULT;
COMMENT ON TABLE app.api_logs_default IS 'API calls of times that have no partition of their own';
