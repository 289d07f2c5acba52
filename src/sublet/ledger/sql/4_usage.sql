-- Part of the ledger: see 1_guards.sql.

-- Takes a charge from a hold, promotional money first, and returns the entry: it is revenue of that kind of meter. More
-- than the hold covers is refused, unless `_overrun`: then free promotional money, the free wallet and finally the
-- receivable bear the difference. Promotional money pays what was `_delivered_to` before it expired.
-- The hot path, a hold on the wallet alone, looks once and then locks the wallet's row by updating it; the guards on
-- wallet, hold and entry notice what changed in between.
CREATE OR REPLACE FUNCTION ledger.capture(
  _hold bigint, _amount bigint, _overrun boolean, _meter_kind text, _key text, _description text,
  _source_type text, _source_id text, _effective_at timestamptz, _delivered_to timestamptz DEFAULT NULL
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
  hash bytea := sha256(convert_to(
    concat_ws(chr(31), 'capture', _hold, _amount, _overrun, _meter_kind, _source_type, _source_id), 'UTF8'));
  seen record; locked boolean := false; after bigint; after_seq bigint; made bigint; happened int;
  from_hold bigint; shifted bigint; held_promo bigint; held_wallet bigint;
  over bigint; over_promo bigint; over_wallet bigint;
  delivered timestamptz := coalesce(_delivered_to, _effective_at); expired bigint := 0; usable bigint; payer wallet;
BEGIN
  IF coalesce(_amount, 0) <= 0 THEN  -- as in refuse_nothing, a call of which would cost each charge
    RAISE EXCEPTION 'a charge is of something' USING ERRCODE = 'SL006';
  END IF;
  LOOP
    SELECT w.id AS wallet_id, w.promo_id, w.receivable_id, h.amount - h.captured - h.released AS rest, h.promo_rest,
           h.kind, h.closed,
           p.balance AS promo, p.balance - p.held AS free_promo,
           w.currency,
           (SELECT a.id FROM account a
             WHERE a.code = 'revenue_' || _meter_kind || ':' || w.currency) AS revenue_id,
           (SELECT e.id FROM ledger_entry e WHERE e.idempotency_key = _key) AS entry_id
      INTO seen
      FROM hold h JOIN wallet w ON w.id = h.wallet_id JOIN balance p ON p.account_id = w.promo_id
     WHERE h.id = _hold;
    IF seen.wallet_id IS NULL THEN
      RAISE EXCEPTION 'there is no hold %', _hold USING ERRCODE = 'SL006';
    END IF;
    IF seen.entry_id IS NOT NULL THEN
      RETURN replayed(_key, hash);
    END IF;
    IF seen.kind <> 'spending' THEN
      RAISE EXCEPTION 'hold % is %, and nothing is charged to it', _hold, seen.kind USING ERRCODE = 'SL006';
    END IF;
    IF seen.closed THEN
      RAISE EXCEPTION 'hold % is closed', _hold USING ERRCODE = 'SL003';
    END IF;
    IF seen.revenue_id IS NULL THEN
      RAISE EXCEPTION 'there is no account revenue_%:%', _meter_kind, seen.currency USING ERRCODE = 'SL006';
    END IF;
    EXIT WHEN locked;
    IF _amount <= seen.rest AND seen.promo_rest = 0 AND seen.free_promo = 0 THEN
      UPDATE balance SET balance = balance - _amount, held = held - _amount, seq = seq + 1
       WHERE account_id = seen.wallet_id AND held >= _amount RETURNING balance, seq INTO after, after_seq;
      UPDATE hold SET captured = captured + _amount, events = events + 1
       WHERE id = _hold AND after IS NOT NULL AND promo_rest = 0 AND _amount <= amount - captured - released
      RETURNING events INTO happened;
      IF happened IS NOT NULL THEN
        INSERT INTO ledger_entry
          (kind, idempotency_key, request_hash, description, source_type, source_id, effective_at)
        VALUES ('usage', _key, hash, _description, _source_type, _source_id, _effective_at)
        ON CONFLICT (idempotency_key) DO NOTHING RETURNING id INTO made;
      END IF;
      IF made IS NOT NULL THEN
        INSERT INTO hold_event (hold_id, number, kind, amount, entry_id)
        VALUES (_hold, happened, 'captured', _amount, made);
        INSERT INTO posting (entry_id, line, account_id, amount, account_seq, balance_after)
        VALUES (made, 1, seen.wallet_id, -_amount, after_seq, after), (made, 2, seen.revenue_id, _amount, NULL, NULL);
        RETURN made;
      END IF;
      -- While we waited for the wallet, somebody wrote this very request or used the hold: undo, and look again.
      IF happened IS NOT NULL THEN
        UPDATE hold SET captured = captured - _amount, events = events - 1 WHERE id = _hold;
      END IF;
      IF after IS NOT NULL THEN
        UPDATE balance SET balance = balance + _amount, held = held + _amount, seq = seq - 1
         WHERE account_id = seen.wallet_id;
      END IF;
    END IF;
    PERFORM 1 FROM balance WHERE account_id = seen.wallet_id FOR NO KEY UPDATE;
    locked := true;  -- the next look sees everything that decides
  END LOOP;

  IF seen.promo > 0 THEN
    expired := expired_promo(seen.wallet_id, seen.promo, delivered);
  END IF;
  IF expired > 0 THEN
    -- What expired before this was delivered is of no use: neither free, nor to the hold.
    SELECT * INTO payer FROM wallet WHERE id = seen.wallet_id;
    PERFORM keep_lots(payer);
    usable := seen.promo - expired;
    seen.free_promo := seen.free_promo + greatest(0, seen.promo_rest - usable);
    IF seen.promo_rest > usable THEN
      PERFORM back_otherwise(payer, _hold, seen.promo_rest - usable);
      SELECT amount - captured - released, promo_rest INTO seen.rest, seen.promo_rest FROM hold WHERE id = _hold;
    END IF;
    seen.free_promo := greatest(0, seen.free_promo - expired);
  END IF;
  IF _amount > seen.rest AND _overrun IS NOT TRUE THEN
    RAISE EXCEPTION 'hold % has % left, not %', _hold, seen.rest, _amount USING ERRCODE = 'SL003';
  END IF;
  from_hold := least(_amount, seen.rest);
  -- Promotional money that came after the hold goes first too: it takes over part of what the wallet covers.
  shifted := least(seen.free_promo, greatest(from_hold - seen.promo_rest, 0));
  held_promo := least(from_hold, seen.promo_rest + shifted);
  held_wallet := from_hold - held_promo;
  over := _amount - from_hold;
  over_promo := least(over, seen.free_promo - shifted);
  over_wallet := least(over - over_promo, (SELECT balance - held FROM balance WHERE account_id = seen.wallet_id) + shifted);
  IF expired > 0 THEN
    PERFORM take_from_lots(payer.id, held_promo + over_promo, delivered, NULL);
  END IF;
  UPDATE balance SET held = held - held_wallet - shifted WHERE account_id = seen.wallet_id;
  UPDATE balance SET held = held - held_promo + shifted WHERE account_id = seen.promo_id;
  made := post('usage', _key, hash, _description, _source_type, _source_id, NULL, _effective_at,
    ARRAY[seen.promo_id, seen.wallet_id, seen.receivable_id, seen.revenue_id],
    ARRAY[-held_promo - over_promo, -held_wallet - over_wallet, over_promo + over_wallet - over, _amount]);
  IF from_hold > 0 THEN
    WITH used AS (
      UPDATE hold SET captured = captured + from_hold, promo_rest = promo_rest + shifted - held_promo,
                      events = events + 1
       WHERE id = _hold RETURNING events
    )
    INSERT INTO hold_event (hold_id, number, kind, amount, entry_id)
    SELECT _hold, used.events, 'captured', from_hold, made FROM used;
  END IF;
  RETURN made;
END $$;

-- Charges many holds in one entry, promotional money first, one line for each wallet and each promo account. Holds that
-- cannot bear their charge, or whose wallet has promotional money that expired, are left alone: the result names the
-- holds charged, and the caller charges the rest singly.
CREATE OR REPLACE FUNCTION ledger.capture_batch(
  _holds bigint[], _amounts bigint[], _currency text, _meter_kind text, _key text, _description text,
  _source_type text, _source_id text, _effective_at timestamptz
) RETURNS TABLE (charged_hold_id bigint, charged_entry_id bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
  hash bytea := hash_of('capture_batch', _holds::text, _amounts::text, _currency, _meter_kind, _source_type, _source_id);
  revenue_id bigint := system_account('revenue_' || _meter_kind, _currency); made bigint;
  able bigint[]; charge bigint[]; owns bigint[]; shifts bigint[];
BEGIN
  PERFORM refuse_unfit(_holds, _amounts);
  PERFORM lock_wallets_of(_holds);
  made := replayed(_key, hash);
  IF made IS NOT NULL THEN
    RETURN QUERY SELECT e.hold_id, e.entry_id FROM hold_event e
      WHERE e.hold_id = ANY (_holds) AND e.entry_id = made;
    RETURN;
  END IF;
  -- Of each charge, `own` is borne by the hold's own promotional money, and `shift` by promotional money that came after
  -- the hold and takes over part of what the wallet covers, as in `capture`: of one wallet, in the order of its holds.
  SELECT array_agg(id), array_agg(amount), array_agg(amount - rest),
         array_agg(least(free_promo, up_to_here) - least(free_promo, up_to_here - rest))
    INTO able, charge, owns, shifts
    FROM (SELECT h.id, l.amount, p.balance - p.held AS free_promo, greatest(l.amount - h.promo_rest, 0) AS rest,
                 sum(greatest(l.amount - h.promo_rest, 0)) OVER (PARTITION BY h.wallet_id ORDER BY h.id)::bigint
                   AS up_to_here
            FROM unnest(_holds, _amounts) AS l(id, amount)
            JOIN hold h ON h.id = l.id
            JOIN wallet w ON w.id = h.wallet_id AND w.currency = _currency
            JOIN balance p ON p.account_id = w.promo_id
           WHERE l.amount > 0 AND l.amount <= h.amount - h.captured - h.released AND h.kind = 'spending'
             AND NOT (p.balance > 0 AND EXISTS (SELECT FROM promo_lot x WHERE x.wallet_id = w.id AND x.rest > 0
                                                   AND x.expires_at < clock_timestamp() OFFSET 0))) asked;
  IF able IS NULL THEN
    RETURN;
  END IF;
  INSERT INTO ledger_entry (kind, idempotency_key, request_hash, description, source_type, source_id, effective_at)
  VALUES ('usage_batch', _key, hash, _description, _source_type, _source_id, _effective_at) RETURNING id INTO made;
  WITH charged AS (
    UPDATE hold h SET captured = h.captured + l.amount, promo_rest = h.promo_rest - l.own, events = h.events + 1
      FROM unnest(able, charge, owns, shifts) AS l(id, amount, own, shift) WHERE h.id = l.id
    RETURNING h.id, h.wallet_id, h.events, l.amount, l.own, l.shift
  ), noted AS (
    INSERT INTO hold_event (hold_id, number, kind, amount, entry_id)
    SELECT c.id, c.events, 'captured', c.amount, made FROM charged c
  ), borne AS (
    SELECT c.wallet_id, sum(c.amount)::bigint AS amount, sum(c.own)::bigint AS own, sum(c.shift)::bigint AS shift
      FROM charged c GROUP BY c.wallet_id
  ), part AS (
    SELECT wallet_id AS account_id, amount - own - shift AS spent, amount - own AS freed FROM borne
    UNION ALL
    SELECT w.promo_id, own + shift, own FROM borne JOIN wallet w ON w.id = borne.wallet_id WHERE own + shift > 0
  ), moved AS (
    UPDATE balance b SET balance = b.balance - part.spent, held = b.held - part.freed, seq = b.seq + (part.spent > 0)::int
      FROM part WHERE b.account_id = part.account_id AND part.spent + part.freed > 0
    RETURNING b.account_id, b.seq, b.balance, part.spent
  )
  INSERT INTO posting (entry_id, line, account_id, amount, account_seq, balance_after)
  SELECT made, 1, revenue_id, sum(c.amount)::bigint, NULL, NULL FROM charged c
  UNION ALL
  SELECT made, 1 + row_number() OVER ()::int, m.account_id, -m.spent, m.seq, m.balance FROM moved m WHERE m.spent > 0;
  RETURN QUERY SELECT unnest(able), made;
END $$;
