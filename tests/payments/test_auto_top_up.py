"""Auto top-up against the real SDK: one charge that closes the gap, within its bounds, and never in a loop."""

from datetime import timedelta
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import text

from sublet.core.clock import database_now
from sublet.findings import findings
from sublet.findings.findings import Severity
from sublet.findings.launches import STOP_CODE, STOP_SUBJECT
from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from tests.payments.cards import (
    auto_top_up_of,
    cards_of,
    customer,
    save_card,
    spend,
    top_ups_of,
    turn_on,
    work_off,
)
from tests.payments.shop import Shop
from tests.payments.working import make_due
from tests.support.clock import Clock

pytestmark = pytest.mark.anyio

HOUR = 3601.0
SAVES_AND_DECLINES = "4000000000000341"
ALWAYS_ASKS = "4000002760003184"


@pytest.fixture
def postgres(clocked_postgres: EmbeddedPostgres) -> EmbeddedPostgres:
    """A database whose time can be moved: attempts are an hour apart."""
    return clocked_postgres


async def later(shop: Shop, clock: Clock, seconds: float = HOUR) -> None:
    """Let time pass, and do what is due then."""
    clock.later(seconds)
    await make_due(shop, "auto_top_up")
    await work_off(shop)


def attempts(shop: Shop, customer_id: str) -> list[str]:
    """How each charge of a customer's cards went, oldest first, as the processor counts them."""
    found = shop.sandbox.client().v1.charges.list({"customer": customer_id, "limit": 100}).data
    return [charge.status for charge in reversed(found)]


async def customer_id(shop: Shop, organization: str) -> str:
    """Who the organization is at the processor."""
    query = "SELECT customer_id FROM processor_customer WHERE organization_id = :organization"
    (row,) = await shop.rows(query, organization=organization)
    found: str = row.customer_id
    return found


class TestOneCharge:
    async def test_closes_the_gap_instead_of_a_loop_of_small_ones(self, shop: Shop) -> None:
        """Threshold 10, amount 20, funds -35: one charge of 60 (lago#6177, autumn#3332)."""
        organization = await customer(shop, funds="15.00")
        await spend(shop, organization, "50.00")
        await work_off(shop)
        (made,) = [one for one in await top_ups_of(shop, organization) if one["purpose"] == "auto_top_up"]
        assert (made["amount"]["amount"], made["state"]) == ("60.00", "succeeded")
        assert await shop.balance(organization) == "25.00"
        assert attempts(shop, await customer_id(shop, organization)) == ["succeeded"]

    async def test_comes_of_what_is_spent_and_of_nothing_else(self, shop: Shop) -> None:
        organization = await customer(shop, funds="15.00")
        assert await top_ups_of(shop, organization) == []
        await spend(shop, organization, "5.00")
        await work_off(shop)
        assert await top_ups_of(shop, organization) == []
        await spend(shop, organization, "0.01")
        await work_off(shop)
        assert [one["amount"]["amount"] for one in await top_ups_of(shop, organization)] == ["20.00"]

    async def test_one_spending_touches_nobody_else(self, shop: Shop) -> None:
        organization, other = await customer(shop), await customer(shop)
        await spend(shop, organization, "6.00")
        await work_off(shop)
        assert len(await top_ups_of(shop, organization)) == 1
        assert await top_ups_of(shop, other) == []

    async def test_is_made_where_it_is_turned_on_below_the_threshold(self, shop: Shop) -> None:
        organization = await customer(shop, funds="3.00")
        assert [one["state"] for one in await top_ups_of(shop, organization)] == ["succeeded"]


