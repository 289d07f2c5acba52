"""Billing: find the meters whose suspended rate is over."""

from sublet.migrations.script import execute_script

revision = "0084_billing"
down_revision = "0083_identity"

INDEX = "CREATE INDEX meter_suspended_until ON meter (suspended_until) WHERE suspended_until IS NOT NULL;"


def upgrade() -> None:
    """Add the index."""
    execute_script(INDEX)
