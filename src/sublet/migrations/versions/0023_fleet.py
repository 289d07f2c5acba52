"""Fleet: whether a customer could come in to a node, as it was last tried, and the login with which that is tried."""

from sublet.migrations.script import execute_script

revision = "0023_fleet"
down_revision = "0022_payments"

ENTRY = """
ALTER TABLE node
  -- What a login has to come through, as it was last seen; NULL where the helper does not say.
  ADD COLUMN doors         text CHECK (length(doors) BETWEEN 1 AND 200),
  -- When somebody last came in since the machine joined, and through which doors.
  ADD COLUMN entered_at    timestamptz,
  ADD COLUMN entered_doors text CHECK (entered_doors IS NULL OR entered_at IS NOT NULL),
  -- Why nobody gets in, when that was last tried.
  ADD COLUMN no_entry      jsonb CHECK (jsonb_typeof(no_entry) = 'object');

CREATE TABLE node_trial (
  node_id       text PRIMARY KEY REFERENCES node,
  allocation_id text NOT NULL UNIQUE CHECK (allocation_id ~ '^al_[a-z2-7]{16}$'),
  uid           bigint NOT NULL UNIQUE,
  generation    bigint NOT NULL DEFAULT 0
);
-- The node knows the login by it, and a uid is never used twice.
CREATE TRIGGER drawn_once BEFORE UPDATE OF node_id, allocation_id, uid ON node_trial
  FOR EACH ROW EXECUTE FUNCTION sublet_refuse_change();
CREATE TRIGGER grows BEFORE UPDATE OF generation ON node_trial FOR EACH ROW WHEN (NEW.generation <= OLD.generation)
  EXECUTE FUNCTION sublet_refuse_change();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE ON node_trial
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
GRANT SELECT, INSERT, UPDATE (generation) ON node_trial TO sublet_app;
"""

CLOSED = """
-- Why nothing new is placed on a node, whatever it has free; NULL when it may be. A launch needs a few hundred inodes,
-- and what is done in a home needs thousands.
CREATE FUNCTION node_closed(state text, fresh_until timestamptz, no_entry boolean, inodes_free bigint, at timestamptz)
  RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN CASE WHEN state <> 'ready' THEN 'state'
              WHEN fresh_until <= at THEN 'not_seen'
              WHEN no_entry THEN 'no_entry'
              WHEN inodes_free < 10000 THEN 'no_inodes' END;

CREATE OR REPLACE VIEW node_capacity AS
  SELECT id AS node_id, name, address, port, state, labels, coalesce(limits_enforced, false) AS limits_enforced,
         coalesce((inventory ->> 'vcpu')::bigint, 0) AS vcpu,
         coalesce((inventory ->> 'memory_mib')::bigint, 0) AS memory_mib,
         coalesce((inventory ->> 'disk_gib')::bigint, 0) AS disk_gib,
         disk_free_gib,
         CASE WHEN node_closed(state, 'infinity', no_entry IS NOT NULL, inodes_free, 'epoch') IS NULL THEN fresh_until
              ELSE '-infinity' END AS accepts_until
    FROM node;
COMMENT ON VIEW node_capacity IS 'Published: what each node has, and until when what was seen of it lets it take work.';
DROP FUNCTION node_closed(text, timestamptz, bigint, timestamptz);
"""


def upgrade() -> None:
    """Keep what was tried, and let it close a node."""
    execute_script(ENTRY)
    execute_script(CLOSED)
