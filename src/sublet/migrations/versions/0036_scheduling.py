"""Scheduling: what is free on a node follows whether its helper is too old."""

from sublet.migrations.script import execute_script

revision = "0036_scheduling"
down_revision = "0035_fleet"

FOLLOWS = """
CREATE TRIGGER room_follows_helper AFTER UPDATE OF helper_too_old ON node
  FOR EACH ROW WHEN (OLD.helper_too_old IS DISTINCT FROM NEW.helper_too_old) EXECUTE FUNCTION node_room_follows();
"""


def upgrade() -> None:
    """Add the trigger."""
    execute_script(FOLLOWS)
