"""What web, worker and operator need of the database before they begin."""

from sublet.core.db import Database
from sublet.core.runtime import currency_of, require_our_settings, time_zone_of
from sublet.core.settings import Settings
from sublet.entry.currency import require_currency
from sublet.entry.time_zone import require_time_zone


async def require_prerequisites(database: Database, settings: Settings) -> None:
    """NotConfigured unless connections have the settings that we ask for, wallets are kept in the currency, and months
    end in the time zone.

    A database that is away raises what SQLAlchemy or the network says: it is for the caller to wait for it or to end.
    """
    currency, time_zone = currency_of(settings), time_zone_of(settings)
    await require_our_settings(database)
    await require_currency(database, currency)
    await require_time_zone(database, time_zone)
