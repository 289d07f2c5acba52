"""When auto top-up is decided about, and what a decision does: one row of a top-up, which is charged as its own work.

Whatever may change a decision makes the wallet's row of work due: what is spent, through the outbox; what became of the
last charge; a card; a setting. Each time it is decided from what is known then, so it does no harm to look too often.
"""

from collections.abc import Sequence

from sqlalchemy import select, text

from sublet.billing.policy import Policy
from sublet.core.db import Session
from sublet.core.ids import new_id
from sublet.core.money import Money
from sublet.core.outbox import StoredEvent, publish
from sublet.core.work import leases
from sublet.core.work.declaration import MOST_CRASHES, End, Step, Work
from sublet.core.work.leases import Lease
from sublet.core.work.outcomes import Again, Done, Outcome
from sublet.payments import installation
from sublet.payments.auto_top_up.bounds import WORK, read, work_id
from sublet.payments.auto_top_up.decision import MOST_DECLINES, decide
from sublet.payments.auto_top_up.events import AutoTopUpStopped
from sublet.payments.auto_top_up.facts import AutoTopUpRow, known
from sublet.payments.cards.card import default_of
from sublet.payments.models import auto_top_up, top_up
from sublet.payments.stripe.processor import Processor
from sublet.payments.top_ups import checkout
from sublet.payments.top_ups.requests import landing

RETURN_PATH = "/billing"

STEPS = (
    Step(
        "decide",
        "reads the funds, the bounds, and what was charged before, and decides whether to charge and how much",
        "nothing",
        "none needed: it is decided anew whenever something changes",
    ),
    Step(
        "ask for a top-up",
        "writes down one top-up on the default card that closes the gap, and makes it work of the kind `top_up`",
        "a top-up; while it is under way there is no other",
        "none needed: one transaction; PostgreSQL refuses a second one within an hour, and one beyond the monthly cap",
    ),
)

END = End(
    MOST_CRASHES,
    "never ends while auto top-up is on: tried at its pace",
    "set aside: nothing is charged by itself until it is set again",
)


def work(processor: Processor, *, policy: Policy, public_url: str) -> Work[None, None]:
    """The kind of work `auto_top_up`: one row for each wallet whose auto top-up there is something to decide about."""

    async def take(session: Session, lease: Lease) -> Outcome:
        organization_id, _, currency = lease.id.rpartition(":")
        row = await read(session, organization_id, currency=currency, lock=True)
        if row is None or processor.why_not_pay() is not None:
            return Done()
        found, _ = await known(session, row, policy=policy)
        decision = decide(found)
        if decision.charge is not None:
            await _ask(session, row, decision.charge, public_url=public_url)
        return Done() if decision.again_seconds is None else Again(decision.again_seconds)

    return Work(kind=WORK, take=take, end=END, slots=8, slots_each=1, steps=STEPS)


async def _ask(session: Session, row: AutoTopUpRow, amount: Money, *, public_url: str) -> None:
    card = await default_of(session, row.organization_id)
    assert card is not None  # or there was nothing to charge
    top_up_id = new_id("tu")
    page = public_url.rstrip("/") + landing(RETURN_PATH, top_up_id)
    await session.execute(
        top_up.insert().values(
            id=top_up_id,
            purpose="auto_top_up",
            saved_card_id=card.id,
            installation_id=await installation.own_id(session),
            organization_id=row.organization_id,
            requested_by=WORK,
            amount=amount.micro,
            currency=amount.currency,
            return_path=RETURN_PATH,
            success_url=page,
            cancel_url=page,
        )
    )
    await leases.make_due(session, checkout.WORK, top_up_id, place=row.organization_id)


_ON_AMONG = text(
    """
    SELECT organization_id, currency FROM auto_top_up
     WHERE enabled AND (organization_id, currency) IN
           (SELECT * FROM unnest(CAST(:organization_ids AS text[]), CAST(:currencies AS text[])))
    """
)


async def on_wallets_changed(session: Session, events: Sequence[StoredEvent]) -> None:
    """Have those wallets among many looked at whose auto top-up is on; gathering handler of `wallet.changed`."""
    changed = {(str(event.data["organization_id"]), str(event.data["available"]["currency"])) for event in events}
    organization_ids, currencies = zip(*sorted(changed), strict=True)
    asked = {"organization_ids": list(organization_ids), "currencies": list(currencies)}
    for row in await session.execute(_ON_AMONG, asked):
        await _look(session, row.organization_id, row.currency)


async def on_top_up_ended(session: Session, event: StoredEvent) -> None:
    """Decide anew after a top-up has ended, and say so if it was the last that may come to nothing.

    Handler of `top_up.succeeded` and `top_up.failed`.
    """
    ended = (await session.execute(select(top_up).where(top_up.c.id == event.data["top_up_id"]))).one()
    row = await read(session, ended.organization_id, currency=ended.currency)
    if row is None:
        return
    if ended.purpose == "auto_top_up" and event.type == "top_up.failed":
        about = {"of": row.organization_id, "currency": row.currency, "since": row.set_at}
        declines = (await session.execute(_DECLINES, about)).scalar_one()
        if declines == MOST_DECLINES:
            stopped = AutoTopUpStopped(declines=declines)
            await publish(session, stopped, subject=row.organization_id, organization_id=row.organization_id)
    await _look(session, row.organization_id, row.currency)


async def on_cards_changed(session: Session, event: StoredEvent) -> None:
    """Decide anew when there may be another card to charge; handler of `card.saved` and `card.made_default`."""
    wanted = select(auto_top_up).where(auto_top_up.c.organization_id == event.organization_id, auto_top_up.c.enabled)
    for row in await session.execute(wanted):
        await _look(session, row.organization_id, row.currency)


_DECLINES = text("SELECT declines FROM auto_top_up_so_far(:of, :currency, :since)")


async def _look(session: Session, organization_id: str, currency: str) -> None:
    await leases.make_due(session, WORK, work_id(organization_id, currency), place=organization_id)
