"""Payments: the processor's balance as it is mirrored, with payouts until they arrive."""

from sublet.migrations.script import execute_script

revision = "0059_payments"
down_revision = "0058_ledger"

TABLES = """
-- Whose money a balance transaction moved: what is neither ours nor another installation's is in suspense.
ALTER TABLE stripe_transaction ADD COLUMN whose text NOT NULL DEFAULT 'ours'
  CHECK (whose IN ('ours', 'suspense', 'elsewhere'));
CREATE INDEX stripe_transaction_recorded ON stripe_transaction (recorded_at);
CREATE INDEX stripe_transaction_payout ON stripe_transaction (payout_id) WHERE payout_id IS NOT NULL;

-- Nothing of a transaction changes but that it becomes part of a payout, once.
DROP TRIGGER append_only ON stripe_transaction;
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON stripe_transaction
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
CREATE TRIGGER paid_out_once BEFORE UPDATE ON stripe_transaction FOR EACH ROW
  WHEN (OLD.payout_id IS NOT NULL OR to_jsonb(OLD) - 'payout_id' <> to_jsonb(NEW) - 'payout_id')
  EXECUTE FUNCTION sublet_refuse_change();
GRANT UPDATE (payout_id) ON stripe_transaction TO sublet_app;

CREATE TABLE payout (
  id           text PRIMARY KEY,
  seq          bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  processor_id text NOT NULL UNIQUE,
  amount       bigint NOT NULL CHECK (amount <> 0),  -- below zero: taken from the bank
  currency     text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  automatic    boolean NOT NULL,
  state        text NOT NULL DEFAULT 'created' CHECK (state IN ('created', 'in_transit', 'paid', 'failed', 'canceled')),
  arrives_on   timestamptz NOT NULL,
  failure_code text,
  itemised     boolean NOT NULL DEFAULT false,  -- whether the transactions that it pays out are known
  created_at   timestamptz NOT NULL,
  seen_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at     timestamptz,
  CHECK ((state IN ('paid', 'failed', 'canceled')) = (ended_at IS NOT NULL))
);
CREATE TABLE payout_transition (
  from_state text NOT NULL,
  to_state   text NOT NULL,
  PRIMARY KEY (from_state, to_state)
);
-- A bank may send back what had arrived.
INSERT INTO payout_transition (from_state, to_state) VALUES
  ('created', 'in_transit'), ('created', 'paid'), ('created', 'failed'), ('created', 'canceled'),
  ('in_transit', 'paid'), ('in_transit', 'failed'), ('in_transit', 'canceled'), ('paid', 'failed');
CREATE TRIGGER moves BEFORE INSERT OR UPDATE OF state ON payout FOR EACH ROW EXECUTE FUNCTION sublet_moves('created');
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON payout
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
CREATE TABLE payout_history (
  id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  payout_id text NOT NULL REFERENCES payout,
  previous  text NOT NULL,
  next      text NOT NULL,
  reason    text NOT NULL,
  at        timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX payout_history_of ON payout_history (payout_id, id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payout_history
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();

-- How far each list of the processor's has been read, by its own clock.
CREATE TABLE processor_cursor (
  list  text PRIMARY KEY CHECK (list IN ('balance_transactions', 'events')),
  up_to timestamptz NOT NULL
);

-- What the processor said last that is there in a currency, when nothing moved while its transactions were read: those
-- that were recorded until then are all there were.
CREATE TABLE processor_balance (
  currency  text PRIMARY KEY CHECK (currency ~ '^[A-Z]{3}$'),
  available bigint NOT NULL,
  pending   bigint NOT NULL,
  seen_at   timestamptz NOT NULL
);

GRANT SELECT ON payout_transition TO sublet_app;
GRANT SELECT, INSERT ON payout, payout_history TO sublet_app;
GRANT UPDATE (state, arrives_on, failure_code, itemised, ended_at) ON payout TO sublet_app;
GRANT SELECT, INSERT, UPDATE ON processor_cursor, processor_balance TO sublet_app;
"""


def upgrade() -> None:
    """Create them."""
    execute_script(TABLES)
