"""Payouts are followed until they arrive at the bank or are back, whatever was told of them."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from sublet.payments.mirror import checks
from sublet.payments.payouts import outcomes
from sublet.payments.stripe import balance
from tests.ledger.books import usd
from tests.payments.account import at_the_processor, begin_anew, books, mirror
from tests.payments.refunds import open_findings
from tests.payments.shop import Shop
from tests.sandbox.stripe.process import StripeSandbox

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def account_of_its_own(sandbox: StripeSandbox) -> None:
    """Nobody else has used the account at the processor, and every event of it is lost."""
    begin_anew(sandbox)


async def paid_out(shop: Shop) -> str:
    """A payout of all that a payment of 20.00 has brought: 19.12."""
    await shop.pay(await shop.top_up(await shop.organization()))
    await mirror(shop)
    made = await shop.control("POST", "payouts", {"currency": "usd", "now": True})
    await mirror(shop)
    return str(made["id"])


async def bank(shop: Shop, payout_id: str, status: str) -> None:
    """The bank goes on with it, and we look."""
    await shop.control("POST", f"payouts/{payout_id}", {"status": status})
    await mirror(shop)


async def standing(shop: Shop) -> tuple[str, dict[str, str]]:
    """The payout's state, and what is where of what was paid in."""
    (row,) = await shop.rows("SELECT state FROM payout")
    money = await books(shop)
    places = ("stripe_balance USD", "payout_in_transit USD", "bank USD")
    return row.state, {name.split()[0]: money[name] for name in places if name in money}


async def test_to_arrival(shop: Shop) -> None:
    payout_id = await paid_out(shop)
    assert await standing(shop) == ("created", {"payout_in_transit": "19.12"})
    await bank(shop, payout_id, "in_transit")
    assert await standing(shop) == ("in_transit", {"payout_in_transit": "19.12"})
    await bank(shop, payout_id, "paid")
    await mirror(shop)
    assert await standing(shop) == ("paid", {"bank": "19.12"})
    history = await shop.rows("SELECT previous, next FROM payout_history ORDER BY id")
    assert [(row.previous, row.next) for row in history] == [("created", "in_transit"), ("in_transit", "paid")]


@pytest.mark.parametrize("ending", ["failed", "canceled"])
async def test_what_does_not_arrive_is_back(shop: Shop, ending: str) -> None:
    await bank(shop, await paid_out(shop), ending)
    assert await standing(shop) == (ending, {"stripe_balance": "19.12"})
    assert at_the_processor(shop) == {"usd": 1912}


async def test_what_the_bank_sends_back_after_it_arrived_is_back(shop: Shop) -> None:
    payout_id = await paid_out(shop)
    await bank(shop, payout_id, "paid")
    await bank(shop, payout_id, "failed")
    await mirror(shop)
    assert await standing(shop) == ("failed", {"stripe_balance": "19.12"})
    (row,) = await shop.rows("SELECT failure_code, ended_at IS NOT NULL AS ended FROM payout")
    assert (row.failure_code, row.ended) == ("account_closed", True)


async def test_it_is_known_what_a_payout_is_made_of(shop: Shop) -> None:
    payout_id = await paid_out(shop)
    rows = await shop.rows("SELECT type, amount - fee AS net, payout_id FROM stripe_transaction ORDER BY type")
    assert [(row.type, row.net, row.payout_id) for row in rows] == [
        ("charge", 19_120_000, payout_id),
        ("payout", -19_120_000, payout_id),
    ]


async def test_it_is_known_also_when_it_took_two_looks(shop: Shop, owner_url: str) -> None:
    """The payout was made while the first was looking, which had not seen all that it is made of."""
    payout_id = await paid_out(shop)
    with psycopg.connect(owner_url) as owner:
        owner.execute("SET session_replication_role = replica")
        owner.execute("UPDATE stripe_transaction SET payout_id = NULL WHERE type = 'charge'")
        owner.execute("UPDATE payout SET itemised = false")
    await mirror(shop)
    assert {row.payout_id for row in await shop.rows("SELECT payout_id FROM stripe_transaction")} == {payout_id}
    assert [row.itemised for row in await shop.rows("SELECT itemised FROM payout")] == [True]


async def test_one_that_goes_another_way_than_it_can_is_a_finding(shop: Shop) -> None:
    payout_id = await paid_out(shop)
    await bank(shop, payout_id, "failed")
    [seen] = await balance.payouts(shop.processor, since=datetime(2020, 1, 1, tzinfo=UTC))
    async with shop.database.transaction() as session:
        await outcomes.apply(session, replace(seen, status="paid"))
    [found] = await open_findings(shop, outcomes.DIFFERS_CODE)
    assert found.detail == {"here": "failed", "at the processor": "paid"}
    await mirror(shop)
    assert await open_findings(shop, outcomes.DIFFERS_CODE) == []


