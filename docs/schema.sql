-- The schema of a migrated database, by pg_dump. Written by `make schema`, and held by a test; never edited.

CREATE SCHEMA ledger;

CREATE TYPE ledger.account_kind AS ENUM (
    'wallet',
    'promo',
    'receivable',
    'stripe_balance',
    'payout_in_transit',
    'bank',
    'dispute_receivable',
    'refund_pending',
    'revenue_compute',
    'revenue_storage',
    'revenue_reserved',
    'revenue_egress',
    'sla_contra_revenue',
    'promo_expense',
    'adjustments',
    'stripe_fees',
    'dispute_fees',
    'bad_debt',
    'tax_payable',
    'fx',
    'rounding',
    'suspense'
);

CREATE TYPE ledger.entry_kind AS ENUM (
    'top_up',
    'stripe_fee',
    'usage',
    'usage_batch',
    'credit',
    'reversal',
    'credit_expired',
    'service_credit',
    'adjustment',
    'write_off',
    'refund',
    'refund_succeeded',
    'refund_failed',
    'dispute',
    'dispute_won',
    'dispute_lost',
    'payout',
    'payout_arrived',
    'fx',
    'suspense',
    'owed_paid',
    'payout_failed'
);

CREATE TYPE ledger.hold_event_kind AS ENUM (
    'placed',
    'extended',
    'captured',
    'released'
);

