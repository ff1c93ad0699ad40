-- What survives the client's ROLLBACK: failures and events, in shared memory until
-- auth.flush() has written them down.  All for functions of the auth database.

CREATE FUNCTION dualdb.failures_shared() RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'dualdb_failures_shared';
COMMENT ON FUNCTION dualdb.failures_shared() IS
	'does shared memory count failures for this database? if not, tables must';
REVOKE ALL ON FUNCTION dualdb.failures_shared() FROM PUBLIC;

CREATE FUNCTION dualdb.try_password(
	identifier bytea, in_a_row integer, in_all integer, last_at timestamptz,
	password text, hash text, rivals text[], OUT outcome text, OUT retry_after integer)
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'dualdb_try_password';
COMMENT ON FUNCTION dualdb.try_password(bytea, integer, integer, timestamptz, text, text, text[]) IS
	'compare a password unless the identifier must wait; outcome match, mismatch, throttled (retry_after in seconds, NULL: until a reset) or busy. A mismatch is counted where memory is shared, and takes as long as with the costliest of the rivals';
REVOKE ALL ON FUNCTION dualdb.try_password(bytea, integer, integer, timestamptz, text, text, text[]) FROM PUBLIC;

CREATE FUNCTION dualdb.try_code(
	identifier bytea, in_a_row integer, in_all integer, last_at timestamptz)
RETURNS integer
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'dualdb_try_code';
COMMENT ON FUNCTION dualdb.try_code(bytea, integer, integer, timestamptz) IS
	'count an attempt unless the identifier must wait; returns the seconds to wait, 0 for none, NULL for until a reset';
REVOKE ALL ON FUNCTION dualdb.try_code(bytea, integer, integer, timestamptz) FROM PUBLIC;

CREATE FUNCTION dualdb.clear_failures(identifier bytea) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'dualdb_clear_failures';
COMMENT ON FUNCTION dualdb.clear_failures(bytea) IS
	'forget the failures of an identifier where memory is shared';
REVOKE ALL ON FUNCTION dualdb.clear_failures(bytea) FROM PUBLIC;

CREATE FUNCTION dualdb.post_event(
	kind text, user_id text, object_id text, ip text, user_agent text)
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'dualdb_post_event';
COMMENT ON FUNCTION dualdb.post_event(text, text, text, text, text) IS
	'hand an event to auth.flush(), whatever becomes of the transaction; false where there is no shared memory';
REVOKE ALL ON FUNCTION dualdb.post_event(text, text, text, text, text) FROM PUBLIC;

CREATE FUNCTION dualdb.event_pending(kind text, object_id text) RETURNS boolean
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'dualdb_event_pending';
COMMENT ON FUNCTION dualdb.event_pending(text, text) IS
	'does such an event wait for auth.flush()?';
REVOKE ALL ON FUNCTION dualdb.event_pending(text, text) FROM PUBLIC;

CREATE FUNCTION dualdb.scrub_events(user_id text) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'dualdb_scrub_events';
COMMENT ON FUNCTION dualdb.scrub_events(text) IS
	'take address and client out of the events of a user that wait';
REVOKE ALL ON FUNCTION dualdb.scrub_events(text) FROM PUBLIC;

-- What waits is little: auth.flush() finds its rows by indexes.
CREATE FUNCTION dualdb.pending_events(
	OUT at timestamptz, OUT kind text, OUT user_id text, OUT object_id text,
	OUT ip text, OUT user_agent text)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE ROWS 10
AS 'MODULE_PATHNAME', 'dualdb_pending_events';
COMMENT ON FUNCTION dualdb.pending_events() IS
	'the events that wait; gone from shared memory when the transaction commits';
REVOKE ALL ON FUNCTION dualdb.pending_events() FROM PUBLIC;

CREATE FUNCTION dualdb.pending_failures(
	OUT identifier bytea, OUT in_a_row integer, OUT in_all integer,
	OUT last_at timestamptz)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE ROWS 10
AS 'MODULE_PATHNAME', 'dualdb_pending_failures';
COMMENT ON FUNCTION dualdb.pending_failures() IS
	'the failures that are newer than auth.login_failures; known to be written when the transaction commits';
REVOKE ALL ON FUNCTION dualdb.pending_failures() FROM PUBLIC;
