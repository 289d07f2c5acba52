"""`admin work`: what workers do not bring to an end, and taking up again what they gave up."""

import click

from sublet.cli.connection import connect, note
from sublet.cli.formats import NOTHING, since, words
from sublet.cli.lazy import LazyGroup
from sublet.cli.output import Output, output_options
from sublet.cli.tables import Column
from sublet.client.shapes import UnfinishedWork

_HERE = "sublet.cli.commands.admin.work"

COLUMNS: list[Column[UnfinishedWork]] = [
    Column("KIND", lambda one: one["kind"]),
    Column("ID", lambda one: one["id"], flexible=True),
    Column("PLACE", lambda one: one["place"] if one["place"] not in ("", one["id"]) else NOTHING, optional=True),
    Column("TROUBLE", lambda one: words(one["trouble"]), style=lambda _: "bad"),
    Column("ATTEMPTS", lambda one: str(one["attempts"]), right=True),
    Column("CRASHES", lambda one: str(one["crashes"]), right=True),
    Column("LAST ERROR", lambda one: one["last_error"] or NOTHING, flexible=True),
    Column("SINCE", lambda one: since(one["since"])),
]


@click.group(
    cls=LazyGroup,
    lazy={
        "ls": (f"{_HERE}:ls", "List work that does not come to its end."),
        "retry": (f"{_HERE}:retry", "Let work that was set aside be taken up again."),
    },
)
def work() -> None:
    """See to work that fails, ends its workers, or is taken by nobody."""


@click.command()
@output_options()
def ls(output: Output) -> None:
    """List work that was set aside, fails, ends its workers one after the other, or is due and taken by nobody."""
    with connect() as client:
        output.many(client.admin.unfinished_work(), COLUMNS, empty="All work comes to its end.")


@click.command()
@click.argument("kind")
@click.argument("id")
@output_options(quiet=False)
def retry(kind: str, id: str, output: Output) -> None:
    """Let the work of a KIND on the row with the ID be done again, as if it were new. Repeating it is harmless."""
    with connect() as client:
        retried = client.admin.retry_work(kind, id)
    if retried["was_set_aside"]:
        note(f"{kind} {id} will be taken up within seconds.")
    else:
        note(f"{kind} {id} is not set aside: workers try it by themselves. Nothing was changed.")
    output.noted(retried)
