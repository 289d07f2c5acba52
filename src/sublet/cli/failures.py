"""How a command fails: one message on stderr, in the words of what happened, what it did, what to do."""

from typing import IO, Any

import click

from sublet.cli.exits import Exit, exit_of
from sublet.cli.style import paint, printable
from sublet.client.errors import (
    SubletApiError,
    SubletClientError,
    SubletConnectionError,
    SubletProtocolError,
    WaitTimedOut,
)


class Failure(click.ClickException):
    """A message for people and an exit code for scripts."""

    def __init__(self, message: str, exit_code: Exit = Exit.FAILURE) -> None:
        super().__init__(message)
        self.exit_code = int(exit_code)  # type: ignore[misc]  # click reads it from the instance

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message on stderr."""
        del file
        click.echo(f"{paint('Error:', 'bad', stderr=True)} {printable(self.message, lines=True)}", err=True)


def failure_of(error: SubletClientError) -> Failure:
    """What a person is told about an error of the client, and the exit code for it."""
    if isinstance(error, SubletApiError):
        return _refused(error)
    if isinstance(error, SubletConnectionError):
        return Failure(_unanswered(error))
    if isinstance(error, SubletProtocolError):
        return Failure(f"{error}. Nothing was changed. Check the URL: sublet login --url URL, or SUBLET_URL.")
    if isinstance(error, WaitTimedOut):
        name = error.last["name"]
        return Failure(
            f"{error}. It goes on, and nothing was cancelled. Keep waiting: sublet show {name} --wait", Exit.TIMED_OUT
        )
    return Failure(str(error))


def _refused(error: SubletApiError) -> Failure:
    lines = [error.detail]
    if error.status == 401:
        lines[0] += " Sign in again: sublet login"
    if error.request_id:
        lines[0] += f" ({error.request_id})"
    lines += [f"  {item.get('field', '')}: {item.get('message', '')}" for item in error.errors]
    return Failure("\n".join(lines), exit_of(error.code, error.status))


def _unanswered(error: SubletConnectionError) -> str:
    if not error.maybe_received:
        return f"{error}. Nothing was changed. Check that Sublet runs there and that the URL is right."
    again = "Look before you repeat it: sublet ls, sublet balance."
    if error.idempotency_key is not None:
        again = f"Repeat it with --idempotency-key {error.idempotency_key}, and it happens once at most."
    return f"{error}. The request may have arrived, so it may have been done. {again}"
