"""Payments: an organization's open payments are counted, and those that have ended cost nothing."""

from sublet.migrations.script import execute_script

revision = "0032_payments"
down_revision = "0031_allocations"

INDEX = """
CREATE INDEX top_up_open_of_organization ON top_up (organization_id) WHERE state IN ('pending', 'processing');
"""


def upgrade() -> None:
    """Find the open payments of an organization."""
    execute_script(INDEX)
