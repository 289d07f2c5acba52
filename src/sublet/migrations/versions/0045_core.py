"""Core: up to where events were forgotten, so that nobody who reads on from before that misses one unseen."""

from sublet.migrations.script import execute_script

revision = "0045_core"
down_revision = "0044_fleet"

TABLES = """
-- One row: the latest event that is gone. Whoever would read on from an earlier place has to begin anew.
CREATE TABLE outbox_forgotten (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  xid xid8 NOT NULL,
  id bigint NOT NULL
);
INSERT INTO outbox_forgotten (xid, id) VALUES ('0', 0);
GRANT SELECT, UPDATE (xid, id) ON outbox_forgotten TO sublet_app;
"""


def upgrade() -> None:
    """Add the place."""
    execute_script(TABLES)
