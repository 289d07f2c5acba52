"""How an exception is written down: its frames, and of its text only what holds nobody's data.

PostgreSQL adds the failing row to what it says (DETAIL), and pydantic the value that it refused; a log gets neither.
"""

import traceback
from collections.abc import Iterator
from types import TracebackType

import psycopg
from pydantic import ValidationError
from sqlalchemy.exc import StatementError

_CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"
MOST_FRAMES = 30
"""Of an exception so many frames are written down from either end."""
_DATA_EXCEPTION = "22"
"""The class of SQLSTATEs whose message quotes the value; the exception's name says what was wrong with it."""


def message_of(error: BaseException) -> str:
    """What an exception says, without rows, parameters and values that it quotes."""
    if isinstance(error, StatementError) and error.orig is not None:
        return f"({type(error.orig).__name__}) {message_of(error.orig)}"
    if isinstance(error, psycopg.Error):
        return _postgres_message(error)
    if isinstance(error, ValidationError):
        wrong = error.errors(include_url=False, include_context=False, include_input=False)
        return "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['type']}" for item in wrong)
    return str(error)


def _postgres_message(error: psycopg.Error) -> str:
    state = error.diag.sqlstate
    if state is None:  # not an answer of the server's: a connection that failed, say
        return str(error).partition("\n")[0]
    constraint = f", constraint {error.diag.constraint_name}" if error.diag.constraint_name else ""
    said = "" if state.startswith(_DATA_EXCEPTION) else f"{error.diag.message_primary} "
    return f"{said}(SQLSTATE {state}{constraint})"


def describe(error: BaseException) -> str:
    """The exception, its causes and its frames, as Python prints them but for `message_of`."""
    return "".join(_parts(error, set())).rstrip("\n")


def _frames(of: TracebackType) -> Iterator[str]:
    """The frames, but for those in the middle of very many."""
    frames = list(traceback.extract_tb(of))
    if len(frames) > 2 * MOST_FRAMES:
        yield from traceback.format_list(frames[:MOST_FRAMES])
        yield f"  … {len(frames) - 2 * MOST_FRAMES} frames …\n"
        frames = frames[-MOST_FRAMES:]
    yield from traceback.format_list(frames)


def _parts(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    cause, context = error.__cause__, error.__context__
    if cause is not None and id(cause) not in seen:
        yield from _parts(cause, seen)
        yield _CAUSE
    elif cause is None and context is not None and not error.__suppress_context__ and id(context) not in seen:
        yield from _parts(context, seen)
        yield _CONTEXT
    if error.__traceback__ is not None:
        yield "Traceback (most recent call last):\n"
        yield from _frames(error.__traceback__)
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    yield f"{name}: {message_of(error)}\n"
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            if id(inner) not in seen:
                yield "".join(f"  | {line}\n" for line in "".join(_parts(inner, seen)).splitlines())
