"""`admin node versions` and `admin node upgrade`: the helpers of the fleet."""

from collections.abc import Iterator
from typing import TypedDict

import click

from sublet.cli.commands.admin.nodes import find_node
from sublet.cli.connection import connect, note
from sublet.cli.exits import Exit
from sublet.cli.failures import Failure
from sublet.cli.formats import NOTHING, local, words
from sublet.cli.output import Output, output_options
from sublet.cli.states import state_text
from sublet.cli.tables import Column, print_facts, print_table
from sublet.client.shapes.fleet import DriftedNode, Helper, HelperCount, HelperRollout, HelperUpgrade, HelperVersions

SHORT = 12
"""So much of a digest tells one helper from another."""
SHOWN = 50
"""So many nodes that drift are listed; `--json` has all."""


class Versions(TypedDict):
    """What `admin node versions` prints."""

    versions: HelperVersions
    drift: list[DriftedNode]


def _helper(helper: Helper) -> str:
    digest = f" ({helper['sha256'][:SHORT]})" if helper["sha256"] else ""
    return f"{helper['version']}{digest}" if helper["version"] else NOTHING


COUNTS: list[Column[HelperCount]] = [
    Column("HELPER", lambda one: _helper(one["helper"])),
    Column("NODES", lambda one: str(one["nodes"]), right=True),
    Column(
        "STANDING",
        lambda one: words(one["standing"]),
        style=lambda one: {"current": None, "too_old": "bad"}.get(one["standing"], "warn"),
    ),
]
DRIFT: list[Column[DriftedNode]] = [
    Column("NODE", lambda one: one["name"], flexible=True),
    Column("STATE", lambda one: state_text(one["state"])),
    Column("HELPER", lambda one: _helper(one["helper"])),
    Column("TO DO", lambda one: one["advice"] or "", flexible=True),
]
FAILED: list[Column[HelperUpgrade]] = [
    Column("NODE", lambda one: one["node_name"], flexible=True),
    Column("FROM", lambda one: one["from_version"]),
    Column("WHY IT KEPT ITS HELPER", lambda one: one["detail"] or "", flexible=True),
]


@click.command()
@output_options(quiet=False)
def versions(output: Output) -> None:
    """Show which helpers the nodes have, which nodes drift, and how the last upgrade went."""
    with connect() as client:
        found = client.admin.helper_versions()
        drift = list(_first(client.admin.helper_drift(), None if output.as_json else SHOWN))
    output.one(Versions(versions=found, drift=drift), _show)


@click.command()
@click.option("--canary", help="The node, by name or id, that gets it first; others follow once it is well.")
@click.option("--stop", "reason", metavar="REASON", help="Upgrade no further node; those that are upgraded stay so.")
@output_options(quiet=False)
def upgrade(canary: str | None, reason: str | None, output: Output) -> None:
    """Bring this release's helper to every node: to one first, and to the others once it was entered and is well.

    A node on which it fails keeps the helper that it has, and nobody else is given the new one then.
    """
    if (canary is None) == (reason is None):
        raise Failure("Give --canary NODE to begin, or --stop REASON to end. Nothing was changed.", Exit.USAGE)
    with connect() as client:
        if canary is not None:
            rollout = client.admin.upgrade_helpers(find_node(client, canary))
            note(
                f"{rollout['canary']['node_name']} gets the helper {rollout['helper']['version']}; "
                f"{rollout['waiting'] - 1} more follow once it is well. Watch it: sublet admin node rollout"
            )
        else:
            assert reason is not None  # one of the two was given
            latest = client.admin.helper_versions()["rollout"]
            if latest is None:
                raise Failure("No helper was ever upgraded. Nothing was changed.", Exit.NOT_FOUND)
            rollout = client.admin.stop_rollout(latest["id"], reason)
            note(f"Stopped: {rollout['done']} nodes were upgraded, {rollout['left']} keep the helper that they have.")
    output.noted(rollout)


def _counted(one: HelperRollout) -> str:
    return f"{one['done']} done, {one['waiting']} waiting, {len(one['failed'])} failed, {one['left']} left as they are"


