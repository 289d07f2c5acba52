-- Part of the ledger: see 1_guards.sql.

CREATE OR REPLACE FUNCTION ledger.open_wallet(_owner text, _currency text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
  w bigint; p bigint; r bigint;
BEGIN
  SELECT id INTO w FROM wallet WHERE owner_id = _owner AND currency = _currency;
  IF w IS NOT NULL THEN
    RETURN w;
  END IF;
  PERFORM open_books(_currency);
  INSERT INTO account (code, kind, owner_id, currency, materialised)
  VALUES ('wallet:' || _owner || ':' || _currency, 'wallet', _owner, _currency, true)
  ON CONFLICT (code) DO NOTHING RETURNING id INTO w;
  IF w IS NULL THEN  -- somebody else opened it while we waited
    RETURN (SELECT id FROM wallet WHERE owner_id = _owner AND currency = _currency);
  END IF;
  INSERT INTO account (code, kind, owner_id, currency, materialised)
  VALUES ('promo:' || _owner || ':' || _currency, 'promo', _owner, _currency, true) RETURNING id INTO p;
  INSERT INTO account (code, kind, owner_id, currency, materialised)
  VALUES ('receivable:' || _owner || ':' || _currency, 'receivable', _owner, _currency, true) RETURNING id INTO r;
  INSERT INTO balance (account_id, min_available, max_balance) VALUES (w, 0, NULL), (p, 0, NULL), (r, NULL, 0);
  INSERT INTO wallet (id, promo_id, receivable_id, owner_id, currency) VALUES (w, p, r, _owner, _currency);
  RETURN w;
END $$;

-- Places a hold: `spending` for what is to run, `withheld` for what nothing may run on. NULL: there is not enough money,
-- and nothing was changed.
CREATE OR REPLACE FUNCTION ledger.place_hold(
  _owner text, _currency text, _amount bigint, _subject text, _kind text, _key text)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
  w wallet; hash bytea := hash_of('place', _owner, _currency, _amount::text, _subject, _kind); placed bigint; promo bigint;
BEGIN
  IF coalesce(_amount, -1) < 0 THEN  -- what costs nothing sets nothing aside
    RAISE EXCEPTION 'a hold is not below zero' USING ERRCODE = 'SL006';
  END IF;
  w := lock_wallet(_owner, _currency);
  placed := replayed_hold(_key, hash);
  IF placed IS NOT NULL THEN
    RETURN placed;
  END IF;
  promo := set_aside(w, _amount, _kind);
  IF promo IS NULL THEN
    RETURN NULL;
  END IF;
  INSERT INTO hold (wallet_id, subject_id, kind, amount, promo_rest) VALUES (w.id, _subject, _kind, _amount, promo)
  RETURNING id INTO placed;
  INSERT INTO hold_event (hold_id, number, kind, amount, idempotency_key, request_hash)
  VALUES (placed, 1, 'placed', _amount, _key, hash);
  RETURN placed;
END $$;

-- Sets more aside on an open hold for what runs. NULL: there is not enough money, and nothing was changed.
CREATE OR REPLACE FUNCTION ledger.extend_hold(_hold bigint, _amount bigint, _key text)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
  w wallet; hash bytea := hash_of('extend', _hold::text, _amount::text); promo bigint; happened int;
BEGIN
  IF coalesce(_amount, 0) <= 0 THEN
    RAISE EXCEPTION 'a hold is extended by something' USING ERRCODE = 'SL006';
  END IF;
  w := lock_wallet_of(_hold);
  IF replayed_hold(_key, hash) IS NOT NULL THEN
    RETURN _hold;
  END IF;
  IF (SELECT closed FROM hold WHERE id = _hold) THEN
    RAISE EXCEPTION 'hold % is closed', _hold USING ERRCODE = 'SL003';
  END IF;
  IF (SELECT kind FROM hold WHERE id = _hold) <> 'spending' THEN
    RAISE EXCEPTION 'hold % is withheld, and nothing runs on it', _hold USING ERRCODE = 'SL006';
  END IF;
  promo := set_aside(w, _amount, 'spending');
  IF promo IS NULL THEN
    RETURN NULL;
  END IF;
  UPDATE hold SET amount = amount + _amount, promo_rest = promo_rest + promo, events = events + 1
   WHERE id = _hold RETURNING events INTO happened;
  INSERT INTO hold_event (hold_id, number, kind, amount, idempotency_key, request_hash)
  VALUES (_hold, happened, 'extended', _amount, _key, hash);
  RETURN _hold;
END $$;

-- Extends many open holds, promotional money first, each only if its wallet still has enough; returns those extended.
-- The caller derives the amounts from what is missing, so a repetition adds nothing.
CREATE OR REPLACE FUNCTION ledger.extend_holds(_holds bigint[], _amounts bigint[])
RETURNS SETOF bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
  PERFORM refuse_unfit(_holds, _amounts);
  PERFORM lock_wallets_of(_holds);
  RETURN QUERY
  WITH wanted AS (
    SELECT h.id, h.wallet_id, l.amount, sum(l.amount) OVER (PARTITION BY h.wallet_id ORDER BY h.id) AS up_to_here
      FROM unnest(_holds, _amounts) AS l(id, amount) JOIN hold h ON h.id = l.id
     WHERE NOT h.closed AND h.kind = 'spending' AND l.amount > 0
  ), possible AS (
    SELECT wanted.id, wanted.wallet_id, w.promo_id, wanted.amount,
           (least(free.promo, up_to_here) - least(free.promo, up_to_here - wanted.amount))::bigint AS promo
      FROM wanted
      JOIN wallet w ON w.id = wanted.wallet_id
      JOIN balance b ON b.account_id = w.id
      JOIN balance p ON p.account_id = w.promo_id
     CROSS JOIN LATERAL (
       SELECT b.balance - b.held AS wallet,
              CASE WHEN p.balance > p.held
                   THEN greatest(0, p.balance - p.held - expired_promo(w.id, p.balance, clock_timestamp()))
                   ELSE 0 END AS promo) free
     WHERE up_to_here <= free.wallet + free.promo
  ), aside AS (
    UPDATE balance b SET held = b.held + total.amount
      FROM (SELECT account_id, sum(part)::bigint AS amount
              FROM possible CROSS JOIN LATERAL (VALUES (wallet_id, amount - promo), (promo_id, promo)) v(account_id, part)
             GROUP BY account_id) total
     WHERE b.account_id = total.account_id AND total.amount > 0
  ), extended AS (
    UPDATE hold h SET amount = h.amount + p.amount, promo_rest = h.promo_rest + p.promo, events = h.events + 1
      FROM possible p WHERE h.id = p.id RETURNING h.id, h.events, p.amount
  )
  INSERT INTO hold_event (hold_id, number, kind, amount)
  SELECT id, events, 'extended', amount FROM extended RETURNING hold_id;
END $$;

-- Gives back of many open holds what is too much, as far as they have it, paid-in money first, since promotional money
-- is to be spent first; returns those that are smaller now. As above, a repetition gives nothing back twice.
CREATE OR REPLACE FUNCTION ledger.shrink_holds(_holds bigint[], _amounts bigint[])
RETURNS SETOF bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
  PERFORM refuse_unfit(_holds, _amounts);
  PERFORM lock_wallets_of(_holds);
  RETURN QUERY
  WITH surplus AS (
    SELECT h.id, h.wallet_id, w.promo_id, given.amount,
           greatest(0, given.amount - (h.amount - h.captured - h.released - h.promo_rest)) AS promo
      FROM unnest(_holds, _amounts) AS l(id, amount)
      JOIN hold h ON h.id = l.id
      JOIN wallet w ON w.id = h.wallet_id
     CROSS JOIN LATERAL (SELECT least(l.amount, h.amount - h.captured - h.released) AS amount) given
     WHERE NOT h.closed AND h.kind = 'spending' AND given.amount > 0
  ), free AS (
    UPDATE balance b SET held = b.held - total.amount
      FROM (SELECT account_id, sum(part)::bigint AS amount
              FROM surplus CROSS JOIN LATERAL (VALUES (wallet_id, amount - promo), (promo_id, promo)) v(account_id, part)
             GROUP BY account_id) total
     WHERE b.account_id = total.account_id AND total.amount > 0
  ), shrunk AS (
    UPDATE hold h SET released = h.released + s.amount, promo_rest = h.promo_rest - s.promo, events = h.events + 1
      FROM surplus s WHERE h.id = s.id RETURNING h.id, h.events, s.amount
  )
  INSERT INTO hold_event (hold_id, number, kind, amount)
  SELECT id, events, 'released', amount FROM shrunk RETURNING hold_id;
END $$;

-- Gives back what is left of a hold and closes it; a closed hold stays as it is.
CREATE OR REPLACE FUNCTION ledger.release_hold(_hold bigint, _key text)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
  w wallet; h hold; hash bytea := hash_of('release', _hold::text); rest bigint;
BEGIN
  w := lock_wallet_of(_hold);
  IF replayed_hold(_key, hash) IS NOT NULL THEN
    RETURN _hold;
  END IF;
  SELECT * INTO h FROM hold WHERE id = _hold;
  IF h.closed THEN
    RETURN _hold;
  END IF;
  rest := h.amount - h.captured - h.released;
  UPDATE balance SET held = held - (rest - h.promo_rest) WHERE account_id = w.id;
  IF h.promo_rest > 0 THEN
    UPDATE balance SET held = held - h.promo_rest WHERE account_id = w.promo_id;
  END IF;
  UPDATE hold SET released = released + rest, promo_rest = 0, closed = true, events = events + 1 WHERE id = _hold;
  INSERT INTO hold_event (hold_id, number, kind, amount, idempotency_key, request_hash)
  VALUES (_hold, h.events + 1, 'released', rest, _key, hash);
  RETURN _hold;
END $$;
