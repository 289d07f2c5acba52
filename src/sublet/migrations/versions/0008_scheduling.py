"""Who has which part of which node and when: claims that never take more than there is, and counts of what is left."""

from sublet.migrations.script import execute_script

revision = "0008_scheduling"
down_revision = "0007_fleet"

TABLES = """
-- What is left of each node from now on, counted anew with each change of its claims. A node's row is the lock under
-- which is decided about it. Whoever locks more than one of these does so in this order: wallet, node, gpu, node_room.
CREATE TABLE node_room (
  node_id          text PRIMARY KEY REFERENCES node,
  -- The node as the fleet knows it.
  ready            boolean NOT NULL,
  accepts_until    timestamptz NOT NULL,
  labels           jsonb NOT NULL,
  limits_enforced  boolean NOT NULL,
  vcpu             bigint NOT NULL,
  memory_mib       bigint NOT NULL,
  disk_gib         bigint NOT NULL,
  -- How much disk may be claimed in all by what was free when last looked: what was claimed since counts against it.
  disk_allowed_gib bigint,
  -- What is claimed at most, at any instant from now on: an open-ended claim has to fit beside all that begin later.
  taken_vcpu       bigint NOT NULL DEFAULT 0,
  taken_memory_mib bigint NOT NULL DEFAULT 0,
  taken_disk_gib   bigint NOT NULL DEFAULT 0,
  gpus_free        bigint NOT NULL DEFAULT 0,
  -- Whether a claim ends by the clock or begins later, so that some windows have more left than there is for good.
  booked           boolean NOT NULL DEFAULT false,
  -- When the next claim ends by the clock, and this has to be counted anew.
  counted_until    timestamptz NOT NULL DEFAULT 'infinity',
  vcpu_free        bigint NOT NULL GENERATED ALWAYS AS (vcpu - taken_vcpu) STORED,
  memory_free_mib  bigint NOT NULL GENERATED ALWAYS AS (memory_mib - taken_memory_mib) STORED,
  disk_free_gib    bigint NOT NULL GENERATED ALWAYS AS (least(disk_gib, disk_allowed_gib) - taken_disk_gib) STORED,
  -- Thousandths that are taken of whatever is scarcest on it.
  load             bigint NOT NULL GENERATED ALWAYS AS (
                     coalesce(greatest(taken_vcpu * 1000 / nullif(vcpu, 0),
                                       taken_memory_mib * 1000 / nullif(memory_mib, 0),
                                       taken_disk_gib * 1000 / nullif(disk_gib, 0)), 0)) STORED
) WITH (fillfactor = 50);
-- No column that each look at a node changes is in an index.
CREATE INDEX node_room_spread ON node_room (gpus_free, load, memory_free_mib, vcpu_free, node_id) WHERE ready;
CREATE INDEX node_room_due ON node_room (counted_until) WHERE counted_until < 'infinity';
GRANT SELECT, INSERT, UPDATE ON node_room TO sublet_app;

-- How many GPUs of each model are left on a node from now on, and under '' how many of any. Beside that stands what
-- else is left there, so that one index finds where a shape fits best.
CREATE TABLE gpu_room (
  node_id         text NOT NULL REFERENCES node_room,
  model           text NOT NULL,
  free            bigint NOT NULL,
  memory_free_mib bigint NOT NULL,
  vcpu_free       bigint NOT NULL,
  PRIMARY KEY (node_id, model)
) WITH (fillfactor = 50);
CREATE INDEX gpu_room_fit ON gpu_room (model, free, memory_free_mib, vcpu_free, node_id);
GRANT SELECT, INSERT, UPDATE ON gpu_room TO sublet_app;

-- `during` is when it is taken: without an end until it is freed, and empty if it was freed before it began.
CREATE TABLE claim (
  id             text PRIMARY KEY,
  subject_id     text NOT NULL,
  node_id        text NOT NULL REFERENCES node_room,
  sku_id         text NOT NULL REFERENCES sku,
  vcpu           integer NOT NULL CHECK (vcpu > 0),
  memory_mib     bigint NOT NULL CHECK (memory_mib > 0),
  disk_gib       bigint NOT NULL CHECK (disk_gib > 0),
  gpu_count      integer NOT NULL CHECK (gpu_count >= 0),
  during         tstzrange NOT NULL
                 CHECK (isempty(during) OR lower_inc(during) AND NOT lower_inf(during) AND NOT upper_inc(during)),
  until          timestamptz NOT NULL GENERATED ALWAYS AS (
                   CASE WHEN isempty(during) THEN timestamptz '-infinity'
                        WHEN upper_inf(during) THEN timestamptz 'infinity'
                        ELSE upper(during) END) STORED,
  blocked_at     timestamptz,
  blocked_reason text,
  CHECK ((blocked_at IS NULL) = (blocked_reason IS NULL)),
  CONSTRAINT claimed_once EXCLUDE USING gist (subject_id WITH =, during WITH &&)
);
CREATE INDEX claim_node ON claim (node_id, until);
CREATE INDEX claim_subject ON claim (subject_id, until);
GRANT SELECT, INSERT, UPDATE (subject_id, during, blocked_at, blocked_reason) ON claim TO sublet_app;

CREATE TABLE gpu_claim (
  claim_id text NOT NULL REFERENCES claim,
  gpu_uuid text NOT NULL REFERENCES gpu,
  during   tstzrange NOT NULL,
  until    timestamptz NOT NULL GENERATED ALWAYS AS (
             CASE WHEN isempty(during) THEN timestamptz '-infinity'
                  WHEN upper_inf(during) THEN timestamptz 'infinity'
                  ELSE upper(during) END) STORED,
  PRIMARY KEY (claim_id, gpu_uuid),
  CONSTRAINT gpu_claimed_once EXCLUDE USING gist (gpu_uuid WITH =, during WITH &&)
);
CREATE INDEX gpu_claim_gpu ON gpu_claim (gpu_uuid, until);
GRANT SELECT, INSERT, UPDATE (during) ON gpu_claim TO sublet_app;

CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON claim FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON gpu_claim FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
"""

