"""Fleet: certificates with which it is tried whether a customer gets in."""

from sublet.migrations.script import execute_script

revision = "0018_fleet"
down_revision = "0017_catalog"

ENTRY = """
ALTER TABLE issued_certificate
  DROP CONSTRAINT issued_certificate_kind_check,
  ADD CONSTRAINT issued_certificate_kind_check CHECK (kind IN ('customer', 'terminal', 'control', 'entry', 'host')),
  ADD CONSTRAINT issued_certificate_entry_check
    CHECK (kind <> 'entry' OR valid_before - valid_after <= interval '2 minutes');
"""


def upgrade() -> None:
    """Allow the kind, for two minutes at most, the first of which is before it was made."""
    execute_script(ENTRY)
