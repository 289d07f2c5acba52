"""Many clients at once: one key makes one entry, nobody overdraws, nobody waits in a circle."""

import asyncio
import random

import pytest
from sqlalchemy import text

from sublet.core.clock import database_now
from sublet.core.db import Database, Session
from sublet.core.errors import Conflict
from sublet.core.money import Money
from sublet.ledger import charges, credits, entries, holds, top_ups, wallets
from sublet.ledger.failures import HoldExhausted, InsufficientFunds
from tests.ledger.books import assert_books_are_sound, key, new_hold, new_wallet, usd
from tests.support.locks import until_somebody_waits

pytestmark = pytest.mark.anyio

CLIENTS = 12


async def _capture(database: Database, hold_id: int, micro: int, idempotency_key: str, *, overrun: bool = False) -> int:
    async with database.transaction() as session:
        entry = await charges.capture(
            session,
            hold_id,
            Money(micro, "USD"),
            meter_kind="compute",
            source_type="subject",
            source_id="al_1",
            idempotency_key=idempotency_key,
            description="Usage",
            overrun=overrun,
        )
    return entry.id


class TestOneKeyFromManyClients:
    async def test_captures_once(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            hold = await new_hold(session, organization, "10")
        for round_number in range(10):
            made = await asyncio.gather(
                *(_capture(database, hold.id, 1000, f"once:{round_number}") for _ in range(CLIENTS))
            )
            assert len(set(made)) == 1
        async with database.transaction() as session:
            wallet = await wallets.wallet(session, organization, currency="USD")
            await assert_books_are_sound(session)
        assert wallet.balance == usd("19.99")

    async def test_captures_most_of_a_hold_once(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            hold = await new_hold(session, organization, "10")
        made = await asyncio.gather(*(_capture(database, hold.id, 6_000_000, "once") for _ in range(CLIENTS)))
        async with database.transaction() as session:
            wallet = await wallets.wallet(session, organization, currency="USD")
            await assert_books_are_sound(session)
        assert len(set(made)) == 1
        assert (wallet.balance, wallet.held) == (usd("14"), usd("4"))

    async def test_credits_a_payment_once(self, database: Database) -> None:
        async def deliver() -> int:
            async with database.transaction() as session:
                entry = await top_ups.credit(
                    session, organization, usd("20"), payment_intent_id="pi_1", charge_id="ch_1", source_id="tu_1"
                )
            return entry.id

        async with database.transaction() as session:
            organization = await new_wallet(session)
        made = await asyncio.gather(*(deliver() for _ in range(50)))
        async with database.reading() as session:
            wallet = await wallets.wallet(session, organization, currency="USD")
        assert len(set(made)) == 1
        assert wallet.balance == usd("20")

    async def test_posts_a_fee_once_though_it_locks_no_wallet(self, database: Database) -> None:
        async def post(session: Session) -> int:
            return (await top_ups.post_fee(session, usd("0.88"), transaction_id="txn_1", source_id="tu_1")).id

        async def post_again() -> int:
            async with database.transaction() as session:
                return await post(session)

        async with database.transaction() as session:
            first = await post(session)
            again = asyncio.create_task(post_again())
            await until_somebody_waits(database)
        assert await again == first

    async def test_opens_a_wallet_once(self, database: Database) -> None:
        async def open_it() -> None:
            async with database.transaction() as session:
                await wallets.open_wallet(session, "org_new", currency="USD")

        await asyncio.gather(*(open_it() for _ in range(CLIENTS)))
        async with database.reading() as session:
            opened = await session.execute(text("SELECT count(*) FROM ledger.wallet WHERE owner_id = 'org_new'"))
        assert opened.scalar_one() == 1


class TestManySpenders:
    async def test_never_drain_a_wallet_below_zero(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "1")

        async def spend(number: int) -> int:
            chance = random.Random(number)
            spent = 0
            for _ in range(15):
                amount = Money(chance.randint(1, 40_000), "USD")
                try:
                    async with database.transaction() as session:
                        hold = await holds.place(
                            session, organization, amount, subject_id=key("al"), idempotency_key=key()
                        )
                    await _capture(database, hold.id, amount.micro, key())
                    spent += amount.micro
                except InsufficientFunds:
                    continue
            return spent

        spent = await asyncio.gather(*(spend(number) for number in range(CLIENTS)))
        async with database.transaction() as session:
            wallet = await wallets.wallet(session, organization, currency="USD")
            await assert_books_are_sound(session)
        assert wallet.balance.micro == 1_000_000 - sum(spent)
        assert wallet.balance.micro >= 0
        assert wallet.held.micro == 0


class TestOneHold:
    """Charges that wait for each other find the hold as the one before left it."""

    @pytest.mark.parametrize("others_held", [False, True], ids=["alone", "beside-others"])
    async def test_refuses_what_it_no_longer_covers(self, database: Database, *, others_held: bool) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            hold = await new_hold(session, organization, "10")
            if others_held:
                await new_hold(session, organization, "10")
        ended = await asyncio.gather(
            *(_capture(database, hold.id, 6_000_000, key()) for _ in range(CLIENTS)), return_exceptions=True
        )
        async with database.transaction() as session:
            wallet = await wallets.wallet(session, organization, currency="USD")
            await assert_books_are_sound(session)
        refused = [type(each) for each in ended if isinstance(each, Exception)]
        assert refused == [HoldExhausted] * (CLIENTS - 1)
        assert wallet.balance == usd("14")

    async def test_goes_on_to_the_wallet_and_the_receivable(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            hold = await new_hold(session, organization, "10")
        await asyncio.gather(*(_capture(database, hold.id, 6_000_000, key(), overrun=True) for _ in range(4)))
        async with database.transaction() as session:
            wallet = await wallets.wallet(session, organization, currency="USD")
            await assert_books_are_sound(session)
        assert (wallet.balance, wallet.held, wallet.receivable) == (usd("0"), usd("0"), usd("4"))


class TestEverythingAtOnce:
    async def test_settling_topping_up_holding_and_batches_never_wait_in_a_circle(self, database: Database) -> None:
        async with database.transaction() as session:
            organizations = [await new_wallet(session, "50") for _ in range(4)]
            placed = [(await new_hold(session, organization, "5")).id for organization in organizations * 2]

        async def act(number: int) -> None:
            chance = random.Random(number)
            for _ in range(20):
                organization, hold_id = chance.choice(organizations), chance.choice(placed)
                try:
                    match chance.randrange(6):
                        case 0:
                            await _capture(database, hold_id, chance.randint(1, 9999), key(), overrun=True)
                        case 1:
                            async with database.transaction() as session:
                                await top_ups.credit(
                                    session,
                                    organization,
                                    usd("0.5"),
                                    payment_intent_id=key("pi"),
                                    charge_id=key("ch"),
                                    source_id="tu",
                                )
                        case 2:
                            async with database.transaction() as session:
                                await new_hold(session, organization, "0.01")
                        case 3:
                            async with database.transaction() as session:
                                chosen = chance.sample(placed, len(placed))
                                await charges.capture_batch(
                                    session,
                                    {each: chance.randint(1, 999) for each in chosen},
                                    currency="USD",
                                    meter_kind="compute",
                                    settlement_id="stl_1",
                                    idempotency_key=key(),
                                    description="Usage",
                                    effective_at=await database_now(session),
                                )
                        case 4:
                            async with database.transaction() as session:
                                await holds.extend_many(session, dict.fromkeys(chance.sample(placed, 5), 100))
                        case _:
                            async with database.transaction() as session:
                                await credits.grant(
                                    session, organization, usd("0.01"), idempotency_key=key(), reason="Test"
                                )
                except (InsufficientFunds, Conflict):  # an empty wallet or an exhausted hold; anything else fails
                    continue

        async with asyncio.timeout(60):
            await asyncio.gather(*(act(number) for number in range(CLIENTS)))
        async with database.transaction() as session:
            await assert_books_are_sound(session)
            for organization in organizations:
                lines = await entries.list_for(session, organization, limit=5000, currency="USD")
                wallet = await wallets.wallet(session, organization, currency="USD")
                total = sum(line.amount.micro for line in lines)
                assert total == wallet.balance.micro + wallet.promo.micro - wallet.receivable.micro
