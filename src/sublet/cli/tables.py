"""Borderless tables: as wide as they need in a pipe, as wide as the window on a terminal."""

import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import click

from sublet.cli.style import Painted, on_terminal, paint, printable

T = TypeVar("T")
GAP = "  "
NARROWEST = 8
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """A heading and how to read its cell; `flexible` ones are cut first, `optional` ones left out last to first."""

    heading: str
    cell: Callable[[T], str]
    style: Callable[[T], str | None] = lambda _: None
    right: bool = False
    flexible: bool = False
    optional: bool = False


def width_of(text: str) -> int:
    """How many terminal cells the text takes."""
    plain = _ANSI.sub("", text)
    if plain.isascii():
        return len(plain)
    from rich.cells import cell_len  # noqa: PLC0415 - only text beyond ASCII needs its tables

    return cell_len(plain)


def cut(text: str, width: int) -> str:
    """The text in at most `width` cells, with `…` where something is missing."""
    if width_of(text) <= width:
        return text
    kept = ""
    for character in text:
        if width_of(kept + character) > width - 1:
            break
        kept += character
    return kept + "…"


def print_table(rows: Iterable[T], columns: Sequence[Column[T]]) -> None:
    """Print the rows on stdout under their headings."""
    listed = list(rows)
    fitted = [_Fitted(column, [printable(column.cell(row)) for row in listed]) for column in columns]
    if on_terminal():
        _fit_into(fitted, shutil.get_terminal_size().columns)
    click.echo(paint(GAP.join(_pad(one, one.column.heading) for one in fitted).rstrip(), "muted"))
    for number, row in enumerate(listed):
        line = []
        for one in fitted:
            text = one.cells[number]
            padded = _pad(one, text)
            line.append(padded if isinstance(text, Painted) else paint(padded, one.column.style(row)))
        click.echo(GAP.join(line).rstrip())


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Print name and value pairs on stdout, values in one column."""
    listed = [(name, value) for name, value in facts if value]
    width = max((width_of(name) for name, _ in listed), default=0)
    for name, value in listed:
        click.echo(f"{paint(name.ljust(width), 'muted')}{GAP}{printable(value)}")


class _Fitted:
    """A column with its cells, as wide as the widest of them until it has to give way."""

    def __init__(self, column: Column[Any], cells: list[str]) -> None:
        self.column = column
        self.cells = cells
        self.width = max(width_of(text) for text in [column.heading, *cells])

    @property
    def least(self) -> int:
        """How narrow it can get."""
        return min(self.width, NARROWEST) if self.column.flexible else self.width


def _total(widths: Iterable[int]) -> int:
    listed = list(widths)
    return sum(listed) + len(GAP) * (len(listed) - 1)


def _fit_into(fitted: list[_Fitted], available: int) -> None:
    for one in reversed(list(fitted)):
        if _total(other.least for other in fitted) <= available:
            break
        if one.column.optional:
            fitted.remove(one)
    while _total(one.width for one in fitted) > available:
        yielding = [one for one in fitted if one.width > one.least]
        if not yielding:
            return
        max(yielding, key=lambda one: one.width).width -= 1


def _pad(one: _Fitted, text: str) -> str:
    shown = cut(text, one.width)
    space = " " * (one.width - width_of(shown))
    return space + shown if one.column.right else shown + space
