"""`--idempotency-key`: repeat what got no answer, so that it happens once at most."""

import re
from collections.abc import Callable

import click


def _checked(_: click.Context, parameter: click.Parameter, key: str | None) -> str | None:
    # It travels in a header, and the server takes no more.
    if key is not None and not re.fullmatch(r"[!-~]{1,255}", key):
        raise click.BadParameter("A key has 1 to 255 letters, digits and signs, without blanks.", param=parameter)
    return key


def repeat_option(what: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the option; the command gets it as `idempotency_key`."""
    told = f"Repeat {what} that got no answer: it happens once at most."
    return click.option("--idempotency-key", metavar="KEY", callback=_checked, help=told)
