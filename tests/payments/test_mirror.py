"""The processor's balance is mirrored: what no event told of stands in the books after the next look."""

from typing import Any

import psycopg
import pytest
from sqlalchemy import insert

from sublet.core import currencies
from sublet.ledger import processor
from sublet.payments import checks
from sublet.payments.mirror import checks as mirror_checks
from sublet.payments.mirror import look, transactions
from sublet.payments.models import stripe_transaction
from sublet.payments.refunds import requests
from sublet.payments.stripe import balance
from tests.ledger.books import assert_books_are_sound
from tests.payments.account import at_the_processor, begin_anew, books, charge_elsewhere, mirror, settle_in
from tests.payments.refunds import all_open, dispute, open_findings, refund, send
from tests.payments.shop import Shop, new_processor
from tests.payments.working import look_at, process_due
from tests.sandbox.stripe.process import StripeSandbox

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def account_of_its_own(sandbox: StripeSandbox) -> None:
    """Nobody else has used the account at the processor, and every event of it is lost."""
    begin_anew(sandbox)


async def sound(shop: Shop) -> None:
    """The books fit together, and with what went back."""
    async with shop.database.transaction() as session:
        await assert_books_are_sound(session)
        found = [*await checks.run(session), *await mirror_checks.run(session, settling_seconds=0)]
        assert [(one.check.code, one.findings) for one in found if not one.ok] == []


async def bought(shop: Shop, amount: str = "20.00", currency: str = "USD") -> tuple[str, dict[str, Any]]:
    """An organization that has paid, of which nobody told us."""
    organization = await shop.organization(currency)
    top_up = await shop.top_up(organization, amount, currency=currency)
    await shop.pay(top_up)
    return organization, top_up


class TestWithEveryEventLost:
    async def test_the_books_are_the_processors_after_the_next_look(self, shop: Shop) -> None:
        organization, _top_up = await bought(shop)
        other, refunded = await bought(shop, "30.00")
        disputed_by, disputed = await bought(shop, "25.00")
        for one in (refunded, disputed):
            await look_at(shop, one["id"])
        await refund(shop, refunded["id"], 1000)
        await dispute(shop, disputed["id"])
        await mirror(shop)
        assert [await shop.balance(one) for one in (organization, other, disputed_by)] == ["20.00", "20.00", "25.00"]
        money = await books(shop)
        assert at_the_processor(shop) == {"usd": 2000 + 3000 + 2500 - 88 - 117 - 103 - 1000 - 2500 - 1500}
        assert money["stripe_balance USD"] == "21.92"
        assert (money["stripe_fees USD"], money["dispute_fees USD"]) == ("3.08", "15.00")
        assert "suspense USD" not in money
        await sound(shop)

    async def test_what_was_paid_and_given_back_before_anybody_looked_is_both(self, shop: Shop) -> None:
        organization, _top_up = await bought(shop)
        charge = shop.sandbox.client().v1.charges.list().data[0].id
        shop.sandbox.client().v1.refunds.create({"charge": charge, "amount": 500})
        await mirror(shop)
        assert await shop.balance(organization) == "15.00"
        assert at_the_processor(shop) == {"usd": 1412}
        assert (await books(shop))["stripe_balance USD"] == "14.12"

    async def test_looking_again_changes_nothing(self, shop: Shop) -> None:
        await bought(shop)
        await mirror(shop)
        before = await books(shop), len(await shop.rows("SELECT 1 FROM ledger.ledger_entry"))
        await mirror(shop)
        await mirror(shop, days=90)
        assert (await books(shop), len(await shop.rows("SELECT 1 FROM ledger.ledger_entry"))) == before

    async def test_events_are_listed_and_applied_once_each(self, shop: Shop) -> None:
        await bought(shop)
        await mirror(shop)
        kept = await shop.rows("SELECT type, outcome FROM stripe_event ORDER BY type")
        assert {(row.type, row.outcome) for row in kept} == {
            ("charge.succeeded", "applied"),
            ("checkout.session.completed", "applied"),
            ("payment_intent.succeeded", "applied"),
        }
        await mirror(shop)
        assert len(await shop.rows("SELECT 1 FROM stripe_event")) == len(kept)

    async def test_a_look_goes_on_from_where_the_last_one_ended(self, shop: Shop) -> None:
        await bought(shop)
        await mirror(shop)
        (cursor,) = await shop.rows("SELECT up_to FROM processor_cursor WHERE list = 'balance_transactions'")
        (newest,) = await shop.rows("SELECT max(created_at) AS at FROM stripe_transaction")
        assert cursor.up_to == newest.at

    async def test_many_pages_are_read_to_the_last(self, shop: Shop) -> None:
        organization, top_up = await bought(shop, "200.00")
        await look_at(shop, top_up["id"])
        for _ in range(101):
            await refund(shop, top_up["id"], 100)
        await mirror(shop)
        assert await shop.balance(organization) == "99.00"
        assert len(await shop.rows("SELECT 1 FROM stripe_transaction WHERE type = 'refund'")) == 101
        assert (await books(shop))["stripe_balance USD"] == f"{at_the_processor(shop)['usd'] / 100:.2f}"


