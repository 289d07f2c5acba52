"""The ledger's schema, types and tables. What works on them is made anew after each migration: see `ledger/sql/`."""

from alembic import op

from sublet.migrations.script import execute_script

revision = "0005_ledger"
down_revision = "0004_catalog"

TABLES = """
-- PostgreSQL reads every CHECK anew for every statement, so tables on the way of a charge have one short CHECK
-- each (a comparison with NULL passes it) and kinds are enums.

CREATE TYPE ledger.account_kind AS ENUM (
  -- each customer's
  'wallet', 'promo', 'receivable',
  -- ours, one of each in each currency; there is a `revenue_` for each kind of meter
  'stripe_balance', 'payout_in_transit', 'bank', 'dispute_receivable', 'refund_pending',
  'revenue_compute', 'revenue_storage', 'revenue_reserved', 'revenue_egress', 'sla_contra_revenue',
  'promo_expense', 'adjustments', 'stripe_fees', 'dispute_fees', 'bad_debt', 'tax_payable', 'fx', 'rounding', 'suspense'
);
CREATE TYPE ledger.entry_kind AS ENUM (
  'top_up', 'stripe_fee', 'usage', 'usage_batch', 'credit', 'reversal',
  -- nothing posts these yet
  'credit_expired', 'service_credit', 'adjustment', 'write_off',
  'refund', 'refund_succeeded', 'refund_failed', 'dispute', 'dispute_won', 'dispute_lost',
  'payout', 'payout_arrived', 'fx', 'suspense'
);
CREATE TYPE ledger.hold_event_kind AS ENUM ('placed', 'extended', 'captured', 'released');

CREATE TABLE ledger.account (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  code         text NOT NULL UNIQUE,
  kind         ledger.account_kind NOT NULL,
  owner_id     text,
  currency     text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  materialised boolean NOT NULL,
  CHECK (materialised = (kind IN ('wallet', 'promo', 'receivable'))),
  CHECK (materialised = (owner_id IS NOT NULL))
);

-- Only customers' accounts have a balance row. A system account's would be locked by every charge.
CREATE TABLE ledger.balance (
  account_id    bigint PRIMARY KEY REFERENCES ledger.account,
  balance       bigint NOT NULL DEFAULT 0,
  held          bigint NOT NULL DEFAULT 0,
  seq           bigint NOT NULL DEFAULT 0,
  min_available bigint,  -- NULL: may go negative
  max_balance   bigint,  -- NULL: may grow
  CONSTRAINT balance_floor CHECK (held >= 0 AND balance - held >= min_available AND balance <= max_balance)
) WITH (fillfactor = 50);

CREATE TABLE ledger.wallet (
  id            bigint PRIMARY KEY REFERENCES ledger.account,
  promo_id      bigint NOT NULL UNIQUE REFERENCES ledger.account,
  receivable_id bigint NOT NULL UNIQUE REFERENCES ledger.account,
  owner_id      text NOT NULL,
  currency      text NOT NULL,
  UNIQUE (owner_id, currency),
  CHECK (id < promo_id AND promo_id < receivable_id)  -- the wallet's row is the first to be locked
);

-- The transaction id is drawn before the entry's id, which is what lets ranges of ids be sealed safely.
CREATE SEQUENCE ledger.entry_id;
CREATE TABLE ledger.ledger_entry (
  id                bigint PRIMARY KEY
                    DEFAULT CASE WHEN pg_current_xact_id() IS NOT NULL THEN nextval('ledger.entry_id') END,
  kind              ledger.entry_kind NOT NULL,
  idempotency_key   text NOT NULL UNIQUE,
  request_hash      bytea NOT NULL,
  description       text NOT NULL,
  source_type       text,
  source_id         text,
  reverses_entry_id bigint UNIQUE REFERENCES ledger.ledger_entry,
  effective_at      timestamptz NOT NULL,
  recorded_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK ((kind = 'reversal') = (reverses_entry_id IS NOT NULL))
);
ALTER SEQUENCE ledger.entry_id OWNED BY ledger.ledger_entry.id;

-- No foreign keys here: the statement trigger below proves entry and account once per statement, and a key on
-- the account would make every charge lock the same revenue row.
CREATE TABLE ledger.posting (
  entry_id      bigint NOT NULL,
  line          int NOT NULL,
  account_id    bigint NOT NULL,
  amount        bigint NOT NULL CHECK (amount <> 0),
  account_seq   bigint,
  balance_after bigint,
  PRIMARY KEY (entry_id, line)
);
CREATE UNIQUE INDEX posting_chain ON ledger.posting (account_id, account_seq) WHERE account_seq IS NOT NULL;

-- Of what is left of a hold, `promo_rest` lies on the promo account and the other part on the wallet.
CREATE TABLE ledger.hold (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  wallet_id  bigint NOT NULL REFERENCES ledger.wallet,
  subject_id text NOT NULL,
  amount     bigint NOT NULL,
  captured   bigint NOT NULL DEFAULT 0,
  released   bigint NOT NULL DEFAULT 0,
  promo_rest bigint NOT NULL DEFAULT 0,
  events     int NOT NULL DEFAULT 1,
  closed     boolean NOT NULL DEFAULT false,
  CHECK (least(captured, released, promo_rest, amount - captured - released - promo_rest) >= 0)
) WITH (fillfactor = 50);
CREATE INDEX hold_open ON ledger.hold (wallet_id) WHERE NOT closed;
CREATE INDEX hold_subject ON ledger.hold (subject_id);

CREATE TABLE ledger.hold_event (
  hold_id         bigint NOT NULL,
  number          int NOT NULL,
  kind            ledger.hold_event_kind NOT NULL,
  amount          bigint NOT NULL,
  entry_id        bigint,
  idempotency_key text,
  request_hash    bytea,
  recorded_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (hold_id, number),
  CHECK ((kind = 'captured') = (entry_id IS NOT NULL))
);
CREATE UNIQUE INDEX hold_event_key ON ledger.hold_event (idempotency_key) WHERE idempotency_key IS NOT NULL;

-- `consumed` is first in, first out, as of the last top-up: brought up to date whenever lots matter.
CREATE TABLE ledger.topup_lot (
  charge_id         text PRIMARY KEY,
  payment_intent_id text NOT NULL UNIQUE,
  wallet_id         bigint NOT NULL REFERENCES ledger.wallet,
  entry_id          bigint NOT NULL UNIQUE REFERENCES ledger.ledger_entry,
  paid              bigint NOT NULL CHECK (paid > 0),
  consumed          bigint NOT NULL DEFAULT 0 CHECK (consumed >= 0),
  refunded          bigint NOT NULL DEFAULT 0 CHECK (refunded >= 0),
  disputed          bigint NOT NULL DEFAULT 0 CHECK (disputed >= 0),
  CHECK (consumed + refunded + disputed <= paid)
);
CREATE INDEX topup_lot_wallet ON ledger.topup_lot (wallet_id, entry_id);

CREATE TABLE ledger.seal (
  from_id   bigint PRIMARY KEY,
  to_id     bigint NOT NULL UNIQUE,
  prev_hash bytea NOT NULL UNIQUE,
  hash      bytea NOT NULL UNIQUE,
  sealed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK (from_id <= to_id)
);
-- Entries up to `up_to` are final once every transaction older than `bound` has ended.
CREATE TABLE ledger.seal_mark (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  up_to    bigint NOT NULL,
  bound    xid8 NOT NULL
);
"""


def upgrade() -> None:
    """Create the books, owned by a role that nobody logs in as."""
    op.execute("CREATE SCHEMA ledger AUTHORIZATION sublet_ledger")
    op.execute("SET ROLE sublet_ledger")
    execute_script(TABLES)
    op.execute("RESET ROLE")
