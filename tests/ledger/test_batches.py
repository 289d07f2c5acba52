"""A batch takes of each wallet just what single charges would, promotional money first, in a line for each account."""

import random

import pytest
from sqlalchemy import text

from sublet.core.db import Database, Session
from sublet.core.money import Money
from sublet.ledger import charges, holds, wallets
from sublet.ledger.events import WalletChanged
from tests.ledger.books import assert_books_are_sound, charge, charge_together, grant, key, new_wallet, purse_of

pytestmark = pytest.mark.anyio


def _dollars(micro: int) -> str:
    return Money(micro, "USD").decimal_string()


async def _furnished(session: Session, seed: int) -> tuple[str, dict[int, str]]:
    """A wallet with promotional money from before, between and after its holds, and a charge for each hold."""
    luck = random.Random(seed)
    organization = await new_wallet(session, "20")
    asked = {}
    for _ in range(luck.randint(1, 4)):
        if luck.random() < 0.5:
            await grant(session, organization, _dollars(luck.randint(1, 3_000_000)))
        amount = luck.randint(1, 2_000_000)
        hold = await holds.place(
            session, organization, Money(amount, "USD"), subject_id=key("al"), idempotency_key=key()
        )
        asked[hold.id] = _dollars(luck.randint(1, amount))
    if luck.random() < 0.7:
        await grant(session, organization, _dollars(luck.randint(1, 3_000_000)))
    return organization, asked


class TestPromotionalMoney:
    async def test_is_spent_as_by_single_charges_in_the_order_of_the_holds(self, database: Database) -> None:
        seen = set()
        async with database.transaction() as session:
            for seed in range(60):
                together, amounts = await _furnished(session, seed)
                singly, same = await _furnished(session, seed)
                assert set(await charge_together(session, amounts)) == set(amounts)
                for hold_id, amount in same.items():
                    await charge(session, hold_id, amount)
                assert await purse_of(session, together) == await purse_of(session, singly), seed
                rests = text("SELECT promo_rest, amount - captured FROM ledger.hold WHERE id = ANY(:ids) ORDER BY id")
                left = [(await session.execute(rests, {"ids": list(ids)})).all() for ids in (amounts, same)]
                assert left[0] == left[1], seed
                purse = await purse_of(session, together)
                seen.add((purse.promo > 0, purse.wallet < 20_000_000))
            await assert_books_are_sound(session)
        assert seen == {(True, False), (True, True), (False, True)}  # what is spent was of each kind, and of both

    async def test_of_many_wallets_is_charged_in_one_entry(self, database: Database) -> None:
        async with database.transaction() as session:
            amounts = {}
            for seed in range(8):
                amounts |= (await _furnished(session, seed))[1]
            assert len(set((await charge_together(session, amounts)).values())) == 1

    async def test_of_a_hold_that_is_too_small_is_left(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "1")
            await grant(session, organization, "5")
            hold = await holds.place(
                session, organization, Money(1_000_000, "USD"), subject_id=key("al"), idempotency_key=key()
            )
            before = await purse_of(session, organization)
            assert await charge_together(session, {hold.id: "1.000001"}) == {}
            assert await purse_of(session, organization) == before


class TestEvents:
    async def test_of_a_batch_come_in_one_statement_with_what_each_wallet_holds(self, database: Database) -> None:
        async with database.transaction() as session:
            amounts = {}
            for seed in range(3):
                amounts |= (await _furnished(session, seed))[1]
            await session.execute(
                text("SELECT set_config('sublet.before', (SELECT max(id)::text FROM outbox_event), true)")
            )
            await charges.capture_batch(
                session,
                dict.fromkeys(amounts, 1),
                currency="USD",
                meter_kind="compute",
                settlement_id="stl_1",
                idempotency_key=key(),
                description="Usage",
                effective_at=(await session.execute(text("SELECT clock_timestamp()"))).scalar_one(),
            )
            rows = await session.execute(
                text(
                    "SELECT type, subject, organization_id, data FROM outbox_event "
                    "WHERE id > current_setting('sublet.before')::bigint"
                )
            )
            told = {row.subject: (row.type, row.organization_id, row.data) for row in rows}
            for organization in {await _owner(session, hold_id) for hold_id in amounts}:
                now = await wallets.wallet(session, organization, currency="USD")
                event = WalletChanged(
                    organization_id=organization,
                    balance=now.balance.field(),
                    held=now.held.field(),
                    available=now.available.field(),
                )
                assert told.pop(organization) == (event.type, organization, event.model_dump(mode="json"))
        assert told == {}


async def _owner(session: Session, hold_id: int) -> str:
    return (await holds.get(session, hold_id)).organization_id
