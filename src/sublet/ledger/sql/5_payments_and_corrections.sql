-- Part of the ledger: see 1_guards.sql.

-- A card payment: clears what is owed first, then fills the wallet.
CREATE OR REPLACE FUNCTION ledger.top_up(
  _owner text, _currency text, _amount bigint, _payment_intent text, _charge text, _description text,
  _source_type text, _source_id text
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
  hash bytea := hash_of('top_up', _owner, _currency, _amount::text, _payment_intent, _charge);
  key text := 'pi:' || _payment_intent; w wallet; entry_id bigint; cleared bigint;
BEGIN
  PERFORM refuse_nothing(_amount, 'a payment');
  w := lock_wallet(_owner, _currency);
  entry_id := replayed(key, hash);
  IF entry_id IS NOT NULL THEN
    RETURN entry_id;
  END IF;
  SELECT least(-balance, _amount) INTO cleared FROM balance WHERE account_id = w.receivable_id;
  entry_id := post('top_up', key, hash, _description, _source_type, _source_id, NULL, now(),
    ARRAY[w.receivable_id, w.id, system_account('stripe_balance', _currency)],
    ARRAY[cleared, _amount - cleared, -_amount]);
  INSERT INTO topup_lot (charge_id, payment_intent_id, wallet_id, entry_id, paid)
  VALUES (_charge, _payment_intent, w.id, entry_id, _amount);
  RETURN entry_id;
END $$;

-- What the card processor kept of a payment, by its balance transaction; in the currency that it settles in, which no
-- wallet may have brought into the books yet.
CREATE OR REPLACE FUNCTION ledger.stripe_fee(
  _currency text, _amount bigint, _transaction text, _description text, _source_type text, _source_id text
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
  hash bytea := hash_of('stripe_fee', _currency, _amount::text, _transaction);
  key text := 'txn:' || _transaction || ':fee'; entry_id bigint;
BEGIN
  PERFORM refuse_nothing(_amount, 'a fee');
  PERFORM pg_advisory_xact_lock(hashtextextended(key, 0));
  entry_id := replayed(key, hash);
  IF entry_id IS NOT NULL THEN
    RETURN entry_id;
  END IF;
  IF NOT EXISTS (SELECT FROM account WHERE code = 'stripe_fees:' || _currency) THEN
    PERFORM open_books(_currency);
  END IF;
  RETURN post('stripe_fee', key, hash, _description, _source_type, _source_id, NULL, now(),
    ARRAY[system_account('stripe_fees', _currency), system_account('stripe_balance', _currency)],
    ARRAY[-_amount, _amount]);
END $$;

-- Promotional money: spent first, never refunded. NULL: it does not expire.
CREATE OR REPLACE FUNCTION ledger.grant_credit(
  _owner text, _currency text, _amount bigint, _key text, _description text, _expires_at timestamptz DEFAULT NULL,
  _source_type text DEFAULT NULL, _source_id text DEFAULT NULL
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
  hash bytea := hash_of('credit', _owner, _currency, _amount::text, extract(epoch FROM _expires_at)::text, _source_id);
  w wallet; entry_id bigint;
BEGIN
  PERFORM refuse_nothing(_amount, 'a credit');
  w := lock_wallet(_owner, _currency);
  entry_id := replayed(_key, hash);
  IF entry_id IS NOT NULL THEN
    RETURN entry_id;
  END IF;
  IF _expires_at <= clock_timestamp() THEN
    RAISE EXCEPTION 'a credit does not expire before it is given' USING ERRCODE = 'SL006';
  END IF;
  PERFORM keep_lots(w);
  entry_id := post('credit', _key, hash, _description, _source_type, _source_id, NULL, now(),
    ARRAY[w.promo_id, system_account('promo_expense', _currency)], ARRAY[_amount, -_amount]);
  PERFORM open_lot(w, entry_id, _amount, _expires_at);
  RETURN entry_id;
END $$;

-- What a customer is given for time that was promised and not delivered: spent first, never refunded, and less revenue.
CREATE OR REPLACE FUNCTION ledger.service_credit(
  _owner text, _currency text, _amount bigint, _key text, _description text, _source_id text
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
  hash bytea := hash_of('service_credit', _owner, _currency, _amount::text, _source_id); w wallet; entry_id bigint;
BEGIN
  PERFORM refuse_nothing(_amount, 'a credit');
  w := lock_wallet(_owner, _currency);
  entry_id := replayed(_key, hash);
  IF entry_id IS NOT NULL THEN
    RETURN entry_id;
  END IF;
  PERFORM keep_lots(w);
  entry_id := post('service_credit', _key, hash, _description, 'subject', _source_id, NULL, now(),
    ARRAY[w.promo_id, system_account('sla_contra_revenue', _currency)], ARRAY[_amount, -_amount]);
  PERFORM open_lot(w, entry_id, _amount, NULL);
  RETURN entry_id;
END $$;

-- The opposite of an entry of usage or of a credit, once; what was owed for it and has been paid since goes to the
-- wallet. A credit is taken out of its own lot first; promotional money that comes back is a lot that does not expire.
-- Nothing else is reversed: what came by card is refunded through the card processor.
CREATE OR REPLACE FUNCTION ledger.reverse(_entry bigint, _key text, _description text)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
  hash bytea := hash_of('reverse', _entry::text); entry_id bigint; accounts bigint[]; amounts bigint[];
  payer wallet; promo bigint;
BEGIN
  IF (SELECT kind IN ('usage', 'usage_batch', 'credit') FROM ledger_entry WHERE id = _entry) IS NOT TRUE THEN
    RAISE EXCEPTION 'entry % cannot be reversed', _entry USING ERRCODE = 'SL006';
  END IF;
  PERFORM 1 FROM balance
    WHERE account_id IN (SELECT w.id FROM wallet w JOIN account a USING (owner_id, currency)
                          WHERE a.id IN (SELECT p.account_id FROM posting p WHERE p.entry_id = _entry))
    ORDER BY account_id FOR NO KEY UPDATE;
  entry_id := replayed(_key, hash);
  IF entry_id IS NOT NULL THEN
    RETURN entry_id;
  END IF;
  WITH opposite AS (
    SELECT p.account_id, -p.amount AS amount, w.id AS wallet_id, greatest(0, b.balance - p.amount) AS paid_since
      FROM posting p
      LEFT JOIN wallet w ON w.receivable_id = p.account_id
      LEFT JOIN balance b ON b.account_id = w.receivable_id
     WHERE p.entry_id = _entry
  ), line AS (
    SELECT account_id, amount - paid_since AS amount FROM opposite
    UNION ALL
    SELECT wallet_id, paid_since FROM opposite  -- a line of zero, and so left out, unless something was paid
  ), total AS (
    SELECT account_id, sum(amount)::bigint AS amount FROM line GROUP BY account_id
  )
  SELECT array_agg(account_id ORDER BY account_id), array_agg(amount ORDER BY account_id) INTO accounts, amounts
    FROM total;
  IF EXISTS (SELECT FROM promo_lot l WHERE l.entry_id = _entry AND l.expired > 0) THEN
    RAISE EXCEPTION 'entry % cannot be reversed: its credit has expired', _entry USING ERRCODE = 'SL006';
  END IF;
  FOR payer IN SELECT owner.* FROM wallet owner WHERE owner.promo_id = ANY (accounts) LOOP
    PERFORM keep_lots(payer);
  END LOOP;
  entry_id := post('reversal', _key, hash, _description, NULL, NULL, _entry, now(), accounts, amounts);
  FOR payer IN SELECT owner.* FROM wallet owner WHERE owner.promo_id = ANY (accounts) LOOP
    promo := amounts[array_position(accounts, payer.promo_id)];
    PERFORM open_lot(payer, entry_id, promo, NULL);
    PERFORM take_from_lots(payer.id, -promo, clock_timestamp(),
      (SELECT l.id FROM promo_lot l WHERE l.entry_id = _entry AND l.wallet_id = payer.id));
  END LOOP;
  RETURN entry_id;
END $$;
