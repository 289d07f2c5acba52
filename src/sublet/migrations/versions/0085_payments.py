"""Payments: what was answered to the bank when a payment was disputed."""

from sublet.migrations.script import execute_script

revision = "0085_payments"
down_revision = "0084_billing"

TABLES = """
-- What is to be sent, written down before it is, and how that ended. One answer at each stage, unless it is refused.
CREATE TABLE dispute_answer (
  id               text PRIMARY KEY,
  seq              bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  dispute_id       text NOT NULL REFERENCES dispute,
  stage            text NOT NULL CHECK (stage IN ('inquiry', 'open')),
  evidence         jsonb NOT NULL CHECK (jsonb_typeof(evidence) = 'object'),
  answered_by      text NOT NULL,
  answered_by_name text NOT NULL,
  created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  sent_at          timestamptz,
  refusal          text,
  CHECK (sent_at IS NULL OR refusal IS NULL)
);
CREATE INDEX dispute_answer_of ON dispute_answer (dispute_id, seq);
CREATE UNIQUE INDEX dispute_answer_once ON dispute_answer (dispute_id, stage) WHERE refusal IS NULL;
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON dispute_answer
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
GRANT SELECT, INSERT (id, dispute_id, stage, evidence, answered_by, answered_by_name), UPDATE (sent_at, refusal)
  ON dispute_answer TO sublet_app;

CREATE FUNCTION dispute_answer_ends_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'answer % has ended, and stays as it was sent', OLD.id USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER ends_once BEFORE UPDATE ON dispute_answer
  FOR EACH ROW WHEN (OLD.sent_at IS NOT NULL OR OLD.refusal IS NOT NULL)
  EXECUTE FUNCTION dispute_answer_ends_once();
"""


def upgrade() -> None:
    """Let operators answer disputes."""
    execute_script(TABLES)
