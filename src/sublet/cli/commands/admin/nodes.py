"""`admin node`: the fleet."""

import re
from typing import TYPE_CHECKING

import click

from sublet.cli.commands.admin.options import Label
from sublet.cli.commands.admin.places import place
from sublet.cli.connection import connect, note
from sublet.cli.exits import Exit
from sublet.cli.failures import Failure
from sublet.cli.formats import NOTHING, local, mebibytes, pairs, since, words, yes_or_no
from sublet.cli.lazy import LazyGroup
from sublet.cli.output import Output, output_options
from sublet.cli.states import state_text
from sublet.cli.tables import Column, print_facts, print_table
from sublet.client.shapes import Gpu, Join, Node, NodeAdded, NodeDetail
from sublet.client.shapes.fleet import Capability, EnrolmentItem, Kept, Resident, SelfTestCheck, Stranger

if TYPE_CHECKING:
    from sublet.client.client import Client

_HERE = "sublet.cli.commands.admin.nodes"
_LIFE = "sublet.cli.commands.admin.node_life"


@click.group(
    cls=LazyGroup,
    lazy={
        "add": (f"{_HERE}:add", "Announce a server and print how it joins."),
        "ls": (f"{_HERE}:ls", "List the fleet."),
        "show": (f"{_HERE}:show", "Show a node: inventory, limits, enrolment."),
        "change": ("sublet.cli.commands.admin.node_place:change", "Correct a node's name, address or port."),
        "rm": ("sublet.cli.commands.admin.node_place:rm", "Remove a node that was a mistake, or that has left."),
        "join-token": (f"{_HERE}:join_token", "Make a new one-time token for a node."),
        "cordon": (f"{_HERE}:cordon", "Place nothing new on a node."),
        "uncordon": (f"{_HERE}:uncordon", "Place new allocations on a node again."),
        "versions": (
            "sublet.cli.commands.admin.helper_versions:versions",
            "Show the helpers of the fleet.",
        ),
        "rollouts": (
            "sublet.cli.commands.admin.helper_versions:rollouts",
            "List the upgrades of helpers.",
        ),
        "rollout": (
            "sublet.cli.commands.admin.helper_versions:rollout",
            "Show what became of each node in an upgrade of helpers.",
        ),
        "upgrade": (
            "sublet.cli.commands.admin.helper_versions:upgrade",
            "Bring the helper of this release to the nodes.",
        ),
        "drain": (f"{_LIFE}:drain", "Empty a node until a deadline."),
        "stop-drain": (f"{_LIFE}:stop_drain", "Empty a node no further."),
        "maintain": (f"{_LIFE}:maintain", "Take an empty node out of use to work on it."),
        "quarantine": (f"{_LIFE}:quarantine", "Keep a faulty node from customers."),
        "self-test": (f"{_LIFE}:self_test", "Have a node test itself."),
        "put-back": (f"{_LIFE}:put_back", "Let a node that was out of use take work again."),
        "retire": (f"{_LIFE}:retire", "Take an empty node out of the fleet for good."),
        "force-release": (f"{_LIFE}:force_release", "Give up a node that will not return."),
        "quarantine-gpu": (f"{_HERE}:quarantine_gpu", "Keep a faulty GPU from customers."),
        "ports": (f"{_HERE}:ports", "Say by which ports of a node customers may publish."),
        "clear-gpu": (f"{_HERE}:clear_gpu", "Give a quarantined GPU out again."),
    },
)
def node() -> None:
    """Add servers to the fleet and take them out of use."""


def _taken(taken: int, of: int | None) -> str:
    return f"{taken}/{of}" if of is not None else NOTHING


def _memory(node: Node) -> str:
    if node["inventory"] is None:
        return NOTHING
    return f"{mebibytes(node['claimed']['memory_mib'])} of {mebibytes(node['inventory']['memory_mib'])}"


def _gpu(gpu: Gpu) -> str:
    """Its state; and its id and what is wrong when somebody has to see to it."""
    which = "" if gpu["state"] == "available" else f" {gpu['uuid']}"
    why = gpu.get("quarantine")
    return f"{gpu['model']}{which} ({gpu['state']}{': ' + why['reason'] if why else ''})"


