"""`admin node change` and `rm`: what was mistyped, and what came to nothing."""

import click

from sublet.cli.commands.admin.nodes import find_node
from sublet.cli.commands.admin.places import place
from sublet.cli.connection import connect, note
from sublet.cli.output import Output, output_options


@click.command()
@click.argument("node")
@click.option("--name", help="What it is called from now on.")
@click.option("--address", help="Where it answers: a host name or an IP address.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port of its sshd.")
@output_options()
def change(node: str, name: str | None, address: str | None, port: int | None, output: Output) -> None:
    """Correct what NODE is called or where it answers; what is not named stays."""
    if (name, address, port) == (None, None, None):
        raise click.UsageError("Say what to change: --name, --address or --port.")
    with connect() as client:
        changed = client.admin.correct_node(find_node(client, node), name=name, address=address, port=port)
    note(f"{changed['name']} is at {place(changed)}.")
    output.noted(changed)


@click.command()
@click.argument("node")
def rm(node: str) -> None:
    """Remove NODE: one that never came to anything, or whose machine ran `sublet-node unenrol`. Its history stays."""
    with connect() as client:
        client.admin.remove_node(find_node(client, node))
    note(f"{node} is removed; its name and address are free again.")
