-- Part of the ledger: see 1_guards.sql.

-- Functions that only other functions of the ledger may execute.

-- The entry that this key already made, or NULL; the same key for another request is an error of its own.
CREATE OR REPLACE FUNCTION ledger.replayed(_key text, _hash bytea) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
  earlier record;
BEGIN
  SELECT id, request_hash INTO earlier FROM ledger.ledger_entry WHERE idempotency_key = _key;
  IF earlier.request_hash <> _hash THEN
    RAISE EXCEPTION 'the key % belongs to another request', _key USING ERRCODE = 'SL001';
  END IF;
  RETURN earlier.id;
END $$;

CREATE OR REPLACE FUNCTION ledger.replayed_hold(_key text, _hash bytea) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
  earlier record;
BEGIN
  SELECT hold_id, request_hash INTO earlier FROM ledger.hold_event WHERE idempotency_key = _key;
  IF earlier.request_hash <> _hash THEN
    RAISE EXCEPTION 'the key % belongs to another request', _key USING ERRCODE = 'SL001';
  END IF;
  RETURN earlier.hold_id;
END $$;

CREATE OR REPLACE FUNCTION ledger.hash_of(VARIADIC _parts text[]) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
  SELECT sha256(convert_to(_parts::text, 'UTF8'))
$$;

CREATE OR REPLACE FUNCTION ledger.system_account(_kind text, _currency text) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
  found_id bigint;
BEGIN
  SELECT id INTO found_id FROM ledger.account WHERE code = _kind || ':' || _currency AND NOT materialised;
  IF found_id IS NULL THEN
    RAISE EXCEPTION 'there is no account %:%', _kind, _currency USING ERRCODE = 'SL006';
  END IF;
  RETURN found_id;
END $$;

-- Locks the wallet's row, and with it all money of that organization in that currency.
CREATE OR REPLACE FUNCTION ledger.lock_wallet(_owner text, _currency text) RETURNS ledger.wallet LANGUAGE plpgsql AS $$
DECLARE
  w ledger.wallet;
BEGIN
  SELECT * INTO w FROM ledger.wallet WHERE owner_id = _owner AND currency = _currency;
  IF w.id IS NULL THEN
    RAISE EXCEPTION '% has no wallet in %', _owner, _currency USING ERRCODE = 'SL002';
  END IF;
  PERFORM 1 FROM ledger.balance WHERE account_id = w.id FOR NO KEY UPDATE;
  RETURN w;
END $$;

-- The wallet of a hold, locked as above.
CREATE OR REPLACE FUNCTION ledger.lock_wallet_of(_hold bigint) RETURNS ledger.wallet LANGUAGE plpgsql AS $$
DECLARE
  w ledger.wallet;
BEGIN
  SELECT owner.* INTO w FROM ledger.hold h JOIN ledger.wallet owner ON owner.id = h.wallet_id WHERE h.id = _hold;
  IF w.id IS NULL THEN
    RAISE EXCEPTION 'there is no hold %', _hold USING ERRCODE = 'SL006';
  END IF;
  PERFORM 1 FROM ledger.balance WHERE account_id = w.id FOR NO KEY UPDATE;
  RETURN w;
END $$;

