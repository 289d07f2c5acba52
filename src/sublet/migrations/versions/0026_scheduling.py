"""Scheduling: a node that nobody gets in to is passed over, like one that was not seen."""

from sublet.migrations.script import execute_script

revision = "0026_scheduling"
down_revision = "0025_fleet"

FOLLOWS = """
DROP TRIGGER room_follows ON node;
CREATE TRIGGER room_follows
  AFTER UPDATE OF state, fresh_until, no_entry, inodes_free, labels, limits_enforced, inventory ON node
  FOR EACH ROW
  WHEN ((OLD.state, OLD.fresh_until, OLD.no_entry, OLD.inodes_free, OLD.labels, OLD.limits_enforced, OLD.inventory)
        IS DISTINCT FROM
        (NEW.state, NEW.fresh_until, NEW.no_entry, NEW.inodes_free, NEW.labels, NEW.limits_enforced, NEW.inventory))
  EXECUTE FUNCTION node_room_follows();
"""


def upgrade() -> None:
    """Follow the column as well."""
    execute_script(FOLLOWS)
