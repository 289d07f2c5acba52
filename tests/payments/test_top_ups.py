"""Asking for a top-up, paying for it, and reading how it went."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from sublet.core.app import SETTINGS
from sublet.core.db import OpenSessionError
from sublet.core.money import Money
from sublet.payments.api import PROCESSOR
from sublet.payments.stripe.processor import CheckoutSeen
from sublet.payments.top_ups import checkout, outcomes, requests
from tests.ledger.books import assert_books_are_sound
from tests.payments.shop import BASE, Shop, new_processor
from tests.payments.working import look_at, make_due, process_due, watch

pytestmark = pytest.mark.anyio


class TestAsking:
    async def test_opens_a_payment_page_for_exactly_the_amount(self, shop: Shop) -> None:
        organization = await shop.organization()
        top_up = await shop.top_up(organization, "20.00")
        assert top_up["state"] == "pending"
        assert top_up["amount"] == {"amount": "20.00", "currency": "USD"}
        assert top_up["checkout_url"].startswith(f"{shop.sandbox.url}/c/pay/cs_test_")
        assert (top_up["failure"], top_up["fee"], top_up["completed_at"]) == (None, None, None)
        sessions = shop.sandbox.client().v1.checkout.sessions.list().data
        ours = [found for found in sessions if found.client_reference_id == top_up["id"]]
        assert [(found.amount_total, found.currency) for found in ours] == [(2000, "usd")]
        assert ours[0].customer_email == f"usr_{organization}@customer.example"
        assert await shop.balance(organization) == "0.00"

    @pytest.mark.parametrize(
        "amount",
        ["4.99", "5000.01", "0.00", "-20.00", "10.001", "ten", "２０", "", "1e3", "20,00", " ", "NaN", "9" * 24],
    )
    async def test_refuses_amounts_out_of_bounds_and_says_which_field(self, shop: Shop, amount: str) -> None:
        answer = await shop.request(await shop.organization(), amount)
        assert answer.status_code == 422
        problem = answer.json()
        assert problem["code"] == "amount_not_allowed"
        assert problem["errors"][0]["field"] == "amount"
        assert "Nothing was charged" in problem["detail"]
        assert await shop.rows("SELECT 1 FROM top_up") == []

    @pytest.mark.parametrize("amount", ["5", "5.00", "5000.00", "12.340000"])
    async def test_takes_the_bounds_themselves(self, shop: Shop, amount: str) -> None:
        assert (await shop.request(await shop.organization(), amount)).status_code == 201

    @pytest.mark.parametrize(
        "body",
        [
            {"currency": "SEK"},
            {"currency": "ABC"},
            {"currency": "usd"},
            {"currency": None},
            {"return_path": "//evil.example"},
            {"return_path": "https://evil.example"},
            {"return_path": "/\\evil.example"},
            {"return_path": "/a?b"},
            {"colour": "red"},
        ],
    )
    async def test_refuses_other_currencies_fields_and_ways_back(self, shop: Shop, body: dict[str, Any]) -> None:
        assert (await shop.request(await shop.organization(), **body)).status_code == 422

    async def test_names_a_currency_and_one_that_there_is_a_wallet_in(self, shop: Shop) -> None:
        organization = await shop.organization()
        headers = {"Authorization": f"Bearer {organization}"}
        unsaid = await shop.http.post("/api/v1/top-ups", json={"amount": "20.00"}, headers=headers)
        assert (unsaid.status_code, unsaid.json()["errors"][0]["field"]) == (422, "currency")
        assert (await shop.request(organization, currency="EUR")).status_code == 404

    @pytest.mark.parametrize(
        ("currency", "amount", "units", "balance", "finer"),
        [("JPY", "1000", 1000, "1000.00", "1000.5"), ("KWD", "5.010", 5010, "5.010", "5.001")],
    )
    async def test_counts_as_the_currency_does(
        self, shop: Shop, currency: str, amount: str, units: int, balance: str, finer: str
    ) -> None:
        organization = await shop.organization(currency)
        refused = await shop.request(organization, finer, currency=currency)
        assert (refused.status_code, refused.json()["code"]) == (422, "amount_not_allowed")
        assert "in steps of" in refused.json()["detail"]
        top_up = await shop.top_up(organization, amount, currency=currency)
        sessions = shop.sandbox.client().v1.checkout.sessions.list().data
        [ours] = [found for found in sessions if found.client_reference_id == top_up["id"]]
        assert (ours.amount_total, ours.currency) == (units, currency.lower())
        assert (await shop.pay(top_up)).status_code == 303
        await look_at(shop, top_up["id"])
        assert await shop.balance(organization, currency) == balance

    async def test_of_one_organization_are_bounded(self, shop: Shop) -> None:
        shop.parts.put(SETTINGS, shop.parts[SETTINGS].model_copy(update={"open_top_ups": 2}))
        organization, other = await shop.organization(), await shop.organization()
        first = await shop.request(organization, headers={"Idempotency-Key": "k"})
        answers = await asyncio.gather(*(shop.request(organization) for _ in range(5)))
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 4
        refused = [answer.json() for answer in answers if answer.status_code == 409]
        assert {(one["code"], one["detail"]) for one in refused} == {
            (
                "too_many_open_top_ups",
                "Your organization has 2 payments open, and 2 may be at a time. No payment was begun and nothing was "
                "charged. Pay one of them on its page, or wait: a page that nobody pays on ends a day after it was "
                "opened.",
            )
        }
        assert (await shop.request(organization, headers={"Idempotency-Key": "k"})).json()["id"] == first.json()["id"]
        assert (await shop.request(other)).status_code == 201, "others have their own"
        assert (await shop.pay(first.json())).status_code == 303
        await look_at(shop, first.json()["id"])
        assert (await shop.request(organization)).status_code == 201

    async def test_needs_the_permission(self, shop: Shop) -> None:
        organization = await shop.organization()
        refused = await shop.request(organization, headers={"Authorization": f"Bearer {organization} reader"})
        assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
        assert (await shop.request(organization, headers={"Authorization": ""})).status_code == 401

    async def test_says_so_when_payments_are_not_set_up(self, shop: Shop) -> None:
        processor = new_processor(shop.sandbox.url, key=None)
        shop.parts.put(PROCESSOR, processor)
        answer = await shop.request(await shop.organization())
        assert (answer.status_code, answer.json()["code"]) == (503, "payments_not_configured")
        await processor.close()

    async def test_the_processor_is_never_called_with_a_transaction_open(self, shop: Shop) -> None:
        top_up = await shop.top_up(await shop.organization())
        row = await checkout.load(shop.database, top_up["id"])
        async with shop.database.transaction():
            with pytest.raises(OpenSessionError):
                await shop.processor.fetch_checkout(str(row.checkout_session_id))


class TestPaying:
    async def test_credits_the_gross_amount_and_posts_the_fee(self, shop: Shop) -> None:
        organization = await shop.organization()
        top_up = await shop.top_up(organization)
        assert (await shop.pay(top_up)).status_code == 303
        await look_at(shop, top_up["id"])
        found = await shop.read(organization, top_up["id"])
        assert found["state"] == "succeeded"
        assert found["fee"] == {"amount": "0.88", "currency": "USD"}
        assert found["checkout_url"] is None
        assert found["completed_at"] is not None
        assert await shop.balance(organization) == "20.00"
        (mirrored,) = await shop.rows("SELECT type, amount, fee, currency, source FROM stripe_transaction")
        (row,) = await shop.rows("SELECT charge_id FROM top_up")
        assert tuple(mirrored) == ("charge", 20_000_000, 880_000, "USD", row.charge_id)
        history = await shop.rows("SELECT previous, next FROM top_up_history ORDER BY id")
        assert [tuple(step) for step in history] == [("pending", "succeeded")]
        events = await shop.rows("SELECT type, subject, organization_id, data FROM outbox_event WHERE type ~ '^top_up'")
        assert [tuple(event) for event in events] == [
            (
                "top_up.succeeded",
                top_up["id"],
                organization,
                {"top_up_id": top_up["id"], "amount": {"amount": "20.00", "currency": "USD"}},
            )
        ]

    async def test_is_noted_by_the_data_clock_in_the_same_transaction(self, shop: Shop) -> None:
        organization = await shop.organization()
        top_up = await shop.top_up(organization)
        async with shop.database.transaction() as session:
            for currency in ("USD", "EUR"):
                await session.execute(
                    text(
                        "INSERT INTO data_clock (organization_id, currency, deletes_at, told_days) "
                        "VALUES (:o, :currency, clock_timestamp() + interval '14 days', 14)"
                    ),
                    {"o": organization, "currency": currency},
                )
        await shop.pay(top_up)
        await look_at(shop, top_up["id"])
        noted = await shop.rows("SELECT currency FROM data_clock WHERE topped_up_at IS NOT NULL")
        assert [row.currency for row in noted] == ["USD"]

    async def test_looking_again_and_again_credits_once(self, shop: Shop) -> None:
        organization = await shop.organization()
        top_up = await shop.top_up(organization)
        await shop.pay(top_up)
        for _ in range(5):
            await look_at(shop, top_up["id"])
        assert await shop.balance(organization) == "20.00"
        assert len(await shop.rows("SELECT 1 FROM top_up_history")) == 1

    async def test_a_decline_is_told_and_the_page_stays_open(self, shop: Shop) -> None:
        organization = await shop.organization()
        top_up = await shop.top_up(organization)
        await shop.pay(top_up, "4000000000009995")
        await look_at(shop, top_up["id"])
        found = await shop.read(organization, top_up["id"])
        assert found["state"] == "pending"
        assert found["failure"] == {"code": "card_declined", "message": "Your card has insufficient funds."}
        assert found["checkout_url"] == top_up["checkout_url"]
        await shop.pay(top_up)
        await look_at(shop, top_up["id"])
        found = await shop.read(organization, top_up["id"])
        assert (found["state"], found["failure"]) == ("succeeded", None)
        assert await shop.balance(organization) == "20.00"

    async def test_a_card_that_asks_the_bank_works(self, shop: Shop) -> None:
        organization = await shop.organization()
        top_up = await shop.top_up(organization, "5.00")
        await shop.pay(top_up, "4000000000003220", challenge="complete")
        await look_at(shop, top_up["id"])
        assert await shop.balance(organization) == "5.00"

    async def test_a_page_left_until_it_expires_ends_without_money(self, shop: Shop) -> None:
        organization = await shop.organization()
        abandoned, declined = await shop.top_up(organization), await shop.top_up(organization)
        await shop.pay(declined, "4000000000000002")
        client = shop.sandbox.client()
        for (session_id,) in await shop.rows("SELECT checkout_session_id FROM top_up"):
            client.v1.checkout.sessions.expire(session_id)
        assert await watch(shop) == 2
        left = await shop.read(organization, abandoned["id"])
        assert (left["state"], left["failure"]["code"], left["checkout_url"]) == ("expired", "checkout_expired", None)
        assert (await shop.read(organization, declined["id"]))["failure"]["code"] == "card_declined"
        types = [row.type for row in await shop.rows("SELECT type FROM outbox_event WHERE type ~ '^top_up'")]
        assert types == ["top_up.failed", "top_up.failed"]
        assert await shop.balance(organization) == "0.00"

    async def test_the_fee_is_posted_when_the_processor_knows_it(self, shop: Shop) -> None:
        organization = await shop.organization()
        await shop.control("PUT", "balance-transactions", {"withhold": True})
        try:
            top_up = await shop.top_up(organization)
            await shop.pay(top_up)
            await make_due(shop, "top_up")
            await process_due(shop, "top_up")
            found = await shop.read(organization, top_up["id"])
            assert (found["state"], found["fee"]) == ("succeeded", None)
            assert await shop.balance(organization) == "20.00"
        finally:
            await shop.control("PUT", "balance-transactions", {"withhold": False})
        await make_due(shop, "top_up")
        await process_due(shop, "top_up")
        assert (await shop.read(organization, top_up["id"]))["fee"]["amount"] == "0.88"
        assert await shop.balance(organization) == "20.00"
        assert await shop.rows("SELECT 1 FROM work") == []


class TestOtherCurrencies:
    async def test_an_account_that_settles_in_another_one_credits_all_the_same(self, shop: Shop) -> None:
        organization = await shop.organization()
        top_up = await shop.top_up(organization)
        await shop.pay(top_up)
        seen = await checkout.sight(shop.database, shop.processor, top_up["id"])
        assert isinstance(seen, CheckoutSeen)
        assert seen.transaction is not None
        in_euros = replace(
            seen, transaction=replace(seen.transaction, amount=Money.parse("18", "EUR"), fee=Money.parse("0.8", "EUR"))
        )
        for _ in range(2):
            async with shop.database.transaction() as session:
                assert await outcomes.apply(session, top_up["id"], in_euros) is outcomes.Applied.DONE
                await assert_books_are_sound(session)
        found = await shop.read(organization, top_up["id"])
        assert (found["state"], found["fee"]) == ("succeeded", None)
        assert await shop.balance(organization) == "20.00"
        fees = await shop.rows(
            "SELECT a.code, p.amount FROM ledger.posting p JOIN ledger.account a ON a.id = p.account_id "
            "JOIN ledger.ledger_entry e ON e.id = p.entry_id WHERE e.kind = 'stripe_fee' ORDER BY p.line"
        )
        assert [tuple(line) for line in fees] == [("stripe_fees:EUR", -800_000), ("stripe_balance:EUR", 800_000)]
        async with shop.database.transaction() as session:
            await session.exec_driver_sql("DELETE FROM work")
        assert await watch(shop) == 0, "nobody waits for a fee in dollars"


class TestComingBack:
    async def test_shows_processing_at_once_and_succeeds_without_a_webhook(self, shop: Shop) -> None:
        organization = await shop.organization()
        top_up = await shop.top_up(organization, return_path="/billing")
        back = (await shop.pay(top_up)).headers["location"]
        assert back.startswith(f"{BASE}/api/v1/top-ups/{top_up['id']}/return?session_id=cs_test_")
        landed = await shop.http.get(back)
        assert (landed.status_code, landed.headers["location"]) == (303, f"{BASE}/billing?top_up={top_up['id']}")
        assert (await shop.read(organization, top_up["id"]))["state"] == "processing"
        assert await process_due(shop, "top_up") == 1, "whoever comes back makes it due"
        assert (await shop.read(organization, top_up["id"]))["state"] == "succeeded"
        assert (await shop.http.get(back)).status_code == 303
        assert await shop.balance(organization) == "20.00"

    async def test_needs_the_session_id_that_only_the_page_gives(self, shop: Shop) -> None:
        organization = await shop.organization()
        top_up = await shop.top_up(organization)
        for guess in ("cs_test_guess", "{CHECKOUT_SESSION_ID}"):
            answer = await shop.http.get(f"/api/v1/top-ups/{top_up['id']}/return", params={"session_id": guess})
            assert answer.status_code == 404
        assert (await shop.read(organization, top_up["id"]))["state"] == "pending"

    async def test_without_having_paid_goes_back_to_pending(self, shop: Shop) -> None:
        organization = await shop.organization()
        top_up = await shop.top_up(organization)
        session_id = top_up["checkout_url"].rpartition("/")[2]
        await shop.http.get(f"/api/v1/top-ups/{top_up['id']}/return", params={"session_id": session_id})
        assert (await shop.read(organization, top_up["id"]))["state"] == "processing"
        await look_at(shop, top_up["id"])
        assert (await shop.read(organization, top_up["id"]))["state"] == "pending"

    async def test_giving_up_leads_back_to_the_console(self, shop: Shop) -> None:
        top_up = await shop.top_up(await shop.organization())
        async with httpx.AsyncClient(trust_env=False) as browser:
            page = (await browser.get(top_up["checkout_url"])).text
        assert f'href="{BASE}/billing?top_up={top_up["id"]}&amp;cancelled=1"' in page


class TestReading:
    async def test_lists_newest_first_in_pages(self, shop: Shop) -> None:
        organization = await shop.organization()
        made = [(await shop.top_up(organization, f"{amount}.00"))["id"] for amount in range(10, 15)]
        seen: list[str] = []
        cursor: str | None = None
        for _ in range(3):
            answer = await shop.http.get(
                "/api/v1/top-ups",
                params={"limit": 2, **({"cursor": cursor} if cursor else {})},
                headers={"Authorization": f"Bearer {organization} reader"},
            )
            page = answer.json()
            seen += [item["id"] for item in page["items"]]
            cursor = page["next_cursor"]
        assert (seen, cursor) == (made[::-1], None)

    async def test_other_organizations_see_nothing(self, shop: Shop) -> None:
        top_up = await shop.top_up(await shop.organization())
        headers = {"Authorization": f"Bearer {await shop.organization()}"}
        assert (await shop.http.get(f"/api/v1/top-ups/{top_up['id']}", headers=headers)).status_code == 404
        assert (await shop.http.get("/api/v1/top-ups", headers=headers)).json()["items"] == []


class TestWhoseTurnItIs:
    async def test_nobodys_open_payments_keep_those_of_others_waiting(self, shop: Shop) -> None:
        busy, other = await shop.organization(), await shop.organization()
        made = {top_up["id"]: busy for top_up in [await shop.top_up(busy) for _ in range(3)]}
        late = await shop.top_up(other)
        made[late["id"]] = other
        places = {row.id: row.place for row in await shop.rows("SELECT id, place FROM work WHERE kind = 'top_up'")}
        assert places == made
        declared = checkout.work(shop.database, shop.processor)
        assert declared.slots_each * 2 <= declared.slots
        await shop.pay(late)
        await shop.rows("UPDATE work SET place = '' WHERE kind = 'top_up' RETURNING id")
        row = await checkout.load(shop.database, late["id"])
        async with shop.database.transaction() as session:
            await requests.poke_if_waiting(session, row)
        (poked,) = await shop.rows("SELECT place FROM work WHERE id = :id", id=late["id"])
        assert poked.place == other
