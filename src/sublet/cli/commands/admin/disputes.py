"""`admin dispute`: what card holders ask their banks to have back."""

import click

from sublet.cli.connection import connect
from sublet.cli.formats import is_some, local, money
from sublet.cli.lazy import LazyGroup
from sublet.cli.output import Output, output_options
from sublet.cli.tables import Column, print_facts
from sublet.client.shapes.refunds import Dispute

_HERE = "sublet.cli.commands.admin.disputes"

STATES = ("inquiry", "closed", "open", "won", "lost")


def _by(one: Dispute) -> str:
    return local(one["due_by"]) if one["due_by"] is not None and one["decided_at"] is None else ""


COLUMNS: list[Column[Dispute]] = [
    Column("DISPUTE", lambda one: one["id"]),
    Column("STATE", lambda one: one["state"], style=lambda one: "bad" if one["state"] == "open" else ""),
    Column("AMOUNT", lambda one: money(one["amount"]), right=True),
    Column("PAYMENT", lambda one: one["top_up_id"]),
    Column("ORGANIZATION", lambda one: one["organization_id"], flexible=True),
    Column("ANSWER BY", _by),
]


@click.group(
    cls=LazyGroup,
    lazy={
        "ls": (f"{_HERE}:ls", "List disputes and inquiries."),
        "show": (f"{_HERE}:show", "Show a dispute: how much, why, by when to answer."),
    },
)
def dispute() -> None:
    """See what card holders ask their banks to have back. They are answered in the card processor's own pages."""


@click.command()
@click.option("--state", type=click.Choice(STATES), help="Only those in this state.")
@output_options()
def ls(state: str | None, output: Output) -> None:
    """List every dispute and inquiry, newest first. An inquiry has moved no money."""
    with connect() as client:
        output.many(client.admin.refunds.disputes(state=state), COLUMNS, empty="There are no disputes.")


@click.command()
@click.argument("dispute")
@output_options(quiet=False)
def show(dispute: str, output: Output) -> None:
    """Show DISPUTE."""
    with connect() as client:
        output.one(client.admin.refunds.dispute(dispute), _show)


def _show(one: Dispute) -> None:
    print_facts(
        [
            ("Dispute", f"{one['id']} ({one['processor_id']} at the card processor)"),
            ("State", one["state"]),
            ("Amount", money(one["amount"])),
            ("Reason", one["reason"]),
            ("Payment", one["top_up_id"]),
            ("Organization", one["organization_id"]),
            ("Taken", f"{money(one['taken'])} by the card processor" if is_some(one["taken"]) else ""),
            ("Charged", money(one["charged"]) if is_some(one["charged"]) else ""),
            ("Owed", money(one["owed"]) if is_some(one["owed"]) else ""),
            ("Answer by", _by(one)),
        ]
    )
