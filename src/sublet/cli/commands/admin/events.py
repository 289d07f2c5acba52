"""`admin event`: events that a handler kept refusing, or that were not understood, and having them handled again."""

import click

from sublet.cli.connection import connect, note
from sublet.cli.formats import since
from sublet.cli.lazy import LazyGroup
from sublet.cli.output import Output, output_options
from sublet.cli.tables import Column
from sublet.client.shapes import SetAsideEvent

_HERE = "sublet.cli.commands.admin.events"

COLUMNS: list[Column[SetAsideEvent]] = [
    Column("EVENT", lambda one: one["id"]),
    Column("TYPE", lambda one: one["type"]),
    Column("SUBJECT", lambda one: one["subject"], flexible=True),
    Column("ATTEMPTS", lambda one: str(one["attempts"]), right=True),
    Column("LAST ERROR", lambda one: one["last_error"], flexible=True),
    Column("FAILED", lambda one: since(one["failed_at"])),
]


@click.group(
    cls=LazyGroup,
    lazy={
        "ls": (f"{_HERE}:ls", "List events that were set aside."),
        "replay": (f"{_HERE}:replay", "Let an event be handled again."),
        "process": (f"{_HERE}:process", "Let an event of the card processor be processed again."),
    },
)
def event() -> None:
    """Mend what an event should have caused, once the fault in the way is mended."""


@click.command()
@output_options()
def ls(output: Output) -> None:
    """List the events that a handler kept refusing; nothing tries them any more."""
    with connect() as client:
        output.many(client.admin.set_aside_events(), COLUMNS, empty="No event was set aside.")


@click.command()
@click.argument("event")
@output_options(quiet=False)
def replay(event: str, output: Output) -> None:
    """Let EVENT be handled again, with as many attempts as a new one. Repeating it is harmless."""
    with connect() as client:
        replayed = client.admin.replay_event(event)
    if replayed["state"] == "waiting":
        note(f"{replayed['type']} {event} of {replayed['subject']} will be handled again within seconds.")
    else:
        note(f"{replayed['type']} {event} of {replayed['subject']} is not set aside. Nothing was changed.")
    output.noted(replayed)


@click.command()
@click.argument("payment_event")
@output_options(quiet=False)
def process(payment_event: str, output: Output) -> None:
    """Let PAYMENT_EVENT, an event of the card processor that was not understood, be processed again.

    It is the subject of a finding: sublet admin finding ls --code payments.unhandled_event
    """
    with connect() as client:
        received = client.admin.process_payment_event(payment_event)
    note(
        f"{payment_event} will be processed again within seconds. "
        "Its finding closes by itself if it is understood now, and stays open if it is not."
    )
    output.noted(received)
