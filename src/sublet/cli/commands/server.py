"""Commands of the server (`up`, `serve`, …, `demo info`, `demo delete`), found by name so that this part stays light.

An entry point of the group `sublet.server` is a function that takes the remaining arguments and returns an exit code.
"""

import importlib.metadata
from collections.abc import Sequence

import click

from sublet.cli.exits import Exit
from sublet.cli.failures import Failure
from sublet.cli.lazy import LazyGroup

GROUP = "sublet.server"
_HERE = "sublet.cli.commands.server"
_OF_THE_DEMO = frozenset({"up", "demo-info", "demo-delete"})
"""What needs the extra `demo`; the other commands need `server` only."""


def dispatch(name: str, arguments: Sequence[str]) -> int:
    """Run the entry point with the arguments; Failure says how to install the server when it is not there."""
    found = importlib.metadata.entry_points(group=GROUP, name=name)
    extra = "demo" if name in _OF_THE_DEMO else "server"
    missing = "`sublet {}` needs {}, which is not installed here: pip install 'sublet[{}]'"
    command = name.replace("-", " ")
    if not found:
        raise Failure(missing.format(command, "the server", extra))
    try:
        run = next(iter(found)).load()
    except ModuleNotFoundError as error:
        raise Failure(missing.format(command, f"the module {error.name}", extra)) from error
    code = run(list(arguments))
    return code if isinstance(code, int) else 0


class ServerCommand(click.Command):
    """A command whose options, `--help` included, are the server's own."""

    def __init__(self, name: str, entry: str, summary: str) -> None:
        super().__init__(
            name,
            help=summary,
            add_help_option=False,
            context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
            params=[click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
        )
        self.entry = entry

    def invoke(self, ctx: click.Context) -> None:
        """Hand the arguments over and exit with what comes back."""
        try:
            code = dispatch(self.entry, ctx.params["arguments"])
        except KeyboardInterrupt:
            # The server says itself what it stops; the root's words are about waiting for one.
            code = Exit.INTERRUPTED
        ctx.exit(code)


up = ServerCommand("up", "up", "Run all of Sublet on this machine.")
serve = ServerCommand("serve", "serve", "Run a web process.")
worker = ServerCommand("worker", "worker", "Run a worker process.")
migrate = ServerCommand("migrate", "migrate", "Bring the database to this version.")
verify = ServerCommand("verify", "verify", "Compare a database with signed heads of its seals, as an auditor does.")
operator = ServerCommand("operator", "operator", "Make an account with platform roles.")
demo_info = ServerCommand("info", "demo-info", "Show URL, accounts, node, sandbox and data directory of the demo.")

demo_delete = ServerCommand("delete", "demo-delete", "Delete the demo: accounts, balances, the node, keys and logs.")


@click.group(
    cls=LazyGroup,
    lazy={
        "info": (f"{_HERE}:demo_info", "Show URL, accounts, node, sandbox and data directory of the demo."),
        "delete": (f"{_HERE}:demo_delete", "Delete the demo: accounts, balances, the node, keys and logs."),
    },
)
def demo() -> None:
    """What `sublet up` set up for a newcomer."""
