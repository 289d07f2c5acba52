"""What goes along with a launch: a startup script, environment variables, labels; and what came of them afterwards."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from sublet.cli.commands.admin.options import Label
from sublet.cli.completions import allocation_argument
from sublet.cli.connection import connect, note
from sublet.cli.exits import Exit
from sublet.cli.failures import Failure
from sublet.cli.formats import NOTHING, local, pairs
from sublet.cli.output import Output, output_options
from sublet.cli.style import Painted, paint, printable
from sublet.client.shapes import Startup

_STYLE = {"succeeded": "ok", "failed": "bad", "stopped": "warn"}


def launch_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add `--script`, `--env`, `--env-file` and `--label`."""
    options = (
        click.option(
            *("--script", "script_file"),
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="A script that runs once, as you, when the allocation is active; at most 64 KiB.",
        ),
        click.option(
            *("--env", "variables"),
            multiple=True,
            metavar="NAME[=VALUE]",
            help="A variable that every login has; without a value, that of your own environment. Repeatable.",
        ),
        click.option(
            *("--env-file", "env_files"),
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            multiple=True,
            help="Lines of NAME=VALUE; nobody sees them in your list of processes. Repeatable.",
        ),
        click.option("--label", "labels", multiple=True, type=Label(), help="A label to find it by; repeatable."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def read_given(
    script_file: Path | None, variables: Iterable[str], env_files: Iterable[Path], labels: Iterable[tuple[str, str]]
) -> dict[str, Any]:
    """What the options give, as `Client.launch` takes it."""
    environment: dict[str, str] = {}
    for path in env_files:
        environment |= dict(_lines_of(path))
    for given in variables:
        name, separator, value = given.partition("=")
        if not separator and name not in os.environ:
            raise click.UsageError(f"--env {name}: your own environment has no {name}. Write {name}=VALUE.")
        environment[name] = value if separator else os.environ[name]
    script = None if script_file is None else script_file.read_text(encoding="utf-8")
    return {"startup_script": script, "environment": environment, "labels": dict(labels)}


def _lines_of(path: Path) -> Iterable[tuple[str, str]]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, separator, value = line.partition("=")
        if not separator:
            # Not the line itself: it may be a secret that lost its name.
            raise click.UsageError(f"{path}, line {number}: write NAME=VALUE.")
        yield name.removeprefix("export ").strip(), value


def startup_text(startup: Startup | None) -> Painted:
    """How a script fares, in a line."""
    if startup is None:
        return paint("", None)
    said = startup["state"]
    if startup["ended_by"] == "exit":
        said += f", exit code {startup['exit_code']}"
    elif startup["ended_by"] == "signal":
        said += f", signal {startup['signal']}"
    elif startup["ended_by"] is not None:
        said += f" ({startup['ended_by']})"
    return paint(said, _STYLE.get(startup["state"]))


@click.command()
@allocation_argument
@output_options(quiet=False)
def logs(allocation: str, output: Output) -> None:
    """Show how the startup script of ALLOCATION fared, and the last 64 KiB that it wrote."""
    with connect() as client:
        found = client.startup(allocation)
    if not output.plain:
        output.noted(found)
        return
    began, ended = found["began_at"], found["ended_at"]
    times = f"{local(began)} to {local(ended) if ended else 'now'}" if began else NOTHING
    note(f"Startup script: {startup_text(found)}; {times}. {found['detail'] or ''}".rstrip())
    if found["output_bytes"] > len(found["output"].encode()):
        note(f"It wrote {found['output_bytes']} bytes; this is the end of them.")
    # What a program wrote is shown, never obeyed.
    click.echo(printable(found["output"].expandtabs(), lines=True), nl=not found["output"].endswith("\n"))


@click.command()
@allocation_argument
@click.argument("changes", nargs=-1, required=True, metavar="KEY=VALUE|KEY-...")
@output_options(quiet=False)
def label(allocation: str, changes: tuple[str, ...], output: Output) -> None:
    """Set labels of ALLOCATION, and take away those that end with a hyphen: `sublet label web stage=test owner-`."""
    asked: dict[str, str | None] = {}
    for change in changes:
        key, separator, value = change.partition("=")
        if not separator and not change.endswith("-"):
            raise Failure(f"{change!r} is neither KEY=VALUE nor KEY-. Nothing was changed.", Exit.USAGE)
        asked[key if separator else change[:-1]] = value if separator else None
    with connect() as client:
        changed = client.change_labels(allocation, asked)
    if output.plain:
        note(f"Labels of {changed['name']}: {pairs(changed['labels']) or 'none'}.")
    else:
        output.noted(changed)
