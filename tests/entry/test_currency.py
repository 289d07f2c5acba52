"""The currency that a process was given, beside the wallets that there are."""

import pytest

from sublet.core.db import Database
from sublet.core.runtime import NotConfigured, time_zone_of
from sublet.core.settings import Settings
from sublet.entry.currency import require_currency
from sublet.entry.time_zone import require_time_zone
from sublet.ledger.wallets import open_wallet
from tests.ledger.books import new_wallet

pytestmark = pytest.mark.anyio


async def keep(database: Database, owner: str, currency: str) -> None:
    async with database.transaction() as session:
        await open_wallet(session, owner, currency=currency)


class TestTheCurrency:
    async def test_is_any_until_there_is_a_wallet(self, database: Database) -> None:
        await require_currency(database, "EUR")

    async def test_must_be_the_one_that_every_wallet_is_kept_in(self, database: Database) -> None:
        await keep(database, "org_x", "USD")
        await require_currency(database, "USD")
        with pytest.raises(NotConfigured, match=r"SUBLET_CURRENCY is EUR, and wallets .* are kept in USD"):
            await require_currency(database, "EUR")
        await keep(database, "org_y", "EUR")
        with pytest.raises(NotConfigured, match="are kept in USD"):
            await require_currency(database, "EUR")
        with pytest.raises(NotConfigured, match="are kept in EUR"):
            await require_currency(database, "USD")

    async def test_ends_nothing_while_the_database_is_away(self, app_url: str) -> None:
        away = Database(app_url.replace("host=", "host=%2Fnowhere"), pool_size=1)
        await require_currency(away, "EUR")
        await away.close()


class TestTheTimeZone:
    async def test_is_kept_with_the_books_once_there_are_entries(self, database: Database) -> None:
        await require_time_zone(database, "Europe/Berlin")
        async with database.transaction() as session:
            await new_wallet(session, "20")
        await require_time_zone(database, "Europe/Berlin")
        with pytest.raises(
            NotConfigured, match=r"TIME_ZONE is UTC, and the months of these books end by Europe/Berlin"
        ):
            await require_time_zone(database, "UTC")

    async def test_ends_nothing_while_the_database_is_away(self) -> None:
        away = Database("postgresql://u@127.0.0.1:1/name")
        await require_time_zone(away, "UTC")
        await away.close()

    def test_is_not_assumed(self) -> None:
        with pytest.raises(NotConfigured, match="SUBLET_TIME_ZONE is not set"):
            time_zone_of(Settings())
