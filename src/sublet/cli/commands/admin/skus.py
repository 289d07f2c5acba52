"""`admin sku`: what is sold."""

from typing import TYPE_CHECKING

import click

from sublet.cli.commands.admin.options import Label, Memory
from sublet.cli.commands.offers import gpus
from sublet.cli.connection import connect, note
from sublet.cli.exits import Exit
from sublet.cli.failures import Failure
from sublet.cli.formats import mebibytes, pairs, yes_or_no
from sublet.cli.lazy import LazyGroup
from sublet.cli.output import Output, output_options
from sublet.cli.tables import Column
from sublet.client.shapes import Sku

if TYPE_CHECKING:
    from sublet.client.client import Client

_HERE = "sublet.cli.commands.admin.skus"


@click.group(
    cls=LazyGroup,
    lazy={
        "add": (f"{_HERE}:add", "Define a SKU."),
        "ls": (f"{_HERE}:ls", "List all SKUs."),
        "activate": (f"{_HERE}:activate", "Put a SKU on offer."),
        "deactivate": (f"{_HERE}:deactivate", "Take a SKU off offer."),
    },
)
def sku() -> None:
    """Define what is sold."""


COLUMNS: list[Column[Sku]] = [
    Column("SKU", lambda one: one["code"]),
    Column("NAME", lambda one: one["name"], flexible=True, optional=True),
    Column("VCPU", lambda one: str(one["vcpu"]), right=True),
    Column("MEMORY", lambda one: mebibytes(one["memory_mib"]), right=True),
    Column("DISK", lambda one: f"{one['disk_gib']} GiB", right=True),
    Column("GPU", gpus, flexible=True),
    Column("NODE LABELS", lambda one: pairs(one["node_labels"]), flexible=True, optional=True),
    Column("ACTIVE", lambda one: yes_or_no(one["active"]), style=lambda one: None if one["active"] else "muted"),
]


@click.command()
@click.argument("code")
@click.option("--name", help="What customers read. Default: the code.")
@click.option("--vcpu", type=click.IntRange(min=1), required=True)
@click.option("--memory", type=Memory(), required=True, help="16, 16GiB or 512MiB; a bare number is GiB.")
@click.option("--disk", type=click.IntRange(min=1), required=True, metavar="GIB", help="GiB of disk.")
@click.option("--gpu", metavar="MODEL", help="GPU model. Default: any, with --gpus.")
@click.option("--gpus", type=click.IntRange(min=1), help="How many GPUs. Default: 1 with --gpu.")
@click.option(
    "--network", type=click.IntRange(min=1), metavar="MBIT", help="Mbit/s each way at most. Default: no limit."
)
@click.option("--whole-node", is_flag=True, help="Nobody else is on its node.")
@click.option(
    "--node-network", is_flag=True, help="It is in the node's own network, as for a fabric; needs --whole-node."
)
@click.option("--label", "labels", multiple=True, type=Label(), help="A label that the node must have; repeatable.")
@output_options()
def add(
    *,
    code: str,
    name: str | None,
    vcpu: int,
    memory: int,
    disk: int,
    gpu: str | None,
    gpus: int | None,
    network: int | None,
    whole_node: bool,
    node_network: bool,
    labels: tuple[tuple[str, str], ...],
    output: Output,
) -> None:
    """Define the SKU CODE. It is on offer once it has a price."""
    with connect() as client:
        added = client.admin.add_sku(
            code,
            name=name or code,
            vcpu=vcpu,
            memory_mib=memory,
            disk_gib=disk,
            gpu_model=gpu,
            gpu_count=gpus or (1 if gpu else 0),
            network_mbit=network,
            whole_node=whole_node,
            node_network=node_network,
            node_labels=dict(labels),
        )
    note(
        f"{added['code']} is defined. Price it: "
        f"sublet admin price set {added['code']} RATE --suspended RATE --currency CODE"
    )
    output.noted(added)


@click.command()
@output_options()
def ls(output: Output) -> None:
    """List all SKUs, also those that are not on offer."""
    with connect() as client:
        output.many(client.admin.skus(), COLUMNS, empty="There are no SKUs. Define one: sublet admin sku add CODE")


@click.command()
@click.argument("sku")
@output_options()
def activate(sku: str, output: Output) -> None:
    """Put SKU, a code or id, on offer."""
    with connect() as client:
        changed = client.admin.change_sku(find_sku(client, sku)["id"], active=True)
    note(f"{changed['code']} is on offer.")
    output.noted(changed)


@click.command()
@click.argument("sku")
@output_options()
def deactivate(sku: str, output: Output) -> None:
    """Take SKU, a code or id, off offer; what runs goes on at its price."""
    with connect() as client:
        changed = client.admin.change_sku(find_sku(client, sku)["id"], active=False)
    note(f"{changed['code']} is off offer. Its allocations go on at their price.")
    output.noted(changed)


def find_sku(client: "Client", wanted: str) -> Sku:
    """The SKU of a code or id."""
    for known in client.admin.skus():
        if wanted in {known["id"], known["code"]}:
            return known
    raise Failure(f"There is no SKU {wanted!r}. Nothing was changed. See all: sublet admin sku ls", Exit.NOT_FOUND)
