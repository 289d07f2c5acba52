"""What happens to saved cards, told in the past tense."""

from typing import ClassVar

from sublet.core.outbox import Event


class CardSaved(Event):
    """A card can be charged from now on."""

    type: ClassVar[str] = "card.saved"

    card_id: str
    brand: str
    last4: str


class CardSetupFailed(Event):
    """No card was saved: the page was left, or could not be opened."""

    type: ClassVar[str] = "card_setup.failed"

    card_setup_id: str


class CardExpiring(Event):
    """A card can be charged until its last month is over, which is this one (`months` 0) or the next (1); `tops_up`
    says whether auto top-up charges it. Told once in each."""

    type: ClassVar[str] = "card.expiring"

    card_id: str
    brand: str
    last4: str
    expiry_month: int
    expiry_year: int
    months: int
    tops_up: bool


class CardMadeDefault(Event):
    """A card is the one that auto top-ups are charged to."""

    type: ClassVar[str] = "card.made_default"

    card_id: str


class CardRemoved(Event):
    """A card is charged no more."""

    type: ClassVar[str] = "card.removed"

    card_id: str