class TestSettledInAnotherCurrency:
    """Polar's issue 7943: what the account was settled in was taken for what the customer had paid."""

    async def test_a_charge_is_booked_by_its_balance_transaction_polar_7943(self, shop: Shop) -> None:
        await settle_in(shop, "gbp", "0.6344")
        organization, top_up = await bought(shop, "50.00")
        await look_at(shop, top_up["id"])
        assert await shop.balance(organization) == "50.00"
        assert await books(shop) == {
            "wallet USD": "50.00",
            "stripe_balance GBP": "30.60",
            "stripe_fees GBP": "1.12",
            "fx USD": "-50.00",
            "fx GBP": "31.72",
        }
        assert at_the_processor(shop) == {"gbp": 3060}
        await mirror(shop)
        assert (await books(shop))["stripe_balance GBP"] == "30.60"
        await sound(shop)

    async def test_a_refund_takes_what_it_cost_there(self, shop: Shop) -> None:
        await settle_in(shop, "gbp", "0.6344")
        organization, top_up = await bought(shop, "50.00")
        await mirror(shop)
        await settle_in(shop, "gbp", "0.7000")
        await shop.hire("ada")
        await send(shop, top_up["id"], "20.00")
        await mirror(shop)
        money = await books(shop)
        assert (await shop.balance(organization), at_the_processor(shop)) == ("30.00", {"gbp": 3060 - 1400})
        assert (money["stripe_balance GBP"], money["fx USD"], money["fx GBP"]) == ("16.60", "-30.00", "17.72")
        assert "stripe_balance USD" not in money
        await sound(shop)

    async def test_a_refund_that_fails_leaves_only_what_the_rates_cost(self, shop: Shop) -> None:
        await settle_in(shop, "gbp", "0.6344")
        organization, top_up = await bought(shop, "50.00")
        await mirror(shop)
        await shop.control("PUT", "refunds", {"wait": True})
        await shop.hire("ada")
        await send(shop, top_up["id"], "20.00")
        await settle_in(shop, "gbp", "0.6000")
        (made,) = await shop.rows("SELECT processor_id FROM refund")
        await shop.control("POST", f"refunds/{made.processor_id}", {"status": "failed"})
        await mirror(shop)
        await process_due(shop, requests.WORK)
        money = await books(shop)
        assert (await shop.balance(organization), at_the_processor(shop)) == ("50.00", {"gbp": 3060 - 1269 + 1200})
        assert (money["stripe_balance GBP"], money["fx USD"]) == ("29.91", "-50.00")
        assert "stripe_balance USD" not in money
        await sound(shop)

    async def test_a_dispute_takes_what_is_disputed_and_its_fee_there(self, shop: Shop) -> None:
        await settle_in(shop, "gbp", "0.6344")
        organization, top_up = await bought(shop, "50.00")
        await mirror(shop)
        await dispute(shop, top_up["id"])
        await mirror(shop)
        money = await books(shop)
        assert money["dispute_receivable USD"] == "50.00"
        assert (money["dispute_fees GBP"], money["stripe_balance GBP"]) == ("15.00", "-16.12")
        assert at_the_processor(shop) == {"gbp": -1612}
        (row,) = await shop.rows("SELECT processor_id FROM dispute")
        await shop.control("POST", f"disputes/{row.processor_id}", {"status": "lost"})
        await mirror(shop)
        money = await books(shop)
        assert (await shop.balance(organization), money.get("dispute_receivable USD")) == ("0.00", None)
        assert [one.code for one in await all_open(shop)] == []
        await sound(shop)

    @pytest.mark.parametrize(
        ("currency", "amount", "units", "net"),
        [("JPY", "1000", 1000, "941.00"), ("KWD", "5.010", 5010, "4.765"), ("USD", "10.00", 1000, "9.41")],
        ids=["JPY", "KWD", "USD"],
    )
    async def test_minor_units_are_the_currencys_own_paymenter_1258(
        self, shop: Shop, currency: str, amount: str, units: int, net: str
    ) -> None:
        """Paymenter's issue 1258: 1000 yen were sent as 100000."""
        await bought(shop, amount, currency)
        await mirror(shop)
        charged = shop.sandbox.client().v1.charges.list().data[0]
        assert (charged.amount, charged.currency) == (units, currency.lower())
        assert (await books(shop))[f"stripe_balance {currency}"] == net


