"""Until when the data of an allocation are kept that nobody pays for."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row

from sublet.billing.standing import Standing


def data_kept_until(row: Row[Any], stands: Standing, *, costs: bool) -> datetime | None:
    """When the allocation is released; None but for what is suspended and nobody pays for.

    Enough money to run again cancels it, and a smaller top-up moves it once.

    A row has `ended_at`, `wanted` and `suspended_for`; `costs` says whether it costs anything as it is now.
    """
    if row.ended_at is not None or row.wanted != "suspended":
        return None
    unpaid = row.suspended_for == "funds" or costs
    return stands.data_kept_until if unpaid else None