OUTCOMES = {"waiting": "waiting", "done": "has it", "failed": "earlier one is back", "left": "left as it was"}

ROLLOUTS: list[Column[HelperRollout]] = [
    Column("ROLLOUT", lambda one: one["id"]),
    Column("PHASE", lambda one: words(one["phase"]), style=lambda one: "bad" if one["phase"] == "stopped" else None),
    Column("HELPER", lambda one: _helper(one["helper"])),
    Column("BEGUN", lambda one: local(one["started_at"])),
    Column("NODES", _counted, flexible=True),
]
NODES: list[Column[HelperUpgrade]] = [
    Column("NODE", lambda one: one["node_name"] + (" (first)" if one["canary"] else ""), flexible=True),
    Column("OUTCOME", lambda one: OUTCOMES[one["outcome"]], style=lambda one: {"failed": "bad"}.get(one["outcome"])),
    Column("HAD BEFORE", lambda one: one["from_version"]),
    Column("WHEN", lambda one: local(one["ended_at"]) if one["ended_at"] else NOTHING),
    Column("WHY", lambda one: one["detail"] or "", flexible=True),
]
NEXT = {
    "canary": "The others wait until the first node is well; if it fails, its earlier helper is put back.",
    "rolling": "The first node is well, and the others follow; the first that fails ends it.",
    "done": "Every node that was there has it. Nodes that were away keep theirs: begin again once they are back.",
    "stopped": "Nodes that have it keep it. Mend the cause, then begin again: sublet admin node upgrade --canary NODE",
}


@click.command()
@output_options()
def rollouts(output: Output) -> None:
    """List every helper that was brought to the nodes, newest first."""
    with connect() as client:
        empty = "No helper was ever upgraded. See which helpers the nodes have: sublet admin node versions"
        output.many(client.admin.rollouts(), ROLLOUTS, empty=empty)


class Progress(TypedDict):
    """What `admin node rollout` prints."""

    rollout: HelperRollout
    nodes: list[HelperUpgrade]


@click.command()
@click.argument("rollout_id", metavar="[ROLLOUT]", required=False)
@output_options(quiet=False)
def rollout(rollout_id: str | None, output: Output) -> None:
    """Show what became of each node in ROLLOUT, an id, or in the last one."""
    with connect() as client:
        found = client.admin.helper_versions()["rollout"] if rollout_id is None else client.admin.rollout(rollout_id)
        if found is None:
            raise Failure("No helper was ever upgraded.", Exit.NOT_FOUND)
        nodes = list(client.admin.rollout_nodes(found["id"]))
    output.one(Progress(rollout=found, nodes=nodes), _show_progress)


def _show_progress(progress: Progress) -> None:
    _show_rollout(progress["rollout"], failed=False)
    click.echo()
    print_table(progress["nodes"], NODES)
    note(NEXT.get(progress["rollout"]["phase"], ""))


def _first(drift: Iterator[DriftedNode], count: int | None) -> Iterator[DriftedNode]:
    for number, one in enumerate(drift):
        if number == count:
            return
        yield one


def _show(found: Versions) -> None:
    versions = found["versions"]
    print_facts(
        [
            ("This release", _helper(versions["ours"])),
            ("At least", f"{versions['minimum_version']}, or a node takes no new work"),
        ]
    )
    if versions["counts"]:
        click.echo()
        print_table(versions["counts"], COUNTS)
    if found["drift"]:
        click.echo()
        print_table(found["drift"], DRIFT)
    if versions["rollout"] is not None:
        click.echo()
        _show_rollout(versions["rollout"])


def _show_rollout(rollout: HelperRollout, *, failed: bool = True) -> None:
    print_facts(
        [
            ("Upgrade to", _helper(rollout["helper"])),
            ("Phase", words(rollout["phase"]) + (f": {rollout['reason']}" if rollout["reason"] else "")),
            ("Begun", f"{local(rollout['started_at'])} by {rollout['started_by']}"),
            ("Canary", f"{rollout['canary']['node_name']} ({words(rollout['canary']['outcome'])})"),
            ("Nodes", _counted(rollout)),
        ]
    )
    if failed and rollout["failed"]:
        click.echo()
        print_table(rollout["failed"], FAILED)
