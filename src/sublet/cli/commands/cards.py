"""`cards`, `auto-topup`: the cards that can be charged, and what is charged to one while nobody is there."""

import re
from typing import Any

import click

from sublet.cli.commands.idempotency import repeat_option
from sublet.cli.connection import connect, note
from sublet.cli.exits import Exit
from sublet.cli.failures import Failure
from sublet.cli.formats import local, money
from sublet.cli.lazy import LazyGroup
from sublet.cli.output import Output, output_options
from sublet.cli.style import Painted, paint
from sublet.cli.tables import Column, print_facts
from sublet.client import Client
from sublet.client.shapes import AutoTopUp, CardSetup, SavedCard

_HERE = "sublet.cli.commands.cards"

CARDS: list[Column[SavedCard]] = [
    Column("ID", lambda card: card["id"]),
    Column("CARD", lambda card: f"{card['brand']} ending in {card['last4']}"),
    Column("EXPIRES", lambda card: f"{card['expiry_month']:02}/{card['expiry_year']}"),
    Column("DEFAULT", lambda card: "yes" if card["is_default"] else ""),
    Column("SAVED", lambda card: local(card["saved_at"]), optional=True),
]


@click.group(
    cls=LazyGroup,
    lazy={
        "ls": (f"{_HERE}:ls", "List your saved cards."),
        "add": (f"{_HERE}:add", "Save a card on the card processor's page."),
        "default": (f"{_HERE}:default", "Choose the card that auto top-up charges."),
        "remove": (f"{_HERE}:remove", "Have a card forgotten."),
    },
)
def cards() -> None:
    """Save cards, and choose which one is charged."""


@click.command()
@output_options()
def ls(output: Output) -> None:
    """List your saved cards, newest first."""
    with connect() as client:
        output.many(client.cards(), CARDS, empty="There is no saved card yet. Save one: sublet cards add")


@click.command()
@repeat_option("a card's page")
@output_options()
def add(idempotency_key: str | None, output: Output) -> None:
    """Print the page to save a card on. Nothing is charged, and the number never comes here."""
    with connect() as client:
        output.one(client.add_card(idempotency_key=idempotency_key), _show_setup)


@click.command()
@click.argument("card")
@output_options()
def default(card: str, output: Output) -> None:
    """Charge CARD, an id or its last four digits, for auto top-ups from now on."""
    with connect() as client:
        made = client.make_card_default(_found(client, card)["id"])
    output.one(made, lambda one: note(f"Auto top-ups are charged to the {one['brand']} ending in {one['last4']}."))


@click.command()
@click.argument("card")
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(card: str, yes: bool) -> None:
    """Charge CARD, an id or its last four digits, no more, and have the card processor forget it."""
    with connect() as client:
        found = _found(client, card)
        waits = " Auto top-up waits until another card is the default." if found["is_default"] else ""
        if not yes:
            question = f"Remove the {found['brand']} ending in {found['last4']}?{waits}"
            click.confirm(question, abort=True, err=True)
        client.remove_card(found["id"])
    note(f"The {found['brand']} ending in {found['last4']} is charged no more.{waits}")


def _found(client: Client, card: str) -> SavedCard:
    """The card by its id, or by its last four digits if they are of one alone."""
    found = [one for one in client.cards() if card in {one["id"], one["last4"]}]
    if len(found) != 1:
        how_many = "several saved cards end in" if found else "there is no saved card"
        raise Failure(f"{how_many.capitalize()} {card}. Nothing was changed. See: sublet cards ls", Exit.NOT_FOUND)
    return found[0]


def _show_setup(begun: CardSetup) -> None:
    if begun["checkout_url"] is None:
        print_facts([("Setup", begun["id"]), ("State", begun["state"])])
        return
    note("Save the card on this page; it is listed within seconds:")
    click.echo(begun["checkout_url"])


@click.group(
    "auto-topup",
    cls=LazyGroup,
    lazy={
        "show": (f"{_HERE}:show", "Show when and how much is charged by itself."),
        "set": (f"{_HERE}:set_bounds", "Turn it on, or change its bounds."),
        "off": (f"{_HERE}:off", "Charge nothing by itself."),
    },
)
def auto_topup() -> None:
    """Charge the default card when your funds run low."""


_SAID = {
    "off": "off: nothing is charged by itself",
    "enough": "on: your funds are at or above the threshold",
    "charges": "on: your funds are below the threshold, and the card is about to be charged",
    "under_way": "a payment is under way; there is no other until it has ended",
    "waiting": "waiting: there is at most one attempt an hour",
    "cap_reached": "the monthly cap is reached: raise it, or add funds with sublet top-up AMOUNT",
    "stopped": "stopped: three charges in a row came to nothing; choose another card and set it again",
    "no_card": "waiting: there is no default card; see sublet cards",
    "taken_back": "held back: a payment was taken back and is not settled",
}
_TROUBLE = {"cap_reached", "stopped", "no_card", "taken_back"}


class AmountText(click.ParamType[str]):
    """A decimal amount."""

    name = "amount"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Digits with at most three decimals: a float, an exponent or a sign is a mistake worth stopping at."""
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,3})?", str(value)):
            self.fail(f"{value!r} is not an amount such as 20.00.", param, ctx)
        return str(value)


@click.command()
@output_options(quiet=False)
def show(output: Output) -> None:
    """Show when and how much is charged by itself, and how that stands."""
    with connect() as client:
        output.one(client.auto_top_up(), _show_auto_top_up)


@click.command("set")
@click.option("--below", type=AmountText(), required=True, help="Top up when your funds are below this.")
@click.option("--amount", type=AmountText(), required=True, help="One top-up; one charge has as many as it takes.")
@click.option("--cap", type=AmountText(), required=True, help="Never charge more in a month of the books.")
@click.option("--currency", help="ISO 4217 code; that of your wallet if left out.")
@output_options(quiet=False)
def set_bounds(below: str, amount: str, cap: str, currency: str | None, output: Output) -> None:
    """Charge the default card when your funds fall below a threshold; where it had stopped, it goes on."""
    with connect() as client:
        paid_in = (currency or client.wallet()["currency"]).upper()
        done = client.set_auto_top_up(threshold=below, amount=amount, monthly_cap=cap, currency=paid_in)
    output.one(done, _show_auto_top_up)


@click.command()
@output_options(quiet=False)
def off(output: Output) -> None:
    """Charge nothing by itself any more; a charge that is under way goes on."""
    with connect() as client:
        output.one(client.turn_off_auto_top_up(), _show_auto_top_up)


def _show_auto_top_up(known: AutoTopUp) -> None:
    standing = known["standing"]
    facts: list[tuple[str, str | Painted]] = [
        ("Auto top-up", paint(_SAID.get(standing, standing), "bad" if standing in _TROUBLE else "strong"))
    ]
    threshold, amount, cap, charged = (
        known["threshold"],
        known["amount"],
        known["monthly_cap"],
        known["charged_this_month"],
    )
    if threshold is not None and amount is not None and cap is not None and charged is not None:
        facts += [
            ("Below", money(threshold)),
            ("Amount", money(amount)),
            ("This month", f"{money(charged)} of at most {money(cap)}"),
        ]
    if known["tries_again_at"] is not None:
        facts.append(("Next attempt", local(known["tries_again_at"])))
    if known["top_up_id"] is not None:
        facts.append(("Payment", known["top_up_id"]))
    print_facts(facts)
