"""Stopping what nobody waits for any more. Only for what changes nothing: it may be stopped anywhere."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

_LONGEST_SECONDS = 3600.0


class Passed(BaseException):
    """The time is over. No handler of ordinary failures on the way catches it."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


@contextlib.contextmanager
def of(seconds: float | None) -> Iterator[None]:
    """Raise `Passed` in what runs inside when so many seconds are over; never, without any.

    The kernel's timer also ends a wait for another program; that program is killed.
    """
    if seconds is None:
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise Passed(seconds)

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, min(seconds, _LONGEST_SECONDS))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
