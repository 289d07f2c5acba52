"""What takes money back at the processor, and what became of it here."""

from typing import Any

from sublet.findings import findings, resolution
from sublet.findings.findings import Filter, StoredFinding
from sublet.ledger import wallets
from sublet.payments.stripe import inbox
from sublet.payments.top_ups import taken_back
from tests.payments.deliveries import deliver
from tests.payments.shop import Shop
from tests.payments.working import look_at, process_due


async def paid(shop: Shop) -> tuple[str, str]:
    """An organization with 20.00 of a card payment, and the top-up."""
    organization = await shop.organization()
    top_up = await shop.top_up(organization)
    await shop.pay(top_up)
    await look_at(shop, top_up["id"])
    assert await shop.balance(organization) == "20.00"
    return organization, top_up["id"]


async def refund(shop: Shop, top_up_id: str, cents: int | None = None) -> None:
    """Somebody gives it back in the processor's own pages."""
    (row,) = await shop.rows("SELECT charge_id FROM top_up WHERE id = :id", id=top_up_id)
    params: dict[str, Any] = {"charge": row.charge_id, **({} if cents is None else {"amount": cents})}
    shop.sandbox.client().v1.refunds.create(params)  # type: ignore[arg-type]  # built by hand


async def dispute(shop: Shop, top_up_id: str, **more: Any) -> None:
    """The card holder asks the bank for it, or for so many cents of it."""
    (row,) = await shop.rows("SELECT charge_id FROM top_up WHERE id = :id", id=top_up_id)
    await shop.control("POST", "disputes", {"charge": row.charge_id, **more})


async def available(shop: Shop, organization: str) -> str:
    async with shop.database.reading() as session:
        return (await wallets.wallet(session, organization, currency="USD")).available.decimal_string()


async def funds(shop: Shop, organization: str) -> int:
    """What the organization can run on, in micro-units."""
    (row,) = await shop.rows("SELECT total FROM ledger.funds WHERE owner_id = :id", id=organization)
    return int(row.total)


async def open_findings(shop: Shop, code: str) -> list[StoredFinding]:
    async with shop.database.reading() as session:
        return await findings.newest(session, Filter(state="open", code=code), before=None, limit=20)


async def all_open(shop: Shop) -> list[StoredFinding]:
    """Whatever a person has to see to."""
    async with shop.database.reading() as session:
        return await findings.newest(session, Filter(state="open"), before=None, limit=20)


def seen(finding: StoredFinding) -> list[str]:
    """What was seen of it, oldest first."""
    return [line["what"] for line in finding.detail["seen"]]


async def settle(shop: Shop) -> None:
    """An operator settles everything."""
    for finding in await all_open(shop):
        async with shop.database.transaction() as session:
            await resolution.resolve(session, finding.id, consequences=taken_back.CONSEQUENCES)


async def tell(shop: Shop, event_type: str) -> None:
    """The processor tells of what it did."""
    event = shop.sandbox.client().v1.events.list({"type": event_type}).data[0].to_dict()
    assert (await deliver(shop, event)).status_code == 200
    await process_due(shop, inbox.WORK)