async def shown(shop: Shop, path: str = "") -> Any:
    """What an operator reads below /admin/payouts."""
    answer = await shop.operate("GET", f"payouts{path}")
    assert answer.is_success, answer.text
    return answer.json()


class TestWhatOperatorsRead:
    async def test_is_what_left_what_it_is_made_of_and_what_became_of_it(self, shop: Shop) -> None:
        await shop.hire("ada")
        await bank(shop, await paid_out(shop), "paid")
        [listed] = (await shown(shop))["items"]
        assert {name: listed[name]["amount"] for name in ("amount", "left", "made_of")} == {
            "amount": "19.12",
            "left": "19.12",
            "made_of": "19.12",
        }
        assert (listed["state"], listed["off_by"]) == ("paid", None)
        whole = await shown(shop, f"/{listed['id']}")
        assert [(change["previous"], change["next"]) for change in whole["history"]] == [("created", "paid")]
        [made] = (await shown(shop, f"/{listed['id']}/transactions"))["items"]
        assert (made["type"], made["amount"]["amount"], made["fee"]["amount"], made["net"]["amount"]) == (
            "charge",
            "20.00",
            "0.88",
            "19.12",
        )
        assert (await shown(shop, "?state=failed"))["items"] == []
        assert [one["id"] for one in (await shown(shop, "?state=paid"))["items"]] == [listed["id"]]

    @pytest.mark.parametrize(
        ("fault", "off_by"),
        [
            ("UPDATE stripe_transaction SET amount = -18120000 WHERE type = 'payout'", "1.00"),
            ("UPDATE stripe_transaction SET amount = 19000000 WHERE type = 'charge'", "1.00"),
        ],
        ids=["what left", "what it is made of"],
    )
    async def test_says_how_far_it_does_not_add_up(self, shop: Shop, owner_url: str, fault: str, off_by: str) -> None:
        await shop.hire("ada")
        await paid_out(shop)
        with psycopg.connect(owner_url) as owner:
            owner.execute("SET session_replication_role = replica")
            owner.execute(fault)
        [listed] = (await shown(shop))["items"]
        assert listed["off_by"] == {"amount": off_by, "currency": "USD"}

    async def test_is_not_known_before_it_was_seen(self, shop: Shop, owner_url: str) -> None:
        await shop.hire("ada")
        await paid_out(shop)
        with psycopg.connect(owner_url) as owner:
            owner.execute("SET session_replication_role = replica")
            owner.execute("DELETE FROM stripe_transaction WHERE type = 'payout'")
            owner.execute("UPDATE payout SET itemised = false")
        [listed] = (await shown(shop))["items"]
        assert (listed["left"], listed["made_of"], listed["off_by"]) == (None, None, None)

    async def test_is_off_by_all_of_it_once_nothing_left_for_too_long(self, shop: Shop, owner_url: str) -> None:
        """What is shown beside the finding is what the finding is about."""
        await shop.hire("ada")
        await paid_out(shop)
        with psycopg.connect(owner_url) as owner:
            owner.execute("SET session_replication_role = replica")
            owner.execute("DELETE FROM stripe_transaction WHERE type = 'payout'")
            owner.execute("UPDATE payout SET seen_at = seen_at - interval '61 minutes'")
        async with shop.database.transaction() as session:
            results = await checks.run(session)
        [finding] = [
            one for result in results if result.check.code == "payments.payout_total" for one in result.findings
        ]
        [listed] = (await shown(shop))["items"]
        assert (finding.subject_id, finding.amounts["left"]) == (listed["id"], usd("0"))
        assert [listed[name]["amount"] for name in ("left", "made_of", "off_by")] == ["0.00", "19.12", "19.12"]

    async def test_comes_in_pages(self, shop: Shop, owner_url: str) -> None:
        await shop.hire("ada")
        payout_id = await paid_out(shop)
        with psycopg.connect(owner_url) as owner:
            owner.execute(
                "INSERT INTO stripe_transaction (id, type, amount, fee, currency, source, payout_id, created_at,"
                " available_on) VALUES ('txn_zz', 'adjustment', 1000000, 0, 'USD', 'x', %s, now(), now())",
                (payout_id,),
            )
        [listed] = (await shown(shop))["items"]
        first = await shown(shop, f"/{listed['id']}/transactions?limit=1")
        rest = await shown(shop, f"/{listed['id']}/transactions?limit=1&cursor={first['next_cursor']}")
        assert [one["type"] for one in (*first["items"], *rest["items"])] == ["charge", "adjustment"]
        assert rest["next_cursor"] is None

    async def test_of_one_that_there_is_none_of_is_not_found(self, shop: Shop) -> None:
        await shop.hire("ada")
        for path in ("/po_none", "/po_none/transactions"):
            assert (await shop.operate("GET", f"payouts{path}")).status_code == 404
