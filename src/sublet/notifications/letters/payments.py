"""Letters about payments: receipts, cards that were declined, and charges that a bank wants confirmed."""

from sublet.client.formats import money
from sublet.core.actors import Permission
from sublet.core.db import Session
from sublet.core.outbox import StoredEvent
from sublet.identity.organizations import name_of
from sublet.notifications.kinds import Kind, Letter
from sublet.payments.top_ups import requests as top_ups
from sublet.payments.top_ups.off_session import WAIT_FOR_HOLDER
from sublet.payments.top_ups.states import TopUpState

_CARDS = "/billing?view=cards"


def _page(event: StoredEvent) -> str:
    return top_ups.landing("/billing", event.data["top_up_id"])


async def _receipt(session: Session, event: StoredEvent) -> Letter:
    row = await top_ups.get(session, event.data["top_up_id"])
    name, amount = await name_of(session, event.organization_id), money(event.data["amount"], exact=True)
    how = "by auto top-up " if row.purpose == "auto_top_up" else ""
    return Letter(
        f"Receipt: {amount} paid in",
        (
            f"{amount} were paid {how}with a card and are in the wallet of {name}.",
            f"The payment is {row.id}. Its page has the receipt for your bookkeeping.",
        ),
        _page(event),
        "See the payment",
    )


async def _declined(session: Session, event: StoredEvent) -> Letter | None:
    row = await top_ups.get(session, event.data["top_up_id"])
    automatic = row.purpose == "auto_top_up"
    if row.state != TopUpState.FAILED and not automatic:
        return None  # nobody paid on its page, which nobody needs to be told; or the money came after all
    if row.state == TopUpState.SUCCEEDED:
        return None
    name, amount = await name_of(session, event.organization_id), money(event.data["amount"], exact=True)
    why = f" The card processor says: {row.failure_message}" if row.failure_message else ""
    next_step = (
        "Auto top-up tries again an hour later at the earliest. Add funds or choose another card until then."
        if automatic
        else "Try again, or pay with another card."
    )
    return Letter(
        f"A payment of {amount} was declined",
        (f"A card payment of {amount} for {name} came to nothing, and nothing was charged.{why}", next_step),
        _CARDS if automatic else _page(event),
        "See your cards" if automatic else "See the payment",
    )


async def _needs_action(session: Session, event: StoredEvent) -> Letter | None:
    row = await top_ups.get(session, event.data["top_up_id"])
    if row.state != TopUpState.NEEDS_ACTION:
        return None
    name, amount = await name_of(session, event.organization_id), money(event.data["amount"], exact=True)
    hours = int(WAIT_FOR_HOLDER.total_seconds() // 3600)
    return Letter(
        f"Your bank asks you to confirm {amount}",
        (
            f"An auto top-up of {amount} for {name} waits: the bank wants the card's holder to confirm it.",
            f"Nothing is charged until then, and after {hours} hours the payment is given up.",
        ),
        _page(event),
        "Confirm the payment",
    )


async def _stopped(session: Session, event: StoredEvent) -> Letter:
    name = await name_of(session, event.organization_id)
    return Letter(
        "Auto top-up has stopped",
        (
            f"{event.data['declines']} charges in a row came to nothing, so auto top-up of {name} charges no more.",
            "The funds are not topped up by themselves now. Choose another card and set auto top-up again.",
        ),
        _CARDS,
        "See your cards",
    )


async def _expiring(session: Session, event: StoredEvent) -> Letter:
    name, of = await name_of(session, event.organization_id), event.data
    card = f"The card of {name} that ends in {of['last4']}"
    ends = f"{of['expiry_year']}-{of['expiry_month']:02d}"
    follows = (
        "Auto top-up charges it: from then on nothing is topped up by itself, and funds run out."
        if of["tops_up"]
        else "Auto top-up does not charge it, so nothing stops by itself."
    )
    return Letter(
        f"A card expires: the one that ends in {of['last4']}",
        (
            f"{card} can be charged until the end of {ends}.",
            follows,
            "Save another card, and make it the default.",
        ),
        _CARDS,
        "See your cards",
    )


async def _misconfigured(_session: Session, event: StoredEvent) -> Letter:
    return Letter(
        "Nobody can pay: the card processor does not accept our key",
        (
            f"The card processor says: {event.data['said']}",
            "No top-up can begin, and no refund is sent, until its key in the settings is right.",
            "What waits goes on by itself then.",
        ),
        "/operator/money/findings?severity=critical",
        "See what is found",
    )


async def _warned(session: Session, event: StoredEvent) -> Letter:
    name, amount = await name_of(session, event.data["customer_id"]), money(event.data["amount"], exact=True)
    return Letter(
        f"A payment of {amount} may be fraud",
        (
            f"The issuer of a card warns of the payment {event.data['top_up_id']}, {amount} into the wallet of {name}.",
            "Nothing was done about it. Refunded before it is disputed, it costs no dispute fee.",
        ),
        "/operator/money/findings",
        "See what is found",
    )


KINDS = (
    Kind(
        "top_up.received",
        "Receipts: money was paid in",
        ("top_up.succeeded",),
        Permission.WALLET_TOP_UP,
        _receipt,
    ),
    Kind("top_up.declined", "A payment was declined", ("top_up.failed",), Permission.WALLET_TOP_UP, _declined),
    Kind(
        "top_up.needs_action",
        "A bank wants a charge confirmed that was made while nobody was there",
        ("top_up.needs_action",),
        Permission.WALLET_TOP_UP,
        _needs_action,
        always="The charge waits for you alone, and without it your funds run out.",
    ),
    Kind(
        "auto_top_up.stopped",
        "Auto top-up has stopped after declined charges",
        ("auto_top_up.stopped",),
        Permission.AUTO_TOP_UP_MANAGE,
        _stopped,
        always="Who relies on auto top-up would otherwise learn of it when programs end.",
    ),
    Kind(
        "card.expiring",
        "A saved card expires: in the month before its last one, and in that",
        ("card.expiring",),
        Permission.CARD_MANAGE,
        _expiring,
    ),
    Kind(
        "payments.misconfigured",
        "The card processor does not accept our key",
        ("payments.misconfigured",),
        Permission.ADMIN_REFUND_CREATE,
        _misconfigured,
        always="Nobody can pay until an operator has seen to it.",
    ),
    Kind(
        "payments.fraud_warned",
        "A card's issuer warns of a payment",
        ("payments.fraud_warned",),
        Permission.ADMIN_REFUND_CREATE,
        _warned,
    ),
)
