-- Part of the ledger: see 1_guards.sql.

-- What of a payment can go back to its card: what is left of its lot, as far as it is free in the wallet.
CREATE OR REPLACE FUNCTION ledger.refundable(_charge text) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT greatest(0, least(l.paid - l.refunded - l.disputed - c.consumed, b.balance - b.held))
    FROM ledger.topup_lot l
    JOIN ledger.balance b ON b.account_id = l.wallet_id
   CROSS JOIN LATERAL ledger.spent_of_lots(l.wallet_id, b.balance) c
   WHERE l.charge_id = _charge AND c.charge_id = _charge
$$;

-- The wallet that a payment went to, locked.
CREATE OR REPLACE FUNCTION ledger.lock_wallet_paid_by(_charge text) RETURNS ledger.wallet LANGUAGE plpgsql AS $$
DECLARE
  w ledger.wallet;
BEGIN
  SELECT owner.* INTO w FROM ledger.topup_lot l JOIN ledger.wallet owner ON owner.id = l.wallet_id
   WHERE l.charge_id = _charge;
  IF w.id IS NULL THEN
    RAISE EXCEPTION 'there is no payment %', _charge USING ERRCODE = 'SL006';
  END IF;
  PERFORM 1 FROM ledger.balance WHERE account_id = w.id FOR NO KEY UPDATE;
  RETURN w;
END $$;

