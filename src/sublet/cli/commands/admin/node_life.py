"""`admin node`: emptying a node, working on it, keeping it apart, putting it back, and giving it up."""

from typing import TYPE_CHECKING

import click

from sublet.cli.commands.admin.nodes import find_node
from sublet.cli.commands.admin.options import Duration
from sublet.cli.connection import connect, note
from sublet.cli.formats import local
from sublet.cli.output import Output, output_options

if TYPE_CHECKING:
    from sublet.client.shapes import Node

_REASON = click.option("--reason", required=True, help="Why; kept in the node's history and the audit trail.")
_CREDIT = click.option(
    "--credit", required=True, type=Duration(), help="What each allocation is given back: time at its own rate, or 0."
)


@click.command()
@click.argument("node")
@click.option("--deadline", required=True, type=Duration(), help="How long until what still runs is suspended.")
@_CREDIT
@_REASON
@output_options()
def drain(node: str, deadline: int, credit: int, reason: str, output: Output) -> None:
    """Empty NODE: its customers are told, and what still runs at the deadline is suspended and credited."""
    with connect() as client:
        changed = client.admin.drain(find_node(client, node), reason, deadline_seconds=deadline, credit_seconds=credit)
        until = client.admin.node(changed["id"])["drain"]
    note(f"{changed['name']} is {changed['state']}.")
    if until is not None:
        note(f"What still runs there at {local(until['deadline_at'])} is suspended. Its customers have been told.")
    output.noted(changed)


@click.command("stop-drain")
@click.argument("node")
@_REASON
@output_options()
def stop_drain(node: str, reason: str, output: Output) -> None:
    """Empty NODE no further; what lives there stays."""
    with connect() as client:
        changed = client.admin.change_node(find_node(client, node), "stop-drain", reason)
    then = "is resumed" if changed["state"] == "cordoned" else "is resumed once the node takes part again"
    _say(changed, f"what lives there stays, and what the drain had suspended {then}", output)


@click.command()
@click.argument("node")
@_REASON
@output_options()
def maintain(node: str, reason: str, output: Output) -> None:
    """Take NODE, on which nothing runs, out of use to work on it."""
    with connect() as client:
        changed = client.admin.change_node(find_node(client, node), "maintenance", reason)
    _say(changed, f"put it back when it has tested itself: sublet admin node self-test {changed['name']}", output)


@click.command()
@click.argument("node")
@_REASON
@output_options()
def quarantine(node: str, reason: str, output: Output) -> None:
    """Keep NODE, which is faulty, from customers; what runs on it goes on."""
    with connect() as client:
        changed = client.admin.change_node(find_node(client, node), "quarantine", reason)
    _say(changed, "it takes no new allocations, and those on it go on", output)


@click.command("self-test")
@click.argument("node")
@output_options()
def self_test(node: str, output: Output) -> None:
    """Have NODE test itself: a login that strains its limits, and is proven to be gone again."""
    with connect() as client:
        changed = client.admin.self_test(find_node(client, node))
    note(f"{changed['name']} is being tested. See what it found: sublet admin node show {changed['name']}")
    output.noted(changed)


@click.command("put-back")
@click.argument("node")
@_REASON
@output_options()
def put_back(node: str, reason: str, output: Output) -> None:
    """Let NODE, which was out of use and has passed a test of itself, take work again."""
    with connect() as client:
        changed = client.admin.change_node(find_node(client, node), "put-back", reason)
    _say(changed, "it takes new allocations, and what a drain had suspended there is resumed", output)


@click.command()
@click.argument("node")
@_REASON
@output_options()
def retire(node: str, reason: str, output: Output) -> None:
    """Take NODE, on which nothing lives, out of the fleet for good."""
    with connect() as client:
        changed = client.admin.change_node(find_node(client, node), "retire", reason)
    _say(changed, "none of its capacity is given out again", output)


@click.command("force-release")
@click.argument("node")
@_CREDIT
@_REASON
@output_options()
def force_release(node: str, credit: int, reason: str, output: Output) -> None:
    """Give up NODE, which will not return, and end what lived there; a second person has to approve it in between."""
    with connect() as client:
        asked = client.admin.force_release(find_node(client, node), reason, credit_seconds=credit)
    name, approval = asked["node"]["name"], asked["approval"]
    if approval["state"] == "used":
        note(f"{name} is {asked['node']['state']}: what lived there ends, billed to what was last seen of it.")
    else:
        note(f"Nothing was changed. Somebody else has to approve {approval['id']}; then do this again.")
    output.noted(asked)


def _say(changed: "Node", what: str, output: Output) -> None:
    state = "in maintenance" if changed["state"] == "maintenance" else changed["state"]
    note(f"{changed['name']} is {state}: {what}.")
    output.noted(changed)
