"""Catalog: shapes that take a whole node, and those that use its own network."""

from sublet.migrations.script import execute_script

revision = "0065_catalog"
down_revision = "0064_audit"

TABLES = """
ALTER TABLE sku
  -- Nobody else is on the node while one of these is.
  ADD COLUMN whole_node boolean NOT NULL DEFAULT false,
  -- It is in the node's own network, as only who is alone there may be. There is no link then on which to limit it.
  ADD COLUMN node_network boolean NOT NULL DEFAULT false,
  ADD CONSTRAINT sku_node_network CHECK (NOT node_network OR whole_node AND network_mbit IS NULL);
"""


def upgrade() -> None:
    """Add both."""
    execute_script(TABLES)
