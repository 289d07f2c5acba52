"""Catalog: how fast the network of an allocation is at most, as it is sold."""

from sublet.migrations.script import execute_script

revision = "0043_catalog"
down_revision = "0042_terminal"

TABLES = """
-- Mbit a second, each way; NULL: not limited.
ALTER TABLE sku ADD COLUMN network_mbit integer CHECK (network_mbit BETWEEN 1 AND 1000000);
"""


def upgrade() -> None:
    """Add the limit."""
    execute_script(TABLES)
