-- What any ledger must do at least: change two balances and write one row, in one transaction.
\set a random(1, :floor_rows)
\set b random(1, :floor_rows)
\set lower least(:a, :b)
\set upper greatest(:a, :b)
\set amount random(1, 5000)
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance - :amount WHERE aid = :lower;
UPDATE pgbench_accounts SET abalance = abalance + :amount WHERE aid = :upper;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 1, :a, :amount, current_timestamp);
END;
