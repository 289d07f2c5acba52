"""Terminal: sessions that ended long ago may go; the audit trail keeps that they were."""

from sublet.migrations.script import execute_script

revision = "0042_terminal"
down_revision = "0041_core"

FORGET = """
CREATE INDEX terminal_session_age ON terminal_session (alive_until);
GRANT DELETE ON terminal_session TO sublet_app;
"""


def upgrade() -> None:
    """Let them go."""
    execute_script(FORGET)
