-- As many funded wallets with a wide hold each as the floor has rows; made with the ledger's own checks on.
SET ROLE sublet_ledger;
SELECT ledger.open_books('USD');
INSERT INTO ledger.account (code, kind, owner_id, currency, materialised)
SELECT kind || ':org_' || n || ':USD', kind, 'org_' || n, 'USD', true
  FROM generate_series(1, :wallets) n, unnest(ARRAY['wallet', 'promo', 'receivable']::ledger.account_kind[]) WITH ORDINALITY AS k(kind, place)
 ORDER BY n, place;
INSERT INTO ledger.balance (account_id, min_available, max_balance)
SELECT id, CASE WHEN kind <> 'receivable' THEN 0 END, CASE WHEN kind = 'receivable' THEN 0 END
  FROM ledger.account WHERE materialised;
INSERT INTO ledger.wallet (id, promo_id, receivable_id, owner_id, currency)
SELECT min(id), min(id) + 1, min(id) + 2, owner_id, 'USD' FROM ledger.account WHERE materialised GROUP BY owner_id;

WITH entry AS (
  INSERT INTO ledger.ledger_entry (kind, idempotency_key, request_hash, description, effective_at)
  VALUES ('credit', 'bench:funds', '', 'Funds', now()) RETURNING id
), moved AS (
  UPDATE ledger.balance SET balance = 100000000000, held = 50000000000, seq = 1
   WHERE account_id IN (SELECT id FROM ledger.wallet) RETURNING account_id
)
INSERT INTO ledger.posting (entry_id, line, account_id, amount, account_seq, balance_after)
SELECT entry.id, 1, (SELECT id FROM ledger.account WHERE code = 'bank:USD'), -100000000000 * :wallets::bigint, NULL, NULL
  FROM entry
UNION ALL
SELECT entry.id, 1 + row_number() OVER (), account_id, 100000000000, 1, 100000000000 FROM entry, moved;

INSERT INTO ledger.hold (wallet_id, subject_id, amount) SELECT id, owner_id, 50000000000 FROM ledger.wallet ORDER BY id;
INSERT INTO ledger.hold_event (hold_id, number, kind, amount) SELECT id, 1, 'placed', amount FROM ledger.hold;
RESET ROLE;
