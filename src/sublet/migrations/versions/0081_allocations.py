"""Allocations: until when what is suspended keeps its claim, that it is gone, and waiting for another."""

from sublet.migrations.script import execute_script

revision = "0081_allocations"
down_revision = "0080_scheduling"

CLAIMS = """
ALTER TABLE allocation
  -- What an hour costs once its disk alone is kept; null where its claim is kept always.
  ADD COLUMN disk_nano_per_hour bigint CHECK (disk_nano_per_hour >= 0),
  -- Until when its suspension keeps its claim; null while nothing ends it.
  ADD COLUMN claim_kept_until timestamptz,
  -- When what it had but its disk was given back; null while it has all of it.
  ADD COLUMN claim_ended_at timestamptz,
  -- Whether its owner has been reminded that the claim ends soon.
  ADD COLUMN claim_end_told boolean NOT NULL DEFAULT false,
  -- Since when it waits for its node to have room for it, where that is what it is suspended for.
  ADD COLUMN waits_since timestamptz,
  DROP CONSTRAINT allocation_suspended_for_check,
  ADD CONSTRAINT allocation_suspended_for_check
    CHECK (suspended_for IN ('customer', 'funds', 'drain', 'limit', 'capacity')) NOT VALID,
  -- Nothing runs, or is to run, without its claim.
  ADD CONSTRAINT allocation_runs_on_its_claim
    CHECK (wanted <> 'active' OR claim_kept_until IS NULL AND claim_ended_at IS NULL) NOT VALID,
  ADD CONSTRAINT allocation_has_no_gpu_without_claim
    CHECK (claim_ended_at IS NULL OR gpus = '{}' AND claim_ended_at >= claim_kept_until) NOT VALID,
  ADD CONSTRAINT allocation_waits_since
    CHECK (suspended_for <> 'capacity' OR waits_since IS NOT NULL AND claim_ended_at IS NOT NULL) NOT VALID;
ALTER TABLE allocation VALIDATE CONSTRAINT allocation_suspended_for_check;
ALTER TABLE allocation VALIDATE CONSTRAINT allocation_runs_on_its_claim;
ALTER TABLE allocation VALIDATE CONSTRAINT allocation_has_no_gpu_without_claim;
ALTER TABLE allocation VALIDATE CONSTRAINT allocation_waits_since;
CREATE INDEX allocation_waits_for_room ON allocation (node_id) WHERE suspended_for = 'capacity';
"""


def upgrade() -> None:
    """Add them."""
    execute_script(CLAIMS)
