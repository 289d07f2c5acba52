-- One charge out of a hold, with every check of the ledger on, by the role that the application has.
\set hold random(1, :wallets)
SELECT ledger.capture(:hold, 1234, false, 'compute', gen_random_uuid()::text, 'Usage', 'subject', 'al_1', now());
