"""What an operator can read of payouts."""

from collections.abc import Iterator
from typing import cast
from urllib.parse import quote

from sublet.client.shapes.payouts import Payout, PayoutTransaction, WholePayout
from sublet.client.transport import Transport


class Payouts:
    """What the card processor sends to the bank."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, state: str | None = None) -> Iterator[Payout]:
        """Every payout, newest first."""
        return self._transport.pages("/admin/payouts", state=state)

    def get(self, payout_id: str) -> WholePayout:
        """One payout, with all that became of it."""
        return cast(WholePayout, self._transport.get(_payout(payout_id)))

    def transactions(self, payout_id: str) -> Iterator[PayoutTransaction]:
        """The balance transactions that a payout is made of."""
        return self._transport.pages(f"{_payout(payout_id)}/transactions")


def _payout(payout_id: str) -> str:
    return f"/admin/payouts/{quote(payout_id, safe='')}"