class TestWhatNobodyCanExplain:
    async def test_goes_to_suspense_with_a_finding_once(self, shop: Shop) -> None:
        await charge_elsewhere(shop)
        await mirror(shop)
        await mirror(shop, days=90)
        assert await books(shop) == {"stripe_balance USD": "6.50", "stripe_fees USD": "0.50", "suspense USD": "7.00"}
        [found] = await open_findings(shop, transactions.UNEXPLAINED_CODE)
        assert {name: str(amount) for name, amount in found.amounts.items()} == {"in suspense": "7.00 USD"}
        await sound(shop)

    async def test_and_what_goes_back_of_it_leaves_suspense(self, shop: Shop) -> None:
        charge = await charge_elsewhere(shop)
        await mirror(shop)
        shop.sandbox.client().v1.refunds.create({"charge": charge})
        await mirror(shop)
        assert await books(shop) == {"stripe_balance USD": "-0.50", "stripe_fees USD": "0.50"}
        assert await open_findings(shop, transactions.UNEXPLAINED_CODE) == []
        await sound(shop)

    async def test_a_charge_without_an_intent_is_not_of_a_page_that_nobody_has_paid(self, shop: Shop) -> None:
        """Neither of them names a payment intent, which makes them nothing of each other."""
        top_up = await shop.top_up(await shop.organization())
        charge = await shop.control("POST", "charges", {"amount": 700, "currency": "usd"})
        assert charge["payment_intent"] is None
        await mirror(shop)
        assert await books(shop) == {"stripe_balance USD": "6.50", "stripe_fees USD": "0.50", "suspense USD": "7.00"}
        fees = await shop.rows("SELECT source_id FROM ledger.ledger_entry WHERE kind = 'stripe_fee'")
        assert top_up["id"] not in {row.source_id for row in fees}
        [found] = await open_findings(shop, transactions.UNEXPLAINED_CODE)
        assert found.subject_id == charge["id"]
        await sound(shop)

    async def test_what_names_another_installation_is_theirs_with_what_goes_back(self, shop: Shop) -> None:
        charge = await charge_elsewhere(shop, sublet_installation="ins_another", sublet_top_up="tu_theirs")
        shop.sandbox.client().v1.refunds.create({"charge": charge, "amount": 100})
        await mirror(shop)
        assert await books(shop) == {}
        assert {row.whose for row in await shop.rows("SELECT whose FROM stripe_transaction")} == {"elsewhere"}
        await sound(shop)
        assert await open_findings(shop, transactions.UNEXPLAINED_CODE) == []


