"""Who has which part of which node: claims that cannot overlap, and views of what is free."""

from sublet.migrations.script import execute_script

revision = "0008_scheduling"
down_revision = "0007_fleet"

CLAIMS = """
-- What claims that have not ended take of a node. Its row is the lock under which a node's sums are decided.
CREATE TABLE node_load (
  node_id    text PRIMARY KEY REFERENCES node,
  vcpu       integer NOT NULL DEFAULT 0 CHECK (vcpu >= 0),
  memory_mib bigint NOT NULL DEFAULT 0 CHECK (memory_mib >= 0),
  disk_gib   bigint NOT NULL DEFAULT 0 CHECK (disk_gib >= 0)
) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE ON node_load TO sublet_app;

CREATE TABLE claim (
  id             text PRIMARY KEY,
  subject_id     text NOT NULL,
  node_id        text NOT NULL REFERENCES node,
  sku_id         text NOT NULL REFERENCES sku,
  vcpu           integer NOT NULL CHECK (vcpu > 0),
  memory_mib     bigint NOT NULL CHECK (memory_mib > 0),
  disk_gib       bigint NOT NULL CHECK (disk_gib > 0),
  gpu_count      integer NOT NULL CHECK (gpu_count >= 0),
  during         tstzrange NOT NULL CHECK (NOT isempty(during) AND lower_inc(during) AND NOT lower_inf(during)),
  blocked_at     timestamptz,
  blocked_reason text,
  CHECK ((blocked_at IS NULL) = (blocked_reason IS NULL)),
  EXCLUDE USING gist (subject_id WITH =, during WITH &&)
);
CREATE INDEX claim_open_node ON claim (node_id) WHERE upper_inf(during);
CREATE UNIQUE INDEX claim_open_subject ON claim (subject_id) WHERE upper_inf(during);
GRANT SELECT, INSERT, UPDATE (during, blocked_at, blocked_reason) ON claim TO sublet_app;

CREATE TABLE gpu_claim (
  claim_id text NOT NULL REFERENCES claim,
  gpu_uuid text NOT NULL REFERENCES gpu,
  during   tstzrange NOT NULL CHECK (NOT isempty(during)),
  PRIMARY KEY (claim_id, gpu_uuid),
  CONSTRAINT gpu_claimed_once EXCLUDE USING gist (gpu_uuid WITH =, during WITH &&)
);
CREATE INDEX gpu_claim_open ON gpu_claim (gpu_uuid) WHERE upper_inf(during);
GRANT SELECT, INSERT, UPDATE (during) ON gpu_claim TO sublet_app;
"""

SUMS = """
-- A claim starts without an end, so what it takes is added when it is made and given back when it ends.
CREATE FUNCTION claim_takes() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  taken node_load;
  fits  boolean;
BEGIN
  IF NOT upper_inf(NEW.during) THEN
    RAISE EXCEPTION 'a claim is made without an end' USING ERRCODE = 'check_violation', CONSTRAINT = 'claim_open';
  END IF;
  INSERT INTO node_load AS l (node_id, vcpu, memory_mib, disk_gib)
    VALUES (NEW.node_id, NEW.vcpu, NEW.memory_mib, NEW.disk_gib)
    ON CONFLICT (node_id) DO UPDATE
      SET vcpu = l.vcpu + NEW.vcpu, memory_mib = l.memory_mib + NEW.memory_mib, disk_gib = l.disk_gib + NEW.disk_gib
    RETURNING * INTO taken;
  SELECT taken.vcpu <= c.vcpu AND taken.memory_mib <= c.memory_mib AND taken.disk_gib <= c.disk_gib
    INTO fits FROM node_capacity c WHERE c.node_id = NEW.node_id;
  IF fits IS NOT TRUE THEN
    RAISE EXCEPTION 'node % has not enough left for claim %', NEW.node_id, NEW.id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'claim_fits';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER takes BEFORE INSERT ON claim FOR EACH ROW EXECUTE FUNCTION claim_takes();

CREATE FUNCTION claim_gives_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT upper_inf(OLD.during) OR lower(NEW.during) <> lower(OLD.during) THEN
    RAISE EXCEPTION 'claim % has ended and stays so', OLD.id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'claim_ended';
  END IF;
  IF NOT upper_inf(NEW.during) THEN
    UPDATE node_load
       SET vcpu = vcpu - OLD.vcpu, memory_mib = memory_mib - OLD.memory_mib, disk_gib = disk_gib - OLD.disk_gib
     WHERE node_id = OLD.node_id;
    -- A GPU that was taken out of the claim before keeps its own end: others may have had it since.
    UPDATE gpu_claim SET during = tstzrange(lower(during), upper(NEW.during))
     WHERE claim_id = OLD.id AND upper_inf(during);
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER gives_back BEFORE UPDATE OF during ON claim FOR EACH ROW EXECUTE FUNCTION claim_gives_back();

CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON claim FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON gpu_claim FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
"""

# Other floors read the fleet's nodes through these views, so that its tables stay its own.
VIEWS = """
CREATE VIEW node_capacity AS
  SELECT id AS node_id, name, address, port, state, labels, coalesce(limits_enforced, false) AS limits_enforced,
         coalesce((inventory ->> 'vcpu')::integer, 0) AS vcpu,
         coalesce((inventory ->> 'memory_mib')::bigint, 0) AS memory_mib,
         coalesce((inventory ->> 'disk_gib')::bigint, 0) AS disk_gib
    FROM node;

CREATE VIEW node_free AS
  SELECT c.node_id, c.name, c.state, c.labels, c.limits_enforced,
         c.vcpu - coalesce(l.vcpu, 0) AS vcpu,
         c.memory_mib - coalesce(l.memory_mib, 0) AS memory_mib,
         c.disk_gib - coalesce(l.disk_gib, 0) AS disk_gib
    FROM node_capacity c LEFT JOIN node_load l USING (node_id);

CREATE VIEW gpu_free AS
  SELECT g.uuid, g.node_id, g.model
    FROM gpu g
   WHERE g.state = 'available'
     AND NOT EXISTS (SELECT FROM gpu_claim c WHERE c.gpu_uuid = g.uuid AND upper_inf(c.during));

COMMENT ON VIEW node_capacity IS 'Published: how each node is reached, where it stands and what it has.';
COMMENT ON VIEW node_free IS 'Published: what of each node is not claimed.';
COMMENT ON VIEW gpu_free IS 'Published: GPUs that work and that nobody has.';
GRANT SELECT ON node_capacity, node_free, gpu_free TO sublet_app;
"""


def upgrade() -> None:
    """Create claims, their sums and the views of what is free."""
    execute_script(CLAIMS)
    execute_script(VIEWS)
    execute_script(SUMS)
