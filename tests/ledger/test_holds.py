"""What each movement of a hold leaves in a wallet, what it never touches, and what it refuses."""

import psycopg
import pytest
from sqlalchemy import text

from sublet.core.db import Database, Session
from sublet.core.errors import IdempotencyKeyReused
from sublet.ledger import holds, wallets
from sublet.ledger.failures import InsufficientFunds, LedgerRefused
from sublet.ledger.holds import Hold
from tests.ledger.books import Purse, assert_books_are_sound, charge, grant, key, new_hold, new_wallet, purse_of, usd

pytestmark = pytest.mark.anyio

NO_HOLD = 999_999


async def _events(session: Session, hold_id: int) -> list[tuple[str, int]]:
    """What happened to a hold, in order, in micro-units."""
    found = await session.execute(
        text("SELECT kind::text, amount FROM ledger.hold_event WHERE hold_id = :id ORDER BY number"), {"id": hold_id}
    )
    return [(row.kind, row.amount) for row in found]


async def withheld(session: Session, amount: str) -> Hold:
    """A hold of somebody with 20.00 that nothing may run on."""
    organization = await new_wallet(session, "20")
    return await holds.withhold(session, organization, usd(amount), subject_id="w_1", idempotency_key=key())


class TestWallets:
    async def test_are_one_in_each_currency(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            for currency in ("EUR", "USD", "EUR"):
                await wallets.open_wallet(session, organization, currency=currency)
            found = [await wallets.wallet(session, organization, currency=currency) for currency in ("USD", "EUR")]
        assert [(wallet.currency, wallet.balance.micro) for wallet in found] == [("USD", 20_000_000), ("EUR", 0)]


class TestPlacing:
    async def test_takes_what_is_free_of_promotional_money_and_then_the_wallet(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            await grant(session, organization, "3")
            await new_hold(session, organization, "2")
            await new_hold(session, organization, "2")
            assert await purse_of(session, organization) == Purse(3_000_000, 3_000_000, 20_000_000, 1_000_000)
            await assert_books_are_sound(session)

    async def test_takes_all_that_is_free_and_no_more(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            await grant(session, organization, "3")
            await new_hold(session, organization, "1")
            with pytest.raises(InsufficientFunds) as raised:
                await new_hold(session, organization, "22.000001")
            await new_hold(session, organization, "22")
            assert await purse_of(session, organization) == Purse(3_000_000, 3_000_000, 20_000_000, 20_000_000)
        assert raised.value.extra["available"] == {"amount": "22.00", "currency": "USD"}


class TestExtending:
    async def test_takes_promotional_money_first(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            hold = await new_hold(session, organization, "5")
            await grant(session, organization, "3")
            await holds.extend(session, hold.id, usd("4"), idempotency_key=key())
            assert await purse_of(session, organization) == Purse(3_000_000, 3_000_000, 20_000_000, 6_000_000)
            await assert_books_are_sound(session)

    async def test_leaves_another_hold_alone_and_goes_on_beside_a_closed_one(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            closed, other, hold = [await new_hold(session, organization, "5") for _ in range(3)]
            await holds.release(session, closed.id, idempotency_key=key())
            await holds.extend(session, hold.id, usd("1"), idempotency_key=key())
            found = [await holds.get(session, each.id) for each in (closed, other, hold)]
            await assert_books_are_sound(session)
        assert [each.amount.micro for each in found] == [5_000_000, 5_000_000, 6_000_000]

    async def test_twice_under_one_key_happens_once(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            hold = await new_hold(session, organization, "5")
            for _ in range(2):
                extended = await holds.extend(session, hold.id, usd("1"), idempotency_key="more")
        assert extended.amount.micro == 6_000_000

    async def test_by_another_amount_under_the_same_key_is_refused(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            hold = await new_hold(session, organization, "5")
            await holds.extend(session, hold.id, usd("1"), idempotency_key="more")
        with pytest.raises(IdempotencyKeyReused):
            async with database.transaction() as session:
                await holds.extend(session, hold.id, usd("2"), idempotency_key="more")

    @pytest.mark.parametrize("amount", ["0", "-1"])
    async def test_by_nothing_or_less_is_refused(self, database: Database, amount: str) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            hold = await new_hold(session, organization, "5")
        with pytest.raises(LedgerRefused, match="a hold is extended by something"):
            async with database.transaction() as session:
                await holds.extend(session, hold.id, usd(amount), idempotency_key=key())

    async def test_what_is_withheld_is_refused(self, database: Database) -> None:
        async with database.transaction() as session:
            hold = await withheld(session, "5")
        with pytest.raises(LedgerRefused, match="is withheld, and nothing runs on it"):
            async with database.transaction() as session:
                await holds.extend(session, hold.id, usd("1"), idempotency_key=key())

    async def test_what_is_not_there_is_refused(self, database: Database) -> None:
        with pytest.raises(LedgerRefused, match="there is no hold"):
            async with database.transaction() as session:
                await holds.extend(session, NO_HOLD, usd("1"), idempotency_key=key())


class TestExtendingMany:
    async def test_leaves_what_is_withheld(self, database: Database) -> None:
        async with database.transaction() as session:
            hold = await withheld(session, "5")
            assert await holds.extend_many(session, {hold.id: 1_000_000}) == set()
            assert await _events(session, hold.id) == [("placed", 5_000_000)]

    async def test_leaves_what_lacks_nothing(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            lacking, full = await new_hold(session, organization, "5"), await new_hold(session, organization, "5")
            extended = await holds.extend_many(session, {lacking.id: 1_000_000, full.id: 0})
            assert await _events(session, full.id) == [("placed", 5_000_000)]
            await assert_books_are_sound(session)
        assert extended == {lacking.id}

    async def test_leaves_a_closed_one(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            closed, open_one = await new_hold(session, organization, "5"), await new_hold(session, organization, "5")
            await holds.release(session, closed.id, idempotency_key=key())
            extended = await holds.extend_many(session, {closed.id: 1_000_000, open_one.id: 1_000_000})
            assert await purse_of(session, organization) == Purse(wallet=20_000_000, wallet_held=6_000_000)
        assert extended == {open_one.id}


class TestReleasing:
    async def test_gives_promotional_money_and_the_wallets_back_to_where_each_came_from(
        self, database: Database
    ) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            await grant(session, organization, "3")
            hold = await new_hold(session, organization, "5")
            assert await purse_of(session, organization) == Purse(3_000_000, 3_000_000, 20_000_000, 2_000_000)
            await charge(session, hold.id, "1")
            await holds.release(session, hold.id, idempotency_key=key())
            assert await purse_of(session, organization) == Purse(2_000_000, 0, 20_000_000, 0)
            await assert_books_are_sound(session)

    async def test_gives_back_no_more_than_is_left_where_a_part_went_back_before(
        self, database: Database, owner_url: str
    ) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            hold, _ = await new_hold(session, organization, "5"), await new_hold(session, organization, "7")
        with psycopg.connect(owner_url, autocommit=True) as owner:  # nothing gives a part back yet
            owner.execute("UPDATE ledger.hold SET released = 1000000 WHERE amount = 5000000")
            owner.execute("UPDATE ledger.balance SET held = 11000000 WHERE held = 12000000")
        async with database.transaction() as session:
            await holds.release(session, hold.id, idempotency_key=key())
            assert await purse_of(session, organization) == Purse(wallet=20_000_000, wallet_held=7_000_000)

    async def test_leaves_another_hold_alone(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            await grant(session, organization, "3")
            others = [await new_hold(session, organization, "2") for _ in range(2)]
            hold = await new_hold(session, organization, "5")
            await holds.release(session, hold.id, idempotency_key=key())
            assert [(await holds.get(session, other.id)).rest.micro for other in others] == [2_000_000, 2_000_000]
            assert await purse_of(session, organization) == Purse(3_000_000, 3_000_000, 20_000_000, 1_000_000)
            await assert_books_are_sound(session)

    async def test_of_a_closed_one_is_nothing_that_happens_to_it(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            hold = await new_hold(session, organization, "5")
            await charge(session, hold.id, "1.25")
            for _ in range(2):
                await holds.release(session, hold.id, idempotency_key=key())
            happened = await _events(session, hold.id)
        assert happened == [("placed", 5_000_000), ("captured", 1_250_000), ("released", 3_750_000)]

    async def test_of_another_hold_under_the_same_key_is_refused(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            first, second = await new_hold(session, organization, "5"), await new_hold(session, organization, "5")
            await holds.release(session, first.id, idempotency_key="end")
        with pytest.raises(IdempotencyKeyReused):
            async with database.transaction() as session:
                await holds.release(session, second.id, idempotency_key="end")

    async def test_what_is_not_there_is_refused(self, database: Database) -> None:
        with pytest.raises(LedgerRefused, match="there is no hold"):
            async with database.transaction() as session:
                await holds.release(session, NO_HOLD, idempotency_key=key())
