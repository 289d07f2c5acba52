"""Allocations: launches that go to another node, and what they may have left on the one before."""

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
  -- Without evidence `clean` is unknown, and a CHECK lets the unknown pass.
  CONSTRAINT allocation_remnant_cleaned_on_proof
    CHECK (cleaned_at IS NULL OR coalesce((evidence ->> 'clean')::boolean, false))
);
CREATE INDEX allocation_remnant_node ON allocation_remnant (node_id);
CREATE INDEX allocation_remnant_open ON allocation_remnant (left_at) WHERE cleaned_at IS NULL;
CREATE TRIGGER cleaned BEFORE UPDATE ON allocation_remnant FOR EACH ROW WHEN (OLD.cleaned_at IS NOT NULL)
  EXECUTE FUNCTION sublet_refuse_change();
CREATE TRIGGER grows BEFORE UPDATE OF generation ON allocation_remnant FOR EACH ROW
  WHEN (NEW.generation < OLD.generation) EXECUTE FUNCTION sublet_refuse_change();
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON allocation_remnant
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
GRANT SELECT, INSERT, UPDATE (generation, evidence, cleaned_at) ON allocation_remnant TO sublet_app;

-- Only a launch goes to another node, never what has run; and a newer generation makes late answers count for nothing.
CREATE TRIGGER stays_where_it_runs BEFORE UPDATE OF node_id ON allocation FOR EACH ROW
  WHEN (NEW.node_id <> OLD.node_id
        AND (OLD.started_at IS NOT NULL OR OLD.state NOT IN ('queued', 'provisioning')
             OR NEW.generation <= OLD.generation))
  EXECUTE FUNCTION sublet_refuse_change();
"""


def upgrade() -> None:
    """Create remnants."""
    execute_script(TABLES)
