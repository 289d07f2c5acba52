"""Billing: usage keeps the run of observations that it rests on."""

from sublet.migrations.script import execute_script

revision = "0052_billing"
down_revision = "0051_core"

TABLES = """
-- A run: one observation after the other of a subject on its node, in one boot of it, with no gap that proves nothing.
-- The present one is counted with the meter; one that has ended is a row below.
ALTER TABLE meter ADD COLUMN boot_id text;
ALTER TABLE meter ADD COLUMN seen_from timestamptz;
ALTER TABLE meter ADD COLUMN seen_count integer NOT NULL DEFAULT 0;

-- The first observation of the run and how many there were up to `evidence_at`; nothing for usage from before.
ALTER TABLE usage_record ADD COLUMN boot_id text;
ALTER TABLE usage_record ADD COLUMN seen_from timestamptz;
ALTER TABLE usage_record ADD COLUMN seen_count integer;

CREATE TABLE observation_run (
  subject_id text NOT NULL REFERENCES meter,
  last_at    timestamptz NOT NULL,
  first_at   timestamptz NOT NULL CHECK (first_at <= last_at),
  node_id    text,
  boot_id    text,
  count      integer NOT NULL CHECK (count > 0),
  PRIMARY KEY (subject_id, last_at)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON observation_run
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
GRANT SELECT, INSERT ON observation_run TO sublet_app;
"""


def upgrade() -> None:
    """Count observations with the meter, and keep the count with usage."""
    execute_script(TABLES)
