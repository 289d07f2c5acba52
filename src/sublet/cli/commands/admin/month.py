"""`admin month`: the months of the books, and closing one for good."""

import click

from sublet.cli.connection import connect, note
from sublet.cli.formats import NOTHING, local, money
from sublet.cli.lazy import LazyGroup
from sublet.cli.output import Output, output_options
from sublet.cli.tables import Column, print_table
from sublet.client.shapes.books import Month, MonthLine, MonthReport

_HERE = "sublet.cli.commands.admin.month"


def _hint(one: Month) -> str:
    action = next(each for each in one["actions"] if each["name"] == "close")
    return "can be closed" if action["allowed"] else (action["reason"] or NOTHING)


MONTHS: list[Column[Month]] = [
    Column("MONTH", lambda one: one["month"]),
    Column("STATE", lambda one: one["state"], style=lambda one: "ok" if one["state"] == "closed" else None),
    Column("ENDS", lambda one: local(one["ends_at"])),
    Column("CLOSED", lambda one: local(one["closed_at"])),
    Column("", _hint, flexible=True, optional=True),
]
LINES: list[Column[MonthLine]] = [
    Column("ACCOUNT", lambda one: one["account"]),
    Column("OPENING", lambda one: money(one["opening"], exact=True), right=True),
    Column("DEBITS", lambda one: money(one["debits"], exact=True), right=True),
    Column("CREDITS", lambda one: money(one["credits"], exact=True), right=True),
    Column("CLOSING", lambda one: money(one["closing"], exact=True), right=True),
]


@click.group(
    cls=LazyGroup,
    lazy={
        "ls": (f"{_HERE}:ls", "List the months of the books."),
        "close": (f"{_HERE}:close", "End a month for good."),
        "report": (f"{_HERE}:report", "Show what a month came to."),
    },
)
def month() -> None:
    """See the months of the books, and close them one after the other."""


@click.command()
@output_options(quiet=False)
def ls(output: Output) -> None:
    """List the months of the books, newest first, and whether each is closed."""
    with connect() as client:
        output.many(client.admin.books.months(), MONTHS, empty="The books have no months yet.")


@click.command()
@click.argument("month")
@output_options(quiet=False)
def close(month: str, output: Output) -> None:
    """End MONTH (such as 2026-11) for good: nothing is posted into it any more.

    What corrects it later goes into the month that is open then, and names the month that it corrects.
    """
    with connect() as client:
        closed = client.admin.books.close_month(month)
    note(f"{closed['month']} is closed since {local(closed['closed_at'])}. Nothing is posted into it any more.")
    output.noted(closed)


@click.command()
@click.argument("month")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@output_options(quiet=False)
def report(month: str, as_csv: bool, output: Output) -> None:
    """Show what MONTH (such as 2026-11) came to, by account: as it was closed, or so far."""
    with connect() as client:
        if as_csv:
            click.echo(client.admin.books.as_csv(f"months/{month}"), nl=False)
        else:
            output.one(client.admin.books.month(month), _show)


def _show(report: MonthReport) -> None:
    print_table(report["lines"], LINES)
    note(f"{report['month']['month']} is {report['month']['state']}.")
