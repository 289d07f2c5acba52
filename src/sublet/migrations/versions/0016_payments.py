"""Payments: which installation this is, where several share the processor; what arrived, and what was settled."""

from alembic import op
from sqlalchemy import text

from sublet.core.ids import new_id
from sublet.migrations.script import execute_script

revision = "0016_payments"
down_revision = "0015_allocations"

TABLES = """
-- One row, drawn once. A backup has it too: what is restored from one is the same installation.
CREATE TABLE installation (
  id      text PRIMARY KEY CHECK (id ~ '^ins_[a-z2-7]{16}$'),
  made_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX installation_only ON installation ((true));
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON installation
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
GRANT SELECT ON installation TO sublet_app;

-- Whom the top-up's payment page names: nobody where the top-up is from before.
ALTER TABLE top_up ADD COLUMN installation_id text;
-- Whom the event names.
ALTER TABLE stripe_event ADD COLUMN installation_id text;

-- What of the sum that was taken back an operator has settled; of what was settled before, the next look finds out.
ALTER TABLE top_up ADD COLUMN taken_settled bigint NOT NULL DEFAULT 0
  CONSTRAINT top_up_taken_settled_check CHECK (taken_settled BETWEEN 0 AND taken_back - taken_aside);
-- What arrived and was credited, which may differ from what was asked for; nothing for a top-up from before.
ALTER TABLE top_up ADD COLUMN credited bigint
  CONSTRAINT top_up_credited_check CHECK (credited IS NULL OR (credited > 0 AND state = 'succeeded'));
"""


def upgrade() -> None:
    """Draw the installation's id, and keep it with top-ups and events."""
    execute_script(TABLES)
    op.execute(text("INSERT INTO installation (id) VALUES (:id)").bindparams(id=new_id("ins")))