CREATE FUNCTION ledger.adjust(_owner text, _currency text, _amount bigint, _given boolean, _key text, _description text, _source_id text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'ledger', 'pg_temp'
    AS $$
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



CREATE TABLE ledger.wallet (
    id bigint NOT NULL,
    promo_id bigint NOT NULL,
    receivable_id bigint NOT NULL,
    owner_id text NOT NULL,
    currency text NOT NULL,
    CONSTRAINT wallet_check CHECK (((id < promo_id) AND (promo_id < receivable_id)))
);

CREATE FUNCTION ledger.back_otherwise(_w ledger.wallet, _hold bigint, _amount bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
  moved bigint; happened int;
BEGIN
  SELECT least(_amount, balance - held) INTO moved FROM ledger.balance WHERE account_id = _w.id;
  UPDATE ledger.balance SET held = held + moved WHERE account_id = _w.id;
  UPDATE ledger.balance SET held = held - _amount WHERE account_id = _w.promo_id;
  UPDATE ledger.hold SET promo_rest = promo_rest - _amount, released = released + _amount - moved,
                         events = events + (_amount > moved)::int
   WHERE id = _hold RETURNING events INTO happened;
  IF _amount > moved THEN
    INSERT INTO ledger.hold_event (hold_id, number, kind, amount) VALUES (_hold, happened, 'released', _amount - moved);
  END IF;
END $$;

CREATE FUNCTION ledger.capture(_hold bigint, _amount bigint, _overrun boolean, _meter_kind text, _key text, _description text, _source_type text, _source_id text, _effective_at timestamp with time zone, _delivered_to timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'ledger', 'pg_temp'
    AS $$
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

CREATE FUNCTION ledger.capture_batch(_holds bigint[], _amounts bigint[], _currency text, _meter_kind text, _key text, _description text, _source_type text, _source_id text, _effective_at timestamp with time zone) RETURNS TABLE(charged_hold_id bigint, charged_entry_id bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'ledger', 'pg_temp'
    AS $$
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

CREATE FUNCTION ledger.check_postings() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
  fault text; closed text;
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
           -- who looks at one moment for long would not see that a month was closed since
           WHEN current_setting('transaction_isolation') <> 'read committed' THEN 'needs to see what is committed'
         END,
         (SELECT c.month FROM ledger.ledger_entry h JOIN ledger.month_close c ON c.ends_at > h.effective_at
           WHERE h.id = min(n.entry_id) ORDER BY c.ends_at LIMIT 1)
    INTO fault, closed
    FROM added n
    LEFT JOIN LATERAL (SELECT currency, materialised FROM ledger.account WHERE id = n.account_id OFFSET 0) a ON true;
  IF fault IS NOT NULL THEN
    RAISE EXCEPTION 'an entry %', fault USING ERRCODE = 'SL005';
  END IF;
  IF closed IS NOT NULL THEN
    RAISE EXCEPTION '% is closed', closed USING ERRCODE = 'SL007';
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION ledger.close_month(_month text, _by text) RETURNS timestamp with time zone
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'ledger', 'pg_temp'
    AS $$
DECLARE
  last month_close; starts timestamptz := month_starts(_month); ends timestamptz := month_ends(_month);
BEGIN
  IF starts IS NULL THEN
    RAISE EXCEPTION 'the books have no calendar' USING ERRCODE = 'SL006';
  END IF;
  LOCK TABLE ledger_entry IN SHARE ROW EXCLUSIVE MODE;
  SELECT * INTO last FROM month_close ORDER BY ends_at DESC LIMIT 1;
  IF ends > clock_timestamp() THEN
    RAISE EXCEPTION '% is not over', _month USING ERRCODE = 'SL008';
  END IF;
  IF starts < last.ends_at THEN
    RAISE EXCEPTION '% is closed', _month USING ERRCODE = 'SL008';
  END IF;
  IF starts > last.ends_at THEN
    RAISE EXCEPTION 'the month after % is not closed', last.month USING ERRCODE = 'SL008';
  END IF;
  INSERT INTO month_close (month, starts_at, ends_at, closed_by) VALUES (_month, starts, ends, _by);
  INSERT INTO month_total (month, kind, currency, opening, debits, credits)
  SELECT _month, kind, currency, coalesce(o.opening, 0), coalesce(m.debits, 0), coalesce(m.credits, 0)
    FROM (SELECT t.kind, t.currency, t.opening + t.credits - t.debits AS opening
            FROM month_total t WHERE t.month = last.month
          UNION ALL
          SELECT b.kind, b.currency, b.credits - b.debits
            FROM moved_between('-infinity', starts) b WHERE last.month IS NULL) o
    FULL JOIN moved_between(starts, ends) m USING (kind, currency);
  RETURN ends;
END $$;

CREATE FUNCTION ledger.dispute_lost(_charge text, _amount bigint, _key text, _description text, _source_id text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'ledger', 'pg_temp'
    AS $$
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

CREATE FUNCTION ledger.dispute_moved(_currency text, _amount bigint, _fee bigint, _given_back boolean, _transaction text, _description text, _source_id text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'ledger', 'pg_temp'
    AS $$
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

CREATE FUNCTION ledger.exchange(_given_currency text, _given bigint, _got_currency text, _got bigint, _arrived boolean, _transaction text, _description text, _source_type text, _source_id text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'ledger', 'pg_temp'
    AS $$
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

CREATE FUNCTION ledger.expire_credit(_lot bigint, _description text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'ledger', 'pg_temp'
    AS $$
DECLARE
  lot promo_lot; w wallet; key text := 'expired:' || _lot; hash bytea := hash_of('expire_credit', _lot::text);
  made bigint; too_much bigint; h record; part bigint; is_late boolean;
BEGIN
  SELECT owner.* INTO w FROM promo_lot l JOIN wallet owner ON owner.id = l.wallet_id WHERE l.id = _lot;
  IF w.id IS NULL THEN
    RAISE EXCEPTION 'there is no lot %', _lot USING ERRCODE = 'SL006';
  END IF;
  PERFORM 1 FROM balance WHERE account_id = w.id FOR NO KEY UPDATE;
  made := replayed(key, hash);
  IF made IS NOT NULL THEN
    RETURN made;
  END IF;
  PERFORM keep_lots(w);
  SELECT * INTO lot FROM promo_lot WHERE id = _lot;
  IF (lot.expires_at < clock_timestamp()) IS NOT TRUE THEN
    RAISE EXCEPTION 'lot % has not expired', _lot USING ERRCODE = 'SL006';
  END IF;
  IF lot.rest = 0 THEN
    RETURN NULL;
  END IF;
  SELECT greatest(0, held - (balance - lot.rest)) INTO too_much FROM balance WHERE account_id = w.promo_id;
  FOR h IN SELECT id, promo_rest FROM hold WHERE wallet_id = w.id AND NOT closed AND promo_rest > 0 ORDER BY id DESC LOOP
    EXIT WHEN too_much = 0;
    part := least(too_much, h.promo_rest);
    PERFORM back_otherwise(w, h.id, part);
    too_much := too_much - part;
  END LOOP;
  is_late := coalesce(lot.expires_at < (SELECT max(ends_at) FROM month_close), false);
  made := post('credit_expired', key, hash, _description, 'credit', _lot::text, NULL,
    CASE WHEN is_late THEN now() ELSE lot.expires_at END,
    ARRAY[w.promo_id, system_account('promo_expense', w.currency)], ARRAY[-lot.rest, lot.rest]);
  IF is_late THEN
    PERFORM name_corrected(made, month_of(lot.expires_at));
  END IF;
  UPDATE promo_lot SET rest = 0, expired = lot.rest WHERE id = _lot;
  RETURN made;
END $$;

CREATE FUNCTION ledger.expired_promo(_wallet bigint, _balance bigint, _at timestamp with time zone) RETURNS bigint
    LANGUAGE sql STABLE
    AS $$
  SELECT greatest(0, least(coalesce(sum(rest) FILTER (WHERE expires_at < _at), 0),
                           _balance - coalesce(sum(rest) FILTER (WHERE (expires_at < _at) IS NOT TRUE), 0)))::bigint
    FROM ledger.promo_lot WHERE _balance > 0 AND wallet_id = _wallet AND rest > 0
$$;

CREATE FUNCTION ledger.extend_hold(_hold bigint, _amount bigint, _key text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'ledger', 'pg_temp'
    AS $$
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

CREATE FUNCTION ledger.extend_holds(_holds bigint[], _amounts bigint[]) RETURNS SETOF bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'ledger', 'pg_temp'
    AS $$
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

CREATE FUNCTION ledger.grant_credit(_owner text, _currency text, _amount bigint, _key text, _description text, _expires_at timestamp with time zone DEFAULT NULL::timestamp with time zone, _source_type text DEFAULT NULL::text, _source_id text DEFAULT NULL::text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'ledger', 'pg_temp'
    AS $$
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

CREATE FUNCTION ledger.hash_of(VARIADIC _parts text[]) RETURNS bytea
    LANGUAGE sql IMMUTABLE
    AS $$
  SELECT sha256(convert_to(_parts::text, 'UTF8'))
$$;

CREATE FUNCTION ledger.keep_calendar(_time_zone text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'ledger', 'pg_temp'
    AS $$
DECLARE
  kept text;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_timezone_names WHERE name = _time_zone) THEN
    RAISE EXCEPTION 'there is no time zone %', _time_zone USING ERRCODE = 'SL006';
  END IF;
  SELECT time_zone INTO kept FROM calendar;
  IF kept = _time_zone THEN
    RETURN kept;
  END IF;
  LOCK TABLE ledger_entry IN SHARE ROW EXCLUSIVE MODE;
  INSERT INTO calendar (time_zone) VALUES (_time_zone) ON CONFLICT (only_row) DO UPDATE
    SET time_zone = excluded.time_zone WHERE NOT EXISTS (SELECT FROM ledger_entry);
  RETURN (SELECT time_zone FROM calendar);
END $$;

CREATE FUNCTION ledger.keep_lots(_w ledger.wallet) RETURNS void
    LANGUAGE sql
    AS $$
  UPDATE ledger.promo_lot l SET rest = now_left.remains
    FROM ledger.balance p CROSS JOIN LATERAL ledger.left_of_lots(_w.id, p.balance) now_left
   WHERE p.account_id = _w.promo_id AND l.id = now_left.lot_id AND l.rest <> now_left.remains
$$;

CREATE FUNCTION ledger.left_of_lots(_wallet bigint, _balance bigint) RETURNS TABLE(lot_id bigint, remains bigint)
    LANGUAGE sql STABLE
    AS $$
  SELECT id, (rest - least(rest, greatest(0, sum(rest) OVER () - _balance - (sum(rest) OVER sooner - rest))))::bigint
    FROM ledger.promo_lot WHERE wallet_id = _wallet AND rest > 0
  WINDOW sooner AS (ORDER BY expires_at NULLS LAST, id)
$$;

CREATE FUNCTION ledger.lock_wallet(_owner text, _currency text) RETURNS ledger.wallet
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION ledger.lock_wallet_of(_hold bigint) RETURNS ledger.wallet
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION ledger.lock_wallet_paid_by(_charge text) RETURNS ledger.wallet
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION ledger.lock_wallets_of(_holds bigint[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'ledger', 'pg_temp'
    AS $$
BEGIN
  PERFORM 1 FROM balance
    WHERE account_id IN (SELECT wallet_id FROM hold WHERE id = ANY (_holds))
    ORDER BY account_id FOR NO KEY UPDATE;
END $$;

CREATE FUNCTION ledger.month_ends(_month text) RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    AS $$
  SELECT (to_date(_month, 'YYYY-MM') + interval '1 month')::timestamp AT TIME ZONE time_zone FROM ledger.calendar
$$;

CREATE FUNCTION ledger.month_of(_at timestamp with time zone) RETURNS text
    LANGUAGE sql STABLE
    AS $$
  SELECT to_char(_at AT TIME ZONE time_zone, 'YYYY-MM') FROM ledger.calendar
$$;

CREATE FUNCTION ledger.month_starts(_month text) RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    AS $$
  SELECT to_date(_month, 'YYYY-MM')::timestamp AT TIME ZONE time_zone FROM ledger.calendar
$$;

CREATE FUNCTION ledger.moved_between(_from timestamp with time zone, _until timestamp with time zone) RETURNS TABLE(kind ledger.account_kind, currency text, debits numeric, credits numeric)
    LANGUAGE sql STABLE
    AS $$
  SELECT a.kind, a.currency, coalesce(-sum(p.amount) FILTER (WHERE p.amount < 0), 0),
         coalesce(sum(p.amount) FILTER (WHERE p.amount > 0), 0)
    FROM ledger.ledger_entry e
    JOIN ledger.posting p ON p.entry_id = e.id
    JOIN ledger.account a ON a.id = p.account_id
   WHERE e.effective_at >= _from AND e.effective_at < _until
   GROUP BY a.kind, a.currency
$$;

CREATE FUNCTION ledger.name_corrected(_entry bigint, _month text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'ledger', 'pg_temp'
    AS $$
DECLARE
  named text;
BEGIN
  SELECT month INTO named FROM correction WHERE entry_id = _entry;
  IF named IS NULL AND EXISTS (SELECT FROM ledger_entry e JOIN month_close c ON c.month = _month
                                WHERE e.id = _entry AND e.effective_at >= c.ends_at) THEN
    INSERT INTO correction (entry_id, month) VALUES (_entry, _month);
    RETURN _entry;
  END IF;
  IF named IS DISTINCT FROM _month THEN
    RAISE EXCEPTION 'entry % corrects nothing in %', _entry, _month USING ERRCODE = 'SL006';
  END IF;
  RETURN _entry;
END $$;

CREATE FUNCTION ledger.open_books(_currency text) RETURNS void
    LANGUAGE sql
    AS $$
  INSERT INTO ledger.account (code, kind, currency, materialised)
  SELECT kind || ':' || _currency, kind, _currency, false
    FROM unnest(enum_range(NULL::ledger.account_kind)) AS kind
   WHERE kind NOT IN ('wallet', 'promo', 'receivable')
  ON CONFLICT (code) DO NOTHING
$$;

CREATE FUNCTION ledger.open_lot(_w ledger.wallet, _entry bigint, _amount bigint, _expires_at timestamp with time zone) RETURNS bigint
    LANGUAGE sql
    AS $$
  INSERT INTO ledger.promo_lot (wallet_id, entry_id, amount, rest, expires_at)
  SELECT _w.id, _entry, _amount, _amount, _expires_at WHERE _amount > 0 RETURNING id
$$;

CREATE FUNCTION ledger.open_wallet(_owner text, _currency text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'ledger', 'pg_temp'
    AS $$
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

CREATE FUNCTION ledger.pay_owed(_owner text, _currency text, _description text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'ledger', 'pg_temp'
    AS $$
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

CREATE FUNCTION ledger.payout(_currency text, _amount bigint, _arrived boolean, _transaction text, _description text, _source_id text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'ledger', 'pg_temp'
    AS $$
BEGIN
  RETURN post_once(CASE WHEN _arrived THEN 'payout_failed' ELSE 'payout' END, 'txn:' || _transaction, _description,
    'payout', _source_id, _currency, _amount, _arrived, 'stripe_balance', 'payout_in_transit');
END $$;

CREATE FUNCTION ledger.payout_arrived(_currency text, _amount bigint, _arrived boolean, _key text, _description text, _source_id text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'ledger', 'pg_temp'
    AS $$
BEGIN
  RETURN post_once(CASE WHEN _arrived THEN 'payout_arrived' ELSE 'payout_failed' END, _key, _description,
    'payout', _source_id, _currency, _amount, _arrived, 'bank', 'payout_in_transit');
END $$;

CREATE FUNCTION ledger.place_hold(_owner text, _currency text, _amount bigint, _subject text, _kind text, _key text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'ledger', 'pg_temp'
    AS $$
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

CREATE FUNCTION ledger.post(_kind ledger.entry_kind, _key text, _hash bytea, _description text, _source_type text, _source_id text, _reverses bigint, _effective_at timestamp with time zone, _accounts bigint[], _amounts bigint[]) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION ledger.post_once(_kind text, _key text, _description text, _source_type text, _source_id text, _currency text, _amount bigint, _there boolean, _to text, _from text) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION ledger.range_hash(_prev bytea, _from bigint, _to bigint) RETURNS bytea
    LANGUAGE sql STABLE
    AS $$
  SELECT sha256(_prev || int8send(_from) || int8send(_to) || coalesce(string_agg(digest, ''::bytea ORDER BY id), ''))
    FROM (SELECT e.id, ledger.hash_of(
                   e.id::text, e.kind::text, e.idempotency_key, encode(e.request_hash, 'hex'), e.description, e.source_type,
                   e.source_id, e.reverses_entry_id::text, extract(epoch FROM e.effective_at)::text,
                   extract(epoch FROM e.recorded_at)::text,
                   (SELECT array_agg(ARRAY[p.line, p.account_id, p.amount, p.account_seq, p.balance_after]
                                     ORDER BY p.line)::text
                      FROM ledger.posting p WHERE p.entry_id = e.id)) AS digest
            FROM ledger.ledger_entry e WHERE e.id BETWEEN _from AND _to) entries
$$;

CREATE FUNCTION ledger.refund(_charge text, _amount bigint, _made boolean, _key text, _description text, _source_id text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'ledger', 'pg_temp'
    AS $$
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

CREATE FUNCTION ledger.refund_failed(_refund bigint, _charge text, _after_success boolean, _key text, _description text, _source_id text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'ledger', 'pg_temp'
    AS $$
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

CREATE FUNCTION ledger.refund_succeeded(_refund bigint, _key text, _description text, _source_id text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'ledger', 'pg_temp'
    AS $$
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

CREATE FUNCTION ledger.refundable(_charge text) RETURNS bigint
    LANGUAGE sql STABLE
    AS $$
  SELECT greatest(0, least(l.paid - l.refunded - l.disputed - c.consumed, b.balance - b.held))
    FROM ledger.topup_lot l
    JOIN ledger.balance b ON b.account_id = l.wallet_id
   CROSS JOIN LATERAL ledger.spent_of_lots(l.wallet_id, b.balance) c
   WHERE l.charge_id = _charge AND c.charge_id = _charge
$$;

CREATE FUNCTION ledger.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'SL004';
END $$;

CREATE FUNCTION ledger.refuse_nothing(_amount bigint, _what text) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
  IF coalesce(_amount, 0) <= 0 THEN
    RAISE EXCEPTION '% is of something', _what USING ERRCODE = 'SL006';
  END IF;
END $$;

CREATE FUNCTION ledger.refuse_other_lot() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  RAISE EXCEPTION 'of a lot, only what is left and what expired changes' USING ERRCODE = 'SL004';
END $$;

CREATE FUNCTION ledger.refuse_unfit(_holds bigint[], _amounts bigint[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION ledger.release_hold(_hold bigint, _key text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'ledger', 'pg_temp'
    AS $$
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

CREATE FUNCTION ledger.replayed(_key text, _hash bytea) RETURNS bigint
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
  earlier record;
BEGIN
  SELECT id, request_hash INTO earlier FROM ledger.ledger_entry WHERE idempotency_key = _key;
  IF earlier.request_hash <> _hash THEN
    RAISE EXCEPTION 'the key % belongs to another request', _key USING ERRCODE = 'SL001';
  END IF;
  RETURN earlier.id;
END $$;

CREATE FUNCTION ledger.replayed_hold(_key text, _hash bytea) RETURNS bigint
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
  earlier record;
BEGIN
  SELECT hold_id, request_hash INTO earlier FROM ledger.hold_event WHERE idempotency_key = _key;
  IF earlier.request_hash <> _hash THEN
    RAISE EXCEPTION 'the key % belongs to another request', _key USING ERRCODE = 'SL001';
  END IF;
  RETURN earlier.hold_id;
END $$;

CREATE FUNCTION ledger.reverse(_entry bigint, _key text, _description text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'ledger', 'pg_temp'
    AS $$
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

CREATE FUNCTION ledger.seal_ranges(_entries_each integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'ledger', 'pg_temp'
    AS $$
DECLARE
  top bigint; mark seal_mark; last_seal seal; sealed bigint := 0; first_id bigint; last_id bigint; prev bytea;
  most CONSTANT int := 200;
BEGIN
  IF pg_current_xact_id_if_assigned() IS NOT NULL THEN
    RAISE EXCEPTION 'sealing needs a transaction of its own' USING ERRCODE = 'SL006';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('ledger.seal', 0));
  SELECT CASE WHEN is_called THEN last_value ELSE 0 END INTO top FROM entry_id;
  SELECT * INTO mark FROM seal_mark;
  SELECT * INTO last_seal FROM seal ORDER BY from_id DESC LIMIT 1;
  last_id := coalesce(last_seal.to_id, 0);
  prev := coalesce(last_seal.hash, '\x00');
  IF mark.bound <= pg_snapshot_xmin(pg_current_snapshot()) THEN
    LOOP
      first_id := last_id + 1;
      SELECT max(id) INTO last_id FROM (
        SELECT id FROM ledger_entry WHERE id BETWEEN first_id AND mark.up_to ORDER BY id LIMIT _entries_each) range;
      EXIT WHEN last_id IS NULL;
      INSERT INTO seal (from_id, to_id, prev_hash, hash)
      VALUES (first_id, last_id, prev, range_hash(prev, first_id, last_id)) RETURNING hash INTO prev;
      sealed := sealed + 1;
      IF sealed = most THEN
        RETURN sealed;
      END IF;
    END LOOP;
  ELSIF mark.bound <= pg_current_xact_id() THEN
    RETURN 0;  -- still waiting for somebody; a bound from the future came with a dump and is replaced
  END IF;
  IF top > coalesce(mark.up_to, 0) OR mark.bound > pg_current_xact_id() THEN
    INSERT INTO seal_mark (up_to, bound) VALUES (top, pg_current_xact_id())
    ON CONFLICT (only_row) DO UPDATE SET up_to = excluded.up_to, bound = excluded.bound;
  END IF;
  RETURN sealed;
END $$;

CREATE FUNCTION ledger.service_credit(_owner text, _currency text, _amount bigint, _key text, _description text, _source_id text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'ledger', 'pg_temp'
    AS $$
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

CREATE FUNCTION ledger.set_aside(_w ledger.wallet, _amount bigint, _kind text) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION ledger.shrink_holds(_holds bigint[], _amounts bigint[]) RETURNS SETOF bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'ledger', 'pg_temp'
    AS $$
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

CREATE FUNCTION ledger.spent_of_lots(_wallet bigint, _balance bigint) RETURNS TABLE(charge_id text, consumed bigint)
    LANGUAGE sql STABLE
    AS $$
  SELECT lots.charge_id,
         least(room, greatest(0, sum(room) OVER () - _balance - (sum(room) OVER older - room)))::bigint
    FROM (SELECT l.charge_id, l.entry_id, l.paid - l.refunded - l.disputed AS room
            FROM ledger.topup_lot l WHERE l.wallet_id = _wallet) lots
  WINDOW older AS (ORDER BY entry_id)
$$;

CREATE FUNCTION ledger.stripe_fee(_currency text, _amount bigint, _transaction text, _description text, _source_type text, _source_id text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'ledger', 'pg_temp'
    AS $$
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

CREATE FUNCTION ledger.suspend(_currency text, _amount bigint, _arrived boolean, _transaction text, _description text, _source_type text, _source_id text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'ledger', 'pg_temp'
    AS $$
BEGIN
  RETURN post_once('suspense', 'txn:' || _transaction || ':suspense', _description, _source_type, _source_id, _currency,
    _amount, _arrived, 'stripe_balance', 'suspense');
END $$;

CREATE FUNCTION ledger.system_account(_kind text, _currency text) RETURNS bigint
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
  found_id bigint;
BEGIN
  SELECT id INTO found_id FROM ledger.account WHERE code = _kind || ':' || _currency AND NOT materialised;
  IF found_id IS NULL THEN
    RAISE EXCEPTION 'there is no account %:%', _kind, _currency USING ERRCODE = 'SL006';
  END IF;
  RETURN found_id;
END $$;

CREATE FUNCTION ledger.take_from_lots(_wallet bigint, _amount bigint, _at timestamp with time zone, _first bigint) RETURNS void
    LANGUAGE sql
    AS $$
  UPDATE ledger.promo_lot l SET rest = l.rest - part.taken
    FROM (SELECT id, least(rest, greatest(0, _amount - (sum(rest) OVER earlier - rest)))::bigint AS taken
            FROM ledger.promo_lot WHERE wallet_id = _wallet AND rest > 0
          WINDOW earlier AS (ORDER BY id IS NOT DISTINCT FROM _first DESC, (expires_at < _at) IS TRUE,
                                      expires_at NULLS LAST, id)) part
   WHERE l.id = part.id AND part.taken > 0
$$;

CREATE FUNCTION ledger.top_up(_owner text, _currency text, _amount bigint, _payment_intent text, _charge text, _description text, _source_type text, _source_id text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'ledger', 'pg_temp'
    AS $$
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

CREATE FUNCTION public.auto_top_up_so_far(of_organization text, in_currency text, since timestamp with time zone) RETURNS TABLE(charged bigint, declines bigint, latest timestamp with time zone, under_way text)
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
  month_began timestamptz := coalesce((SELECT m.starts_at FROM ledger.present_month m), '-infinity');
BEGIN
  RETURN QUERY
  WITH made AS (
    SELECT t.id, t.state, t.created_at, coalesce(t.credited, t.amount) AS amount
      FROM public.top_up t
     WHERE t.organization_id = of_organization AND t.currency = in_currency AND t.purpose = 'auto_top_up'
  ), paid AS (
    SELECT max(m.created_at) AS at FROM made m WHERE m.state = 'succeeded'
  )
  SELECT coalesce(sum(m.amount) FILTER (WHERE m.state NOT IN ('failed', 'expired')
                                          AND m.created_at >= month_began), 0)::bigint,
         count(*) FILTER (WHERE m.state IN ('failed', 'expired')
                            AND m.created_at > greatest(since, paid.at)),
         max(m.created_at),
         max(m.id) FILTER (WHERE m.state IN ('pending', 'processing', 'needs_action'))
    FROM made m CROSS JOIN paid;
END $$;

CREATE FUNCTION public.auto_top_up_within_bounds() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
  wanted public.auto_top_up;
  so_far record;
BEGIN
  SELECT * INTO wanted FROM public.auto_top_up a
   WHERE a.organization_id = NEW.organization_id AND a.currency = NEW.currency FOR UPDATE;
  SELECT * INTO so_far FROM public.auto_top_up_so_far(NEW.organization_id, NEW.currency, wanted.set_at);
  IF wanted.enabled IS DISTINCT FROM true THEN
    RAISE EXCEPTION 'auto top-up is off' USING ERRCODE = 'check_violation', CONSTRAINT = 'auto_top_up_enabled';
  ELSIF so_far.declines >= 3 THEN
    RAISE EXCEPTION 'auto top-up has stopped: three charges came to nothing'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'auto_top_up_declines';
  ELSIF so_far.charged + NEW.amount > wanted.monthly_cap THEN
    RAISE EXCEPTION 'auto top-up would pass its monthly cap'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'auto_top_up_monthly_cap';
  ELSIF so_far.latest > clock_timestamp() - interval '1 hour' THEN
    RAISE EXCEPTION 'auto top-up was attempted less than an hour ago'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'auto_top_up_hourly';
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION public.claim_fits() RETURNS trigger
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
DECLARE
  fits boolean;
BEGIN
  PERFORM FROM node_room WHERE node_id = NEW.node_id FOR NO KEY UPDATE;
  IF (TG_OP = 'INSERT' OR NOT NEW.during <@ OLD.during)
     AND NOT (NEW.vcpu = 0 AND EXISTS (
           SELECT FROM claim c
            WHERE c.subject_id = NEW.subject_id AND c.node_id = NEW.node_id AND c.disk_gib >= NEW.disk_gib
              AND c.until = lower(NEW.during))) THEN
    SELECT most.vcpu <= r.vcpu AND most.memory_mib <= r.memory_mib AND most.disk_gib <= r.disk_gib INTO fits
      FROM node_room r, claimed_most(NEW.node_id, NEW.during) most
     WHERE r.node_id = NEW.node_id;
    IF fits IS NOT TRUE THEN
      RAISE EXCEPTION 'node % has not enough left for claim % in %', NEW.node_id, NEW.id, NEW.during
        USING ERRCODE = 'check_violation', CONSTRAINT = 'claim_fits';
    END IF;
  END IF;
  IF TG_OP = 'UPDATE' THEN
    -- A GPU that was taken out of the claim before keeps its own end: others may have had it since.
    UPDATE gpu_claim SET during = NEW.during WHERE claim_id = NEW.id AND until = OLD.until;
  END IF;
  PERFORM node_recount(NEW.node_id);
  RETURN NULL;
END $$;

CREATE FUNCTION public.claim_may_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  IF OLD.until <= clock_timestamp() THEN
    RAISE EXCEPTION 'claim % has ended and stays so', OLD.id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'claim_ended';
  ELSIF isempty(NEW.during) AND lower(OLD.during) <= clock_timestamp()
        OR lower(NEW.during) IS DISTINCT FROM lower(OLD.during) AND NOT isempty(NEW.during) THEN
    RAISE EXCEPTION 'claim % begins when it begins', OLD.id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'claim_begins';
  END IF;
  RETURN NEW;
END $$;

CREATE TABLE public.claim (
    id text NOT NULL,
    subject_id text NOT NULL,
    node_id text NOT NULL,
    sku_id text NOT NULL,
    vcpu integer NOT NULL,
    memory_mib bigint NOT NULL,
    disk_gib bigint NOT NULL,
    gpu_count integer NOT NULL,
    during tstzrange NOT NULL,
    until timestamp with time zone GENERATED ALWAYS AS (
CASE
    WHEN isempty(during) THEN '-infinity'::timestamp with time zone
    WHEN upper_inf(during) THEN 'infinity'::timestamp with time zone
    ELSE upper(during)
END) STORED NOT NULL,
    blocked_at timestamp with time zone,
    blocked_reason text,
    whole_node boolean DEFAULT false NOT NULL,
    CONSTRAINT claim_check CHECK (((blocked_at IS NULL) = (blocked_reason IS NULL))),
    CONSTRAINT claim_disk_gib_check CHECK ((disk_gib > 0)),
    CONSTRAINT claim_during_check CHECK ((isempty(during) OR (lower_inc(during) AND (NOT lower_inf(during)) AND (NOT upper_inc(during))))),
    CONSTRAINT claim_gpu_count_check CHECK ((gpu_count >= 0)),
    CONSTRAINT claim_takes CHECK ((((vcpu > 0) AND (memory_mib > 0)) OR ((vcpu = 0) AND (memory_mib = 0) AND (gpu_count = 0) AND (NOT whole_node))))
);

CREATE TABLE public.node_room (
    node_id text NOT NULL,
    ready boolean NOT NULL,
    accepts_until timestamp with time zone NOT NULL,
    labels jsonb NOT NULL,
    limits_enforced boolean NOT NULL,
    vcpu bigint NOT NULL,
    memory_mib bigint NOT NULL,
    disk_gib bigint NOT NULL,
    disk_allowed_gib bigint,
    taken_vcpu bigint DEFAULT 0 NOT NULL,
    taken_memory_mib bigint DEFAULT 0 NOT NULL,
    taken_disk_gib bigint DEFAULT 0 NOT NULL,
    gpus_free bigint DEFAULT 0 NOT NULL,
    booked boolean DEFAULT false NOT NULL,
    counted_until timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    vcpu_free bigint GENERATED ALWAYS AS ((vcpu - taken_vcpu)) STORED NOT NULL,
    memory_free_mib bigint GENERATED ALWAYS AS ((memory_mib - taken_memory_mib)) STORED NOT NULL,
    disk_free_gib bigint GENERATED ALWAYS AS ((LEAST(disk_gib, disk_allowed_gib) - taken_disk_gib)) STORED NOT NULL,
    load bigint GENERATED ALWAYS AS (COALESCE(GREATEST(((taken_vcpu * 1000) / NULLIF(vcpu, 0)), ((taken_memory_mib * 1000) / NULLIF(memory_mib, 0)), ((taken_disk_gib * 1000) / NULLIF(disk_gib, 0))), (0)::bigint)) STORED NOT NULL
)
WITH (fillfactor='50');

CREATE FUNCTION public.claimed_most(node text, during tstzrange) RETURNS TABLE(vcpu bigint, memory_mib bigint, disk_gib bigint)
    LANGUAGE sql STABLE
    BEGIN ATOMIC
 SELECT (COALESCE(max(sums.vcpu), (0)::numeric))::bigint AS "coalesce",
     (COALESCE(max(sums.memory_mib), (0)::numeric))::bigint AS "coalesce",
     (COALESCE(max(sums.disk_gib), (0)::numeric))::bigint AS "coalesce"
    FROM ( SELECT sum(change.vcpu) OVER in_time AS vcpu,
             sum(change.memory_mib) OVER in_time AS memory_mib,
             sum(change.disk_gib) OVER in_time AS disk_gib
            FROM (((public.claim c
              JOIN public.node_room r USING (node_id))
              CROSS JOIN LATERAL ( VALUES (
                         CASE
                             WHEN c.whole_node THEN GREATEST((c.vcpu)::bigint, r.vcpu)
                             ELSE (c.vcpu)::bigint
                         END,
                         CASE
                             WHEN c.whole_node THEN GREATEST(c.memory_mib, r.memory_mib)
                             ELSE c.memory_mib
                         END)) takes(vcpu, memory_mib))
              CROSS JOIN LATERAL ( VALUES (lower(c.during),takes.vcpu,takes.memory_mib,c.disk_gib), (c.until,(- takes.vcpu),(- takes.memory_mib),(- c.disk_gib))) change(at, vcpu, memory_mib, disk_gib))
           WHERE ((c.node_id = claimed_most.node) AND (c.until > lower(claimed_most.during)) AND (c.during && claimed_most.during))
           WINDOW in_time AS (ORDER BY change.at)) sums;
END;

CREATE FUNCTION public.data_clock_is_not_stretched() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  IF OLD.renewed_at IS NOT NULL AND NEW.renewed_at IS DISTINCT FROM OLD.renewed_at THEN
    RAISE EXCEPTION 'the data clock of % was renewed already', OLD.organization_id USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.deletes_at > OLD.deletes_at AND NEW.renewed_at IS NOT DISTINCT FROM OLD.renewed_at
     AND (NEW.told_days > 1 OR OLD.told_days = 1 OR NEW.deletes_at > clock_timestamp() + interval '1 day') THEN
    RAISE EXCEPTION 'the data clock of % moves for a late last notice alone', OLD.organization_id
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION public.dispute_answer_ends_once() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  RAISE EXCEPTION 'answer % has ended, and stays as it was sent', OLD.id USING ERRCODE = 'check_violation';
END $$;

CREATE FUNCTION public.finding_tells() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO finding_history (finding_id, what, note) VALUES (NEW.id, 'opened', NEW.severity);
    RETURN NULL;
  END IF;
  IF NEW.severity <> OLD.severity THEN
    INSERT INTO finding_history (finding_id, what, note) VALUES (NEW.id, 'severity', NEW.severity);
  END IF;
  IF NEW.owner_id IS DISTINCT FROM OLD.owner_id THEN
    INSERT INTO finding_history (finding_id, what, by_name, note)
    VALUES (NEW.id, CASE WHEN NEW.owner_id IS NULL THEN 'given_back' ELSE 'assigned' END, NEW.assigned_by,
            coalesce(NEW.owner_name, OLD.owner_name));
  END IF;
  IF NEW.until IS NOT NULL THEN
    INSERT INTO finding_history (finding_id, what, by_name, note)
    VALUES (NEW.id, CASE WHEN NEW.settled_by IS NULL THEN 'closed' ELSE 'resolved' END, NEW.settled_by, NEW.resolution);
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION public.gpu_claim_belongs() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
  during tstzrange;
BEGIN
  SELECT c.during INTO during FROM claim c JOIN gpu_stock g USING (node_id)
   WHERE c.id = NEW.claim_id AND g.uuid = NEW.gpu_uuid;
  IF NEW.during IS DISTINCT FROM during THEN
    RAISE EXCEPTION 'GPU % is not on the node, or not for the time, of claim %', NEW.gpu_uuid, NEW.claim_id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'gpu_claim_belongs';
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION public.gpu_claims_counted() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  PERFORM node_recount(node_id)
     FROM (SELECT DISTINCT c.node_id FROM changed JOIN claim c ON c.id = changed.claim_id ORDER BY 1) nodes;
  RETURN NULL;
END $$;

CREATE FUNCTION public.gpu_room_follows() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  PERFORM node_recount(NEW.node_id);
  RETURN NULL;
END $$;

CREATE TABLE public.gpu (
    uuid text NOT NULL,
    node_id text NOT NULL,
    model text NOT NULL,
    memory_mib integer NOT NULL,
    state text NOT NULL,
    seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    quarantine_code text,
    quarantine_reason text,
    quarantined_at timestamp with time zone,
    CONSTRAINT gpu_memory_mib_check CHECK ((memory_mib >= 0)),
    CONSTRAINT gpu_quarantine_check CHECK (((num_nulls(quarantine_code, quarantine_reason, quarantined_at) = ANY (ARRAY[0, 3])) AND ((state = 'quarantined'::text) OR (quarantine_code IS NULL)))),
    CONSTRAINT gpu_quarantine_code_check CHECK ((quarantine_code ~ '^[a-z0-9_]{1,60}$'::text)),
    CONSTRAINT gpu_quarantine_reason_check CHECK (((length(quarantine_reason) >= 1) AND (length(quarantine_reason) <= 500))),
    CONSTRAINT gpu_state_check CHECK ((state = ANY (ARRAY['available'::text, 'quarantined'::text, 'missing'::text]))),
    CONSTRAINT gpu_uuid_check CHECK (((length(uuid) >= 1) AND (length(uuid) <= 100)))
);

CREATE TABLE public.gpu_claim (
    claim_id text NOT NULL,
    gpu_uuid text NOT NULL,
    during tstzrange NOT NULL,
    until timestamp with time zone GENERATED ALWAYS AS (
CASE
    WHEN isempty(during) THEN '-infinity'::timestamp with time zone
    WHEN upper_inf(during) THEN 'infinity'::timestamp with time zone
    ELSE upper(during)
END) STORED NOT NULL
);

CREATE VIEW public.gpu_stock AS
 SELECT uuid,
    node_id,
    model,
    (state = 'available'::text) AS available
   FROM public.gpu;

CREATE FUNCTION public.gpus_free_in(node text, during tstzrange) RETURNS TABLE(uuid text, model text)
    LANGUAGE sql STABLE
    BEGIN ATOMIC
 SELECT g.uuid,
     g.model
    FROM public.gpu_stock g
   WHERE ((g.node_id = gpus_free_in.node) AND g.available AND (NOT (EXISTS ( SELECT
            FROM public.gpu_claim c
           WHERE ((c.gpu_uuid = g.uuid) AND (c.until > lower(gpus_free_in.during)) AND (c.during && gpus_free_in.during))))));
END;

CREATE TABLE public.gpu_room (
    node_id text NOT NULL,
    model text NOT NULL,
    free bigint NOT NULL,
    memory_free_mib bigint NOT NULL,
    vcpu_free bigint NOT NULL
)
WITH (fillfactor='50');

CREATE FUNCTION public.gpu_room_in(during tstzrange) RETURNS TABLE(node_id text, model text, free bigint, memory_free_mib bigint, vcpu_free bigint)
    LANGUAGE sql STABLE
    BEGIN ATOMIC
 SELECT g.node_id,
     g.model,
         CASE
             WHEN r.booked THEN ( SELECT count(*) AS count
                FROM public.gpus_free_in(g.node_id, gpu_room_in.during) f(uuid, model)
               WHERE ((g.model = ''::text) OR (g.model = f.model)))
             ELSE g.free
         END AS free,
     g.memory_free_mib,
     g.vcpu_free
    FROM (public.gpu_room g
      JOIN public.node_room r USING (node_id));
END;

CREATE FUNCTION public.node_closed(state text, fresh_until timestamp with time zone, no_entry boolean, helper_too_old boolean, inodes_free bigint, at timestamp with time zone) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (state <> 'ready'::text) THEN 'state'::text WHEN (fresh_until <= at) THEN 'not_seen'::text WHEN helper_too_old THEN 'old_helper'::text WHEN no_entry THEN 'no_entry'::text WHEN (inodes_free < 10000) THEN 'no_inodes'::text ELSE NULL::text END;

CREATE FUNCTION public.node_recount(node text) RETURNS void
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
DECLARE
  from_now tstzrange;
BEGIN
  PERFORM FROM node_room WHERE node_id = node FOR NO KEY UPDATE;
  from_now := tstzrange(clock_timestamp(), NULL);
  UPDATE node_room r
     SET taken_vcpu = most.vcpu, taken_memory_mib = most.memory_mib, taken_disk_gib = most.disk_gib,
         gpus_free = (SELECT count(*) FROM gpus_free_in(node, from_now)),
         booked = timed.booked, counted_until = timed.until
    FROM claimed_most(node, from_now) most,
         (SELECT coalesce(min(c.until), 'infinity') AS until,
                 coalesce(bool_or(c.until < 'infinity' OR lower(c.during) > lower(from_now)), false) AS booked
            FROM claim c WHERE c.node_id = node AND c.until > lower(from_now)) timed
   WHERE r.node_id = node;
  INSERT INTO gpu_room AS r (node_id, model, free, memory_free_mib, vcpu_free)
    SELECT n.node_id, of_model.model, of_model.free, n.memory_free_mib, n.vcpu_free
      FROM node_room n
     CROSS JOIN LATERAL (
             SELECT one.model, count(*) FILTER (WHERE one.free) AS free
               FROM (SELECT kind.model, f.uuid IS NOT NULL AS free
                       FROM gpu_stock s
                       LEFT JOIN gpus_free_in(node, from_now) f USING (uuid)
                      CROSS JOIN LATERAL (SELECT '' AS model UNION SELECT s.model) kind
                      WHERE s.node_id = node
                     UNION ALL
                     -- A model that is no longer there has none left.
                     SELECT known.model, false FROM gpu_room known WHERE known.node_id = node) one
              GROUP BY one.model) of_model
     WHERE n.node_id = node
    ON CONFLICT (node_id, model) DO UPDATE
      SET free = excluded.free, memory_free_mib = excluded.memory_free_mib, vcpu_free = excluded.vcpu_free;
END $$;

CREATE FUNCTION public.node_room_follows() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO node_room (node_id, ready, accepts_until, labels, limits_enforced, vcpu, memory_mib, disk_gib,
                           disk_allowed_gib)
      SELECT node_id, state = 'ready', accepts_until, labels, limits_enforced, vcpu, memory_mib, disk_gib, disk_free_gib
        FROM node_capacity WHERE node_id = NEW.id;
    RETURN NULL;
  END IF;
  UPDATE node_room r
     SET ready = n.state = 'ready', accepts_until = n.accepts_until, labels = n.labels,
         limits_enforced = n.limits_enforced, vcpu = n.vcpu, memory_mib = n.memory_mib, disk_gib = n.disk_gib,
         disk_allowed_gib = CASE WHEN NEW.fresh_until = OLD.fresh_until THEN r.disk_allowed_gib
                                 WHEN n.disk_free_gib IS NOT NULL THEN
                                   least(greatest(coalesce(r.disk_allowed_gib, n.disk_free_gib + r.taken_disk_gib),
                                                  n.disk_free_gib),
                                         n.disk_free_gib + r.taken_disk_gib) END
    FROM node_capacity n
   WHERE r.node_id = NEW.id AND n.node_id = NEW.id;
  IF NEW.inventory IS DISTINCT FROM OLD.inventory THEN
    PERFORM node_recount(NEW.id);
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION public.organization_needs_owner() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
  organization text := CASE WHEN TG_TABLE_NAME = 'organization' THEN to_jsonb(NEW) ->> 'id'
                            ELSE to_jsonb(OLD) ->> 'organization_id' END;
BEGIN
  IF NOT EXISTS (SELECT FROM membership WHERE organization_id = organization AND role = 'owner') THEN
    RAISE EXCEPTION 'organization % has no owner', organization USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION public.outbox_event_stays() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  IF OLD.occurred_at > clock_timestamp() - interval '1 day'
     OR EXISTS (SELECT FROM outbox_cursor c WHERE (c.xid, c.id) < (OLD.xid, OLD.id))
     OR EXISTS (SELECT FROM work w WHERE w.kind = 'event' AND w.id = OLD.xid::text || '-' || OLD.id)
  THEN
    RAISE EXCEPTION 'outbox_event % is still needed', OLD.id USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN OLD;
END
$$;

CREATE FUNCTION public.price_not_backdated() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  IF NEW.effective_at < transaction_timestamp() THEN
    RAISE EXCEPTION 'a price cannot take effect in the past (%)', NEW.effective_at USING ERRCODE = 'check_violation';
  END IF;
  NEW.created_at := clock_timestamp();
  RETURN NEW;
END $$;

CREATE FUNCTION public.promo_code_ends_once() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  RAISE EXCEPTION 'promo code % has ended, and stays so', OLD.id USING ERRCODE = 'check_violation';
END $$;

CREATE FUNCTION public.promo_redemption_allowed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
DECLARE
  code promo_code;
BEGIN
  SELECT * INTO code FROM promo_code WHERE id = NEW.promo_code_id FOR NO KEY UPDATE;
  IF code.ended_at IS NOT NULL OR code.expires_at <= clock_timestamp()
     OR (SELECT count(*) FROM promo_redemption r WHERE r.promo_code_id = code.id) >= code.most_uses THEN
    RAISE EXCEPTION 'promo code % is over', code.id USING ERRCODE = 'check_violation', CONSTRAINT = 'promo_code_over';
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION public.room_in(during tstzrange) RETURNS TABLE(node_id text, labels jsonb, limits_enforced boolean, vcpu_free bigint, memory_free_mib bigint, disk_free_gib bigint, gpus_free bigint, load bigint, empty boolean)
    LANGUAGE sql STABLE
    BEGIN ATOMIC
 SELECT r.node_id,
     r.labels,
     r.limits_enforced,
     (r.vcpu - most.vcpu),
     (r.memory_mib - most.memory_mib),
     LEAST((r.disk_gib - most.disk_gib),
         CASE
             WHEN (lower(room_in.during) <= clock_timestamp()) THEN (r.disk_allowed_gib - r.taken_disk_gib)
             ELSE NULL::bigint
         END) AS "least",
     r.gpus_free,
     r.load,
     (most.vcpu = 0)
    FROM (public.node_room r
      CROSS JOIN LATERAL ( SELECT r.taken_vcpu AS vcpu,
             r.taken_memory_mib AS memory_mib,
             r.taken_disk_gib AS disk_gib
           WHERE (NOT r.booked)
         UNION ALL
          SELECT m.vcpu,
             m.memory_mib,
             m.disk_gib
            FROM public.claimed_most(r.node_id, room_in.during) m(vcpu, memory_mib, disk_gib)
           WHERE r.booked) most)
   WHERE (r.ready AND ((lower(room_in.during) > clock_timestamp()) OR (r.accepts_until > clock_timestamp())));
END;

CREATE FUNCTION public.shapes_fitting(vcpu_free bigint, memory_free_mib bigint, disk_free_gib bigint, gpus_free bigint, vcpu bigint, memory_mib bigint, disk_gib bigint, gpu_count bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN GREATEST(LEAST((vcpu_free / vcpu), (memory_free_mib / memory_mib), (disk_free_gib / disk_gib), (gpus_free / NULLIF(gpu_count, 0))), (0)::bigint);

CREATE FUNCTION public.shapes_fitting(vcpu_free bigint, memory_free_mib bigint, disk_free_gib bigint, gpus_free bigint, empty boolean, vcpu bigint, memory_mib bigint, disk_gib bigint, gpu_count bigint, whole_node boolean) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (whole_node AND (NOT empty)) THEN (0)::bigint ELSE LEAST(public.shapes_fitting(vcpu_free, memory_free_mib, disk_free_gib, gpus_free, vcpu, memory_mib, disk_gib, gpu_count), (CASE WHEN whole_node THEN 1 ELSE NULL::integer END)::bigint) END;

CREATE FUNCTION public.sublet_draw_transaction() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  PERFORM pg_current_xact_id();
  RETURN NULL;
END $$;

CREATE FUNCTION public.sublet_keep_register(_name text, _rows text, _sequence text, _content text) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
  EXECUTE format('CREATE TRIGGER draws_transaction BEFORE INSERT ON %s FOR EACH STATEMENT
                  EXECUTE FUNCTION sublet_draw_transaction()', _rows::regclass);
  INSERT INTO sealed_register (name, sequence, content) VALUES (_name, _sequence, _content);
END $$;

CREATE FUNCTION public.sublet_moves() RETURNS trigger
    LANGUAGE plpgsql
    AS $_$
DECLARE
  listed boolean;
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.state <> TG_ARGV[0] THEN
      RAISE EXCEPTION 'a row of % begins %, not %', TG_TABLE_NAME, TG_ARGV[0], NEW.state
        USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_transition';
    END IF;
  ELSIF NEW.state <> OLD.state THEN
    EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE from_state = $1 AND to_state = $2)',
                   TG_TABLE_NAME || '_transition')
       INTO listed USING OLD.state, NEW.state;
    IF NOT listed THEN
      RAISE EXCEPTION 'a row of % cannot go from % to %', TG_TABLE_NAME, OLD.state, NEW.state
        USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_transition';
    END IF;
  END IF;
  RETURN NEW;
END $_$;

CREATE FUNCTION public.sublet_refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;

CREATE FUNCTION public.sublet_register_hash(_register text, _prev bytea, _from bigint, _to bigint) RETURNS bytea
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $_$
DECLARE
  hash bytea;
BEGIN
  EXECUTE format(
    'SELECT sha256($1 || int8send($2) || int8send($3) || coalesce(
              string_agg(sha256(convert_to(parts::text, ''UTF8'')), ''''::bytea ORDER BY id), ''''))
       FROM %I WHERE id BETWEEN $2 AND $3', (SELECT content FROM sealed_register WHERE name = _register))
    INTO hash USING _prev, _from, _to;
  RETURN hash;
END $_$;

CREATE FUNCTION public.sublet_seal_register(_register text, _rows_each integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $_$
DECLARE
  known sealed_register; top bigint; mark register_seal_mark; last_seal register_seal;
  sealed bigint := 0; first_id bigint; last_id bigint; prev bytea;
  most CONSTANT int := 200;
BEGIN
  IF pg_current_xact_id_if_assigned() IS NOT NULL THEN
    RAISE EXCEPTION 'sealing needs a transaction of its own' USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('register.seal ' || _register, 0));
  SELECT * INTO STRICT known FROM sealed_register WHERE name = _register;
  EXECUTE format('SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM %s', known.sequence::regclass) INTO top;
  SELECT * INTO mark FROM register_seal_mark WHERE register = _register;
  SELECT * INTO last_seal FROM register_seal WHERE register = _register ORDER BY from_id DESC LIMIT 1;
  last_id := coalesce(last_seal.to_id, 0);
  prev := coalesce(last_seal.hash, '\x00');
  IF mark.bound <= pg_snapshot_xmin(pg_current_snapshot()) THEN
    LOOP
      first_id := last_id + 1;
      EXECUTE format('SELECT max(id) FROM (SELECT id FROM %I WHERE id BETWEEN $1 AND $2 ORDER BY id LIMIT $3) range',
                     known.content)
        INTO last_id USING first_id, mark.up_to, _rows_each;
      EXIT WHEN last_id IS NULL;
      INSERT INTO register_seal (register, from_id, to_id, prev_hash, hash)
      VALUES (_register, first_id, last_id, prev, sublet_register_hash(_register, prev, first_id, last_id))
      RETURNING hash INTO prev;
      sealed := sealed + 1;
      IF sealed = most THEN
        RETURN sealed;
      END IF;
    END LOOP;
  ELSIF mark.bound <= pg_current_xact_id() THEN
    RETURN 0;  -- still waiting for somebody; a bound from the future came with a dump and is replaced
  END IF;
  IF top > coalesce(mark.up_to, 0) OR mark.bound > pg_current_xact_id() THEN
    INSERT INTO register_seal_mark (register, up_to, bound) VALUES (_register, top, pg_current_xact_id())
    ON CONFLICT (register) DO UPDATE SET up_to = excluded.up_to, bound = excluded.bound;
  END IF;
  RETURN sealed;
END $_$;

CREATE FUNCTION public.sublet_stray_rows(OUT register text, OUT first_id bigint, OUT last_id bigint) RETURNS SETOF record
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $_$
DECLARE
  known sealed_register; top bigint;
BEGIN
  FOR known IN SELECT * FROM sealed_register ORDER BY name LOOP
    EXECUTE format('SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM %s', known.sequence::regclass) INTO top;
    EXECUTE format('SELECT min(id), max(id) FROM %I WHERE id < 1 OR id > $1', known.content)
      INTO first_id, last_id USING top;
    IF first_id IS NOT NULL THEN
      register := known.name;
      RETURN NEXT;
    END IF;
  END LOOP;
END $_$;

CREATE TABLE ledger.account (
    id bigint NOT NULL,
    code text NOT NULL,
    kind ledger.account_kind NOT NULL,
    owner_id text,
    currency text NOT NULL,
    materialised boolean NOT NULL,
    CONSTRAINT account_check CHECK ((materialised = (kind = ANY (ARRAY['wallet'::ledger.account_kind, 'promo'::ledger.account_kind, 'receivable'::ledger.account_kind])))),
    CONSTRAINT account_check1 CHECK ((materialised = (owner_id IS NOT NULL))),
    CONSTRAINT account_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text))
);

ALTER TABLE ledger.account ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ledger.account_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE ledger.balance (
    account_id bigint NOT NULL,
    balance bigint DEFAULT 0 NOT NULL,
    held bigint DEFAULT 0 NOT NULL,
    seq bigint DEFAULT 0 NOT NULL,
    min_available bigint,
    max_balance bigint,
    CONSTRAINT balance_floor CHECK (((held >= 0) AND ((balance - held) >= min_available) AND (balance <= max_balance)))
)
WITH (fillfactor='50');

CREATE TABLE ledger.posting (
    entry_id bigint NOT NULL,
    line integer NOT NULL,
    account_id bigint NOT NULL,
    amount bigint NOT NULL,
    account_seq bigint,
    balance_after bigint,
    CONSTRAINT posting_amount_check CHECK ((amount <> 0))
);

CREATE VIEW ledger.balance_off_chain AS
 SELECT a.code,
    a.currency,
    b.balance,
    COALESCE(p.balance_after, (0)::bigint) AS balance_after,
    b.seq,
    COALESCE(p.account_seq, (0)::bigint) AS last_seq
   FROM ((ledger.balance b
     JOIN ledger.account a ON ((a.id = b.account_id)))
     LEFT JOIN LATERAL ( SELECT posting.account_seq,
            posting.balance_after
           FROM ledger.posting
          WHERE ((posting.account_id = b.account_id) AND (posting.account_seq IS NOT NULL))
          ORDER BY posting.account_seq DESC
         LIMIT 1) p ON (true))
  WHERE ((b.balance <> COALESCE(p.balance_after, (0)::bigint)) OR (b.seq <> COALESCE(p.account_seq, (0)::bigint)));

CREATE TABLE ledger.calendar (
    only_row boolean DEFAULT true NOT NULL,
    time_zone text NOT NULL,
    CONSTRAINT calendar_only_row_check CHECK (only_row)
);

CREATE VIEW ledger.books_calendar AS
 SELECT time_zone
   FROM ledger.calendar;

CREATE VIEW ledger.broken_chain AS
 SELECT a.code,
    link.account_seq,
    link.entry_id
   FROM (( SELECT posting.account_id,
            posting.account_seq,
            posting.entry_id,
            (((posting.balance_after - posting.amount) = COALESCE(lag(posting.balance_after) OVER w, (0)::bigint)) AND (posting.account_seq = (COALESCE(lag(posting.account_seq) OVER w, (0)::bigint) + 1))) AS fits
           FROM ledger.posting
          WHERE (posting.account_seq IS NOT NULL)
          WINDOW w AS (PARTITION BY posting.account_id ORDER BY posting.account_seq)) link
     JOIN ledger.account a ON ((a.id = link.account_id)))
  WHERE (NOT link.fits);

CREATE TABLE ledger.ledger_entry (
    id bigint NOT NULL,
    kind ledger.entry_kind NOT NULL,
    idempotency_key text NOT NULL,
    request_hash bytea NOT NULL,
    description text NOT NULL,
    source_type text,
    source_id text,
    reverses_entry_id bigint,
    effective_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT ledger_entry_check CHECK (((kind = 'reversal'::ledger.entry_kind) = (reverses_entry_id IS NOT NULL)))
);

CREATE SEQUENCE ledger.entry_id
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE ledger.entry_id OWNED BY ledger.ledger_entry.id;

CREATE TABLE ledger.seal (
    from_id bigint NOT NULL,
    to_id bigint NOT NULL,
    prev_hash bytea NOT NULL,
    hash bytea NOT NULL,
    sealed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT seal_check CHECK ((from_id <= to_id))
);

CREATE VIEW ledger.broken_seal AS
 SELECT s.from_id,
    s.to_id
   FROM ( SELECT s_1.from_id,
            s_1.to_id,
            s_1.prev_hash,
            s_1.hash,
            s_1.sealed_at,
            lag(s_1.hash) OVER w AS before_hash,
            lag(s_1.to_id) OVER w AS before_to
           FROM ledger.seal s_1
          WINDOW w AS (ORDER BY s_1.from_id)) s
  WHERE ((s.prev_hash <> COALESCE(s.before_hash, '\x00'::bytea)) OR (s.from_id <> (COALESCE(s.before_to, (0)::bigint) + 1)) OR (s.hash <> ledger.range_hash(s.prev_hash, s.from_id, s.to_id)))
UNION ALL
 SELECT ledger_entry.id AS from_id,
    ledger_entry.id AS to_id
   FROM ledger.ledger_entry
  WHERE (ledger_entry.id < 1)
UNION ALL
 SELECT ledger_entry.id AS from_id,
    ledger_entry.id AS to_id
   FROM ledger.ledger_entry
  WHERE (ledger_entry.id > ( SELECT
                CASE
                    WHEN entry_id.is_called THEN entry_id.last_value
                    ELSE (0)::bigint
                END AS "case"
           FROM ledger.entry_id));

CREATE TABLE ledger.month_close (
    month text NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    closed_by text NOT NULL,
    closed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT month_close_check CHECK ((ends_at > starts_at)),
    CONSTRAINT month_close_month_check CHECK ((month ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'::text))
);

CREATE TABLE ledger.month_total (
    month text NOT NULL,
    kind ledger.account_kind NOT NULL,
    currency text NOT NULL,
    opening numeric NOT NULL,
    debits numeric NOT NULL,
    credits numeric NOT NULL,
    CONSTRAINT month_total_credits_check CHECK ((credits >= (0)::numeric)),
    CONSTRAINT month_total_debits_check CHECK ((debits >= (0)::numeric))
);

CREATE VIEW ledger.changed_month AS
 SELECT c.month,
    now.currency,
    (now.kind)::text AS kind,
    now.closed_with,
    now.posted
   FROM (ledger.month_close c
     CROSS JOIN LATERAL ( SELECT kind,
            currency,
            COALESCE((t.credits - t.debits), (0)::numeric) AS closed_with,
            COALESCE((m.credits - m.debits), (0)::numeric) AS posted,
            ((COALESCE(t.debits, (0)::numeric) = COALESCE(m.debits, (0)::numeric)) AND (COALESCE(t.credits, (0)::numeric) = COALESCE(m.credits, (0)::numeric))) AS same
           FROM (( SELECT month_total.kind,
                    month_total.currency,
                    month_total.debits,
                    month_total.credits
                   FROM ledger.month_total
                  WHERE (month_total.month = c.month)) t
             FULL JOIN ledger.moved_between(c.starts_at, c.ends_at) m(kind, currency, debits, credits) USING (kind, currency))) now)
  WHERE (NOT now.same);

CREATE TABLE ledger.correction (
    entry_id bigint NOT NULL,
    month text NOT NULL
);

CREATE TABLE ledger.promo_lot (
    id bigint NOT NULL,
    wallet_id bigint NOT NULL,
    entry_id bigint,
    amount bigint NOT NULL,
    rest bigint NOT NULL,
    expired bigint DEFAULT 0 NOT NULL,
    expires_at timestamp with time zone,
    CONSTRAINT promo_lot_expires CHECK (((expired = 0) OR ((expires_at IS NOT NULL) AND (rest = 0)))),
    CONSTRAINT promo_lot_parts CHECK ((LEAST(rest, expired, ((amount - rest) - expired), (amount - 1)) >= 0))
);

CREATE VIEW ledger.credit_due AS
 SELECT l.id AS lot_id,
    w.owner_id,
    w.currency,
    l.expires_at
   FROM (ledger.promo_lot l
     JOIN ledger.wallet w ON ((w.id = l.wallet_id)))
  WHERE ((l.rest > 0) AND (l.expires_at < clock_timestamp()));

CREATE VIEW ledger.drifted_balance AS
 SELECT a.code,
    a.currency,
    b.balance,
    COALESCE(p.total, (0)::numeric) AS posted,
    b.seq,
    COALESCE(p.lines, (0)::bigint) AS lines
   FROM ((ledger.balance b
     JOIN ledger.account a ON ((a.id = b.account_id)))
     LEFT JOIN ( SELECT posting.account_id,
            sum(posting.amount) AS total,
            count(*) AS lines
           FROM ledger.posting
          WHERE (posting.account_seq IS NOT NULL)
          GROUP BY posting.account_id) p ON ((p.account_id = b.account_id)))
  WHERE (((b.balance)::numeric <> COALESCE(p.total, (0)::numeric)) OR (b.seq <> COALESCE(p.lines, (0)::bigint)));

CREATE TABLE ledger.hold (
    id bigint NOT NULL,
    wallet_id bigint NOT NULL,
    subject_id text NOT NULL,
    amount bigint NOT NULL,
    captured bigint DEFAULT 0 NOT NULL,
    released bigint DEFAULT 0 NOT NULL,
    promo_rest bigint DEFAULT 0 NOT NULL,
    events integer DEFAULT 1 NOT NULL,
    closed boolean DEFAULT false NOT NULL,
    kind text DEFAULT 'spending'::text NOT NULL,
    CONSTRAINT hold_check CHECK ((LEAST(captured, released, promo_rest, (((amount - captured) - released) - promo_rest)) >= 0)),
    CONSTRAINT hold_kind_check CHECK ((kind = ANY (ARRAY['spending'::text, 'withheld'::text]))),
    CONSTRAINT hold_withheld_is_not_spent CHECK (((kind = 'spending'::text) OR (captured = 0)))
)
WITH (fillfactor='50');

CREATE VIEW ledger.drifted_hold AS
 SELECT 'account'::text AS subject_type,
    a.code AS subject_id,
    a.currency,
    b.held,
    COALESCE(o.rest, (0)::numeric) AS open_holds
   FROM ((ledger.balance b
     JOIN ledger.account a ON ((a.id = b.account_id)))
     LEFT JOIN ( SELECT parts.account_id,
            sum(parts.rest) AS rest
           FROM ( SELECT hold.wallet_id AS account_id,
                    (((hold.amount - hold.captured) - hold.released) - hold.promo_rest) AS rest
                   FROM ledger.hold
                  WHERE (NOT hold.closed)
                UNION ALL
                 SELECT w.promo_id,
                    h.promo_rest
                   FROM (ledger.hold h
                     JOIN ledger.wallet w ON ((w.id = h.wallet_id)))
                  WHERE (NOT h.closed)) parts
          GROUP BY parts.account_id) o ON ((o.account_id = b.account_id)))
  WHERE ((b.held)::numeric <> COALESCE(o.rest, (0)::numeric));

CREATE TABLE ledger.hold_event (
    hold_id bigint NOT NULL,
    number integer NOT NULL,
    kind ledger.hold_event_kind NOT NULL,
    amount bigint NOT NULL,
    entry_id bigint,
    idempotency_key text,
    request_hash bytea,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT hold_event_check CHECK (((kind = 'captured'::ledger.hold_event_kind) = (entry_id IS NOT NULL)))
);

CREATE VIEW ledger.drifted_hold_history AS
 SELECT 'hold'::text AS subject_type,
    (h.id)::text AS subject_id,
    w.currency,
    ((h.amount - h.captured) - h.released) AS rest,
    COALESCE(e.rest, (0)::numeric) AS history
   FROM ((ledger.hold h
     JOIN ledger.wallet w ON ((w.id = h.wallet_id)))
     LEFT JOIN ( SELECT hold_event.hold_id,
            count(*) AS events,
            sum(
                CASE
                    WHEN (hold_event.kind = ANY (ARRAY['placed'::ledger.hold_event_kind, 'extended'::ledger.hold_event_kind])) THEN hold_event.amount
                    ELSE (- hold_event.amount)
                END) AS rest
           FROM ledger.hold_event
          GROUP BY hold_event.hold_id) e ON ((e.hold_id = h.id)))
  WHERE (((((h.amount - h.captured) - h.released))::numeric <> COALESCE(e.rest, (0)::numeric)) OR (h.events <> COALESCE(e.events, (0)::bigint)));

CREATE TABLE ledger.topup_lot (
    charge_id text NOT NULL,
    payment_intent_id text NOT NULL,
    wallet_id bigint NOT NULL,
    entry_id bigint NOT NULL,
    paid bigint NOT NULL,
    refunded bigint DEFAULT 0 NOT NULL,
    disputed bigint DEFAULT 0 NOT NULL,
    CONSTRAINT topup_lot_disputed_check CHECK ((disputed >= 0)),
    CONSTRAINT topup_lot_gives_back_what_was_paid CHECK (((refunded + disputed) <= paid)),
    CONSTRAINT topup_lot_paid_check CHECK ((paid > 0)),
    CONSTRAINT topup_lot_refunded_check CHECK ((refunded >= 0))
);

CREATE VIEW ledger.drifted_lot AS
 WITH payment AS (
         SELECT e.id AS entry_id,
            w_1.id AS wallet_id,
            (sum(p_1.amount))::bigint AS paid
           FROM ((ledger.ledger_entry e
             JOIN ledger.posting p_1 ON ((p_1.entry_id = e.id)))
             JOIN ledger.wallet w_1 ON (((p_1.account_id = w_1.id) OR (p_1.account_id = w_1.receivable_id))))
          WHERE (e.kind = 'top_up'::ledger.entry_kind)
          GROUP BY e.id, w_1.id
        )
 SELECT COALESCE(l.charge_id, ('of entry '::text || p.entry_id)) AS lot,
    w.currency,
    COALESCE(l.paid, (0)::bigint) AS paid,
    COALESCE(p.paid, (0)::bigint) AS posted
   FROM ((ledger.topup_lot l
     FULL JOIN payment p ON (((p.entry_id = l.entry_id) AND (p.wallet_id = l.wallet_id))))
     LEFT JOIN ledger.wallet w ON ((w.id = COALESCE(l.wallet_id, p.wallet_id))))
  WHERE (l.paid IS DISTINCT FROM p.paid);

CREATE VIEW ledger.drifted_promo_lot AS
 SELECT l.id AS lot_id,
    w.currency,
    l.amount,
    given.amount AS given,
    l.expired,
    gone.amount AS posted_expired
   FROM (((ledger.promo_lot l
     JOIN ledger.wallet w ON ((w.id = l.wallet_id)))
     CROSS JOIN LATERAL ( SELECT (COALESCE(sum(p.amount), (0)::numeric))::bigint AS amount
           FROM ledger.posting p
          WHERE ((p.entry_id = l.entry_id) AND (p.account_id = w.promo_id))) given)
     CROSS JOIN LATERAL ( SELECT (COALESCE((- sum(p.amount)), (0)::numeric))::bigint AS amount
           FROM (ledger.ledger_entry e
             JOIN ledger.posting p ON (((p.entry_id = e.id) AND (p.account_id = w.promo_id))))
          WHERE (e.idempotency_key = ('expired:'::text || l.id))) gone)
  WHERE (((l.entry_id IS NOT NULL) AND (l.amount <> given.amount)) OR (l.expired <> gone.amount));

CREATE VIEW ledger.expiring_credit AS
 SELECT l.id AS lot_id,
    w.owner_id,
    w.currency,
    c.remains,
    l.expires_at
   FROM (((ledger.promo_lot l
     JOIN ledger.wallet w ON ((w.id = l.wallet_id)))
     JOIN ledger.balance p ON ((p.account_id = w.promo_id)))
     CROSS JOIN LATERAL ledger.left_of_lots(w.id, p.balance) c(lot_id, remains))
  WHERE ((l.rest > 0) AND (l.expires_at >= clock_timestamp()) AND (c.lot_id = l.id) AND (c.remains > 0));

CREATE VIEW ledger.purse AS
 SELECT w.id,
    w.owner_id,
    w.currency,
    b.balance,
    (b.held + LEAST(p.held, (p.balance - x.expired))) AS held,
    ((b.balance - b.held) + GREATEST((0)::bigint, ((p.balance - x.expired) - p.held))) AS available,
    (p.balance - x.expired) AS promo,
    (- r.balance) AS receivable,
    x.expired
   FROM ((((ledger.wallet w
     JOIN ledger.balance b ON ((b.account_id = w.id)))
     JOIN ledger.balance p ON ((p.account_id = w.promo_id)))
     JOIN ledger.balance r ON ((r.account_id = w.receivable_id)))
     CROSS JOIN LATERAL ( SELECT (GREATEST((0)::numeric, LEAST(COALESCE(sum(l.rest) FILTER (WHERE (l.expires_at < clock_timestamp())), (0)::numeric), ((p.balance)::numeric - COALESCE(sum(l.rest) FILTER (WHERE ((l.expires_at < clock_timestamp()) IS NOT TRUE)), (0)::numeric)))))::bigint AS "greatest"
           FROM ledger.promo_lot l
          WHERE ((p.balance > 0) AND (l.wallet_id = w.id) AND (l.rest > 0))) x(expired));

CREATE VIEW ledger.funds AS
 SELECT owner_id,
    currency,
    (((balance + promo) - receivable) - ( SELECT (COALESCE(sum(((h.amount - h.captured) - h.released)), (0)::numeric))::bigint AS "coalesce"
           FROM ledger.hold h
          WHERE ((h.wallet_id = w.id) AND (NOT h.closed) AND (h.kind = 'withheld'::text)))) AS total,
    expired
   FROM ledger.purse w;

ALTER TABLE ledger.hold ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ledger.hold_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW ledger.hold_owner AS
 SELECT h.id,
    w.owner_id,
    w.currency
   FROM (ledger.hold h
     JOIN ledger.wallet w ON ((w.id = h.wallet_id)));

CREATE VIEW ledger.month AS
 SELECT month,
    starts_at,
    ends_at,
    closed_at,
    closed_by
   FROM ledger.month_close;

CREATE VIEW ledger.open_hold AS
 SELECT id,
    subject_id,
    amount,
    ((amount - captured) - released) AS rest
   FROM ledger.hold
  WHERE (NOT closed);

CREATE VIEW ledger.present_month AS
 SELECT month,
    ledger.month_starts(month) AS starts_at,
    ledger.month_ends(month) AS ends_at
   FROM ( SELECT ledger.month_of(clock_timestamp()) AS month) m;

CREATE VIEW ledger.processor_movement AS
 SELECT p.entry_id,
    (e.kind)::text AS kind,
    e.source_type,
    e.source_id,
    a.currency,
    (- p.amount) AS amount,
    e.recorded_at,
        CASE
            WHEN (e.idempotency_key ~~ 'txn:%'::text) THEN split_part(e.idempotency_key, ':'::text, 2)
            ELSE NULL::text
        END AS transaction_id
   FROM ((ledger.posting p
     JOIN ledger.account a ON (((a.id = p.account_id) AND (a.kind = 'stripe_balance'::ledger.account_kind))))
     JOIN ledger.ledger_entry e ON ((e.id = p.entry_id)));

CREATE VIEW ledger.promo_above_lots AS
 SELECT a.code,
    a.currency,
    p.balance,
    (COALESCE(sum(l.rest), (0)::numeric))::bigint AS lots
   FROM (((ledger.wallet w
     JOIN ledger.balance p ON ((p.account_id = w.promo_id)))
     JOIN ledger.account a ON ((a.id = w.promo_id)))
     LEFT JOIN ledger.promo_lot l ON ((l.wallet_id = w.id)))
  GROUP BY a.code, a.currency, p.balance
 HAVING ((p.balance)::numeric > COALESCE(sum(l.rest), (0)::numeric));

ALTER TABLE ledger.promo_lot ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ledger.promo_lot_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE ledger.seal_mark (
    only_row boolean DEFAULT true NOT NULL,
    up_to bigint NOT NULL,
    bound xid8 NOT NULL,
    CONSTRAINT seal_mark_only_row_check CHECK (only_row)
);

CREATE VIEW ledger.suspense_item AS
 SELECT e.source_id,
    a.currency,
    (sum(p.amount))::bigint AS amount,
    min(e.effective_at) AS since
   FROM ((ledger.ledger_entry e
     JOIN ledger.posting p ON ((p.entry_id = e.id)))
     JOIN ledger.account a ON (((a.id = p.account_id) AND (a.kind = 'suspense'::ledger.account_kind))))
  WHERE (e.kind = 'suspense'::ledger.entry_kind)
  GROUP BY e.source_id, a.currency;

CREATE VIEW ledger.unbalanced_entry AS
 SELECT e.id AS entry_id,
    min(a.currency) AS currency,
    COALESCE(sum(p.amount), (0)::numeric) AS total,
    count(p.entry_id) AS lines
   FROM ((ledger.ledger_entry e
     LEFT JOIN ledger.posting p ON ((p.entry_id = e.id)))
     LEFT JOIN ledger.account a ON ((a.id = p.account_id)))
  GROUP BY e.id
 HAVING (sum(p.amount) IS DISTINCT FROM (0)::numeric)
UNION ALL
 SELECT p.entry_id,
    min(a.currency) AS currency,
    sum(p.amount) AS total,
    count(*) AS lines
   FROM (ledger.posting p
     LEFT JOIN ledger.account a ON ((a.id = p.account_id)))
  WHERE (NOT (EXISTS ( SELECT
           FROM ledger.ledger_entry e
          WHERE (e.id = p.entry_id))))
  GROUP BY p.entry_id;

CREATE VIEW ledger.usage_entry AS
 SELECT e.id AS entry_id,
    e.effective_at,
    1 AS times
   FROM ledger.ledger_entry e
  WHERE (e.kind = ANY (ARRAY['usage'::ledger.entry_kind, 'usage_batch'::ledger.entry_kind]))
UNION ALL
 SELECT r.reverses_entry_id AS entry_id,
    r.effective_at,
    '-1'::integer AS times
   FROM (ledger.ledger_entry r
     JOIN ledger.ledger_entry e ON (((e.id = r.reverses_entry_id) AND (e.kind = ANY (ARRAY['usage'::ledger.entry_kind, 'usage_batch'::ledger.entry_kind])))))
  WHERE (r.kind = 'reversal'::ledger.entry_kind);

CREATE VIEW ledger.usage_payer AS
 SELECT p.entry_id,
    a.owner_id,
    a.currency,
    (- (sum(p.amount))::bigint) AS amount
   FROM ((ledger.posting p
     JOIN ledger.account a ON (((a.id = p.account_id) AND (a.owner_id IS NOT NULL))))
     JOIN ledger.ledger_entry e ON (((e.id = p.entry_id) AND (e.kind = ANY (ARRAY['usage'::ledger.entry_kind, 'usage_batch'::ledger.entry_kind])))))
  GROUP BY p.entry_id, a.owner_id, a.currency;

CREATE VIEW ledger.usage_revenue AS
 SELECT p.entry_id,
    substr((a.kind)::text, 9) AS meter_kind,
    a.currency,
    p.amount
   FROM ((ledger.posting p
     JOIN ledger.account a ON (((a.id = p.account_id) AND ((a.kind)::text ~~ 'revenue\_%'::text))))
     JOIN ledger.ledger_entry e ON (((e.id = p.entry_id) AND (e.kind = ANY (ARRAY['usage'::ledger.entry_kind, 'usage_batch'::ledger.entry_kind])))));

CREATE VIEW ledger.wallet_above_lots AS
 SELECT a.code,
    a.currency,
    b.balance,
    (COALESCE(sum(((l.paid - l.refunded) - l.disputed)), (0)::numeric))::bigint AS paid_in
   FROM (((ledger.wallet w
     JOIN ledger.account a ON ((a.id = w.id)))
     JOIN ledger.balance b ON ((b.account_id = w.id)))
     LEFT JOIN ledger.topup_lot l ON ((l.wallet_id = w.id)))
  GROUP BY a.code, a.currency, b.balance
 HAVING ((b.balance)::numeric > COALESCE(sum(((l.paid - l.refunded) - l.disputed)), (0)::numeric));

CREATE VIEW ledger.went_back AS
 SELECT e.source_type,
    e.source_id,
    a.currency,
    (sum(p.amount) FILTER (WHERE ((e.kind = 'refund'::ledger.entry_kind) AND (a.kind = 'refund_pending'::ledger.account_kind))))::bigint AS refunded,
    (COALESCE(sum(p.amount) FILTER (WHERE (a.kind = 'refund_pending'::ledger.account_kind)), (0)::numeric))::bigint AS pending,
    (COALESCE(sum(p.amount) FILTER (WHERE (a.kind = 'stripe_balance'::ledger.account_kind)), (0)::numeric))::bigint AS sent,
    (COALESCE((- sum(p.amount) FILTER (WHERE ((e.kind <> 'dispute_lost'::ledger.entry_kind) AND (a.kind = 'dispute_receivable'::ledger.account_kind)))), (0)::numeric))::bigint AS disputed,
    (COALESCE(sum(p.amount) FILTER (WHERE ((e.kind = 'dispute_lost'::ledger.entry_kind) AND (a.kind = 'dispute_receivable'::ledger.account_kind))), (0)::numeric))::bigint AS lost
   FROM ((ledger.ledger_entry e
     JOIN ledger.posting p ON ((p.entry_id = e.id)))
     JOIN ledger.account a ON ((a.id = p.account_id)))
  WHERE (e.source_type = ANY (ARRAY['refund'::text, 'dispute'::text]))
  GROUP BY e.source_type, e.source_id, a.currency;

CREATE TABLE public.allocation (
    seq bigint NOT NULL,
    id text NOT NULL,
    organization_id text NOT NULL,
    launched_by text,
    name text NOT NULL,
    state text DEFAULT 'queued'::text NOT NULL,
    state_since timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    wanted text DEFAULT 'active'::text NOT NULL,
    suspended_for text,
    generation bigint DEFAULT 1 NOT NULL,
    applied_generation bigint DEFAULT 0 NOT NULL,
    disconnect_generation bigint DEFAULT 0 NOT NULL,
    applied_at timestamp with time zone,
    on_node boolean DEFAULT false NOT NULL,
    unproven boolean DEFAULT false NOT NULL,
    sku_id text NOT NULL,
    price_id text NOT NULL,
    sku jsonb NOT NULL,
    price jsonb NOT NULL,
    nano_per_hour bigint NOT NULL,
    suspended_nano_per_hour bigint NOT NULL,
    currency text NOT NULL,
    hold_id bigint NOT NULL,
    node_id text NOT NULL,
    gpus text[] DEFAULT '{}'::text[] NOT NULL,
    login text NOT NULL,
    uid integer NOT NULL,
    boot_id text,
    seen_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    started_at timestamp with time zone,
    release_requested_at timestamp with time zone,
    ended_at timestamp with time zone,
    failure jsonb,
    enforced jsonb DEFAULT '[]'::jsonb NOT NULL,
    evidence jsonb,
    operation_id text,
    oom_kills bigint DEFAULT 0,
    oom_boot_id text,
    told_boot_id text,
    disk_nano_per_hour bigint,
    claim_kept_until timestamp with time zone,
    claim_ended_at timestamp with time zone,
    claim_end_told boolean DEFAULT false NOT NULL,
    waits_since timestamp with time zone,
    CONSTRAINT allocation_check CHECK ((applied_generation <= generation)),
    CONSTRAINT allocation_check1 CHECK (((disconnect_generation >= 0) AND (disconnect_generation <= generation))),
    CONSTRAINT allocation_check2 CHECK (((ended_at IS NOT NULL) = (state = ANY (ARRAY['released'::text, 'failed'::text])))),
    CONSTRAINT allocation_check3 CHECK (((state <> 'released'::text) OR (NOT on_node))),
    CONSTRAINT allocation_check4 CHECK (((state <> ALL (ARRAY['released'::text, 'releasing'::text, 'release_failed'::text])) OR (release_requested_at IS NOT NULL))),
    CONSTRAINT allocation_check5 CHECK (((suspended_for IS NOT NULL) = (wanted = 'suspended'::text))),
    CONSTRAINT allocation_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT allocation_disk_nano_per_hour_check CHECK ((disk_nano_per_hour >= 0)),
    CONSTRAINT allocation_generation_check CHECK ((generation > 0)),
    CONSTRAINT allocation_has_no_gpu_without_claim CHECK (((claim_ended_at IS NULL) OR ((gpus = '{}'::text[]) AND (claim_ended_at >= claim_kept_until)))),
    CONSTRAINT allocation_name_check CHECK ((name ~ '^[a-z][a-z0-9-]{1,30}$'::text)),
    CONSTRAINT allocation_nano_per_hour_check CHECK ((nano_per_hour >= 0)),
    CONSTRAINT allocation_oom_kills_check CHECK ((oom_kills >= 0)),
    CONSTRAINT allocation_runs_on_its_claim CHECK (((wanted <> 'active'::text) OR ((claim_kept_until IS NULL) AND (claim_ended_at IS NULL)))),
    CONSTRAINT allocation_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'provisioning'::text, 'active'::text, 'suspended'::text, 'releasing'::text, 'released'::text, 'failed'::text, 'release_failed'::text, 'lost'::text]))),
    CONSTRAINT allocation_suspended_for_check CHECK ((suspended_for = ANY (ARRAY['customer'::text, 'funds'::text, 'drain'::text, 'limit'::text, 'capacity'::text]))),
    CONSTRAINT allocation_suspended_nano_per_hour_check CHECK ((suspended_nano_per_hour >= 0)),
    CONSTRAINT allocation_uid_check CHECK ((uid >= 200000)),
    CONSTRAINT allocation_waits_since CHECK (((suspended_for <> 'capacity'::text) OR ((waits_since IS NOT NULL) AND (claim_ended_at IS NOT NULL)))),
    CONSTRAINT allocation_wanted_check CHECK ((wanted = ANY (ARRAY['active'::text, 'suspended'::text, 'gone'::text])))
)
WITH (fillfactor='70');

CREATE TABLE public.allocation_environment (
    allocation_id text NOT NULL,
    names text[] NOT NULL,
    encrypted bytea
);

CREATE TABLE public.allocation_history (
    id bigint NOT NULL,
    allocation_id text NOT NULL,
    from_state text,
    to_state text NOT NULL,
    reason text NOT NULL,
    actor text NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    incident text,
    code text,
    CONSTRAINT allocation_history_code_check CHECK ((code ~ '^[a-z][a-z0-9_]{0,63}$'::text)),
    CONSTRAINT allocation_history_incident_check CHECK ((incident = ANY (ARRAY['out_of_memory'::text, 'node_restarted'::text, 'gpu_error'::text, 'node_draining'::text, 'lost'::text, 'back'::text])))
);

ALTER TABLE public.allocation_history ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.allocation_history_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.allocation_label (
    allocation_id text NOT NULL,
    organization_id text NOT NULL,
    key text NOT NULL,
    value text NOT NULL,
    CONSTRAINT allocation_label_key_check CHECK (((length(key) >= 1) AND (length(key) <= 63))),
    CONSTRAINT allocation_label_value_check CHECK ((length(value) <= 128))
);

CREATE TABLE public.allocation_operation (
    seq bigint NOT NULL,
    id text NOT NULL,
    allocation_id text NOT NULL,
    kind text NOT NULL,
    state text DEFAULT 'running'::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    error jsonb,
    steps jsonb NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    finished_at timestamp with time zone,
    operator_error jsonb,
    CONSTRAINT allocation_operation_check CHECK (((state = 'running'::text) = (finished_at IS NULL))),
    CONSTRAINT allocation_operation_kind_check CHECK ((kind = ANY (ARRAY['provision'::text, 'release'::text, 'suspend'::text, 'resume'::text]))),
    CONSTRAINT allocation_operation_state_check CHECK ((state = ANY (ARRAY['running'::text, 'succeeded'::text, 'failed'::text, 'cancelled'::text])))
);

ALTER TABLE public.allocation_operation ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.allocation_operation_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.allocation_remnant (
    id text NOT NULL,
    allocation_id text NOT NULL,
    node_id text NOT NULL,
    login text NOT NULL,
    uid integer NOT NULL,
    generation bigint NOT NULL,
    left_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    evidence jsonb,
    cleaned_at timestamp with time zone,
    CONSTRAINT allocation_remnant_cleaned_on_proof CHECK (((cleaned_at IS NULL) OR COALESCE(((evidence ->> 'clean'::text))::boolean, false))),
    CONSTRAINT allocation_remnant_id_check CHECK ((id ~ '^rem_[a-z2-7]{16}$'::text))
);

ALTER TABLE public.allocation ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.allocation_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.allocation_startup (
    allocation_id text NOT NULL,
    script_bytes integer NOT NULL,
    encrypted bytea,
    began_at timestamp with time zone,
    ended_at timestamp with time zone,
    ended_by text,
    exit_code integer,
    signal integer,
    detail text,
    output text DEFAULT ''::text NOT NULL,
    output_bytes bigint DEFAULT 0 NOT NULL,
    seen_at timestamp with time zone,
    CONSTRAINT allocation_startup_check CHECK (((ended_at IS NULL) = (ended_by IS NULL))),
    CONSTRAINT allocation_startup_check1 CHECK (((exit_code IS NOT NULL) = (COALESCE(ended_by, ''::text) = 'exit'::text))),
    CONSTRAINT allocation_startup_ended_by_check CHECK ((ended_by = ANY (ARRAY['exit'::text, 'signal'::text, 'suspended'::text, 'interrupted'::text, 'refused'::text, 'released'::text]))),
    CONSTRAINT allocation_startup_output_bytes_check CHECK ((output_bytes >= 0)),
    CONSTRAINT allocation_startup_output_check CHECK ((length(output) <= 65536)),
    CONSTRAINT allocation_startup_script_bytes_check CHECK (((script_bytes >= 1) AND (script_bytes <= 65536)))
);

CREATE TABLE public.allocation_traffic (
    allocation_id text NOT NULL,
    in_bytes bigint NOT NULL,
    out_bytes bigint NOT NULL,
    link_in_bytes bigint NOT NULL,
    link_out_bytes bigint NOT NULL,
    boot_id text NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    CONSTRAINT allocation_traffic_in_bytes_check CHECK ((in_bytes >= 0)),
    CONSTRAINT allocation_traffic_link_in_bytes_check CHECK ((link_in_bytes >= 0)),
    CONSTRAINT allocation_traffic_link_out_bytes_check CHECK ((link_out_bytes >= 0)),
    CONSTRAINT allocation_traffic_out_bytes_check CHECK ((out_bytes >= 0))
)
WITH (fillfactor='70');

CREATE TABLE public.allocation_transition (
    from_state text NOT NULL,
    to_state text NOT NULL
);

CREATE SEQUENCE public.allocation_uid
    START WITH 200000
    INCREMENT BY 1
    MINVALUE 200000
    MAXVALUE 2000000000
    CACHE 1;

CREATE TABLE public.api_token (
    seq bigint NOT NULL,
    id text NOT NULL,
    user_id text NOT NULL,
    organization_id text,
    name text NOT NULL,
    secret_hash bytea NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone,
    idempotency_key text,
    request_hash bytea,
    CONSTRAINT api_token_check CHECK (((expires_at > created_at) AND (expires_at <= (created_at + '367 days'::interval)))),
    CONSTRAINT api_token_check1 CHECK (((idempotency_key IS NULL) = (request_hash IS NULL))),
    CONSTRAINT api_token_name_check CHECK (((length(name) >= 1) AND (length(name) <= 100))),
    CONSTRAINT api_token_scopes_check CHECK ((cardinality(scopes) > 0)),
    CONSTRAINT api_token_secret_hash_check CHECK ((length(secret_hash) = 32))
);

ALTER TABLE public.api_token ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.api_token_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.approval (
    seq bigint NOT NULL,
    id text NOT NULL,
    act text NOT NULL,
    subject text NOT NULL,
    parameters jsonb NOT NULL,
    digest bytea NOT NULL,
    permission text NOT NULL,
    reason text NOT NULL,
    state text DEFAULT 'requested'::text NOT NULL,
    requested_by text NOT NULL,
    requested_by_name text NOT NULL,
    requested_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    decided_by text,
    decided_by_name text,
    decided_at timestamp with time zone,
    used_at timestamp with time zone,
    CONSTRAINT approval_act_check CHECK ((act ~ '^[a-z_]+\.[a-z_]+$'::text)),
    CONSTRAINT approval_decided_by_another CHECK ((decided_by <> requested_by)),
    CONSTRAINT approval_decided_when CHECK (
CASE state
    WHEN 'requested'::text THEN (decided_by IS NULL)
    WHEN 'expired'::text THEN true
    ELSE (decided_by IS NOT NULL)
END),
    CONSTRAINT approval_decided_whole CHECK ((((decided_by IS NULL) = (decided_at IS NULL)) AND ((decided_by IS NULL) = (decided_by_name IS NULL)))),
    CONSTRAINT approval_digest_check CHECK ((length(digest) = 32)),
    CONSTRAINT approval_expires_later CHECK ((expires_at > requested_at)),
    CONSTRAINT approval_id_check CHECK ((id ~ '^apr_[a-z2-7]{16}$'::text)),
    CONSTRAINT approval_in_time CHECK ((GREATEST(decided_at, used_at) < expires_at)),
    CONSTRAINT approval_parameters_check CHECK ((jsonb_typeof(parameters) = 'object'::text)),
    CONSTRAINT approval_reason_check CHECK (((length(reason) >= 1) AND (length(reason) <= 500))),
    CONSTRAINT approval_state_check CHECK ((state = ANY (ARRAY['requested'::text, 'approved'::text, 'rejected'::text, 'expired'::text, 'used'::text]))),
    CONSTRAINT approval_subject_check CHECK (((length(subject) >= 1) AND (length(subject) <= 200))),
    CONSTRAINT approval_used_when CHECK (((used_at IS NOT NULL) = (state = 'used'::text)))
);

CREATE TABLE public.approval_history (
    id bigint NOT NULL,
    approval_id text NOT NULL,
    from_state text,
    to_state text NOT NULL,
    reason text NOT NULL,
    actor text NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE public.approval_history ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.approval_history_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE public.approval ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.approval_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.approval_transition (
    from_state text NOT NULL,
    to_state text NOT NULL
);

CREATE TABLE public.audit_event (
    seq bigint NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    id text NOT NULL,
    occurred_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    actor_kind text NOT NULL,
    actor_user_id text,
    actor_name text NOT NULL,
    actor_role text,
    actor_platform_roles text[] DEFAULT '{}'::text[] NOT NULL,
    organization_id text,
    session_id text,
    token_id text,
    request_id text,
    address text,
    action text NOT NULL,
    target_type text NOT NULL,
    target_id text NOT NULL,
    before jsonb,
    after jsonb,
    CONSTRAINT audit_event_action_check CHECK ((action ~ '^[a-z_]+(\.[a-z_]+)+$'::text)),
    CONSTRAINT audit_event_actor_kind_check CHECK ((actor_kind = ANY (ARRAY['user'::text, 'token'::text, 'system'::text, 'anonymous'::text]))),
    CONSTRAINT audit_event_after_check CHECK ((jsonb_typeof(after) = 'object'::text)),
    CONSTRAINT audit_event_before_check CHECK ((jsonb_typeof(before) = 'object'::text)),
    CONSTRAINT audit_event_check CHECK (((actor_kind <> ALL (ARRAY['user'::text, 'token'::text])) OR (actor_user_id IS NOT NULL))),
    CONSTRAINT audit_event_target_type_check CHECK ((target_type ~ '^[a-z_]+$'::text))
);

CREATE SEQUENCE public.audit_event_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.audit_event_seq OWNED BY public.audit_event.seq;

CREATE TABLE public.auto_top_up (
    organization_id text NOT NULL,
    currency text NOT NULL,
    threshold bigint NOT NULL,
    amount bigint NOT NULL,
    monthly_cap bigint NOT NULL,
    enabled boolean NOT NULL,
    set_by text NOT NULL,
    set_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT auto_top_up_amount_check CHECK (((amount > 0) AND ((amount % (1000)::bigint) = 0))),
    CONSTRAINT auto_top_up_cap_check CHECK ((monthly_cap >= amount)),
    CONSTRAINT auto_top_up_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT auto_top_up_monthly_cap_check CHECK (((monthly_cap % (1000)::bigint) = 0)),
    CONSTRAINT auto_top_up_threshold_check CHECK (((threshold >= 0) AND ((threshold % (1000)::bigint) = 0)))
);

CREATE TABLE public.register_seal (
    register text NOT NULL,
    from_id bigint NOT NULL,
    to_id bigint NOT NULL,
    prev_hash bytea NOT NULL,
    hash bytea NOT NULL,
    sealed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT register_seal_check CHECK ((to_id >= from_id))
);

CREATE VIEW public.broken_register_seal AS
 SELECT register,
    from_id,
    to_id
   FROM ( SELECT s_1.register,
            s_1.from_id,
            s_1.to_id,
            s_1.prev_hash,
            s_1.hash,
            s_1.sealed_at,
            lag(s_1.hash) OVER w AS before_hash,
            lag(s_1.to_id) OVER w AS before_to
           FROM public.register_seal s_1
          WINDOW w AS (PARTITION BY s_1.register ORDER BY s_1.from_id)) s
  WHERE ((prev_hash <> COALESCE(before_hash, '\x00'::bytea)) OR (from_id <> (COALESCE(before_to, (0)::bigint) + 1)) OR (hash <> public.sublet_register_hash(register, prev_hash, from_id, to_id)));

CREATE TABLE public.card_setup (
    id text NOT NULL,
    seq bigint NOT NULL,
    organization_id text NOT NULL,
    installation_id text NOT NULL,
    requested_by text NOT NULL,
    request_key text,
    customer_email text,
    return_path text NOT NULL,
    success_url text NOT NULL,
    cancel_url text NOT NULL,
    state text DEFAULT 'pending'::text NOT NULL,
    checkout_session_id text,
    checkout_url text,
    setup_intent_id text,
    failure_code text,
    failure_message text,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    completed_at timestamp with time zone,
    looked_at timestamp with time zone,
    CONSTRAINT card_setup_completed_check CHECK (((completed_at IS NOT NULL) = (state <> 'pending'::text))),
    CONSTRAINT card_setup_failure_check CHECK (((failure_code IS NULL) = (failure_message IS NULL))),
    CONSTRAINT card_setup_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'succeeded'::text, 'failed'::text, 'expired'::text]))),
    CONSTRAINT card_setup_succeeded_check CHECK (((state <> 'succeeded'::text) OR (setup_intent_id IS NOT NULL)))
);

CREATE TABLE public.card_setup_history (
    id bigint NOT NULL,
    card_setup_id text NOT NULL,
    previous text NOT NULL,
    next text NOT NULL,
    reason text NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE public.card_setup_history ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.card_setup_history_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE public.card_setup ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.card_setup_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.card_setup_transition (
    from_state text NOT NULL,
    to_state text NOT NULL
);

CREATE TABLE public.issued_certificate (
    serial bigint NOT NULL,
    kind text NOT NULL,
    ca_public_key text NOT NULL,
    key_id text NOT NULL,
    principals text[] NOT NULL,
    fingerprint text NOT NULL,
    subject text NOT NULL,
    user_id text,
    request_id text,
    valid_after timestamp with time zone NOT NULL,
    valid_before timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone,
    revocation_reason text,
    revoked_in xid8,
    CONSTRAINT issued_certificate_check CHECK ((valid_after < valid_before)),
    CONSTRAINT issued_certificate_check1 CHECK (((revoked_at IS NULL) = (revocation_reason IS NULL))),
    CONSTRAINT issued_certificate_check2 CHECK (((kind = 'host'::text) OR ((valid_before - valid_after) <= '01:02:00'::interval))),
    CONSTRAINT issued_certificate_check3 CHECK (((kind <> 'control'::text) OR ((valid_before - valid_after) <= '00:06:00'::interval))),
    CONSTRAINT issued_certificate_check4 CHECK (((revoked_in IS NULL) OR (revoked_at IS NOT NULL))),
    CONSTRAINT issued_certificate_entry_check CHECK (((kind <> 'entry'::text) OR ((valid_before - valid_after) <= '00:02:00'::interval))),
    CONSTRAINT issued_certificate_kind_check CHECK ((kind = ANY (ARRAY['customer'::text, 'terminal'::text, 'control'::text, 'entry'::text, 'host'::text]))),
    CONSTRAINT issued_certificate_principals_check CHECK ((cardinality(principals) > 0))
);

CREATE SEQUENCE public.certificate_serial
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.certificate_serial OWNED BY public.issued_certificate.serial;

CREATE TABLE public.credit_grant (
    id text NOT NULL,
    seq bigint NOT NULL,
    organization_id text NOT NULL,
    amount bigint NOT NULL,
    currency text NOT NULL,
    reason text NOT NULL,
    granted_by text NOT NULL,
    granted_by_name text NOT NULL,
    approval_id text,
    entry_id bigint NOT NULL,
    expires_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT credit_grant_amount_check CHECK ((amount > 0)),
    CONSTRAINT credit_grant_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text))
);

ALTER TABLE public.credit_grant ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.credit_grant_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.credit_notice (
    lot_id bigint NOT NULL,
    days integer NOT NULL,
    told_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT credit_notice_days_check CHECK ((days = ANY (ARRAY[7, 1])))
);

CREATE TABLE public.data_clock (
    organization_id text NOT NULL,
    currency text NOT NULL,
    began_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    deletes_at timestamp with time zone NOT NULL,
    told_days integer NOT NULL,
    released_at timestamp with time zone,
    topped_up_at timestamp with time zone,
    renewed_at timestamp with time zone,
    CONSTRAINT data_clock_check CHECK ((deletes_at >= (began_at + '1 day'::interval))),
    CONSTRAINT data_clock_check1 CHECK ((released_at >= deletes_at)),
    CONSTRAINT data_clock_check2 CHECK (((released_at IS NULL) OR (told_days = 1))),
    CONSTRAINT data_clock_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT data_clock_told_days_check CHECK ((told_days > 0))
);

CREATE TABLE public.dispute (
    id text NOT NULL,
    seq bigint NOT NULL,
    processor_id text NOT NULL,
    organization_id text NOT NULL,
    top_up_id text NOT NULL,
    amount bigint NOT NULL,
    currency text NOT NULL,
    reason text NOT NULL,
    due_by timestamp with time zone,
    disputed_at timestamp with time zone NOT NULL,
    state text DEFAULT 'seen'::text NOT NULL,
    taken bigint DEFAULT 0 NOT NULL,
    charged bigint DEFAULT 0 NOT NULL,
    owed bigint DEFAULT 0 NOT NULL,
    seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    decided_at timestamp with time zone,
    CONSTRAINT dispute_amount_check CHECK ((amount > 0)),
    CONSTRAINT dispute_charged_check CHECK ((charged >= 0)),
    CONSTRAINT dispute_check CHECK (((owed >= 0) AND (owed <= charged))),
    CONSTRAINT dispute_check1 CHECK (((state = ANY (ARRAY['closed'::text, 'won'::text, 'lost'::text])) = (decided_at IS NOT NULL))),
    CONSTRAINT dispute_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT dispute_state_check CHECK ((state = ANY (ARRAY['seen'::text, 'inquiry'::text, 'closed'::text, 'open'::text, 'won'::text, 'lost'::text])))
);

CREATE TABLE public.dispute_answer (
    id text NOT NULL,
    seq bigint NOT NULL,
    dispute_id text NOT NULL,
    stage text NOT NULL,
    evidence jsonb NOT NULL,
    answered_by text NOT NULL,
    answered_by_name text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    sent_at timestamp with time zone,
    refusal text,
    CONSTRAINT dispute_answer_check CHECK (((sent_at IS NULL) OR (refusal IS NULL))),
    CONSTRAINT dispute_answer_evidence_check CHECK ((jsonb_typeof(evidence) = 'object'::text)),
    CONSTRAINT dispute_answer_stage_check CHECK ((stage = ANY (ARRAY['inquiry'::text, 'open'::text])))
);

ALTER TABLE public.dispute_answer ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.dispute_answer_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.dispute_history (
    id bigint NOT NULL,
    dispute_id text NOT NULL,
    previous text NOT NULL,
    next text NOT NULL,
    reason text NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE public.dispute_history ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.dispute_history_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE public.dispute ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.dispute_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.dispute_transition (
    from_state text NOT NULL,
    to_state text NOT NULL
);

CREATE TABLE public.email_verification (
    id text NOT NULL,
    user_id text NOT NULL,
    email text NOT NULL,
    secret_hashes bytea[] DEFAULT '{}'::bytea[] NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone,
    CONSTRAINT email_verification_check CHECK ((expires_at > created_at))
);

CREATE TABLE public.finding (
    seq bigint NOT NULL,
    id text NOT NULL,
    code text NOT NULL,
    subject_type text NOT NULL,
    subject_id text NOT NULL,
    severity text NOT NULL,
    amounts jsonb NOT NULL,
    detail jsonb NOT NULL,
    since timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    until timestamp with time zone,
    owner_id text,
    owner_name text,
    assigned_by text,
    settled_by text,
    resolution text,
    CONSTRAINT finding_amounts_check CHECK (((jsonb_typeof(amounts) = 'object'::text) AND (NOT (amounts @? '$.*?(!(@."micro".type() == "number" && @."currency" like_regex "^[A-Z]{3}$"))'::jsonpath)))),
    CONSTRAINT finding_check CHECK ((until >= since)),
    CONSTRAINT finding_code_check CHECK ((code ~ '^[a-z]+(\.[a-z_]+)+$'::text)),
    CONSTRAINT finding_detail_check CHECK ((jsonb_typeof(detail) = 'object'::text)),
    CONSTRAINT finding_owner CHECK (((owner_id IS NULL) = (owner_name IS NULL))),
    CONSTRAINT finding_settled CHECK ((((settled_by IS NULL) = (resolution IS NULL)) AND ((settled_by IS NULL) OR (until IS NOT NULL)))),
    CONSTRAINT finding_severity_check CHECK ((severity = ANY (ARRAY['warning'::text, 'error'::text, 'critical'::text]))),
    CONSTRAINT finding_subject_type_check CHECK ((subject_type ~ '^[a-z_]+$'::text))
);

CREATE TABLE public.finding_history (
    id bigint NOT NULL,
    finding_id text NOT NULL,
    what text NOT NULL,
    by_name text,
    note text,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT finding_history_what_check CHECK ((what = ANY (ARRAY['opened'::text, 'severity'::text, 'assigned'::text, 'given_back'::text, 'closed'::text, 'resolved'::text])))
);

ALTER TABLE public.finding_history ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.finding_history_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE public.finding ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.finding_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.funds_clock (
    organization_id text NOT NULL,
    currency text NOT NULL,
    level text NOT NULL,
    grace_ends_at timestamp with time zone,
    changed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT funds_clock_check CHECK (((level = 'grace'::text) = (grace_ends_at IS NOT NULL))),
    CONSTRAINT funds_clock_level_check CHECK ((level = ANY (ARRAY['72h'::text, '24h'::text, '1h'::text, '10m'::text, 'grace'::text, 'suspended'::text])))
);

CREATE TABLE public.gpu_health (
    uuid text NOT NULL,
    facts jsonb NOT NULL,
    findings jsonb DEFAULT '[]'::jsonb NOT NULL,
    boot_id text NOT NULL,
    record bigint DEFAULT 0 NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    CONSTRAINT gpu_health_record_check CHECK ((record >= 0))
);

CREATE TABLE public.gpu_transition (
    from_state text NOT NULL,
    to_state text NOT NULL
);

CREATE TABLE public.helper_rollout (
    id text NOT NULL,
    version text NOT NULL,
    sha256 text NOT NULL,
    phase text DEFAULT 'canary'::text NOT NULL,
    reason text,
    started_by text NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    ended_at timestamp with time zone,
    CONSTRAINT helper_rollout_check CHECK (((reason IS NOT NULL) = (phase = 'stopped'::text))),
    CONSTRAINT helper_rollout_check1 CHECK (((ended_at IS NOT NULL) = (phase = ANY (ARRAY['done'::text, 'stopped'::text])))),
    CONSTRAINT helper_rollout_id_check CHECK ((id ~ '^hro_[a-z2-7]{16}$'::text)),
    CONSTRAINT helper_rollout_phase_check CHECK ((phase = ANY (ARRAY['canary'::text, 'rolling'::text, 'done'::text, 'stopped'::text]))),
    CONSTRAINT helper_rollout_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT helper_rollout_version_check CHECK (((length(version) >= 1) AND (length(version) <= 100)))
);

CREATE TABLE public.helper_upgrade (
    rollout_id text NOT NULL,
    node_id text NOT NULL,
    canary boolean NOT NULL,
    from_version text NOT NULL,
    outcome text DEFAULT 'waiting'::text NOT NULL,
    detail text,
    ended_at timestamp with time zone,
    CONSTRAINT helper_upgrade_check CHECK (((detail IS NOT NULL) = (outcome = 'failed'::text))),
    CONSTRAINT helper_upgrade_check1 CHECK (((ended_at IS NOT NULL) = (outcome <> 'waiting'::text))),
    CONSTRAINT helper_upgrade_outcome_check CHECK ((outcome = ANY (ARRAY['waiting'::text, 'done'::text, 'failed'::text, 'left'::text])))
);

CREATE TABLE public.idempotency_key (
    actor text NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    status smallint,
    body bytea,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT idempotency_key_check CHECK (((status IS NULL) = (body IS NULL)))
);

CREATE TABLE public.installation (
    id text NOT NULL,
    made_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT installation_id_check CHECK ((id ~ '^ins_[a-z2-7]{16}$'::text))
);

CREATE TABLE public.join_token (
    token_hash bytea NOT NULL,
    node_id text NOT NULL,
    created_by text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone,
    host_public_key text,
    CONSTRAINT join_token_check CHECK (((used_at IS NULL) = (host_public_key IS NULL))),
    CONSTRAINT join_token_token_hash_check CHECK ((length(token_hash) = 32))
);

CREATE SEQUENCE public.lease_token
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE public.membership (
    seq bigint NOT NULL,
    organization_id text NOT NULL,
    user_id text NOT NULL,
    role text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT membership_role_check CHECK ((role = ANY (ARRAY['owner'::text, 'admin'::text, 'billing'::text, 'member'::text])))
);

ALTER TABLE public.membership ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.membership_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.meter (
    subject_id text NOT NULL,
    subject_name text,
    meter_kind text NOT NULL,
    sku_id text NOT NULL,
    node_id text,
    organization_id text NOT NULL,
    hold_id bigint NOT NULL,
    currency text NOT NULL,
    price_id text NOT NULL,
    nano_per_hour bigint NOT NULL,
    suspended_nano_per_hour bigint NOT NULL,
    kind text DEFAULT 'running'::text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    observed_to timestamp with time zone NOT NULL,
    stopped_at timestamp with time zone,
    settle_due_at timestamp with time zone NOT NULL,
    settled boolean DEFAULT false NOT NULL,
    out_of_funds boolean DEFAULT false NOT NULL,
    boot_id text,
    seen_from timestamp with time zone,
    seen_count integer DEFAULT 0 NOT NULL,
    over_limit boolean DEFAULT false NOT NULL,
    disk_nano_per_hour bigint,
    suspended_until timestamp with time zone,
    CONSTRAINT meter_check CHECK ((observed_to >= started_at)),
    CONSTRAINT meter_check1 CHECK ((stopped_at >= started_at)),
    CONSTRAINT meter_check2 CHECK (((NOT settled) OR (stopped_at IS NOT NULL))),
    CONSTRAINT meter_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT meter_disk CHECK (((kind <> 'disk'::text) OR (disk_nano_per_hour IS NOT NULL))),
    CONSTRAINT meter_disk_nano_per_hour_check CHECK ((disk_nano_per_hour >= 0)),
    CONSTRAINT meter_kind_check CHECK ((kind = ANY (ARRAY['running'::text, 'suspended'::text, 'disk'::text]))),
    CONSTRAINT meter_meter_kind_check CHECK ((meter_kind = ANY (ARRAY['compute'::text, 'storage'::text, 'reserved'::text, 'egress'::text]))),
    CONSTRAINT meter_nano_per_hour_check CHECK ((nano_per_hour >= 0)),
    CONSTRAINT meter_suspended_nano_per_hour_check CHECK ((suspended_nano_per_hour >= 0)),
    CONSTRAINT meter_suspended_until CHECK (((suspended_until IS NULL) OR ((kind = 'suspended'::text) AND (disk_nano_per_hour IS NOT NULL))))
)
WITH (fillfactor='70');

CREATE TABLE public.meter_segment (
    id bigint NOT NULL,
    subject_id text NOT NULL,
    period tstzrange NOT NULL,
    kind text NOT NULL,
    price_id text NOT NULL,
    nano_per_hour bigint NOT NULL,
    metered_to timestamp with time zone NOT NULL,
    posted_to timestamp with time zone NOT NULL,
    complete boolean DEFAULT false NOT NULL,
    CONSTRAINT meter_segment_check CHECK ((((lower(period) <= posted_to) AND (posted_to <= metered_to) AND (metered_to <= upper(period))) OR ((upper(period) IS NULL) AND (lower(period) <= posted_to) AND (posted_to <= metered_to)))),
    CONSTRAINT meter_segment_check1 CHECK (((mod(EXTRACT(epoch FROM (metered_to - lower(period))), (1)::numeric) = (0)::numeric) AND (mod(EXTRACT(epoch FROM (posted_to - lower(period))), (1)::numeric) = (0)::numeric))),
    CONSTRAINT meter_segment_kind_check CHECK ((kind = ANY (ARRAY['running'::text, 'suspended'::text, 'disk'::text]))),
    CONSTRAINT meter_segment_nano_per_hour_check CHECK ((nano_per_hour >= 0)),
    CONSTRAINT meter_segment_period_check CHECK (((NOT isempty(period)) AND (NOT lower_inf(period)) AND lower_inc(period) AND (NOT upper_inc(period))))
)
WITH (fillfactor='45');

ALTER TABLE public.meter_segment ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.meter_segment_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.node (
    id text NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    address text NOT NULL,
    port integer NOT NULL,
    labels jsonb DEFAULT '{}'::jsonb NOT NULL,
    state text NOT NULL,
    resumes_as text DEFAULT 'ready'::text NOT NULL,
    host_public_key text,
    host_certificate_expires_at timestamp with time zone,
    inventory jsonb,
    capabilities jsonb DEFAULT '[]'::jsonb NOT NULL,
    limits_enforced boolean,
    helper_version text,
    boot_id text,
    last_seen_at timestamp with time zone,
    observed_at timestamp with time zone,
    fresh_until timestamp with time zone DEFAULT '1970-01-01 00:00:00+00'::timestamp with time zone NOT NULL,
    disk_free_gib bigint,
    inodes_free bigint,
    enrolled_at timestamp with time zone,
    verified_at timestamp with time zone,
    failure jsonb,
    strangers jsonb DEFAULT '[]'::jsonb NOT NULL,
    misses integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    doors text,
    entered_at timestamp with time zone,
    entered_doors text,
    no_entry jsonb,
    unreadable jsonb DEFAULT '[]'::jsonb NOT NULL,
    gpu_trouble jsonb,
    revocations_below xid8 DEFAULT '0'::xid8 NOT NULL,
    helper_sha256 text,
    helper_too_old boolean DEFAULT false NOT NULL,
    self_tested_at timestamp with time zone,
    first_port integer,
    last_port integer,
    own_principal boolean DEFAULT false NOT NULL,
    removed_at timestamp with time zone,
    CONSTRAINT node_address_check CHECK (((length(address) >= 1) AND (length(address) <= 253))),
    CONSTRAINT node_check CHECK (((state = ANY (ARRAY['enrolling'::text, 'offline'::text, 'retired'::text])) OR ((host_public_key IS NOT NULL) AND (inventory IS NOT NULL)))),
    CONSTRAINT node_check1 CHECK (((entered_doors IS NULL) OR (entered_at IS NOT NULL))),
    CONSTRAINT node_disk_free_gib_check CHECK ((disk_free_gib >= 0)),
    CONSTRAINT node_doors_check CHECK (((length(doors) >= 1) AND (length(doors) <= 200))),
    CONSTRAINT node_helper_sha256_check CHECK ((helper_sha256 ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT node_id_check CHECK ((id ~ '^nd_[a-z2-7]{16}$'::text)),
    CONSTRAINT node_inodes_free_check CHECK ((inodes_free >= 0)),
    CONSTRAINT node_kind_check CHECK ((kind ~ '^[a-z][a-z0-9-]{0,30}$'::text)),
    CONSTRAINT node_labels_check CHECK ((jsonb_typeof(labels) = 'object'::text)),
    CONSTRAINT node_name_check CHECK ((name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'::text)),
    CONSTRAINT node_no_entry_check CHECK ((jsonb_typeof(no_entry) = 'object'::text)),
    CONSTRAINT node_port_check CHECK (((port >= 1) AND (port <= 65535))),
    CONSTRAINT node_ports CHECK ((((first_port IS NULL) = (last_port IS NULL)) AND (first_port >= 1024) AND (first_port <= last_port) AND (last_port <= 65535) AND ((port < first_port) OR (port > last_port)))),
    CONSTRAINT node_removed_check CHECK (((removed_at IS NULL) OR ((state = ANY (ARRAY['enrolling'::text, 'offline'::text])) AND (host_public_key IS NULL)))),
    CONSTRAINT node_resumes_as_check CHECK ((resumes_as = ANY (ARRAY['ready'::text, 'cordoned'::text, 'draining'::text, 'maintenance'::text, 'quarantined'::text]))),
    CONSTRAINT node_state_check CHECK ((state = ANY (ARRAY['enrolling'::text, 'ready'::text, 'cordoned'::text, 'draining'::text, 'maintenance'::text, 'quarantined'::text, 'offline'::text, 'retired'::text]))),
    CONSTRAINT node_strangers_check CHECK ((jsonb_typeof(strangers) = 'array'::text)),
    CONSTRAINT node_unreadable_check CHECK ((jsonb_typeof(unreadable) = 'array'::text))
);

CREATE VIEW public.node_capacity AS
 SELECT id AS node_id,
    name,
    address,
    port,
    state,
    labels,
    COALESCE(limits_enforced, false) AS limits_enforced,
    COALESCE(((inventory ->> 'vcpu'::text))::bigint, (0)::bigint) AS vcpu,
    COALESCE(((inventory ->> 'memory_mib'::text))::bigint, (0)::bigint) AS memory_mib,
    COALESCE(((inventory ->> 'disk_gib'::text))::bigint, (0)::bigint) AS disk_gib,
    disk_free_gib,
        CASE
            WHEN (public.node_closed(state, 'infinity'::timestamp with time zone, (no_entry IS NOT NULL), helper_too_old, inodes_free, '1970-01-01 00:00:00+00'::timestamp with time zone) IS NULL) THEN fresh_until
            ELSE '-infinity'::timestamp with time zone
        END AS accepts_until
   FROM public.node;

CREATE TABLE public.node_drain (
    id text NOT NULL,
    node_id text NOT NULL,
    reason text NOT NULL,
    begun_by text NOT NULL,
    begun_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    deadline_at timestamp with time zone NOT NULL,
    credit_seconds bigint NOT NULL,
    due_told_at timestamp with time zone,
    ended_at timestamp with time zone,
    CONSTRAINT node_drain_credit_seconds_check CHECK (((credit_seconds >= 0) AND (credit_seconds <= 31536000))),
    CONSTRAINT node_drain_id_check CHECK ((id ~ '^drn_[a-z2-7]{16}$'::text)),
    CONSTRAINT node_drain_reason_check CHECK (((length(reason) >= 1) AND (length(reason) <= 500)))
);

CREATE TABLE public.node_history (
    id bigint NOT NULL,
    node_id text NOT NULL,
    from_state text,
    to_state text NOT NULL,
    reason text NOT NULL,
    actor text NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE public.node_history ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.node_history_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW public.node_ports AS
 SELECT id AS node_id,
    first_port,
    last_port,
    (capabilities @> '[{"name": "published_ports", "enforced": true}]'::jsonb) AS leads_ports
   FROM public.node;

CREATE TABLE public.node_self_test (
    id text NOT NULL,
    node_id text NOT NULL,
    asked_by text NOT NULL,
    asked_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    finished_at timestamp with time zone,
    passed boolean,
    checks jsonb DEFAULT '[]'::jsonb NOT NULL,
    CONSTRAINT node_self_test_check CHECK (((finished_at IS NULL) = (passed IS NULL))),
    CONSTRAINT node_self_test_checks_check CHECK ((jsonb_typeof(checks) = 'array'::text)),
    CONSTRAINT node_self_test_id_check CHECK ((id ~ '^nst_[a-z2-7]{16}$'::text))
);

CREATE TABLE public.node_transition (
    from_state text NOT NULL,
    to_state text NOT NULL
);

CREATE TABLE public.node_trial (
    node_id text NOT NULL,
    allocation_id text NOT NULL,
    uid bigint NOT NULL,
    generation bigint DEFAULT 0 NOT NULL,
    CONSTRAINT node_trial_allocation_id_check CHECK ((allocation_id ~ '^al_[a-z2-7]{16}$'::text))
);

CREATE TABLE public.notice (
    seq bigint NOT NULL,
    id text NOT NULL,
    user_id text NOT NULL,
    organization_id text,
    kind text NOT NULL,
    cause text NOT NULL,
    title text NOT NULL,
    sentences text[] NOT NULL,
    link text NOT NULL,
    link_says text NOT NULL,
    in_inbox boolean NOT NULL,
    mail_wanted boolean NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    read_at timestamp with time zone,
    mailed_at timestamp with time zone,
    not_mailed_because text,
    CONSTRAINT notice_check CHECK ((in_inbox OR mail_wanted)),
    CONSTRAINT notice_check1 CHECK ((mail_wanted OR ((mailed_at IS NULL) AND (not_mailed_because IS NULL)))),
    CONSTRAINT notice_check2 CHECK (((mailed_at IS NULL) OR (not_mailed_because IS NULL))),
    CONSTRAINT notice_kind_check CHECK ((kind ~ '^[a-z_]+([.][a-z_]+)*$'::text)),
    CONSTRAINT notice_link_check CHECK (((link ~ '^/[^/]'::text) OR (link = '/'::text))),
    CONSTRAINT notice_sentences_check CHECK ((cardinality(sentences) >= 1)),
    CONSTRAINT notice_title_check CHECK (((length(title) >= 1) AND (length(title) <= 200)))
);

CREATE TABLE public.notice_preference (
    user_id text NOT NULL,
    kind text NOT NULL,
    channel text NOT NULL,
    wanted boolean NOT NULL,
    set_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT notice_preference_channel_check CHECK ((channel = ANY (ARRAY['inbox'::text, 'email'::text]))),
    CONSTRAINT notice_preference_kind_check CHECK ((kind ~ '^[a-z_]+([.][a-z_]+)*$'::text))
);

ALTER TABLE public.notice ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.notice_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.observation_run (
    subject_id text NOT NULL,
    last_at timestamp with time zone NOT NULL,
    first_at timestamp with time zone NOT NULL,
    node_id text,
    boot_id text,
    count integer NOT NULL,
    CONSTRAINT observation_run_check CHECK ((first_at <= last_at)),
    CONSTRAINT observation_run_count_check CHECK ((count > 0))
);

CREATE TABLE public.organization (
    seq bigint NOT NULL,
    id text NOT NULL,
    name text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT organization_name_check CHECK (((length(name) >= 1) AND (length(name) <= 100)))
);

ALTER TABLE public.organization ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.organization_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.outbox_cursor (
    subscriber text NOT NULL,
    xid xid8 NOT NULL,
    id bigint NOT NULL
);

CREATE TABLE public.outbox_event (
    id bigint NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    event_id text,
    type text NOT NULL,
    subject text NOT NULL,
    organization_id text,
    data jsonb NOT NULL,
    occurred_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE SEQUENCE public.outbox_event_id
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.outbox_event_id OWNED BY public.outbox_event.id;

CREATE TABLE public.outbox_forgotten (
    one boolean DEFAULT true NOT NULL,
    xid xid8 NOT NULL,
    id bigint NOT NULL,
    CONSTRAINT outbox_forgotten_one_check CHECK (one)
);

CREATE TABLE public.payout (
    id text NOT NULL,
    seq bigint NOT NULL,
    processor_id text NOT NULL,
    amount bigint NOT NULL,
    currency text NOT NULL,
    automatic boolean NOT NULL,
    state text DEFAULT 'created'::text NOT NULL,
    arrives_on timestamp with time zone NOT NULL,
    failure_code text,
    itemised boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone NOT NULL,
    seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    ended_at timestamp with time zone,
    CONSTRAINT payout_amount_check CHECK ((amount <> 0)),
    CONSTRAINT payout_check CHECK (((state = ANY (ARRAY['paid'::text, 'failed'::text, 'canceled'::text])) = (ended_at IS NOT NULL))),
    CONSTRAINT payout_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT payout_state_check CHECK ((state = ANY (ARRAY['created'::text, 'in_transit'::text, 'paid'::text, 'failed'::text, 'canceled'::text])))
);

CREATE TABLE public.payout_history (
    id bigint NOT NULL,
    payout_id text NOT NULL,
    previous text NOT NULL,
    next text NOT NULL,
    reason text NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE public.payout_history ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.payout_history_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE public.payout ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.payout_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.payout_transition (
    from_state text NOT NULL,
    to_state text NOT NULL
);

CREATE TABLE public.price (
    seq bigint NOT NULL,
    id text NOT NULL,
    sku_id text NOT NULL,
    currency text NOT NULL,
    nano_per_hour bigint NOT NULL,
    suspended_nano_per_hour bigint NOT NULL,
    effective_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    suspended_claim text NOT NULL,
    suspended_claim_hours integer,
    disk_nano_per_hour bigint,
    CONSTRAINT price_check CHECK (((suspended_nano_per_hour >= 0) AND (suspended_nano_per_hour <= nano_per_hour))),
    CONSTRAINT price_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT price_disk CHECK ((((suspended_claim = 'always'::text) = (disk_nano_per_hour IS NULL)) AND ((disk_nano_per_hour >= 0) AND (disk_nano_per_hour <= suspended_nano_per_hour)))),
    CONSTRAINT price_disk_not_free CHECK (((disk_nano_per_hour > 0) OR (suspended_nano_per_hour = 0) OR (disk_nano_per_hour IS NULL))),
    CONSTRAINT price_nano_per_hour_check CHECK ((nano_per_hour >= 0)),
    CONSTRAINT price_suspended_claim CHECK ((suspended_claim = ANY (ARRAY['none'::text, 'hours'::text, 'always'::text]))),
    CONSTRAINT price_suspended_claim_hours CHECK ((((suspended_claim = 'hours'::text) = (suspended_claim_hours IS NOT NULL)) AND ((suspended_claim_hours >= 1) AND (suspended_claim_hours <= 8760)))),
    CONSTRAINT price_without_claim CHECK (((suspended_claim <> 'none'::text) OR (disk_nano_per_hour = suspended_nano_per_hour)))
);

CREATE VIEW public.price_rate AS
 SELECT p.id,
    p.sku_id,
    p.currency,
    r.kind,
    r.nano_per_hour
   FROM public.price p,
    LATERAL ( VALUES ('running'::text,p.nano_per_hour), ('suspended'::text,p.suspended_nano_per_hour), ('disk'::text,p.disk_nano_per_hour)) r(kind, nano_per_hour)
  WHERE (r.nano_per_hour IS NOT NULL);

ALTER TABLE public.price ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.price_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.processor_balance (
    currency text NOT NULL,
    available bigint NOT NULL,
    pending bigint NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    CONSTRAINT processor_balance_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text))
);

CREATE TABLE public.processor_cursor (
    list text NOT NULL,
    up_to timestamp with time zone NOT NULL,
    CONSTRAINT processor_cursor_list_check CHECK ((list = ANY (ARRAY['balance_transactions'::text, 'events'::text])))
);

CREATE TABLE public.processor_customer (
    organization_id text NOT NULL,
    customer_id text NOT NULL,
    made_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE public.promo_code (
    id text NOT NULL,
    seq bigint NOT NULL,
    code text NOT NULL,
    amount bigint NOT NULL,
    currency text NOT NULL,
    most_uses integer NOT NULL,
    valid_days integer,
    expires_at timestamp with time zone NOT NULL,
    reason text NOT NULL,
    made_by text NOT NULL,
    made_by_name text NOT NULL,
    approval_id text,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    ended_at timestamp with time zone,
    CONSTRAINT promo_code_amount_check CHECK ((amount > 0)),
    CONSTRAINT promo_code_code_check CHECK ((code ~ '^[A-Z0-9][A-Z0-9-]{6,38}[A-Z0-9]$'::text)),
    CONSTRAINT promo_code_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT promo_code_most_uses_check CHECK ((most_uses > 0)),
    CONSTRAINT promo_code_valid_days_check CHECK ((valid_days > 0))
);

ALTER TABLE public.promo_code ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.promo_code_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.promo_redemption (
    promo_code_id text NOT NULL,
    organization_id text NOT NULL,
    user_id text NOT NULL,
    entry_id bigint NOT NULL,
    redeemed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE public.published_port (
    seq bigint NOT NULL,
    id text NOT NULL,
    allocation_id text NOT NULL,
    node_id text NOT NULL,
    protocol text NOT NULL,
    port integer NOT NULL,
    node_port integer NOT NULL,
    slot smallint NOT NULL,
    state text DEFAULT 'opening'::text NOT NULL,
    refusal text,
    published_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    gone_at timestamp with time zone,
    CONSTRAINT published_port_check CHECK (((state = 'gone'::text) = (gone_at IS NOT NULL))),
    CONSTRAINT published_port_check1 CHECK (((state = 'refused'::text) = (refusal IS NOT NULL))),
    CONSTRAINT published_port_node_port_check CHECK (((node_port >= 1024) AND (node_port <= 65535))),
    CONSTRAINT published_port_port_check CHECK (((port >= 1) AND (port <= 65535))),
    CONSTRAINT published_port_protocol_check CHECK ((protocol = ANY (ARRAY['tcp'::text, 'udp'::text]))),
    CONSTRAINT published_port_slot_check CHECK (((slot >= 1) AND (slot <= 16))),
    CONSTRAINT published_port_state_check CHECK ((state = ANY (ARRAY['opening'::text, 'open'::text, 'closed'::text, 'refused'::text, 'closing'::text, 'gone'::text])))
);

ALTER TABLE public.published_port ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.published_port_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.published_port_transition (
    from_state text NOT NULL,
    to_state text NOT NULL
);

CREATE TABLE public.refund (
    id text NOT NULL,
    seq bigint NOT NULL,
    organization_id text NOT NULL,
    top_up_id text NOT NULL,
    request_id text,
    origin text NOT NULL,
    requested_by text NOT NULL,
    requested_by_name text NOT NULL,
    amount bigint NOT NULL,
    currency text NOT NULL,
    reason text NOT NULL,
    state text DEFAULT 'pending'::text NOT NULL,
    processor_id text,
    entry_id bigint NOT NULL,
    owed bigint NOT NULL,
    failure_code text,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    completed_at timestamp with time zone,
    CONSTRAINT refund_amount_check CHECK ((amount > 0)),
    CONSTRAINT refund_check CHECK (((owed >= 0) AND (owed <= amount))),
    CONSTRAINT refund_check1 CHECK (((state = 'pending'::text) = (completed_at IS NULL))),
    CONSTRAINT refund_check2 CHECK (((origin = 'operator'::text) OR (processor_id IS NOT NULL))),
    CONSTRAINT refund_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT refund_origin_check CHECK ((origin = ANY (ARRAY['operator'::text, 'processor'::text]))),
    CONSTRAINT refund_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'succeeded'::text, 'failed'::text, 'canceled'::text])))
);

CREATE TABLE public.refund_history (
    id bigint NOT NULL,
    refund_id text NOT NULL,
    previous text NOT NULL,
    next text NOT NULL,
    reason text NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE public.refund_history ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.refund_history_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.refund_request (
    id text NOT NULL,
    seq bigint NOT NULL,
    organization_id text NOT NULL,
    top_up_id text NOT NULL,
    requested_by text NOT NULL,
    amount bigint NOT NULL,
    currency text NOT NULL,
    reason text NOT NULL,
    state text DEFAULT 'requested'::text NOT NULL,
    decided_by text,
    decided_by_name text,
    decision text,
    decided_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT refund_request_amount_check CHECK ((amount > 0)),
    CONSTRAINT refund_request_check CHECK (((state = 'requested'::text) = (decided_at IS NULL))),
    CONSTRAINT refund_request_check1 CHECK (((decided_by IS NULL) = (decided_at IS NULL))),
    CONSTRAINT refund_request_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT refund_request_state_check CHECK ((state = ANY (ARRAY['requested'::text, 'granted'::text, 'declined'::text, 'withdrawn'::text])))
);

ALTER TABLE public.refund_request ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.refund_request_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.refund_request_transition (
    from_state text NOT NULL,
    to_state text NOT NULL
);

ALTER TABLE public.refund ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.refund_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.refund_transition (
    from_state text NOT NULL,
    to_state text NOT NULL
);

CREATE TABLE public.register_seal_mark (
    register text NOT NULL,
    up_to bigint NOT NULL,
    bound xid8 NOT NULL
);

CREATE VIEW public.room_from_now AS
 SELECT node_id,
    labels,
    limits_enforced,
    vcpu_free,
    memory_free_mib,
    disk_free_gib,
    gpus_free,
    load,
    (taken_vcpu = 0) AS empty
   FROM public.node_room
  WHERE (ready AND (accepts_until > clock_timestamp()));

CREATE TABLE public.saved_card (
    id text NOT NULL,
    seq bigint NOT NULL,
    organization_id text NOT NULL,
    card_setup_id text NOT NULL,
    customer_id text NOT NULL,
    payment_method_id text NOT NULL,
    brand text NOT NULL,
    last4 text NOT NULL,
    expiry_month integer NOT NULL,
    expiry_year integer NOT NULL,
    is_default boolean NOT NULL,
    saved_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    removed_at timestamp with time zone,
    forgotten_at timestamp with time zone,
    expiry_told integer,
    CONSTRAINT saved_card_default_check CHECK (((NOT is_default) OR (removed_at IS NULL))),
    CONSTRAINT saved_card_expiry_month_check CHECK (((expiry_month >= 1) AND (expiry_month <= 12))),
    CONSTRAINT saved_card_expiry_told_check CHECK ((expiry_told = ANY (ARRAY[1, 0]))),
    CONSTRAINT saved_card_forgotten_check CHECK (((forgotten_at IS NULL) OR (removed_at IS NOT NULL))),
    CONSTRAINT saved_card_last4_check CHECK ((last4 ~ '^[0-9]{4}$'::text))
);

ALTER TABLE public.saved_card ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.saved_card_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW public.sealable_account AS
 SELECT a.id,
    ARRAY[(a.id)::text, a.code, (a.kind)::text, a.owner_id, a.currency, (a.materialised)::text, w.owner_id, w.currency, (w.promo_id)::text, (w.receivable_id)::text] AS parts
   FROM (ledger.account a
     LEFT JOIN ledger.wallet w ON ((w.id = a.id)));

CREATE VIEW public.sealable_audit AS
 SELECT seq AS id,
    ARRAY[(seq)::text, id, (EXTRACT(epoch FROM occurred_at))::text, actor_kind, actor_user_id, actor_name, actor_role, (actor_platform_roles)::text, organization_id, session_id, token_id, request_id, address, action, target_type, target_id, (before)::text, (after)::text] AS parts
   FROM public.audit_event;

CREATE VIEW public.sealable_dispute AS
 SELECT h.id,
    ARRAY[(h.id)::text, h.dispute_id, h.previous, h.next, h.reason, (EXTRACT(epoch FROM h.at))::text, d.organization_id, d.top_up_id, d.currency, d.processor_id] AS parts
   FROM (public.dispute_history h
     LEFT JOIN public.dispute d ON ((d.id = h.dispute_id)));

CREATE VIEW public.sealable_payout AS
 SELECT h.id,
    ARRAY[(h.id)::text, h.payout_id, h.previous, h.next, h.reason, (EXTRACT(epoch FROM h.at))::text, p.processor_id, (p.amount)::text, p.currency, (p.automatic)::text, (EXTRACT(epoch FROM p.created_at))::text] AS parts
   FROM (public.payout_history h
     LEFT JOIN public.payout p ON ((p.id = h.payout_id)));

CREATE VIEW public.sealable_refund AS
 SELECT h.id,
    ARRAY[(h.id)::text, h.refund_id, h.previous, h.next, h.reason, (EXTRACT(epoch FROM h.at))::text, r.organization_id, r.top_up_id, (r.amount)::text, r.currency, r.origin, r.requested_by, r.reason, (r.entry_id)::text] AS parts
   FROM (public.refund_history h
     LEFT JOIN public.refund r ON ((r.id = h.refund_id)));

CREATE TABLE public.top_up (
    id text NOT NULL,
    seq bigint NOT NULL,
    organization_id text NOT NULL,
    requested_by text NOT NULL,
    request_key text,
    amount bigint NOT NULL,
    currency text NOT NULL,
    customer_email text,
    return_path text NOT NULL,
    success_url text NOT NULL,
    cancel_url text NOT NULL,
    state text DEFAULT 'pending'::text NOT NULL,
    checkout_session_id text,
    checkout_url text,
    payment_intent_id text,
    charge_id text,
    balance_transaction_id text,
    fee bigint,
    failure_code text,
    failure_message text,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    completed_at timestamp with time zone,
    looked_at timestamp with time zone,
    taken_back bigint DEFAULT 0 NOT NULL,
    taken_aside bigint DEFAULT 0 NOT NULL,
    installation_id text,
    taken_settled bigint DEFAULT 0 NOT NULL,
    credited bigint,
    purpose text DEFAULT 'top_up'::text NOT NULL,
    saved_card_id text,
    CONSTRAINT top_up_amount_check CHECK (((amount > 0) AND ((amount % (1000)::bigint) = 0))),
    CONSTRAINT top_up_charged_check CHECK (((purpose <> 'auto_top_up'::text) OR (saved_card_id IS NOT NULL))),
    CONSTRAINT top_up_check CHECK (((taken_aside >= 0) AND (taken_aside <= taken_back))),
    CONSTRAINT top_up_check1 CHECK (((completed_at IS NOT NULL) = (state = ANY (ARRAY['succeeded'::text, 'failed'::text, 'expired'::text])))),
    CONSTRAINT top_up_check2 CHECK (((state <> 'succeeded'::text) OR ((payment_intent_id IS NOT NULL) AND (charge_id IS NOT NULL)))),
    CONSTRAINT top_up_check3 CHECK (((fee IS NULL) = (balance_transaction_id IS NULL))),
    CONSTRAINT top_up_check4 CHECK (((failure_code IS NULL) = (failure_message IS NULL))),
    CONSTRAINT top_up_check5 CHECK (((checkout_session_id IS NOT NULL) OR (checkout_url IS NULL))),
    CONSTRAINT top_up_credited_check CHECK (((credited IS NULL) OR ((credited > 0) AND (state = 'succeeded'::text)))),
    CONSTRAINT top_up_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT top_up_fee_check CHECK ((fee >= 0)),
    CONSTRAINT top_up_purpose_check CHECK ((purpose = ANY (ARRAY['top_up'::text, 'auto_top_up'::text]))),
    CONSTRAINT top_up_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'processing'::text, 'needs_action'::text, 'succeeded'::text, 'failed'::text, 'expired'::text]))),
    CONSTRAINT top_up_taken_back_check CHECK ((taken_back >= 0)),
    CONSTRAINT top_up_taken_settled_check CHECK (((taken_settled >= 0) AND (taken_settled <= (taken_back - taken_aside))))
);

CREATE TABLE public.top_up_history (
    id bigint NOT NULL,
    top_up_id text NOT NULL,
    previous text NOT NULL,
    next text NOT NULL,
    reason text NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE VIEW public.sealable_top_up AS
 SELECT h.id,
    ARRAY[(h.id)::text, h.top_up_id, h.previous, h.next, h.reason, (EXTRACT(epoch FROM h.at))::text, t.organization_id, (t.amount)::text, t.currency, t.requested_by, t.purpose] AS parts
   FROM (public.top_up_history h
     LEFT JOIN public.top_up t ON ((t.id = h.top_up_id)));

CREATE TABLE public.usage_charge (
    id bigint NOT NULL,
    subject_id text NOT NULL,
    period_start timestamp with time zone NOT NULL,
    meter_kind text NOT NULL,
    organization_id text NOT NULL,
    currency text NOT NULL,
    price_id text NOT NULL,
    nano_per_hour bigint NOT NULL,
    amount bigint NOT NULL,
    ledger_entry_id bigint,
    charged_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT usage_charge_amount_check CHECK ((amount >= 0)),
    CONSTRAINT usage_charge_check CHECK (((amount > 0) = (ledger_entry_id IS NOT NULL)))
);

CREATE TABLE public.usage_record (
    subject_id text NOT NULL,
    period_start timestamp with time zone NOT NULL,
    period_end timestamp with time zone NOT NULL,
    seconds bigint NOT NULL,
    kind text NOT NULL,
    meter_kind text NOT NULL,
    sku_id text NOT NULL,
    node_id text,
    evidence_at timestamp with time zone NOT NULL,
    boot_id text,
    seen_from timestamp with time zone,
    seen_count integer,
    CONSTRAINT usage_record_check CHECK ((evidence_at >= period_end)),
    CONSTRAINT usage_record_check1 CHECK (((period_end - period_start) = make_interval(secs => (seconds)::double precision))),
    CONSTRAINT usage_record_kind_check CHECK ((kind = ANY (ARRAY['running'::text, 'suspended'::text, 'disk'::text]))),
    CONSTRAINT usage_record_meter_kind_check CHECK ((meter_kind = ANY (ARRAY['compute'::text, 'storage'::text, 'reserved'::text, 'egress'::text]))),
    CONSTRAINT usage_record_seconds_check CHECK ((seconds > 0))
);

CREATE VIEW public.sealable_usage AS
 SELECT c.id,
    ARRAY[(c.id)::text, c.subject_id, (EXTRACT(epoch FROM c.period_start))::text, c.meter_kind, c.organization_id, c.currency, c.price_id, (c.nano_per_hour)::text, (c.amount)::text, (c.ledger_entry_id)::text, (EXTRACT(epoch FROM c.charged_at))::text, (EXTRACT(epoch FROM u.period_end))::text, (u.seconds)::text, u.kind, u.meter_kind, u.sku_id, u.node_id, (EXTRACT(epoch FROM u.evidence_at))::text, u.boot_id, (EXTRACT(epoch FROM u.seen_from))::text, (u.seen_count)::text] AS parts
   FROM (public.usage_charge c
     LEFT JOIN public.usage_record u ON (((u.subject_id = c.subject_id) AND (u.period_start = c.period_start))));

CREATE TABLE public.sealed_register (
    name text NOT NULL,
    sequence text NOT NULL,
    content text NOT NULL,
    CONSTRAINT sealed_register_name_check CHECK ((name ~ '^[a-z_]+$'::text))
);

CREATE TABLE public.signing_key (
    id text NOT NULL,
    public_key bytea NOT NULL,
    encrypted_private_key bytea NOT NULL,
    made_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT signing_key_public_key_check CHECK ((octet_length(public_key) = 32))
);

CREATE TABLE public.sku (
    seq bigint NOT NULL,
    id text NOT NULL,
    code text NOT NULL,
    name text NOT NULL,
    vcpu integer NOT NULL,
    memory_mib integer NOT NULL,
    disk_gib integer NOT NULL,
    gpu_model text,
    gpu_count integer NOT NULL,
    node_labels jsonb DEFAULT '{}'::jsonb NOT NULL,
    active boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    network_mbit integer,
    whole_node boolean DEFAULT false NOT NULL,
    node_network boolean DEFAULT false NOT NULL,
    CONSTRAINT sku_check CHECK (((gpu_model IS NULL) OR (gpu_count > 0))),
    CONSTRAINT sku_code_check CHECK ((code ~ '^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$'::text)),
    CONSTRAINT sku_disk_gib_check CHECK ((disk_gib >= 1)),
    CONSTRAINT sku_gpu_count_check CHECK ((gpu_count >= 0)),
    CONSTRAINT sku_gpu_model_check CHECK (((length(gpu_model) >= 1) AND (length(gpu_model) <= 100))),
    CONSTRAINT sku_memory_mib_check CHECK ((memory_mib >= 1)),
    CONSTRAINT sku_name_check CHECK (((length(name) >= 1) AND (length(name) <= 100))),
    CONSTRAINT sku_network_mbit_check CHECK (((network_mbit >= 1) AND (network_mbit <= 1000000))),
    CONSTRAINT sku_node_labels_check CHECK ((jsonb_typeof(node_labels) = 'object'::text)),
    CONSTRAINT sku_node_network CHECK (((NOT node_network) OR (whole_node AND (network_mbit IS NULL)))),
    CONSTRAINT sku_vcpu_check CHECK ((vcpu >= 1))
);

ALTER TABLE public.sku ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.sku_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.spending_limit (
    seq bigint NOT NULL,
    organization_id text NOT NULL,
    currency text NOT NULL,
    scope text NOT NULL,
    subject_id text,
    amount bigint NOT NULL,
    set_by text NOT NULL,
    set_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    period_start timestamp with time zone,
    told_percent smallint DEFAULT 0 NOT NULL,
    reached_at timestamp with time zone,
    CONSTRAINT spending_limit_amount_check CHECK ((amount > 0)),
    CONSTRAINT spending_limit_check CHECK (((scope = 'allocation'::text) = (subject_id IS NOT NULL))),
    CONSTRAINT spending_limit_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT spending_limit_scope_check CHECK ((scope = ANY (ARRAY['day'::text, 'month'::text, 'allocation'::text]))),
    CONSTRAINT spending_limit_told_percent_check CHECK ((told_percent = ANY (ARRAY[0, 50, 80, 100])))
);

ALTER TABLE public.spending_limit ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.spending_limit_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.ssh_ca_key (
    id text NOT NULL,
    kind text NOT NULL,
    slot text NOT NULL,
    public_key text NOT NULL,
    encrypted_private_key bytea NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT ssh_ca_key_kind_check CHECK ((kind = ANY (ARRAY['user'::text, 'host'::text]))),
    CONSTRAINT ssh_ca_key_slot_check CHECK ((slot = ANY (ARRAY['current'::text, 'next'::text])))
);

CREATE TABLE public.ssh_key (
    seq bigint NOT NULL,
    id text NOT NULL,
    user_id text NOT NULL,
    name text NOT NULL,
    public_key text NOT NULL,
    fingerprint text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT ssh_key_fingerprint_check CHECK ((fingerprint ~ '^SHA256:[A-Za-z0-9+/]{43}$'::text)),
    CONSTRAINT ssh_key_name_check CHECK (((length(name) >= 1) AND (length(name) <= 100))),
    CONSTRAINT ssh_key_public_key_check CHECK ((public_key ~ '^[a-z0-9@.-]+ [A-Za-z0-9+/=]+$'::text))
);

ALTER TABLE public.ssh_key ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.ssh_key_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.stripe_event (
    id text NOT NULL,
    type text NOT NULL,
    object_id text,
    object_type text,
    charge_id text,
    payment_intent_id text,
    top_up_id text,
    created_at timestamp with time zone NOT NULL,
    received_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    processed_at timestamp with time zone,
    outcome text,
    installation_id text,
    card_setup_id text,
    CONSTRAINT stripe_event_check CHECK (((processed_at IS NULL) = (outcome IS NULL))),
    CONSTRAINT stripe_event_outcome_check CHECK ((outcome = ANY (ARRAY['applied'::text, 'ignored'::text, 'unhandled'::text])))
);

CREATE TABLE public.stripe_transaction (
    id text NOT NULL,
    type text NOT NULL,
    amount bigint NOT NULL,
    fee bigint NOT NULL,
    currency text NOT NULL,
    source text,
    payout_id text,
    created_at timestamp with time zone NOT NULL,
    available_on timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    whose text DEFAULT 'ours'::text NOT NULL,
    CONSTRAINT stripe_transaction_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT stripe_transaction_whose_check CHECK ((whose = ANY (ARRAY['ours'::text, 'suspense'::text, 'elsewhere'::text])))
);

CREATE TABLE public.terminal_session (
    id text NOT NULL,
    allocation_id text NOT NULL,
    user_id text,
    address text,
    opened_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    alive_until timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    ended_reason text,
    CONSTRAINT terminal_session_check CHECK (((ended_at IS NULL) = (ended_reason IS NULL)))
);

CREATE TABLE public.terms_acceptance (
    seq bigint NOT NULL,
    user_id text NOT NULL,
    url text NOT NULL,
    version text NOT NULL,
    occasion text NOT NULL,
    address text,
    user_agent text,
    accepted_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT terms_acceptance_occasion_check CHECK ((occasion = ANY (ARRAY['sign_up'::text, 'sign_in'::text])))
);

ALTER TABLE public.terms_acceptance ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.terms_acceptance_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.throttle (
    bucket bytea NOT NULL,
    attempts integer NOT NULL,
    window_ends_at timestamp with time zone NOT NULL,
    CONSTRAINT throttle_attempts_check CHECK ((attempts >= 0))
);

ALTER TABLE public.top_up_history ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.top_up_history_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE public.top_up ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.top_up_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.top_up_transition (
    from_state text NOT NULL,
    to_state text NOT NULL
);

CREATE TABLE public.unmetered_interval (
    id bigint NOT NULL,
    subject_id text NOT NULL,
    period tstzrange NOT NULL,
    reason text NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT unmetered_interval_period_check CHECK ((NOT isempty(period)))
);

ALTER TABLE public.unmetered_interval ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.unmetered_interval_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE public.usage_charge ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.usage_charge_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.user_account (
    id text NOT NULL,
    email text NOT NULL,
    name text NOT NULL,
    password_hash text NOT NULL,
    platform_roles text[] DEFAULT '{}'::text[] NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    disabled_at timestamp with time zone,
    verified_email text,
    verified_at timestamp with time zone,
    CONSTRAINT user_account_email_check CHECK (((email ~ '^[^@[:space:]]+@[^@[:space:]]+$'::text) AND (length(email) <= 254))),
    CONSTRAINT user_account_name_check CHECK (((length(name) >= 1) AND (length(name) <= 100))),
    CONSTRAINT user_account_password_hash_check CHECK ((password_hash ~~ '$argon2id$%'::text)),
    CONSTRAINT user_account_platform_roles_check CHECK ((platform_roles <@ ARRAY['fleet'::text, 'finance'::text, 'support'::text, 'admin'::text])),
    CONSTRAINT user_account_verified_check CHECK (((verified_email IS NULL) = (verified_at IS NULL)))
);

CREATE TABLE public.user_session (
    seq bigint NOT NULL,
    id text NOT NULL,
    user_id text NOT NULL,
    organization_id text,
    secret_hash bytea NOT NULL,
    strength text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    confirmed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone,
    address text,
    user_agent text,
    CONSTRAINT user_session_check CHECK ((expires_at > created_at)),
    CONSTRAINT user_session_secret_hash_check CHECK ((length(secret_hash) = 32)),
    CONSTRAINT user_session_strength_check CHECK ((strength = ANY (ARRAY['password'::text, 'second_factor'::text])))
);

ALTER TABLE public.user_session ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.user_session_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.work (
    kind text NOT NULL,
    id text NOT NULL,
    number bigint NOT NULL,
    place text DEFAULT ''::text NOT NULL,
    due_at timestamp with time zone NOT NULL,
    lease_token bigint,
    lease_holder bigint,
    lease_expires_at timestamp with time zone,
    ready_at timestamp with time zone GENERATED ALWAYS AS (COALESCE(lease_expires_at, due_at)) STORED NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    crashes integer DEFAULT 0 NOT NULL,
    last_crash bigint,
    last_error text,
    failed_at timestamp with time zone,
    set_aside_at timestamp with time zone,
    trace text,
    failing_since timestamp with time zone,
    tenant text DEFAULT ''::text NOT NULL,
    CONSTRAINT work_attempts_check CHECK ((attempts >= 0)),
    CONSTRAINT work_check CHECK (((lease_expires_at IS NULL) = (lease_holder IS NULL))),
    CONSTRAINT work_check1 CHECK (((lease_expires_at IS NULL) OR (lease_token IS NOT NULL))),
    CONSTRAINT work_check2 CHECK (((set_aside_at IS NULL) OR ((due_at = 'infinity'::timestamp with time zone) AND (lease_expires_at IS NULL) AND (last_error IS NOT NULL)))),
    CONSTRAINT work_crashes_check CHECK ((crashes >= 0))
)
WITH (fillfactor='70', autovacuum_vacuum_scale_factor='0.02');

CREATE TABLE public.work_crash (
    number bigint NOT NULL,
    holder bigint NOT NULL,
    noticed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

ALTER TABLE public.work_crash ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.work_crash_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE public.work ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.work_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE ONLY ledger.ledger_entry ALTER COLUMN id SET DEFAULT 
CASE
    WHEN (pg_current_xact_id() IS NOT NULL) THEN nextval('ledger.entry_id'::regclass)
    ELSE NULL::bigint
END;

ALTER TABLE ONLY public.audit_event ALTER COLUMN seq SET DEFAULT 
CASE
    WHEN (pg_current_xact_id() IS NOT NULL) THEN nextval('public.audit_event_seq'::regclass)
    ELSE NULL::bigint
END;

ALTER TABLE ONLY public.issued_certificate ALTER COLUMN serial SET DEFAULT nextval('public.certificate_serial'::regclass);

ALTER TABLE ONLY public.outbox_event ALTER COLUMN id SET DEFAULT 
CASE
    WHEN (pg_current_xact_id() IS NOT NULL) THEN nextval('public.outbox_event_id'::regclass)
    ELSE NULL::bigint
END;

ALTER TABLE ONLY ledger.account
    ADD CONSTRAINT account_code_key UNIQUE (code);

ALTER TABLE ONLY ledger.account
    ADD CONSTRAINT account_pkey PRIMARY KEY (id);

ALTER TABLE ONLY ledger.balance
    ADD CONSTRAINT balance_pkey PRIMARY KEY (account_id);

ALTER TABLE ONLY ledger.calendar
    ADD CONSTRAINT calendar_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY ledger.correction
    ADD CONSTRAINT correction_pkey PRIMARY KEY (entry_id);

ALTER TABLE ONLY ledger.hold_event
    ADD CONSTRAINT hold_event_pkey PRIMARY KEY (hold_id, number);

ALTER TABLE ONLY ledger.hold
    ADD CONSTRAINT hold_pkey PRIMARY KEY (id);

ALTER TABLE ONLY ledger.ledger_entry
    ADD CONSTRAINT ledger_entry_idempotency_key_key UNIQUE (idempotency_key);

ALTER TABLE ONLY ledger.ledger_entry
    ADD CONSTRAINT ledger_entry_pkey PRIMARY KEY (id);

ALTER TABLE ONLY ledger.ledger_entry
    ADD CONSTRAINT ledger_entry_reverses_entry_id_key UNIQUE (reverses_entry_id);

ALTER TABLE ONLY ledger.month_close
    ADD CONSTRAINT month_close_ends_at_key UNIQUE (ends_at);

ALTER TABLE ONLY ledger.month_close
    ADD CONSTRAINT month_close_pkey PRIMARY KEY (month);

ALTER TABLE ONLY ledger.month_close
    ADD CONSTRAINT month_close_starts_at_key UNIQUE (starts_at);

ALTER TABLE ONLY ledger.month_total
    ADD CONSTRAINT month_total_pkey PRIMARY KEY (month, kind, currency);

ALTER TABLE ONLY ledger.posting
    ADD CONSTRAINT posting_pkey PRIMARY KEY (entry_id, line);

ALTER TABLE ONLY ledger.promo_lot
    ADD CONSTRAINT promo_lot_entry_id_wallet_id_key UNIQUE (entry_id, wallet_id);

ALTER TABLE ONLY ledger.promo_lot
    ADD CONSTRAINT promo_lot_pkey PRIMARY KEY (id);

ALTER TABLE ONLY ledger.seal
    ADD CONSTRAINT seal_hash_key UNIQUE (hash);

ALTER TABLE ONLY ledger.seal_mark
    ADD CONSTRAINT seal_mark_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY ledger.seal
    ADD CONSTRAINT seal_pkey PRIMARY KEY (from_id);

ALTER TABLE ONLY ledger.seal
    ADD CONSTRAINT seal_prev_hash_key UNIQUE (prev_hash);

ALTER TABLE ONLY ledger.seal
    ADD CONSTRAINT seal_to_id_key UNIQUE (to_id);

ALTER TABLE ONLY ledger.topup_lot
    ADD CONSTRAINT topup_lot_entry_id_key UNIQUE (entry_id);

ALTER TABLE ONLY ledger.topup_lot
    ADD CONSTRAINT topup_lot_payment_intent_id_key UNIQUE (payment_intent_id);

ALTER TABLE ONLY ledger.topup_lot
    ADD CONSTRAINT topup_lot_pkey PRIMARY KEY (charge_id);

ALTER TABLE ONLY ledger.wallet
    ADD CONSTRAINT wallet_owner_id_currency_key UNIQUE (owner_id, currency);

ALTER TABLE ONLY ledger.wallet
    ADD CONSTRAINT wallet_pkey PRIMARY KEY (id);

ALTER TABLE ONLY ledger.wallet
    ADD CONSTRAINT wallet_promo_id_key UNIQUE (promo_id);

ALTER TABLE ONLY ledger.wallet
    ADD CONSTRAINT wallet_receivable_id_key UNIQUE (receivable_id);

ALTER TABLE ONLY public.allocation_environment
    ADD CONSTRAINT allocation_environment_pkey PRIMARY KEY (allocation_id);

ALTER TABLE ONLY public.allocation_history
    ADD CONSTRAINT allocation_history_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.allocation_label
    ADD CONSTRAINT allocation_label_pkey PRIMARY KEY (allocation_id, key);

ALTER TABLE ONLY public.allocation
    ADD CONSTRAINT allocation_login_key UNIQUE (login);

ALTER TABLE ONLY public.allocation_operation
    ADD CONSTRAINT allocation_operation_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.allocation_operation
    ADD CONSTRAINT allocation_operation_seq_key UNIQUE (seq);

ALTER TABLE ONLY public.allocation
    ADD CONSTRAINT allocation_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.allocation_remnant
    ADD CONSTRAINT allocation_remnant_allocation_id_node_id_key UNIQUE (allocation_id, node_id);

ALTER TABLE ONLY public.allocation_remnant
    ADD CONSTRAINT allocation_remnant_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.allocation
    ADD CONSTRAINT allocation_seq_key UNIQUE (seq);

ALTER TABLE ONLY public.allocation_startup
    ADD CONSTRAINT allocation_startup_pkey PRIMARY KEY (allocation_id);

ALTER TABLE ONLY public.allocation_traffic
    ADD CONSTRAINT allocation_traffic_pkey PRIMARY KEY (allocation_id);

ALTER TABLE ONLY public.allocation_transition
    ADD CONSTRAINT allocation_transition_pkey PRIMARY KEY (from_state, to_state);

ALTER TABLE ONLY public.allocation
    ADD CONSTRAINT allocation_uid_key UNIQUE (uid);

ALTER TABLE ONLY public.api_token
    ADD CONSTRAINT api_token_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.api_token
    ADD CONSTRAINT api_token_secret_hash_key UNIQUE (secret_hash);

ALTER TABLE ONLY public.api_token
    ADD CONSTRAINT api_token_seq_key UNIQUE (seq);

ALTER TABLE ONLY public.api_token
    ADD CONSTRAINT api_token_user_id_idempotency_key_key UNIQUE (user_id, idempotency_key);

ALTER TABLE ONLY public.approval_history
    ADD CONSTRAINT approval_history_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.approval
    ADD CONSTRAINT approval_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.approval
    ADD CONSTRAINT approval_seq_key UNIQUE (seq);

ALTER TABLE ONLY public.approval_transition
    ADD CONSTRAINT approval_transition_pkey PRIMARY KEY (from_state, to_state);

ALTER TABLE ONLY public.audit_event
    ADD CONSTRAINT audit_event_id_key UNIQUE (id);

ALTER TABLE ONLY public.audit_event
    ADD CONSTRAINT audit_event_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY public.auto_top_up
    ADD CONSTRAINT auto_top_up_pkey PRIMARY KEY (organization_id, currency);

ALTER TABLE ONLY public.card_setup
    ADD CONSTRAINT card_setup_checkout_session_id_key UNIQUE (checkout_session_id);

ALTER TABLE ONLY public.card_setup_history
    ADD CONSTRAINT card_setup_history_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.card_setup
    ADD CONSTRAINT card_setup_organization_id_requested_by_request_key_key UNIQUE (organization_id, requested_by, request_key);

ALTER TABLE ONLY public.card_setup
    ADD CONSTRAINT card_setup_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.card_setup
    ADD CONSTRAINT card_setup_seq_key UNIQUE (seq);

ALTER TABLE ONLY public.card_setup
    ADD CONSTRAINT card_setup_setup_intent_id_key UNIQUE (setup_intent_id);

ALTER TABLE ONLY public.card_setup_transition
    ADD CONSTRAINT card_setup_transition_pkey PRIMARY KEY (from_state, to_state);

ALTER TABLE ONLY public.claim
    ADD CONSTRAINT claim_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.claim
    ADD CONSTRAINT claimed_once EXCLUDE USING gist (subject_id WITH =, during WITH &&);

ALTER TABLE ONLY public.credit_grant
    ADD CONSTRAINT credit_grant_approval_id_key UNIQUE (approval_id);

ALTER TABLE ONLY public.credit_grant
    ADD CONSTRAINT credit_grant_entry_id_key UNIQUE (entry_id);

ALTER TABLE ONLY public.credit_grant
    ADD CONSTRAINT credit_grant_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.credit_grant
    ADD CONSTRAINT credit_grant_seq_key UNIQUE (seq);

ALTER TABLE ONLY public.credit_notice
    ADD CONSTRAINT credit_notice_pkey PRIMARY KEY (lot_id);

ALTER TABLE ONLY public.data_clock
    ADD CONSTRAINT data_clock_pkey PRIMARY KEY (organization_id, currency);

ALTER TABLE ONLY public.dispute_answer
    ADD CONSTRAINT dispute_answer_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.dispute_answer
    ADD CONSTRAINT dispute_answer_seq_key UNIQUE (seq);

ALTER TABLE ONLY public.dispute_history
    ADD CONSTRAINT dispute_history_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.dispute
    ADD CONSTRAINT dispute_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.dispute
    ADD CONSTRAINT dispute_processor_id_key UNIQUE (processor_id);

ALTER TABLE ONLY public.dispute
    ADD CONSTRAINT dispute_seq_key UNIQUE (seq);

ALTER TABLE ONLY public.dispute_transition
    ADD CONSTRAINT dispute_transition_pkey PRIMARY KEY (from_state, to_state);

ALTER TABLE ONLY public.email_verification
    ADD CONSTRAINT email_verification_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.finding_history
    ADD CONSTRAINT finding_history_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.finding
    ADD CONSTRAINT finding_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.finding
    ADD CONSTRAINT finding_seq_key UNIQUE (seq);

ALTER TABLE ONLY public.funds_clock
    ADD CONSTRAINT funds_clock_pkey PRIMARY KEY (organization_id, currency);

ALTER TABLE ONLY public.gpu_claim
    ADD CONSTRAINT gpu_claim_pkey PRIMARY KEY (claim_id, gpu_uuid);

ALTER TABLE ONLY public.gpu_claim
    ADD CONSTRAINT gpu_claimed_once EXCLUDE USING gist (gpu_uuid WITH =, during WITH &&);

ALTER TABLE ONLY public.gpu_health
    ADD CONSTRAINT gpu_health_pkey PRIMARY KEY (uuid);

ALTER TABLE ONLY public.gpu
    ADD CONSTRAINT gpu_pkey PRIMARY KEY (uuid);

ALTER TABLE ONLY public.gpu_room
    ADD CONSTRAINT gpu_room_pkey PRIMARY KEY (node_id, model);

ALTER TABLE ONLY public.gpu_transition
    ADD CONSTRAINT gpu_transition_pkey PRIMARY KEY (from_state, to_state);

ALTER TABLE ONLY public.helper_rollout
    ADD CONSTRAINT helper_rollout_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.helper_upgrade
    ADD CONSTRAINT helper_upgrade_pkey PRIMARY KEY (rollout_id, node_id);

ALTER TABLE ONLY public.idempotency_key
    ADD CONSTRAINT idempotency_key_pkey PRIMARY KEY (actor, key);

ALTER TABLE ONLY public.installation
    ADD CONSTRAINT installation_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.issued_certificate
    ADD CONSTRAINT issued_certificate_pkey PRIMARY KEY (serial);

ALTER TABLE ONLY public.join_token
    ADD CONSTRAINT join_token_pkey PRIMARY KEY (token_hash);

ALTER TABLE ONLY public.membership
    ADD CONSTRAINT membership_pkey PRIMARY KEY (organization_id, user_id);

ALTER TABLE ONLY public.membership
    ADD CONSTRAINT membership_seq_key UNIQUE (seq);

ALTER TABLE ONLY public.meter
    ADD CONSTRAINT meter_hold_id_key UNIQUE (hold_id);

ALTER TABLE ONLY public.meter
    ADD CONSTRAINT meter_pkey PRIMARY KEY (subject_id);

ALTER TABLE ONLY public.meter_segment
    ADD CONSTRAINT meter_segment_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.meter_segment
    ADD CONSTRAINT meter_segment_subject_id_period_excl EXCLUDE USING gist (subject_id WITH =, period WITH &&);

ALTER TABLE ONLY public.node_drain
    ADD CONSTRAINT node_drain_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.node_history
    ADD CONSTRAINT node_history_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.node
    ADD CONSTRAINT node_host_public_key_key UNIQUE (host_public_key);

ALTER TABLE ONLY public.node
    ADD CONSTRAINT node_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.node_room
    ADD CONSTRAINT node_room_pkey PRIMARY KEY (node_id);

ALTER TABLE ONLY public.node_self_test
    ADD CONSTRAINT node_self_test_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.node_transition
    ADD CONSTRAINT node_transition_pkey PRIMARY KEY (from_state, to_state);

ALTER TABLE ONLY public.node_trial
    ADD CONSTRAINT node_trial_allocation_id_key UNIQUE (allocation_id);

ALTER TABLE ONLY public.node_trial
    ADD CONSTRAINT node_trial_pkey PRIMARY KEY (node_id);

ALTER TABLE ONLY public.node_trial
    ADD CONSTRAINT node_trial_uid_key UNIQUE (uid);

ALTER TABLE ONLY public.notice
    ADD CONSTRAINT notice_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.notice_preference
    ADD CONSTRAINT notice_preference_pkey PRIMARY KEY (user_id, kind, channel);

ALTER TABLE ONLY public.notice
    ADD CONSTRAINT notice_seq_key UNIQUE (seq);

ALTER TABLE ONLY public.observation_run
    ADD CONSTRAINT observation_run_pkey PRIMARY KEY (subject_id, last_at);

ALTER TABLE ONLY public.organization
    ADD CONSTRAINT organization_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.organization
    ADD CONSTRAINT organization_seq_key UNIQUE (seq);

ALTER TABLE ONLY public.outbox_cursor
    ADD CONSTRAINT outbox_cursor_pkey PRIMARY KEY (subscriber);

ALTER TABLE ONLY public.outbox_event
    ADD CONSTRAINT outbox_event_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.outbox_forgotten
    ADD CONSTRAINT outbox_forgotten_pkey PRIMARY KEY (one);

ALTER TABLE ONLY public.payout_history
    ADD CONSTRAINT payout_history_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.payout
    ADD CONSTRAINT payout_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.payout
    ADD CONSTRAINT payout_processor_id_key UNIQUE (processor_id);

ALTER TABLE ONLY public.payout
    ADD CONSTRAINT payout_seq_key UNIQUE (seq);

ALTER TABLE ONLY public.payout_transition
    ADD CONSTRAINT payout_transition_pkey PRIMARY KEY (from_state, to_state);

ALTER TABLE ONLY public.price
    ADD CONSTRAINT price_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.price
    ADD CONSTRAINT price_seq_key UNIQUE (seq);

ALTER TABLE ONLY public.price
    ADD CONSTRAINT price_sku_id_currency_effective_at_key UNIQUE (sku_id, currency, effective_at);

ALTER TABLE ONLY public.processor_balance
    ADD CONSTRAINT processor_balance_pkey PRIMARY KEY (currency);

ALTER TABLE ONLY public.processor_cursor
    ADD CONSTRAINT processor_cursor_pkey PRIMARY KEY (list);

ALTER TABLE ONLY public.processor_customer
    ADD CONSTRAINT processor_customer_customer_id_key UNIQUE (customer_id);

ALTER TABLE ONLY public.processor_customer
    ADD CONSTRAINT processor_customer_pkey PRIMARY KEY (organization_id);

ALTER TABLE ONLY public.promo_code
    ADD CONSTRAINT promo_code_approval_id_key UNIQUE (approval_id);

ALTER TABLE ONLY public.promo_code
    ADD CONSTRAINT promo_code_code_key UNIQUE (code);

ALTER TABLE ONLY public.promo_code
    ADD CONSTRAINT promo_code_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.promo_code
    ADD CONSTRAINT promo_code_seq_key UNIQUE (seq);

ALTER TABLE ONLY public.promo_redemption
    ADD CONSTRAINT promo_redemption_entry_id_key UNIQUE (entry_id);

ALTER TABLE ONLY public.promo_redemption
    ADD CONSTRAINT promo_redemption_pkey PRIMARY KEY (promo_code_id, organization_id);

ALTER TABLE ONLY public.published_port
    ADD CONSTRAINT published_port_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.published_port
    ADD CONSTRAINT published_port_seq_key UNIQUE (seq);

ALTER TABLE ONLY public.published_port_transition
    ADD CONSTRAINT published_port_transition_pkey PRIMARY KEY (from_state, to_state);

ALTER TABLE ONLY public.refund
    ADD CONSTRAINT refund_entry_id_key UNIQUE (entry_id);

ALTER TABLE ONLY public.refund_history
    ADD CONSTRAINT refund_history_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.refund
    ADD CONSTRAINT refund_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.refund
    ADD CONSTRAINT refund_processor_id_key UNIQUE (processor_id);

ALTER TABLE ONLY public.refund
    ADD CONSTRAINT refund_request_id_key UNIQUE (request_id);

ALTER TABLE ONLY public.refund_request
    ADD CONSTRAINT refund_request_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.refund_request
    ADD CONSTRAINT refund_request_seq_key UNIQUE (seq);

ALTER TABLE ONLY public.refund_request_transition
    ADD CONSTRAINT refund_request_transition_pkey PRIMARY KEY (from_state, to_state);

ALTER TABLE ONLY public.refund
    ADD CONSTRAINT refund_seq_key UNIQUE (seq);

ALTER TABLE ONLY public.refund_transition
    ADD CONSTRAINT refund_transition_pkey PRIMARY KEY (from_state, to_state);

ALTER TABLE ONLY public.register_seal_mark
    ADD CONSTRAINT register_seal_mark_pkey PRIMARY KEY (register);

ALTER TABLE ONLY public.register_seal
    ADD CONSTRAINT register_seal_pkey PRIMARY KEY (register, from_id);

ALTER TABLE ONLY public.register_seal
    ADD CONSTRAINT register_seal_register_to_id_key UNIQUE (register, to_id);

ALTER TABLE ONLY public.saved_card
    ADD CONSTRAINT saved_card_card_setup_id_key UNIQUE (card_setup_id);

ALTER TABLE ONLY public.saved_card
    ADD CONSTRAINT saved_card_payment_method_id_key UNIQUE (payment_method_id);

ALTER TABLE ONLY public.saved_card
    ADD CONSTRAINT saved_card_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.saved_card
    ADD CONSTRAINT saved_card_seq_key UNIQUE (seq);

ALTER TABLE ONLY public.sealed_register
    ADD CONSTRAINT sealed_register_content_key UNIQUE (content);

ALTER TABLE ONLY public.sealed_register
    ADD CONSTRAINT sealed_register_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.sealed_register
    ADD CONSTRAINT sealed_register_sequence_key UNIQUE (sequence);

ALTER TABLE ONLY public.signing_key
    ADD CONSTRAINT signing_key_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.sku
    ADD CONSTRAINT sku_code_key UNIQUE (code);

ALTER TABLE ONLY public.sku
    ADD CONSTRAINT sku_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.sku
    ADD CONSTRAINT sku_seq_key UNIQUE (seq);

ALTER TABLE ONLY public.spending_limit
    ADD CONSTRAINT spending_limit_organization_id_currency_scope_subject_id_key UNIQUE NULLS NOT DISTINCT (organization_id, currency, scope, subject_id);

ALTER TABLE ONLY public.spending_limit
    ADD CONSTRAINT spending_limit_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY public.ssh_ca_key
    ADD CONSTRAINT ssh_ca_key_kind_slot_key UNIQUE (kind, slot);

ALTER TABLE ONLY public.ssh_ca_key
    ADD CONSTRAINT ssh_ca_key_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.ssh_ca_key
    ADD CONSTRAINT ssh_ca_key_public_key_key UNIQUE (public_key);

ALTER TABLE ONLY public.ssh_key
    ADD CONSTRAINT ssh_key_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.ssh_key
    ADD CONSTRAINT ssh_key_seq_key UNIQUE (seq);

ALTER TABLE ONLY public.ssh_key
    ADD CONSTRAINT ssh_key_user_id_fingerprint_key UNIQUE (user_id, fingerprint);

ALTER TABLE ONLY public.stripe_event
    ADD CONSTRAINT stripe_event_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.stripe_transaction
    ADD CONSTRAINT stripe_transaction_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.terminal_session
    ADD CONSTRAINT terminal_session_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.terms_acceptance
    ADD CONSTRAINT terms_acceptance_pkey PRIMARY KEY (user_id, url, version);

ALTER TABLE ONLY public.terms_acceptance
    ADD CONSTRAINT terms_acceptance_seq_key UNIQUE (seq);

ALTER TABLE ONLY public.throttle
    ADD CONSTRAINT throttle_pkey PRIMARY KEY (bucket);

ALTER TABLE ONLY public.top_up
    ADD CONSTRAINT top_up_balance_transaction_id_key UNIQUE (balance_transaction_id);

ALTER TABLE ONLY public.top_up
    ADD CONSTRAINT top_up_charge_id_key UNIQUE (charge_id);

ALTER TABLE ONLY public.top_up
    ADD CONSTRAINT top_up_checkout_session_id_key UNIQUE (checkout_session_id);

ALTER TABLE ONLY public.top_up_history
    ADD CONSTRAINT top_up_history_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.top_up
    ADD CONSTRAINT top_up_organization_id_requested_by_request_key_key UNIQUE (organization_id, requested_by, request_key);

ALTER TABLE ONLY public.top_up
    ADD CONSTRAINT top_up_payment_intent_id_key UNIQUE (payment_intent_id);

ALTER TABLE ONLY public.top_up
    ADD CONSTRAINT top_up_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.top_up
    ADD CONSTRAINT top_up_seq_key UNIQUE (seq);

ALTER TABLE ONLY public.top_up_transition
    ADD CONSTRAINT top_up_transition_pkey PRIMARY KEY (from_state, to_state);

ALTER TABLE ONLY public.unmetered_interval
    ADD CONSTRAINT unmetered_interval_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.unmetered_interval
    ADD CONSTRAINT unmetered_interval_subject_id_period_excl EXCLUDE USING gist (subject_id WITH =, period WITH &&);

ALTER TABLE ONLY public.usage_charge
    ADD CONSTRAINT usage_charge_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.usage_charge
    ADD CONSTRAINT usage_charge_subject_id_period_start_key UNIQUE (subject_id, period_start);

ALTER TABLE ONLY public.usage_record
    ADD CONSTRAINT usage_record_pkey PRIMARY KEY (subject_id, period_start);

ALTER TABLE ONLY public.user_account
    ADD CONSTRAINT user_account_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.user_session
    ADD CONSTRAINT user_session_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.user_session
    ADD CONSTRAINT user_session_secret_hash_key UNIQUE (secret_hash);

ALTER TABLE ONLY public.user_session
    ADD CONSTRAINT user_session_seq_key UNIQUE (seq);

ALTER TABLE ONLY public.work_crash
    ADD CONSTRAINT work_crash_holder_key UNIQUE (holder);

ALTER TABLE ONLY public.work_crash
    ADD CONSTRAINT work_crash_pkey PRIMARY KEY (number);

ALTER TABLE ONLY public.work
    ADD CONSTRAINT work_pkey PRIMARY KEY (kind, id);

CREATE INDEX correction_month ON ledger.correction USING btree (month);

CREATE UNIQUE INDEX hold_event_key ON ledger.hold_event USING btree (idempotency_key) WHERE (idempotency_key IS NOT NULL);

CREATE INDEX hold_open ON ledger.hold USING btree (wallet_id) WHERE (NOT closed);

CREATE INDEX hold_subject ON ledger.hold USING btree (subject_id);

CREATE INDEX ledger_entry_effective ON ledger.ledger_entry USING brin (effective_at) WITH (autosummarize='on');

CREATE UNIQUE INDEX posting_chain ON ledger.posting USING btree (account_id, account_seq) WHERE (account_seq IS NOT NULL);

CREATE INDEX promo_lot_due ON ledger.promo_lot USING btree (expires_at) WHERE ((rest > 0) AND (expires_at IS NOT NULL));

CREATE INDEX promo_lot_left ON ledger.promo_lot USING btree (wallet_id, expires_at) WHERE (rest > 0);

CREATE INDEX promo_lot_wallet ON ledger.promo_lot USING btree (wallet_id, expires_at);

CREATE INDEX topup_lot_wallet ON ledger.topup_lot USING btree (wallet_id, entry_id);

CREATE INDEX allocation_being_set_up ON public.allocation USING btree (organization_id) WHERE (state = ANY (ARRAY['queued'::text, 'provisioning'::text]));

CREATE INDEX allocation_history_allocation ON public.allocation_history USING btree (allocation_id, id);

CREATE INDEX allocation_history_incident ON public.allocation_history USING btree (allocation_id, id) WHERE (incident IS NOT NULL);

CREATE INDEX allocation_label_of_organization ON public.allocation_label USING btree (organization_id, key, value, allocation_id);

CREATE UNIQUE INDEX allocation_name ON public.allocation USING btree (organization_id, name) WHERE (ended_at IS NULL);

CREATE INDEX allocation_node ON public.allocation USING btree (node_id) WHERE on_node;

CREATE INDEX allocation_operation_allocation ON public.allocation_operation USING btree (allocation_id, seq);

CREATE UNIQUE INDEX allocation_operation_running ON public.allocation_operation USING btree (allocation_id) WHERE (state = 'running'::text);

CREATE INDEX allocation_organization ON public.allocation USING btree (organization_id, seq);

CREATE INDEX allocation_remnant_node ON public.allocation_remnant USING btree (node_id);

CREATE INDEX allocation_remnant_open ON public.allocation_remnant USING btree (left_at) WHERE (cleaned_at IS NULL);

CREATE INDEX allocation_startup_output ON public.allocation_startup USING btree (ended_at) WHERE (output <> ''::text);

CREATE INDEX allocation_state ON public.allocation USING btree (state, seq);

CREATE INDEX allocation_waits_for_room ON public.allocation USING btree (node_id) WHERE (suspended_for = 'capacity'::text);

CREATE INDEX api_token_organization ON public.api_token USING btree (organization_id, created_at);

CREATE INDEX api_token_user ON public.api_token USING btree (user_id, seq) WHERE (revoked_at IS NULL);

CREATE INDEX approval_digest ON public.approval USING btree (digest, seq);

CREATE INDEX approval_due ON public.approval USING btree (expires_at) WHERE (state = ANY (ARRAY['requested'::text, 'approved'::text]));

CREATE INDEX approval_history_approval ON public.approval_history USING btree (approval_id, id);

CREATE UNIQUE INDEX approval_open ON public.approval USING btree (digest) WHERE (state = ANY (ARRAY['requested'::text, 'approved'::text]));

CREATE INDEX approval_state ON public.approval USING btree (state, seq);

CREATE INDEX approval_subject ON public.approval USING btree (subject, seq);

CREATE INDEX audit_event_action ON public.audit_event USING btree (action, seq);

CREATE INDEX audit_event_actor ON public.audit_event USING btree (actor_user_id, seq);

CREATE INDEX audit_event_organization ON public.audit_event USING btree (organization_id, seq);

CREATE INDEX audit_event_target ON public.audit_event USING btree (target_type, target_id, seq);

CREATE INDEX audit_event_target_id ON public.audit_event USING btree (target_id, seq);

CREATE INDEX auto_top_up_by_time ON public.top_up USING btree (organization_id, currency, created_at) WHERE (purpose = 'auto_top_up'::text);

CREATE UNIQUE INDEX auto_top_up_under_way ON public.top_up USING btree (organization_id, currency) WHERE ((purpose = 'auto_top_up'::text) AND (state = ANY (ARRAY['pending'::text, 'processing'::text, 'needs_action'::text])));

CREATE INDEX card_setup_history_of ON public.card_setup_history USING btree (card_setup_id, id);

CREATE INDEX card_setup_of_organization ON public.card_setup USING btree (organization_id, seq DESC);

CREATE INDEX card_setup_open ON public.card_setup USING btree (organization_id) WHERE (state = 'pending'::text);

CREATE INDEX claim_node ON public.claim USING btree (node_id, until);

CREATE INDEX claim_subject ON public.claim USING btree (subject_id, until);

CREATE INDEX credit_grant_alone ON public.credit_grant USING btree (currency, created_at) WHERE (approval_id IS NULL);

CREATE INDEX credit_grant_of_organization ON public.credit_grant USING btree (organization_id, seq DESC);

CREATE INDEX dispute_answer_of ON public.dispute_answer USING btree (dispute_id, seq);

CREATE UNIQUE INDEX dispute_answer_once ON public.dispute_answer USING btree (dispute_id, stage) WHERE (refusal IS NULL);

CREATE INDEX dispute_history_of ON public.dispute_history USING btree (dispute_id, id);

CREATE INDEX dispute_of_organization ON public.dispute USING btree (organization_id, seq DESC);

CREATE INDEX dispute_of_top_up ON public.dispute USING btree (top_up_id);

CREATE INDEX dispute_open ON public.dispute USING btree (organization_id) WHERE (state = ANY (ARRAY['inquiry'::text, 'open'::text]));

CREATE INDEX email_verification_age ON public.email_verification USING btree (created_at);

CREATE INDEX email_verification_of ON public.email_verification USING btree (user_id, created_at);

CREATE INDEX email_verification_of_address ON public.email_verification USING btree (email, created_at);

CREATE INDEX finding_history_of ON public.finding_history USING btree (finding_id, id);

CREATE UNIQUE INDEX finding_open ON public.finding USING btree (code, subject_type, subject_id) WHERE (until IS NULL);

CREATE INDEX finding_open_newest ON public.finding USING btree (seq) WHERE (until IS NULL);

CREATE INDEX finding_subject ON public.finding USING btree (subject_type, subject_id, seq);

CREATE INDEX gpu_claim_gpu ON public.gpu_claim USING btree (gpu_uuid, until);

CREATE INDEX gpu_node ON public.gpu USING btree (node_id);

CREATE INDEX gpu_room_fit ON public.gpu_room USING btree (model, free, memory_free_mib, vcpu_free, node_id);

CREATE INDEX helper_rollout_latest ON public.helper_rollout USING btree (started_at);

CREATE UNIQUE INDEX helper_rollout_one ON public.helper_rollout USING btree ((true)) WHERE (ended_at IS NULL);

CREATE UNIQUE INDEX helper_upgrade_canary ON public.helper_upgrade USING btree (rollout_id) WHERE canary;

CREATE INDEX helper_upgrade_node ON public.helper_upgrade USING btree (node_id);

CREATE INDEX idempotency_key_age ON public.idempotency_key USING btree (created_at);

CREATE UNIQUE INDEX installation_only ON public.installation USING btree ((true));

CREATE INDEX issued_certificate_ended ON public.issued_certificate USING btree (valid_before);

CREATE INDEX issued_certificate_revoked ON public.issued_certificate USING btree (valid_before) WHERE (revoked_at IS NOT NULL);

CREATE INDEX issued_certificate_subject ON public.issued_certificate USING btree (subject, valid_before);

CREATE INDEX join_token_node ON public.join_token USING btree (node_id, created_at);

CREATE UNIQUE INDEX membership_one_owner ON public.membership USING btree (organization_id) WHERE (role = 'owner'::text);

CREATE INDEX membership_organization ON public.membership USING btree (organization_id, seq);

CREATE INDEX membership_user ON public.membership USING btree (user_id, seq);

CREATE INDEX meter_ended ON public.meter USING btree (organization_id, currency, stopped_at) WHERE settled;

CREATE INDEX meter_organization ON public.meter USING btree (organization_id, currency) WHERE (NOT settled);

CREATE INDEX meter_over_limit ON public.meter USING btree (organization_id, currency) WHERE (over_limit AND (stopped_at IS NULL));

CREATE INDEX meter_segment_open ON public.meter_segment USING btree (subject_id) WHERE (NOT complete);

CREATE INDEX meter_segment_subject ON public.meter_segment USING btree (subject_id, id);

CREATE INDEX meter_settle_due_after ON public.meter USING btree (settle_due_at, subject_id) WHERE (stopped_at IS NULL);

CREATE INDEX meter_suspended_until ON public.meter USING btree (suspended_until) WHERE (suspended_until IS NOT NULL);

CREATE INDEX node_drain_due ON public.node_drain USING btree (deadline_at) WHERE ((ended_at IS NULL) AND (due_told_at IS NULL));

CREATE INDEX node_drain_node ON public.node_drain USING btree (node_id, begun_at);

CREATE UNIQUE INDEX node_drain_open ON public.node_drain USING btree (node_id) WHERE (ended_at IS NULL);

CREATE INDEX node_history_node ON public.node_history USING btree (node_id, id);

CREATE UNIQUE INDEX node_name_present ON public.node USING btree (name) WHERE (removed_at IS NULL);

CREATE UNIQUE INDEX node_place_present ON public.node USING btree (address, port) WHERE ((state <> 'retired'::text) AND (removed_at IS NULL));

CREATE INDEX node_room_due ON public.node_room USING btree (counted_until) WHERE (counted_until < 'infinity'::timestamp with time zone);

CREATE INDEX node_room_spread ON public.node_room USING btree (gpus_free, load, memory_free_mib, vcpu_free, node_id) WHERE ready;

CREATE INDEX node_self_test_node ON public.node_self_test USING btree (node_id, asked_at);

CREATE UNIQUE INDEX node_self_test_open ON public.node_self_test USING btree (node_id) WHERE (finished_at IS NULL);

CREATE INDEX notice_about ON public.notice USING btree (organization_id);

CREATE INDEX notice_age ON public.notice USING btree (created_at);

CREATE INDEX notice_of ON public.notice USING btree (user_id, seq) WHERE in_inbox;

CREATE UNIQUE INDEX notice_once ON public.notice USING btree (user_id, kind, cause);

CREATE INDEX notice_unread ON public.notice USING btree (user_id, seq) WHERE (in_inbox AND (read_at IS NULL));

CREATE INDEX outbox_event_organization ON public.outbox_event USING btree (organization_id, xid, id);

CREATE INDEX outbox_event_stream ON public.outbox_event USING btree (xid, id);

CREATE INDEX payout_history_of ON public.payout_history USING btree (payout_id, id);

CREATE INDEX price_sku ON public.price USING btree (sku_id, seq);

CREATE INDEX promo_code_alone ON public.promo_code USING btree (currency, created_at) WHERE (approval_id IS NULL);

CREATE INDEX promo_redemption_of_organization ON public.promo_redemption USING btree (organization_id);

CREATE INDEX published_port_allocation ON public.published_port USING btree (allocation_id, seq);

CREATE UNIQUE INDEX published_port_of_node ON public.published_port USING btree (node_id, protocol, node_port) WHERE (state <> 'gone'::text);

CREATE UNIQUE INDEX published_port_once ON public.published_port USING btree (allocation_id, protocol, port) WHERE (state <> 'gone'::text);

CREATE UNIQUE INDEX published_port_slot ON public.published_port USING btree (allocation_id, slot) WHERE (state <> 'gone'::text);

CREATE INDEX published_port_used ON public.published_port USING btree (node_id, protocol, node_port, seq);

CREATE INDEX refund_history_of ON public.refund_history USING btree (refund_id, id);

CREATE INDEX refund_of_organization ON public.refund USING btree (organization_id, seq DESC);

CREATE INDEX refund_of_top_up ON public.refund USING btree (top_up_id);

CREATE INDEX refund_pending ON public.refund USING btree (seq) WHERE (state = 'pending'::text);

CREATE INDEX refund_request_of_organization ON public.refund_request USING btree (organization_id, seq DESC);

CREATE INDEX refund_request_of_top_up ON public.refund_request USING btree (top_up_id);

CREATE UNIQUE INDEX refund_request_open ON public.refund_request USING btree (top_up_id) WHERE (state = 'requested'::text);

CREATE UNIQUE INDEX saved_card_default ON public.saved_card USING btree (organization_id) WHERE is_default;

CREATE INDEX saved_card_of_organization ON public.saved_card USING btree (organization_id, seq DESC);

CREATE INDEX saved_card_to_forget ON public.saved_card USING btree (id) WHERE ((removed_at IS NOT NULL) AND (forgotten_at IS NULL));

CREATE UNIQUE INDEX signing_key_only ON public.signing_key USING btree ((true));

CREATE INDEX sku_active ON public.sku USING btree (seq) WHERE active;

CREATE UNIQUE INDEX spending_limit_subject ON public.spending_limit USING btree (subject_id) WHERE (subject_id IS NOT NULL);

CREATE INDEX ssh_key_user ON public.ssh_key USING btree (user_id, seq);

CREATE INDEX stripe_transaction_payout ON public.stripe_transaction USING btree (payout_id) WHERE (payout_id IS NOT NULL);

CREATE INDEX stripe_transaction_recorded ON public.stripe_transaction USING btree (recorded_at);

CREATE INDEX stripe_transaction_source ON public.stripe_transaction USING btree (source);

CREATE INDEX terminal_session_age ON public.terminal_session USING btree (alive_until);

CREATE INDEX terminal_session_open ON public.terminal_session USING btree (allocation_id) WHERE (ended_at IS NULL);

CREATE INDEX throttle_age ON public.throttle USING btree (window_ends_at);

CREATE INDEX top_up_history_of ON public.top_up_history USING btree (top_up_id, id);

CREATE INDEX top_up_of_card ON public.top_up USING btree (saved_card_id);

CREATE INDEX top_up_of_organization ON public.top_up USING btree (organization_id, seq DESC);

CREATE INDEX top_up_open_by_seq ON public.top_up USING btree (seq) WHERE (state = ANY (ARRAY['pending'::text, 'processing'::text, 'needs_action'::text]));

CREATE INDEX top_up_open_for_organization ON public.top_up USING btree (organization_id) WHERE (state = ANY (ARRAY['pending'::text, 'processing'::text, 'needs_action'::text]));

CREATE INDEX unmetered_interval_recent ON public.unmetered_interval USING btree (recorded_at);

CREATE INDEX usage_charge_entry ON public.usage_charge USING btree (ledger_entry_id, organization_id);

CREATE INDEX usage_charge_organization ON public.usage_charge USING btree (organization_id, id);

CREATE INDEX usage_charge_subject ON public.usage_charge USING btree (subject_id, id);

CREATE UNIQUE INDEX user_account_email ON public.user_account USING btree (lower(email));

CREATE INDEX user_session_expiry ON public.user_session USING btree (expires_at);

CREATE INDEX user_session_user ON public.user_session USING btree (user_id, seq) WHERE (revoked_at IS NULL);

CREATE INDEX work_crash_age ON public.work_crash USING btree (noticed_at);

CREATE INDEX work_failing ON public.work USING btree (failing_since) WHERE (failing_since IS NOT NULL);

CREATE INDEX work_holder ON public.work USING btree (lease_holder) WHERE (lease_holder IS NOT NULL);

CREATE INDEX work_place ON public.work USING btree (kind, place, number);

CREATE INDEX work_ready ON public.work USING btree (kind, ready_at);

CREATE INDEX work_set_aside ON public.work USING btree (kind, id) WHERE (set_aside_at IS NOT NULL);

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.account FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.correction FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.hold_event FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.ledger_entry FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.month_close FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.month_total FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.posting FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.seal FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.wallet FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

CREATE TRIGGER draws_transaction BEFORE INSERT ON ledger.account FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_draw_transaction();

CREATE TRIGGER same_lot BEFORE UPDATE ON ledger.promo_lot FOR EACH ROW WHEN ((((old.id <> new.id) OR (old.wallet_id <> new.wallet_id) OR (old.amount <> new.amount)) OR (old.entry_id IS DISTINCT FROM new.entry_id) OR (old.expires_at IS DISTINCT FROM new.expires_at) OR (old.rest < new.rest) OR (old.expired > new.expired))) EXECUTE FUNCTION ledger.refuse_other_lot();

CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON ledger.balance FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON ledger.calendar FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON ledger.hold FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON ledger.promo_lot FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON ledger.topup_lot FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

CREATE TRIGGER whole AFTER INSERT ON ledger.posting REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger.check_postings();

CREATE TRIGGER allowed BEFORE INSERT ON public.promo_redemption FOR EACH ROW EXECUTE FUNCTION public.promo_redemption_allowed();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.allocation_history FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.approval_history FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.audit_event FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.card_setup_history FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.credit_grant FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.dispute_history FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.finding_history FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.installation FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.node_history FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.observation_run FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.payout_history FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.price FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.processor_customer FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.promo_redemption FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.refund_history FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.register_seal FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.signing_key FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.terms_acceptance FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.top_up_history FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.unmetered_interval FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.usage_charge FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.usage_record FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER auto_top_up_bounds BEFORE INSERT ON public.top_up FOR EACH ROW WHEN ((new.purpose = 'auto_top_up'::text)) EXECUTE FUNCTION public.auto_top_up_within_bounds();

CREATE TRIGGER belongs BEFORE INSERT ON public.gpu_claim FOR EACH ROW EXECUTE FUNCTION public.gpu_claim_belongs();

CREATE TRIGGER charged_once BEFORE UPDATE OF charged, owed ON public.dispute FOR EACH ROW WHEN (((old.charged <> 0) AND ((new.charged IS DISTINCT FROM old.charged) OR (new.owed IS DISTINCT FROM old.owed)))) EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER cleaned BEFORE UPDATE ON public.allocation_remnant FOR EACH ROW WHEN ((old.cleaned_at IS NOT NULL)) EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER closed BEFORE UPDATE ON public.finding FOR EACH ROW WHEN ((old.until IS NOT NULL)) EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER counted_when_changed AFTER UPDATE ON public.gpu_claim REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.gpu_claims_counted();

CREATE TRIGGER counted_when_made AFTER INSERT ON public.gpu_claim REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.gpu_claims_counted();

CREATE TRIGGER credited_once BEFORE UPDATE OF credited ON public.top_up FOR EACH ROW WHEN (((new.credited IS DISTINCT FROM old.credited) AND (old.state = 'succeeded'::text))) EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER decided BEFORE UPDATE ON public.approval FOR EACH ROW WHEN (((old.decided_by IS NOT NULL) AND (((old.decided_by IS DISTINCT FROM new.decided_by) OR (old.decided_by_name IS DISTINCT FROM new.decided_by_name)) OR (old.decided_at IS DISTINCT FROM new.decided_at)))) EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER drawn_once BEFORE UPDATE OF node_id, allocation_id, uid ON public.node_trial FOR EACH ROW EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER draws_transaction BEFORE INSERT ON public.audit_event FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_draw_transaction();

CREATE TRIGGER draws_transaction BEFORE INSERT ON public.dispute_history FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_draw_transaction();

CREATE TRIGGER draws_transaction BEFORE INSERT ON public.payout_history FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_draw_transaction();

CREATE TRIGGER draws_transaction BEFORE INSERT ON public.refund_history FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_draw_transaction();

CREATE TRIGGER draws_transaction BEFORE INSERT ON public.top_up_history FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_draw_transaction();

CREATE TRIGGER draws_transaction BEFORE INSERT ON public.usage_charge FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_draw_transaction();

CREATE TRIGGER ended BEFORE UPDATE ON public.allocation_operation FOR EACH ROW WHEN ((old.finished_at IS NOT NULL)) EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER ended BEFORE UPDATE ON public.helper_rollout FOR EACH ROW WHEN ((old.ended_at IS NOT NULL)) EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER ended BEFORE UPDATE ON public.helper_upgrade FOR EACH ROW WHEN ((old.ended_at IS NOT NULL)) EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER ended BEFORE UPDATE ON public.join_token FOR EACH ROW WHEN (((new.expires_at > old.expires_at) OR (new.used_at > old.expires_at))) EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER ends_once BEFORE UPDATE ON public.dispute_answer FOR EACH ROW WHEN (((old.sent_at IS NOT NULL) OR (old.refusal IS NOT NULL))) EXECUTE FUNCTION public.dispute_answer_ends_once();

CREATE TRIGGER ends_once BEFORE UPDATE ON public.node_drain FOR EACH ROW WHEN ((old.ended_at IS NOT NULL)) EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER ends_once BEFORE UPDATE ON public.node_self_test FOR EACH ROW WHEN ((old.finished_at IS NOT NULL)) EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER ends_once BEFORE UPDATE ON public.promo_code FOR EACH ROW WHEN ((old.ended_at IS NOT NULL)) EXECUTE FUNCTION public.promo_code_ends_once();

CREATE TRIGGER fee_once BEFORE UPDATE OF fee, balance_transaction_id ON public.top_up FOR EACH ROW WHEN (((old.fee IS NOT NULL) AND ((new.fee IS DISTINCT FROM old.fee) OR (new.balance_transaction_id IS DISTINCT FROM old.balance_transaction_id)))) EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER fits AFTER INSERT OR UPDATE OF during ON public.claim FOR EACH ROW EXECUTE FUNCTION public.claim_fits();

CREATE TRIGGER grows BEFORE UPDATE OF generation ON public.allocation FOR EACH ROW WHEN ((new.generation < old.generation)) EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER grows BEFORE UPDATE OF generation ON public.allocation_remnant FOR EACH ROW WHEN ((new.generation < old.generation)) EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER grows BEFORE UPDATE OF generation ON public.node_trial FOR EACH ROW WHEN ((new.generation <= old.generation)) EXECUTE FUNCTION public.sublet_refuse_change();

CREATE CONSTRAINT TRIGGER has_owner AFTER DELETE OR UPDATE ON public.membership DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.organization_needs_owner();

CREATE CONSTRAINT TRIGGER has_owner AFTER INSERT ON public.organization DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.organization_needs_owner();

CREATE TRIGGER holds BEFORE DELETE ON public.issued_certificate FOR EACH ROW WHEN ((old.valid_before > clock_timestamp())) EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE ON public.helper_rollout FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE ON public.helper_upgrade FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE ON public.node_drain FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE ON public.node_self_test FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE ON public.node_trial FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER known_once BEFORE UPDATE OF processor_id ON public.refund FOR EACH ROW WHEN (((old.processor_id IS NOT NULL) AND (new.processor_id IS DISTINCT FROM old.processor_id))) EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER launched_as BEFORE UPDATE OF id, organization_id, name, sku, price, currency, login, created_at ON public.allocation FOR EACH ROW EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER made_for BEFORE UPDATE OF token_hash, node_id, created_by, created_at ON public.join_token FOR EACH ROW EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER may_change BEFORE UPDATE OF during ON public.claim FOR EACH ROW EXECUTE FUNCTION public.claim_may_change();

CREATE TRIGGER moves BEFORE INSERT OR UPDATE OF state ON public.allocation FOR EACH ROW EXECUTE FUNCTION public.sublet_moves('queued');

CREATE TRIGGER moves BEFORE INSERT OR UPDATE OF state ON public.approval FOR EACH ROW EXECUTE FUNCTION public.sublet_moves('requested');

CREATE TRIGGER moves BEFORE INSERT OR UPDATE OF state ON public.card_setup FOR EACH ROW EXECUTE FUNCTION public.sublet_moves('pending');

CREATE TRIGGER moves BEFORE INSERT OR UPDATE OF state ON public.dispute FOR EACH ROW EXECUTE FUNCTION public.sublet_moves('seen');

CREATE TRIGGER moves BEFORE INSERT OR UPDATE OF state ON public.gpu FOR EACH ROW EXECUTE FUNCTION public.sublet_moves('available');

CREATE TRIGGER moves BEFORE INSERT OR UPDATE OF state ON public.node FOR EACH ROW EXECUTE FUNCTION public.sublet_moves('enrolling');

CREATE TRIGGER moves BEFORE INSERT OR UPDATE OF state ON public.payout FOR EACH ROW EXECUTE FUNCTION public.sublet_moves('created');

CREATE TRIGGER moves BEFORE INSERT OR UPDATE OF state ON public.published_port FOR EACH ROW EXECUTE FUNCTION public.sublet_moves('opening');

CREATE TRIGGER moves BEFORE INSERT OR UPDATE OF state ON public.refund FOR EACH ROW EXECUTE FUNCTION public.sublet_moves('pending');

CREATE TRIGGER moves BEFORE INSERT OR UPDATE OF state ON public.refund_request FOR EACH ROW EXECUTE FUNCTION public.sublet_moves('requested');

CREATE TRIGGER moves BEFORE INSERT OR UPDATE OF state ON public.top_up FOR EACH ROW EXECUTE FUNCTION public.sublet_moves('pending');

CREATE TRIGGER not_backdated BEFORE INSERT ON public.price FOR EACH ROW EXECUTE FUNCTION public.price_not_backdated();

CREATE TRIGGER not_stretched BEFORE UPDATE ON public.data_clock FOR EACH ROW EXECUTE FUNCTION public.data_clock_is_not_stretched();

CREATE TRIGGER paid_out_once BEFORE UPDATE ON public.stripe_transaction FOR EACH ROW WHEN (((old.payout_id IS NOT NULL) OR ((to_jsonb(old.*) - 'payout_id'::text) <> (to_jsonb(new.*) - 'payout_id'::text)))) EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER payment_once BEFORE UPDATE OF payment_intent_id, charge_id ON public.top_up FOR EACH ROW WHEN ((((new.payment_intent_id IS DISTINCT FROM old.payment_intent_id) OR (new.charge_id IS DISTINCT FROM old.charge_id)) AND (old.state = 'succeeded'::text))) EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER published_as BEFORE UPDATE OF id, allocation_id, node_id, protocol, port, node_port, slot, published_at ON public.published_port FOR EACH ROW EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER returns_tested BEFORE UPDATE OF state ON public.node FOR EACH ROW WHEN (((old.state = ANY (ARRAY['maintenance'::text, 'quarantined'::text])) AND (new.state = 'ready'::text) AND (new.self_tested_at IS NULL))) EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER room_begins AFTER INSERT ON public.gpu FOR EACH ROW EXECUTE FUNCTION public.gpu_room_follows();

CREATE TRIGGER room_begins AFTER INSERT ON public.node FOR EACH ROW EXECUTE FUNCTION public.node_room_follows();

CREATE TRIGGER room_follows AFTER UPDATE OF state, model ON public.gpu FOR EACH ROW WHEN (((old.state IS DISTINCT FROM new.state) OR (old.model IS DISTINCT FROM new.model))) EXECUTE FUNCTION public.gpu_room_follows();

CREATE TRIGGER room_follows AFTER UPDATE OF state, fresh_until, no_entry, inodes_free, labels, limits_enforced, inventory ON public.node FOR EACH ROW WHEN ((((((((old.state IS DISTINCT FROM new.state) OR (old.fresh_until IS DISTINCT FROM new.fresh_until)) OR (old.no_entry IS DISTINCT FROM new.no_entry)) OR (old.inodes_free IS DISTINCT FROM new.inodes_free)) OR (old.labels IS DISTINCT FROM new.labels)) OR (old.limits_enforced IS DISTINCT FROM new.limits_enforced)) OR (old.inventory IS DISTINCT FROM new.inventory))) EXECUTE FUNCTION public.node_room_follows();

CREATE TRIGGER room_follows_helper AFTER UPDATE OF helper_too_old ON public.node FOR EACH ROW WHEN ((old.helper_too_old IS DISTINCT FROM new.helper_too_old)) EXECUTE FUNCTION public.node_room_follows();

CREATE TRIGGER settled_with_more BEFORE UPDATE OF taken_settled ON public.top_up FOR EACH ROW WHEN (((new.taken_settled <> old.taken_settled) AND ((new.taken_back <= old.taken_back) OR (new.taken_settled <> (old.taken_back - old.taken_aside))))) EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON public.allocation FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON public.allocation_operation FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON public.allocation_remnant FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON public.approval FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON public.claim FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON public.dispute FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON public.dispute_answer FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON public.finding FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON public.gpu_claim FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER stays BEFORE DELETE ON public.outbox_event FOR EACH ROW EXECUTE FUNCTION public.outbox_event_stays();

CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON public.payout FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON public.promo_code FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON public.published_port FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON public.refund FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON public.refund_request FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON public.stripe_transaction FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER stays_removed BEFORE UPDATE OF removed_at ON public.saved_card FOR EACH ROW WHEN (((old.removed_at IS NOT NULL) AND (new.removed_at IS DISTINCT FROM old.removed_at))) EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER stays_where_it_runs BEFORE UPDATE OF node_id ON public.allocation FOR EACH ROW WHEN (((new.node_id <> old.node_id) AND ((old.started_at IS NOT NULL) OR (old.state <> ALL (ARRAY['queued'::text, 'provisioning'::text])) OR (new.generation <= old.generation)))) EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER taken_grows BEFORE UPDATE OF taken_back, taken_aside ON public.top_up FOR EACH ROW WHEN (((new.taken_back < old.taken_back) OR (new.taken_aside < old.taken_aside))) EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER tells AFTER INSERT OR UPDATE ON public.finding FOR EACH ROW EXECUTE FUNCTION public.finding_tells();

CREATE TRIGGER unchanged BEFORE UPDATE OR TRUNCATE ON public.outbox_event FOR EACH STATEMENT EXECUTE FUNCTION public.sublet_refuse_change();

CREATE TRIGGER used BEFORE UPDATE ON public.join_token FOR EACH ROW WHEN ((old.used_at IS NOT NULL)) EXECUTE FUNCTION public.sublet_refuse_change();

ALTER TABLE ONLY ledger.balance
    ADD CONSTRAINT balance_account_id_fkey FOREIGN KEY (account_id) REFERENCES ledger.account(id);

ALTER TABLE ONLY ledger.correction
    ADD CONSTRAINT correction_entry_id_fkey FOREIGN KEY (entry_id) REFERENCES ledger.ledger_entry(id);

ALTER TABLE ONLY ledger.correction
    ADD CONSTRAINT correction_month_fkey FOREIGN KEY (month) REFERENCES ledger.month_close(month);

ALTER TABLE ONLY ledger.hold
    ADD CONSTRAINT hold_wallet_id_fkey FOREIGN KEY (wallet_id) REFERENCES ledger.wallet(id);

ALTER TABLE ONLY ledger.ledger_entry
    ADD CONSTRAINT ledger_entry_reverses_entry_id_fkey FOREIGN KEY (reverses_entry_id) REFERENCES ledger.ledger_entry(id);

ALTER TABLE ONLY ledger.month_total
    ADD CONSTRAINT month_total_month_fkey FOREIGN KEY (month) REFERENCES ledger.month_close(month);

ALTER TABLE ONLY ledger.promo_lot
    ADD CONSTRAINT promo_lot_entry_id_fkey FOREIGN KEY (entry_id) REFERENCES ledger.ledger_entry(id);

ALTER TABLE ONLY ledger.promo_lot
    ADD CONSTRAINT promo_lot_wallet_id_fkey FOREIGN KEY (wallet_id) REFERENCES ledger.wallet(id);

ALTER TABLE ONLY ledger.topup_lot
    ADD CONSTRAINT topup_lot_entry_id_fkey FOREIGN KEY (entry_id) REFERENCES ledger.ledger_entry(id);

ALTER TABLE ONLY ledger.topup_lot
    ADD CONSTRAINT topup_lot_wallet_id_fkey FOREIGN KEY (wallet_id) REFERENCES ledger.wallet(id);

ALTER TABLE ONLY ledger.wallet
    ADD CONSTRAINT wallet_id_fkey FOREIGN KEY (id) REFERENCES ledger.account(id);

ALTER TABLE ONLY ledger.wallet
    ADD CONSTRAINT wallet_promo_id_fkey FOREIGN KEY (promo_id) REFERENCES ledger.account(id);

ALTER TABLE ONLY ledger.wallet
    ADD CONSTRAINT wallet_receivable_id_fkey FOREIGN KEY (receivable_id) REFERENCES ledger.account(id);

ALTER TABLE ONLY public.allocation_environment
    ADD CONSTRAINT allocation_environment_allocation_id_fkey FOREIGN KEY (allocation_id) REFERENCES public.allocation(id);

ALTER TABLE ONLY public.allocation_history
    ADD CONSTRAINT allocation_history_allocation_id_fkey FOREIGN KEY (allocation_id) REFERENCES public.allocation(id);

ALTER TABLE ONLY public.allocation_label
    ADD CONSTRAINT allocation_label_allocation_id_fkey FOREIGN KEY (allocation_id) REFERENCES public.allocation(id);

ALTER TABLE ONLY public.allocation_label
    ADD CONSTRAINT allocation_label_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES public.organization(id);

ALTER TABLE ONLY public.allocation
    ADD CONSTRAINT allocation_launched_by_fkey FOREIGN KEY (launched_by) REFERENCES public.user_account(id);

ALTER TABLE ONLY public.allocation
    ADD CONSTRAINT allocation_node_id_fkey FOREIGN KEY (node_id) REFERENCES public.node(id);

ALTER TABLE ONLY public.allocation_operation
    ADD CONSTRAINT allocation_operation_allocation_id_fkey FOREIGN KEY (allocation_id) REFERENCES public.allocation(id);

ALTER TABLE ONLY public.allocation
    ADD CONSTRAINT allocation_operation_id_fkey FOREIGN KEY (operation_id) REFERENCES public.allocation_operation(id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE ONLY public.allocation
    ADD CONSTRAINT allocation_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES public.organization(id);

ALTER TABLE ONLY public.allocation
    ADD CONSTRAINT allocation_price_id_fkey FOREIGN KEY (price_id) REFERENCES public.price(id);

ALTER TABLE ONLY public.allocation_remnant
    ADD CONSTRAINT allocation_remnant_allocation_id_fkey FOREIGN KEY (allocation_id) REFERENCES public.allocation(id);

ALTER TABLE ONLY public.allocation_remnant
    ADD CONSTRAINT allocation_remnant_node_id_fkey FOREIGN KEY (node_id) REFERENCES public.node(id);

ALTER TABLE ONLY public.allocation
    ADD CONSTRAINT allocation_sku_id_fkey FOREIGN KEY (sku_id) REFERENCES public.sku(id);

ALTER TABLE ONLY public.allocation_startup
    ADD CONSTRAINT allocation_startup_allocation_id_fkey FOREIGN KEY (allocation_id) REFERENCES public.allocation(id);

ALTER TABLE ONLY public.allocation_traffic
    ADD CONSTRAINT allocation_traffic_allocation_id_fkey FOREIGN KEY (allocation_id) REFERENCES public.allocation(id);

ALTER TABLE ONLY public.api_token
    ADD CONSTRAINT api_token_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES public.organization(id);

ALTER TABLE ONLY public.api_token
    ADD CONSTRAINT api_token_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.user_account(id);

ALTER TABLE ONLY public.approval
    ADD CONSTRAINT approval_decided_by_fkey FOREIGN KEY (decided_by) REFERENCES public.user_account(id);

ALTER TABLE ONLY public.approval_history
    ADD CONSTRAINT approval_history_approval_id_fkey FOREIGN KEY (approval_id) REFERENCES public.approval(id);

ALTER TABLE ONLY public.approval
    ADD CONSTRAINT approval_requested_by_fkey FOREIGN KEY (requested_by) REFERENCES public.user_account(id);

ALTER TABLE ONLY public.auto_top_up
    ADD CONSTRAINT auto_top_up_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES public.organization(id);

ALTER TABLE ONLY public.card_setup_history
    ADD CONSTRAINT card_setup_history_card_setup_id_fkey FOREIGN KEY (card_setup_id) REFERENCES public.card_setup(id);

ALTER TABLE ONLY public.card_setup
    ADD CONSTRAINT card_setup_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES public.organization(id);

ALTER TABLE ONLY public.claim
    ADD CONSTRAINT claim_node_id_fkey FOREIGN KEY (node_id) REFERENCES public.node_room(node_id);

ALTER TABLE ONLY public.claim
    ADD CONSTRAINT claim_sku_id_fkey FOREIGN KEY (sku_id) REFERENCES public.sku(id);

ALTER TABLE ONLY public.credit_grant
    ADD CONSTRAINT credit_grant_approval_id_fkey FOREIGN KEY (approval_id) REFERENCES public.approval(id);

ALTER TABLE ONLY public.credit_grant
    ADD CONSTRAINT credit_grant_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES public.organization(id);

ALTER TABLE ONLY public.dispute_answer
    ADD CONSTRAINT dispute_answer_dispute_id_fkey FOREIGN KEY (dispute_id) REFERENCES public.dispute(id);

ALTER TABLE ONLY public.dispute_history
    ADD CONSTRAINT dispute_history_dispute_id_fkey FOREIGN KEY (dispute_id) REFERENCES public.dispute(id);

ALTER TABLE ONLY public.dispute
    ADD CONSTRAINT dispute_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES public.organization(id);

ALTER TABLE ONLY public.dispute
    ADD CONSTRAINT dispute_top_up_id_fkey FOREIGN KEY (top_up_id) REFERENCES public.top_up(id);

ALTER TABLE ONLY public.email_verification
    ADD CONSTRAINT email_verification_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.user_account(id);

ALTER TABLE ONLY public.finding_history
    ADD CONSTRAINT finding_history_finding_id_fkey FOREIGN KEY (finding_id) REFERENCES public.finding(id);

ALTER TABLE ONLY public.gpu_claim
    ADD CONSTRAINT gpu_claim_claim_id_fkey FOREIGN KEY (claim_id) REFERENCES public.claim(id);

ALTER TABLE ONLY public.gpu_claim
    ADD CONSTRAINT gpu_claim_gpu_uuid_fkey FOREIGN KEY (gpu_uuid) REFERENCES public.gpu(uuid);

ALTER TABLE ONLY public.gpu_health
    ADD CONSTRAINT gpu_health_uuid_fkey FOREIGN KEY (uuid) REFERENCES public.gpu(uuid);

ALTER TABLE ONLY public.gpu
    ADD CONSTRAINT gpu_node_id_fkey FOREIGN KEY (node_id) REFERENCES public.node(id);

ALTER TABLE ONLY public.gpu_room
    ADD CONSTRAINT gpu_room_node_id_fkey FOREIGN KEY (node_id) REFERENCES public.node_room(node_id);

ALTER TABLE ONLY public.helper_upgrade
    ADD CONSTRAINT helper_upgrade_node_id_fkey FOREIGN KEY (node_id) REFERENCES public.node(id);

ALTER TABLE ONLY public.helper_upgrade
    ADD CONSTRAINT helper_upgrade_rollout_id_fkey FOREIGN KEY (rollout_id) REFERENCES public.helper_rollout(id);

ALTER TABLE ONLY public.join_token
    ADD CONSTRAINT join_token_node_id_fkey FOREIGN KEY (node_id) REFERENCES public.node(id);

ALTER TABLE ONLY public.membership
    ADD CONSTRAINT membership_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES public.organization(id);

ALTER TABLE ONLY public.membership
    ADD CONSTRAINT membership_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.user_account(id);

ALTER TABLE ONLY public.meter_segment
    ADD CONSTRAINT meter_segment_subject_id_fkey FOREIGN KEY (subject_id) REFERENCES public.meter(subject_id);

ALTER TABLE ONLY public.node_drain
    ADD CONSTRAINT node_drain_node_id_fkey FOREIGN KEY (node_id) REFERENCES public.node(id);

ALTER TABLE ONLY public.node_history
    ADD CONSTRAINT node_history_node_id_fkey FOREIGN KEY (node_id) REFERENCES public.node(id);

ALTER TABLE ONLY public.node_room
    ADD CONSTRAINT node_room_node_id_fkey FOREIGN KEY (node_id) REFERENCES public.node(id);

ALTER TABLE ONLY public.node_self_test
    ADD CONSTRAINT node_self_test_node_id_fkey FOREIGN KEY (node_id) REFERENCES public.node(id);

ALTER TABLE ONLY public.node_trial
    ADD CONSTRAINT node_trial_node_id_fkey FOREIGN KEY (node_id) REFERENCES public.node(id);

ALTER TABLE ONLY public.notice
    ADD CONSTRAINT notice_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES public.organization(id);

ALTER TABLE ONLY public.notice_preference
    ADD CONSTRAINT notice_preference_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.user_account(id);

ALTER TABLE ONLY public.notice
    ADD CONSTRAINT notice_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.user_account(id);

ALTER TABLE ONLY public.observation_run
    ADD CONSTRAINT observation_run_subject_id_fkey FOREIGN KEY (subject_id) REFERENCES public.meter(subject_id);

ALTER TABLE ONLY public.payout_history
    ADD CONSTRAINT payout_history_payout_id_fkey FOREIGN KEY (payout_id) REFERENCES public.payout(id);

ALTER TABLE ONLY public.price
    ADD CONSTRAINT price_sku_id_fkey FOREIGN KEY (sku_id) REFERENCES public.sku(id);

ALTER TABLE ONLY public.processor_customer
    ADD CONSTRAINT processor_customer_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES public.organization(id);

ALTER TABLE ONLY public.promo_code
    ADD CONSTRAINT promo_code_approval_id_fkey FOREIGN KEY (approval_id) REFERENCES public.approval(id);

ALTER TABLE ONLY public.promo_redemption
    ADD CONSTRAINT promo_redemption_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES public.organization(id);

ALTER TABLE ONLY public.promo_redemption
    ADD CONSTRAINT promo_redemption_promo_code_id_fkey FOREIGN KEY (promo_code_id) REFERENCES public.promo_code(id);

ALTER TABLE ONLY public.published_port
    ADD CONSTRAINT published_port_allocation_id_fkey FOREIGN KEY (allocation_id) REFERENCES public.allocation(id);

ALTER TABLE ONLY public.published_port
    ADD CONSTRAINT published_port_node_id_fkey FOREIGN KEY (node_id) REFERENCES public.node(id);

ALTER TABLE ONLY public.refund_history
    ADD CONSTRAINT refund_history_refund_id_fkey FOREIGN KEY (refund_id) REFERENCES public.refund(id);

ALTER TABLE ONLY public.refund
    ADD CONSTRAINT refund_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES public.organization(id);

ALTER TABLE ONLY public.refund
    ADD CONSTRAINT refund_request_id_fkey FOREIGN KEY (request_id) REFERENCES public.refund_request(id);

ALTER TABLE ONLY public.refund_request
    ADD CONSTRAINT refund_request_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES public.organization(id);

ALTER TABLE ONLY public.refund_request
    ADD CONSTRAINT refund_request_top_up_id_fkey FOREIGN KEY (top_up_id) REFERENCES public.top_up(id);

ALTER TABLE ONLY public.refund
    ADD CONSTRAINT refund_top_up_id_fkey FOREIGN KEY (top_up_id) REFERENCES public.top_up(id);

ALTER TABLE ONLY public.register_seal_mark
    ADD CONSTRAINT register_seal_mark_register_fkey FOREIGN KEY (register) REFERENCES public.sealed_register(name);

ALTER TABLE ONLY public.register_seal
    ADD CONSTRAINT register_seal_register_fkey FOREIGN KEY (register) REFERENCES public.sealed_register(name);

ALTER TABLE ONLY public.saved_card
    ADD CONSTRAINT saved_card_card_setup_id_fkey FOREIGN KEY (card_setup_id) REFERENCES public.card_setup(id);

ALTER TABLE ONLY public.saved_card
    ADD CONSTRAINT saved_card_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES public.organization(id);

ALTER TABLE ONLY public.ssh_key
    ADD CONSTRAINT ssh_key_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.user_account(id);

ALTER TABLE ONLY public.terms_acceptance
    ADD CONSTRAINT terms_acceptance_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.user_account(id);

ALTER TABLE ONLY public.top_up_history
    ADD CONSTRAINT top_up_history_top_up_id_fkey FOREIGN KEY (top_up_id) REFERENCES public.top_up(id);

ALTER TABLE ONLY public.top_up
    ADD CONSTRAINT top_up_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES public.organization(id);

ALTER TABLE ONLY public.top_up
    ADD CONSTRAINT top_up_saved_card_id_fkey FOREIGN KEY (saved_card_id) REFERENCES public.saved_card(id);

ALTER TABLE ONLY public.unmetered_interval
    ADD CONSTRAINT unmetered_interval_subject_id_fkey FOREIGN KEY (subject_id) REFERENCES public.meter(subject_id);

ALTER TABLE ONLY public.usage_charge
    ADD CONSTRAINT usage_charge_subject_id_period_start_fkey FOREIGN KEY (subject_id, period_start) REFERENCES public.usage_record(subject_id, period_start);

ALTER TABLE ONLY public.usage_record
    ADD CONSTRAINT usage_record_subject_id_fkey FOREIGN KEY (subject_id) REFERENCES public.meter(subject_id);

ALTER TABLE ONLY public.user_session
    ADD CONSTRAINT user_session_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES public.organization(id);

ALTER TABLE ONLY public.user_session
    ADD CONSTRAINT user_session_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.user_account(id);

GRANT USAGE ON SCHEMA ledger TO sublet_app;

REVOKE ALL ON FUNCTION ledger.adjust(_owner text, _currency text, _amount bigint, _given boolean, _key text, _description text, _source_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.adjust(_owner text, _currency text, _amount bigint, _given boolean, _key text, _description text, _source_id text) TO sublet_app;

GRANT SELECT ON TABLE ledger.wallet TO sublet_app;

REVOKE ALL ON FUNCTION ledger.back_otherwise(_w ledger.wallet, _hold bigint, _amount bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.capture(_hold bigint, _amount bigint, _overrun boolean, _meter_kind text, _key text, _description text, _source_type text, _source_id text, _effective_at timestamp with time zone, _delivered_to timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.capture(_hold bigint, _amount bigint, _overrun boolean, _meter_kind text, _key text, _description text, _source_type text, _source_id text, _effective_at timestamp with time zone, _delivered_to timestamp with time zone) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.capture_batch(_holds bigint[], _amounts bigint[], _currency text, _meter_kind text, _key text, _description text, _source_type text, _source_id text, _effective_at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.capture_batch(_holds bigint[], _amounts bigint[], _currency text, _meter_kind text, _key text, _description text, _source_type text, _source_id text, _effective_at timestamp with time zone) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.check_postings() FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.close_month(_month text, _by text) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.close_month(_month text, _by text) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.dispute_lost(_charge text, _amount bigint, _key text, _description text, _source_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.dispute_lost(_charge text, _amount bigint, _key text, _description text, _source_id text) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.dispute_moved(_currency text, _amount bigint, _fee bigint, _given_back boolean, _transaction text, _description text, _source_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.dispute_moved(_currency text, _amount bigint, _fee bigint, _given_back boolean, _transaction text, _description text, _source_id text) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.exchange(_given_currency text, _given bigint, _got_currency text, _got bigint, _arrived boolean, _transaction text, _description text, _source_type text, _source_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.exchange(_given_currency text, _given bigint, _got_currency text, _got bigint, _arrived boolean, _transaction text, _description text, _source_type text, _source_id text) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.expire_credit(_lot bigint, _description text) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.expire_credit(_lot bigint, _description text) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.expired_promo(_wallet bigint, _balance bigint, _at timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.extend_hold(_hold bigint, _amount bigint, _key text) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.extend_hold(_hold bigint, _amount bigint, _key text) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.extend_holds(_holds bigint[], _amounts bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.extend_holds(_holds bigint[], _amounts bigint[]) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.grant_credit(_owner text, _currency text, _amount bigint, _key text, _description text, _expires_at timestamp with time zone, _source_type text, _source_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.grant_credit(_owner text, _currency text, _amount bigint, _key text, _description text, _expires_at timestamp with time zone, _source_type text, _source_id text) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.hash_of(VARIADIC _parts text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.hash_of(VARIADIC _parts text[]) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.keep_calendar(_time_zone text) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.keep_calendar(_time_zone text) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.keep_lots(_w ledger.wallet) FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.left_of_lots(_wallet bigint, _balance bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.left_of_lots(_wallet bigint, _balance bigint) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.lock_wallet(_owner text, _currency text) FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.lock_wallet_of(_hold bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.lock_wallet_paid_by(_charge text) FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.lock_wallets_of(_holds bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.lock_wallets_of(_holds bigint[]) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.month_ends(_month text) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.month_ends(_month text) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.month_of(_at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.month_of(_at timestamp with time zone) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.month_starts(_month text) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.month_starts(_month text) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.moved_between(_from timestamp with time zone, _until timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.moved_between(_from timestamp with time zone, _until timestamp with time zone) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.name_corrected(_entry bigint, _month text) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.name_corrected(_entry bigint, _month text) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.open_books(_currency text) FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.open_lot(_w ledger.wallet, _entry bigint, _amount bigint, _expires_at timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.open_wallet(_owner text, _currency text) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.open_wallet(_owner text, _currency text) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.pay_owed(_owner text, _currency text, _description text) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.pay_owed(_owner text, _currency text, _description text) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.payout(_currency text, _amount bigint, _arrived boolean, _transaction text, _description text, _source_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.payout(_currency text, _amount bigint, _arrived boolean, _transaction text, _description text, _source_id text) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.payout_arrived(_currency text, _amount bigint, _arrived boolean, _key text, _description text, _source_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.payout_arrived(_currency text, _amount bigint, _arrived boolean, _key text, _description text, _source_id text) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.place_hold(_owner text, _currency text, _amount bigint, _subject text, _kind text, _key text) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.place_hold(_owner text, _currency text, _amount bigint, _subject text, _kind text, _key text) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.post(_kind ledger.entry_kind, _key text, _hash bytea, _description text, _source_type text, _source_id text, _reverses bigint, _effective_at timestamp with time zone, _accounts bigint[], _amounts bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.post_once(_kind text, _key text, _description text, _source_type text, _source_id text, _currency text, _amount bigint, _there boolean, _to text, _from text) FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.range_hash(_prev bytea, _from bigint, _to bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.range_hash(_prev bytea, _from bigint, _to bigint) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.refund(_charge text, _amount bigint, _made boolean, _key text, _description text, _source_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.refund(_charge text, _amount bigint, _made boolean, _key text, _description text, _source_id text) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.refund_failed(_refund bigint, _charge text, _after_success boolean, _key text, _description text, _source_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.refund_failed(_refund bigint, _charge text, _after_success boolean, _key text, _description text, _source_id text) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.refund_succeeded(_refund bigint, _key text, _description text, _source_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.refund_succeeded(_refund bigint, _key text, _description text, _source_id text) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.refundable(_charge text) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.refundable(_charge text) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.refuse_change() FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.refuse_nothing(_amount bigint, _what text) FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.refuse_other_lot() FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.refuse_unfit(_holds bigint[], _amounts bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.release_hold(_hold bigint, _key text) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.release_hold(_hold bigint, _key text) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.replayed(_key text, _hash bytea) FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.replayed_hold(_key text, _hash bytea) FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.reverse(_entry bigint, _key text, _description text) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.reverse(_entry bigint, _key text, _description text) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.seal_ranges(_entries_each integer) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.seal_ranges(_entries_each integer) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.service_credit(_owner text, _currency text, _amount bigint, _key text, _description text, _source_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.service_credit(_owner text, _currency text, _amount bigint, _key text, _description text, _source_id text) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.set_aside(_w ledger.wallet, _amount bigint, _kind text) FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.shrink_holds(_holds bigint[], _amounts bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.shrink_holds(_holds bigint[], _amounts bigint[]) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.spent_of_lots(_wallet bigint, _balance bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.spent_of_lots(_wallet bigint, _balance bigint) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.stripe_fee(_currency text, _amount bigint, _transaction text, _description text, _source_type text, _source_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.stripe_fee(_currency text, _amount bigint, _transaction text, _description text, _source_type text, _source_id text) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.suspend(_currency text, _amount bigint, _arrived boolean, _transaction text, _description text, _source_type text, _source_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.suspend(_currency text, _amount bigint, _arrived boolean, _transaction text, _description text, _source_type text, _source_id text) TO sublet_app;

REVOKE ALL ON FUNCTION ledger.system_account(_kind text, _currency text) FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.take_from_lots(_wallet bigint, _amount bigint, _at timestamp with time zone, _first bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.top_up(_owner text, _currency text, _amount bigint, _payment_intent text, _charge text, _description text, _source_type text, _source_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.top_up(_owner text, _currency text, _amount bigint, _payment_intent text, _charge text, _description text, _source_type text, _source_id text) TO sublet_app;

GRANT SELECT,INSERT ON TABLE public.claim TO sublet_app;

GRANT UPDATE(subject_id) ON TABLE public.claim TO sublet_app;

GRANT UPDATE(during) ON TABLE public.claim TO sublet_app;

GRANT UPDATE(blocked_at) ON TABLE public.claim TO sublet_app;

GRANT UPDATE(blocked_reason) ON TABLE public.claim TO sublet_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.node_room TO sublet_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.gpu TO sublet_app;

GRANT SELECT,INSERT ON TABLE public.gpu_claim TO sublet_app;

GRANT UPDATE(during) ON TABLE public.gpu_claim TO sublet_app;

GRANT SELECT ON TABLE public.gpu_stock TO sublet_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.gpu_room TO sublet_app;

REVOKE ALL ON FUNCTION public.sublet_keep_register(_name text, _rows text, _sequence text, _content text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.sublet_stray_rows(OUT register text, OUT first_id bigint, OUT last_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION public.sublet_stray_rows(OUT register text, OUT first_id bigint, OUT last_id bigint) TO sublet_app;

GRANT SELECT ON TABLE ledger.account TO sublet_app;

GRANT SELECT ON TABLE ledger.balance TO sublet_app;

GRANT SELECT ON TABLE ledger.posting TO sublet_app;

GRANT SELECT ON TABLE ledger.balance_off_chain TO sublet_app;

GRANT SELECT ON TABLE ledger.calendar TO sublet_app;

GRANT SELECT ON TABLE ledger.books_calendar TO sublet_app;

GRANT SELECT ON TABLE ledger.broken_chain TO sublet_app;

GRANT SELECT ON TABLE ledger.ledger_entry TO sublet_app;

GRANT SELECT ON TABLE ledger.seal TO sublet_app;

GRANT SELECT ON TABLE ledger.broken_seal TO sublet_app;

GRANT SELECT ON TABLE ledger.month_close TO sublet_app;

GRANT SELECT ON TABLE ledger.month_total TO sublet_app;

GRANT SELECT ON TABLE ledger.changed_month TO sublet_app;

GRANT SELECT ON TABLE ledger.correction TO sublet_app;

GRANT SELECT ON TABLE ledger.promo_lot TO sublet_app;

GRANT SELECT ON TABLE ledger.credit_due TO sublet_app;

GRANT SELECT ON TABLE ledger.drifted_balance TO sublet_app;

GRANT SELECT ON TABLE ledger.hold TO sublet_app;

GRANT SELECT ON TABLE ledger.drifted_hold TO sublet_app;

GRANT SELECT ON TABLE ledger.hold_event TO sublet_app;

GRANT SELECT ON TABLE ledger.drifted_hold_history TO sublet_app;

GRANT SELECT ON TABLE ledger.topup_lot TO sublet_app;

GRANT SELECT ON TABLE ledger.drifted_lot TO sublet_app;

GRANT SELECT ON TABLE ledger.drifted_promo_lot TO sublet_app;

GRANT SELECT ON TABLE ledger.expiring_credit TO sublet_app;

GRANT SELECT ON TABLE ledger.purse TO sublet_app;

GRANT SELECT ON TABLE ledger.funds TO sublet_app;

GRANT SELECT ON TABLE ledger.hold_owner TO sublet_app;

GRANT SELECT ON TABLE ledger.month TO sublet_app;

GRANT SELECT ON TABLE ledger.open_hold TO sublet_app;

GRANT SELECT ON TABLE ledger.present_month TO sublet_app;

GRANT SELECT ON TABLE ledger.processor_movement TO sublet_app;

GRANT SELECT ON TABLE ledger.promo_above_lots TO sublet_app;

GRANT SELECT ON TABLE ledger.seal_mark TO sublet_app;

GRANT SELECT ON TABLE ledger.suspense_item TO sublet_app;

GRANT SELECT ON TABLE ledger.unbalanced_entry TO sublet_app;

GRANT SELECT ON TABLE ledger.usage_entry TO sublet_app;

GRANT SELECT ON TABLE ledger.usage_payer TO sublet_app;

GRANT SELECT ON TABLE ledger.usage_revenue TO sublet_app;

GRANT SELECT ON TABLE ledger.wallet_above_lots TO sublet_app;

GRANT SELECT ON TABLE ledger.went_back TO sublet_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.allocation TO sublet_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.allocation_environment TO sublet_app;

GRANT SELECT,INSERT ON TABLE public.allocation_history TO sublet_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.allocation_label TO sublet_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.allocation_operation TO sublet_app;

GRANT SELECT,INSERT ON TABLE public.allocation_remnant TO sublet_app;

GRANT UPDATE(generation) ON TABLE public.allocation_remnant TO sublet_app;

GRANT UPDATE(evidence) ON TABLE public.allocation_remnant TO sublet_app;

GRANT UPDATE(cleaned_at) ON TABLE public.allocation_remnant TO sublet_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.allocation_startup TO sublet_app;

GRANT SELECT,INSERT ON TABLE public.allocation_traffic TO sublet_app;

GRANT UPDATE(in_bytes) ON TABLE public.allocation_traffic TO sublet_app;

GRANT UPDATE(out_bytes) ON TABLE public.allocation_traffic TO sublet_app;

GRANT UPDATE(link_in_bytes) ON TABLE public.allocation_traffic TO sublet_app;

GRANT UPDATE(link_out_bytes) ON TABLE public.allocation_traffic TO sublet_app;

GRANT UPDATE(boot_id) ON TABLE public.allocation_traffic TO sublet_app;

GRANT UPDATE(seen_at) ON TABLE public.allocation_traffic TO sublet_app;

GRANT SELECT ON TABLE public.allocation_transition TO sublet_app;

GRANT USAGE ON SEQUENCE public.allocation_uid TO sublet_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.api_token TO sublet_app;

GRANT SELECT,INSERT ON TABLE public.approval TO sublet_app;

GRANT UPDATE(state) ON TABLE public.approval TO sublet_app;

GRANT UPDATE(decided_by) ON TABLE public.approval TO sublet_app;

GRANT UPDATE(decided_by_name) ON TABLE public.approval TO sublet_app;

GRANT UPDATE(decided_at) ON TABLE public.approval TO sublet_app;

GRANT UPDATE(used_at) ON TABLE public.approval TO sublet_app;

GRANT SELECT,INSERT ON TABLE public.approval_history TO sublet_app;

GRANT SELECT ON TABLE public.approval_transition TO sublet_app;

GRANT SELECT ON TABLE public.audit_event TO sublet_app;

GRANT INSERT(id) ON TABLE public.audit_event TO sublet_app;

GRANT INSERT(actor_kind) ON TABLE public.audit_event TO sublet_app;

GRANT INSERT(actor_user_id) ON TABLE public.audit_event TO sublet_app;

GRANT INSERT(actor_name) ON TABLE public.audit_event TO sublet_app;

GRANT INSERT(actor_role) ON TABLE public.audit_event TO sublet_app;

GRANT INSERT(actor_platform_roles) ON TABLE public.audit_event TO sublet_app;

GRANT INSERT(organization_id) ON TABLE public.audit_event TO sublet_app;

GRANT INSERT(session_id) ON TABLE public.audit_event TO sublet_app;

GRANT INSERT(token_id) ON TABLE public.audit_event TO sublet_app;

GRANT INSERT(request_id) ON TABLE public.audit_event TO sublet_app;

GRANT INSERT(address) ON TABLE public.audit_event TO sublet_app;

GRANT INSERT(action) ON TABLE public.audit_event TO sublet_app;

GRANT INSERT(target_type) ON TABLE public.audit_event TO sublet_app;

GRANT INSERT(target_id) ON TABLE public.audit_event TO sublet_app;

GRANT INSERT(before) ON TABLE public.audit_event TO sublet_app;

GRANT INSERT(after) ON TABLE public.audit_event TO sublet_app;

GRANT USAGE ON SEQUENCE public.audit_event_seq TO sublet_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.auto_top_up TO sublet_app;

GRANT SELECT ON TABLE public.register_seal TO sublet_app;

GRANT SELECT ON TABLE public.broken_register_seal TO sublet_app;

GRANT SELECT,INSERT ON TABLE public.card_setup TO sublet_app;

GRANT UPDATE(state) ON TABLE public.card_setup TO sublet_app;

GRANT UPDATE(checkout_session_id) ON TABLE public.card_setup TO sublet_app;

GRANT UPDATE(checkout_url) ON TABLE public.card_setup TO sublet_app;

GRANT UPDATE(setup_intent_id) ON TABLE public.card_setup TO sublet_app;

GRANT UPDATE(failure_code) ON TABLE public.card_setup TO sublet_app;

GRANT UPDATE(failure_message) ON TABLE public.card_setup TO sublet_app;

GRANT UPDATE(completed_at) ON TABLE public.card_setup TO sublet_app;

GRANT UPDATE(looked_at) ON TABLE public.card_setup TO sublet_app;

GRANT SELECT,INSERT ON TABLE public.card_setup_history TO sublet_app;

GRANT SELECT ON TABLE public.card_setup_transition TO sublet_app;

GRANT SELECT,INSERT,DELETE ON TABLE public.issued_certificate TO sublet_app;

GRANT UPDATE(revoked_at) ON TABLE public.issued_certificate TO sublet_app;

GRANT UPDATE(revocation_reason) ON TABLE public.issued_certificate TO sublet_app;

GRANT UPDATE(revoked_in) ON TABLE public.issued_certificate TO sublet_app;

GRANT USAGE ON SEQUENCE public.certificate_serial TO sublet_app;

GRANT SELECT,INSERT ON TABLE public.credit_grant TO sublet_app;

GRANT SELECT,INSERT ON TABLE public.credit_notice TO sublet_app;

GRANT UPDATE(days) ON TABLE public.credit_notice TO sublet_app;

GRANT UPDATE(told_at) ON TABLE public.credit_notice TO sublet_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.data_clock TO sublet_app;

GRANT SELECT,INSERT ON TABLE public.dispute TO sublet_app;

GRANT UPDATE(amount) ON TABLE public.dispute TO sublet_app;

GRANT UPDATE(reason) ON TABLE public.dispute TO sublet_app;

GRANT UPDATE(due_by) ON TABLE public.dispute TO sublet_app;

GRANT UPDATE(state) ON TABLE public.dispute TO sublet_app;

GRANT UPDATE(taken) ON TABLE public.dispute TO sublet_app;

GRANT UPDATE(charged) ON TABLE public.dispute TO sublet_app;

GRANT UPDATE(owed) ON TABLE public.dispute TO sublet_app;

GRANT UPDATE(decided_at) ON TABLE public.dispute TO sublet_app;

GRANT SELECT ON TABLE public.dispute_answer TO sublet_app;

GRANT INSERT(id) ON TABLE public.dispute_answer TO sublet_app;

GRANT INSERT(dispute_id) ON TABLE public.dispute_answer TO sublet_app;

GRANT INSERT(stage) ON TABLE public.dispute_answer TO sublet_app;

GRANT INSERT(evidence) ON TABLE public.dispute_answer TO sublet_app;

GRANT INSERT(answered_by) ON TABLE public.dispute_answer TO sublet_app;

GRANT INSERT(answered_by_name) ON TABLE public.dispute_answer TO sublet_app;

GRANT UPDATE(sent_at) ON TABLE public.dispute_answer TO sublet_app;

GRANT UPDATE(refusal) ON TABLE public.dispute_answer TO sublet_app;

GRANT SELECT ON TABLE public.dispute_history TO sublet_app;

GRANT INSERT(dispute_id) ON TABLE public.dispute_history TO sublet_app;

GRANT INSERT(previous) ON TABLE public.dispute_history TO sublet_app;

GRANT INSERT(next) ON TABLE public.dispute_history TO sublet_app;

GRANT INSERT(reason) ON TABLE public.dispute_history TO sublet_app;

GRANT SELECT ON TABLE public.dispute_transition TO sublet_app;

GRANT SELECT,INSERT,DELETE ON TABLE public.email_verification TO sublet_app;

GRANT UPDATE(secret_hashes) ON TABLE public.email_verification TO sublet_app;

GRANT UPDATE(used_at) ON TABLE public.email_verification TO sublet_app;

GRANT SELECT,INSERT ON TABLE public.finding TO sublet_app;

GRANT UPDATE(severity) ON TABLE public.finding TO sublet_app;

GRANT UPDATE(amounts) ON TABLE public.finding TO sublet_app;

GRANT UPDATE(detail) ON TABLE public.finding TO sublet_app;

GRANT UPDATE(seen_at) ON TABLE public.finding TO sublet_app;

GRANT UPDATE(until) ON TABLE public.finding TO sublet_app;

GRANT UPDATE(owner_id) ON TABLE public.finding TO sublet_app;

GRANT UPDATE(owner_name) ON TABLE public.finding TO sublet_app;

GRANT UPDATE(assigned_by) ON TABLE public.finding TO sublet_app;

GRANT UPDATE(settled_by) ON TABLE public.finding TO sublet_app;

GRANT UPDATE(resolution) ON TABLE public.finding TO sublet_app;

GRANT SELECT ON TABLE public.finding_history TO sublet_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.funds_clock TO sublet_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.gpu_health TO sublet_app;

GRANT SELECT ON TABLE public.gpu_transition TO sublet_app;

GRANT SELECT,INSERT ON TABLE public.helper_rollout TO sublet_app;

GRANT UPDATE(phase) ON TABLE public.helper_rollout TO sublet_app;

GRANT UPDATE(reason) ON TABLE public.helper_rollout TO sublet_app;

GRANT UPDATE(ended_at) ON TABLE public.helper_rollout TO sublet_app;

GRANT SELECT,INSERT ON TABLE public.helper_upgrade TO sublet_app;

GRANT UPDATE(outcome) ON TABLE public.helper_upgrade TO sublet_app;

GRANT UPDATE(detail) ON TABLE public.helper_upgrade TO sublet_app;

GRANT UPDATE(ended_at) ON TABLE public.helper_upgrade TO sublet_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.idempotency_key TO sublet_app;

GRANT SELECT ON TABLE public.installation TO sublet_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.join_token TO sublet_app;

GRANT USAGE ON SEQUENCE public.lease_token TO sublet_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.membership TO sublet_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.meter TO sublet_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.meter_segment TO sublet_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.node TO sublet_app;

GRANT SELECT ON TABLE public.node_capacity TO sublet_app;

GRANT SELECT,INSERT ON TABLE public.node_drain TO sublet_app;

GRANT UPDATE(due_told_at) ON TABLE public.node_drain TO sublet_app;

GRANT UPDATE(ended_at) ON TABLE public.node_drain TO sublet_app;

GRANT SELECT,INSERT ON TABLE public.node_history TO sublet_app;

GRANT SELECT ON TABLE public.node_ports TO sublet_app;

GRANT SELECT,INSERT ON TABLE public.node_self_test TO sublet_app;

GRANT UPDATE(finished_at) ON TABLE public.node_self_test TO sublet_app;

GRANT UPDATE(passed) ON TABLE public.node_self_test TO sublet_app;

GRANT UPDATE(checks) ON TABLE public.node_self_test TO sublet_app;

GRANT SELECT ON TABLE public.node_transition TO sublet_app;

GRANT SELECT,INSERT ON TABLE public.node_trial TO sublet_app;

GRANT UPDATE(generation) ON TABLE public.node_trial TO sublet_app;

GRANT SELECT,INSERT,DELETE ON TABLE public.notice TO sublet_app;

GRANT UPDATE(read_at) ON TABLE public.notice TO sublet_app;

GRANT UPDATE(mailed_at) ON TABLE public.notice TO sublet_app;

GRANT UPDATE(not_mailed_because) ON TABLE public.notice TO sublet_app;

GRANT SELECT,INSERT ON TABLE public.notice_preference TO sublet_app;

GRANT UPDATE(wanted) ON TABLE public.notice_preference TO sublet_app;

GRANT UPDATE(set_at) ON TABLE public.notice_preference TO sublet_app;

GRANT SELECT,INSERT ON TABLE public.observation_run TO sublet_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.organization TO sublet_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.outbox_cursor TO sublet_app;

GRANT SELECT,DELETE ON TABLE public.outbox_event TO sublet_app;

GRANT INSERT(event_id) ON TABLE public.outbox_event TO sublet_app;

GRANT INSERT(type) ON TABLE public.outbox_event TO sublet_app;

GRANT INSERT(subject) ON TABLE public.outbox_event TO sublet_app;

GRANT INSERT(organization_id) ON TABLE public.outbox_event TO sublet_app;

GRANT INSERT(data) ON TABLE public.outbox_event TO sublet_app;

GRANT USAGE ON SEQUENCE public.outbox_event_id TO sublet_app;

GRANT SELECT ON TABLE public.outbox_forgotten TO sublet_app;

GRANT UPDATE(xid) ON TABLE public.outbox_forgotten TO sublet_app;

GRANT UPDATE(id) ON TABLE public.outbox_forgotten TO sublet_app;

GRANT SELECT,INSERT ON TABLE public.payout TO sublet_app;

GRANT UPDATE(state) ON TABLE public.payout TO sublet_app;

GRANT UPDATE(arrives_on) ON TABLE public.payout TO sublet_app;

GRANT UPDATE(failure_code) ON TABLE public.payout TO sublet_app;

GRANT UPDATE(itemised) ON TABLE public.payout TO sublet_app;

GRANT UPDATE(ended_at) ON TABLE public.payout TO sublet_app;

GRANT SELECT ON TABLE public.payout_history TO sublet_app;

GRANT INSERT(payout_id) ON TABLE public.payout_history TO sublet_app;

GRANT INSERT(previous) ON TABLE public.payout_history TO sublet_app;

GRANT INSERT(next) ON TABLE public.payout_history TO sublet_app;

GRANT INSERT(reason) ON TABLE public.payout_history TO sublet_app;

GRANT SELECT ON TABLE public.payout_transition TO sublet_app;

GRANT SELECT,INSERT ON TABLE public.price TO sublet_app;

GRANT SELECT ON TABLE public.price_rate TO sublet_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.processor_balance TO sublet_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.processor_cursor TO sublet_app;

GRANT SELECT,INSERT ON TABLE public.processor_customer TO sublet_app;

GRANT SELECT,INSERT ON TABLE public.promo_code TO sublet_app;

GRANT UPDATE(ended_at) ON TABLE public.promo_code TO sublet_app;

GRANT SELECT,INSERT ON TABLE public.promo_redemption TO sublet_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.published_port TO sublet_app;

GRANT SELECT ON TABLE public.published_port_transition TO sublet_app;

GRANT SELECT,INSERT ON TABLE public.refund TO sublet_app;

GRANT UPDATE(state) ON TABLE public.refund TO sublet_app;

GRANT UPDATE(processor_id) ON TABLE public.refund TO sublet_app;

GRANT UPDATE(failure_code) ON TABLE public.refund TO sublet_app;

GRANT UPDATE(completed_at) ON TABLE public.refund TO sublet_app;

GRANT SELECT ON TABLE public.refund_history TO sublet_app;

GRANT INSERT(refund_id) ON TABLE public.refund_history TO sublet_app;

GRANT INSERT(previous) ON TABLE public.refund_history TO sublet_app;

GRANT INSERT(next) ON TABLE public.refund_history TO sublet_app;

GRANT INSERT(reason) ON TABLE public.refund_history TO sublet_app;

GRANT SELECT,INSERT ON TABLE public.refund_request TO sublet_app;

GRANT UPDATE(state) ON TABLE public.refund_request TO sublet_app;

GRANT UPDATE(decided_by) ON TABLE public.refund_request TO sublet_app;

GRANT UPDATE(decided_by_name) ON TABLE public.refund_request TO sublet_app;

GRANT UPDATE(decision) ON TABLE public.refund_request TO sublet_app;

GRANT UPDATE(decided_at) ON TABLE public.refund_request TO sublet_app;

GRANT SELECT ON TABLE public.refund_request_transition TO sublet_app;

GRANT SELECT ON TABLE public.refund_transition TO sublet_app;

GRANT SELECT ON TABLE public.register_seal_mark TO sublet_app;

GRANT SELECT ON TABLE public.room_from_now TO sublet_app;

GRANT SELECT,INSERT ON TABLE public.saved_card TO sublet_app;

GRANT UPDATE(is_default) ON TABLE public.saved_card TO sublet_app;

GRANT UPDATE(removed_at) ON TABLE public.saved_card TO sublet_app;

GRANT UPDATE(forgotten_at) ON TABLE public.saved_card TO sublet_app;

GRANT UPDATE(expiry_told) ON TABLE public.saved_card TO sublet_app;

GRANT SELECT,INSERT ON TABLE public.top_up TO sublet_app;

GRANT UPDATE(state) ON TABLE public.top_up TO sublet_app;

GRANT UPDATE(checkout_session_id) ON TABLE public.top_up TO sublet_app;

GRANT UPDATE(checkout_url) ON TABLE public.top_up TO sublet_app;

GRANT UPDATE(payment_intent_id) ON TABLE public.top_up TO sublet_app;

GRANT UPDATE(charge_id) ON TABLE public.top_up TO sublet_app;

GRANT UPDATE(balance_transaction_id) ON TABLE public.top_up TO sublet_app;

GRANT UPDATE(fee) ON TABLE public.top_up TO sublet_app;

GRANT UPDATE(failure_code) ON TABLE public.top_up TO sublet_app;

GRANT UPDATE(failure_message) ON TABLE public.top_up TO sublet_app;

GRANT UPDATE(completed_at) ON TABLE public.top_up TO sublet_app;

GRANT UPDATE(looked_at) ON TABLE public.top_up TO sublet_app;

GRANT UPDATE(taken_back) ON TABLE public.top_up TO sublet_app;

GRANT UPDATE(taken_aside) ON TABLE public.top_up TO sublet_app;

GRANT UPDATE(taken_settled) ON TABLE public.top_up TO sublet_app;

GRANT UPDATE(credited) ON TABLE public.top_up TO sublet_app;

GRANT SELECT ON TABLE public.top_up_history TO sublet_app;

GRANT INSERT(top_up_id) ON TABLE public.top_up_history TO sublet_app;

GRANT INSERT(previous) ON TABLE public.top_up_history TO sublet_app;

GRANT INSERT(next) ON TABLE public.top_up_history TO sublet_app;

GRANT INSERT(reason) ON TABLE public.top_up_history TO sublet_app;

GRANT SELECT ON TABLE public.usage_charge TO sublet_app;

GRANT INSERT(subject_id) ON TABLE public.usage_charge TO sublet_app;

GRANT INSERT(period_start) ON TABLE public.usage_charge TO sublet_app;

GRANT INSERT(meter_kind) ON TABLE public.usage_charge TO sublet_app;

GRANT INSERT(organization_id) ON TABLE public.usage_charge TO sublet_app;

GRANT INSERT(currency) ON TABLE public.usage_charge TO sublet_app;

GRANT INSERT(price_id) ON TABLE public.usage_charge TO sublet_app;

GRANT INSERT(nano_per_hour) ON TABLE public.usage_charge TO sublet_app;

GRANT INSERT(amount) ON TABLE public.usage_charge TO sublet_app;

GRANT INSERT(ledger_entry_id) ON TABLE public.usage_charge TO sublet_app;

GRANT SELECT,INSERT ON TABLE public.usage_record TO sublet_app;

GRANT SELECT ON TABLE public.sealed_register TO sublet_app;

GRANT SELECT,INSERT ON TABLE public.signing_key TO sublet_app;

GRANT SELECT,INSERT ON TABLE public.sku TO sublet_app;

GRANT UPDATE(name) ON TABLE public.sku TO sublet_app;

GRANT UPDATE(active) ON TABLE public.sku TO sublet_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.spending_limit TO sublet_app;

GRANT SELECT,INSERT ON TABLE public.ssh_ca_key TO sublet_app;

GRANT SELECT,INSERT,DELETE ON TABLE public.ssh_key TO sublet_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.stripe_event TO sublet_app;

GRANT SELECT,INSERT ON TABLE public.stripe_transaction TO sublet_app;

GRANT UPDATE(payout_id) ON TABLE public.stripe_transaction TO sublet_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.terminal_session TO sublet_app;

GRANT SELECT ON TABLE public.terms_acceptance TO sublet_app;

GRANT INSERT(user_id) ON TABLE public.terms_acceptance TO sublet_app;

GRANT INSERT(url) ON TABLE public.terms_acceptance TO sublet_app;

GRANT INSERT(version) ON TABLE public.terms_acceptance TO sublet_app;

GRANT INSERT(occasion) ON TABLE public.terms_acceptance TO sublet_app;

GRANT INSERT(address) ON TABLE public.terms_acceptance TO sublet_app;

GRANT INSERT(user_agent) ON TABLE public.terms_acceptance TO sublet_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.throttle TO sublet_app;

GRANT SELECT ON TABLE public.top_up_transition TO sublet_app;

GRANT SELECT,INSERT ON TABLE public.unmetered_interval TO sublet_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.user_account TO sublet_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.user_session TO sublet_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.work TO sublet_app;

GRANT SELECT,INSERT,DELETE ON TABLE public.work_crash TO sublet_app;

