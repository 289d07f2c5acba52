"""`events`: what happens, as it happens."""

import json
from typing import TYPE_CHECKING

import click

from sublet.cli.connection import connect, note
from sublet.cli.exits import Exit
from sublet.cli.failures import Failure
from sublet.cli.formats import clock, duration, money
from sublet.cli.style import paint
from sublet.client.errors import SubletConnectionError
from sublet.client.shapes import Event

if TYPE_CHECKING:
    from sublet.client.client import Client

FIRST_POLL_SECONDS = 0.5
LONGEST_POLL_SECONDS = 3.0


@click.command()
@click.option("--after", metavar="ID", help="Continue after this event; without it, begin now.")
@click.option("--follow/--no-follow", default=True, show_default=True, help="Go on with what is to come.")
@click.option("--type", "kind", metavar="PREFIX", default="", help="Only types that begin like this: allocation.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document a line.")
def events(after: str | None, follow: bool, kind: str, as_json: bool) -> None:
    """Follow what happens in your organization; operators also see the platform.

    Ctrl-C ends it and says where to continue.
    """
    place = _Place(after)
    try:
        with connect() as client:
            _follow(client, place, follow=follow, kind=kind, as_json=as_json)
    except KeyboardInterrupt as error:
        after_that = f" Continue with: sublet events --after {place.cursor}" if place.cursor else ""
        raise Failure(f"You stopped following.{after_that}", Exit.INTERRUPTED) from error


class _Place:
    """Where in the stream we are."""

    def __init__(self, cursor: str | None) -> None:
        self.cursor = cursor


def _follow(client: "Client", place: _Place, *, follow: bool, kind: str, as_json: bool) -> None:
    asked = place.cursor is not None
    pause = FIRST_POLL_SECONDS
    connected = True
    while True:
        try:
            page = client.events(after=place.cursor)
        except SubletConnectionError as error:
            if not follow:
                raise
            if connected:
                note(f"{error}. Trying again; nothing is missed.", "warn")
            connected = False
            client.sleep(LONGEST_POLL_SECONDS)
            continue
        connected = True
        for event in page["items"]:
            # The place moves after the line is out: an interruption in between repeats an event, and never skips one.
            if event["type"].startswith(kind):
                _print(event, as_json)
            place.cursor = event["id"]
        place.cursor = page["next_cursor"] or place.cursor
        if page["items"]:
            pause = FIRST_POLL_SECONDS
        elif not follow:
            if not asked and place.cursor:
                note(f"New events begin here. See what follows: sublet events --after {place.cursor}")
            return
        else:
            client.sleep(pause)
            pause = min(pause * 1.5, LONGEST_POLL_SECONDS)


def _print(event: Event, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(event))
        return
    data = event["data"]
    name = data.get("name") or event["subject"]
    click.echo(
        f"{paint(clock(event['time']), 'muted')}  {paint(event['type'].ljust(24), 'accent')}  {paint(str(name), None)}"
        f"{paint(_said(event), 'muted')}"
    )


def _said(event: Event) -> str:
    data = event["data"]
    if event["type"] == "operation.progressed":
        return f"  {data.get('kind')}: {data.get('step')} {data.get('state')}"
    if event["type"] == "wallet.changed":
        available = data.get("available") or {}
        return f"  available {available.get('amount')} {available.get('currency')}"
    if event["type"] == "wallet.low":
        return f"  funds last {duration(data.get('runway_seconds'))}"
    if event["type"].startswith("top_up.") and "amount" in data:
        return f"  {money(data['amount'])}"
    reason = data.get("reason")
    return f"  {reason}" if reason else ""
