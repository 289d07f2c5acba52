"""Books in which something has happened."""

from sublet.core.db import Database
from tests.ledger.books import new_hold, new_wallet


async def books_with_something_in_them(database: Database) -> str:
    async with database.transaction() as session:
        organization = await new_wallet(session, "20")
        await new_hold(session, organization, "5")
    return organization