class TestBounds:
    async def test_one_attempt_an_hour_whatever_is_spent(self, shop: Shop, clock: Clock) -> None:
        organization = await customer(shop)
        for amount in ("6.00", "25.00", "1.00"):
            await spend(shop, organization, amount)
            await work_off(shop)
        assert len(await top_ups_of(shop, organization)) == 1
        stands = await auto_top_up_of(shop, organization)
        assert stands["standing"] == "waiting"
        assert stands["tries_again_at"] is not None
        await later(shop, clock)
        assert len(await top_ups_of(shop, organization)) == 2
        assert (await auto_top_up_of(shop, organization))["standing"] == "enough"

    async def test_the_monthly_cap_is_never_passed(self, shop: Shop, clock: Clock) -> None:
        organization = await customer(shop, monthly_cap="50.00")
        await spend(shop, organization, "50.00")
        await work_off(shop)
        await later(shop, clock)
        assert [one["amount"]["amount"] for one in await top_ups_of(shop, organization)] == ["40.00"]
        stands = await auto_top_up_of(shop, organization)
        assert (stands["standing"], stands["charged_this_month"]["amount"]) == ("cap_reached", "40.00")
        await later(shop, clock, 32 * 86_400.0)
        assert [one["amount"]["amount"] for one in await top_ups_of(shop, organization)] == ["40.00", "20.00"]
        await spend(shop, organization, "60.00")
        await later(shop, clock)
        assert [one["amount"]["amount"] for one in await top_ups_of(shop, organization)] == ["40.00", "20.00", "20.00"]

    @pytest.mark.parametrize(
        ("zone", "charged"), [("Pacific/Kiritimati", "20.00"), ("Pacific/Honolulu", "40.00")], ids=["east", "west"]
    )
    async def test_the_month_is_that_of_the_legal_entity(
        self, shop: Shop, clock: Clock, owner_url: str, zone: str, charged: str
    ) -> None:
        """Charged a day before the month of UTC ends, and two hours after that: 14 hours east, and 10 hours west."""
        with psycopg.connect(owner_url, autocommit=True) as owner:
            owner.execute("UPDATE ledger.calendar SET time_zone = %s", [zone])
        async with shop.database.reading() as session:
            now = await database_now(session)
        ends = (now.replace(day=1, hour=0, minute=0, second=0) + timedelta(days=32)).replace(day=1)
        clock.later((ends - timedelta(days=1) - now).total_seconds())
        organization = await customer(shop, monthly_cap="40.00")
        await spend(shop, organization, "6.00")
        await work_off(shop)
        await spend(shop, organization, "20.00")
        await later(shop, clock, 26 * 3600.0)
        stands = await auto_top_up_of(shop, organization)
        assert [one["amount"]["amount"] for one in await top_ups_of(shop, organization)] == ["20.00", "20.00"]
        assert stands["charged_this_month"]["amount"] == charged

    async def test_all_that_was_charged_counts_where_the_books_have_no_calendar(
        self, shop: Shop, clock: Clock, owner_url: str
    ) -> None:
        organization = await customer(shop, monthly_cap="20.00")
        with psycopg.connect(owner_url, autocommit=True) as owner:
            owner.execute("SET session_replication_role = replica")
            owner.execute("DELETE FROM ledger.calendar")
        await spend(shop, organization, "6.00")
        await work_off(shop)
        await spend(shop, organization, "20.00")
        await later(shop, clock, 40 * 86400.0)
        stands = await auto_top_up_of(shop, organization)
        assert [one["amount"]["amount"] for one in await top_ups_of(shop, organization)] == ["20.00"]
        assert (stands["standing"], stands["charged_this_month"]["amount"]) == ("cap_reached", "20.00")

    async def test_the_database_keeps_them_whoever_asks(self, shop: Shop, clock: Clock) -> None:
        organization = await customer(shop, monthly_cap="40.00")
        again = text(
            "INSERT INTO top_up (id, purpose, saved_card_id, installation_id, organization_id, requested_by, amount, "
            "currency, return_path, success_url, cancel_url) SELECT 'tu_' || gen_random_uuid(), 'auto_top_up', id, "
            "'ins', organization_id, 'x', :micro, 'USD', '/', '/', '/' FROM saved_card"
        )

        async def refused(why: str, micro: int = 20_000_000) -> None:
            with pytest.raises(Exception, match=why):
                async with shop.database.transaction() as session:
                    await session.execute(again, {"micro": micro})

        await refused("pass its monthly cap", 41_000_000)
        await spend(shop, organization, "6.00")
        await work_off(shop)
        await refused("less than an hour ago")
        clock.later(HOUR)
        await refused("pass its monthly cap", 21_000_000)
        async with shop.database.transaction() as session:
            await session.execute(again, {"micro": 20_000_000})
        await turn_on(shop, organization, monthly_cap="500.00")
        await refused("less than an hour ago")
        clock.later(HOUR)
        await refused("auto_top_up_under_way")
        await shop.ask(organization, "DELETE", "/auto-top-up")
        await refused("auto top-up is off")


