-- A charge to the one account of revenue, as ours are.
\set a random(1, :wallets)
SELECT id FROM pgledger_create_transfer('pgla_C' || lpad(:a::text, 25, '0'), 'pgla_revenue', 0.001234);
