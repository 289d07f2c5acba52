"""Findings: whose each is, how it was settled, and all that became of it."""

from sublet.migrations.script import execute_script

revision = "0069_findings"
down_revision = "0068_allocations"

TABLES = """
ALTER TABLE finding
  ADD COLUMN owner_id text,
  ADD COLUMN owner_name text,
  ADD COLUMN assigned_by text,  -- who said so last: a name
  ADD COLUMN settled_by text,
  ADD COLUMN resolution text,
  ADD CONSTRAINT finding_owner CHECK ((owner_id IS NULL) = (owner_name IS NULL)),
  ADD CONSTRAINT finding_settled CHECK ((settled_by IS NULL) = (resolution IS NULL)
                                        AND (settled_by IS NULL OR until IS NOT NULL));
GRANT UPDATE (owner_id, owner_name, assigned_by, settled_by, resolution) ON finding TO sublet_app;

CREATE TABLE finding_history (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  finding_id text NOT NULL REFERENCES finding,
  what       text NOT NULL CHECK (what IN ('opened', 'severity', 'assigned', 'given_back', 'closed', 'resolved')),
  by_name    text,  -- none: nobody, but a check or the code that met it
  note       text,
  at         timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX finding_history_of ON finding_history (finding_id, id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON finding_history
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
INSERT INTO finding_history (finding_id, what, note, at) SELECT id, 'opened', severity, since FROM finding ORDER BY seq;
INSERT INTO finding_history (finding_id, what, at)
SELECT id, 'closed', until FROM finding WHERE until IS NOT NULL ORDER BY seq;

-- Whoever changes a finding, this writes it down; nobody else can.
CREATE FUNCTION finding_tells() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO finding_history (finding_id, what, note) VALUES (NEW.id, 'opened', NEW.severity);
    RETURN NULL;
  END IF;
  IF NEW.severity <> OLD.severity THEN
    INSERT INTO finding_history (finding_id, what, note) VALUES (NEW.id, 'severity', NEW.severity);
  END IF;
  IF NEW.owner_id IS DISTINCT FROM OLD.owner_id THEN
    INSERT INTO finding_history (finding_id, what, by_name, note)
    VALUES (NEW.id, CASE WHEN NEW.owner_id IS NULL THEN 'given_back' ELSE 'assigned' END, NEW.assigned_by,
            coalesce(NEW.owner_name, OLD.owner_name));
  END IF;
  IF NEW.until IS NOT NULL THEN
    INSERT INTO finding_history (finding_id, what, by_name, note)
    VALUES (NEW.id, CASE WHEN NEW.settled_by IS NULL THEN 'closed' ELSE 'resolved' END, NEW.settled_by, NEW.resolution);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER tells AFTER INSERT OR UPDATE ON finding FOR EACH ROW EXECUTE FUNCTION finding_tells();
GRANT SELECT ON finding_history TO sublet_app;
"""


def upgrade() -> None:
    """Let a finding have an owner and a history."""
    execute_script(TABLES)
