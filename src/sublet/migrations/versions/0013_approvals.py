"""Approvals: acts that need a second person, their states with a table of the changes allowed, and their history."""

from sublet.migrations.script import execute_script

revision = "0013_approvals"
down_revision = "0012_findings"

TABLES = """
CREATE TABLE approval_transition (
  from_state text NOT NULL,
  to_state   text NOT NULL,
  PRIMARY KEY (from_state, to_state)
);
INSERT INTO approval_transition (from_state, to_state) VALUES
  ('requested', 'approved'), ('requested', 'rejected'), ('requested', 'expired'),
  ('approved', 'used'), ('approved', 'expired');
GRANT SELECT ON approval_transition TO sublet_app;

-- `digest` is of act, subject and parameters together: what is approved is this and nothing else. `permission` is what
-- the act itself takes, and so whoever decides on it.
CREATE TABLE approval (
  seq               bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  id                text PRIMARY KEY CHECK (id ~ '^apr_[a-z2-7]{16}$'),
  act               text NOT NULL CHECK (act ~ '^[a-z_]+\\.[a-z_]+$'),
  subject           text NOT NULL CHECK (length(subject) BETWEEN 1 AND 200),
  parameters        jsonb NOT NULL CHECK (jsonb_typeof(parameters) = 'object'),
  digest            bytea NOT NULL CHECK (length(digest) = 32),
  permission        text NOT NULL,
  reason            text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
  state             text NOT NULL DEFAULT 'requested'
                    CHECK (state IN ('requested', 'approved', 'rejected', 'expired', 'used')),
  requested_by      text NOT NULL REFERENCES user_account,
  requested_by_name text NOT NULL,
  requested_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at        timestamptz NOT NULL,
  decided_by        text REFERENCES user_account,
  decided_by_name   text,
  decided_at        timestamptz,
  used_at           timestamptz,
  CONSTRAINT approval_expires_later CHECK (expires_at > requested_at),
  CONSTRAINT approval_decided_by_another CHECK (decided_by <> requested_by),
  CONSTRAINT approval_decided_whole CHECK ((decided_by IS NULL) = (decided_at IS NULL)
    AND (decided_by IS NULL) = (decided_by_name IS NULL)),
  CONSTRAINT approval_decided_when CHECK (CASE state WHEN 'requested' THEN decided_by IS NULL
    WHEN 'expired' THEN true ELSE decided_by IS NOT NULL END),
  CONSTRAINT approval_used_when CHECK ((used_at IS NOT NULL) = (state = 'used')),
  CONSTRAINT approval_in_time CHECK (greatest(decided_at, used_at) < expires_at)
);
-- Each act is open once, so that two approvals of the same are never there to be used twice.
CREATE UNIQUE INDEX approval_open ON approval (digest) WHERE state IN ('requested', 'approved');
CREATE INDEX approval_due ON approval (expires_at) WHERE state IN ('requested', 'approved');
CREATE INDEX approval_digest ON approval (digest, seq);
CREATE INDEX approval_state ON approval (state, seq);
CREATE INDEX approval_subject ON approval (subject, seq);
GRANT SELECT, INSERT, UPDATE (state, decided_by, decided_by_name, decided_at, used_at) ON approval TO sublet_app;

CREATE TRIGGER moves BEFORE INSERT OR UPDATE OF state ON approval FOR EACH ROW
  EXECUTE FUNCTION sublet_moves('requested');
CREATE TRIGGER decided BEFORE UPDATE ON approval FOR EACH ROW
  WHEN (OLD.decided_by IS NOT NULL AND (OLD.decided_by, OLD.decided_by_name, OLD.decided_at)
        IS DISTINCT FROM (NEW.decided_by, NEW.decided_by_name, NEW.decided_at))
  EXECUTE FUNCTION sublet_refuse_change();
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON approval
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();

CREATE TABLE approval_history (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  approval_id text NOT NULL REFERENCES approval,
  from_state  text,
  to_state    text NOT NULL,
  reason      text NOT NULL,
  actor       text NOT NULL,
  at          timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX approval_history_approval ON approval_history (approval_id, id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON approval_history
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
GRANT SELECT, INSERT ON approval_history TO sublet_app;
"""


def upgrade() -> None:
    """Create approvals."""
    execute_script(TABLES)
