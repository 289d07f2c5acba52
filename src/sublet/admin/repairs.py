"""What mends each thing that may be found, by its code: operators read it beside the finding."""

from collections.abc import Mapping

from sublet.findings.repairs import Repair

_BOOKS = (
    "No request causes this: somebody or something wrote to the database past Sublet, or it was restored in part. End "
    "that first, compare with the last good backup, and correct what is left by an entry of its own."
)
_SEALS = (
    "Entries are not what was sealed. Keep the database as it is for whoever investigates, and compare it with the "
    "last good backup and the file of signed heads."
)
_RATED = (
    "Look up the subject's usage and price; give its organization back what it was charged too much, with the reason."
)
_PROCESSOR = (
    "Look the payment up in the processor's own pages. What is missing here is fetched again by the next look; what is "
    "wrong there is corrected there, by a refund."
)
_NODE = "See to the node: what it has is not what is known here."
_WORK = "Mend what the last error names, then have the work done again."

_RECONCILE = "sublet admin reconcile"
_ADJUST = "sublet admin adjust"
_RETRY = "sublet admin work retry"
_NODES = "sublet admin node show"

REPAIRS: Mapping[str, Repair] = {
    **dict.fromkeys(
        [
            *("ledger.unbalanced_entry", "ledger.balance_drift", "ledger.balance_off_chain", "ledger.broken_chain"),
            *("ledger.held_funds", "ledger.hold_history", "ledger.drifted_lot", "ledger.wallet_above_lots"),
            *("ledger.credit_not_expired", "ledger.drifted_promo_lot", "ledger.promo_above_lots"),
            *("ledger.changed_month", "billing.another_organization", "billing.usage_overlaps"),
            *("payments.refund_against_entries", "payments.dispute_against_entries"),
        ],
        Repair(_BOOKS, _RECONCILE),
    ),
    **dict.fromkeys(["ledger.signed_head", "ledger.broken_seal", "register.broken_seal"], Repair(_SEALS, _RECONCILE)),
    "ledger.hold_of_ended_subject": Repair(
        "What the money was set aside for has ended. If it is not given back within minutes, see why its release is "
        "not concluded.",
        "sublet admin work ls",
    ),
    **dict.fromkeys(
        [
            *("billing.charges_against_revenue", "billing.charges_against_payers", "billing.rates_against_prices"),
            *("billing.charges_against_rates", "billing.charges_against_segments"),
        ],
        Repair(_RATED, _ADJUST),
    ),
    "billing.unmetered_time": Repair(
        "Nobody is charged for this time. See why its node was not observed; if somebody makes it so, take the node "
        "from them.",
        "sublet admin report unmetered",
    ),
    "billing.metering_behind": Repair("Start a worker, or see why its meter does not run.", "sublet admin work ls"),
    **dict.fromkeys(
        [
            *("payments.transaction_against_entries", "payments.balance_differs", "payments.payout_total"),
            *("payments.payout_differs", "payments.refund_differs", "payments.dispute_differs"),
        ],
        Repair(_PROCESSOR, _RECONCILE),
    ),
    "payments.balance_not_seen": Repair(
        "A worker looks at the processor every minute. See that one runs, and that the key may read balance "
        "transactions, the balance, payouts and events.",
        "sublet admin work ls",
    ),
    "payments.lingers": Repair(
        "Ask the processor, or the bank, what became of it. What is in suspense is given back there if it belongs to "
        "nobody."
    ),
    "payments.unexplained": Repair(
        "Look it up in the processor's own pages. If it belongs to nobody here, give it back there: it leaves suspense "
        "with that."
    ),
    "payments.not_mirrored": Repair(
        "A transaction at the processor is not in the books; the finding says why, and the log more. It is tried again "
        "for 90 days, and the finding closes when it is booked. In a currency that is not known here it waits for a "
        "release that knows it: report it."
    ),
    **dict.fromkeys(
        ["payments.event_unprocessed", "payments.unhandled_event"],
        Repair("See what the event is about, then have it processed again.", "sublet admin event process"),
    ),
    **dict.fromkeys(
        ["payments.not_credited", "payments.amount_differs"],
        Repair(
            "The payment is not what was asked for. Look it up at the processor; give it back there, or what differs "
            "here.",
            _ADJUST,
        ),
    ),
    **dict.fromkeys(
        ["payments.page_unknown", "payments.page_refused"],
        Repair("Look the payment page up in the processor's own pages; give back what was paid on it, if anything."),
    ),
    "payments.key_mismatch": Repair(
        "A fault of Sublet's: report it with what the processor said. Nothing was charged."
    ),
    "payments.misconfigured": Repair(
        "Give the processor's key that is valid, with the rights it needs, and start the processes anew."
    ),
    **dict.fromkeys(
        ["payments.dispute", "payments.inquiry"],
        Repair(
            "Read what speaks for the payment, and send it to the bank before the deadline.",
            "sublet admin dispute evidence",
        ),
    ),
    "payments.fraud_warning": Repair(
        "The card's issuer thinks that it was fraud. Look at who paid and what runs; refund the payment before it is "
        "disputed, which costs a fee, or resolve this if it is genuine.",
        "sublet admin refund create",
    ),
    "payments.taken_back": Repair("Of an earlier release: it is booked with the next look, and closes by itself."),
    "organization.launches_stopped": Repair(
        "It ends when what is owed is paid or the dispute is decided. To let the organization go on before, settle it."
    ),
    "allocations.claim_not_given_back": Repair(
        "See who holds it, and end that on the node or release their allocation. It closes once the node shows that "
        "nobody does. What was used meanwhile is charged by an adjustment.",
        _ADJUST,
    ),
    "allocations.not_metered": Repair("See why no meter runs for it; end it on its node if nobody pays.", _NODES),
    "allocations.not_applied": Repair(_NODE, _NODES),
    "allocations.remnant": Repair("Bring the node back, or give it up.", "sublet admin node force-release"),
    **dict.fromkeys(["fleet.unknown_account", "fleet.record_damaged"], Repair(_NODE, _NODES)),
    "fleet.gpu_erred": Repair("Follow what the error asks for, then vouch for the GPU.", "sublet admin node clear-gpu"),
    "outbox.event_set_aside": Repair(
        "Mend what the handler fails of, then hand it out again.", "sublet admin event replay"
    ),
    "outbox.undelivered": Repair("Start a worker, or see what keeps it from delivering.", "sublet admin work ls"),
    "outbox.ahead_of_server": Repair("Stop Sublet, and see Restoring in docs/operations.md."),
    **dict.fromkeys(["work.set_aside", "work.crashing", "work.overdue"], Repair(_WORK, _RETRY)),
    "work.dead_rows": Repair("End the transaction that is open for long: see docs/operations.md."),
}
