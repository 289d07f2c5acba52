"""Names and numbers of the Linux accounts that allocations become; neither is ever used twice in the fleet."""

from sqlalchemy import text

from sublet.core.db import Session

ALLOCATION_PREFIX = "al_"


def login_of(allocation_id: str) -> str:
    """The Linux login of an allocation: `al_4k7…` becomes `al-4k7…`."""
    if not allocation_id.startswith(ALLOCATION_PREFIX):
        raise ValueError(f"{allocation_id!r} is not an allocation's id")
    return f"al-{allocation_id.removeprefix(ALLOCATION_PREFIX)}"


async def next_uid(session: Session) -> int:
    """A uid from 200000 up that no account has had before; a rolled-back one is skipped, not reused."""
    uid: int = (await session.execute(text("SELECT nextval('allocation_uid')"))).scalar_one()
    return uid