class TestDeclines:
    async def test_three_stop_it_and_not_486(self, shop: Shop, clock: Clock) -> None:
        """One declining card is tried three times, an hour apart, and then no more (akash console#3756)."""
        organization = await customer(shop, SAVES_AND_DECLINES)
        await spend(shop, organization, "6.00")
        await work_off(shop)
        for _ in range(4):
            await spend(shop, organization, "0.10")
            await later(shop, clock)
        assert attempts(shop, await customer_id(shop, organization)) == ["failed"] * 3
        stands = await auto_top_up_of(shop, organization)
        assert (stands["standing"], stands["declines"], stands["enabled"]) == ("stopped", 3, True)
        (told,) = await shop.rows("SELECT data FROM outbox_event WHERE type = 'auto_top_up.stopped'")
        assert told.data == {"declines": 3}
        failed = await top_ups_of(shop, organization)
        assert {(one["state"], one["failure"]["code"]) for one in failed} == {("failed", "card_declined")}

    async def test_set_again_it_goes_on_with_another_card(self, shop: Shop, clock: Clock) -> None:
        organization = await customer(shop, SAVES_AND_DECLINES, funds="3.00")
        for _ in range(2):
            await later(shop, clock)
        assert (await auto_top_up_of(shop, organization))["standing"] == "stopped"
        good = await save_card(shop, organization)
        await shop.ask(organization, "POST", f"/payment-methods/{good['id']}/default")
        await later(shop, clock)
        assert len(await top_ups_of(shop, organization)) == 3
        await turn_on(shop, organization)
        await work_off(shop)
        assert [one["state"] for one in await top_ups_of(shop, organization)] == ["failed"] * 3 + ["succeeded"]
        assert (await auto_top_up_of(shop, organization))["declines"] == 0

    async def test_one_that_is_paid_begins_the_count_anew(self, shop: Shop, clock: Clock) -> None:
        organization = await customer(shop, SAVES_AND_DECLINES, funds="3.00")
        await later(shop, clock)
        good = await save_card(shop, organization)
        await shop.ask(organization, "POST", f"/payment-methods/{good['id']}/default")
        await later(shop, clock)
        assert [one["state"] for one in await top_ups_of(shop, organization)] == ["failed", "failed", "succeeded"]
        assert (await auto_top_up_of(shop, organization))["declines"] == 0


class TestTheBankAsksTheHolder:
    async def asked(self, shop: Shop) -> tuple[str, dict[str, Any]]:
        """An organization, and a charge that waits for the holder of its card."""
        organization = await customer(shop, ALWAYS_ASKS, funds="3.00", challenge="complete")
        (waits,) = await top_ups_of(shop, organization)
        return organization, waits

    async def confirm(self, shop: Shop, organization: str, top_up_id: str, decision: str) -> httpx.Response:
        """Go where the confirmation leads, and answer the bank; where that leads back to."""
        answer = await shop.ask(organization, "POST", f"/top-ups/{top_up_id}/confirm")
        assert answer.status_code == 200, answer.text
        async with httpx.AsyncClient(trust_env=False) as browser:
            return await browser.post(answer.json()["url"], data={"decision": decision})

    async def test_it_waits_and_is_charged_once_they_confirm(self, shop: Shop) -> None:
        organization, waits = await self.asked(shop)
        assert (waits["state"], waits["failure"]["code"]) == ("needs_action", "authentication_required")
        assert [action["allowed"] for action in waits["actions"]] == [True]
        assert await shop.balance(organization) == "3.00"
        (told,) = await shop.rows("SELECT data FROM outbox_event WHERE type = 'top_up.needs_action'")
        assert told.data["top_up_id"] == waits["id"]
        back = await self.confirm(shop, organization, waits["id"], "complete")
        assert back.headers["location"].startswith(f"http://sublet.test/billing?top_up={waits['id']}&")
        await work_off(shop)
        assert (await shop.read(organization, waits["id"]))["state"] == "succeeded"
        assert await shop.balance(organization) == "23.00"
        assert attempts(shop, await customer_id(shop, organization)) == ["failed", "succeeded"]

    async def test_failing_the_bank_leaves_it_waiting_and_they_may_try_again(self, shop: Shop) -> None:
        organization, waits = await self.asked(shop)
        await self.confirm(shop, organization, waits["id"], "fail")
        await work_off(shop)
        after = await shop.read(organization, waits["id"])
        assert (after["state"], after["failure"]["code"]) == ("needs_action", "payment_intent_authentication_failure")
        await self.confirm(shop, organization, waits["id"], "complete")
        await work_off(shop)
        assert await shop.balance(organization) == "23.00"

    async def test_nothing_else_is_charged_meanwhile(self, shop: Shop, clock: Clock) -> None:
        organization, _ = await self.asked(shop)
        await spend(shop, organization, "50.00")
        await later(shop, clock, 5 * HOUR)
        assert len(await top_ups_of(shop, organization)) == 1
        assert (await auto_top_up_of(shop, organization))["standing"] == "under_way"

    async def test_unconfirmed_for_a_day_it_can_no_more_be_made(self, shop: Shop, clock: Clock) -> None:
        organization, waits = await self.asked(shop)
        (row,) = await shop.rows("SELECT payment_intent_id FROM top_up WHERE id = :id", id=waits["id"])
        clock.later(25 * HOUR)
        await make_due(shop, "top_up")
        await work_off(shop, kinds=("top_up",))
        assert (await shop.read(organization, waits["id"]))["state"] == "expired"
        intent = shop.sandbox.client().v1.payment_intents.retrieve(row.payment_intent_id)
        assert intent.status == "canceled"
        late = await shop.ask(organization, "POST", f"/top-ups/{waits['id']}/confirm")
        assert late.status_code == 409

    async def test_nobody_confirms_what_the_bank_does_not_ask(self, shop: Shop) -> None:
        organization = await customer(shop, funds="3.00")
        (paid,) = await top_ups_of(shop, organization)
        answer = await shop.ask(organization, "POST", f"/top-ups/{paid['id']}/confirm")
        assert (answer.status_code, "Nothing was charged" in answer.json()["detail"]) == (409, True)


