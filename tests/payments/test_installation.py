"""Whose payment is it? Several installations may share an account of the processor, and a backup may lack a top-up."""

from typing import Any

import psycopg
import pytest
from psycopg import errors

from sublet.core.money import Money
from sublet.findings import findings
from sublet.findings.findings import Filter, StoredFinding
from sublet.payments.api import PROCESSOR
from sublet.payments.stripe import inbox
from sublet.payments.stripe.processor import CheckoutOrder
from sublet.payments.top_ups import checkout
from tests.payments.deliveries import deliver, events_of
from tests.payments.shop import Shop, new_processor
from tests.payments.working import make_due, process_due
from tests.sandbox.stripe.process import free_port

pytestmark = pytest.mark.anyio

LOST = "tu_lostwithabackup"
ANOTHER = "ins_anotherplaceaaaa"

MOVED_MONEY = [("charge.succeeded", "charge"), ("charge.refunded", "charge"), ("refund.created", "refund")]
CAME_TO_NOTHING = [("payment_intent.created", "payment_intent"), ("checkout.session.expired", "checkout.session")]


async def own_id(shop: Shop) -> str:
    (row,) = await shop.rows("SELECT id FROM installation")
    return str(row.id)


async def outcome_of(shop: Shop, told: tuple[str, str], **metadata: str) -> str:
    """What becomes of an event about an object with such metadata, whose ids are all unknown here."""
    about = {"id": "x_1", "object": told[1], "charge": "ch_unknown", "metadata": metadata}
    event = {"id": "evt_1", "type": told[0], "created": 1_700_000_000, "data": {"object": about}}
    assert (await deliver(shop, event)).status_code == 200
    await process_due(shop, inbox.WORK)
    (row,) = await shop.rows("SELECT outcome FROM stripe_event")
    assert bool(await not_understood(shop)) == (row.outcome == "unhandled")
    return str(row.outcome)


async def not_understood(shop: Shop) -> list[StoredFinding]:
    async with shop.database.reading() as session:
        return await findings.newest(session, Filter(state="open", code=inbox.UNHANDLED_CODE), before=None, limit=20)


