"""`--wait/--no-wait --timeout`, and the wait itself."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from sublet.cli.output import Output
from sublet.cli.progress import Progress, resumable
from sublet.client.shapes import Allocation
from sublet.client.wait import wait_until_settled

if TYPE_CHECKING:
    from sublet.client.client import Client

DEFAULT_TIMEOUT_SECONDS = 300.0


def wait_options(until: str, *, default: bool = True) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add `--wait/--no-wait` and `--timeout`; the command gets `wait` and `timeout`."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        waiting = click.option("--wait/--no-wait", default=default, show_default=True, help=f"Wait {until}.")
        timing = click.option(
            "--timeout",
            type=click.FloatRange(min=0),
            default=DEFAULT_TIMEOUT_SECONDS,
            show_default=True,
            metavar="SECONDS",
            help="How long to wait; then exit with 8, and nothing is cancelled.",
        )
        return waiting(timing(function))

    return decorate


def wait_for(
    client: "Client", allocation: Allocation, kind: str | None, timeout_seconds: float, output: Output
) -> Allocation:
    """Wait with progress until the work is over, well or badly."""
    with resumable(allocation["name"]), Progress(kind=kind, shown=not output.quiet) as progress:
        return wait_until_settled(client, allocation, kind=kind, timeout_seconds=timeout_seconds, seen=progress.see)
