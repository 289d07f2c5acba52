"""What an operator can do about promotional credit: give it, and make codes."""

from collections.abc import Iterator
from typing import cast
from urllib.parse import quote

from sublet.client.shapes.credits import CreditBudget, Grant, MadeGrant, MadePromoCode, PromoCode
from sublet.client.transport import Transport


class Credits:
    """The operator's half of credit."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, organization_id: str | None = None) -> Iterator[Grant]:
        """Credit that operators gave, newest first."""
        return self._transport.pages("/admin/credits", organization_id=organization_id)

    def grant(
        self,
        organization_id: str,
        amount: str,
        reason: str,
        *,
        currency: str,
        valid_days: int | None,
        idempotency_key: str | None = None,
    ) -> MadeGrant:
        """Give credit for so many days or (None) for ever; it may take somebody else's approval first."""
        body = {
            "organization_id": organization_id,
            "amount": amount,
            "currency": currency,
            "valid_days": valid_days,
            "reason": reason,
        }
        return cast(MadeGrant, self._transport.create("/admin/credits", body, key=idempotency_key))

    def budget(self) -> CreditBudget:
        """What operators may give this month without a second person."""
        return cast(CreditBudget, self._transport.get("/admin/credit-budget"))

    def codes(self) -> Iterator[PromoCode]:
        """Every code, newest first."""
        return self._transport.pages("/admin/promo-codes")

    def make_code(
        self,
        code: str,
        amount: str,
        reason: str,
        *,
        currency: str,
        most_uses: int,
        days: int,
        valid_days: int | None,
        idempotency_key: str | None = None,
    ) -> MadePromoCode:
        """Make a code that so many may redeem for `days`; it may take somebody else's approval first."""
        body = {
            "code": code,
            "amount": amount,
            "currency": currency,
            "most_uses": most_uses,
            "days": days,
            "valid_days": valid_days,
            "reason": reason,
        }
        return cast(MadePromoCode, self._transport.create("/admin/promo-codes", body, key=idempotency_key))

    def end_code(self, code_id: str) -> PromoCode:
        """Let nobody redeem the code any more."""
        return cast(PromoCode, self._transport.post(f"/admin/promo-codes/{quote(code_id, safe='')}/end"))
