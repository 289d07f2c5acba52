-- Part of the ledger: see 1_guards.sql.

CREATE OR REPLACE FUNCTION ledger.range_hash(_prev bytea, _from bigint, _to bigint) RETURNS bytea LANGUAGE sql STABLE AS $$
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

-- Seals what has become final since the last call, in a transaction of its own. An id is final when every transaction
-- that could have drawn it or a lower one has ended: those drew their transaction id before `up_to` was read,
-- so they are older than `bound`, which is drawn after it.
-- A call seals so many ranges at most: a backlog is worked off by further calls, under the same mark.
CREATE OR REPLACE FUNCTION ledger.seal_ranges(_entries_each int)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
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

CREATE OR REPLACE VIEW ledger.unbalanced_entry AS
  SELECT e.id AS entry_id, min(a.currency) AS currency, coalesce(sum(p.amount), 0) AS total,
         count(p.entry_id) AS lines
    FROM ledger.ledger_entry e
    LEFT JOIN ledger.posting p ON p.entry_id = e.id
    LEFT JOIN ledger.account a ON a.id = p.account_id
   GROUP BY e.id HAVING sum(p.amount) IS DISTINCT FROM 0
  UNION ALL
  SELECT p.entry_id, min(a.currency), sum(p.amount), count(*)
    FROM ledger.posting p LEFT JOIN ledger.account a ON a.id = p.account_id
   WHERE NOT EXISTS (SELECT FROM ledger.ledger_entry e WHERE e.id = p.entry_id) GROUP BY p.entry_id;

CREATE OR REPLACE VIEW ledger.drifted_balance AS
  SELECT a.code, a.currency, b.balance, coalesce(p.total, 0) AS posted, b.seq, coalesce(p.lines, 0) AS lines
    FROM ledger.balance b
    JOIN ledger.account a ON a.id = b.account_id
    LEFT JOIN (SELECT account_id, sum(amount) AS total, count(*) AS lines
                 FROM ledger.posting WHERE account_seq IS NOT NULL GROUP BY account_id) p ON p.account_id = b.account_id
   WHERE b.balance <> coalesce(p.total, 0) OR b.seq <> coalesce(p.lines, 0);

-- What drifted_balance would find, without reading what was posted long ago: as long as the chain of an account's lines
-- is whole, its last line says what they add up to.
CREATE OR REPLACE VIEW ledger.balance_off_chain AS
  SELECT a.code, a.currency, b.balance, coalesce(p.balance_after, 0) AS balance_after, b.seq,
         coalesce(p.account_seq, 0) AS last_seq
    FROM ledger.balance b
    JOIN ledger.account a ON a.id = b.account_id
    LEFT JOIN LATERAL (SELECT account_seq, balance_after FROM ledger.posting
                        WHERE account_id = b.account_id AND account_seq IS NOT NULL
                        ORDER BY account_seq DESC LIMIT 1) p ON true
   WHERE b.balance <> coalesce(p.balance_after, 0) OR b.seq <> coalesce(p.account_seq, 0);

CREATE OR REPLACE VIEW ledger.broken_chain AS
  SELECT a.code, link.account_seq, link.entry_id
    FROM (SELECT account_id, account_seq, entry_id,
                 balance_after - amount = coalesce(lag(balance_after) OVER w, 0)
                   AND account_seq = coalesce(lag(account_seq) OVER w, 0) + 1 AS fits
            FROM ledger.posting WHERE account_seq IS NOT NULL
          WINDOW w AS (PARTITION BY account_id ORDER BY account_seq)) link
    JOIN ledger.account a ON a.id = link.account_id
   WHERE NOT link.fits;

CREATE OR REPLACE VIEW ledger.drifted_hold AS
  SELECT 'account' AS subject_type, a.code AS subject_id, a.currency, b.held, coalesce(o.rest, 0) AS open_holds
    FROM ledger.balance b
    JOIN ledger.account a ON a.id = b.account_id
    LEFT JOIN (
      SELECT account_id, sum(rest) AS rest FROM (
        SELECT wallet_id AS account_id, amount - captured - released - promo_rest AS rest
          FROM ledger.hold WHERE NOT closed
        UNION ALL
        SELECT w.promo_id, h.promo_rest
          FROM ledger.hold h JOIN ledger.wallet w ON w.id = h.wallet_id WHERE NOT h.closed) parts
       GROUP BY account_id) o ON o.account_id = b.account_id
   WHERE b.held <> coalesce(o.rest, 0);

CREATE OR REPLACE VIEW ledger.drifted_hold_history AS
  SELECT 'hold' AS subject_type, h.id::text AS subject_id, w.currency, h.amount - h.captured - h.released AS rest,
         coalesce(e.rest, 0) AS history
    FROM ledger.hold h
    JOIN ledger.wallet w ON w.id = h.wallet_id
    LEFT JOIN (SELECT hold_id, count(*) AS events,
                 sum(CASE WHEN kind IN ('placed', 'extended') THEN amount ELSE -amount END) AS rest
            FROM ledger.hold_event GROUP BY hold_id) e ON e.hold_id = h.id
   WHERE h.amount - h.captured - h.released <> coalesce(e.rest, 0) OR h.events <> coalesce(e.events, 0);

