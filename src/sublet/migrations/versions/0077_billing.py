"""Billing: a settlement finds each meter at its place, and tells fewer indexes."""

from sublet.migrations.script import execute_script

revision = "0077_billing"
down_revision = "0076_payments"

DUE = """
-- A settlement goes on after a time and a subject. By the time alone it would read all others of that time again.
CREATE INDEX meter_settle_due_after ON meter (settle_due_at, subject_id) WHERE stopped_at IS NULL;
DROP INDEX meter_settle_due;

-- What lives is found by meter_organization. What has lived is settled for good; of that alone the end is asked for.
CREATE INDEX meter_ended ON meter (organization_id, currency, stopped_at) WHERE settled;
DROP INDEX meter_lived;
"""


def upgrade() -> None:
    """Replace two indexes of meters."""
    execute_script(DUE)
