"""`admin dispute`: what card holders ask their banks to have back."""

import click

from sublet.cli.commands.idempotency import repeat_option
from sublet.cli.connection import connect
from sublet.cli.formats import is_some, local, money
from sublet.cli.lazy import LazyGroup
from sublet.cli.output import Output, output_options
from sublet.cli.style import printable
from sublet.cli.tables import Column, print_facts
from sublet.client.evidence_text import text_of
from sublet.client.shapes.evidence import Evidence
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
        "evidence": (f"{_HERE}:evidence", "Show what speaks for the payment, as the bank gets it."),
        "answer": (f"{_HERE}:answer", "Send the evidence to the bank."),
    },
)
def dispute() -> None:
    """See what card holders ask their banks to have back. Send each bank the evidence before its deadline."""


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
            ("Answer", _answered(one)),
        ]
    )


def _answered(one: Dispute) -> str:
    answer = one["answer"]
    if answer is None:
        return ""
    if answer["refusal"] is not None:
        return f"refused: {answer['refusal']}"
    return f"by {answer['answered_by_name']}, " + ("sent" if answer["sent_at"] is not None else "on its way")


@click.command()
@click.argument("dispute")
@output_options(quiet=False)
def evidence(dispute: str, output: Output) -> None:
    """Show what speaks for the payment of DISPUTE: who paid, what they accepted, what they were charged, and the proof.

    It is the text that the bank would get, word for word. Nothing is sent; `answer` sends it as it is then.
    """
    with connect() as client:
        output.one(client.admin.refunds.evidence(dispute), _print_fields)


def _print_fields(one: Evidence) -> None:
    click.echo(printable(text_of(one["fields"]), lines=True), nl=False)


@click.command()
@click.argument("dispute")
@click.option("--note", help="What to say before the evidence, in your own words.")
@repeat_option("an answer")
@output_options(quiet=False)
def answer(dispute: str, note: str | None, idempotency_key: str | None, output: Output) -> None:
    """Send the evidence of DISPUTE to the bank, as it is now. The bank takes one answer, which cannot be changed."""
    with connect() as client:
        answered = client.admin.refunds.answer(dispute, note, idempotency_key=idempotency_key)
        output.one(answered, _show)
