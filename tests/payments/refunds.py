"""What takes money back at the processor, and what became of it here."""

from typing import Any

from sublet.core.money import Money
from sublet.findings import findings, resolution
from sublet.findings.findings import Filter, StoredFinding
from sublet.ledger import wallets
from sublet.payments import launch_stop
from sublet.payments.refunds import requests
from sublet.payments.stripe import inbox
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
            await resolution.resolve(
                session, finding.id, consequences=launch_stop.CONSEQUENCES, by="Ada", reason="settled"
            )


async def tell(shop: Shop, event_type: str) -> None:
    """The processor tells of what it did."""
    event = shop.sandbox.client().v1.events.list({"type": event_type}).data[0].to_dict()
    assert (await deliver(shop, event)).status_code == 200
    await process_due(shop, inbox.WORK)


async def send(shop: Shop, top_up_id: str, amount: str, **more: Any) -> dict[str, Any]:
    """An operator sends so much of a payment back; the refund once the processor was asked."""
    body = {"top_up_id": top_up_id, "amount": amount, "reason": "asked for", **more}
    answer = await shop.operate("POST", "refunds", **body)
    assert answer.status_code == 201, answer.text
    await process_due(shop, requests.WORK)
    return await shown(shop, answer.json()["refund"]["id"])


async def shown(shop: Shop, refund_id: str) -> dict[str, Any]:
    """A refund as operators see it."""
    found: dict[str, Any] = (await shop.operate("GET", f"refunds/{refund_id}")).json()
    return found


async def books(shop: Shop, organization: str) -> dict[str, str]:
    """What is on each account that a refund or a dispute touches, and in the organization's own."""
    rows = await shop.rows(
        "SELECT a.kind::text AS kind, sum(p.amount)::bigint AS micro FROM ledger.posting p "
        "JOIN ledger.account a ON a.id = p.account_id WHERE a.owner_id IS NULL OR a.owner_id = :owner GROUP BY a.kind",
        owner=organization,
    )
    return {row.kind: Money(row.micro, "USD").decimal_string() for row in rows if row.micro}


async def refunds_at_the_processor(shop: Shop, top_up_id: str) -> list[tuple[int, str | None]]:
    """Amount in cents and status of each refund of a payment there, oldest first."""
    (row,) = await shop.rows("SELECT charge_id FROM top_up WHERE id = :id", id=top_up_id)
    found = shop.sandbox.client().v1.refunds.list({"charge": row.charge_id, "limit": 100}).data
    return [(one.amount, one.status) for one in reversed(found)]
