"""Payments: refunds and disputes as rows of their own, and what customers ask to have back."""

from sublet.migrations.script import execute_script

revision = "0049_payments"
down_revision = "0048_ledger"

TABLES = """
CREATE TABLE refund_request (
  id               text PRIMARY KEY,
  seq              bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  organization_id  text NOT NULL REFERENCES organization,
  top_up_id        text NOT NULL REFERENCES top_up,
  requested_by     text NOT NULL,
  amount           bigint NOT NULL CHECK (amount > 0),
  currency         text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  reason           text NOT NULL,
  state            text NOT NULL DEFAULT 'requested' CHECK (state IN ('requested', 'granted', 'declined', 'withdrawn')),
  decided_by       text,
  decided_by_name  text,
  decision         text,
  decided_at       timestamptz,
  created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK ((state = 'requested') = (decided_at IS NULL)),
  CHECK ((decided_by IS NULL) = (decided_at IS NULL))
);
CREATE INDEX refund_request_of_organization ON refund_request (organization_id, seq DESC);
CREATE INDEX refund_request_of_top_up ON refund_request (top_up_id);
CREATE UNIQUE INDEX refund_request_open ON refund_request (top_up_id) WHERE state = 'requested';
CREATE TABLE refund_request_transition (
  from_state text NOT NULL,
  to_state   text NOT NULL,
  PRIMARY KEY (from_state, to_state)
);
INSERT INTO refund_request_transition (from_state, to_state) VALUES
  ('requested', 'granted'), ('requested', 'declined'), ('requested', 'withdrawn');
CREATE TRIGGER moves BEFORE INSERT OR UPDATE OF state ON refund_request
  FOR EACH ROW EXECUTE FUNCTION sublet_moves('requested');
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON refund_request
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();

CREATE TABLE refund (
  id                text PRIMARY KEY,
  seq               bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  organization_id   text NOT NULL REFERENCES organization,
  top_up_id         text NOT NULL REFERENCES top_up,
  request_id        text UNIQUE REFERENCES refund_request,
  origin            text NOT NULL CHECK (origin IN ('operator', 'processor')),
  requested_by      text NOT NULL,
  requested_by_name text NOT NULL,
  amount            bigint NOT NULL CHECK (amount > 0),
  currency          text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  reason            text NOT NULL,
  state             text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'succeeded', 'failed', 'canceled')),
  processor_id      text UNIQUE,
  entry_id          bigint NOT NULL UNIQUE,
  owed              bigint NOT NULL CHECK (owed BETWEEN 0 AND amount),  -- what the wallet did not hold
  failure_code      text,
  created_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
  completed_at      timestamptz,
  CHECK ((state = 'pending') = (completed_at IS NULL)),
  CHECK (origin = 'operator' OR processor_id IS NOT NULL)
);
CREATE INDEX refund_of_top_up ON refund (top_up_id);
CREATE INDEX refund_of_organization ON refund (organization_id, seq DESC);
CREATE INDEX refund_pending ON refund (seq) WHERE state = 'pending';
CREATE TABLE refund_transition (
  from_state text NOT NULL,
  to_state   text NOT NULL,
  PRIMARY KEY (from_state, to_state)
);
-- A bank may send back what had arrived.
INSERT INTO refund_transition (from_state, to_state) VALUES
  ('pending', 'succeeded'), ('pending', 'failed'), ('pending', 'canceled'), ('succeeded', 'failed');
CREATE TRIGGER moves BEFORE INSERT OR UPDATE OF state ON refund FOR EACH ROW EXECUTE FUNCTION sublet_moves('pending');
CREATE TRIGGER known_once BEFORE UPDATE OF processor_id ON refund FOR EACH ROW
  WHEN (OLD.processor_id IS NOT NULL AND NEW.processor_id IS DISTINCT FROM OLD.processor_id)
  EXECUTE FUNCTION sublet_refuse_change();
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON refund
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
CREATE TABLE refund_history (
  id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  refund_id text NOT NULL REFERENCES refund,
  previous  text NOT NULL,
  next      text NOT NULL,
  reason    text NOT NULL,
  at        timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX refund_history_of ON refund_history (refund_id, id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON refund_history
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();

CREATE TABLE dispute (
  id              text PRIMARY KEY,
  seq             bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  processor_id    text NOT NULL UNIQUE,
  organization_id text NOT NULL REFERENCES organization,
  top_up_id       text NOT NULL REFERENCES top_up,
  amount          bigint NOT NULL CHECK (amount > 0),
  currency        text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  reason          text NOT NULL,
  due_by          timestamptz,
  disputed_at     timestamptz NOT NULL,
  state           text NOT NULL DEFAULT 'seen' CHECK (state IN ('seen', 'inquiry', 'closed', 'open', 'won', 'lost')),
  taken           bigint NOT NULL DEFAULT 0,  -- what the processor has taken for it, less what it gave back
  charged         bigint NOT NULL DEFAULT 0 CHECK (charged >= 0),  -- what its customer was charged when it was lost
  owed            bigint NOT NULL DEFAULT 0 CHECK (owed BETWEEN 0 AND charged),  -- what of that the wallet did not hold
  seen_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
  decided_at      timestamptz,
  CHECK ((state IN ('closed', 'won', 'lost')) = (decided_at IS NOT NULL))
);
CREATE INDEX dispute_of_top_up ON dispute (top_up_id);
CREATE INDEX dispute_of_organization ON dispute (organization_id, seq DESC);
CREATE INDEX dispute_open ON dispute (organization_id) WHERE state IN ('inquiry', 'open');
CREATE TABLE dispute_transition (
  from_state text NOT NULL,
  to_state   text NOT NULL,
  PRIMARY KEY (from_state, to_state)
);
INSERT INTO dispute_transition (from_state, to_state) VALUES
  ('seen', 'inquiry'), ('seen', 'closed'), ('seen', 'open'), ('seen', 'won'), ('seen', 'lost'),
  ('inquiry', 'closed'), ('inquiry', 'open'), ('inquiry', 'won'), ('inquiry', 'lost'),
  ('closed', 'open'), ('closed', 'won'), ('closed', 'lost'),
  ('open', 'won'), ('open', 'lost');
CREATE TRIGGER moves BEFORE INSERT OR UPDATE OF state ON dispute FOR EACH ROW EXECUTE FUNCTION sublet_moves('seen');
CREATE TRIGGER charged_once BEFORE UPDATE OF charged, owed ON dispute FOR EACH ROW
  WHEN (OLD.charged <> 0 AND (NEW.charged, NEW.owed) IS DISTINCT FROM (OLD.charged, OLD.owed))
  EXECUTE FUNCTION sublet_refuse_change();
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON dispute
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
CREATE TABLE dispute_history (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  dispute_id text NOT NULL REFERENCES dispute,
  previous   text NOT NULL,
  next       text NOT NULL,
  reason     text NOT NULL,
  at         timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX dispute_history_of ON dispute_history (dispute_id, id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON dispute_history
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();

GRANT SELECT ON refund_transition, refund_request_transition, dispute_transition TO sublet_app;
GRANT SELECT, INSERT ON refund, refund_request, refund_history, dispute, dispute_history TO sublet_app;
GRANT UPDATE (state, processor_id, failure_code, completed_at) ON refund TO sublet_app;
GRANT UPDATE (state, decided_by, decided_by_name, decision, decided_at) ON refund_request TO sublet_app;
GRANT UPDATE (state, amount, reason, due_by, taken, charged, owed, decided_at) ON dispute TO sublet_app;
"""


def upgrade() -> None:
    """Create them."""
    execute_script(TABLES)
