"""Core: events are named by their place in the stream alone, which is also where their readers go on.

The name that each had besides is not asked for any more. A release that still writes it may go on doing so.
"""

from sublet.migrations.script import execute_script

revision = "0054_core"
down_revision = "0053_allocations"

NAMES = """
ALTER TABLE outbox_event ALTER COLUMN event_id DROP NOT NULL, DROP CONSTRAINT outbox_event_event_id_key;
"""


def upgrade() -> None:
    """Let events have no name of their own."""
    execute_script(NAMES)
