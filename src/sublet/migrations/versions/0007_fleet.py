"""Nodes, GPUs, join tokens, the SSH certificate authority and what it issued, and open terminals."""

from alembic import op

revision = "0007_fleet"
down_revision = "0006_billing"

NODES = """
CREATE TABLE node (
  id                          text PRIMARY KEY CHECK (id ~ '^nd_[a-z2-7]{16}$'),
  -- Which backend speaks to it; said when it is added.
  kind                        text NOT NULL CHECK (kind ~ '^[a-z][a-z0-9-]{0,30}$'),
  name                        text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
  address                     text NOT NULL CHECK (length(address) BETWEEN 1 AND 253),
  port                        integer NOT NULL CHECK (port BETWEEN 1 AND 65535),
  labels                      jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(labels) = 'object'),
  state                       text NOT NULL CHECK (state IN ('enrolling', 'ready', 'cordoned', 'draining',
                                'maintenance', 'quarantined', 'offline')),
  -- What the node becomes when it can be reached again.
  resumes_as                  text NOT NULL DEFAULT 'ready' CHECK (resumes_as IN ('ready', 'cordoned', 'draining',
                                'maintenance', 'quarantined')),
  host_public_key             text UNIQUE,
  host_certificate_expires_at timestamptz,
  inventory                   jsonb,
  capabilities                jsonb NOT NULL DEFAULT '[]',
  limits_enforced             boolean,
  helper_version              text,
  boot_id                     text,
  last_seen_at                timestamptz,
  observed_at                 timestamptz,
  -- What was last seen is believed for so long: nothing new is placed after that until the node is seen again.
  fresh_until                 timestamptz NOT NULL DEFAULT 'epoch',
  -- What was free on the file system of the homes when last looked; NULL inodes are without a fixed number.
  disk_free_gib               bigint CHECK (disk_free_gib >= 0),
  inodes_free                 bigint CHECK (inodes_free >= 0),
  enrolled_at                 timestamptz,
  verified_at                 timestamptz,
  failure                     jsonb,
  -- Accounts on it that nobody knows, each since when: a fault that an operator has to see to.
  strangers                   jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(strangers) = 'array'),
  misses                      integer NOT NULL DEFAULT 0,  -- looks since it was last seen, in a row
  created_at                  timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (address, port),
  CHECK (state IN ('enrolling', 'offline') OR (host_public_key IS NOT NULL AND inventory IS NOT NULL))
);

-- Why nothing new is placed on a node, whatever it has free; NULL when it may be. A launch needs a few hundred inodes,
-- and what is done in a home needs thousands.
CREATE FUNCTION node_closed(state text, fresh_until timestamptz, inodes_free bigint, at timestamptz) RETURNS text
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN CASE WHEN state <> 'ready' THEN 'state'
              WHEN fresh_until <= at THEN 'not_seen'
              WHEN inodes_free < 10000 THEN 'no_inodes' END;

CREATE TABLE node_transition (
  from_state text NOT NULL,
  to_state   text NOT NULL,
  PRIMARY KEY (from_state, to_state)
);
INSERT INTO node_transition (from_state, to_state) VALUES
  ('enrolling', 'ready'), ('enrolling', 'cordoned'), ('enrolling', 'draining'), ('enrolling', 'maintenance'),
  ('enrolling', 'quarantined'), ('enrolling', 'offline'),
  ('ready', 'cordoned'), ('ready', 'draining'), ('ready', 'maintenance'), ('ready', 'quarantined'),
  ('ready', 'offline'), ('ready', 'enrolling'),
  ('cordoned', 'ready'), ('cordoned', 'draining'), ('cordoned', 'maintenance'), ('cordoned', 'quarantined'),
  ('cordoned', 'offline'), ('cordoned', 'enrolling'),
  ('draining', 'ready'), ('draining', 'cordoned'), ('draining', 'maintenance'), ('draining', 'quarantined'),
  ('draining', 'offline'), ('draining', 'enrolling'),
  ('maintenance', 'ready'), ('maintenance', 'cordoned'), ('maintenance', 'quarantined'), ('maintenance', 'offline'),
  ('maintenance', 'enrolling'),
  ('quarantined', 'ready'), ('quarantined', 'cordoned'), ('quarantined', 'maintenance'), ('quarantined', 'offline'),
  ('quarantined', 'enrolling'),
  ('offline', 'ready'), ('offline', 'cordoned'), ('offline', 'draining'), ('offline', 'maintenance'),
  ('offline', 'quarantined'), ('offline', 'enrolling');
GRANT SELECT ON node_transition TO sublet_app;
CREATE TRIGGER moves BEFORE INSERT OR UPDATE OF state ON node FOR EACH ROW EXECUTE FUNCTION sublet_moves('enrolling');
GRANT SELECT, INSERT, UPDATE ON node TO sublet_app;

CREATE TABLE node_history (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  node_id    text NOT NULL REFERENCES node,
  from_state text,
  to_state   text NOT NULL,
  reason     text NOT NULL,
  actor      text NOT NULL,
  at         timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX node_history_node ON node_history (node_id, id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON node_history
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
GRANT SELECT, INSERT ON node_history TO sublet_app;

CREATE TABLE gpu (
  uuid       text PRIMARY KEY CHECK (length(uuid) BETWEEN 1 AND 100),
  node_id    text NOT NULL REFERENCES node,
  model      text NOT NULL,
  memory_mib integer NOT NULL CHECK (memory_mib >= 0),
  state      text NOT NULL CHECK (state IN ('available', 'quarantined', 'missing')),
  seen_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE gpu_transition (
  from_state text NOT NULL,
  to_state   text NOT NULL,
  PRIMARY KEY (from_state, to_state)
);
INSERT INTO gpu_transition (from_state, to_state) VALUES
  ('available', 'quarantined'), ('available', 'missing'),
  ('quarantined', 'available'),
  ('missing', 'available'), ('missing', 'quarantined');
GRANT SELECT ON gpu_transition TO sublet_app;
CREATE TRIGGER moves BEFORE INSERT OR UPDATE OF state ON gpu FOR EACH ROW EXECUTE FUNCTION sublet_moves('available');
CREATE INDEX gpu_node ON gpu (node_id);
GRANT SELECT, INSERT, UPDATE ON gpu TO sublet_app;

CREATE TABLE join_token (
  token_hash      bytea PRIMARY KEY CHECK (length(token_hash) = 32),
  node_id         text NOT NULL REFERENCES node,
  created_by      text NOT NULL,
  created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at      timestamptz NOT NULL,
  used_at         timestamptz,
  host_public_key text,
  CHECK ((used_at IS NULL) = (host_public_key IS NULL))
);
CREATE INDEX join_token_node ON join_token (node_id, created_at);
-- It is for one node, is used once and in its time, and can only end sooner.
CREATE TRIGGER made_for BEFORE UPDATE OF token_hash, node_id, created_by, created_at
  ON join_token FOR EACH ROW EXECUTE FUNCTION sublet_refuse_change();
CREATE TRIGGER used BEFORE UPDATE ON join_token FOR EACH ROW WHEN (OLD.used_at IS NOT NULL)
  EXECUTE FUNCTION sublet_refuse_change();
CREATE TRIGGER ended BEFORE UPDATE ON join_token FOR EACH ROW
  WHEN (NEW.expires_at > OLD.expires_at OR NEW.used_at > OLD.expires_at) EXECUTE FUNCTION sublet_refuse_change();
GRANT SELECT, INSERT, UPDATE ON join_token TO sublet_app;

-- A uid is never used twice in the fleet, so a file that a node kept by mistake belongs to nobody.
CREATE SEQUENCE allocation_uid AS bigint MINVALUE 200000 MAXVALUE 2000000000 START 200000 NO CYCLE;
GRANT USAGE ON SEQUENCE allocation_uid TO sublet_app;
"""

