"""What web, worker and operator need of the database before they begin."""

from sublet.core.db import Database
from sublet.core.runtime import require_our_settings
from sublet.entry.currency import require_currency


async def require_prerequisites(database: Database, currency: str) -> None:
    """NotConfigured unless connections have the settings that we ask for, and wallets are kept in the currency.

    A database that is away raises what SQLAlchemy or the network says: it is for the caller to wait for it or to end.
    """
    await require_our_settings(database)
    await require_currency(database, currency)
