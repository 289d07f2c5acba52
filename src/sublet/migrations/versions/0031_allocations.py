"""Allocations: an organization's launches under way are counted, and those that have ended cost nothing."""

from sublet.migrations.script import execute_script

revision = "0031_allocations"
down_revision = "0030_identity"

INDEX = """
CREATE INDEX allocation_being_set_up ON allocation (organization_id) WHERE state IN ('queued', 'provisioning');
"""


def upgrade() -> None:
    """Find the launches of an organization."""
    execute_script(INDEX)