PUBLISHED = """
CREATE VIEW node_capacity AS
  SELECT id AS node_id, name, address, port, state, labels, coalesce(limits_enforced, false) AS limits_enforced,
         coalesce((inventory ->> 'vcpu')::bigint, 0) AS vcpu,
         coalesce((inventory ->> 'memory_mib')::bigint, 0) AS memory_mib,
         coalesce((inventory ->> 'disk_gib')::bigint, 0) AS disk_gib,
         disk_free_gib,
         CASE WHEN node_closed(state, 'infinity', inodes_free, 'epoch') IS NULL THEN fresh_until
              ELSE '-infinity' END AS accepts_until
    FROM node;
COMMENT ON VIEW node_capacity IS 'Published: what each node has, and until when what was seen of it lets it take work.';

CREATE VIEW gpu_stock AS
  SELECT uuid, node_id, model, state = 'available' AS available FROM gpu;
COMMENT ON VIEW gpu_stock IS 'Published: the GPUs of each node, and whether the fleet lets them be given out.';

GRANT SELECT ON node_capacity, gpu_stock TO sublet_app;
"""

AUTHORITY = """
CREATE TABLE ssh_ca_key (
  id                 text PRIMARY KEY,
  kind               text NOT NULL CHECK (kind IN ('user', 'host')),
  slot               text NOT NULL CHECK (slot IN ('current', 'next')),
  public_key         text NOT NULL UNIQUE,
  encrypted_private_key bytea NOT NULL,
  created_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (kind, slot)
);
GRANT SELECT, INSERT ON ssh_ca_key TO sublet_app;

CREATE SEQUENCE certificate_serial AS bigint START 1 NO CYCLE;
GRANT USAGE ON SEQUENCE certificate_serial TO sublet_app;

CREATE TABLE issued_certificate (
  serial            bigint PRIMARY KEY DEFAULT nextval('certificate_serial'),
  kind              text NOT NULL CHECK (kind IN ('customer', 'terminal', 'control', 'host')),
  ca_public_key     text NOT NULL,
  key_id            text NOT NULL,
  principals        text[] NOT NULL CHECK (cardinality(principals) > 0),
  fingerprint       text NOT NULL,
  subject           text NOT NULL,
  user_id           text,
  request_id        text,
  valid_after       timestamptz NOT NULL,
  valid_before      timestamptz NOT NULL,
  revoked_at        timestamptz,
  revocation_reason text,
  CHECK (valid_after < valid_before),
  CHECK ((revoked_at IS NULL) = (revocation_reason IS NULL)),
  CHECK (kind = 'host' OR valid_before - valid_after <= interval '62 minutes'),
  CHECK (kind <> 'control' OR valid_before - valid_after <= interval '6 minutes')
);
ALTER SEQUENCE certificate_serial OWNED BY issued_certificate.serial;
CREATE INDEX issued_certificate_subject ON issued_certificate (subject, valid_before);
CREATE INDEX issued_certificate_revoked ON issued_certificate (valid_before) WHERE revoked_at IS NOT NULL;
GRANT SELECT, INSERT, UPDATE (revoked_at, revocation_reason) ON issued_certificate TO sublet_app;
"""


def upgrade() -> None:
    """Create the fleet's tables."""
    op.execute(NODES)
    op.execute(PUBLISHED)
    op.execute(AUTHORITY)
