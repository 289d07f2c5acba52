"""`admin refund`, `admin adjust`: money back to the card it came from, and corrections within the books."""

import click

from sublet.cli.commands.idempotency import repeat_option
from sublet.cli.connection import connect, note
from sublet.cli.formats import is_some, local, money
from sublet.cli.lazy import LazyGroup
from sublet.cli.output import Output, output_options
from sublet.cli.tables import Column
from sublet.client.shapes import Approval
from sublet.client.shapes.refunds import Payment, Refund, RefundRequest

_HERE = "sublet.cli.commands.admin.refunds"

STATES = ("pending", "succeeded", "failed", "canceled")
REQUEST_STATES = ("requested", "granted", "declined", "withdrawn")

COLUMNS: list[Column[Refund]] = [
    Column("REFUND", lambda one: one["id"]),
    Column("STATE", lambda one: one["state"]),
    Column("AMOUNT", lambda one: money(one["amount"]), right=True),
    Column("OWED", lambda one: money(one["owed"]) if is_some(one["owed"]) else "", right=True, optional=True),
    Column("PAYMENT", lambda one: one["top_up_id"]),
    Column("ASKED BY", lambda one: one["requested_by"], flexible=True),
    Column("BEGUN", lambda one: local(one["created_at"])),
    Column("REASON", lambda one: one["failure"] or one["reason"], flexible=True, optional=True),
]
PAYMENTS: list[Column[Payment]] = [
    Column("PAYMENT", lambda one: one["top_up_id"]),
    Column("PAID", lambda one: money(one["paid"]), right=True),
    Column("SPENT", lambda one: money(one["spent"]), right=True),
    Column("REFUNDED", lambda one: money(one["refunded"]), right=True),
    Column("REFUNDABLE", lambda one: money(one["refundable"]), right=True),
    Column("WHY NO MORE", lambda one: one["reason"] or "", flexible=True, optional=True),
]
REQUESTS: list[Column[RefundRequest]] = [
    Column("REQUEST", lambda one: one["id"]),
    Column("STATE", lambda one: one["state"]),
    Column("AMOUNT", lambda one: money(one["amount"]), right=True),
    Column("PAYMENT", lambda one: one["top_up_id"]),
    Column("ASKED", lambda one: local(one["created_at"])),
    Column("REASON", lambda one: one["decision"] or one["reason"], flexible=True, optional=True),
]


@click.group(
    cls=LazyGroup,
    lazy={
        "ls": (f"{_HERE}:ls", "List refunds."),
        "preview": (f"{_HERE}:preview", "Show what of an organization's payments can be refunded."),
        "create": (f"{_HERE}:create", "Send money back to the card it came from."),
        "requests": (f"{_HERE}:requests", "List what customers ask to have back."),
        "approve": (f"{_HERE}:approve", "Grant what a customer asked to have back."),
        "decline": (f"{_HERE}:decline", "Decline what a customer asked to have back."),
    },
)
def refund() -> None:
    """Send money back to the card it came from. A correction within the books is `admin adjust`."""


@click.command()
@click.option("--state", type=click.Choice(STATES), help="Only those in this state.")
@output_options()
def ls(state: str | None, output: Output) -> None:
    """List every refund, also those made in the card processor's own pages, newest first."""
    with connect() as client:
        output.many(client.admin.refunds.list(state=state), COLUMNS, empty="There are no refunds.")


@click.command()
@click.argument("organization")
@output_options()
def preview(organization: str, output: Output) -> None:
    """Show what of each payment of ORGANIZATION can go back to its card, and why no more. Oldest first."""
    with connect() as client:
        found = client.admin.refunds.payments(organization)
        output.many(found, PAYMENTS, empty="The organization has paid nothing by card.")


@click.command()
@click.argument("payment")
@click.argument("amount")
@click.option("--reason", required=True, help="Kept in the audit trail.")
@repeat_option("a refund")
@output_options()
def create(payment: str, amount: str, reason: str, idempotency_key: str | None, output: Output) -> None:
    """Send AMOUNT of PAYMENT (the id of a top-up) back to its card. The wallet pays at once, the card is paid later.

    Above a threshold a second person has to approve it; then run the same again.
    """
    with connect() as client:
        begun = client.admin.refunds.create(payment, amount, reason, idempotency_key=idempotency_key)
    if begun["refund"] is not None:
        note(f"{money(begun['refund']['amount'])} goes back to the card: {begun['refund']['id']}.")
    _waits(begun["approval"], done=begun["refund"] is not None)
    output.noted(begun)


@click.command()
@click.option("--state", type=click.Choice(REQUEST_STATES), default="requested", show_default=True)
@output_options()
def requests(state: str, output: Output) -> None:
    """List what customers ask to have back, newest first."""
    with connect() as client:
        output.many(client.admin.refunds.requests(state=state), REQUESTS, empty=f"No refund request is {state}.")


@click.command()
@click.argument("request")
@click.option("--decision", required=True, help="What the customer reads.")
@output_options()
def approve(request: str, decision: str, output: Output) -> None:
    """Grant REQUEST, and begin its refund. Beyond what operators may in a month a second
    person has to approve it; then run it again."""
    with connect() as client:
        granted = client.admin.refunds.grant(request, decision)
    if granted["refund"] is not None:
        note(f"{money(granted['refund']['amount'])} goes back to the card: {granted['refund']['id']}.")
    _waits(granted["approval"], done=granted["refund"] is not None)
    output.noted(granted)


@click.command()
@click.argument("request")
@click.option("--decision", required=True, help="What the customer reads.")
@output_options()
def decline(request: str, decision: str, output: Output) -> None:
    """Decline REQUEST; no money moves."""
    with connect() as client:
        declined = client.admin.refunds.decline(request, decision)
    note(f"{declined['id']} is declined. No money was moved.")
    output.noted(declined)


@click.command()
@click.argument("organization")
@click.argument("direction", type=click.Choice(["give", "take"]))
@click.argument("amount")
@click.option("--currency", required=True, help="ISO 4217 code of the wallet.")
@click.option("--reason", required=True, help="The customer reads it.")
@repeat_option("an adjustment")
@output_options()
def adjust(
    *,
    organization: str,
    direction: str,
    amount: str,
    currency: str,
    reason: str,
    idempotency_key: str | None,
    output: Output,
) -> None:
    """Give ORGANIZATION credit or take AMOUNT from it, within the books. No money moves at the card processor.

    What is given pays what is owed first. Beyond what operators may in a month a second
    person has to approve it; then run it again.
    """
    with connect() as client:
        made = client.admin.refunds.adjust(
            organization, direction, amount, reason, currency=currency.upper(), idempotency_key=idempotency_key
        )
    if made["adjustment"] is not None:
        note(f"{money(made['adjustment']['amount'])}: {made['adjustment']['id']} is in the books.")
    _waits(made["approval"], done=made["adjustment"] is not None)
    output.noted(made)


def _waits(approval: Approval | None, *, done: bool) -> None:
    if approval is not None and not done:
        note(f"{approval['id']} waits for a second person. Nothing was moved. Once it is approved, run the same again.")