def metadata_of(event: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = event["data"]["object"]["metadata"]
    return found


class TestAPaymentPage:
    async def test_names_the_installation_in_whatever_is_told_of_it(self, shop: Shop) -> None:
        top_up = await shop.top_up(await shop.organization())
        await shop.pay(top_up)
        named = {"sublet_top_up": top_up["id"], "sublet_installation": await own_id(shop)}
        told = events_of(shop, top_up["id"])
        assert {event["data"]["object"]["object"] for event in told} == {"checkout.session", "payment_intent", "charge"}
        assert [metadata_of(event) for event in told] == [named] * len(told)

    async def test_of_a_top_up_from_before_there_were_ids_is_the_one_that_was_asked_for_then(
        self, shop: Shop, owner_url: str
    ) -> None:
        away = new_processor(f"http://127.0.0.1:{free_port()}")
        shop.parts.put(PROCESSOR, away)
        asked = await shop.request(await shop.organization())
        assert asked.json()["code"] == "processor_unavailable"
        with psycopg.connect(owner_url) as owner:
            owner.execute("UPDATE top_up SET installation_id = NULL")
        (row,) = await shop.rows("SELECT * FROM top_up")
        order = CheckoutOrder(
            row.id, None, Money(row.amount, row.currency), row.customer_email, row.success_url, row.cancel_url
        )
        page = await shop.processor.create_checkout(order)  # of which the answer never arrived
        await away.close()
        await make_due(shop, checkout.WORK)
        await process_due(shop, checkout.WORK)
        (row,) = await shop.rows("SELECT checkout_session_id FROM top_up")
        assert row.checkout_session_id == page.session_id
        found = shop.sandbox.client().v1.checkout.sessions.retrieve(page.session_id)
        assert found.adaptive_pricing is not None
        assert found.adaptive_pricing.enabled, "nothing was said of it then"


class TestAnEventAboutATopUpThatIsNotHere:
    @pytest.mark.parametrize("told", MOVED_MONEY + CAME_TO_NOTHING, ids=lambda told: told[0])
    async def test_is_for_a_person_if_it_names_this_installation(self, shop: Shop, told: tuple[str, str]) -> None:
        named = {"sublet_top_up": LOST, "sublet_installation": await own_id(shop)}
        assert await outcome_of(shop, told, **named) == "unhandled"
        [finding] = await not_understood(shop)
        assert (finding.detail["type"], finding.detail["top_up_id"]) == (told[0], LOST)

    @pytest.mark.parametrize("told", MOVED_MONEY + CAME_TO_NOTHING, ids=lambda told: told[0])
    async def test_is_ignored_if_it_names_another_installation(self, shop: Shop, told: tuple[str, str]) -> None:
        assert await outcome_of(shop, told, sublet_top_up=LOST, sublet_installation=ANOTHER) == "ignored"

    @pytest.mark.parametrize("told", MOVED_MONEY, ids=lambda told: told[0])
    @pytest.mark.parametrize("named", [{}, {"sublet_top_up": LOST}], ids=["nothing named", "a top-up named"])
    async def test_is_for_a_person_if_it_names_none_and_moved_money(
        self, shop: Shop, told: tuple[str, str], named: dict[str, str]
    ) -> None:
        assert await outcome_of(shop, told, **named) == "unhandled"

    @pytest.mark.parametrize("told", CAME_TO_NOTHING, ids=lambda told: told[0])
    @pytest.mark.parametrize("named", [{}, {"sublet_top_up": LOST}], ids=["nothing named", "a top-up named"])
    async def test_is_ignored_if_it_names_none_and_came_to_nothing(
        self, shop: Shop, told: tuple[str, str], named: dict[str, str]
    ) -> None:
        assert await outcome_of(shop, told, **named) == "ignored"


class TestAnEventAboutATopUpThatIsHere:
    @pytest.mark.parametrize("named", [{}, {"sublet_installation": ANOTHER}], ids=["none", "another"])
    async def test_is_applied_whatever_installation_it_names(self, shop: Shop, named: dict[str, str]) -> None:
        organization = await shop.organization()
        top_up = await shop.top_up(organization)
        await shop.pay(top_up)
        told = next(event for event in events_of(shop, top_up["id"]) if event["type"] == "charge.succeeded")
        told["data"]["object"]["metadata"] = {"sublet_top_up": top_up["id"], **named}
        await deliver(shop, told)
        await process_due(shop, inbox.WORK)
        assert await shop.balance(organization) == "20.00"


class TestAfterARestore:
    async def test_money_for_a_top_up_that_the_backup_lacks_is_heard_of(self, shop: Shop, owner_url: str) -> None:
        top_up = await shop.top_up(await shop.organization())
        await shop.pay(top_up)
        with psycopg.connect(owner_url) as owner:
            owner.execute("DELETE FROM work WHERE id = %s", [top_up["id"]])
            owner.execute("DELETE FROM top_up WHERE id = %s", [top_up["id"]])
        told = events_of(shop, top_up["id"])
        for event in told:
            await deliver(shop, event)
        await process_due(shop, inbox.WORK)
        assert {row.outcome for row in await shop.rows("SELECT outcome FROM stripe_event")} == {"unhandled"}
        assert {one.detail["top_up_id"] for one in await not_understood(shop)} == {top_up["id"]}
        assert {one.subject_id for one in await not_understood(shop)} == {event["id"] for event in told}


class TestTheInstallation:
    async def test_is_one(self, owner_url: str) -> None:
        with psycopg.connect(owner_url) as owner, pytest.raises(errors.UniqueViolation):
            owner.execute("INSERT INTO installation (id) VALUES ('ins_aaaaaaaaaaaaaaaa')")
