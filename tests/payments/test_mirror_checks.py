"""The processor's balance is held against the books: each fault that is planted is found, and by no other check."""

import psycopg
import pytest

from sublet.payments import checks
from sublet.payments.mirror import checks as mirror_checks
from tests.payments.account import begin_anew, charge_elsewhere, mirror
from tests.payments.refunds import dispute, send
from tests.payments.shop import Shop
from tests.payments.working import look_at
from tests.sandbox.stripe.process import StripeSandbox

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def account_of_its_own(sandbox: StripeSandbox) -> None:
    """Nobody else has used the account at the processor, and every event of it is lost."""
    begin_anew(sandbox)


async def lived(shop: Shop) -> None:
    """A payment, a refund that is on its way and a dispute of it, something that nobody knows, and a payout."""
    await shop.hire("ada")
    top_up = await shop.top_up(await shop.organization())
    await shop.pay(top_up)
    await mirror(shop)
    await shop.control("PUT", "refunds", {"wait": True})
    await send(shop, top_up["id"], "5.00")
    await dispute(shop, top_up["id"], amount=150)
    await charge_elsewhere(shop, 9000)
    await look_at(shop, top_up["id"])
    await shop.control("POST", "payouts", {"currency": "usd", "now": True})
    await mirror(shop)


async def found(shop: Shop, *, settling_seconds: float = 0) -> list[str]:
    """The codes of what the checks find."""
    async with shop.database.transaction() as session:
        results = await mirror_checks.run(session, settling_seconds=settling_seconds)
        results += await mirror_checks.run_often(session)
        return [one.check.code for one in results if not one.ok]


ENTRIES = "payments.transaction_against_entries"
BALANCE = "payments.balance_differs"
PAYOUT = "payments.payout_total"
LINGERS = "payments.lingers"

FAULTS = {
    "amount of a transaction": (
        "UPDATE stripe_transaction SET amount = amount + 1 WHERE type = 'refund'",
        {ENTRIES, BALANCE, PAYOUT},
    ),
    "transaction that is gone": (
        "DELETE FROM stripe_transaction WHERE type = 'charge' AND whose = 'ours'",
        {ENTRIES, BALANCE, PAYOUT},
    ),
    "transaction of nobody's": (
        "INSERT INTO stripe_transaction "
        "(id, type, amount, fee, currency, source, created_at, available_on, recorded_at) "
        "VALUES ('txn_x', 'charge', 1000000, 0, 'USD', 'ch_x', now(), now(), 'infinity')",
        set(),
    ),
    "transaction that nobody booked": (
        "INSERT INTO stripe_transaction "
        "(id, type, amount, fee, currency, source, created_at, available_on, recorded_at) "
        "VALUES ('txn_x', 'charge', 1000000, 0, 'USD', 'ch_x', now(), now(), now() - interval '1 hour')",
        {ENTRIES, BALANCE},
    ),
    "fee that is in no transaction": (
        "SELECT ledger.stripe_fee('USD', 10000, 'txn_of_nobody', 'd', 'top_up', 'tu')",
        {ENTRIES},
    ),
    "refund whose money is said to have arrived": (
        "UPDATE refund SET state = 'succeeded', completed_at = now()",
        {ENTRIES},
    ),
    "balance at the processor": ("UPDATE processor_balance SET available = available + 10000", {BALANCE}),
    "currency that the processor does not know": (
        "INSERT INTO stripe_transaction "
        "(id, type, amount, fee, currency, created_at, available_on, recorded_at, whose) "
        "VALUES ('txn_x', 'charge', 1000000, 0, 'EUR', now(), now(), now() - interval '1 hour', 'elsewhere')",
        {BALANCE},
    ),
    "amount of a payout": ("UPDATE payout SET amount = amount + 10000", {PAYOUT}),
    "part of a payout": (
        "UPDATE stripe_transaction SET payout_id = NULL WHERE type = 'charge' AND whose = 'ours'",
        {PAYOUT},
    ),
    "balance that nobody has seen for long": (
        "UPDATE processor_balance SET seen_at = seen_at - interval '61 minutes'; "
        "UPDATE stripe_transaction SET recorded_at = recorded_at - interval '62 minutes'",
        {"payments.balance_not_seen"},
    ),
    "refund that does not end": ("UPDATE refund SET created_at = now() - interval '15 days'", {LINGERS}),
    "dispute that does not end": ("UPDATE dispute SET disputed_at = now() - interval '121 days'", {LINGERS}),
    "payout that does not arrive": ("UPDATE payout SET arrives_on = now() - interval '4 days'", {LINGERS}),
    "money that nobody explains": (
        "UPDATE ledger.ledger_entry SET effective_at = now() - interval '8 days' WHERE kind = 'suspense'",
        {LINGERS},
    ),
    "event that nobody works off": (
        "UPDATE stripe_event SET processed_at = NULL, outcome = NULL, received_at = now() - interval '11 minutes'",
        {"payments.event_unprocessed"},
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_planted_fault_is_found(shop: Shop, owner_url: str, fault: str) -> None:
    await lived(shop)
    assert await found(shop) == []
    planted, codes = FAULTS[fault]
    with psycopg.connect(owner_url) as owner:
        owner.execute("SET session_replication_role = replica")
        owner.execute(planted.encode())
    assert set(await found(shop)) == codes


async def test_what_was_booked_a_moment_ago_may_wait_for_its_transaction(shop: Shop) -> None:
    top_up = await shop.top_up(await shop.organization())
    await shop.control("PUT", "balance-transactions", {"withhold": True})
    await shop.pay(top_up)
    await look_at(shop, top_up["id"])
    assert await found(shop) == [ENTRIES]
    assert await found(shop, settling_seconds=60) == []
    await shop.control("PUT", "balance-transactions", {"withhold": False})
    await mirror(shop)
    assert await found(shop) == []


async def test_a_payout_seen_a_moment_ago_may_wait_for_its_transaction(shop: Shop, owner_url: str) -> None:
    await lived(shop)
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute("SET session_replication_role = replica")
        owner.execute("UPDATE payout SET amount = amount + 10000")
        assert await found(shop, settling_seconds=60) == []
        owner.execute("UPDATE payout SET seen_at = seen_at - interval '61 seconds'")
    assert await found(shop, settling_seconds=60) == [PAYOUT]


async def test_every_few_minutes_only_events_are_asked_for(shop: Shop) -> None:
    async with shop.database.transaction() as session:
        often = [one.check.code for one in await checks.run(session, thorough=False)]
    assert often == ["payments.event_unprocessed"]