-- The wallets of many holds, locked as above, in the one order.
CREATE OR REPLACE FUNCTION ledger.lock_wallets_of(_holds bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
  PERFORM 1 FROM balance
    WHERE account_id IN (SELECT wallet_id FROM hold WHERE id = ANY (_holds))
    ORDER BY account_id FOR NO KEY UPDATE;
END $$;

-- Amounts are of something: which way they go, each function says itself.
CREATE OR REPLACE FUNCTION ledger.refuse_nothing(_amount bigint, _what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF coalesce(_amount, 0) <= 0 THEN
    RAISE EXCEPTION '% is of something', _what USING ERRCODE = 'SL006';
  END IF;
END $$;

-- A batch is about each hold once: what is added up by hold and what is written to its row would differ otherwise. It
-- has an amount for each, which may be nothing.
CREATE OR REPLACE FUNCTION ledger.refuse_unfit(_holds bigint[], _amounts bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  unfit bigint;
BEGIN
  SELECT id INTO unfit FROM unnest(_holds) AS l(id) GROUP BY id HAVING count(*) > 1 LIMIT 1;
  IF unfit IS NOT NULL THEN
    RAISE EXCEPTION 'hold % is named twice', unfit USING ERRCODE = 'SL006';
  END IF;
  IF EXISTS (SELECT FROM unnest(_holds, _amounts) AS l(id, amount) WHERE l.id IS NULL OR coalesce(l.amount, -1) < 0) THEN
    RAISE EXCEPTION 'a batch has a hold to each amount, and none is below zero' USING ERRCODE = 'SL006';
  END IF;
END $$;

-- Sets money of a locked wallet aside: to be spent, promotional money first; withheld, as what was paid in and taken
-- back, promotional money last. What has expired of that is not there. Returns how much of it is promotional. NULL: there
-- is not enough, and nothing changed.
CREATE OR REPLACE FUNCTION ledger.set_aside(_w ledger.wallet, _amount bigint, _kind text)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  free bigint; free_promo bigint; from_promo bigint;
BEGIN
  SELECT balance - held INTO free FROM ledger.balance WHERE account_id = _w.id;
  SELECT greatest(0, balance - held - ledger.expired_promo(_w.id, balance, clock_timestamp())) INTO free_promo
    FROM ledger.balance WHERE account_id = _w.promo_id;
  IF free + free_promo < _amount THEN
    RETURN NULL;
  END IF;
  from_promo := CASE _kind WHEN 'withheld' THEN greatest(_amount - free, 0) ELSE least(free_promo, _amount) END;
  UPDATE ledger.balance SET held = held + _amount - from_promo WHERE account_id = _w.id;
  IF from_promo > 0 THEN
    UPDATE ledger.balance SET held = held + from_promo WHERE account_id = _w.promo_id;
  END IF;
  RETURN from_promo;
END $$;

-- Writes an entry whose line i moves amounts[i] on accounts[i]; lines of zero are left out.
-- The caller has locked the wallets concerned and looked for a replay.
CREATE OR REPLACE FUNCTION ledger.post(
  _kind ledger.entry_kind, _key text, _hash bytea, _description text, _source_type text, _source_id text, _reverses bigint,
  _effective_at timestamptz, _accounts bigint[], _amounts bigint[]
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  entry_id bigint;
BEGIN
  INSERT INTO ledger.ledger_entry
    (kind, idempotency_key, request_hash, description, source_type, source_id, reverses_entry_id, effective_at)
  VALUES (_kind, _key, _hash, _description, _source_type, _source_id, _reverses, _effective_at)
  RETURNING id INTO entry_id;
  WITH lines AS (
    SELECT l.account_id, l.amount, row_number() OVER (ORDER BY l.place)::int AS line
      FROM unnest(_accounts, _amounts) WITH ORDINALITY AS l(account_id, amount, place)
     WHERE l.amount <> 0
  ), moved AS (
    UPDATE ledger.balance b SET balance = b.balance + l.amount, seq = b.seq + 1
      FROM lines l WHERE l.account_id = b.account_id
    RETURNING b.account_id, b.seq, b.balance
  )
  INSERT INTO ledger.posting (entry_id, line, account_id, amount, account_seq, balance_after)
  SELECT entry_id, l.line, l.account_id, l.amount, m.seq, m.balance
    FROM lines l LEFT JOIN moved m ON m.account_id = l.account_id;
  RETURN entry_id;
END $$;

-- Our own accounts in a currency: one of each kind that no customer has.
CREATE OR REPLACE FUNCTION ledger.open_books(_currency text) RETURNS void LANGUAGE sql AS $$
  INSERT INTO ledger.account (code, kind, currency, materialised)
  SELECT kind || ':' || _currency, kind, _currency, false
    FROM unnest(enum_range(NULL::ledger.account_kind)) AS kind
   WHERE kind NOT IN ('wallet', 'promo', 'receivable')
  ON CONFLICT (code) DO NOTHING
$$;

-- How much of each lot of a wallet is spent while so much is in the wallet: the oldest first. What is spent of a payment
-- is written nowhere. It follows from what came in, what went back and what is there, and this is all that says it.
CREATE OR REPLACE FUNCTION ledger.spent_of_lots(_wallet bigint, _balance bigint)
RETURNS TABLE (charge_id text, consumed bigint) LANGUAGE sql STABLE AS $$
  SELECT lots.charge_id,
         least(room, greatest(0, sum(room) OVER () - _balance - (sum(room) OVER older - room)))::bigint
    FROM (SELECT l.charge_id, l.entry_id, l.paid - l.refunded - l.disputed AS room
            FROM ledger.topup_lot l WHERE l.wallet_id = _wallet) lots
  WINDOW older AS (ORDER BY entry_id)
$$;
