"""Out of what a charge is paid, to the micro-unit, and what it never touches."""

import psycopg
import pytest
from sqlalchemy import text

from sublet.core.db import Database
from sublet.core.money import Money
from sublet.ledger import holds, top_ups, wallets
from sublet.ledger.failures import HoldExhausted, InsufficientFunds, LedgerRefused
from tests.ledger.books import (
    Purse,
    assert_books_are_sound,
    charge,
    charge_together,
    grant,
    key,
    new_hold,
    new_wallet,
    purse_of,
    usd,
)

pytestmark = pytest.mark.anyio


class TestOneCharge:
    """Of a wallet with 20 dollars: out of promotional money first, then what the wallet has, and the rest is owed."""

    @pytest.mark.parametrize(
        ("before", "held", "after", "charged", "left"),
        [
            pytest.param("3", "3", "0", "3", Purse(wallet=20_000_000), id="all of a hold of promotional money"),
            pytest.param("0", "5", "0", "5", Purse(wallet=15_000_000), id="all of a hold of the wallet's"),
            pytest.param(
                "3", "5", "2", "1", Purse(4_000_000, 2_000_000, 20_000_000, 2_000_000), id="less than is held of a gift"
            ),
            pytest.param(
                "1", "3", "1", "2", Purse(wallet=20_000_000, wallet_held=1_000_000), id="a gift before and one after"
            ),
            pytest.param("0", "2", "3", "6", Purse(wallet=17_000_000), id="more than the hold, of a gift after it"),
            pytest.param("0", "5", "3", "30", Purse(owed=7_000_000), id="a gift leaves more of the wallet's"),
            pytest.param("0", "5", "30", "27", Purse(promo=3_000_000, wallet=20_000_000), id="a gift is enough"),
        ],
    )
    async def test_is_paid_by(
        self, database: Database, before: str, held: str, after: str, charged: str, left: Purse
    ) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            if before != "0":
                await grant(session, organization, before)
            hold = await new_hold(session, organization, held)
            if after != "0":
                await grant(session, organization, after)
            overrun = usd(charged).micro > usd(held).micro
            await charge(session, hold.id, charged, overrun=overrun)
            assert await purse_of(session, organization) == left
            await assert_books_are_sound(session)

    async def test_leaves_promotional_money_that_another_hold_has(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            await grant(session, organization, "3")
            await new_hold(session, organization, "3")
            hold = await new_hold(session, organization, "5")
            await charge(session, hold.id, "2")
            assert await purse_of(session, organization) == Purse(3_000_000, 3_000_000, 18_000_000, 3_000_000)
            await charge(session, hold.id, "4", overrun=True)
            assert await purse_of(session, organization) == Purse(3_000_000, 3_000_000, 14_000_000, 0)
            await assert_books_are_sound(session)

    async def test_of_a_closed_hold_is_refused_also_beyond_it(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            hold = await new_hold(session, organization, "5")
            await holds.release(session, hold.id, idempotency_key=key())
        with pytest.raises(HoldExhausted, match="is closed"):
            async with database.transaction() as session:
                await charge(session, hold.id, "2", overrun=True)
        async with database.transaction() as session:
            assert await purse_of(session, organization) == Purse(wallet=20_000_000)


class TestRefusals:
    async def test_of_more_than_is_left_of_a_hold(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            hold = await new_hold(session, organization, "5")
            await new_hold(session, organization, "10")
            await charge(session, hold.id, "4")
        with pytest.raises(HoldExhausted, match="has 1000000 left, not 1000001"):
            async with database.transaction() as session:
                await charge(session, hold.id, "1.000001")

    async def test_of_a_closed_hold_beside_an_open_one(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            hold = await new_hold(session, organization, "5")
            await new_hold(session, organization, "10")
            await charge(session, hold.id, "1")
            await holds.release(session, hold.id, idempotency_key=key())
        with pytest.raises(HoldExhausted, match="is closed"):
            async with database.transaction() as session:
                await charge(session, hold.id, "2")

    async def test_of_a_hold_that_is_not_there(self, database: Database) -> None:
        with pytest.raises(LedgerRefused, match="there is no hold 999999"):
            async with database.transaction() as session:
                await charge(session, 999_999, "1")

    async def test_of_a_hold_that_its_wallet_does_not_hold(self, database: Database, owner_url: str) -> None:
        async with database.transaction() as session:
            hold = await new_hold(session, await new_wallet(session, "20"), "5")
        with psycopg.connect(owner_url, autocommit=True) as owner:
            owner.execute("UPDATE ledger.balance SET held = 0 WHERE held = 5000000")
        with pytest.raises(InsufficientFunds):
            async with database.transaction() as session:
                await charge(session, hold.id, "2")

    @pytest.mark.parametrize("amount", ["0", "-1"])
    async def test_of_nothing_or_less(self, database: Database, amount: str) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            hold = await new_hold(session, organization, "5")
        with pytest.raises(LedgerRefused, match="a charge is of something"):
            async with database.transaction() as session:
                await charge(session, hold.id, amount)
        with pytest.raises(LedgerRefused, match="a credit is of something"):
            async with database.transaction() as session:
                await grant(session, organization, amount)


class TestTogether:
    async def test_charges_all_that_a_hold_has_and_leaves_those_that_have_less(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            enough, used, closed = [await new_hold(session, organization, "5") for _ in range(3)]
            await charge(session, used.id, "4")
            await charge(session, closed.id, "2")
            await holds.release(session, closed.id, idempotency_key=key())
            charged = await charge_together(session, {enough.id: "5", used.id: "1.000001", closed.id: "1"})
            assert await purse_of(session, organization) == Purse(wallet=9_000_000, wallet_held=1_000_000)
            await assert_books_are_sound(session)
        assert set(charged) == {enough.id}

    async def test_leaves_what_is_in_another_currency(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            hold = await new_hold(session, organization, "5")
            await wallets.open_wallet(session, organization, currency="EUR")
            euros = Money.parse("20", "EUR")
            await top_ups.credit(
                session, organization, euros, payment_intent_id=key("pi"), charge_id=key("ch"), source_id="tu_1"
            )
            foreign = await new_hold(session, organization, "5", currency="EUR")
            charged = await charge_together(session, {hold.id: "1", foreign.id: "1"})
            assert (await holds.get(session, foreign.id)).captured.micro == 0
        assert set(charged) == {hold.id}

    async def test_charges_nobody_nothing(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            hold, idle = await new_hold(session, organization, "5"), await new_hold(session, organization, "5")
            charged = await charge_together(session, {hold.id: "1", idle.id: "0"})
            assert (await holds.get(session, idle.id)).captured.micro == 0
            await assert_books_are_sound(session)
        assert set(charged) == {hold.id}

    async def test_makes_no_entry_where_nobody_can_pay(self, database: Database) -> None:
        async with database.transaction() as session:
            hold = await new_hold(session, await new_wallet(session, "20"), "5")
            assert await charge_together(session, {hold.id: "6"}) == {}
            assert await charge_together(session, {}) == {}
            entries = await session.execute(text("SELECT count(*) FROM ledger.ledger_entry WHERE kind = 'usage_batch'"))
            assert entries.scalar_one() == 0

    async def test_repeated_names_what_it_charged_and_nothing_that_others_did(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            hold, poor = await new_hold(session, organization, "5"), await new_hold(session, organization, "1")
            await charge(session, poor.id, "1")
            made = [
                await charge_together(session, {hold.id: "2", poor.id: "1"}, settlement=name)
                for name in ("first", "second", "first", "second")
            ]
            assert await purse_of(session, organization) == Purse(wallet=15_000_000, wallet_held=1_000_000)
        first, second = made[:2]
        assert set(first) == set(second) == {hold.id}
        assert first != second
        assert made[2:] == [first, second]


class TestCredit:
    async def test_is_given_once_under_one_key(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session)
            given = {await grant(session, organization, "3", idempotency_key="welcome") for _ in range(2)}
            assert await purse_of(session, organization) == Purse(promo=3_000_000)
        assert len(given) == 1


class TestFee:
    async def test_opens_the_books_of_a_currency_that_no_wallet_has(self, database: Database) -> None:
        async with database.transaction() as session:
            await new_wallet(session, "20")
            fee = Money.parse("0.88", "EUR")
            for _ in range(2):
                await top_ups.post_fee(session, fee, transaction_id=key("txn"), source_id="tu_1")
            posted = await session.execute(
                text(
                    "SELECT a.code, sum(p.amount)::bigint AS amount FROM ledger.posting p "
                    "JOIN ledger.account a ON a.id = p.account_id WHERE a.currency = 'EUR' GROUP BY a.code"
                )
            )
            assert {row.code: row.amount for row in posted} == {
                "stripe_fees:EUR": -1_760_000,
                "stripe_balance:EUR": 1_760_000,
            }
            await assert_books_are_sound(session)
