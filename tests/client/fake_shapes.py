"""Times, money and refusals as the API writes them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any


def at(seconds_ago: float = 0) -> str:
    """A time of the API, before now."""
    return (datetime.now(UTC) - timedelta(seconds=seconds_ago)).isoformat().replace("+00:00", "Z")


def usd(amount: str | Decimal) -> dict[str, str]:
    """Money, with at least two places."""
    whole, _, fraction = f"{Decimal(amount):f}".partition(".")
    return {"amount": f"{whole}.{fraction.rstrip('0').ljust(2, '0')}", "currency": "USD"}


def per_hour(amount: str) -> dict[str, str]:
    """A rate."""
    return {"amount": amount, "currency": "USD", "per": "hour"}


class Problem(Exception):
    """A refusal of the server."""

    def __init__(self, status: int, code: str, detail: str, **extra: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.body = {"type": "about:blank", "title": code, "status": status, "code": code, "detail": detail, **extra}
