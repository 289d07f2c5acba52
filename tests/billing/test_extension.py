"""Holds are filled up before what runs has used them, as far as the wallet goes."""

import pytest

from sublet.billing import extension, meters
from sublet.core.db import Database
from sublet.core.money import Money
from sublet.ledger import credits, holds
from tests.billing.usage import A_DOLLAR_AN_HOUR, POLICY, new_running, new_subject
from tests.ledger.books import assert_books_are_sound, key, usd

pytestmark = pytest.mark.anyio


class TestHoldsStayAhead:
    async def test_are_filled_up_once(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_running(session, "20")
            assert await extension.extend_holds(session, policy=POLICY) == []
            assert await extension.extend_holds(session, policy=POLICY) == []
            hold = await holds.get(session, subject.hold_id)
        assert hold.rest == POLICY.hold_for(A_DOLLAR_AN_HOUR)

    async def test_stay_ahead_when_settlement_is_late(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(
                session, rate=A_DOLLAR_AN_HOUR, started_ago=7200, held=usd("0.50"), policy=POLICY
            )
            await extension.extend_holds(session, policy=POLICY)
            hold = await holds.get(session, subject.hold_id)
        assert hold.rest >= usd("2") + Money(960 * 1_000_000 // 3600, "USD")

    async def test_stay_ahead_of_what_earlier_rates_have_accrued(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(
                session, rate=A_DOLLAR_AN_HOUR, started_ago=7200, held=usd("0.50"), policy=POLICY
            )
            await meters.switch(session, subject.id, "suspended", subject.at(7190))
            await meters.switch(session, subject.id, "running", subject.at(7191))
            await extension.extend_holds(session, policy=POLICY)
            hold = await holds.get(session, subject.hold_id)
        assert hold.rest >= usd("1.999") + Money(960 * 1_000_000 // 3600, "USD")

    async def test_name_those_whose_wallet_cannot_bear_it(self, database: Database) -> None:
        async with database.transaction() as session:
            poor, rich = await new_running(session, "0.60"), await new_running(session, "20")
            assert await extension.extend_holds(session, policy=POLICY) == [poor.id]
            assert (await holds.get(session, rich.hold_id)).rest == POLICY.hold_for(A_DOLLAR_AN_HOUR)
            await assert_books_are_sound(session)

    async def test_use_promotional_money_too(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_running(session, "0.50")
            await credits.grant(session, subject.organization, usd("5"), idempotency_key=key(), reason="Welcome")
            assert await extension.extend_holds(session, policy=POLICY) == []
            assert (await holds.get(session, subject.hold_id)).rest == POLICY.hold_for(A_DOLLAR_AN_HOUR)
            await assert_books_are_sound(session)
