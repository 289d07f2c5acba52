"""Catalog: a disk is not kept for nothing where a suspended hour costs."""

from sublet.migrations.script import execute_script

revision = "0088_catalog"
down_revision = "0087_payments"

NOT_FREE = """
ALTER TABLE price ADD CONSTRAINT price_disk_not_free
  CHECK (disk_nano_per_hour > 0 OR suspended_nano_per_hour = 0 OR disk_nano_per_hour IS NULL);
"""


def upgrade() -> None:
    """Refuse such prices."""
    execute_script(NOT_FREE)
