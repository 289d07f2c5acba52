"""`balance`, `ledger`, `top-up`: the wallet."""

import re
from itertools import islice

import click

from sublet.cli.commands.idempotency import repeat_option
from sublet.cli.connection import connect, note
from sublet.cli.formats import duration, is_some, local, money, rate, signed
from sublet.cli.output import Output, output_options
from sublet.cli.style import Painted, paint
from sublet.cli.tables import Column, print_facts
from sublet.client.shapes import Entry, TopUp, Wallet

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


@click.command()
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many entries.")
@click.option("--all", "everything", is_flag=True, help="All of them.")
@output_options()
def ledger(limit: int, everything: bool, output: Output) -> None:
    """List the entries of your wallet, newest first, to the last digit."""
    with connect() as client:
        entries = client.entries() if everything else islice(client.entries(), limit)
        output.many(entries, ENTRIES, empty="There are no entries yet. Add funds: sublet top-up AMOUNT")


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
            ("Promotional", money(wallet["promo"]) if is_some(wallet["promo"]) else ""),
            ("Owed", paint(money(wallet["receivable"]), "bad") if is_some(wallet["receivable"]) else ""),
            ("Spending", rate(burns)),
            ("Lasts", duration(wallet["runway_seconds"]) if wallet["runway_seconds"] is not None else ""),
        ]
    )
    if wallet["warning"] is not None:
        note(f"Your balance runs out ({wallet['warning']}). Add funds: sublet top-up AMOUNT", "warn")


def _available(wallet: Wallet) -> Painted:
    return paint(money(wallet["available"]), "warn" if wallet["warning"] else "strong")


def _show_top_up(begun: TopUp) -> None:
    if begun["checkout_url"] is None:
        print_facts([("Top-up", begun["id"]), ("State", begun["state"])])
        return
    note(f"Pay {money(begun['amount'])} on this page; your balance follows within seconds:")
    click.echo(begun["checkout_url"])
