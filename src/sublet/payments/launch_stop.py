"""Launches stop while an organization owes what its card holder has back, or may have to: until it is paid or won."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select, union

from sublet.core.actions import Refusal
from sublet.core.db import Session
from sublet.core.errors import Conflict
from sublet.core.locks import Space, alone
from sublet.core.money import Money
from sublet.findings import findings
from sublet.findings.findings import Severity, StoredFinding
from sublet.findings.launches import STOP_CODE, STOP_SUBJECT
from sublet.findings.resolution import Consequences
from sublet.ledger import disputes as ledger
from sublet.ledger import wallets
from sublet.payments.disputes.states import DisputeState
from sublet.payments.models import dispute, refund
from sublet.payments.refunds.states import RefundState


def withheld_for(dispute_id: str) -> str:
    """The subject of what is kept aside while a dispute is open."""
    return f"dispute:{dispute_id}"


async def lock(session: Session, organization_id: str) -> None:
    """Be the only one, until the session's transaction ends, who changes what stops this organization's launches.

    Whoever is going to lock the organization's wallet too takes this lock before.
    """
    await alone(session, Space.LAUNCH_STOP, organization_id)


async def reasons(session: Session, organization_id: str) -> dict[str, Money]:
    """What launches stop for, by name; nothing while they go on."""
    sums: dict[str, Money] = {}

    def add(name: str, amount: Money) -> None:
        if amount.micro > 0:
            if any(one.currency != amount.currency for one in sums.values()):
                name = f"{name} in {amount.currency}"
            sums[name] = sums.get(name, Money.zero(amount.currency)) + amount

    open_ones = select(dispute.c.id, dispute.c.amount, dispute.c.currency).where(
        dispute.c.organization_id == organization_id, dispute.c.state == DisputeState.OPEN
    )
    for row in (await session.execute(open_ones.order_by(dispute.c.seq))).all():
        aside = await ledger.withheld(session, withheld_for(row.id), currency=row.currency)
        add("disputed and spent", Money(row.amount, row.currency) - aside)
    gone = select(refund.c.currency).where(
        refund.c.organization_id == organization_id,
        refund.c.owed > 0,
        refund.c.state.in_([RefundState.PENDING, RefundState.SUCCEEDED]),
    )
    lost = select(dispute.c.currency).where(dispute.c.organization_id == organization_id, dispute.c.owed > 0)
    for currency in sorted((await session.execute(union(gone, lost))).scalars()):
        add("owed", (await wallets.wallet(session, organization_id, currency=currency)).receivable)
    return sums


async def keep(session: Session, organization_id: str) -> None:
    """Begin, change or end the stop of an organization's launches, as it stands now. The caller holds `lock`."""
    stop: dict[str, Any] = {"code": STOP_CODE, "subject_type": STOP_SUBJECT, "subject_id": organization_id}
    amounts = await reasons(session, organization_id)
    if amounts:
        await findings.open_finding(session, **stop, severity=Severity.CRITICAL, amounts=amounts)
    else:
        await findings.close_finding(session, **stop)


async def _lock(session: Session, found: StoredFinding) -> None:
    if found.subject_type == STOP_SUBJECT:
        await lock(session, found.subject_id)


async def _why_not(session: Session, found: Sequence[StoredFinding]) -> dict[str, Refusal]:
    """A stop stands for as long as there is something to pay or to win."""
    refusals = {}
    for one in found:
        if one.subject_type == STOP_SUBJECT and (amounts := await reasons(session, one.subject_id)):
            told = ", ".join(f"{amount} {name}" for name, amount in amounts.items())
            refusals[one.id] = Refusal(
                Conflict,
                f"Launches are stopped for {told}.",
                advice="They go on by themselves once a top-up or an adjustment has paid it, or the dispute is won.",
            )
    return refusals


async def _follow(_session: Session, _found: StoredFinding) -> None:
    """Nothing: the stop was all there was."""


CONSEQUENCES = {STOP_CODE: Consequences(_lock, _why_not, _follow)}
"""What follows from closing the finding that stops launches."""
