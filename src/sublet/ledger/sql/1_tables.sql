-- The ledger, version 1. Migration 0005 runs these files, in order, as the role that owns the schema. Once released
-- they never change again: customers' books were made by them.
-- A later version is a later migration that replaces single functions.
--
-- Unit: millionths of a currency. Sign: + credit, - debit. READ COMMITTED is enough: whoever touches an
-- organization's money first locks its wallet's balance row, and nothing else of it may be locked before.
-- Lock order: balances by ascending account id, then holds.

-- PostgreSQL reads every CHECK anew for every statement, so tables on the way of a charge have one short CHECK
-- each (a comparison with NULL passes it) and kinds are enums.

CREATE TYPE ledger.entry_kind AS ENUM ('top_up', 'stripe_fee', 'usage', 'usage_batch', 'credit', 'reversal');
CREATE TYPE ledger.hold_event_kind AS ENUM ('placed', 'extended', 'captured', 'released');

CREATE TABLE ledger.account (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  code         text NOT NULL UNIQUE,
  kind         text NOT NULL,
  owner_id     text,
  currency     text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  materialised boolean NOT NULL,
  CHECK (materialised = (kind IN ('wallet', 'promo', 'receivable'))),
  CHECK (materialised = (owner_id IS NOT NULL)),
  CHECK (kind IN ('wallet', 'promo', 'receivable', 'stripe_balance', 'payout_in_transit', 'bank',
                  'dispute_receivable', 'refund_pending', 'revenue_compute', 'revenue_storage',
                  'sla_contra_revenue', 'promo_expense', 'stripe_fees', 'dispute_fees', 'bad_debt',
                  'tax_payable', 'rounding', 'suspense'))
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

-- ---------------------------------------------------------------------------------------- what never happens

CREATE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'SL004';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.account
  FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.wallet
  FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.ledger_entry
  FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.posting
  FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.hold_event
  FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.seal
  FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON ledger.balance
  FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON ledger.hold
  FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON ledger.topup_lot
  FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

-- An INSERT of postings is one whole entry that balances and continues the chain of each customer account. If every
-- INSERT balances, every entry does. Lines count from 1 without a gap, so an entry is complete at once: the primary
-- key refuses to add to it later. OFFSET 0 keeps each look-up an index probe: the plan is made once, and one made for
-- a batch of ten thousand lines would otherwise read whole tables for a single charge.
CREATE FUNCTION ledger.check_postings() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  fault text;
BEGIN
  SELECT CASE
           WHEN min(n.entry_id) <> max(n.entry_id) THEN 'shares its statement with another'
           WHEN sum(n.amount) <> 0 THEN 'does not sum to zero'
           WHEN min(a.currency) <> max(a.currency) THEN 'mixes currencies'
           WHEN count(a.currency) <> count(*) THEN 'names an unknown account'
           WHEN min(n.line) <> 1 OR max(n.line) <> count(*) THEN 'is not complete'
           WHEN bool_or(a.materialised <> (n.account_seq IS NOT NULL)
                        OR a.materialised <> (n.balance_after IS NOT NULL)) THEN 'misses a balance'
           WHEN NOT bool_and(n.account_seq IS NULL OR EXISTS (
                  SELECT FROM ledger.balance b
                    LEFT JOIN ledger.posting p ON p.account_id = n.account_id AND p.account_seq = n.account_seq - 1
                   WHERE b.account_id = n.account_id AND b.seq = n.account_seq AND b.balance = n.balance_after
                     AND n.balance_after = n.amount + CASE n.account_seq WHEN 1 THEN 0 ELSE p.balance_after END
                  OFFSET 0)) THEN 'breaks the chain of a balance'
           WHEN NOT EXISTS (SELECT FROM ledger.ledger_entry h WHERE h.id = min(n.entry_id)) THEN 'does not exist'
         END INTO fault
    FROM added n
    LEFT JOIN LATERAL (SELECT currency, materialised FROM ledger.account WHERE id = n.account_id OFFSET 0) a ON true;
  IF fault IS NOT NULL THEN
    RAISE EXCEPTION 'an entry %', fault USING ERRCODE = 'SL005';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER whole AFTER INSERT ON ledger.posting REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION ledger.check_postings();

