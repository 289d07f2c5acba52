"""The open terminals of allocations, so that they can be counted wherever they are served."""

from alembic import op

revision = "0011_terminal"
down_revision = "0010_allocations"

TERMINALS = """
CREATE TABLE terminal_session (
  id            text PRIMARY KEY,
  allocation_id text NOT NULL,
  user_id       text,
  address       text,
  opened_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- Renewed while the socket is open; a session whose process died ends by itself.
  alive_until   timestamptz NOT NULL,
  ended_at      timestamptz,
  ended_reason  text,
  CHECK ((ended_at IS NULL) = (ended_reason IS NULL))
);
CREATE INDEX terminal_session_open ON terminal_session (allocation_id) WHERE ended_at IS NULL;
GRANT SELECT, INSERT, UPDATE ON terminal_session TO sublet_app;
"""


def upgrade() -> None:
    """Create what the terminal needs."""
    op.execute(TERMINALS)
