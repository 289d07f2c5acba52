"""Fleet: which revocations each node knows of, which helper it has, and how another one is brought to all of them."""

from sublet.migrations.script import execute_script

revision = "0035_fleet"
down_revision = "0034_fleet"

REVOCATIONS = """
-- Revocations are numbered by the transaction that made them, and a node has all below one.
ALTER TABLE issued_certificate ADD COLUMN revoked_in xid8 CHECK (revoked_in IS NULL OR revoked_at IS NOT NULL);
GRANT UPDATE (revoked_in) ON issued_certificate TO sublet_app;
ALTER TABLE node ADD COLUMN revocations_below xid8 NOT NULL DEFAULT '0';
"""

HELPERS = """
ALTER TABLE node
  -- The digest of the helper that answered last; NULL where it does not say.
  ADD COLUMN helper_sha256  text CHECK (helper_sha256 ~ '^[0-9a-f]{64}$'),
  -- Older than this release of Sublet can work with.
  ADD COLUMN helper_too_old boolean NOT NULL DEFAULT false;

CREATE TABLE helper_rollout (
  id         text PRIMARY KEY CHECK (id ~ '^hro_[a-z2-7]{16}$'),
  version    text NOT NULL CHECK (length(version) BETWEEN 1 AND 100),
  sha256     text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  phase      text NOT NULL DEFAULT 'canary' CHECK (phase IN ('canary', 'rolling', 'done', 'stopped')),
  reason     text CHECK ((reason IS NOT NULL) = (phase = 'stopped')),
  started_by text NOT NULL,
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at   timestamptz CHECK ((ended_at IS NOT NULL) = (phase IN ('done', 'stopped')))
);
CREATE UNIQUE INDEX helper_rollout_one ON helper_rollout ((true)) WHERE ended_at IS NULL;
CREATE INDEX helper_rollout_latest ON helper_rollout (started_at);
GRANT SELECT, INSERT, UPDATE (phase, reason, ended_at) ON helper_rollout TO sublet_app;

CREATE TABLE helper_upgrade (
  rollout_id   text NOT NULL REFERENCES helper_rollout,
  node_id      text NOT NULL REFERENCES node,
  canary       boolean NOT NULL,
  from_version text NOT NULL,
  outcome      text NOT NULL DEFAULT 'waiting' CHECK (outcome IN ('waiting', 'done', 'failed', 'left')),
  detail       text CHECK ((detail IS NOT NULL) = (outcome = 'failed')),
  ended_at     timestamptz CHECK ((ended_at IS NOT NULL) = (outcome <> 'waiting')),
  PRIMARY KEY (rollout_id, node_id)
);
CREATE UNIQUE INDEX helper_upgrade_canary ON helper_upgrade (rollout_id) WHERE canary;
CREATE INDEX helper_upgrade_node ON helper_upgrade (node_id);
GRANT SELECT, INSERT, UPDATE (outcome, detail, ended_at) ON helper_upgrade TO sublet_app;
-- What happened to the nodes stays told.
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE ON helper_rollout
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE ON helper_upgrade
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
CREATE TRIGGER ended BEFORE UPDATE ON helper_rollout FOR EACH ROW WHEN (OLD.ended_at IS NOT NULL)
  EXECUTE FUNCTION sublet_refuse_change();
CREATE TRIGGER ended BEFORE UPDATE ON helper_upgrade FOR EACH ROW WHEN (OLD.ended_at IS NOT NULL)
  EXECUTE FUNCTION sublet_refuse_change();
"""

CLOSED = """
CREATE FUNCTION node_closed(state text, fresh_until timestamptz, no_entry boolean, helper_too_old boolean,
                            inodes_free bigint, at timestamptz)
  RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN CASE WHEN state <> 'ready' THEN 'state'
              WHEN fresh_until <= at THEN 'not_seen'
              WHEN helper_too_old THEN 'old_helper'
              WHEN no_entry THEN 'no_entry'
              WHEN inodes_free < 10000 THEN 'no_inodes' END;

CREATE OR REPLACE VIEW node_capacity AS
  SELECT id AS node_id, name, address, port, state, labels, coalesce(limits_enforced, false) AS limits_enforced,
         coalesce((inventory ->> 'vcpu')::bigint, 0) AS vcpu,
         coalesce((inventory ->> 'memory_mib')::bigint, 0) AS memory_mib,
         coalesce((inventory ->> 'disk_gib')::bigint, 0) AS disk_gib,
         disk_free_gib,
         CASE WHEN node_closed(state, 'infinity', no_entry IS NOT NULL, helper_too_old, inodes_free, 'epoch') IS NULL
              THEN fresh_until ELSE '-infinity' END AS accepts_until
    FROM node;
COMMENT ON VIEW node_capacity IS 'Published: what each node has, and until when what was seen of it lets it take work.';
DROP FUNCTION node_closed(text, timestamptz, boolean, bigint, timestamptz);
"""


def upgrade() -> None:
    """Keep what each node knows and has, let an old helper close it, and keep what was upgraded."""
    execute_script(REVOCATIONS)
    execute_script(HELPERS)
    execute_script(CLOSED)
