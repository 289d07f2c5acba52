"""`port`: ports of a node that lead to an allocation, so that anybody can reach a server or mosh in it."""

import re
from typing import Any

import click

from sublet.cli.completions import allocation_argument
from sublet.cli.connection import connect, note
from sublet.cli.exits import Exit
from sublet.cli.failures import Failure
from sublet.cli.lazy import LazyGroup
from sublet.cli.output import Output, output_options
from sublet.cli.states import state_text
from sublet.cli.tables import Column
from sublet.client.shapes import Port

_HERE = "sublet.cli.commands.ports"


def named(one: Port) -> str:
    """As people write it."""
    return f"{one['port']}/{one['protocol']}"


COLUMNS: list[Column[Port]] = [
    Column("PORT", named),
    Column("REACHED AT", lambda one: f"{one['host']}:{one['node_port']}", flexible=True),
    Column("STATE", lambda one: state_text(one["state"])),
    Column("WHY", lambda one: one["refusal"] or "", flexible=True, optional=True),
]


@click.group(
    cls=LazyGroup,
    lazy={
        "ls": (f"{_HERE}:ls", "List the published ports of an allocation."),
        "publish": (f"{_HERE}:publish", "Let anybody reach a port of an allocation."),
        "withdraw": (f"{_HERE}:withdraw", "Take a published port back."),
    },
)
def port() -> None:
    """Publish ports of an allocation by ports of its node."""


class PortName(click.ParamType[tuple[int, str]]):
    """PORT or PORT/PROTOCOL."""

    name = "port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, str]:
        """The number and the protocol."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(\d{1,5})(?:/(tcp|udp))?", str(value))
        if match is None or not 1 <= int(match.group(1)) <= 65535:
            self.fail(f"{value!r} is no port like 8080, 8080/tcp or 60001/udp", param, ctx)
        return int(match.group(1)), match.group(2) or "tcp"


port_argument = click.argument("wanted", metavar="PORT[/udp]", type=PortName())


@click.command()
@allocation_argument
@output_options()
def ls(allocation: str, output: Output) -> None:
    """List the published ports of ALLOCATION, a name or id."""
    with connect() as client:
        found = client.allocation(allocation)
        empty = f"{found['name']} has no published port. Publish one: sublet port publish {found['name']} PORT"
        output.many(client.ports(found["id"]), COLUMNS, empty=empty)


@click.command()
@allocation_argument
@port_argument
@output_options()
def publish(allocation: str, wanted: tuple[int, str], output: Output) -> None:
    """Let anybody reach PORT of ALLOCATION by a port of its node, which is printed. Without /udp it is TCP."""
    with connect() as client:
        found = client.allocation(allocation)
        made = client.publish_port(found["id"], wanted[0], protocol=wanted[1])
    note(
        f"{named(made)} of {found['name']} is published: whoever connects to {made['host']}, port "
        f"{made['node_port']}, comes there. Anybody can; let your server ask who it is."
    )
    output.one(made, lambda one: click.echo(f"{one['host']}:{one['node_port']}"))


@click.command()
@allocation_argument
@port_argument
@output_options()
def withdraw(allocation: str, wanted: tuple[int, str], output: Output) -> None:
    """Take back PORT of ALLOCATION; connections by it end."""
    with connect() as client:
        found = client.allocation(allocation)
        held = {(one["port"], one["protocol"]): one for one in client.ports(found["id"])}
        if wanted not in held:
            told = f"{wanted[0]}/{wanted[1]} of {found['name']} is not published. Nothing was changed."
            raise Failure(f"{told} See what is: sublet port ls {found['name']}", Exit.NOT_FOUND)
        gone = client.withdraw_port(found["id"], held[wanted]["id"])
    note(f"{named(gone)} of {found['name']} is withdrawn; in a moment nothing leads there any more.")
    output.noted(gone)
