"""Scheduling: disk that is promised and not written yet is not free."""

from sublet.migrations.script import execute_script

revision = "0021_scheduling"
down_revision = "0020_fleet"

FUNCTIONS = """
-- A node's row here follows the fleet's. With each look it is known anew between which bounds the disk lies that may be
-- claimed in all: what is free, if nothing of what is claimed has been written, and that beside all that is claimed, if
-- everything has. How much has been written nobody knows: what was allowed before stays so, within the bounds.
CREATE OR REPLACE FUNCTION node_room_follows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO node_room (node_id, ready, accepts_until, labels, limits_enforced, vcpu, memory_mib, disk_gib,
                           disk_allowed_gib)
      SELECT node_id, state = 'ready', accepts_until, labels, limits_enforced, vcpu, memory_mib, disk_gib, disk_free_gib
        FROM node_capacity WHERE node_id = NEW.id;
    RETURN NULL;
  END IF;
  UPDATE node_room r
     SET ready = n.state = 'ready', accepts_until = n.accepts_until, labels = n.labels,
         limits_enforced = n.limits_enforced, vcpu = n.vcpu, memory_mib = n.memory_mib, disk_gib = n.disk_gib,
         disk_allowed_gib = CASE WHEN NEW.fresh_until = OLD.fresh_until THEN r.disk_allowed_gib
                                 WHEN n.disk_free_gib IS NOT NULL THEN
                                   least(greatest(coalesce(r.disk_allowed_gib, n.disk_free_gib + r.taken_disk_gib),
                                                  n.disk_free_gib),
                                         n.disk_free_gib + r.taken_disk_gib) END
    FROM node_capacity n
   WHERE r.node_id = NEW.id AND n.node_id = NEW.id;
  IF NEW.inventory IS DISTINCT FROM OLD.inventory THEN
    PERFORM node_recount(NEW.id);
  END IF;
  RETURN NULL;
END $$;
"""


def upgrade() -> None:
    """Let what is promised count until it is written."""
    execute_script(FUNCTIONS)
