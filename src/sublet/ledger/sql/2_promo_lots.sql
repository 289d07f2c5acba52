-- Part of the ledger: see 1_guards.sql.

-- Promotional money is in lots: each gift is one, and may expire. It is spent by soonest expiry, then by age. A charge
-- writes to no lot: what was spent since the lots were last brought up to date is what they had then, less what is in
-- the account. A lot pays what was delivered before it expired, also when that is settled later; so for a while there is
-- expired money in the account, which can pay such time and nothing else. While there is, charges are made singly, and
-- one of later time says itself which lots it took from.

CREATE OR REPLACE FUNCTION ledger.refuse_other_lot() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'of a lot, only what is left and what expired changes' USING ERRCODE = 'SL004';
END $$;

CREATE OR REPLACE TRIGGER stays BEFORE DELETE OR TRUNCATE ON ledger.promo_lot
  FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE OR REPLACE TRIGGER same_lot BEFORE UPDATE ON ledger.promo_lot
  FOR EACH ROW WHEN ((OLD.id, OLD.wallet_id, OLD.amount) <> (NEW.id, NEW.wallet_id, NEW.amount)
    OR OLD.entry_id IS DISTINCT FROM NEW.entry_id OR OLD.expires_at IS DISTINCT FROM NEW.expires_at
    OR OLD.rest < NEW.rest OR OLD.expired > NEW.expired)
  EXECUTE FUNCTION ledger.refuse_other_lot();

-- How much of a wallet's promotional money can no longer pay what is delivered at a time, because its lot had expired.
CREATE OR REPLACE FUNCTION ledger.expired_promo(_wallet bigint, _balance bigint, _at timestamptz)
RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT greatest(0, least(coalesce(sum(rest) FILTER (WHERE expires_at < _at), 0),
                           _balance - coalesce(sum(rest) FILTER (WHERE (expires_at < _at) IS NOT TRUE), 0)))::bigint
    FROM ledger.promo_lot WHERE _balance > 0 AND wallet_id = _wallet AND rest > 0
$$;

-- What is left of each lot of a wallet with so much promotional money: the soonest to expire is spent first.
CREATE OR REPLACE FUNCTION ledger.left_of_lots(_wallet bigint, _balance bigint)
RETURNS TABLE (lot_id bigint, remains bigint) LANGUAGE sql STABLE AS $$
  SELECT id, (rest - least(rest, greatest(0, sum(rest) OVER () - _balance - (sum(rest) OVER sooner - rest))))::bigint
    FROM ledger.promo_lot WHERE wallet_id = _wallet AND rest > 0
  WINDOW sooner AS (ORDER BY expires_at NULLS LAST, id)
$$;

-- Writes down what was spent of the lots of a locked wallet so far. Whoever gives or takes promotional money other than
-- by a charge does so first: else the order would be that of lots which were not there when the money was spent.
CREATE OR REPLACE FUNCTION ledger.keep_lots(_w ledger.wallet) RETURNS void LANGUAGE sql AS $$
  UPDATE ledger.promo_lot l SET rest = now_left.remains
    FROM ledger.balance p CROSS JOIN LATERAL ledger.left_of_lots(_w.id, p.balance) now_left
   WHERE p.account_id = _w.promo_id AND l.id = now_left.lot_id AND l.rest <> now_left.remains
$$;

-- Takes money out of the lots of a wallet, which are up to date: out of one before all, and of those that could not pay
-- what is delivered at the time only what the others do not have.
CREATE OR REPLACE FUNCTION ledger.take_from_lots(_wallet bigint, _amount bigint, _at timestamptz, _first bigint)
RETURNS void LANGUAGE sql AS $$
  UPDATE ledger.promo_lot l SET rest = l.rest - part.taken
    FROM (SELECT id, least(rest, greatest(0, _amount - (sum(rest) OVER earlier - rest)))::bigint AS taken
            FROM ledger.promo_lot WHERE wallet_id = _wallet AND rest > 0
          WINDOW earlier AS (ORDER BY id IS NOT DISTINCT FROM _first DESC, (expires_at < _at) IS TRUE,
                                      expires_at NULLS LAST, id)) part
   WHERE l.id = part.id AND part.taken > 0
$$;

-- The lot of promotional money that an entry has brought into a wallet whose lots were brought up to date before.
CREATE OR REPLACE FUNCTION ledger.open_lot(_w ledger.wallet, _entry bigint, _amount bigint, _expires_at timestamptz)
RETURNS bigint LANGUAGE sql AS $$
  INSERT INTO ledger.promo_lot (wallet_id, entry_id, amount, rest, expires_at)
  SELECT _w.id, _entry, _amount, _amount, _expires_at WHERE _amount > 0 RETURNING id
$$;

