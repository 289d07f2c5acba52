"""What the top-up routes take and give."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from sublet.core.money import CurrencyCode, MoneyField
from sublet.payments.top_ups.states import TopUpState


class TopUpRequest(BaseModel):
    """How much to put in, and where in the console to come back to."""

    model_config = ConfigDict(extra="forbid")

    amount: Annotated[str, StringConstraints(max_length=24)] = Field(
        examples=["20.00"],
        description="Dollars: from 5.00 to 5,000.00, in whole cents. Other currencies have their own.",
    )
    currency: CurrencyCode
    return_path: Annotated[str, StringConstraints(max_length=200, pattern=r"^/([A-Za-z0-9_-][A-Za-z0-9_/.-]*)?$")] = (
        Field(
            default="/billing", description="A path in the console; the customer lands there after paying or giving up."
        )
    )


class PaymentFailure(BaseModel):
    """Why no money came: a stable code, and the processor's words for the cardholder."""

    code: str
    message: str


class TopUp(BaseModel):
    """A payment into the wallet. While it is open, `failure` tells of the last declined card.

    `amount` is what was asked for, and what was credited once it has succeeded.
    """

    id: str
    amount: MoneyField
    state: TopUpState
    checkout_url: str | None
    failure: PaymentFailure | None
    fee: MoneyField | None
    created_at: datetime
    completed_at: datetime | None


class WebhookReceived(BaseModel):
    """The event is safe with us."""

    received: Literal[True] = True
