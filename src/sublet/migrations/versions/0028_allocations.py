"""Allocations: what befell the work in one, as a line of its history, and what has been told of it already."""

from sublet.migrations.script import execute_script

revision = "0028_allocations"
down_revision = "0027_fleet"

TABLES = """
ALTER TABLE allocation_history ADD COLUMN incident text
  CHECK (incident IN ('out_of_memory', 'node_restarted', 'gpu_error', 'lost', 'back'));
CREATE INDEX allocation_history_incident ON allocation_history (allocation_id, id) WHERE incident IS NOT NULL;

-- How often its processes were ended for want of memory, as its node counted in that boot. What is there already has
-- been counted by nobody, so what its node says first is taken as known.
ALTER TABLE allocation
  ADD COLUMN oom_kills    bigint CHECK (oom_kills >= 0),
  ADD COLUMN oom_boot_id  text,
  ADD COLUMN told_boot_id text;
ALTER TABLE allocation ALTER COLUMN oom_kills SET DEFAULT 0;
"""


def upgrade() -> None:
    """Add the columns."""
    execute_script(TABLES)
