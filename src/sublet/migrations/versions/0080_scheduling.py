"""Scheduling: claims of disk alone, for what is suspended and has given the rest of its claim back."""

from sublet.migrations.script import execute_script

revision = "0080_scheduling"
down_revision = "0079_billing"

CLAIMS = """
-- All of it, or its disk alone.
ALTER TABLE claim
  DROP CONSTRAINT claim_vcpu_check,
  DROP CONSTRAINT claim_memory_mib_check,
  ADD CONSTRAINT claim_takes CHECK (
    vcpu > 0 AND memory_mib > 0 OR vcpu = 0 AND memory_mib = 0 AND gpu_count = 0 AND NOT whole_node) NOT VALID;
ALTER TABLE claim VALIDATE CONSTRAINT claim_takes;

-- As before; disk alone that was claimed until this instant by the same subject takes nothing that was free: it stays,
-- also where a node is found to have less than is claimed of it.
CREATE OR REPLACE FUNCTION claim_fits() RETURNS trigger
  LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  fits boolean;
BEGIN
  PERFORM FROM node_room WHERE node_id = NEW.node_id FOR NO KEY UPDATE;
  IF (TG_OP = 'INSERT' OR NOT NEW.during <@ OLD.during)
     AND NOT (NEW.vcpu = 0 AND EXISTS (
           SELECT FROM claim c
            WHERE c.subject_id = NEW.subject_id AND c.node_id = NEW.node_id AND c.disk_gib >= NEW.disk_gib
              AND c.until = lower(NEW.during))) THEN
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
"""


def upgrade() -> None:
    """Let a claim be of disk alone."""
    execute_script(CLAIMS)
