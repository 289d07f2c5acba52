"""Core: events that every subscriber has had, and that are old, may go; no others."""

from sublet.migrations.script import execute_script

revision = "0041_core"
down_revision = "0040_allocations"

FORGET = """
-- What a subscriber has still to read, what is handled again or waits for an operator, and what is of today stays,
-- whoever asks.
CREATE FUNCTION outbox_event_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.occurred_at > clock_timestamp() - interval '1 day'
     OR EXISTS (SELECT FROM outbox_cursor c WHERE (c.xid, c.id) < (OLD.xid, OLD.id))
     OR EXISTS (SELECT FROM work w WHERE w.kind = 'event' AND w.id = OLD.xid::text || '-' || OLD.id)
  THEN
    RAISE EXCEPTION 'outbox_event % is still needed', OLD.id USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN OLD;
END
$$;
DROP TRIGGER append_only ON outbox_event;
CREATE TRIGGER unchanged BEFORE UPDATE OR TRUNCATE ON outbox_event
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
CREATE TRIGGER stays BEFORE DELETE ON outbox_event FOR EACH ROW EXECUTE FUNCTION outbox_event_stays();
GRANT DELETE ON outbox_event TO sublet_app;
CREATE INDEX work_crash_age ON work_crash (noticed_at);
"""


def upgrade() -> None:
    """Let them go."""
    execute_script(FORGET)
