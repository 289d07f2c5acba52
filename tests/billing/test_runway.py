"""How long the funds last at the present rates."""

import pytest

from sublet.billing.standing import standing
from sublet.core.db import Database
from sublet.core.money import Rate
from tests.billing.usage import A_DOLLAR_AN_HOUR, POLICY, age, new_running
from tests.ledger.books import new_wallet, usd

pytestmark = pytest.mark.anyio


class TestRunway:
    async def test_nothing_running_lasts_for_ever(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            lasts = (await standing(session, organization, currency="USD", policy=POLICY)).runway
        assert (lasts.seconds, lasts.burn, lasts.left) == (None, Rate(0, "USD"), usd("20"))
        assert lasts.warning is None

    async def test_counts_held_money_and_leaves_the_reserve_out(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_running(session, "20")
            lasts = (await standing(session, subject.organization, currency="USD", policy=POLICY)).runway
        assert lasts.burn == A_DOLLAR_AN_HOUR
        assert lasts.seconds is not None
        assert 20 * 3600 - 960 - 60 < lasts.seconds <= 20 * 3600 - 960

    async def test_falls_while_usage_accrues(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_running(session, "20")
            await age(session, subject, 3600)
            lasts = (await standing(session, subject.organization, currency="USD", policy=POLICY)).runway
        assert lasts.left < usd("19.0001")
