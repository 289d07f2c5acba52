"""What is known about the request or task that is being worked on: its id, and whether it may have committed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request being served (`req_…`), or None outside of one."""

_commits: ContextVar[list[None] | None] = ContextVar("commits", default=None)


def begin_request() -> None:
    """From here on, in this task and those that it starts, nothing has been committed."""
    _commits.set([])


def note_commit() -> None:
    """Say that a transaction is about to commit."""
    commits = _commits.get()
    if commits is not None and not commits:
        commits.append(None)


def may_have_committed() -> bool:
    """Whether any transaction of the request has committed, or was lost while it did."""
    return bool(_commits.get())


@dataclass(slots=True)
class _HeldBack:
    """What is done once a block is over; whoever comes after that is not held back any more."""

    waiting: list[Callable[[], None]] = field(default_factory=list)
    over: bool = False


_held_back: ContextVar[_HeldBack | None] = ContextVar("held_back", default=None)


def afterwards(do: Callable[[], None]) -> None:
    """Do something slow that needs no database, like writing down a failure, once the session that is open has ended,
    whatever became of it; at once if none is."""
    held_back = _held_back.get()
    if held_back is None or held_back.over:
        do()
    else:
        held_back.waiting.append(do)


@contextmanager
def holding_back() -> Iterator[None]:
    """Hold back until the end of the block what is to be done `afterwards`; one within another waits for that."""
    before = _held_back.get()
    if before is not None and not before.over:
        yield
        return
    mine = _HeldBack()
    _held_back.set(mine)
    try:
        yield
    finally:
        mine.over = True
        _held_back.set(before)
        for do in mine.waiting:
            do()
