"""Data on stdout in the form that was asked for: a table, `--json`, or `-q` ids."""

import functools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import click

from sublet.cli.connection import note
from sublet.cli.tables import Column, print_table

T = TypeVar("T", bound=Mapping[str, Any])
SHOWN = 100
"""So many rows a table has at most."""


def _id_of(item: Mapping[str, Any]) -> str:
    return str(item["id"])


@dataclass(frozen=True, slots=True)
class Output:
    """The form in which a command prints its data."""

    as_json: bool = False
    quiet: bool = False

    def many(self, items: Iterable[T], columns: Sequence[Column[T]], *, empty: str) -> None:
        """A list: a JSON array, one id a line, or a table; `empty` is said on stderr when there is nothing.

        A table ends after `SHOWN` rows, and says so: nobody reads ten thousand, and no more pages are asked for.
        """
        listed = list(islice(items, SHOWN + 1) if self.plain else items)
        if self.plain and len(listed) > SHOWN:
            del listed[SHOWN:]
            note(f"Only the first {SHOWN} are shown; --json prints all.")
        if self.as_json:
            print_json(listed)
        elif self.quiet:
            for item in listed:
                click.echo(_id_of(item))
        elif listed:
            print_table(listed, columns)
        else:
            note(empty)

    def one(self, item: T, show: Callable[[T], None], *, id_of: Callable[[T], str] = _id_of) -> None:
        """One thing: a JSON object, its id, or what `show` prints."""
        if self.as_json:
            print_json(item)
        elif self.quiet:
            click.echo(id_of(item))
        else:
            show(item)

    def noted(self, item: Mapping[str, Any]) -> None:
        """One thing of which a note has told a person: a JSON object or its id for programs, and nothing more."""
        self.one(item, lambda _: None)

    @property
    def plain(self) -> bool:
        """Whether a person reads the output."""
        return not (self.as_json or self.quiet)


def print_json(value: Any) -> None:
    """One JSON document on stdout, in ASCII, so that nothing in it can steer a terminal."""
    click.echo(json.dumps(value, indent=2))


def output_options(*, quiet: bool = True) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add `--json` and, unless there are no ids to print, `-q`; the command gets them as `output`."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def command(*args: Any, as_json: bool, only_ids: bool = False, **kwargs: Any) -> None:
            if as_json and only_ids:
                raise click.UsageError("--json and -q exclude each other: say which of the two you want.")
            function(*args, output=Output(as_json, only_ids), **kwargs)

        if quiet:
            command = click.option("-q", "--quiet", "only_ids", is_flag=True, help="Print ids only.")(command)
        return click.option("--json", "as_json", is_flag=True, help="Print the API's JSON.")(command)

    return decorate
