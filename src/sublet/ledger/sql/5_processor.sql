-- Part of the ledger: see 1_guards.sql.

-- What the processor's balance transactions say beyond payments, refunds and disputes. `_arrived` says which way: there is
-- more at the processor, or less. Each entry has a key of its transaction and is made once.

-- An entry of two of our own accounts, in a currency that no wallet may have brought into the books yet: money goes to
-- the first from the second, or back.
CREATE OR REPLACE FUNCTION ledger.post_once(
  _kind text, _key text, _description text, _source_type text, _source_id text, _currency text, _amount bigint,
  _there boolean, _to text, _from text
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  hash bytea := ledger.hash_of(_kind, _currency, _amount::text, _there::text, _to, _from); made bigint;
  way int := CASE WHEN _there THEN 1 ELSE -1 END;
BEGIN
  PERFORM ledger.refuse_nothing(_amount, 'what is moved');
  PERFORM pg_advisory_xact_lock(hashtextextended(_key, 0));
  made := ledger.replayed(_key, hash);
  IF made IS NOT NULL THEN
    RETURN made;
  END IF;
  IF NOT EXISTS (SELECT FROM ledger.account WHERE code = _to || ':' || _currency) THEN
    PERFORM ledger.open_books(_currency);
  END IF;
  RETURN ledger.post(_kind::ledger.entry_kind, _key, hash, _description, _source_type, _source_id, NULL, now(),
    ARRAY[ledger.system_account(_to, _currency), ledger.system_account(_from, _currency)], ARRAY[-way * _amount, way * _amount]);
END $$;

-- A balance transaction in another currency than what it is of: what was booked in that one is exchanged for what the
-- processor made of it. What a rate costs or brings stays on the fx accounts. Less than the smallest unit is nothing.
CREATE OR REPLACE FUNCTION ledger.exchange(
  _given_currency text, _given bigint, _got_currency text, _got bigint, _arrived boolean, _transaction text,
  _description text, _source_type text, _source_id text
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
  key text := 'txn:' || _transaction || ':fx:'; made bigint;
BEGIN
  PERFORM refuse_nothing(_given, 'an exchange');
  IF _given_currency = _got_currency OR coalesce(_got, -1) < 0 THEN
    RAISE EXCEPTION 'an exchange is of two currencies' USING ERRCODE = 'SL006';
  END IF;
  made := post_once('fx', key || _given_currency, _description, _source_type, _source_id, _given_currency, _given,
    _arrived, 'fx', 'stripe_balance');
  IF _got <> 0 THEN
    made := post_once('fx', key || _got_currency, _description, _source_type, _source_id, _got_currency, _got,
      _arrived, 'stripe_balance', 'fx');
  END IF;
  RETURN made;
END $$;

-- What a balance transaction moved and nobody here can explain, until somebody does.
CREATE OR REPLACE FUNCTION ledger.suspend(
  _currency text, _amount bigint, _arrived boolean, _transaction text, _description text, _source_type text,
  _source_id text
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
  RETURN post_once('suspense', 'txn:' || _transaction || ':suspense', _description, _source_type, _source_id, _currency,
    _amount, _arrived, 'stripe_balance', 'suspense');
END $$;

-- A payout's balance transaction: it left for the bank, or has arrived here again.
CREATE OR REPLACE FUNCTION ledger.payout(
  _currency text, _amount bigint, _arrived boolean, _transaction text, _description text, _source_id text
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
  RETURN post_once(CASE WHEN _arrived THEN 'payout_failed' ELSE 'payout' END, 'txn:' || _transaction, _description,
    'payout', _source_id, _currency, _amount, _arrived, 'stripe_balance', 'payout_in_transit');
END $$;

-- A payout has arrived at the bank, or the bank sent back what had. `_key` is of the payout.
CREATE OR REPLACE FUNCTION ledger.payout_arrived(
  _currency text, _amount bigint, _arrived boolean, _key text, _description text, _source_id text
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
  RETURN post_once(CASE WHEN _arrived THEN 'payout_arrived' ELSE 'payout_failed' END, _key, _description,
    'payout', _source_id, _currency, _amount, _arrived, 'bank', 'payout_in_transit');
END $$;

CREATE OR REPLACE VIEW ledger.processor_movement AS
  SELECT p.entry_id, e.kind::text AS kind, e.source_type, e.source_id, a.currency, -p.amount AS amount, e.recorded_at,
         CASE WHEN e.idempotency_key LIKE 'txn:%' THEN split_part(e.idempotency_key, ':', 2) END AS transaction_id
    FROM ledger.posting p
    JOIN ledger.account a ON a.id = p.account_id AND a.kind = 'stripe_balance'
    JOIN ledger.ledger_entry e ON e.id = p.entry_id;
COMMENT ON VIEW ledger.processor_movement IS
  'Published: what each entry says came to our balance at the processor (above zero) or left it, in micro-units.';

CREATE OR REPLACE VIEW ledger.suspense_item AS
  SELECT e.source_id, a.currency, sum(p.amount)::bigint AS amount, min(e.effective_at) AS since
    FROM ledger.ledger_entry e
    JOIN ledger.posting p ON p.entry_id = e.id
    JOIN ledger.account a ON a.id = p.account_id AND a.kind = 'suspense'
   WHERE e.kind = 'suspense'
   GROUP BY e.source_id, a.currency;
COMMENT ON VIEW ledger.suspense_item IS
  'Published: what is in suspense of each thing at the processor, by currency, in micro-units, and since when.';
