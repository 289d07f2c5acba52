"""The work on payments, as a worker does it, a step at a time."""

from sqlalchemy import text

from sublet.core.work import leases
from sublet.core.work.declaration import AnyWork
from sublet.core.work.reconciler import Reconciler
from sublet.payments.disputes import answers
from sublet.payments.refunds import work as refund_work
from sublet.payments.stripe import inbox
from sublet.payments.stripe.processor import Processor
from sublet.payments.top_ups import checkout
from tests.payments.shop import Shop
from tests.support import work


def worker(
    shop: Shop, processor: Processor | None = None, *, kinds: tuple[str, ...] = ("top_up", "stripe_event", "refund")
) -> Reconciler:
    """A worker of its own, for some kinds of work."""
    asked = processor or shop.processor
    works: list[AnyWork] = [declared(shop.database, asked) for declared in (checkout.work, inbox.work)]
    works += [refund_work.work(shop.database, asked), answers.work(shop.database, asked)]
    return Reconciler(shop.database, [one for one in works if one.kind in kinds])


async def look_at(shop: Shop, top_up_id: str) -> None:
    """Have a top-up looked at now, whatever the schedule says."""
    async with shop.database.transaction() as session:
        await leases.make_due(session, checkout.WORK, top_up_id)
    await work.look_at(worker(shop), checkout.WORK, top_up_id)


async def process_due(shop: Shop, kind: str, processor: Processor | None = None) -> int:
    """Work off what is due of a kind; how many rows were taken up."""
    one = worker(shop, processor, kinds=(kind,))
    taken = await one.sweep()
    await one.drain()
    return taken


async def watch(shop: Shop) -> int:
    """Look at every payment that is waited for, as happens every minute; how many."""
    async with shop.database.transaction() as session:
        await checkout.ensure_watched(session)
        await refund_work.ensure_watched(session)
        await leases.wake(session, [checkout.WORK])
    return await process_due(shop, checkout.WORK)


async def make_due(shop: Shop, kind: str) -> None:
    """Let the time that rows wait for have come, and leases of the dead run out."""
    async with shop.database.transaction() as session:
        await session.execute(
            text(
                "UPDATE work SET lease_expires_at = CASE WHEN lease_expires_at IS NULL THEN NULL "
                "ELSE clock_timestamp() END, due_at = least(due_at, CASE WHEN lease_expires_at IS NULL "
                "THEN clock_timestamp() ELSE 'infinity' END) WHERE kind = :kind AND set_aside_at IS NULL"
            ),
            {"kind": kind},
        )