def _health(gpu: Gpu) -> str:
    """In a word, as its driver tells it."""
    health = gpu["health"]
    if health is None:
        return NOTHING
    return {"quarantine": "faulty", "look": "look at it", "program": "a program failed", None: "well"}[health["worst"]]


def _measured(value: int | None, unit: str) -> str:
    return NOTHING if value is None else f"{value}{unit}"


GPUS: list[Column[Gpu]] = [
    Column("GPU", lambda gpu: gpu["uuid"], flexible=True),
    Column("STATE", lambda gpu: gpu["state"]),
    Column("HEALTH", _health, style=lambda gpu: None if _health(gpu) in {"well", NOTHING} else "bad"),
    Column("DRIVER", lambda gpu: (gpu["health"] and gpu["health"]["driver"]) or NOTHING, optional=True),
    Column("TEMP", lambda gpu: _measured(gpu["health"] and gpu["health"]["temperature"], " C"), right=True),
    Column("IN USE", lambda gpu: _measured(gpu["health"] and gpu["health"]["memory_used_mib"], " MiB"), right=True),
    Column("ECC", lambda gpu: _measured(gpu["health"] and gpu["health"]["ecc_uncorrected"], ""), right=True),
]


def _show_findings(gpu: Gpu) -> None:
    """What is wrong with it, and what to do."""
    for one in gpu["health"]["findings"] if gpu["health"] else []:
        what = one["means"] if one["xid"] is None else f"Xid {one['xid']} ({one['count']} times): {one['means']}"
        said = f" The driver: {one['said']}." if one["said"] else ""
        note(f"{gpu['uuid']} {what}.{said} {one['do']} Since {local(one['since'])}.")


def _limits(node: Node) -> str:
    return {True: "enforced", False: "not enforced", None: NOTHING}[node["limits_enforced"]]


COLUMNS: list[Column[Node]] = [
    Column("NODE", lambda one: one["name"], flexible=True),
    Column("STATE", lambda one: state_text(one["state"])),
    Column("ADDRESS", place, flexible=True, optional=True),
    Column(
        "VCPU",
        lambda one: _taken(one["claimed"]["vcpu"], one["inventory"]["vcpu"] if one["inventory"] else None),
        right=True,
    ),
    Column("MEMORY", _memory, right=True, optional=True),
    Column(
        "GPUS",
        lambda one: _taken(one["claimed"]["gpus"], len(one["inventory"]["gpus"]) if one["inventory"] else None),
        right=True,
    ),
    Column("LIMITS", _limits, style=lambda one: "warn" if one["limits_enforced"] is False else None),
    Column("SEEN", lambda one: since(one["last_seen_at"])),
]

CAPABILITIES: list[Column[Capability]] = [
    Column("LIMIT", lambda one: words(one["name"])),
    Column(
        "ENFORCED",
        lambda one: yes_or_no(one["enforced"]),
        style=lambda one: None if one["enforced"] else "warn",
    ),
    Column("DETAIL", lambda one: one["detail"] or "", flexible=True),
]

STRANGERS: list[Column[Stranger]] = [
    Column("NOBODY'S", lambda one: one["login"] or "processes or files", style=lambda _: "bad"),
    Column("UID", lambda one: str(one["uid"]), right=True),
    Column("SINCE", lambda one: since(one["since"])),
]

KEPT: list[Column[Kept]] = [
    Column("KEPT FOR", lambda one: one["allocation_id"], style=lambda _: "bad"),
    Column("VCPU", lambda one: str(one["vcpu"]), right=True),
    Column("MEMORY", lambda one: mebibytes(one["memory_mib"]), right=True),
    Column("GPUS", lambda one: str(one["gpus"]), right=True),
    Column("SINCE", lambda one: since(one["since"])),
    Column("WHY", lambda one: one["reason"], flexible=True),
]

RESIDENTS: list[Column[Resident]] = [
    Column("LIVES HERE", lambda one: one["name"], flexible=True),
    Column("STATE", lambda one: state_text(one["state"])),
    Column("ITS PART", lambda one: {"kept": "only its data"}.get(one["need"], one["need"])),
    Column("GPUS", lambda one: str(one["gpus"]), right=True),
    Column("ORGANIZATION", lambda one: one["organization_id"] or NOTHING, flexible=True, optional=True),
]

