"""Scheduling: claims of whole nodes."""

from sublet.migrations.script import execute_script

revision = "0066_scheduling"
down_revision = "0065_catalog"

CLAIMS = """
ALTER TABLE claim ADD COLUMN whole_node boolean NOT NULL DEFAULT false;

-- As before; a claim of the whole node takes all processors and memory that the node has at the time. So whatever else
-- is claimed there is beyond what there is, before or after it, and `claim_fits` refuses it.
CREATE OR REPLACE FUNCTION claimed_most(node text, during tstzrange)
  RETURNS TABLE (vcpu bigint, memory_mib bigint, disk_gib bigint)
  LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT coalesce(max(sums.vcpu), 0)::bigint, coalesce(max(sums.memory_mib), 0)::bigint,
         coalesce(max(sums.disk_gib), 0)::bigint
    FROM (SELECT sum(change.vcpu) OVER in_time AS vcpu,
                 sum(change.memory_mib) OVER in_time AS memory_mib,
                 sum(change.disk_gib) OVER in_time AS disk_gib
            FROM claim c
            JOIN node_room r USING (node_id)
           CROSS JOIN LATERAL (VALUES
                   (CASE WHEN c.whole_node THEN greatest(c.vcpu, r.vcpu) ELSE c.vcpu END,
                    CASE WHEN c.whole_node THEN greatest(c.memory_mib, r.memory_mib) ELSE c.memory_mib END)
                 ) AS takes(vcpu, memory_mib)
           CROSS JOIN LATERAL (VALUES
                   (lower(c.during), takes.vcpu, takes.memory_mib, c.disk_gib),
                   (c.until, -takes.vcpu, -takes.memory_mib, -c.disk_gib)) AS change(at, vcpu, memory_mib, disk_gib)
           WHERE c.node_id = claimed_most.node
             AND c.until > lower(claimed_most.during)
             AND c.during && claimed_most.during
          WINDOW in_time AS (ORDER BY change.at)) sums;
END;
"""

ROOMS = """
-- `empty` where nobody has claimed anything: room for who takes a whole node.
CREATE OR REPLACE VIEW room_from_now AS
  SELECT node_id, labels, limits_enforced, vcpu_free, memory_free_mib, disk_free_gib, gpus_free, load,
         taken_vcpu = 0 AS empty
    FROM node_room
   WHERE ready AND accepts_until > clock_timestamp();

DROP FUNCTION room_in(tstzrange);
-- Every node that takes work in a window, with what is left of it then; only nodes that are booked are looked up in the
-- claims. What was seen of a node says something about now, and nothing about later.
CREATE FUNCTION room_in(during tstzrange)
  RETURNS TABLE (node_id text, labels jsonb, limits_enforced boolean, vcpu_free bigint, memory_free_mib bigint,
                 disk_free_gib bigint, gpus_free bigint, load bigint, empty boolean)
  LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT r.node_id, r.labels, r.limits_enforced, r.vcpu - most.vcpu, r.memory_mib - most.memory_mib,
         least(r.disk_gib - most.disk_gib,
               CASE WHEN lower(room_in.during) <= clock_timestamp() THEN r.disk_allowed_gib - r.taken_disk_gib END),
         r.gpus_free, r.load, most.vcpu = 0
    FROM node_room r
   CROSS JOIN LATERAL (
           SELECT r.taken_vcpu AS vcpu, r.taken_memory_mib AS memory_mib, r.taken_disk_gib AS disk_gib
            WHERE NOT r.booked
           UNION ALL
           SELECT m.vcpu, m.memory_mib, m.disk_gib FROM claimed_most(r.node_id, room_in.during) m WHERE r.booked
         ) most
   WHERE r.ready
     AND (lower(room_in.during) > clock_timestamp() OR r.accepts_until > clock_timestamp());
END;

-- How many of a shape fit into what is left: the one rule by which is offered, placed and admitted. Of whole nodes one,
-- where nobody is; the function above it stays as long as a release runs that asks it.
CREATE FUNCTION shapes_fitting(vcpu_free bigint, memory_free_mib bigint, disk_free_gib bigint, gpus_free bigint,
                               empty boolean, vcpu bigint, memory_mib bigint, disk_gib bigint, gpu_count bigint,
                               whole_node boolean)
  RETURNS bigint
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN CASE WHEN whole_node AND NOT empty THEN 0
              ELSE least(shapes_fitting(vcpu_free, memory_free_mib, disk_free_gib, gpus_free,
                                        vcpu, memory_mib, disk_gib, gpu_count),
                         CASE WHEN whole_node THEN 1 END) END;
"""


def upgrade() -> None:
    """Let a claim be of all that a node has."""
    for script in (CLAIMS, ROOMS):
        execute_script(script)
