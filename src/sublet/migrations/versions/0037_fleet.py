"""Fleet: the life of nodes: emptied by a deadline, tried before they return, retired for good."""

from sublet.migrations.script import execute_script

revision = "0037_fleet"
down_revision = "0036_scheduling"

STATES = """
ALTER TABLE node
  DROP CONSTRAINT node_state_check,
  ADD CONSTRAINT node_state_check CHECK (state IN ('enrolling', 'ready', 'cordoned', 'draining', 'maintenance',
    'quarantined', 'offline', 'retired')),
  DROP CONSTRAINT node_check,
  ADD CONSTRAINT node_check CHECK (state IN ('enrolling', 'offline', 'retired')
    OR (host_public_key IS NOT NULL AND inventory IS NOT NULL)),
  -- When it last passed a test of itself since it was taken out of use; NULL until it has.
  ADD COLUMN self_tested_at timestamptz;

DELETE FROM node_transition WHERE (from_state, to_state) IN
  (('draining', 'ready'), ('maintenance', 'cordoned'), ('quarantined', 'cordoned'));
INSERT INTO node_transition (from_state, to_state) VALUES
  ('enrolling', 'retired'), ('cordoned', 'retired'), ('draining', 'retired'), ('maintenance', 'retired'),
  ('quarantined', 'retired'), ('offline', 'retired');
CREATE TRIGGER returns_tested BEFORE UPDATE OF state ON node FOR EACH ROW
  WHEN (OLD.state IN ('maintenance', 'quarantined') AND NEW.state = 'ready' AND NEW.self_tested_at IS NULL)
  EXECUTE FUNCTION sublet_refuse_change();

-- Another machine may have the address of one that is retired; its name and its key stay its own.
ALTER TABLE node DROP CONSTRAINT node_address_port_key;
CREATE UNIQUE INDEX node_address_port_key ON node (address, port) WHERE state <> 'retired';
"""

SELF_TESTS = """
CREATE TABLE node_self_test (
  id          text PRIMARY KEY CHECK (id ~ '^nst_[a-z2-7]{16}$'),
  node_id     text NOT NULL REFERENCES node,
  asked_by    text NOT NULL,
  asked_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  finished_at timestamptz,
  passed      boolean,
  checks      jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(checks) = 'array'),
  CHECK ((finished_at IS NULL) = (passed IS NULL))
);
CREATE UNIQUE INDEX node_self_test_open ON node_self_test (node_id) WHERE finished_at IS NULL;
CREATE INDEX node_self_test_node ON node_self_test (node_id, asked_at);
CREATE TRIGGER ends_once BEFORE UPDATE ON node_self_test FOR EACH ROW
  WHEN (OLD.finished_at IS NOT NULL) EXECUTE FUNCTION sublet_refuse_change();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE ON node_self_test
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
GRANT SELECT, INSERT, UPDATE (finished_at, passed, checks) ON node_self_test TO sublet_app;
"""

DRAINS = """
CREATE TABLE node_drain (
  id             text PRIMARY KEY CHECK (id ~ '^drn_[a-z2-7]{16}$'),
  node_id        text NOT NULL REFERENCES node,
  reason         text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
  begun_by       text NOT NULL,
  begun_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  deadline_at    timestamptz NOT NULL,
  -- What each allocation that the deadline suspends is given back: so much time at its own rate.
  credit_seconds bigint NOT NULL CHECK (credit_seconds BETWEEN 0 AND 31536000),
  -- When it was told that the deadline has passed.
  due_told_at    timestamptz,
  ended_at       timestamptz
);
CREATE UNIQUE INDEX node_drain_open ON node_drain (node_id) WHERE ended_at IS NULL;
CREATE INDEX node_drain_node ON node_drain (node_id, begun_at);
CREATE INDEX node_drain_due ON node_drain (deadline_at) WHERE ended_at IS NULL AND due_told_at IS NULL;
CREATE TRIGGER ends_once BEFORE UPDATE ON node_drain FOR EACH ROW
  WHEN (OLD.ended_at IS NOT NULL) EXECUTE FUNCTION sublet_refuse_change();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE ON node_drain
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
GRANT SELECT, INSERT, UPDATE (due_told_at, ended_at) ON node_drain TO sublet_app;
"""


def upgrade() -> None:
    """Add the state, and what is kept of tests and drains."""
    execute_script(STATES)
    execute_script(SELF_TESTS)
    execute_script(DRAINS)
