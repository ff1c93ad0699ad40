-- How far the sync is.

CREATE TABLE IF NOT EXISTS bridge.sync_state
(
	only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
	feed_id text,
	horizon xid8 NOT NULL DEFAULT '0',
	synced_at timestamptz,
	next_horizon xid8,
	stage text CHECK (stage IN ('changed', 'all', 'tombstones')),
	last_id text,
	is_full boolean NOT NULL DEFAULT false,
	put_off text[] NOT NULL DEFAULT '{}',
	failures integer NOT NULL DEFAULT 0,
	failed_at timestamptz,
	error text
);
COMMENT ON TABLE bridge.sync_state IS 'how far the sync is';
COMMENT ON COLUMN bridge.sync_state.horizon IS 'all changes with a lower mark are in the directory';
COMMENT ON COLUMN bridge.sync_state.synced_at IS
	'revocations and keys of this moment and before are here';
COMMENT ON COLUMN bridge.sync_state.next_horizon IS 'horizon at the end of the pass';
COMMENT ON COLUMN bridge.sync_state.stage IS 'what the pass over the users does now; NULL: there is none';
COMMENT ON COLUMN bridge.sync_state.last_id IS 'the stage has seen the ids up to this one';
COMMENT ON COLUMN bridge.sync_state.is_full IS 'the pass looks for who is gone without tombstones';
COMMENT ON COLUMN bridge.sync_state.put_off IS
	'users whose rows an open transaction held; the next sync asks for them again';
INSERT INTO bridge.sync_state DEFAULT VALUES ON CONFLICT DO NOTHING;
