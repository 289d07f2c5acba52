"""What the routes of payments take and give."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from sublet.core.actions import ActionOut
from sublet.core.money import CurrencyCode, MoneyField
from sublet.payments.cards.states import SetupState
from sublet.payments.top_ups.states import TopUpState

ReturnPath = Annotated[str, StringConstraints(max_length=200, pattern=r"^/([A-Za-z0-9_-][A-Za-z0-9_/.-]*)?$")]
Amount = Annotated[str, StringConstraints(max_length=24)]


class TopUpRequest(BaseModel):
    """How much to put in, and where in the console to come back to."""

    model_config = ConfigDict(extra="forbid")

    amount: Amount = Field(
        examples=["20.00"],
        description="Dollars: from 5.00 to 5,000.00, in whole cents. Other currencies have their own.",
    )
    currency: CurrencyCode
    return_path: ReturnPath = Field(
        default="/billing", description="A path in the console; the customer lands there after paying or giving up."
    )


class CardSetupRequest(BaseModel):
    """Where in the console to come back to after saving a card."""

    model_config = ConfigDict(extra="forbid")

    return_path: ReturnPath = Field(
        default="/billing", description="A path in the console; the customer lands there after saving a card or not."
    )


class AutoTopUpRequest(BaseModel):
    """When and how much to top up: below `threshold`, by as many times `amount` as it takes, within the cap."""

    model_config = ConfigDict(extra="forbid")

    currency: CurrencyCode
    threshold: Amount = Field(description="Funds below this are topped up.", examples=["10.00"])
    amount: Amount = Field(description="One top-up, as it could be made by hand.", examples=["20.00"])
    monthly_cap: Amount = Field(description="Never charged more in a month of the books.", examples=["200.00"])


class PaymentFailure(BaseModel):
    """Why no money came: a stable code, and the processor's words for the cardholder."""

    code: str
    message: str


class TopUp(BaseModel):
    """A payment into the wallet. While it is open, `failure` tells of the last declined card.

    `amount` is what was asked for, and what was credited once it has succeeded. One with a `saved_card_id` is charged
    to that card; one that `needs_action` waits until the card's holder confirms it.
    """

    id: str
    purpose: Literal["top_up", "auto_top_up"]
    saved_card_id: str | None
    amount: MoneyField
    state: TopUpState
    checkout_url: str | None
    failure: PaymentFailure | None
    fee: MoneyField | None
    created_at: datetime
    completed_at: datetime | None
    actions: list[ActionOut]


class Confirmation(BaseModel):
    """Where the card's holder confirms the payment; send the customer there."""

    url: str


class CardSetup(BaseModel):
    """The saving of a card on a page of the processor; while it is pending, `failure` tells of the last one refused."""

    id: str
    state: SetupState
    checkout_url: str | None
    failure: PaymentFailure | None
    created_at: datetime
    completed_at: datetime | None


class SavedCard(BaseModel):
    """A card that can be charged; all that is kept of it."""

    id: str
    brand: str
    last4: str
    expiry_month: int
    expiry_year: int
    is_default: bool
    saved_at: datetime
    actions: list[ActionOut]


class AutoTopUp(BaseModel):
    """When and how much is topped up, and how it stands; amounts are absent until somebody has set them.

    `declines` are the charges that came to nothing since it was set or since one was paid. `top_up_id` is the charge
    that is under way.
    """

    currency: str
    enabled: bool
    threshold: MoneyField | None = None
    amount: MoneyField | None = None
    monthly_cap: MoneyField | None = None
    charged_this_month: MoneyField | None = None
    standing: Literal[
        "off",
        "enough",
        "under_way",
        "stopped",
        "no_card",
        "taken_back",
        "waiting",
        "cap_reached",
        "charges",
    ]
    declines: int = 0
    tries_again_at: datetime | None = None
    top_up_id: str | None = None
    actions: list[ActionOut]


class WebhookReceived(BaseModel):
    """The event is safe with us."""

    received: Literal[True] = True
