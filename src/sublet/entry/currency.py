"""Whether the currency that a process was given is the one that all wallets of this installation are kept in."""

from sqlalchemy.exc import SQLAlchemyError

from sublet.core import telemetry
from sublet.core.crashes import message_of
from sublet.core.db import Database
from sublet.core.runtime import NotConfigured
from sublet.ledger import wallets

log = telemetry.get_logger(__name__)


async def require_currency(database: Database, currency: str) -> None:
    """NotConfigured when there is a wallet in another currency: what is in it would be gone from sight.

    A database that does not answer, or has no wallets' table yet, is for who needs it next to complain of.
    """
    try:
        async with database.reading() as session:
            kept = await wallets.kept_beside(session, currency)
    except (SQLAlchemyError, OSError) as error:
        log.warning("currency.not_compared", error=message_of(error))
        return
    if kept is not None:
        raise NotConfigured(
            f"SUBLET_CURRENCY is {currency}, and wallets of this installation are kept in {kept}: nobody could see "
            f"or spend what they have. Nothing was started or made. Set SUBLET_CURRENCY to {kept}; what is to be sold "
            f"in {currency} takes an installation with a database of its own."
        )
