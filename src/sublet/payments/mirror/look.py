"""Looking at the processor's account: what no event told of is found here, within minutes of the next look.

Each list is read from where it was read to, and an hour before that, because the processor may show late what happened
a little earlier. A look can be repeated at any point: transactions, events and payouts are kept once.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from sublet.core.clock import database_now
from sublet.core.db import Database, Session
from sublet.core.filters import one_of
from sublet.core.work import leases
from sublet.payments import installation
from sublet.payments.mirror import transactions
from sublet.payments.models import processor_balance, processor_cursor, stripe_transaction, top_up
from sublet.payments.payouts import outcomes as payouts
from sublet.payments.stripe import balance, inbox, misconfiguration
from sublet.payments.stripe.balance import BalanceSeen
from sublet.payments.stripe.processor import Processor
from sublet.payments.stripe.transactions import Listed
from sublet.payments.stripe.webhooks import read_notice
from sublet.payments.top_ups import checkout

TRANSACTIONS, EVENTS = "balance_transactions", "events"
OVERLAP = timedelta(hours=1)
PAYOUT_DAYS = 30
"""So long after it was made a payout is looked at: until it has arrived, and no bank sends it back any more."""


async def look(database: Database, processor: Processor, *, days: int | None = None) -> None:
    """Mirror what is new at the processor, or all of so many days. Without a key for it there is nothing to look at."""
    if processor.why_not_pay() is not None:
        return
    async with misconfiguration.told_of(database):
        await _look(database, processor, days=days)
    await misconfiguration.is_mended(database)


async def _look(database: Database, processor: Processor, *, days: int | None) -> None:
    async with database.reading() as session:
        now = await database_now(session)
        made_at = await installation.made_at(session)
        read = await session.execute(select(processor_cursor.c.list, processor_cursor.c.up_to))
        up_to: dict[str, datetime] = {row.list: row.up_to for row in read}
    far = None if days is None else now - timedelta(days=days)

    def since(name: str, first: datetime | None) -> datetime | None:
        near = up_to[name] - OVERLAP if name in up_to else first
        return near if far is None or near is None else min(near, far)

    events_since = since(EVENTS, made_at)
    assert events_since is not None
    await _take_events(database, await balance.events(processor, since=max(events_since, made_at)))
    before = await balance.balance(processor)
    found = await balance.transactions(processor, since=since(TRANSACTIONS, None))
    await _keep(database, found, again=TRANSACTIONS not in up_to or days is not None)
    await _see_payouts(database, processor, since=now - timedelta(days=max(PAYOUT_DAYS, days or 0)))
    async with database.reading() as session:
        read_at = await database_now(session)
    after = await balance.balance(processor)
    if before == after:  # nothing moved meanwhile, so that what was read is all there is
        await _note_balance(database, after, read_at)


async def _take_events(database: Database, bodies: list[bytes]) -> None:
    notices = [read_notice(body) for body in bodies]
    for notice in notices:
        async with database.transaction() as session:
            await inbox.keep(session, notice)
    if notices:
        async with database.transaction() as session:
            await _move_cursor(session, EVENTS, max(notice.created_at for notice in notices))


async def _keep(database: Database, found: list[Listed], *, again: bool) -> None:
    """Keep what is new, each in a transaction of its own so that it waits for nobody's wallet, then look further.

    One that cannot be kept stops no other. It is a finding, and looked at again: for an hour by every look, then by
    those that go far back.
    """
    async with database.reading() as session:
        ids = [one.id for one in found]
        kept = select(stripe_transaction.c.id).where(one_of(stripe_transaction.c.id, ids))
        known = set((await session.execute(kept)).scalars())
    looks: set[str | None] = set()
    for one in found:
        if one.id in known and not again:
            continue
        try:
            async with database.transaction() as session:
                looks.add(await transactions.keep(session, one.read()))
        except Exception as error:  # whatever it was, the others can be kept; without a database this fails too
            async with database.transaction() as session:
                await transactions.tell_not_kept(session, one, error)
    looks.discard(None)
    async with database.transaction() as session:
        if looks:
            places = (
                select(top_up.c.id, top_up.c.organization_id).where(one_of(top_up.c.id, looks)).order_by(top_up.c.id)
            )
            for row in (await session.execute(places)).all():
                await leases.look_again(session, checkout.WORK, row.id, place=row.organization_id)
        if found:
            await _move_cursor(session, TRANSACTIONS, max(one.created_at for one in found))


async def _see_payouts(database: Database, processor: Processor, *, since: datetime) -> None:
    for seen in await balance.payouts(processor, since=since):
        async with database.transaction() as session:
            if seen.created_at < await installation.made_at(session):
                continue
            unknown = await payouts.apply(session, seen)
        if unknown is None:
            continue
        items = await balance.paid_out_by(processor, seen.id)
        async with database.transaction() as session:
            among = one_of(stripe_transaction.c.id, items)
            assigned = update(stripe_transaction).where(among, stripe_transaction.c.payout_id.is_(None))
            await session.execute(assigned.values(payout_id=seen.id))
            its = (
                select(func.count())
                .select_from(stripe_transaction)
                .where(among, stripe_transaction.c.payout_id == seen.id)
            )
            if (await session.execute(its)).scalar_one() >= len(items):  # those of earlier looks among them
                await payouts.note_itemised(session, unknown)


async def _note_balance(database: Database, seen: Mapping[str, BalanceSeen], read_at: datetime) -> None:
    async with database.transaction() as session:
        for currency, one in sorted(seen.items()):
            values = {"available": one.available.micro, "pending": one.pending.micro, "seen_at": read_at}
            noted = insert(processor_balance).values(currency=currency, **values)
            await session.execute(noted.on_conflict_do_update(index_elements=["currency"], set_=values))


async def _move_cursor(session: Session, name: str, to: datetime) -> None:
    moved = insert(processor_cursor).values(list=name, up_to=to)
    farther = func.greatest(processor_cursor.c.up_to, moved.excluded.up_to)
    await session.execute(moved.on_conflict_do_update(index_elements=["list"], set_={"up_to": farther}))
