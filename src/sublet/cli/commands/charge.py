"""`charge show`: why one charge is what it is."""

import click

from sublet.cli.connection import connect
from sublet.cli.formats import NOTHING, local, money, rate
from sublet.cli.lazy import LazyGroup
from sublet.cli.output import Output, output_options
from sublet.cli.tables import print_facts
from sublet.client.shapes.wallet import ExplainedCharge


@click.group(cls=LazyGroup, lazy={"show": (f"{__name__}:show", "Show why a charge is what it is.")})
def charge() -> None:
    """Charges, one by one."""


@click.command("show")
@click.argument("charge_id", metavar="ID")
@output_options(quiet=False)
def show(charge_id: str, output: Output) -> None:
    """Show why charge ID is what it is: what ran, at which price, proven by what, in which entry of the books.

    `sublet charges` lists the ids of an allocation's with --json.
    """
    with connect() as client:
        output.one(client.charge(charge_id), _show)


def _show(one: ExplainedCharge) -> None:
    seen, entry = one["observations"], one["entry"]
    print_facts(
        [
            ("Charge", one["id"]),
            ("For", one["subject_name"] or one["subject_id"]),
            ("SKU", f"{one['sku']['code']} ({one['sku']['name']})"),
            ("What", f"{one['meter_kind']}, {one['kind']}"),
            ("From", local(one["period_start"])),
            ("To", local(one["period_end"])),
            (
                "Price",
                f"{rate(one['rate'])}, {one['price']['id']}, in force since {local(one['price']['effective_at'])}",
            ),
            ("Amount", f"{money(one['amount'], exact=True)} for {one['seconds']} seconds"),
            ("Node", (seen["node_id"] or NOTHING) if seen else ""),
            ("Boot", (seen["boot_id"] or NOTHING) if seen else ""),
            ("Proven by", _proof(one)),
            (
                "Entry",
                f"{entry['id']}, {entry['kind']}, {local(entry['effective_at'])}" if entry else "none: it is nothing",
            ),
        ]
    )


def _proof(one: ExplainedCharge) -> str:
    seen = one["observations"]
    if seen is None:
        return f"an observation at {local(one['evidence_at'])}"
    return f"{seen['count']} observations from {local(seen['first_at'])} to {local(seen['last_at'])}"
