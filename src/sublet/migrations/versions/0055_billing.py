"""Billing: leave each page of segments room for what a tick and a settlement write, beside what is there.

A tick changes every open segment, and a settlement those that it posts. Where the changed row finds room on its own
page, no index has to be told; with 70 % filled there was none for the second.
"""

from sublet.migrations.script import execute_script

revision = "0055_billing"
down_revision = "0054_core"

ROOM = """
ALTER TABLE meter_segment SET (fillfactor = 45);
"""


def upgrade() -> None:
    """Leave more room; pages that are full already get it as their segments end."""
    execute_script(ROOM)