-- Payments and lots that are not one to one.
CREATE OR REPLACE VIEW ledger.drifted_lot AS
  WITH payment AS (
    SELECT e.id AS entry_id, w.id AS wallet_id, sum(p.amount)::bigint AS paid
      FROM ledger.ledger_entry e
      JOIN ledger.posting p ON p.entry_id = e.id
      JOIN ledger.wallet w ON p.account_id IN (w.id, w.receivable_id)
     WHERE e.kind = 'top_up' GROUP BY e.id, w.id
  )
  SELECT coalesce(l.charge_id, 'of entry ' || p.entry_id) AS lot, w.currency, coalesce(l.paid, 0) AS paid,
         coalesce(p.paid, 0) AS posted
    FROM ledger.topup_lot l
    FULL JOIN payment p ON p.entry_id = l.entry_id AND p.wallet_id = l.wallet_id
    LEFT JOIN ledger.wallet w ON w.id = coalesce(l.wallet_id, p.wallet_id)
   WHERE l.paid IS DISTINCT FROM p.paid;

-- Wallets with more in them than their payments can have left. (Less is what was spent.)
CREATE OR REPLACE VIEW ledger.wallet_above_lots AS
  SELECT a.code, a.currency, b.balance, coalesce(sum(l.paid - l.refunded - l.disputed), 0)::bigint AS paid_in
    FROM ledger.wallet w
    JOIN ledger.account a ON a.id = w.id
    JOIN ledger.balance b ON b.account_id = w.id
    LEFT JOIN ledger.topup_lot l ON l.wallet_id = w.id
   GROUP BY a.code, a.currency, b.balance
  HAVING b.balance > coalesce(sum(l.paid - l.refunded - l.disputed), 0);

CREATE OR REPLACE VIEW ledger.broken_seal AS
  SELECT from_id, to_id FROM (
    SELECT s.*, lag(hash) OVER w AS before_hash, lag(to_id) OVER w AS before_to
      FROM ledger.seal s WINDOW w AS (ORDER BY from_id)) s
   WHERE prev_hash <> coalesce(before_hash, '\x00') OR from_id <> coalesce(before_to, 0) + 1
      OR hash <> ledger.range_hash(prev_hash, from_id, to_id)
   UNION ALL SELECT id, id FROM ledger.ledger_entry WHERE id < 1  -- ids that were never drawn, which no seal reaches
   UNION ALL SELECT id, id FROM ledger.ledger_entry
              WHERE id > (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM ledger.entry_id);

-- ------------------------------------------------------------------- what other domains may read in their queries

CREATE OR REPLACE VIEW ledger.open_hold AS
  SELECT id, subject_id, amount, amount - captured - released AS rest FROM ledger.hold WHERE NOT closed;
COMMENT ON VIEW ledger.open_hold IS 'Published: what is still set aside for each subject, in micro-units.';

CREATE OR REPLACE VIEW ledger.hold_owner AS
  SELECT h.id, w.owner_id, w.currency FROM ledger.hold h JOIN ledger.wallet w ON w.id = h.wallet_id;
COMMENT ON VIEW ledger.hold_owner IS 'Published: whose money each hold sets aside, closed ones too.';

CREATE OR REPLACE VIEW ledger.funds AS
  SELECT w.owner_id, w.currency,
         w.balance + w.promo - w.receivable
           - (SELECT coalesce(sum(h.amount - h.captured - h.released), 0)::bigint
                FROM ledger.hold h WHERE h.wallet_id = w.id AND NOT h.closed AND h.kind = 'withheld') AS total,
         w.expired
    FROM ledger.purse w;
COMMENT ON VIEW ledger.funds IS
  'Published: what each organization could spend in all, with what is held to be spent and less what it owes, in micro-units; and what expired of it, which pays only what was delivered before.';

CREATE OR REPLACE VIEW ledger.usage_revenue AS
  SELECT p.entry_id, substr(a.kind::text, 9) AS meter_kind, a.currency, p.amount
    FROM ledger.posting p
    JOIN ledger.account a ON a.id = p.account_id AND a.kind::text LIKE 'revenue\_%'
    JOIN ledger.ledger_entry e ON e.id = p.entry_id AND e.kind IN ('usage', 'usage_batch');
COMMENT ON VIEW ledger.usage_revenue IS 'Published: what each entry of usage brought in, in micro-units.';

CREATE OR REPLACE VIEW ledger.usage_payer AS
  SELECT p.entry_id, a.owner_id, a.currency, -sum(p.amount)::bigint AS amount
    FROM ledger.posting p
    JOIN ledger.account a ON a.id = p.account_id AND a.owner_id IS NOT NULL
    JOIN ledger.ledger_entry e ON e.id = p.entry_id AND e.kind IN ('usage', 'usage_batch')
   GROUP BY p.entry_id, a.owner_id, a.currency;
COMMENT ON VIEW ledger.usage_payer IS
  'Published: what each entry of usage took from whom, owed or paid, in micro-units.';

CREATE OR REPLACE VIEW ledger.went_back AS
  SELECT e.source_type, e.source_id, a.currency,
         sum(p.amount) FILTER (WHERE e.kind = 'refund' AND a.kind = 'refund_pending')::bigint AS refunded,
         coalesce(sum(p.amount) FILTER (WHERE a.kind = 'refund_pending'), 0)::bigint AS pending,
         coalesce(sum(p.amount) FILTER (WHERE a.kind = 'stripe_balance'), 0)::bigint AS sent,
         coalesce(-sum(p.amount) FILTER (WHERE e.kind <> 'dispute_lost' AND a.kind = 'dispute_receivable'), 0)::bigint
           AS disputed,
         coalesce(sum(p.amount) FILTER (WHERE e.kind = 'dispute_lost' AND a.kind = 'dispute_receivable'), 0)::bigint
           AS lost
    FROM ledger.ledger_entry e
    JOIN ledger.posting p ON p.entry_id = e.id
    JOIN ledger.account a ON a.id = p.account_id
   WHERE e.source_type IN ('refund', 'dispute')
   GROUP BY e.source_type, e.source_id, a.currency;
COMMENT ON VIEW ledger.went_back IS
  'Published: what entries say of each refund and dispute, by source and currency, in micro-units.';
