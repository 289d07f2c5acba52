"""`offers`: what can be launched."""

import click

from sublet.cli.commands.pricing import suspension
from sublet.cli.connection import connect
from sublet.cli.formats import mebibytes, rate
from sublet.cli.output import Output, output_options
from sublet.cli.tables import Column
from sublet.client.shapes import Offer, Sku


def shape(sku: Sku) -> str:
    """`4 vCPU, 16 GiB, 1 × A100`."""
    parts = (f"{sku['vcpu']} vCPU", mebibytes(sku["memory_mib"]), gpus(sku))
    return ", ".join(part for part in parts if part)


def gpus(sku: Sku) -> str:
    """`1 × A100`, or nothing."""
    return f"{sku['gpu_count']} × {sku['gpu_model'] or 'GPU'}" if sku["gpu_count"] else ""


COLUMNS: list[Column[Offer]] = [
    Column("OFFER", lambda offer: offer["sku"]["code"]),
    Column("NAME", lambda offer: offer["sku"]["name"], flexible=True, optional=True),
    Column("VCPU", lambda offer: str(offer["sku"]["vcpu"]), right=True),
    Column("MEMORY", lambda offer: mebibytes(offer["sku"]["memory_mib"]), right=True),
    Column("DISK", lambda offer: f"{offer['sku']['disk_gib']} GiB", right=True),
    Column("GPU", lambda offer: gpus(offer["sku"]), flexible=True),
    Column("RATE", lambda offer: rate(offer["price"]["per_hour"]), right=True),
    Column("SUSPENDED", lambda offer: suspension(offer["price"]), optional=True, flexible=True),
    Column(
        "FREE",
        lambda offer: str(offer["available"]),
        style=lambda offer: None if offer["available"] else "bad",
        right=True,
    ),
    Column(
        "LIMITS",
        lambda offer: "enforced" if offer["limits_enforced"] else "not enforced",
        style=lambda offer: None if offer["limits_enforced"] else "warn",
        optional=True,
    ),
]


@click.command()
@output_options()
def offers(output: Output) -> None:
    """List what you can launch, its price, and how many are free now."""
    with connect() as client:
        output.many(client.offers(), COLUMNS, empty="Nothing is on offer now.")
