"""Which installation this is: several may take payments through one account of the card processor."""

from sqlalchemy import select

from sublet.core.db import Session
from sublet.payments.models import installation


async def own_id(session: Session) -> str:
    """The id that was drawn when the database was made; what is restored from a backup has it too."""
    return str((await session.execute(select(installation.c.id))).scalar_one())
