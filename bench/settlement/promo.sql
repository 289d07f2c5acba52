-- Promotional money in every wallet, in a lot that expires: enough for any charge.
SET ROLE sublet_ledger;
WITH entry AS (
  INSERT INTO ledger.ledger_entry (kind, idempotency_key, request_hash, description, effective_at)
  VALUES ('credit', 'bench:promo', '', 'Promotional', now()) RETURNING id
), moved AS (
  UPDATE ledger.balance SET balance = 1000000000, seq = 1
   WHERE account_id IN (SELECT promo_id FROM ledger.wallet) RETURNING account_id
)
INSERT INTO ledger.posting (entry_id, line, account_id, amount, account_seq, balance_after)
SELECT entry.id, 1, (SELECT id FROM ledger.account WHERE code = 'promo_expense:USD'), -1000000000 * :wallets::bigint,
       NULL, NULL
  FROM entry
UNION ALL
SELECT entry.id, 1 + row_number() OVER (), account_id, 1000000000, 1, 1000000000 FROM entry, moved;
INSERT INTO ledger.promo_lot (wallet_id, entry_id, amount, rest, expires_at)
SELECT w.id, e.id, 1000000000, 1000000000, now() + interval '30 days'
  FROM ledger.wallet w, ledger.ledger_entry e WHERE e.idempotency_key = 'bench:promo';
RESET ROLE;
