"""`notices`: what you were told, on the command line."""

import click

from sublet.cli.connection import connect, note
from sublet.cli.formats import local
from sublet.cli.lazy import LazyGroup
from sublet.cli.output import Output, output_options
from sublet.cli.style import printable
from sublet.cli.tables import Column
from sublet.client import Client
from sublet.client.shapes import Notice

_HERE = "sublet.cli.commands.notices"

COLUMNS: list[Column[Notice]] = [
    Column("ID", lambda one: one["id"]),
    Column("TOLD", lambda one: local(one["created_at"])),
    Column("", lambda one: "unread" if one["read_at"] is None else "", style=lambda _: "strong"),
    Column("NOTICE", lambda one: one["title"], flexible=True),
]


@click.group(
    cls=LazyGroup,
    lazy={
        "ls": (f"{_HERE}:ls", "List what you were told."),
        "read": (f"{_HERE}:read", "Read a notice."),
    },
)
def notices() -> None:
    """Read what you were told: receipts, funds that run low, refunds, disputes."""


@click.command()
@click.option("--unread", is_flag=True, help="Only what is unread.")
@output_options()
def ls(unread: bool, output: Output) -> None:
    """List what you were told, newest first."""
    with connect() as client:
        output.many(client.notices(unread=unread), COLUMNS, empty="Nothing is unread." if unread else "No notices yet.")


@click.command()
@click.argument("notice", required=False)
@click.option("--all", "everything", is_flag=True, help="Mark all as read, without printing them.")
@output_options(quiet=False)
def read(notice: str | None, everything: bool, output: Output) -> None:
    """Print NOTICE, an id, and mark it as read."""
    if everything is (notice is not None):
        raise click.UsageError("Say which NOTICE, or --all.")
    with connect() as client:
        if notice is None:
            note(f"Marked as read: {_read_all(client)}.")
            return
        client.read_notice(notice)
        found = client.notice(notice)
        output.one(found, lambda one: _show(one, client.url))


def _read_all(client: Client) -> int:
    newest = next(iter(client.notices()), None)
    return 0 if newest is None else client.read_notices(newest["id"])


def _show(told: Notice, url: str) -> None:
    click.echo(printable(told["title"]))
    for sentence in told["sentences"]:
        click.echo(f"\n{printable(sentence)}")
    click.echo(f"\n{told['link_says']}: {url}{told['link']}")
