"""Letters about money that goes back, or that a bank takes back."""

from sublet.client.formats import money
from sublet.core.actors import Permission
from sublet.core.db import Session
from sublet.core.money import Money
from sublet.core.outbox import StoredEvent
from sublet.identity.organizations import name_of
from sublet.notifications.kinds import Kind, Letter
from sublet.payments.disputes.states import DisputeState
from sublet.payments.refund_requests import requests

_REFUNDS = ("/billing?view=refunds", "See your refunds")
_LEDGER = ("/billing?view=ledger", "See your ledger")


async def _decided(session: Session, event: StoredEvent) -> Letter:
    row = await requests.get(session, event.data["refund_request_id"])
    name = await name_of(session, event.organization_id)
    asked = Money(row.amount, row.currency)
    if event.data["granted"]:
        what = f"Your request to have {asked} back was granted"
        then = f"The money has left the wallet of {name} and is on its way to the card. You are told when it was sent."
    else:
        what = f"Your request to have {asked} back was declined"
        then = f"Nothing was changed: the money is in the wallet of {name}."
    return Letter(what, (f"{what}. The reason given: {event.data['decision']}", then), *_REFUNDS)


async def _sent(session: Session, event: StoredEvent) -> Letter:
    name, amount = await name_of(session, event.organization_id), money(event.data["amount"], exact=True)
    return Letter(
        f"{amount} were refunded to your card",
        (
            f"A refund of {amount} from the wallet of {name} was sent to the card that the payment was made with.",
            "Banks take some days until it shows on a statement.",
        ),
        *_REFUNDS,
    )


async def _not_made(session: Session, event: StoredEvent) -> Letter:
    name, amount = await name_of(session, event.organization_id), money(event.data["amount"], exact=True)
    return Letter(
        f"A refund of {amount} did not reach your card",
        (
            f"A refund of {amount} for {name} was not made, or came back from the card.",
            f"Its money is in the wallet of {name} again, less what was owed there.",
        ),
        *_REFUNDS,
    )


async def _opened(session: Session, event: StoredEvent) -> Letter | None:
    state = event.data["state"]
    if state not in {DisputeState.INQUIRY, DisputeState.OPEN}:
        return None
    name, amount = await name_of(session, event.organization_id), money(event.data["amount"], exact=True)
    if state == DisputeState.INQUIRY:
        return Letter(
            f"A bank asks about a payment of {amount}",
            (
                f"The bank of a card holder asks about a payment of {amount} into the wallet of {name}.",
                "No money has moved. If the payment was yours, tell the bank that it was.",
            ),
            *_LEDGER,
        )
    return Letter(
        f"A payment of {amount} is disputed",
        (
            f"The holder of a card asked the bank to take back a payment of {amount} into the wallet of {name}.",
            f"Until the bank decides, {amount} cannot be spent, and where there is less, nothing new is launched.",
            "If the payment was yours, ask the bank to withdraw the dispute.",
        ),
        *_LEDGER,
    )


async def _ended(session: Session, event: StoredEvent) -> Letter | None:
    state = event.data["state"]
    name, amount = await name_of(session, event.organization_id), money(event.data["amount"], exact=True)
    said = {
        DisputeState.WON: ("the payment stands", "What was kept aside can be spent again."),
        DisputeState.CLOSED: ("it was closed, and the payment stands", "No money was taken back."),
        DisputeState.LOST: (
            "the bank took the money back",
            "What of it had not been spent has left the wallet; what had been is owed, and the next top-up pays it "
            "first.",
        ),
    }.get(state)
    if said is None:
        return None
    return Letter(
        f"The dispute about {amount} is decided",
        (f"The dispute about a payment of {amount} into the wallet of {name} has ended: {said[0]}.", said[1]),
        *_LEDGER,
    )


_DISPUTE = "It is about money of yours that the bank may take back, and it has a deadline."

KINDS = (
    Kind(
        "refund_request.decided",
        "What became of a refund that you asked for",
        ("refund_request.decided",),
        Permission.WALLET_REFUND_REQUEST,
        _decided,
    ),
    Kind("refund.sent", "A refund was sent to your card", ("refund.succeeded",), Permission.WALLET_TOP_UP, _sent),
    Kind("refund.failed", "A refund did not reach your card", ("refund.failed",), Permission.WALLET_TOP_UP, _not_made),
    Kind(
        "dispute.opened",
        "A payment is disputed",
        ("dispute.changed",),
        Permission.WALLET_TOP_UP,
        _opened,
        always=_DISPUTE,
    ),
    Kind("dispute.ended", "A dispute is decided", ("dispute.changed",), Permission.WALLET_TOP_UP, _ended),
)
