"""Leased work: since when a row has not succeeded, and what has no success found without reading all the rest."""

from sublet.migrations.script import execute_script

revision = "0019_core"
down_revision = "0018_fleet"

TABLES = """
-- Since the first failure, or crash that counts, after the last success.
ALTER TABLE work ADD COLUMN failing_since timestamptz;
UPDATE work SET failing_since = coalesce(failed_at, clock_timestamp()) WHERE attempts > 0 OR crashes > 0;
CREATE INDEX work_failing ON work (failing_since) WHERE failing_since IS NOT NULL;
CREATE INDEX work_set_aside ON work (kind, id) WHERE set_aside_at IS NOT NULL;
"""


def upgrade() -> None:
    """Add the column and its indexes."""
    execute_script(TABLES)
