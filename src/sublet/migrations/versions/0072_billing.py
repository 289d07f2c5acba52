"""Billing: until when data are kept for an organization without money."""

from sublet.migrations.script import execute_script

revision = "0072_billing"
down_revision = "0071_payments"

CLOCK = """
-- A row while it runs. The end is announced once for each notice; `told_days` is the last one.
CREATE TABLE data_clock (
  organization_id text NOT NULL,
  currency        text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  began_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
  deletes_at      timestamptz NOT NULL,
  told_days       integer NOT NULL CHECK (told_days > 0),
  released_at     timestamptz,
  PRIMARY KEY (organization_id, currency),
  CHECK (deletes_at >= began_at + interval '1 day'),
  CHECK (released_at >= deletes_at),
  CHECK (released_at IS NULL OR told_days = 1)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON data_clock TO sublet_app;
"""


def upgrade() -> None:
    """Add the data clock."""
    execute_script(CLOCK)
