"""Whether the time zone that a process was given is the one in which the months of these books end."""

from sqlalchemy.exc import SQLAlchemyError

from sublet.core import telemetry
from sublet.core.crashes import message_of
from sublet.core.db import Database
from sublet.core.runtime import NotConfigured
from sublet.ledger import months

log = telemetry.get_logger(__name__)


async def require_time_zone(database: Database, time_zone: str) -> None:
    """Keep the time zone with the books while they are empty; NotConfigured when they are kept in another.

    A database that does not answer, or has no such table yet, is for who needs it next to complain of.
    """
    try:
        async with database.transaction() as session:
            kept = await months.keep_calendar(session, time_zone)
    except (SQLAlchemyError, OSError) as error:
        log.warning("time_zone.not_compared", error=message_of(error))
        return
    if kept != time_zone:
        raise NotConfigured(
            f"SUBLET_TIME_ZONE is {time_zone}, and the months of these books end by {kept}: some charges would fall "
            f"into another month than before. Nothing was started or made. Set SUBLET_TIME_ZONE to {kept}."
        )
