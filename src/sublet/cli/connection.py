"""The client that a command talks through."""

from typing import TYPE_CHECKING

import click

from sublet.cli.credentials import ALLOW_HTTP, Credentials, current
from sublet.cli.exits import Exit
from sublet.cli.failures import Failure
from sublet.cli.style import paint

if TYPE_CHECKING:
    from sublet.client.client import Client


def note(message: str, style: str | None = None) -> None:
    """Tell the person something that is not data: on stderr."""
    click.echo(paint(message, style, stderr=True), err=True)


def connect(credentials: Credentials | None = None) -> "Client":
    """A client for the given or the current credentials, if the token may go there; close it with `with`."""
    from sublet.client.client import Client  # noqa: PLC0415 - httpx costs 100 ms, and only a call needs it

    used = credentials or current()
    require_safe(used.url, allowed=used.allow_http, how=f"set {ALLOW_HTTP}=1")
    if not travels_safely(used.url):
        note(f"Warning: {used.url} is not encrypted. Everybody on the way can read your token.", "warn")
    return Client(used.url, used.token)


def travels_safely(url: str) -> bool:
    """Whether a token sent to the URL is encrypted, or stays on this machine."""
    from sublet.client.transport import is_loopback  # noqa: PLC0415 - as above

    return url.lower().startswith("https://") or is_loopback(url)


def require_safe(url: str, *, allowed: bool, how: str) -> None:
    """Refuse to send a token unencrypted over a network, unless that was asked for; `how` says how to ask."""
    if not allowed and not travels_safely(url):
        raise Failure(
            f"{url} is not encrypted: everybody on the way could read your token. It was not sent. "
            f"Use https://, or {how} where the network itself is private.",
            Exit.USAGE,
        )
