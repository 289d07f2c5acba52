"""Findings: what does not fit, from when it was first seen until it no longer was."""

from sublet.migrations.script import execute_script

revision = "0012_findings"
down_revision = "0011_terminal"

TABLES = """
-- Amounts by name: {"held": {"micro": 1000000, "currency": "USD"}}.
CREATE TABLE finding (
  seq          bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  id           text PRIMARY KEY,
  code         text NOT NULL CHECK (code ~ '^[a-z]+(\\.[a-z_]+)+$'),
  subject_type text NOT NULL CHECK (subject_type ~ '^[a-z_]+$'),
  subject_id   text NOT NULL,
  severity     text NOT NULL CHECK (severity IN ('warning', 'error', 'critical')),
  amounts      jsonb NOT NULL CHECK (jsonb_typeof(amounts) = 'object' AND NOT amounts @?
                 '$.* ? (!(@.micro.type() == "number" && @.currency like_regex "^[A-Z]{3}$"))'),
  detail       jsonb NOT NULL CHECK (jsonb_typeof(detail) = 'object'),
  since        timestamptz NOT NULL DEFAULT clock_timestamp(),
  seen_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  until        timestamptz,
  CHECK (until >= since)
);
CREATE UNIQUE INDEX finding_open ON finding (code, subject_type, subject_id) WHERE until IS NULL;
CREATE INDEX finding_open_newest ON finding (seq) WHERE until IS NULL;
CREATE INDEX finding_subject ON finding (subject_type, subject_id, seq);
GRANT SELECT, INSERT, UPDATE (severity, amounts, detail, seen_at, until) ON finding TO sublet_app;

-- One that is closed stays as it was; the same found again is another one.
CREATE TRIGGER closed BEFORE UPDATE ON finding FOR EACH ROW WHEN (OLD.until IS NOT NULL)
  EXECUTE FUNCTION sublet_refuse_change();
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON finding
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
"""


def upgrade() -> None:
    """Create the findings."""
    execute_script(TABLES)