FREE = """
-- The most that claims take of a node at any instant of a window. It is reached where a claim begins, so the sums after
-- each beginning and end are all there is to look at; what began before the window lasts into it, or is not looked at.
-- What ends at an instant makes way for what begins then.
CREATE FUNCTION claimed_most(node text, during tstzrange)
  RETURNS TABLE (vcpu bigint, memory_mib bigint, disk_gib bigint)
  LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT coalesce(max(sums.vcpu), 0)::bigint, coalesce(max(sums.memory_mib), 0)::bigint,
         coalesce(max(sums.disk_gib), 0)::bigint
    FROM (SELECT sum(change.vcpu) OVER in_time AS vcpu,
                 sum(change.memory_mib) OVER in_time AS memory_mib,
                 sum(change.disk_gib) OVER in_time AS disk_gib
            FROM claim c
           CROSS JOIN LATERAL (VALUES
                   (lower(c.during), c.vcpu, c.memory_mib, c.disk_gib),
                   (c.until, -c.vcpu, -c.memory_mib, -c.disk_gib)) AS change(at, vcpu, memory_mib, disk_gib)
           WHERE c.node_id = claimed_most.node
             AND c.until > lower(claimed_most.during)
             AND c.during && claimed_most.during
          WINDOW in_time AS (ORDER BY change.at)) sums;
END;

-- The GPUs of a node that can be claimed for all of a window.
CREATE FUNCTION gpus_free_in(node text, during tstzrange)
  RETURNS TABLE (uuid text, model text)
  LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT g.uuid, g.model
    FROM gpu_stock g
   WHERE g.node_id = gpus_free_in.node
     AND g.available
     AND NOT EXISTS (SELECT FROM gpu_claim c
                      WHERE c.gpu_uuid = g.uuid
                        AND c.until > lower(gpus_free_in.during)
                        AND c.during && gpus_free_in.during);
END;

-- How many of a shape fit into what is left: the one rule by which is offered, placed and admitted.
CREATE FUNCTION shapes_fitting(vcpu_free bigint, memory_free_mib bigint, disk_free_gib bigint, gpus_free bigint,
                               vcpu bigint, memory_mib bigint, disk_gib bigint, gpu_count bigint)
  RETURNS bigint
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN greatest(least(vcpu_free / vcpu, memory_free_mib / memory_mib, disk_free_gib / disk_gib,
                        gpus_free / nullif(gpu_count, 0)), 0);

-- Every node that takes work from now on, with what is left of it for good. What accepts is ready: said for the index.
CREATE VIEW room_from_now AS
  SELECT node_id, labels, limits_enforced, vcpu_free, memory_free_mib, disk_free_gib, gpus_free, load
    FROM node_room
   WHERE ready AND accepts_until > clock_timestamp();
GRANT SELECT ON room_from_now TO sublet_app;

-- Every node that takes work in a window, with what is left of it then; only nodes that are booked are looked up in the
-- claims. What was seen of a node says something about now, and nothing about later.
CREATE FUNCTION room_in(during tstzrange)
  RETURNS TABLE (node_id text, labels jsonb, limits_enforced boolean, vcpu_free bigint, memory_free_mib bigint,
                 disk_free_gib bigint, gpus_free bigint, load bigint)
  LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT r.node_id, r.labels, r.limits_enforced, r.vcpu - most.vcpu, r.memory_mib - most.memory_mib,
         least(r.disk_gib - most.disk_gib,
               CASE WHEN lower(room_in.during) <= clock_timestamp() THEN r.disk_allowed_gib - r.taken_disk_gib END),
         r.gpus_free, r.load
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

-- How many GPUs of a model ('' for any) each node that has some has left in a window.
CREATE FUNCTION gpu_room_in(during tstzrange)
  RETURNS TABLE (node_id text, model text, free bigint, memory_free_mib bigint, vcpu_free bigint)
  LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT g.node_id, g.model,
         CASE WHEN r.booked
              THEN (SELECT count(*) FROM gpus_free_in(g.node_id, gpu_room_in.during) f WHERE g.model IN ('', f.model))
              ELSE g.free END,
         g.memory_free_mib, g.vcpu_free
    FROM gpu_room g JOIN node_room r USING (node_id);
END;
"""

