"""How long each table keeps what it holds: what is pruned, how and when, and what is kept, and why.

A test walks all tables of the schema: one that is in neither list fails it. What is pruned goes in batches, each a
transaction of its own, oldest first and by an index.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

from sublet.allocations import startup
from sublet.core import retention, telemetry
from sublet.core.db import Database
from sublet.core.settings import Settings
from sublet.core.work import ready
from sublet.fleet import certificates
from sublet.identity import email_verification
from sublet.identity import retention as identity_retention
from sublet.notifications import notices
from sublet.terminal import sessions as terminals

log = telemetry.get_logger(__name__)

BATCH = 5_000
MOST_BATCHES = 40
"""In one go; what is left then waits for the next hour. A table may grow by 200,000 rows an hour."""

Forget = Callable[..., Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Pruning:
    """What goes of a table: `forget(session, limit=…)` takes the oldest away and says how many. `when` is in words."""

    forget: Forget
    when: str


def prunings(settings: Settings) -> dict[str, Pruning]:
    """Every table that is pruned."""
    return {
        "public.idempotency_key": Pruning(retention.forget_old_keys, "after two days, when nobody repeats a request"),
        "public.throttle": Pruning(identity_retention.forget_throttles, "when the window is over"),
        "public.user_session": Pruning(identity_retention.forget_sessions, "a month after the absolute end"),
        "public.email_verification": Pruning(email_verification.forget_old, "a week after it was asked"),
        "public.work_crash": Pruning(ready.forget_crashes, "after a month"),
        "public.issued_certificate": Pruning(
            certificates.forget_ended, "90 days after the end, to explain sshd's logs"
        ),
        "public.outbox_event": Pruning(
            partial(retention.forget_events, days=settings.event_days),
            "after `event_days`, below the slowest subscriber",
        ),
        "public.terminal_session": Pruning(
            partial(terminals.forget_ended, days=settings.terminal_session_days), "after `terminal_session_days`"
        ),
        "public.notice": Pruning(
            partial(notices.forget_old, days=settings.notice_days), "after `notice_days`, read or not"
        ),
        "public.allocation_startup": Pruning(
            partial(startup.forget_outputs, days=settings.startup_output_days),
            "its output, `startup_output_days` after the allocation's end; how the script ended stays",
        ),
    }


_BOOKS = "the books: append-only, sealed, and what every statement is made of"
_FEW = "few: an operator or a member makes each by hand"
_TABLE = "a table of arrows: its rows come with migrations"
_STORY = "what happened to it, which its owner and the operators read as long as there is any of it; by whom, and when"
_GONE = "a row goes when it is over"
_ONE_EACH = "one row for each of what it belongs to"
_PROOF = "what a charge is shown to be for"

KEPT: Mapping[str, str] = {
    **dict.fromkeys(
        [
            *("ledger.account", "ledger.balance", "ledger.hold", "ledger.hold_event", "ledger.ledger_entry"),
            *("ledger.calendar", "ledger.month_close", "ledger.month_total", "ledger.correction"),
            *("ledger.posting", "ledger.seal", "ledger.seal_mark", "ledger.topup_lot", "ledger.wallet"),
            "ledger.promo_lot",
            *("public.top_up", "public.top_up_history", "public.stripe_event", "public.stripe_transaction"),
            *("public.card_setup", "public.card_setup_history", "public.saved_card"),
            *("public.refund", "public.refund_history", "public.refund_request", "public.dispute"),
            "public.dispute_answer",
            *("public.dispute_history", "public.payout", "public.payout_history"),
            *("public.sealed_register", "public.register_seal", "public.register_seal_mark"),
            *("public.credit_grant", "public.promo_code", "public.promo_redemption"),
        ],
        _BOOKS,
    ),
    **dict.fromkeys(
        [
            *(
                "public.meter",
                "public.meter_segment",
                "public.observation_run",
                "public.unmetered_interval",
                "public.usage_charge",
            ),
            *("public.usage_record", "public.allocation", "public.allocation_label", "public.allocation_environment"),
            "public.allocation_remnant",
        ],
        _PROOF,
    ),
    **dict.fromkeys(
        [
            *("public.allocation_history", "public.allocation_operation", "public.node_history"),
            *("public.approval", "public.approval_history", "public.finding", "public.finding_history"),
        ],
        _STORY,
    ),
    **dict.fromkeys(
        [
            *("public.api_token", "public.join_token", "public.membership", "public.organization", "public.node"),
            *("public.price", "public.sku", "public.ssh_key", "public.user_account", "public.gpu"),
            *("public.helper_rollout", "public.helper_upgrade", "public.node_drain", "public.node_self_test"),
        ],
        _FEW,
    ),
    **dict.fromkeys(
        [
            *("public.allocation_transition", "public.approval_transition", "public.gpu_transition"),
            *("public.node_transition", "public.top_up_transition", "public.published_port_transition"),
            "public.card_setup_transition",
            *("public.refund_transition", "public.refund_request_transition", "public.dispute_transition"),
            "public.payout_transition",
        ],
        _TABLE,
    ),
    **dict.fromkeys(["public.claim", "public.gpu_claim"], "who had which capacity when, which no two may at a time"),
    **dict.fromkeys(
        [
            *(
                "public.funds_clock",
                "public.gpu_room",
                "public.node_room",
                "public.node_trial",
                "public.gpu_health",
                "public.allocation_traffic",
            ),
            *(
                "public.outbox_cursor",
                "public.outbox_forgotten",
                "public.ssh_ca_key",
                "public.signing_key",
                "public.installation",
            ),
            *("public.auto_top_up", "public.processor_customer", "public.notice_preference"),
            *("public.processor_cursor", "public.processor_balance"),
        ],
        _ONE_EACH,
    ),
    "public.terms_acceptance": "which text somebody agreed to, when and from where: it is asked for in a dispute years "
    "later, and is of people who stay",
    "public.credit_notice": "which credit was announced to expire: a row of each gift with an end, as its lot is kept",
    "public.spending_limit": f"{_FEW}, and goes when it is cleared or its allocation ends",
    "public.published_port": "which port was whose and when, for who asks about it and because the one that is free "
    "longest is given next; an allocation publishes 256 a day at most",
    "public.work": f"{_GONE}: work that is done is deleted with its result; what was set aside waits for an operator",
    "public.audit_event": "who did what: append-only and sealed, for as long as the installation answers for it",
    "public.data_clock": f"{_GONE}: when money comes in, or nothing is kept any more",
    "public.alembic_version": "one row",
}
"""Every other table, with the reason why nothing of it goes."""


async def forget(database: Database, settings: Settings, *, batch: int = BATCH) -> dict[str, int]:
    """Prune every table that is pruned, the oldest first; returns how many rows of each went."""
    gone: dict[str, int] = {}
    planned = prunings(settings)
    assert not planned.keys() & KEPT.keys(), "nothing goes of what is said to be kept"
    for table, pruning in planned.items():
        gone[table] = 0
        for _ in range(MOST_BATCHES):
            count = await _once(database, pruning, batch)
            gone[table] += count
            if count < batch:
                break
    log.info("retention.forgotten", **{table: count for table, count in gone.items() if count})
    return gone


async def _once(database: Database, pruning: Pruning, batch: int) -> int:
    async with database.transaction() as session:
        return await pruning.forget(session, limit=batch)
