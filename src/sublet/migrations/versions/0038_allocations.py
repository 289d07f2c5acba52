"""Allocations: suspended because their node is emptied, and told of that before."""

from sublet.migrations.script import execute_script

revision = "0038_allocations"
down_revision = "0037_fleet"

SUSPENDED_FOR = """
ALTER TABLE allocation
  DROP CONSTRAINT allocation_suspended_for_check,
  ADD CONSTRAINT allocation_suspended_for_check CHECK (suspended_for IN ('customer', 'funds', 'drain')) NOT VALID;
ALTER TABLE allocation VALIDATE CONSTRAINT allocation_suspended_for_check;
ALTER TABLE allocation_history
  DROP CONSTRAINT allocation_history_incident_check,
  ADD CONSTRAINT allocation_history_incident_check CHECK (incident IN ('out_of_memory', 'node_restarted', 'gpu_error',
    'node_draining', 'lost', 'back')) NOT VALID;
ALTER TABLE allocation_history VALIDATE CONSTRAINT allocation_history_incident_check;
"""


def upgrade() -> None:
    """Allow the reason, and the incident."""
    execute_script(SUSPENDED_FOR)
