"""Every check of the house, in the order in which they are told: of the books, of what was set aside, of the nodes."""

from functools import partial
from pathlib import Path

from sublet.admin import seals
from sublet.allocations import remnants
from sublet.allocations.checks import METERED_WITHIN_SECONDS, ended_among, not_applied, not_metered
from sublet.billing import checks as billing_checks
from sublet.core import dead_letters, outbox
from sublet.core.db import Session
from sublet.core.work import dead_rows, trouble
from sublet.core.work.delivery import EVENT
from sublet.core.work.trouble import Trouble
from sublet.findings.checks import MOST_FINDINGS, Check, CheckResult, Finding, ask
from sublet.findings.findings import Severity
from sublet.fleet import damaged_records, gpu_health, nodes
from sublet.ledger import reconcile
from sublet.payments import checks as payment_checks

_METERED = Check("what runs is metered", "allocations.not_metered", Severity.CRITICAL)
_NOT_APPLIED = Check("what runs obeys", "allocations.not_applied", Severity.CRITICAL)
_UNDELIVERED = Check("events that wait", "outbox.undelivered", Severity.ERROR)
_SET_ASIDE = Check("events set aside", "outbox.event_set_aside", Severity.ERROR)
_WORK_SET_ASIDE = Check("work set aside", "work.set_aside", Severity.CRITICAL)
_CRASHING = Check("work that ends its workers", "work.crashing", Severity.CRITICAL)
_OVERDUE = Check("work that fails or is overdue", "work.overdue", Severity.ERROR)
_AHEAD = Check("transaction ids of events", "outbox.ahead_of_server", Severity.CRITICAL)
_DEAD_ROWS = Check("dead rows of work", "work.dead_rows", Severity.WARNING)
_REMNANTS = Check("what moved launches left", "allocations.remnant", Severity.WARNING)
_STRANGERS = Check("accounts on nodes", "fleet.unknown_account", Severity.ERROR)
_GPUS = Check("health of GPUs", "fleet.gpu_erred", Severity.ERROR)
_RECORDS = Check("records on nodes", "fleet.record_damaged", Severity.ERROR)

UNDELIVERED_SECONDS = 600.0
"""So long an event may wait in the outbox before an operator hears of it."""

REMNANT_SECONDS = 60
"""So long a remnant may wait for its node to be clean before an operator hears of it."""


async def run(session: Session, *, thorough: bool = True, heads_file: Path | None = None) -> list[CheckResult]:
    """Run the checks; unless `thorough`, only those that are worth asking every few minutes. They change nothing.

    With a file of signed heads, the books are compared with it too.
    """
    return [
        *await reconcile.run(session, ended_among=ended_among, thorough=thorough),
        *await billing_checks.run(session, thorough=thorough),
        *await payment_checks.run(session, thorough=thorough),
        *([await seals.seals_hold(session)] if thorough else []),
        *([await ask(session, _METERED, partial(_not_metered, session))] if thorough else []),
        await ask(session, _NOT_APPLIED, partial(_not_applied, session)),
        await ask(session, _UNDELIVERED, partial(_undelivered, session)),
        await ask(session, _SET_ASIDE, partial(_set_aside, session)),
        await ask(session, _WORK_SET_ASIDE, partial(_unfinished, session, Trouble.SET_ASIDE)),
        await ask(session, _CRASHING, partial(_unfinished, session, Trouble.CRASHING)),
        await ask(session, _OVERDUE, partial(_unfinished, session, Trouble.FAILING, Trouble.WAITING)),
        await ask(session, _AHEAD, partial(_ahead, session)),
        await ask(session, _DEAD_ROWS, partial(_dead_rows, session)),
        await ask(session, _REMNANTS, partial(_remnants, session)),
        await ask(session, _STRANGERS, partial(_strangers, session)),
        await ask(session, _RECORDS, partial(_records, session)),
        await ask(session, _GPUS, partial(_gpus, session)),
        *([await seals.heads_hold(session, heads_file)] if thorough and heads_file is not None else []),
    ]


async def _not_metered(session: Session) -> list[Finding]:
    problem = (
        f"has been up for {METERED_WITHIN_SECONDS // 60} minutes at least, and no meter of its kind runs: that time is "
        "charged to nobody"
    )
    return [Finding("allocation", one, problem) for one in await not_metered(session)]


async def _not_applied(session: Session) -> list[Finding]:
    found = []
    for one in await not_applied(session, most=MOST_FINDINGS):
        since = one.proven_to.isoformat(timespec="seconds")
        billed = (
            "It is billed meanwhile, for as long as its node is seen to have it as before"
            if one.proven
            else f"Nobody is billed for it: nothing has proven its time since {since}. Mend its node, or end it there"
        )
        problem = f"is on its node and cannot be brought to what is wanted of it ({one.wanted}): {one.cause}. {billed}"
        found.append(Finding("allocation", one.allocation_id, problem, {"an hour": one.per_hour}))
    return found


async def _undelivered(session: Session) -> list[Finding]:
    return [
        Finding("subscriber", name, f"has not had {event} yet, nor what came after it")
        for name, event in await outbox.undelivered(session, seconds=UNDELIVERED_SECONDS)
    ]


async def _set_aside(session: Session) -> list[Finding]:
    return [
        Finding("event", event.event_id, f"{event} (about {event.subject})")
        for event in await dead_letters.page(session)
    ]


async def _unfinished(session: Session, *troubles: Trouble) -> list[Finding]:
    # Events that were set aside have a check of their own, which knows what they tell of.
    without = EVENT if Trouble.SET_ASIDE in troubles else ""
    found = await trouble.page(session, *troubles, without=without, limit=MOST_FINDINGS)
    return [Finding("work", f"{one.kind}/{one.id}", str(one)) for one in found]


async def _ahead(session: Session) -> list[Finding]:
    ahead = await outbox.ahead_of_server(session)
    if ahead is None:
        return []
    stored, reached = ahead
    problem = (
        f"events wait for transaction ids that this server has not reached: it is at {reached}, and they go up to "
        f"{stored}. They came in a dump from another server; none is delivered, and new ones may be passed over. Stop "
        "Sublet, and see Restoring in docs/operations.md"
    )
    return [Finding("outbox", "transaction_ids", problem)]


async def _dead_rows(session: Session) -> list[Finding]:
    found = await dead_rows.piled_up(session)
    if found is None:
        return []
    problem = (
        f"{found.dead} dead rows beside {found.live}: a transaction that is open for long keeps them from being "
        f"removed, and every sweep reads past them. End it: see A transaction that "
        "stays open in docs/operations.md"
    )
    return [Finding("table", "work", problem)]


async def _remnants(session: Session) -> list[Finding]:
    return [
        Finding(
            "remnant",
            left.id,
            f"{left.allocation_id} went to another node; what it may have left on node {left.node_id} is not proven "
            f"gone since {left.left_at.isoformat(timespec='seconds')}, and its capacity there is kept from others",
        )
        for left in await remnants.not_proven_gone(session, since_seconds=REMNANT_SECONDS)
    ]


async def _strangers(session: Session) -> list[Finding]:
    return [Finding("node_account", f"{name}/{one.uid}", str(one)) for name, one in await nodes.strangers(session)]


async def _gpus(session: Session) -> list[Finding]:
    return [Finding(one.subject_type, one.subject_id, one.problem) for one in await gpu_health.troubles(session)]


async def _records(session: Session) -> list[Finding]:
    return [
        Finding("node_record", f"{one.node_name}/{one.allocation_id}", str(one))
        for one in await damaged_records.damaged_records(session)
    ]
