"""`admin price`: what it costs. A price is never changed: a new version follows it."""

from datetime import datetime

import click

from sublet.cli.commands.admin.options import ClaimTerms, DecimalRate
from sublet.cli.commands.admin.skus import find_sku
from sublet.cli.commands.pricing import kept_for, suspension
from sublet.cli.connection import connect, note
from sublet.cli.formats import local, rate, words
from sublet.cli.lazy import LazyGroup
from sublet.cli.output import Output, output_options
from sublet.cli.tables import Column
from sublet.client.shapes import ListedPrice

_HERE = "sublet.cli.commands.admin.prices"


@click.group(
    cls=LazyGroup,
    lazy={
        "set": (f"{_HERE}:set_price", "Set a new price."),
        "ls": (f"{_HERE}:ls", "List the versions of prices."),
    },
)
def price() -> None:
    """Set what it costs."""


@click.command("set")
@click.argument("sku")
@click.argument("per_hour", metavar="RATE", type=DecimalRate())
@click.option(
    "--suspended-claim",
    "claim",
    type=ClaimTerms(),
    required=True,
    help="How long what is suspended keeps its place: none, hours such as 4h, or always.",
)
@click.option("--suspended", type=DecimalRate(), help="Rate per hour while suspended with its place; not with none.")
@click.option("--disk", type=DecimalRate(), help="Rate per hour once the place is gone; not with always.")
@click.option("--currency", required=True, help="ISO 4217 code, such as USD.")
@click.option(
    "--effective-at",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z"]),
    metavar="TIME",
    help="From when on, with its zone: 2026-03-01T00:00+00:00. Default: now.",
)
@output_options()
def set_price(
    *,
    sku: str,
    per_hour: str,
    claim: tuple[str, int | None],
    suspended: str | None,
    disk: str | None,
    currency: str,
    effective_at: datetime | None,
    output: Output,
) -> None:
    """Set the price of SKU, a code or id, to RATE per hour. What runs keeps the price it was launched at."""
    with connect() as client:
        priced = find_sku(client, sku)
        created = client.admin.set_price(
            priced["id"],
            per_hour,
            suspended_claim=claim[0],
            suspended_claim_hours=claim[1],
            suspended_per_hour=suspended,
            disk_per_hour=disk,
            currency=currency.upper(),
            effective_at=effective_at.isoformat() if effective_at else None,
        )
    note(
        f"{priced['code']} costs {rate(created['per_hour'])} from {local(created['effective_at'])}, "
        f"suspended {suspension(created)}. What runs keeps its price."
    )
    output.noted(created)


@click.command()
@click.option("--sku", help="Only of this SKU, a code or id.")
@output_options()
def ls(sku: str | None, output: Output) -> None:
    """List the versions of prices, newest first."""
    with connect() as client:
        codes = {known["id"]: known["code"] for known in client.admin.skus()}
        chosen = find_sku(client, sku)["id"] if sku else None
        columns: list[Column[ListedPrice]] = [
            Column("SKU", lambda one: codes.get(one["sku_id"], one["sku_id"])),
            Column("RATE", lambda one: rate(one["per_hour"]), right=True),
            Column("SUSPENDED", lambda one: rate(one["suspended_per_hour"]), right=True),
            Column("PLACE KEPT", kept_for),
            Column("THEN", lambda one: rate(one["disk_per_hour"]) if one["disk_per_hour"] else "", right=True),
            Column("FROM", lambda one: local(one["effective_at"])),
            Column(
                "STANDING", lambda one: words(one["standing"]), style=lambda one: None if one["in_force"] else "muted"
            ),
            Column("ID", lambda one: one["id"], optional=True),
        ]
        output.many(client.admin.prices(sku_id=chosen), columns, empty="There are no prices yet.")
