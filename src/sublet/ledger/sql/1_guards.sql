-- The ledger: what works on its tables. These files are run in order, as the role that owns the schema, at the end of
-- each migration that finds them changed; what they make replaces what was there, so a function is changed where it is
-- written. What cannot be replaced (other arguments, another result, fewer columns of a view) a migration drops first.
--
-- Unit: millionths of a currency. Sign: + credit, - debit. READ COMMITTED is enough: whoever touches an
-- organization's money first locks its wallet's balance row, and nothing else of it may be locked before.
-- Lock order: balances by ascending account id, then holds.

-- What never happens, and what an entry has to be.

CREATE OR REPLACE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'SL004';
END $$;

CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.account
  FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.wallet
  FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.ledger_entry
  FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.posting
  FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.hold_event
  FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.seal
  FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE OR REPLACE TRIGGER stays BEFORE DELETE OR TRUNCATE ON ledger.balance
  FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE OR REPLACE TRIGGER stays BEFORE DELETE OR TRUNCATE ON ledger.hold
  FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE OR REPLACE TRIGGER stays BEFORE DELETE OR TRUNCATE ON ledger.topup_lot
  FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

-- An INSERT of postings is one whole entry that balances and continues the chain of each customer account. If every
-- INSERT balances, every entry does. Lines count from 1 without a gap, so an entry is complete at once: the primary
-- key refuses to add to it later. Nothing is posted into a month that is closed, whoever asks. OFFSET 0 keeps each look-up an index probe: the plan is made once, and one made for
-- a batch of ten thousand lines would otherwise read whole tables for a single charge.
CREATE OR REPLACE FUNCTION ledger.check_postings() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE OR REPLACE TRIGGER whole AFTER INSERT ON ledger.posting REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION ledger.check_postings();
