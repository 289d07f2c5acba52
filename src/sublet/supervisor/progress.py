"""What `sublet up` says while one waits: each line with the time since the start, and what still goes on."""

import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

QUIET_SECONDS = 5.0
"""On anything but a terminal, work that takes longer is spoken of again after so long."""


class Progress:
    """Lines with elapsed seconds; on a terminal also one line, rewritten every second, that names what goes on."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._started = time.monotonic()
        self._spoken = self._started
        self._steps: dict[str, float] = {}
        self._status_shown = False
        self._terminal = self._stream.isatty()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._started

    def say(self, text: str) -> None:
        """One line, with the time."""
        self.write(f"{self.seconds:6.1f} s  {text}\n")

    def write(self, text: str) -> None:
        """Text as it is. Whoever listened may be gone (a closed terminal): that stops nothing."""
        self._spoken = time.monotonic()
        with suppress(OSError, ValueError):
            self._stream.write(f"{self._clear()}{text}")
            self._stream.flush()

    @contextmanager
    def step(self, doing: str) -> Iterator[None]:
        """Work that takes a while; it is named while it goes on, and where nobody watches when it begins."""
        self._steps[doing] = time.monotonic()
        if not self._terminal:
            self.say(f"… {doing}")
        try:
            yield
        finally:
            self._steps.pop(doing, None)

    async def report(self) -> None:
        """Name what goes on, until cancelled."""
        try:
            while True:
                await asyncio.sleep(1.0)
                self._report()
        finally:
            if self._status_shown:
                self.write("")

    def _report(self) -> None:
        now = time.monotonic()
        going = [f"{doing} ({now - since:.0f} s)" for doing, since in self._steps.items() if now - since >= 1]
        if not going:
            return
        line = f"{self.seconds:6.1f} s  … {', '.join(going)}"
        if self._terminal:
            with suppress(OSError, ValueError):
                self._stream.write(f"{self._clear()}{line[:110]}")
                self._stream.flush()
                self._status_shown = True
        elif now - self._spoken >= QUIET_SECONDS:
            self.write(f"{line}\n")

    def _clear(self) -> str:
        shown, self._status_shown = self._status_shown, False
        return "\r\x1b[K" if shown else ""
