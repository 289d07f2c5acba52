-- As many accounts of customers as the floor has rows, an account for what each of them pays, and one that all pay into.
INSERT INTO pgledger_accounts (id, name, currency, allow_negative_balance, allow_positive_balance, created_at, updated_at)
SELECT 'pgla_' || kind || lpad(n::text, 25, '0'), kind || n, 'USD', true, true, now(), now()
  FROM unnest(ARRAY['C', 'R']) kind, generate_series(1, :wallets) n;
INSERT INTO pgledger_accounts (id, name, currency, allow_negative_balance, allow_positive_balance, created_at, updated_at)
VALUES ('pgla_revenue', 'revenue', 'USD', true, true, now(), now());
VACUUM ANALYZE pgledger_accounts;
