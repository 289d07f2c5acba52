"""Allocations: what a launch may have left on a node when it went to another."""

from sublet.migrations.script import execute_script

revision = "0015_allocations"
down_revision = "0014_ledger"

TABLES = """
-- The claim of what is left is the remnant's own; it ends when the node has proven that nothing is left.
CREATE TABLE allocation_remnant (
  id            text PRIMARY KEY CHECK (id ~ '^rem_[a-z2-7]{16}$'),
  allocation_id text NOT NULL REFERENCES allocation,
  node_id       text NOT NULL REFERENCES node,
  login         text NOT NULL,
  uid           integer NOT NULL,
  generation    bigint NOT NULL,
  left_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  evidence      jsonb,
  cleaned_at    timestamptz,
  UNIQUE (allocation_id, node_id),
  CONSTRAINT allocation_remnant_cleaned_on_proof CHECK (cleaned_at IS NULL OR (evidence ->> 'clean')::boolean)
);
CREATE INDEX allocation_remnant_node ON allocation_remnant (node_id);
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON allocation_remnant
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
GRANT SELECT, INSERT, UPDATE (generation, evidence, cleaned_at) ON allocation_remnant TO sublet_app;
"""


def upgrade() -> None:
    """Create remnants."""
    execute_script(TABLES)
