"""Which installation this is: several may take payments through one account of the card processor."""

from datetime import datetime

from sqlalchemy import select

from sublet.core.db import Session
from sublet.payments.models import installation


async def own_id(session: Session) -> str:
    """The id that was drawn when the database was made; what is restored from a backup has it too."""
    return str((await session.execute(select(installation.c.id))).scalar_one())


async def made_at(session: Session) -> datetime:
    """When the database was made: what the account of the processor did before is not ours."""
    moment: datetime = (await session.execute(select(installation.c.made_at))).scalar_one()
    return moment
