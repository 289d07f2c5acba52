-- Part of the ledger: see 1_guards.sql.

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ledger FROM PUBLIC;
GRANT USAGE ON SCHEMA ledger TO sublet_app;
GRANT SELECT ON ALL TABLES IN SCHEMA ledger TO sublet_app;
GRANT EXECUTE ON FUNCTION
  ledger.open_wallet, ledger.place_hold, ledger.extend_hold, ledger.extend_holds, ledger.shrink_holds, ledger.lock_wallets_of, ledger.release_hold, ledger.capture,
  ledger.capture_batch, ledger.top_up, ledger.stripe_fee, ledger.grant_credit, ledger.service_credit, ledger.reverse, ledger.seal_ranges,
  ledger.range_hash, ledger.hash_of, ledger.spent_of_lots, ledger.refundable, ledger.refund, ledger.refund_succeeded,
  ledger.refund_failed, ledger.expire_credit, ledger.left_of_lots, ledger.dispute_moved, ledger.dispute_lost, ledger.pay_owed, ledger.adjust,
  ledger.exchange, ledger.suspend, ledger.payout, ledger.payout_arrived
TO sublet_app;
GRANT EXECUTE ON FUNCTION
  ledger.keep_calendar, ledger.close_month, ledger.name_corrected, ledger.month_of, ledger.month_starts, ledger.month_ends,
  ledger.moved_between
TO sublet_app;
