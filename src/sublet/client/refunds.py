"""What an operator can do about money that goes back: refunds, requests for them, adjustments, disputes."""

from collections.abc import Iterator
from typing import cast
from urllib.parse import quote

from sublet.client.shapes.evidence import Evidence
from sublet.client.shapes.refunds import (
    BegunRefund,
    Dispute,
    GrantedRequest,
    MadeAdjustment,
    Payment,
    Refund,
    RefundRequest,
)
from sublet.client.transport import Transport


class Refunds:
    """The operator's half of refunds."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def payments(self, organization_id: str) -> Iterator[Payment]:
        """An organization's payments, oldest first, with what of each can go back."""
        return self._transport.pages("/admin/payments", organization_id=organization_id)

    def list(self, *, state: str | None = None, organization_id: str | None = None) -> Iterator[Refund]:
        """Every refund, newest first."""
        return self._transport.pages("/admin/refunds", state=state, organization_id=organization_id)

    def create(self, top_up_id: str, amount: str, reason: str, *, idempotency_key: str | None = None) -> BegunRefund:
        """Send so much of a payment back to its card; it may take somebody else's approval first."""
        body = {"top_up_id": top_up_id, "amount": amount, "reason": reason}
        return cast(BegunRefund, self._transport.create("/admin/refunds", body, key=idempotency_key))

    def requests(self, *, state: str | None = None) -> Iterator[RefundRequest]:
        """What customers ask to have back, newest first."""
        return self._transport.pages("/admin/refund-requests", state=state)

    def grant(self, request_id: str, decision: str) -> GrantedRequest:
        """Say yes, and begin the refund; it may take somebody else's approval first."""
        return cast(GrantedRequest, self._transport.post(_request(request_id, "grant"), {"decision": decision}))

    def decline(self, request_id: str, decision: str) -> RefundRequest:
        """Say no; the customer reads why."""
        return cast(RefundRequest, self._transport.post(_request(request_id, "decline"), {"decision": decision}))

    def adjust(
        self,
        organization_id: str,
        direction: str,
        amount: str,
        reason: str,
        *,
        currency: str,
        idempotency_key: str | None = None,
    ) -> MadeAdjustment:
        """`give` or `take` so much within the books; it may take somebody else's approval first."""
        body = {
            "organization_id": organization_id,
            "direction": direction,
            "amount": amount,
            "currency": currency,
            "reason": reason,
        }
        return cast(MadeAdjustment, self._transport.create("/admin/adjustments", body, key=idempotency_key))

    def disputes(self, *, state: str | None = None) -> Iterator[Dispute]:
        """Every dispute and inquiry, newest first."""
        return self._transport.pages("/admin/disputes", state=state)

    def dispute(self, dispute_id: str) -> Dispute:
        """One dispute."""
        return cast(Dispute, self._transport.get(f"/admin/disputes/{quote(dispute_id, safe='')}"))

    def evidence(self, dispute_id: str) -> Evidence:
        """What speaks for a disputed payment."""
        return cast(Evidence, self._transport.get(f"/admin/disputes/{quote(dispute_id, safe='')}/evidence"))

    def answer(self, dispute_id: str, note: str | None = None, *, idempotency_key: str | None = None) -> Dispute:
        """Send the evidence to the bank as it is now; it takes one answer."""
        path = f"/admin/disputes/{quote(dispute_id, safe='')}/evidence"
        return cast(Dispute, self._transport.create(path, {"note": note}, key=idempotency_key))


def _request(request_id: str, act: str) -> str:
    return f"/admin/refund-requests/{quote(request_id, safe='')}/{act}"