CHECKS: list[Column[SelfTestCheck]] = [
    Column("TRIED", lambda one: words(one["name"])),
    Column(
        "PASSED",
        lambda one: NOTHING if one["passed"] is None else yes_or_no(one["passed"]),
        style=lambda one: "bad" if one["passed"] is False else None,
    ),
    Column("DETAIL", lambda one: one["detail"], flexible=True),
]

ENROLMENT: list[Column[EnrolmentItem]] = [
    Column("STEP", lambda one: words(one["name"])),
    Column("STATE", lambda one: state_text(one["state"])),
    Column("DETAIL", lambda one: one["detail"] or "", flexible=True),
    Column("TO DO", lambda one: one["fix"] or "", flexible=True),
]


@click.command()
@click.argument("name")
@click.argument("address")
@click.option("--port", type=click.IntRange(1, 65535), help="Port of its sshd. Default: 22.")
@click.option("--label", "labels", multiple=True, type=Label(), help="A label that SKUs can ask for; repeatable.")
@output_options()
def add(name: str, address: str, port: int | None, labels: tuple[tuple[str, str], ...], output: Output) -> None:
    """Announce the server NAME at ADDRESS, and print the command that makes it join."""
    with connect() as client:
        added = client.admin.add_node(name, address, port=port, labels=dict(labels))
    output.one(added, _show_added, id_of=lambda one: one["node"]["id"])


@click.command()
@output_options()
def ls(output: Output) -> None:
    """List the fleet: what is there, and how much of it is taken."""
    with connect() as client:
        output.many(
            client.admin.nodes(), COLUMNS, empty="There are no nodes. Add one: sublet admin node add NAME ADDRESS"
        )


@click.command()
@click.argument("node")
@output_options()
def show(node: str, output: Output) -> None:
    """Show NODE, a name or id: inventory, which limits its kernel holds, enrolment."""
    with connect() as client:
        output.one(client.admin.node(find_node(client, node)), _show_node)


@click.command("join-token")
@click.argument("node")
@output_options(quiet=False)
def join_token(node: str, output: Output) -> None:
    """Make a new one-time token for NODE; the one before stops working."""
    with connect() as client:
        output.one(client.admin.join_token(find_node(client, node)), _show_join)


@click.command()
@click.argument("node")
@output_options()
def cordon(node: str, output: Output) -> None:
    """Place nothing new on NODE; what runs there stays."""
    with connect() as client:
        changed = client.admin.cordon(find_node(client, node))
    note(f"{changed['name']} is {changed['state']}: it takes no new allocations, and those on it go on.")
    output.noted(changed)


@click.command()
@click.argument("node")
@output_options()
def uncordon(node: str, output: Output) -> None:
    """Place new allocations on NODE again."""
    with connect() as client:
        changed = client.admin.uncordon(find_node(client, node))
    note(f"{changed['name']} is {changed['state']}.")
    output.noted(changed)


@click.command("quarantine-gpu")
@click.argument("node")
@click.argument("gpu")
@click.option("--reason", required=True, help="What is wrong with it; kept in the audit trail.")
@output_options(quiet=False)
def quarantine_gpu(node: str, gpu: str, reason: str, output: Output) -> None:
    """Keep GPU, a UUID, on NODE from being given out until somebody vouches for it; what has it goes on."""
    with connect() as client:
        kept = client.admin.quarantine_gpu(find_node(client, node), gpu, reason)
    note(f"{kept['model']} {kept['uuid']} is {kept['state']}: it is given to nobody, and what has it goes on.")
    output.noted(kept)


@click.command()
@click.argument("node")
@click.argument("range_", metavar="FIRST-LAST|none")
@output_options()
def ports(node: str, range_: str, output: Output) -> None:
    """Let customers publish by the ports FIRST to LAST of NODE, or by none. What is published already stays.

    Nothing else of the node may need them, and the firewall in front of it has to let them in.
    """
    match = re.fullmatch(r"(\d{1,5})-(\d{1,5})", range_)
    if match is None and range_ != "none":
        raise click.UsageError(f"{range_!r} is neither FIRST-LAST, like 30000-30999, nor none.")
    with connect() as client:
        asked = None if match is None else (int(match.group(1)), int(match.group(2)))
        changed = client.admin.set_ports(find_node(client, node), asked)
    given = f"by its ports {range_}" if asked else "by none of its ports"
    note(f"On {changed['name']} customers may publish {given}.")
    output.noted(changed)


