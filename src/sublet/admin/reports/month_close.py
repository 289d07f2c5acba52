"""Closing a month: what stands in the way of it, in the books and in what is not charged yet."""

from collections.abc import Sequence

from sublet.billing import month_edges
from sublet.core.actions import Refusal
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.ledger import months
from sublet.ledger.failures import MonthNotClosable
from sublet.ledger.months import Month


async def why_not_close(session: Session, one: Month, known: Sequence[Month]) -> Refusal | None:
    """Why a month cannot be closed now; what was delivered in it is charged first."""
    refusal = months.why_not_close(one, known, await database_now(session))
    if refusal is not None:
        return refusal
    uncharged = await month_edges.uncharged(session, before=one.ends_at)
    if not uncharged:
        return None
    return Refusal(
        MonthNotClosable,
        f"What {uncharged} of the meters measured in {one.month} is not charged yet.",
        "Settlement does it within its interval; if it does not, see `sublet admin work ls`.",
        "Nothing was closed.",
    )