class TestSetting:
    async def test_takes_a_card(self, shop: Shop) -> None:
        organization = await shop.organization()
        answer = await turn_on(shop, organization)
        assert (answer.status_code, answer.json()["code"]) == (409, "no_card_to_charge")
        assert (await auto_top_up_of(shop, organization))["actions"][0]["allowed"] is False

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"amount": "4.99"}, "amount"),
            ({"amount": "20.001"}, "amount"),
            ({"threshold": "-0.01"}, "threshold"),
            ({"threshold": "much"}, "threshold"),
            ({"monthly_cap": "19.99"}, "monthly_cap"),
            ({"monthly_cap": "200.001"}, "monthly_cap"),
        ],
    )
    async def test_refuses_bounds_that_cannot_be(self, shop: Shop, change: dict[str, str], field: str) -> None:
        organization = await shop.organization()
        await save_card(shop, organization)
        answer = await turn_on(shop, organization, **change)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)

    async def test_off_charges_nothing_more(self, shop: Shop) -> None:
        organization = await customer(shop)
        off = await shop.ask(organization, "DELETE", "/auto-top-up")
        assert (off.status_code, off.json()["standing"]) == (200, "off")
        await spend(shop, organization, "15.00")
        await work_off(shop)
        assert await top_ups_of(shop, organization) == []
        assert (await shop.ask(organization, "DELETE", "/auto-top-up")).status_code == 409

    async def test_goes_on_with_the_next_default_card(self, shop: Shop) -> None:
        organization = await customer(shop)
        (card,) = await cards_of(shop, organization)
        await shop.ask(organization, "DELETE", f"/payment-methods/{card['id']}")
        await spend(shop, organization, "10.00")
        await work_off(shop)
        assert (await auto_top_up_of(shop, organization))["standing"] == "no_card"
        await save_card(shop, organization, "5555555555554444")
        await work_off(shop)
        assert [one["state"] for one in await top_ups_of(shop, organization)] == ["succeeded"]


class TestReceipts:
    async def test_say_what_was_paid_with_which_card(self, shop: Shop) -> None:
        organization = await customer(shop, funds="3.00")
        (paid,) = await top_ups_of(shop, organization)
        answer = await shop.ask(organization, "GET", f"/top-ups/{paid['id']}/receipt")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        for said in (paid["id"], "20.00 USD", "visa ending in 4242", "Auto top-up"):
            assert said in answer.text

    async def test_are_of_what_has_arrived_and_of_ones_own(self, shop: Shop) -> None:
        organization, other = await customer(shop, SAVES_AND_DECLINES, funds="3.00"), await shop.organization()
        (declined,) = await top_ups_of(shop, organization)
        for who, status in ((organization, 409), (other, 404)):
            assert (await shop.ask(who, "GET", f"/top-ups/{declined['id']}/receipt")).status_code == status


async def test_a_dispute_that_nobody_settled_keeps_cards_from_being_charged(shop: Shop) -> None:
    organization = await customer(shop)
    about = {"code": STOP_CODE, "subject_type": STOP_SUBJECT, "subject_id": organization}
    async with shop.database.transaction() as session:
        await findings.open_finding(session, **about, severity=Severity.CRITICAL, detail={})
    await spend(shop, organization, "10.00")
    await work_off(shop)
    assert (await auto_top_up_of(shop, organization))["standing"] == "taken_back"
    assert await top_ups_of(shop, organization) == []
