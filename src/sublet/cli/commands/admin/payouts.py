"""`admin payout`: what the card processor sends to the bank."""

import click

from sublet.cli.connection import connect
from sublet.cli.formats import local, money
from sublet.cli.lazy import LazyGroup
from sublet.cli.output import Output, output_options
from sublet.cli.tables import Column, print_facts, print_table
from sublet.client.shapes.payouts import Payout, PayoutChange, PayoutTransaction, WholePayout

_HERE = "sublet.cli.commands.admin.payouts"

STATES = ("created", "in_transit", "paid", "failed", "canceled")


def _off_by(one: Payout) -> str:
    return "" if one["off_by"] is None else money(one["off_by"])


def _when(one: Payout) -> str:
    return local(one["ended_at"] or one["arrives_on"])


COLUMNS: list[Column[Payout]] = [
    Column("PAYOUT", lambda one: one["id"]),
    Column("STATE", lambda one: one["state"], style=lambda one: "bad" if one["state"] == "failed" else ""),
    Column("AMOUNT", lambda one: money(one["amount"]), right=True),
    Column("OFF BY", _off_by, right=True, style=lambda _: "bad"),
    Column("MADE", lambda one: local(one["created_at"]), optional=True),
    Column("ARRIVES", _when),
]
TRANSACTIONS: list[Column[PayoutTransaction]] = [
    Column("TRANSACTION", lambda one: one["id"]),
    Column("TYPE", lambda one: one["type"]),
    Column("OF", lambda one: one["source"] or "", flexible=True, optional=True),
    Column("AMOUNT", lambda one: money(one["amount"]), right=True),
    Column("FEE", lambda one: money(one["fee"]), right=True),
    Column("ADDS", lambda one: money(one["net"]), right=True),
    Column("WHOSE", lambda one: "" if one["whose"] == "ours" else one["whose"]),
]


@click.group(
    cls=LazyGroup,
    lazy={
        "ls": (f"{_HERE}:ls", "List payouts."),
        "show": (f"{_HERE}:show", "Show a payout: what left, what it is made of, what became of it."),
        "transactions": (f"{_HERE}:transactions", "List what a payout is made of."),
    },
)
def payout() -> None:
    """See what the card processor sends to the bank, and whether that is what left."""


@click.command()
@click.option("--state", type=click.Choice(STATES), help="Only those in this state.")
@output_options()
def ls(state: str | None, output: Output) -> None:
    """List every payout, newest first."""
    with connect() as client:
        output.many(client.admin.payouts.list(state=state), COLUMNS, empty="There are no payouts.")


@click.command()
@click.argument("payout")
@output_options(quiet=False)
def show(payout: str, output: Output) -> None:
    """Show PAYOUT."""
    with connect() as client:
        output.one(client.admin.payouts.get(payout), _show)


@click.command()
@click.argument("payout")
@output_options()
def transactions(payout: str, output: Output) -> None:
    """List the balance transactions that PAYOUT is made of."""
    with connect() as client:
        found = client.admin.payouts.transactions(payout)
        output.many(found, TRANSACTIONS, empty="Nothing is known of what it is made of.")


def _show(one: WholePayout) -> None:
    print_facts(
        [
            ("Payout", f"{one['id']} ({one['processor_id']} at the card processor)"),
            ("State", one["state"]),
            ("Amount", money(one["amount"])),
            ("Left", "" if one["left"] is None else money(one["left"])),
            ("Made of", "" if one["made_of"] is None else money(one["made_of"])),
            ("Off by", _off_by(one)),
            ("Failure", one["failure"] or ""),
            ("Arrives", local(one["arrives_on"])),
        ]
    )
    if one["history"]:
        columns: list[Column[PayoutChange]] = [
            Column("WHEN", lambda change: local(change["at"])),
            Column("STATE", lambda change: change["next"]),
            Column("WHY", lambda change: change["reason"], flexible=True),
        ]
        print_table(one["history"], columns)
