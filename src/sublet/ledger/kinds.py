"""What an entry is, as PostgreSQL's enum `ledger.entry_kind` has it; the account kinds only its functions name."""

ENTRY_KINDS = (
    "top_up",
    "stripe_fee",
    "usage",
    "usage_batch",
    "credit",
    "reversal",
    "credit_expired",
    "service_credit",
    "adjustment",
    "write_off",  # nothing posts it yet
    "refund",
    "refund_succeeded",
    "refund_failed",
    "dispute",
    "dispute_won",
    "dispute_lost",
    "payout",
    "payout_arrived",
    "fx",
    "suspense",
    "owed_paid",
    "payout_failed",
)
