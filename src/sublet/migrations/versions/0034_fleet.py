"""Fleet: the health of each GPU, and why a node's GPUs cannot be looked at."""

from sublet.migrations.script import execute_script

revision = "0034_fleet"
down_revision = "0033_allocations"

TABLES = """
CREATE TABLE gpu_health (
  uuid     text PRIMARY KEY REFERENCES gpu,
  facts    jsonb NOT NULL,
  findings jsonb NOT NULL DEFAULT '[]',
  -- Up to which record of the kernel's log, and in which boot, errors have been taken in.
  boot_id  text NOT NULL,
  record   bigint NOT NULL DEFAULT 0 CHECK (record >= 0),
  seen_at  timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON gpu_health TO sublet_app;

ALTER TABLE node ADD COLUMN gpu_trouble jsonb;
"""


def upgrade() -> None:
    """Add them; nothing is known until a node is looked at."""
    execute_script(TABLES)
