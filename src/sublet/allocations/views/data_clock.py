"""Until when the data of an allocation are kept that nobody pays for."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row

from sublet.billing.standing import Standing


def data_kept_until(row: Row[Any], stands: Standing) -> datetime | None:
    """When the allocation is released unless money comes in; None but for what is suspended and nobody pays for.

    A row has `ended_at`, `wanted`, `suspended_for` and `suspended_nano_per_hour`.
    """
    if row.ended_at is not None or row.wanted != "suspended":
        return None
    unpaid = row.suspended_for == "funds" or row.suspended_nano_per_hour > 0
    return stands.data_kept_until if unpaid else None
