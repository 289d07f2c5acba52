"""`admin report`: what an accountant asks of the books, as a table, JSON or CSV."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from sublet.cli.connection import connect, note
from sublet.cli.formats import NOTHING, duration, is_some, local, money, signed
from sublet.cli.lazy import LazyGroup
from sublet.cli.output import Output, output_options
from sublet.cli.tables import Column, print_facts, print_table
from sublet.client import Client
from sublet.client.shapes.amounts import Money
from sublet.client.shapes.books import (
    Balances,
    RevenueLine,
    Statement,
    StatementLine,
    TrialLine,
    UnmeteredLine,
    Unspent,
)

_HERE = "sublet.cli.commands.admin.report"


class Moment(click.ParamType[str]):
    """A day (`2026-11-30`, its first moment in UTC) or a time of ISO 8601."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The time as the API takes it."""
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a day such as 2026-11-30 or a time such as 2026-11-30T12:00Z.", param, ctx)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()


class MonthName(click.ParamType[str]):
    """A month: `2026-11`."""

    name = "month"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The month as the API takes it."""
        if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", str(value)):
            self.fail(f"{value!r} is not a month such as 2026-11.", param, ctx)
        return str(value)


MOMENT, MONTH = Moment(), MonthName()


def _side(value: Money) -> str:
    return money(value, exact=True) if is_some(value) else ""


TRIAL: list[Column[TrialLine]] = [
    Column("ACCOUNT", lambda one: one["account"]),
    Column("DEBIT", lambda one: _side(one["debit"]), right=True),
    Column("CREDIT", lambda one: _side(one["credit"]), right=True),
]
UNSPENT: list[Column[Unspent]] = [
    Column("PAID IN", lambda one: money(one["paid"], exact=True), right=True),
    Column("PROMOTIONAL", lambda one: money(one["promo"], exact=True), right=True),
    Column("OWED", lambda one: money(one["owed"], exact=True), right=True),
    Column("ORGANIZATIONS", lambda one: str(one["organizations"]), right=True),
]
REVENUE: list[Column[RevenueLine]] = [
    Column("MONTH", lambda one: one["month"]),
    Column("SKU", lambda one: one["sku_id"], flexible=True),
    Column("NODE", lambda one: one["node_id"] or NOTHING, flexible=True),
    Column("KIND", lambda one: one["meter_kind"]),
    Column("AMOUNT", lambda one: money(one["amount"], exact=True), right=True),
]
STATEMENT: list[Column[StatementLine]] = [
    Column("TIME", lambda one: local(one["effective_at"])),
    Column("KIND", lambda one: one["kind"]),
    Column("ACCOUNT", lambda one: one["account"], optional=True),
    Column("DESCRIPTION", lambda one: one["description"], flexible=True),
    Column("CORRECTS", lambda one: one["corrects"] or "", optional=True),
    Column("AMOUNT", lambda one: signed(one["amount"]), right=True),
]
UNMETERED: list[Column[UnmeteredLine]] = [
    Column("NODE", lambda one: one["node_id"] or NOTHING, flexible=True),
    Column("ORGANIZATION", lambda one: one["organization_id"], flexible=True),
    Column("ALLOCATIONS", lambda one: str(one["subjects"]), right=True),
    Column("TIMES", lambda one: str(one["intervals"]), right=True),
    Column("UNPROVEN", lambda one: duration(one["seconds"]), right=True),
    Column("WOULD HAVE COST", lambda one: money(one["forgone"]), right=True),
    Column("LAST", lambda one: local(one["last_at"])),
]


@click.group(
    cls=LazyGroup,
    lazy={
        "trial-balance": (f"{_HERE}:trial_balance", "Show every account at a time."),
        "deferred-revenue": (f"{_HERE}:deferred_revenue", "Show what customers have not spent."),
        "revenue": (f"{_HERE}:revenue", "Show what usage brought in."),
        "statement": (f"{_HERE}:statement", "Show one customer's accounts."),
        "unmetered": (f"{_HERE}:unmetered", "Show time that nobody could prove."),
    },
)
def report() -> None:
    """Ask the books: as a table, with --json, or with --csv."""


def _print(
    output: Output,
    *,
    as_csv: bool,
    name: str,
    asked: dict[str, str | None],
    read: Callable[[Client], Any],
    show: Callable[[Any], None],
) -> None:
    with connect() as client:
        if as_csv:
            click.echo(client.admin.books.as_csv(f"reports/{name}", **asked), nl=False)
        else:
            output.one(read(client), show)


def _table(columns: Sequence[Column[Any]], empty: str) -> Callable[[Any], None]:
    def show(found: Any) -> None:
        if found["lines"]:
            print_table(found["lines"], columns)
        else:
            note(empty)

    return show


def _csv_option() -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")


@click.command()
@click.option("--at", type=MOMENT, help="Just before then; now if left out.")
@_csv_option()
@output_options(quiet=False)
def trial_balance(at: str | None, as_csv: bool, output: Output) -> None:
    """Show what every kind of account has: in each currency, debits and credits are the same sum."""
    _print(
        output,
        as_csv=as_csv,
        name="trial-balance",
        asked={"at": at},
        read=lambda client: client.admin.books.trial_balance(at=at),
        show=_table(TRIAL, "There was nothing in the books."),
    )


@click.command()
@click.option("--at", type=MOMENT, help="Just before then; now if left out.")
@_csv_option()
@output_options(quiet=False)
def deferred_revenue(at: str | None, as_csv: bool, output: Output) -> None:
    """Show what customers have paid and not used, by currency."""
    _print(
        output,
        as_csv=as_csv,
        name="deferred-revenue",
        asked={"at": at},
        read=lambda client: client.admin.books.deferred_revenue(at=at),
        show=_table(UNSPENT, "Nobody had paid anything."),
    )


@click.command()
@click.argument("first", type=MONTH)
@click.argument("last", type=MONTH, required=False)
@_csv_option()
@output_options(quiet=False)
def revenue(first: str, last: str | None, as_csv: bool, output: Output) -> None:
    """Show what usage brought in from the month FIRST to LAST (or in FIRST alone), by SKU, node and kind."""
    last = last or first
    _print(
        output,
        as_csv=as_csv,
        name="revenue",
        asked={"first": first, "last": last},
        read=lambda client: client.admin.books.revenue(first, last),
        show=_table(REVENUE, "Usage brought nothing in then."),
    )


@click.command()
@click.argument("organization")
@click.option("--since", type=MOMENT, required=True, help="From then on.")
@click.option("--until", type=MOMENT, help="Until before then; now if left out.")
@click.option("--currency", required=True, help="ISO 4217 code of the wallet.")
@_csv_option()
@output_options(quiet=False)
def statement(*, organization: str, since: str, until: str | None, currency: str, as_csv: bool, output: Output) -> None:
    """Show what the ORGANIZATION (its id) had at two times, and every line between."""
    currency = currency.upper()
    _print(
        output,
        as_csv=as_csv,
        name="statement",
        asked={"organization_id": organization, "currency": currency, "since": since, "until": until},
        read=lambda client: client.admin.books.statement(organization, currency=currency, since=since, until=until),
        show=_show_statement,
    )


def _show_statement(found: Statement) -> None:
    def told(which: Balances) -> str:
        parts = [money(which["wallet"], exact=True)]
        parts += [f"{money(which['promo'], exact=True)} promotional"] if is_some(which["promo"]) else []
        parts += [f"{money(which['owed'], exact=True)} owed"] if is_some(which["owed"]) else []
        return ", ".join(parts)

    print_facts([("Opening", told(found["opening"])), ("Closing", told(found["closing"]))])
    if found["lines"]:
        click.echo()
        print_table(found["lines"], STATEMENT)


@click.command()
@click.option("--since", type=MOMENT, required=True, help="From then on.")
@click.option("--until", type=MOMENT, help="Until before then; now if left out.")
@_csv_option()
@output_options(quiet=False)
def unmetered(since: str, until: str | None, as_csv: bool, output: Output) -> None:
    """Show time that nobody could prove and nobody paid for, by node and customer, the longest first."""
    _print(
        output,
        as_csv=as_csv,
        name="unmetered",
        asked={"since": since, "until": until},
        read=lambda client: client.admin.books.unmetered(since=since, until=until),
        show=_table(UNMETERED, "All time was proven."),
    )
