"""Progress of an operation on stderr: one line a step, and on a terminal a spinner for the step that runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sublet.cli.connection import note
from sublet.cli.exits import Exit
from sublet.cli.failures import Failure
from sublet.cli.formats import seconds_between, words
from sublet.cli.style import colour_wanted, on_terminal, printable
from sublet.client.shapes import Allocation, Step

if TYPE_CHECKING:
    from rich.status import Status


class Progress:
    """Shows each version of an allocation that a wait sees; steps that are over are said once."""

    def __init__(self, *, kind: str | None, shown: bool) -> None:
        self._kind = kind
        self._shown = shown
        self._said: set[tuple[str, str]] = set()
        self._status: Status | None = None

    def __enter__(self) -> Self:
        """Start the spinner where there is somebody to see it."""
        if self._shown and on_terminal(stderr=True):
            from rich.console import Console  # noqa: PLC0415 - only a terminal with a wait needs it

            console = Console(stderr=True, no_color=not colour_wanted(stderr=True), highlight=False, markup=False)
            self._status = console.status("", spinner="dots")
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the spinner."""
        if self._status is not None:
            self._status.stop()

    def see(self, allocation: Allocation) -> None:
        """Show what is new."""
        if not self._shown:
            return
        operation = allocation["operation"]
        running = words(allocation["state"])
        if operation is not None and self._kind in {None, operation["kind"]}:
            for step in operation["steps"]:
                if step["state"] == "running":
                    running = words(step["name"])
                elif step["state"] in {"done", "failed"}:
                    self._say(operation["id"], step)
        if self._status is not None:
            self._status.update(printable(f"{allocation['name']}: {running}"))

    def _say(self, operation_id: str, step: Step) -> None:
        key = (operation_id, f"{step['name']} {step['state']}")
        if key in self._said:
            return
        self._said.add(key)
        seconds = seconds_between(step["started_at"], step["finished_at"])
        took = "" if seconds is None else f"  {seconds:.1f} s"
        mark, style = ("done", "muted") if step["state"] == "done" else ("failed", "bad")
        detail = f"  {step['detail']}" if step["state"] == "failed" and step["detail"] else ""
        note(f"  {mark:6}  {words(step['name'])}{took}{detail}", style)


@contextmanager
def resumable(name: str) -> Iterator[None]:
    """Ctrl-C inside ends only the waiting, and says how to take it up again."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise Failure(
            f"You stopped waiting for {name}. Nothing was cancelled; it goes on. "
            f"Keep waiting: sublet show {name} --wait",
            Exit.INTERRUPTED,
        ) from error