@click.command("clear-gpu")
@click.argument("node")
@click.argument("gpu")
@click.option("--reason", required=True, help="How you know that it is clean; kept in the audit trail.")
@output_options(quiet=False)
def clear_gpu(node: str, gpu: str, reason: str, output: Output) -> None:
    """End the quarantine of GPU, a UUID, on NODE: you vouch that nothing of a customer is left on it."""
    with connect() as client:
        cleared = client.admin.clear_gpu(find_node(client, node), gpu, reason)
    note(f"{cleared['model']} {cleared['uuid']} is {cleared['state']}: it can be given out.")
    output.noted(cleared)


def find_node(client: "Client", wanted: str) -> str:
    """The id of a node given by name or id; names are unique, and the API takes ids."""
    if wanted.startswith("nd_"):
        return wanted
    for known in client.admin.nodes(name=wanted):
        if wanted == known["name"]:
            return known["id"]
    raise Failure(
        f"There is no node {wanted!r}. Nothing was changed. See the fleet: sublet admin node ls", Exit.NOT_FOUND
    )


def _show_life(node: NodeDetail) -> None:
    """What lives on it, until when it is emptied, and what its last test found."""
    if drain := node.get("drain"):
        click.echo()
        click.echo(f"It is being emptied: what still runs at {local(drain['deadline_at'])} is suspended.")
    if node.get("residents"):
        click.echo()
        print_table(node["residents"], RESIDENTS)
    if test := node.get("self_test"):
        result = {True: "passed", False: "not passed", None: "under way"}[test["passed"]]
        click.echo()
        click.echo(f"Its last test of itself: {result}, asked for {since(test['asked_at'])}.")
        if test["checks"]:
            print_table(test["checks"], CHECKS)


def _show_join(join: Join) -> None:
    note(f"Run this as root on the server; the token in it works once, until {local(join['expires_at'])}:")
    click.echo(join["command"])


def _show_added(added: NodeAdded) -> None:
    note(f"{added['node']['name']} is announced. Watch it join: sublet admin node show {added['node']['name']}")
    _show_join(added["join"])


def _show_node(node: NodeDetail) -> None:
    inventory = node["inventory"]
    print_facts(
        [
            ("Node", node["name"]),
            ("Id", node["id"]),
            ("State", state_text(node["state"])),
            ("Address", place(node)),
            ("Labels", pairs(node["labels"])),
            ("System", f"{inventory['os']}, Linux {inventory['kernel']}" if inventory else ""),
            ("vCPU", _taken(node["claimed"]["vcpu"], inventory["vcpu"]) + " taken" if inventory else ""),
            ("Memory", _memory(node) + " taken" if inventory else ""),
            ("GPUs", ", ".join(_gpu(gpu) for gpu in inventory["gpus"]) if inventory else ""),
            ("Limits", _limits(node)),
            ("Ports", f"{node['ports']['first']}-{node['ports']['last']}" if node["ports"] else "none"),
            ("Helper", node["helper_version"] or ""),
            (
                "Certificate",
                f"until {local(node['host_certificate_expires_at'])}" if node["host_certificate_expires_at"] else "",
            ),
            ("Seen", since(node["last_seen_at"])),
        ]
    )
    if inventory and inventory["gpus"]:
        click.echo()
        print_table(inventory["gpus"], GPUS)
        for gpu in inventory["gpus"]:
            _show_findings(gpu)
    _show_life(node)
    if node.get("strangers"):
        click.echo()
        print_table(node["strangers"], STRANGERS)
    if node.get("kept"):
        click.echo()
        print_table(node["kept"], KEPT)
    if node["capabilities"]:
        click.echo()
        print_table(node["capabilities"], CAPABILITIES)
    if node.get("enrolment"):
        click.echo()
        print_table(node["enrolment"], ENROLMENT)
