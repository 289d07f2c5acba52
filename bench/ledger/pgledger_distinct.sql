-- A charge to an account that no other customer pays into, where the peer has it easiest.
\set a random(1, :wallets)
SELECT id FROM pgledger_create_transfer('pgla_C' || lpad(:a::text, 25, '0'), 'pgla_R' || lpad(:a::text, 25, '0'), 0.001234);
