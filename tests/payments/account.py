"""An account at the processor that belongs to one test alone, and what the books say of it."""

from typing import Any

from sublet.core.money import Money
from sublet.payments.mirror import look
from sublet.payments.stripe import inbox
from tests.payments.shop import Shop
from tests.payments.working import make_due, process_due
from tests.sandbox.stripe.process import StripeSandbox


def begin_anew(sandbox: StripeSandbox) -> None:
    """Nothing has ever happened on the account, and every event is lost."""
    sandbox.control("DELETE", "state")
    sandbox.control("PUT", "delivery", {"mode": "drop"})


async def mirror(shop: Shop, *, days: int | None = None) -> None:
    """What happens within minutes of a look: what is found is kept, and what has to be looked at is."""
    await look.look(shop.database, shop.processor, days=days)
    for kind in ("top_up", inbox.WORK, "refund"):
        await make_due(shop, kind)
        await process_due(shop, kind)


async def books(shop: Shop) -> dict[str, str]:
    """What is on each of our own accounts and on all wallets: what we have and what we owe are above zero."""
    rows = await shop.rows(
        "SELECT a.kind::text AS kind, a.currency, sum(p.amount)::bigint AS micro FROM ledger.posting p "
        "JOIN ledger.account a ON a.id = p.account_id GROUP BY a.kind, a.currency"
    )
    debit = {"stripe_balance", "stripe_fees", "payout_in_transit", "bank", "dispute_receivable", "dispute_fees"}
    return {
        f"{row.kind} {row.currency}": Money(
            -row.micro if row.kind in debit else row.micro, row.currency
        ).decimal_string()
        for row in rows
        if row.micro
    }


def at_the_processor(shop: Shop) -> dict[str, int]:
    """What is there in its own units, by currency: available and pending together."""
    balance = shop.sandbox.client().v1.balance.retrieve()
    sums: dict[str, int] = {}
    for part in [*balance.available, *balance.pending]:
        sums[part.currency] = sums.get(part.currency, 0) + part.amount
    return {currency: units for currency, units in sums.items() if units}


async def settle_in(shop: Shop, currency: str, rate: str) -> None:
    """The account keeps one currency from now on."""
    await shop.control("PUT", "settlement", {"keeps": {"currency": currency, "rate": rate}})


async def charge_elsewhere(shop: Shop, cents: int = 700, *, currency: str = "usd", **metadata: str) -> str:
    """A payment that somebody else takes through the same account; its charge."""
    params: Any = {"amount": cents, "currency": currency, "payment_method": "pm_card_visa", "confirm": True}
    intent = shop.sandbox.client().v1.payment_intents.create({**params, "metadata": metadata})
    return str(intent.latest_charge)
