"""The remote half of a refund: have the processor make it, and see how it ends. Every step can be repeated."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select

from sublet.core.db import Database, Session
from sublet.core.errors import SubletError
from sublet.core.money import Money
from sublet.core.work import leases
from sublet.core.work.declaration import MOST_CRASHES, End, Step, Work
from sublet.core.work.leases import Lease
from sublet.core.work.outcomes import Again, Done, Outcome, SetAside
from sublet.core.work.pace import Pace, spread
from sublet.payments import launch_stop
from sublet.payments.models import refund, top_up
from sublet.payments.refunds.outcomes import give_back, settle
from sublet.payments.refunds.requests import WORK
from sublet.payments.refunds.states import RefundState
from sublet.payments.stripe import misconfiguration
from sublet.payments.stripe.errors import (
    ProcessorKeyMismatch,
    ProcessorMisconfigured,
    ProcessorRefused,
    ProcessorUnknown,
)
from sublet.payments.stripe.processor import Processor
from sublet.payments.stripe.reversals import REFUND_KEY, RefundOrder, RefundSeen
from sublet.payments.stripe.transactions import INSTALLATION_KEY, TOP_UP_KEY
from sublet.payments.top_ups.checkout import log_failure

LOOK_SECONDS = 900.0
"""How often a refund is looked at whose money is on the way: an event tells of most."""
PACE = Pace(shortest_seconds=1.0, longest_seconds=900.0)

STEPS = (
    Step(
        "ask",
        "looks for the refund among those of its payment, and asks the processor for it where there is none, under a "
        "key that is the refund's id",
        "a refund at the processor that names ours; its money left the wallet when it was asked for here",
        "repeated, it finds the same refund; one that the processor refuses fails, and its money is in the wallet "
        "again; where our key is not accepted it is set aside, until a key is, or an operator retries it",
    ),
    Step(
        "apply",
        "notes how the refund stands",
        "ledger entries under keys of the refund; one that failed is in the wallet again, less what is owed",
        "none needed: one transaction, and each entry has a key of its own",
    ),
)

END = End(
    MOST_CRASHES,
    "never ends while the refund is pending: its money stays out of the wallet until the processor has answered",
    "set aside: its money is neither in the wallet nor on the card until it is taken up again",
)


@dataclass(frozen=True, slots=True)
class Refused:
    """The processor will never make the refund."""

    said: str


@dataclass(frozen=True, slots=True)
class NotAsked:
    """Our key is not accepted, or is another account's: whether there is such a refund, nobody could say."""

    code: str


async def ensure_watched(session: Session) -> None:
    """Let every refund that is on its way be looked at, whatever became of the work on it."""
    pending = select(refund.c.id).where(refund.c.state == RefundState.PENDING)
    await leases.ensure(session, WORK, (await session.execute(pending)).scalars().all())


def _order(row: Row[tuple[Any, ...]], paid: Row[tuple[Any, ...]]) -> RefundOrder:
    named = {REFUND_KEY: row.id, TOP_UP_KEY: paid.id, INSTALLATION_KEY: paid.installation_id}
    metadata = {name: value for name, value in named.items() if value is not None}
    return RefundOrder(row.id, paid.charge_id, Money(row.amount, row.currency), metadata, row.processor_id)


def work(database: Database, processor: Processor) -> Work[RefundOrder, RefundSeen | Refused | NotAsked]:
    """The kind of work `refund`: asks the processor for each once, and watches it until it has ended."""

    async def take(session: Session, lease: Lease) -> RefundOrder | Outcome:
        row = (await session.execute(select(refund).where(refund.c.id == lease.id))).one_or_none()
        if row is None or row.state != RefundState.PENDING:
            return Done()
        paid = (await session.execute(select(top_up).where(top_up.c.id == row.top_up_id))).one()
        return _order(row, paid)

    async def act(lease: Lease, order: RefundOrder) -> RefundSeen | Refused | NotAsked:
        try:
            async with misconfiguration.told_of(database):
                return await processor.send_refund(order)
        except (ProcessorMisconfigured, ProcessorKeyMismatch, ProcessorUnknown) as error:
            return NotAsked(error.code)
        except ProcessorRefused as error:
            return Refused(error.detail)
        except SubletError as error:
            log_failure(error, refund=lease.id)
            raise

    async def conclude(
        session: Session, lease: Lease, order: RefundOrder, seen: RefundSeen | Refused | NotAsked
    ) -> Outcome:
        if isinstance(seen, NotAsked):
            return SetAside(seen.code)
        of_top_up = select(refund.c.top_up_id).where(refund.c.id == lease.id).scalar_subquery()
        paid = (await session.execute(select(top_up).where(top_up.c.id == of_top_up).with_for_update())).one()
        await launch_stop.lock(session, paid.organization_id)
        row = (await session.execute(select(refund).where(refund.c.id == lease.id).with_for_update())).one()
        charge_id = order.charge_id
        if isinstance(seen, RefundSeen):
            await settle(session, row, charge_id, seen)
        elif row.state == RefundState.PENDING and row.processor_id is None:
            await give_back(session, row, charge_id, RefundState.FAILED, reason=seen.said)
        await launch_stop.keep(session, paid.organization_id)
        waits = isinstance(seen, RefundSeen) and seen.is_pending
        return Again(spread(LOOK_SECONDS)) if waits else Done()

    return Work(
        kind=WORK, take=take, act=act, conclude=conclude, pace=PACE, end=END, slots=8, slots_each=2, steps=STEPS
    )