COUNTS = """
-- Counts what is left of a node from now on, under the lock on its row. Its statements are planned once a session: to
-- plan them takes longer than to run them.
CREATE FUNCTION node_recount(node text) RETURNS void LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  from_now tstzrange;
BEGIN
  PERFORM FROM node_room WHERE node_id = node FOR NO KEY UPDATE;
  from_now := tstzrange(clock_timestamp(), NULL);
  UPDATE node_room r
     SET taken_vcpu = most.vcpu, taken_memory_mib = most.memory_mib, taken_disk_gib = most.disk_gib,
         gpus_free = (SELECT count(*) FROM gpus_free_in(node, from_now)),
         booked = timed.booked, counted_until = timed.until
    FROM claimed_most(node, from_now) most,
         (SELECT coalesce(min(c.until), 'infinity') AS until,
                 coalesce(bool_or(c.until < 'infinity' OR lower(c.during) > lower(from_now)), false) AS booked
            FROM claim c WHERE c.node_id = node AND c.until > lower(from_now)) timed
   WHERE r.node_id = node;
  INSERT INTO gpu_room AS r (node_id, model, free, memory_free_mib, vcpu_free)
    SELECT n.node_id, of_model.model, of_model.free, n.memory_free_mib, n.vcpu_free
      FROM node_room n
     CROSS JOIN LATERAL (
             SELECT one.model, count(*) FILTER (WHERE one.free) AS free
               FROM (SELECT kind.model, f.uuid IS NOT NULL AS free
                       FROM gpu_stock s
                       LEFT JOIN gpus_free_in(node, from_now) f USING (uuid)
                      CROSS JOIN LATERAL (SELECT '' AS model UNION SELECT s.model) kind
                      WHERE s.node_id = node
                     UNION ALL
                     -- A model that is no longer there has none left.
                     SELECT known.model, false FROM gpu_room known WHERE known.node_id = node) one
              GROUP BY one.model) of_model
     WHERE n.node_id = node
    ON CONFLICT (node_id, model) DO UPDATE
      SET free = excluded.free, memory_free_mib = excluded.memory_free_mib, vcpu_free = excluded.vcpu_free;
END $$;

-- A node's row here follows the fleet's. With each look the disk that was free then may be claimed beside what is.
CREATE FUNCTION node_room_follows() RETURNS trigger LANGUAGE plpgsql AS $$
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
                                 ELSE r.taken_disk_gib + n.disk_free_gib END
    FROM node_capacity n
   WHERE r.node_id = NEW.id AND n.node_id = NEW.id;
  IF NEW.inventory IS DISTINCT FROM OLD.inventory THEN
    PERFORM node_recount(NEW.id);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER room_begins AFTER INSERT ON node FOR EACH ROW EXECUTE FUNCTION node_room_follows();
CREATE TRIGGER room_follows AFTER UPDATE OF state, fresh_until, inodes_free, labels, limits_enforced, inventory ON node
  FOR EACH ROW
  WHEN ((OLD.state, OLD.fresh_until, OLD.inodes_free, OLD.labels, OLD.limits_enforced, OLD.inventory)
        IS DISTINCT FROM (NEW.state, NEW.fresh_until, NEW.inodes_free, NEW.labels, NEW.limits_enforced, NEW.inventory))
  EXECUTE FUNCTION node_room_follows();

CREATE FUNCTION gpu_room_follows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM node_recount(NEW.node_id);
  RETURN NULL;
END $$;
CREATE TRIGGER room_begins AFTER INSERT ON gpu FOR EACH ROW EXECUTE FUNCTION gpu_room_follows();
CREATE TRIGGER room_follows AFTER UPDATE OF state, model ON gpu FOR EACH ROW
  WHEN ((OLD.state, OLD.model) IS DISTINCT FROM (NEW.state, NEW.model)) EXECUTE FUNCTION gpu_room_follows();
"""

