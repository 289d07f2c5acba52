"""Fleet: why a GPU is in quarantine, and since when."""

from sublet.migrations.script import execute_script

revision = "0027_fleet"
down_revision = "0026_scheduling"

WHY = """
ALTER TABLE gpu
  ADD COLUMN quarantine_code   text CHECK (quarantine_code ~ '^[a-z0-9_]{1,60}$'),
  ADD COLUMN quarantine_reason text CHECK (length(quarantine_reason) BETWEEN 1 AND 500),
  ADD COLUMN quarantined_at    timestamptz,
  ADD CONSTRAINT gpu_quarantine_check CHECK (
    num_nulls(quarantine_code, quarantine_reason, quarantined_at) IN (0, 3)
    AND (state = 'quarantined' OR quarantine_code IS NULL));
"""


def upgrade() -> None:
    """Keep the reason; what is in quarantine already has none."""
    execute_script(WHY)