class TestWhatCannotBeKept:
    async def test_stops_nothing_else_and_is_kept_once_it_can_be(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        charge = await charge_elsewhere(shop, 7000, currency="kwd")
        organization, _top_up = await bought(shop)
        with monkeypatch.context() as of_earlier:
            of_earlier.delitem(currencies.DIGITS, "KWD")
            await mirror(shop)
            await mirror(shop)
        assert await shop.balance(organization) == "20.00"
        assert await books(shop) == {"wallet USD": "20.00", "stripe_balance USD": "19.12", "stripe_fees USD": "0.88"}
        [found] = await open_findings(shop, transactions.NOT_MIRRORED_CODE)
        assert (found.detail["type"], found.detail["amount"]) == ("charge", "7000 units of kwd")
        assert "'KWD' is not the code of a currency" in found.detail["said"]
        await mirror(shop)
        assert await open_findings(shop, transactions.NOT_MIRRORED_CODE) == []
        assert (await books(shop))["suspense KWD"] == "7.000"
        [unexplained] = await open_findings(shop, transactions.UNEXPLAINED_CODE)
        assert unexplained.subject_id == charge
        await sound(shop)

    async def test_of_before_the_installation_is_nobodys_here(
        self, shop: Shop, owner_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An old account may have thousands in a currency that nobody uses any more."""
        await charge_elsewhere(shop, currency="kwd")
        with psycopg.connect(owner_url) as owner:
            owner.execute("SET session_replication_role = replica")
            owner.execute("UPDATE installation SET made_at = now() + interval '1 hour'")
        monkeypatch.delitem(currencies.DIGITS, "KWD")
        await mirror(shop)
        assert await all_open(shop) == []
        assert len(await shop.rows("SELECT 1 FROM processor_cursor WHERE list = 'balance_transactions'")) == 1

    async def test_what_was_paid_in_an_unknown_currency_is_kept_in_the_one_it_was_settled_in(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await settle_in(shop, "usd", "3.2")
        await charge_elsewhere(shop, 7000, currency="kwd")
        monkeypatch.delitem(currencies.DIGITS, "KWD")
        await mirror(shop)
        assert (await books(shop))["suspense USD"] == "22.40"
        assert await open_findings(shop, transactions.NOT_MIRRORED_CODE) == []
        await sound(shop)

    async def test_what_an_earlier_release_took_for_unexplained_stays_as_it_booked_it(self, shop: Shop) -> None:
        """It had what was left after the fee in suspense; today the fee is booked by itself."""
        await charge_elsewhere(shop)
        [listed] = await balance.transactions(shop.processor, since=None)
        of_it = listed.read()
        values = {"amount": of_it.amount.micro, "fee": of_it.fee.micro, "currency": "USD", "source": of_it.source}
        async with shop.database.transaction() as session:
            row = {"id": of_it.id, "type": of_it.type, "created_at": of_it.created_at, "whose": "suspense"}
            await session.execute(insert(stripe_transaction).values(**row, **values, available_on=of_it.available_on))
            assert of_it.source is not None
            await processor.suspend(
                session,
                of_it.net,
                transaction_id=of_it.id,
                source_type=transactions.SUBJECT,
                source_id=of_it.source,
            )
        organization, _top_up = await bought(shop)
        await mirror(shop, days=90)
        assert await shop.balance(organization) == "20.00"
        money = await books(shop)
        assert (money["suspense USD"], money["stripe_fees USD"]) == ("6.50", "0.88")
        assert await open_findings(shop, transactions.NOT_MIRRORED_CODE) == []
        await sound(shop)


async def test_without_a_key_there_is_nothing_to_look_at(shop: Shop) -> None:
    nobody = new_processor(shop.sandbox.url, key=None)
    await look.look(shop.database, nobody)
    await nobody.close()
    assert await shop.rows("SELECT 1 FROM processor_cursor") == []
