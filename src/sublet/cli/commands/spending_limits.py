"""`limit`: what is spent at most in a day, in a month, or on one allocation."""

import click

from sublet.cli.commands.cards import AmountText
from sublet.cli.completions import complete_allocation
from sublet.cli.connection import connect, note
from sublet.cli.formats import local, money
from sublet.cli.lazy import LazyGroup
from sublet.cli.output import Output, output_options
from sublet.cli.tables import Column
from sublet.client import Client
from sublet.client.shapes import SpendingLimit

_HERE = "sublet.cli.commands.spending_limits"


def _of(limit: SpendingLimit) -> str:
    return limit["scope"] if limit["subject_id"] is None else limit["subject_name"] or limit["subject_id"]


COLUMNS: list[Column[SpendingLimit]] = [
    Column("OF", _of),
    Column("LIMIT", lambda limit: money(limit["amount"]), right=True),
    Column("SPENT", lambda limit: money(limit["spent"]), right=True),
    Column("LEFT", lambda limit: money(limit["left"]), right=True),
    Column("REACHED", lambda limit: "yes" if limit["reached"] else ""),
    Column(
        "BEGINS ANEW", lambda limit: local(limit["period_ends_at"]) if limit["period_ends_at"] else "", optional=True
    ),
]


@click.group(
    cls=LazyGroup,
    lazy={
        "ls": (f"{_HERE}:ls", "List the limits, and how far each is spent."),
        "set": (f"{_HERE}:set_limit", "Set a limit, or change its amount."),
        "clear": (f"{_HERE}:clear", "Take a limit away."),
    },
)
def limit() -> None:
    """Bound what is spent. What runs under a limit that is reached is suspended, and its data are kept."""


@click.command()
@output_options()
def ls(output: Output) -> None:
    """List the limits, and how far each is spent."""
    with connect() as client:
        limits = client.spending_limits()
        output.many(limits, COLUMNS, empty="There is no limit. Set one: sublet limit set 20.00 --per day")


_per = click.option("--per", type=click.Choice(["day", "month"]), help="Of what is spent in all in a day or a month.")
_for = click.option("--for", "allocation", shell_complete=complete_allocation, help="Of one allocation, by its name.")


@click.command("set")
@click.argument("amount", type=AmountText())
@_per
@_for
@click.option("--currency", help="ISO 4217 code; that of your wallet if left out.")
@output_options()
def set_limit(amount: str, per: str | None, allocation: str | None, currency: str | None, output: Output) -> None:
    """Spend AMOUNT at most in a day, in a month, or on one allocation; what was reached counts anew."""
    with connect() as client:
        paid_in = (currency or client.wallet()["currency"]).upper()
        done = client.set_spending_limit(_id(client, per, allocation), amount, currency=paid_in)
    output.one(done, lambda one: note(f"{money(one['amount'])} at most, of which {money(one['spent'])} are spent."))


@click.command()
@_per
@_for
@click.option("--currency", help="ISO 4217 code, where there is a limit in more than one.")
def clear(per: str | None, allocation: str | None, currency: str | None) -> None:
    """Take a limit away. What it suspended resumes."""
    with connect() as client:
        limit_id = _id(client, per, allocation)
        client.clear_spending_limit(limit_id, currency=(currency or _currency_of(client, limit_id)).upper())
    note("The limit is gone. What it suspended resumes.")


def _currency_of(client: Client, limit_id: str) -> str:
    """The currency of the one limit of that; where there are more, somebody has to say which is meant."""
    kept = [one["amount"]["currency"] for one in client.spending_limits() if one["id"] == limit_id]
    if len(kept) > 1:
        raise click.UsageError(f"There is such a limit in {', '.join(kept)}. Say which: --currency {kept[0]}.")
    return kept[0] if kept else client.wallet()["currency"]


def _id(client: Client, per: str | None, allocation: str | None) -> str:
    """The id of the limit that is meant: exactly one option says which."""
    if (per is None) == (allocation is None):
        raise click.UsageError("Say which limit: --per day, --per month, or --for ALLOCATION.")
    return per if per is not None else client.allocation(str(allocation))["id"]
