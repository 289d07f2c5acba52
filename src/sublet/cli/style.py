"""Colour and safety of what is printed: colour only on a terminal that wants it, no foreign control characters ever."""

import os
import re
import sys

import click

_STYLES: dict[str, dict[str, object]] = {
    "ok": {"fg": "green"},
    "warn": {"fg": "yellow"},
    "bad": {"fg": "red"},
    "accent": {"fg": "cyan"},
    "muted": {"dim": True},
    "strong": {"bold": True},
}

# A name or message that comes from elsewhere must not move the cursor, retitle the window or reverse the text.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_CONTROL_BUT_NEWLINE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def on_terminal(*, stderr: bool = False) -> bool:
    """Whether the stream is a terminal."""
    stream = sys.stderr if stderr else sys.stdout
    return stream.isatty()


def colour_wanted(*, stderr: bool = False) -> bool:
    """Whether the stream may carry colour: a terminal, not a dumb one, and NO_COLOR is not set."""
    return on_terminal(stderr=stderr) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def glyphs_possible() -> bool:
    """Whether stdout is a terminal that can show more than ASCII."""
    return on_terminal() and (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


class Painted(str):
    """Text that is safe to print as it is: cleaned already, and perhaps coloured."""

    __slots__ = ()


def paint(text: str, style: str | None, *, stderr: bool = False) -> Painted:
    """The text, cleaned, in a style of ours (`ok warn bad accent muted strong`); plain where colour is not wanted."""
    clean = printable(text)
    if style is None or not clean or not colour_wanted(stderr=stderr):
        return Painted(clean)
    return Painted(click.style(clean, **_STYLES[style]))  # type: ignore[arg-type]  # a table of click's own keywords


def printable(text: str, *, lines: bool = False) -> str:
    """The text with control and direction characters shown as `�`; newlines stay when `lines`."""
    if isinstance(text, Painted):
        return text
    return (_CONTROL_BUT_NEWLINE if lines else _CONTROL).sub("�", text)
