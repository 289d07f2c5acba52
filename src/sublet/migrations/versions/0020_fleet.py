"""Fleet: certificates that ended long ago may be forgotten, and are found by when they ended."""

from sublet.migrations.script import execute_script

revision = "0020_fleet"
down_revision = "0019_core"

FORGETTING = """
CREATE INDEX issued_certificate_ended ON issued_certificate (valid_before);
-- While one holds it can be revoked, for which it must be known.
CREATE TRIGGER holds BEFORE DELETE ON issued_certificate FOR EACH ROW WHEN (OLD.valid_before > clock_timestamp())
  EXECUTE FUNCTION sublet_refuse_change();
GRANT DELETE ON issued_certificate TO sublet_app;
"""


def upgrade() -> None:
    """Add the index, and the right to delete what has ended."""
    execute_script(FORGETTING)
