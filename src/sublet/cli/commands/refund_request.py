"""`refund-request`: ask to have a payment back."""

import click

from sublet.cli.commands.idempotency import repeat_option
from sublet.cli.connection import connect, note
from sublet.cli.formats import money
from sublet.cli.output import Output, output_options
from sublet.cli.tables import Column
from sublet.client.shapes.refunds import Payment

PAYMENTS: list[Column[Payment]] = [
    Column("PAYMENT", lambda one: one["top_up_id"]),
    Column("PAID", lambda one: money(one["paid"]), right=True),
    Column("SPENT", lambda one: money(one["spent"]), right=True),
    Column("REFUNDED", lambda one: money(one["refunded"]), right=True),
    Column("REFUNDABLE", lambda one: money(one["refundable"]), right=True),
    Column("WHY NO MORE", lambda one: one["reason"] or "", flexible=True, optional=True),
]


@click.command("refund-request")
@click.argument("payment", required=False)
@click.argument("amount", required=False)
@click.option("--reason", help="Why; an operator reads it and decides.")
@repeat_option("a request")
@output_options()
def refund_request(
    payment: str | None, amount: str | None, reason: str | None, idempotency_key: str | None, output: Output
) -> None:
    """Ask to have AMOUNT of PAYMENT back on its card; without them, list your payments and what can go back.

    An operator decides, and no money moves before.
    """
    with connect() as client:
        if payment is None:
            output.many(client.payments(), PAYMENTS, empty="You have paid nothing by card.")
            return
        if amount is None or reason is None:
            raise click.UsageError("Give the AMOUNT and a --reason too.")
        asked = client.request_refund(payment, amount, reason, idempotency_key=idempotency_key)
    note(f"{asked['id']}: you asked for {money(asked['amount'])}. An operator decides; no money has moved.")
    output.noted(asked)