GUARDS = """
-- What may change of a claim: it is freed, now or before it begins, or its end moves while it lasts.
CREATE FUNCTION claim_may_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.until <= clock_timestamp() THEN
    RAISE EXCEPTION 'claim % has ended and stays so', OLD.id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'claim_ended';
  ELSIF isempty(NEW.during) AND lower(OLD.during) <= clock_timestamp()
        OR lower(NEW.during) IS DISTINCT FROM lower(OLD.during) AND NOT isempty(NEW.during) THEN
    RAISE EXCEPTION 'claim % begins when it begins', OLD.id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'claim_begins';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER may_change BEFORE UPDATE OF during ON claim FOR EACH ROW EXECUTE FUNCTION claim_may_change();

-- Decided under the node's lock, whoever claims: at no instant of its window may a node be claimed beyond what it has.
CREATE FUNCTION claim_fits() RETURNS trigger LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  fits boolean;
BEGIN
  PERFORM FROM node_room WHERE node_id = NEW.node_id FOR NO KEY UPDATE;
  IF TG_OP = 'INSERT' OR NOT NEW.during <@ OLD.during THEN
    SELECT most.vcpu <= r.vcpu AND most.memory_mib <= r.memory_mib AND most.disk_gib <= r.disk_gib INTO fits
      FROM node_room r, claimed_most(NEW.node_id, NEW.during) most
     WHERE r.node_id = NEW.node_id;
    IF fits IS NOT TRUE THEN
      RAISE EXCEPTION 'node % has not enough left for claim % in %', NEW.node_id, NEW.id, NEW.during
        USING ERRCODE = 'check_violation', CONSTRAINT = 'claim_fits';
    END IF;
  END IF;
  IF TG_OP = 'UPDATE' THEN
    -- A GPU that was taken out of the claim before keeps its own end: others may have had it since.
    UPDATE gpu_claim SET during = NEW.during WHERE claim_id = NEW.id AND until = OLD.until;
  END IF;
  PERFORM node_recount(NEW.node_id);
  RETURN NULL;
END $$;
CREATE TRIGGER fits AFTER INSERT OR UPDATE OF during ON claim FOR EACH ROW EXECUTE FUNCTION claim_fits();

CREATE FUNCTION gpu_claim_belongs() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  during tstzrange;
BEGIN
  SELECT c.during INTO during FROM claim c JOIN gpu_stock g USING (node_id)
   WHERE c.id = NEW.claim_id AND g.uuid = NEW.gpu_uuid;
  IF NEW.during IS DISTINCT FROM during THEN
    RAISE EXCEPTION 'GPU % is not on the node, or not for the time, of claim %', NEW.gpu_uuid, NEW.claim_id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'gpu_claim_belongs';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER belongs BEFORE INSERT ON gpu_claim FOR EACH ROW EXECUTE FUNCTION gpu_claim_belongs();

CREATE FUNCTION gpu_claims_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM node_recount(node_id)
     FROM (SELECT DISTINCT c.node_id FROM changed JOIN claim c ON c.id = changed.claim_id ORDER BY 1) nodes;
  RETURN NULL;
END $$;
CREATE TRIGGER counted_when_made AFTER INSERT ON gpu_claim REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION gpu_claims_counted();
CREATE TRIGGER counted_when_changed AFTER UPDATE ON gpu_claim REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION gpu_claims_counted();
"""


def upgrade() -> None:
    """Create claims, the counts of what is left, and the functions that say what is free when."""
    for script in (TABLES, FREE, COUNTS, GUARDS):
        execute_script(script)
