"""Allocations: how much the network of each has carried, as its node counts it."""

from sublet.migrations.script import execute_script

revision = "0053_allocations"
down_revision = "0052_billing"

TABLES = """
-- One row for each allocation whose node counts. A node counts from when the link was laid: `link_…` is what it said
-- last, `…_bytes` what has come together over all links and boots.
CREATE TABLE allocation_traffic (
  allocation_id text PRIMARY KEY REFERENCES allocation (id),
  in_bytes bigint NOT NULL CHECK (in_bytes >= 0),
  out_bytes bigint NOT NULL CHECK (out_bytes >= 0),
  link_in_bytes bigint NOT NULL CHECK (link_in_bytes >= 0),
  link_out_bytes bigint NOT NULL CHECK (link_out_bytes >= 0),
  boot_id text NOT NULL,
  seen_at timestamptz NOT NULL
) WITH (fillfactor = 70);
GRANT SELECT, INSERT ON allocation_traffic TO sublet_app;
GRANT UPDATE (in_bytes, out_bytes, link_in_bytes, link_out_bytes, boot_id, seen_at) ON allocation_traffic TO sublet_app;
"""


def upgrade() -> None:
    """Add the counts."""
    execute_script(TABLES)