-- Money that goes back to the card that it came from. Asked for here, it is what the payment's lot still holds, and NULL
-- comes back for more than that, with nothing changed. `_made` at the processor, it is gone whatever the wallet holds:
-- what is free there goes, and the rest is owed.
CREATE OR REPLACE FUNCTION ledger.refund(
  _charge text, _amount bigint, _made boolean, _key text, _description text, _source_id text
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
  hash bytea := hash_of('refund', _charge, _amount::text, _made::text, _source_id); w wallet; made bigint; taken bigint;
BEGIN
  PERFORM refuse_nothing(_amount, 'a refund');
  w := lock_wallet_paid_by(_charge);
  made := replayed(_key, hash);
  IF made IS NOT NULL THEN
    RETURN made;
  END IF;
  IF NOT _made AND _amount > refundable(_charge) THEN
    RETURN NULL;
  END IF;
  SELECT least(_amount, balance - held) INTO taken FROM balance WHERE account_id = w.id;
  made := post('refund', _key, hash, _description, 'refund', _source_id, NULL, now(),
    ARRAY[w.id, w.receivable_id, system_account('refund_pending', w.currency)],
    ARRAY[-taken, taken - _amount, _amount]);
  UPDATE topup_lot SET refunded = refunded + least(taken, paid - refunded - disputed) WHERE charge_id = _charge;
  RETURN made;
END $$;

-- The processor has sent a refund's money on its way.
CREATE OR REPLACE FUNCTION ledger.refund_succeeded(
  _refund bigint, _key text, _description text, _source_id text
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
  hash bytea := hash_of('refund_succeeded', _refund::text, _source_id); made bigint; pending record;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended(_key, 0));
  made := replayed(_key, hash);
  IF made IS NOT NULL THEN
    RETURN made;
  END IF;
  SELECT p.amount, a.currency INTO pending
    FROM posting p JOIN account a ON a.id = p.account_id AND a.kind = 'refund_pending'
    JOIN ledger_entry e ON e.id = p.entry_id AND e.kind = 'refund'
   WHERE p.entry_id = _refund;
  IF pending.amount IS NULL THEN
    RAISE EXCEPTION 'entry % is no refund', _refund USING ERRCODE = 'SL006';
  END IF;
  RETURN post('refund_succeeded', _key, hash, _description, 'refund', _source_id, NULL, now(),
    ARRAY[system_account('refund_pending', pending.currency), system_account('stripe_balance', pending.currency)],
    ARRAY[-pending.amount, pending.amount]);
END $$;

-- A refund came to nothing, or came back after it had succeeded: its money is in the wallet again, less what is owed.
CREATE OR REPLACE FUNCTION ledger.refund_failed(
  _refund bigint, _charge text, _after_success boolean, _key text, _description text, _source_id text
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
  hash bytea := hash_of('refund_failed', _refund::text, _charge, _after_success::text, _source_id);
  w wallet; made bigint; whole bigint; taken bigint; cleared bigint; was_at text;
BEGIN
  w := lock_wallet_paid_by(_charge);
  made := replayed(_key, hash);
  IF made IS NOT NULL THEN
    RETURN made;
  END IF;
  SELECT sum(p.amount) FILTER (WHERE p.amount > 0), coalesce(-sum(p.amount) FILTER (WHERE p.account_id = w.id), 0)
    INTO whole, taken
    FROM posting p JOIN ledger_entry e ON e.id = p.entry_id AND e.kind = 'refund' WHERE p.entry_id = _refund;
  IF whole IS NULL THEN
    RAISE EXCEPTION 'entry % is no refund', _refund USING ERRCODE = 'SL006';
  END IF;
  was_at := CASE WHEN _after_success THEN 'stripe_balance' ELSE 'refund_pending' END;
  SELECT least(-balance, whole) INTO cleared FROM balance WHERE account_id = w.receivable_id;
  made := post('refund_failed', _key, hash, _description, 'refund', _source_id, NULL, now(),
    ARRAY[w.receivable_id, w.id, system_account(was_at, w.currency)], ARRAY[cleared, whole - cleared, -whole]);
  UPDATE topup_lot SET refunded = greatest(0, refunded - taken) WHERE charge_id = _charge;
  RETURN made;
END $$;

-- A dispute's balance transaction: the processor took the money and a fee of its own, or gave both back. It is ours to
-- bear until the dispute is decided: no wallet changes.
CREATE OR REPLACE FUNCTION ledger.dispute_moved(
  _currency text, _amount bigint, _fee bigint, _given_back boolean, _transaction text, _description text, _source_id text
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
  hash bytea := hash_of('dispute_moved', _currency, _amount::text, _fee::text, _given_back::text, _transaction);
  key text := 'txn:' || _transaction; made bigint; way int := CASE WHEN _given_back THEN 1 ELSE -1 END;
BEGIN
  IF coalesce(_amount, -1) < 0 OR coalesce(_fee, -1) < 0 OR _amount + _fee = 0 THEN
    RAISE EXCEPTION 'a dispute is of something' USING ERRCODE = 'SL006';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended(key, 0));
  made := replayed(key, hash);
  IF made IS NOT NULL THEN
    RETURN made;
  END IF;
  IF NOT EXISTS (SELECT FROM account WHERE code = 'dispute_receivable:' || _currency) THEN
    PERFORM open_books(_currency);
  END IF;
  RETURN post(CASE WHEN _given_back THEN 'dispute_won' ELSE 'dispute' END::entry_kind, key, hash, _description,
    'dispute', _source_id, NULL, now(),
    ARRAY[system_account('dispute_receivable', _currency), system_account('dispute_fees', _currency),
          system_account('stripe_balance', _currency)],
    ARRAY[way * _amount, way * _fee, -way * (_amount + _fee)]);
END $$;

-- A dispute was decided for the card holder: what is free in the wallet pays for it, and the rest is owed. The caller has
-- released what was withheld for it.
CREATE OR REPLACE FUNCTION ledger.dispute_lost(
  _charge text, _amount bigint, _key text, _description text, _source_id text
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
  hash bytea := hash_of('dispute_lost', _charge, _amount::text, _source_id); w wallet; made bigint; taken bigint;
BEGIN
  PERFORM refuse_nothing(_amount, 'a dispute');
  w := lock_wallet_paid_by(_charge);
  made := replayed(_key, hash);
  IF made IS NOT NULL THEN
    RETURN made;
  END IF;
  SELECT least(_amount, balance - held) INTO taken FROM balance WHERE account_id = w.id;
  made := post('dispute_lost', _key, hash, _description, 'dispute', _source_id, NULL, now(),
    ARRAY[w.id, w.receivable_id, system_account('dispute_receivable', w.currency)],
    ARRAY[-taken, taken - _amount, _amount]);
  UPDATE topup_lot SET disputed = disputed + least(taken, paid - refunded - disputed) WHERE charge_id = _charge;
  RETURN made;
END $$;

-- Pays what is owed out of what has become free in the wallet since; NULL where there is nothing to pay or to pay with.
CREATE OR REPLACE FUNCTION ledger.pay_owed(_owner text, _currency text, _description text)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
  w wallet; owed balance; pays bigint;
BEGIN
  w := lock_wallet(_owner, _currency);
  SELECT * INTO owed FROM balance WHERE account_id = w.receivable_id;
  SELECT least(-owed.balance, balance - held) INTO pays FROM balance WHERE account_id = w.id;
  IF pays <= 0 THEN
    RETURN NULL;
  END IF;
  RETURN post('owed_paid', 'owed:' || w.id || ':' || owed.seq, hash_of('pay_owed', w.id::text, owed.seq::text),
    _description, NULL, NULL, NULL, now(), ARRAY[w.receivable_id, w.id], ARRAY[pays, -pays]);
END $$;

-- An operator's correction within the books: no money moves at the processor. What is given pays what is owed, and is
-- promotional money beyond that, so that none of it can be refunded; what is taken comes from promotional money, then
-- from the wallet, and is owed beyond that.
CREATE OR REPLACE FUNCTION ledger.adjust(
  _owner text, _currency text, _amount bigint, _given boolean, _key text, _description text, _source_id text
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
  hash bytea := hash_of('adjust', _owner, _currency, _amount::text, _given::text, _source_id);
  w wallet; made bigint; from_promo bigint; from_wallet bigint; cleared bigint;
BEGIN
  PERFORM refuse_nothing(_amount, 'an adjustment');
  w := lock_wallet(_owner, _currency);
  made := replayed(_key, hash);
  IF made IS NOT NULL THEN
    RETURN made;
  END IF;
  PERFORM keep_lots(w);
  IF _given THEN
    SELECT least(-balance, _amount) INTO cleared FROM balance WHERE account_id = w.receivable_id;
    made := post('adjustment', _key, hash, _description, 'adjustment', _source_id, NULL, now(),
      ARRAY[w.receivable_id, w.promo_id, system_account('adjustments', _currency)],
      ARRAY[cleared, _amount - cleared, -_amount]);
    PERFORM open_lot(w, made, _amount - cleared, NULL);
    RETURN made;
  END IF;
  SELECT least(_amount, greatest(0, balance - held - expired_promo(w.id, balance, clock_timestamp()))) INTO from_promo
    FROM balance WHERE account_id = w.promo_id;
  SELECT least(_amount - from_promo, balance - held) INTO from_wallet FROM balance WHERE account_id = w.id;
  PERFORM take_from_lots(w.id, from_promo, clock_timestamp(), NULL);
  RETURN post('adjustment', _key, hash, _description, 'adjustment', _source_id, NULL, now(),
    ARRAY[w.promo_id, w.id, w.receivable_id, system_account('adjustments', _currency)],
    ARRAY[-from_promo, -from_wallet, from_promo + from_wallet - _amount, _amount]);
END $$;
