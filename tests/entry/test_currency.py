"""The currency that a process was given, beside the wallets that there are."""

import pytest

from sublet.core.db import Database
from sublet.core.runtime import NotConfigured
from sublet.entry.currency import require_currency
from sublet.ledger.wallets import open_wallet

pytestmark = pytest.mark.anyio


async def keep(database: Database, owner: str, currency: str) -> None:
    async with database.transaction() as session:
        await open_wallet(session, owner, currency=currency)


class TestTheCurrency:
    async def test_is_any_until_there_is_a_wallet(self, database: Database) -> None:
        await require_currency(database, "EUR")

    async def test_must_be_one_that_a_wallet_is_kept_in(self, database: Database) -> None:
        await keep(database, "org_x", "USD")
        await require_currency(database, "USD")
        with pytest.raises(NotConfigured, match=r"SUBLET_CURRENCY is EUR, and the wallets .* are kept in USD"):
            await require_currency(database, "EUR")
        await keep(database, "org_y", "EUR")
        await require_currency(database, "EUR")

    async def test_ends_nothing_while_the_database_is_away(self, app_url: str) -> None:
        away = Database(app_url.replace("host=", "host=%2Fnowhere"), pool_size=1)
        await require_currency(away, "EUR")
        await away.close()
