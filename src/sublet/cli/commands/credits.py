"""`credits`, `redeem`: promotional credit."""

import click

from sublet.cli.commands.idempotency import repeat_option
from sublet.cli.connection import connect, note
from sublet.cli.formats import local, money
from sublet.cli.output import Output, output_options
from sublet.cli.tables import Column
from sublet.client.shapes.credits import Credit

CREDITS: list[Column[Credit]] = [
    Column("CREDIT", lambda one: one["id"]),
    Column("GIVEN", lambda one: money(one["amount"]), right=True),
    Column("LEFT", lambda one: money(one["left"]), right=True),
    Column("EXPIRES", lambda one: "never" if one["expires_at"] is None else local(one["expires_at"])),
    Column("FOR", lambda one: one["reason"], flexible=True, optional=True),
]


@click.command("credits")
@output_options()
def list_credits(output: Output) -> None:
    """List your credits, newest first. They are spent before your money, the soonest to expire first."""
    with connect() as client:
        output.many(client.credits(), CREDITS, empty="You have been given no credit.")


@click.command()
@click.argument("code")
@repeat_option("a redemption")
@output_options(quiet=False)
def redeem(code: str, idempotency_key: str | None, output: Output) -> None:
    """Redeem CODE: its credit goes into your wallet. Each organization redeems a code once."""
    with connect() as client:
        redeemed = client.redeem(code, idempotency_key=idempotency_key)
    note(f"{money(redeemed['amount'])} of credit is in your wallet.")
    output.noted(redeemed)
