"""Top-ups, the inbox of the card processor's events, and the mirror of its balance transactions."""

from alembic import op

revision = "0009_payments"
down_revision = "0008_scheduling"

TABLES = """
CREATE TABLE top_up (
  id                     text PRIMARY KEY,
  seq                    bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  organization_id        text NOT NULL REFERENCES organization,
  requested_by           text NOT NULL,
  request_key            text,
  amount                 bigint NOT NULL,
  currency               text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  customer_email         text,
  return_path            text NOT NULL,
  success_url            text NOT NULL,
  cancel_url             text NOT NULL,
  state                  text NOT NULL DEFAULT 'pending',
  checkout_session_id    text UNIQUE,
  checkout_url           text,
  payment_intent_id      text UNIQUE,
  charge_id              text UNIQUE,
  balance_transaction_id text UNIQUE,
  fee                    bigint CHECK (fee >= 0),
  failure_code           text,
  failure_message        text,
  created_at             timestamptz NOT NULL DEFAULT clock_timestamp(),
  completed_at           timestamptz,
  looked_at              timestamptz,
  taken_back             bigint NOT NULL DEFAULT 0 CHECK (taken_back >= 0),  -- refunded or disputed at the processor
  taken_aside            bigint NOT NULL DEFAULT 0 CHECK (taken_aside BETWEEN 0 AND taken_back),
  UNIQUE (organization_id, requested_by, request_key),
  CHECK (state IN ('pending', 'processing', 'succeeded', 'failed', 'expired')),
  CHECK (amount > 0 AND amount % 1000 = 0),  -- no currency has a smaller minor unit
  CHECK ((completed_at IS NOT NULL) = (state IN ('succeeded', 'failed', 'expired'))),
  CHECK (state <> 'succeeded' OR (payment_intent_id IS NOT NULL AND charge_id IS NOT NULL)),
  CHECK ((fee IS NULL) = (balance_transaction_id IS NULL)),
  CHECK ((failure_code IS NULL) = (failure_message IS NULL)),
  CHECK (checkout_session_id IS NOT NULL OR checkout_url IS NULL)
);
-- Money that did arrive is credited whatever we believed before; from `succeeded` nothing leads away.
CREATE TABLE top_up_transition (
  from_state text NOT NULL,
  to_state   text NOT NULL,
  PRIMARY KEY (from_state, to_state)
);
INSERT INTO top_up_transition (from_state, to_state) VALUES
  ('pending', 'processing'), ('pending', 'succeeded'), ('pending', 'failed'), ('pending', 'expired'),
  ('processing', 'pending'), ('processing', 'succeeded'), ('processing', 'failed'), ('processing', 'expired'),
  ('failed', 'succeeded'),
  ('expired', 'succeeded');
GRANT SELECT ON top_up_transition TO sublet_app;
CREATE TRIGGER moves BEFORE INSERT OR UPDATE OF state ON top_up FOR EACH ROW EXECUTE FUNCTION sublet_moves('pending');
CREATE INDEX top_up_of_organization ON top_up (organization_id, seq DESC);
CREATE INDEX top_up_open ON top_up (seq) WHERE state IN ('pending', 'processing');

CREATE TABLE top_up_history (
  id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  top_up_id text NOT NULL REFERENCES top_up,
  previous  text NOT NULL,
  next      text NOT NULL,
  reason    text NOT NULL,
  at        timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX top_up_history_of ON top_up_history (top_up_id, id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON top_up_history
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();

-- No payload: the object is fetched again when the event is processed, and customers' names stay out of here.
-- top_up_id is what the event claims; whether there is such a top-up is found out then.
CREATE TABLE stripe_event (
  id               text PRIMARY KEY,
  type             text NOT NULL,
  object_id        text,
  object_type      text,
  charge_id        text,
  payment_intent_id text,
  top_up_id        text,
  created_at       timestamptz NOT NULL,
  received_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  processed_at     timestamptz,
  outcome          text CHECK (outcome IN ('applied', 'ignored', 'unhandled')),
  CHECK ((processed_at IS NULL) = (outcome IS NULL))
);

CREATE TABLE stripe_transaction (
  id           text PRIMARY KEY,
  type         text NOT NULL,
  amount       bigint NOT NULL,
  fee          bigint NOT NULL,
  currency     text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  source       text,
  payout_id    text,
  created_at   timestamptz NOT NULL,
  available_on timestamptz NOT NULL,
  recorded_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX stripe_transaction_source ON stripe_transaction (source);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON stripe_transaction
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();

GRANT SELECT, INSERT, UPDATE ON top_up, stripe_event TO sublet_app;
GRANT SELECT, INSERT ON top_up_history, stripe_transaction TO sublet_app;
"""


def upgrade() -> None:
    """Create what payments need."""
    op.execute(TABLES)