-- A hold of a locked wallet does without so much promotional money: what is free in the wallet takes its place, and what
-- is missing then is released.
CREATE OR REPLACE FUNCTION ledger.back_otherwise(_w ledger.wallet, _hold bigint, _amount bigint)
RETURNS void LANGUAGE plpgsql AS $$
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

-- Posts that a lot has expired: what is left of it goes back to where it came from, holds keep what the wallet can put in
-- its place, the oldest first, and are smaller by the rest. NULL: all of it was spent. The caller has charged what was
-- delivered before. The entry has the lot's own time, or the present if the month of that is closed.
CREATE OR REPLACE FUNCTION ledger.expire_credit(_lot bigint, _description text)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
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

-- Promotional accounts with more in them than their lots have left. (Less is what was spent.)
CREATE OR REPLACE VIEW ledger.promo_above_lots AS
  SELECT a.code, a.currency, p.balance, coalesce(sum(l.rest), 0)::bigint AS lots
    FROM ledger.wallet w
    JOIN ledger.balance p ON p.account_id = w.promo_id
    JOIN ledger.account a ON a.id = w.promo_id
    LEFT JOIN ledger.promo_lot l ON l.wallet_id = w.id
   GROUP BY a.code, a.currency, p.balance
  HAVING p.balance > coalesce(sum(l.rest), 0);

-- Lots that are not what was posted: their gift, or what of it expired.
CREATE OR REPLACE VIEW ledger.drifted_promo_lot AS
  SELECT l.id AS lot_id, w.currency, l.amount, given.amount AS given, l.expired, gone.amount AS posted_expired
    FROM ledger.promo_lot l
    JOIN ledger.wallet w ON w.id = l.wallet_id
   CROSS JOIN LATERAL (SELECT coalesce(sum(p.amount), 0)::bigint AS amount FROM ledger.posting p
                        WHERE p.entry_id = l.entry_id AND p.account_id = w.promo_id) given
   CROSS JOIN LATERAL (SELECT coalesce(-sum(p.amount), 0)::bigint AS amount FROM ledger.ledger_entry e
                         JOIN ledger.posting p ON p.entry_id = e.id AND p.account_id = w.promo_id
                        WHERE e.idempotency_key = 'expired:' || l.id) gone
   WHERE (l.entry_id IS NOT NULL AND l.amount <> given.amount) OR l.expired <> gone.amount;

-- ------------------------------------------------------------------- what other domains may read in their queries

CREATE OR REPLACE VIEW ledger.purse AS
  SELECT w.id, w.owner_id, w.currency, b.balance, b.held + least(p.held, p.balance - x.expired) AS held,
         b.balance - b.held + greatest(0, p.balance - x.expired - p.held) AS available,
         p.balance - x.expired AS promo, -r.balance AS receivable, x.expired
    FROM ledger.wallet w
    JOIN ledger.balance b ON b.account_id = w.id
    JOIN ledger.balance p ON p.account_id = w.promo_id
    JOIN ledger.balance r ON r.account_id = w.receivable_id
   CROSS JOIN LATERAL (
     SELECT greatest(0, least(
              coalesce(sum(l.rest) FILTER (WHERE l.expires_at < clock_timestamp()), 0),
              p.balance - coalesce(sum(l.rest) FILTER (WHERE (l.expires_at < clock_timestamp()) IS NOT TRUE), 0)))::bigint
       FROM ledger.promo_lot l WHERE p.balance > 0 AND l.wallet_id = w.id AND l.rest > 0) x(expired);
COMMENT ON VIEW ledger.purse IS
  'Published: what each organization has, what of it is set aside and what it owes, in micro-units, without promotional money that has expired.';

CREATE OR REPLACE VIEW ledger.expiring_credit AS
  SELECT l.id AS lot_id, w.owner_id, w.currency, c.remains, l.expires_at
    FROM ledger.promo_lot l
    JOIN ledger.wallet w ON w.id = l.wallet_id
    JOIN ledger.balance p ON p.account_id = w.promo_id
   CROSS JOIN LATERAL ledger.left_of_lots(w.id, p.balance) c
   WHERE l.rest > 0 AND l.expires_at >= clock_timestamp() AND c.lot_id = l.id AND c.remains > 0;
COMMENT ON VIEW ledger.expiring_credit IS
  'Published: lots of promotional money that will expire and of which something is left, with how much, in micro-units.';

CREATE OR REPLACE VIEW ledger.credit_due AS
  SELECT l.id AS lot_id, w.owner_id, w.currency, l.expires_at
    FROM ledger.promo_lot l JOIN ledger.wallet w ON w.id = l.wallet_id
   WHERE l.rest > 0 AND l.expires_at < clock_timestamp();
COMMENT ON VIEW ledger.credit_due IS
  'Published: lots of promotional money that have expired, which nobody has posted yet.';
