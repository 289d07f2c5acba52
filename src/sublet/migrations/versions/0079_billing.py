"""Billing: what is suspended without its claim costs what its disk costs, from a moment that was said before."""

from sublet.migrations.script import execute_script

revision = "0079_billing"
down_revision = "0078_catalog"

KINDS = """
ALTER TABLE meter
  ADD COLUMN disk_nano_per_hour bigint CHECK (disk_nano_per_hour >= 0),
  -- Until when its suspended rate applies: what comes after that is metered only once its disk's does.
  ADD COLUMN suspended_until timestamptz,
  ADD CONSTRAINT meter_suspended_until CHECK (
    suspended_until IS NULL OR kind = 'suspended' AND disk_nano_per_hour IS NOT NULL) NOT VALID,
  DROP CONSTRAINT meter_kind_check,
  ADD CONSTRAINT meter_kind_check CHECK (kind IN ('running', 'suspended', 'disk')) NOT VALID,
  ADD CONSTRAINT meter_disk CHECK (kind <> 'disk' OR disk_nano_per_hour IS NOT NULL) NOT VALID;
ALTER TABLE meter VALIDATE CONSTRAINT meter_suspended_until;
ALTER TABLE meter VALIDATE CONSTRAINT meter_kind_check;
ALTER TABLE meter VALIDATE CONSTRAINT meter_disk;
ALTER TABLE meter_segment
  DROP CONSTRAINT meter_segment_kind_check,
  ADD CONSTRAINT meter_segment_kind_check CHECK (kind IN ('running', 'suspended', 'disk')) NOT VALID;
ALTER TABLE meter_segment VALIDATE CONSTRAINT meter_segment_kind_check;
ALTER TABLE usage_record
  DROP CONSTRAINT usage_record_kind_check,
  ADD CONSTRAINT usage_record_kind_check CHECK (kind IN ('running', 'suspended', 'disk')) NOT VALID;
ALTER TABLE usage_record VALIDATE CONSTRAINT usage_record_kind_check;
"""


def upgrade() -> None:
    """Add the kind, and its rate."""
    execute_script(KINDS)
