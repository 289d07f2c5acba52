"""The clockwork of money: count seconds, extend holds, post charges, watch the funds, seal the books."""

from collections.abc import Awaitable, Callable

from sublet.admin import checks
from sublet.allocations import funds as allocation_funds
from sublet.billing import extension, funds, metering, settlement
from sublet.billing.policy import Policy
from sublet.core.db import Database, Session
from sublet.core.outbox import StoredEvent
from sublet.core.settings import Settings
from sublet.entry.schedule import Periodic, make_due
from sublet.findings.checks import keep
from sublet.ledger import sealing

REVIEW = "review funds"
SEAL_SECONDS = 60.0
CHECK_SECONDS = 300.0
THOROUGH_CHECK_SECONDS = 86_400.0


async def review_funds_soon(session: Session, _event: StoredEvent) -> None:
    """Make the next review due at once; handler of `top_up.succeeded`."""
    await make_due(session, REVIEW)


def money_tasks(database: Database, settings: Settings, policy: Policy) -> list[Periodic]:
    """The periodic tasks; each tick is one transaction."""

    def in_transaction(work: Callable[[Session], Awaitable[object]]) -> Callable[[], Awaitable[object]]:
        async def run() -> object:
            async with database.transaction() as session:
                return await work(session)

        return run

    async def settle(session: Session) -> int:
        return await settlement.settle_due(session, policy=policy)

    async def extend(session: Session) -> list[str]:
        return await extension.extend_holds(session, policy=policy)

    async def review(session: Session) -> None:
        for action in await funds.review(session, policy=policy):
            await allocation_funds.carry_out(session, action)

    async def check(session: Session, *, thorough: bool = False) -> None:
        await keep(session, await checks.run(session, thorough=thorough))

    async def check_thoroughly(session: Session) -> None:
        await check(session, thorough=True)

    meter_seconds = float(settings.metering_interval_seconds)
    return [
        Periodic("meter", meter_seconds, in_transaction(metering.tick)),
        Periodic("extend holds", meter_seconds, in_transaction(extend)),
        Periodic(REVIEW, meter_seconds, in_transaction(review)),
        Periodic("settle", min(60.0, settings.settle_interval_seconds), in_transaction(settle)),
        Periodic("seal the ledger", SEAL_SECONDS, in_transaction(sealing.seal_ranges)),
        Periodic("check balances", CHECK_SECONDS, in_transaction(check)),
        Periodic("check the books", THOROUGH_CHECK_SECONDS, in_transaction(check_thoroughly)),
    ]
