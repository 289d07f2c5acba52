"""`balance`, `ledger`, `usage`, `top-up`: the wallet."""

import re
from datetime import UTC, datetime
from itertools import islice

import click

from sublet.cli.commands.idempotency import repeat_option
from sublet.cli.connection import connect, note
from sublet.cli.formats import duration, is_some, local, money, rate, signed
from sublet.cli.output import Output, output_options
from sublet.cli.style import Painted, paint
from sublet.cli.tables import Column, print_facts, print_table
from sublet.client.shapes import Entry, MonthUsage, TopUp, UsageOfDay, Wallet

TIME = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])
"""A day or a time of UTC."""

# An entry may touch more than the money paid in, and the balance after it is then another.
_OTHER_ACCOUNTS = {"promo": " (from credit)", "receivable": " (owed)"}


def _description(entry: Entry) -> str:
    return entry["description"] + _OTHER_ACCOUNTS.get(entry["account"], "")


ENTRIES: list[Column[Entry]] = [
    Column("TIME", lambda entry: local(entry["effective_at"])),
    Column("KIND", lambda entry: entry["kind"], optional=True),
    Column("DESCRIPTION", _description, flexible=True),
    Column("AMOUNT", lambda entry: signed(entry["amount"]), right=True),
    Column("BALANCE", lambda entry: money(entry["balance_after"], exact=True), right=True),
]


@click.command()
@output_options(quiet=False)
def balance(output: Output) -> None:
    """Show the balance, what of it is held, and how long it lasts at the present rate."""
    with connect() as client:
        output.one(client.wallet(), _show_wallet)


DAYS: list[Column[UsageOfDay]] = [
    Column("DAY", lambda one: one["day"]),
    Column("FOR", lambda one: ", ".join(kind["meter_kind"] for kind in one["kinds"]), optional=True),
    Column("AMOUNT", lambda one: money(one["amount"], exact=True), right=True),
]


@click.command()
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many entries.")
@click.option("--all", "everything", is_flag=True, help="All of them.")
@click.option("--kind", help="Only entries of a kind, such as top_up.")
@click.option("--since", type=TIME, help="From then on.")
@click.option("--until", type=TIME, help="Until before then.")
@click.option("--search", help="With this text in the description, or in the name of what was charged for.")
@output_options()
def ledger(
    *,
    limit: int,
    everything: bool,
    kind: str | None,
    since: datetime | None,
    until: datetime | None,
    search: str | None,
    output: Output,
) -> None:
    """List the entries of your wallet, newest first, to the last digit."""
    with connect() as client:
        entries = client.entries(kind=kind, since=_utc(since), until=_utc(until), search=search)
        shown = entries if everything else islice(entries, limit)
        is_narrowed = any((kind, since, until, search))
        nothing = (
            "No entry is like that." if is_narrowed else "There are no entries yet. Add funds: sublet top-up AMOUNT"
        )
        output.many(shown, ENTRIES, empty=nothing)


def _utc(moment: datetime | None) -> str | None:
    return None if moment is None else moment.replace(tzinfo=UTC).isoformat()


@click.command()
@click.argument("month", required=False)
@output_options(quiet=False)
def usage(month: str | None, output: Output) -> None:
    """Show what MONTH (such as 2026-11) cost, day by day; the present one comes with what it will have cost."""
    if month is not None and not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", month):
        raise click.BadParameter(f"{month!r} is not a month such as 2026-11.", param_hint="MONTH")
    with connect() as client:
        output.one(client.usage_by_day(month), _show_month)


def _show_month(month: MonthUsage) -> None:
    days = [day for day in month["days"] if is_some(day["amount"])]
    if days:
        print_table(days, DAYS)
        click.echo()
    facts: list[tuple[str, str]] = [("Month", month["month"]), ("Charged", money(month["charged"], exact=True))]
    forecast = month["forecast"]
    if forecast is not None:
        facts += [
            ("Not charged yet", money(forecast["accrued"], exact=True)),
            ("Runs now", rate(forecast["per_hour"])),
            ("Forecast", money(forecast["amount"])),
        ]
    print_facts(facts)
    if forecast is not None and not forecast["within_funds"]:
        note("Your balance does not last until the month ends. Add funds: sublet top-up AMOUNT", "warn")


@click.command("top-up")
@click.argument("amount")
@click.option("--currency", help="ISO 4217 code; that of your wallet if left out.")
@repeat_option("a top-up")
@output_options()
def top_up(amount: str, currency: str | None, idempotency_key: str | None, output: Output) -> None:
    """Begin a card payment of AMOUNT (such as 20.00) and print the page to pay it on."""
    # Digits with at most three decimals: a float, an exponent or a sign is a mistake worth stopping at.
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,3})?", amount):
        raise click.BadParameter(f"{amount!r} is not an amount such as 20.00.", param_hint="AMOUNT")
    with connect() as client:
        paid_in = (currency or client.wallet()["currency"]).upper()
        begun = client.top_up(amount, currency=paid_in, idempotency_key=idempotency_key)
    output.one(begun, _show_top_up)


def _show_wallet(wallet: Wallet) -> None:
    burns = wallet["burn_per_hour"]
    print_facts(
        [
            ("Balance", money(wallet["balance"])),
            ("Held", f"{money(wallet['held'])} (set aside for what runs or was taken back)"),
            ("Available", _available(wallet)),
            ("Promotional", _promotional(wallet)),
            ("Owed", paint(money(wallet["receivable"]), "bad") if is_some(wallet["receivable"]) else ""),
            ("Spending", rate(burns)),
            ("Lasts", duration(wallet["runway_seconds"]) if wallet["runway_seconds"] is not None else ""),
        ]
    )
    if wallet["data_kept_until"] is not None:
        note(
            f"What is suspended and not paid for is released at {local(wallet['data_kept_until'])}, and its files are "
            "deleted, unless you pay what is owed and enough to run again. Less moves the date once. "
            "Add funds: sublet top-up AMOUNT",
            "bad",
        )
    elif wallet["warning"] is not None:
        note(f"Your balance runs out ({wallet['warning']}). Add funds: sublet top-up AMOUNT", "warn")


def _promotional(wallet: Wallet) -> str:
    """The credit, and what of it expires next."""
    if not is_some(wallet["promo"]):
        return ""
    ends = wallet["credit_expires"]
    return money(wallet["promo"]) + (f" ({money(ends['amount'])} until {local(ends['at'])})" if ends else "")


def _available(wallet: Wallet) -> Painted:
    return paint(money(wallet["available"]), "warn" if wallet["warning"] else "strong")


def _show_top_up(begun: TopUp) -> None:
    if begun["checkout_url"] is None:
        print_facts([("Top-up", begun["id"]), ("State", begun["state"])])
        return
    note(f"Pay {money(begun['amount'])} on this page; your balance follows within seconds:")
    click.echo(begun["checkout_url"])
