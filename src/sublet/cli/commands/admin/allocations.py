"""`admin allocations`: everybody's."""

import click

from sublet.cli.commands.allocations import node_text
from sublet.cli.connection import connect
from sublet.cli.formats import NOTHING, duration, money, rate, words
from sublet.cli.output import Output, output_options
from sublet.cli.states import state_text
from sublet.cli.tables import Column
from sublet.client.shapes import AdminAllocation


def _trouble(one: AdminAllocation) -> str:
    """What the node said, at which step, and by which request its log has it."""
    error = one["operator_error"]
    if error is None:
        return NOTHING
    where = words(error["step"] or "")
    request = f" [{error['request_id']}]" if error["request_id"] else ""
    return f"{error['code']}{f' at {where}' if where else ''}{request}: {error['text']}"


COLUMNS: list[Column[AdminAllocation]] = [
    Column("ID", lambda one: one["id"]),
    Column("ORGANIZATION", lambda one: one["organization"]["name"], flexible=True),
    Column("NAME", lambda one: one["name"], flexible=True, optional=True),
    Column("STATE", lambda one: state_text(one["state"])),
    Column("FOR", lambda one: duration(one["state_seconds"]), right=True),
    Column("OFFER", lambda one: one["sku"]["code"]),
    Column("NODE", node_text, flexible=True),
    Column("TROUBLE", _trouble, flexible=True, optional=True),
    Column("RATE", lambda one: rate(one["cost"]["rate"]), right=True, optional=True),
    Column("COST", lambda one: money(one["cost"]["total"]), right=True, optional=True),
]


@click.command()
@click.option("--state", help="Only those in this state.")
@output_options()
def allocations(state: str | None, output: Output) -> None:
    """List everybody's allocations, and how long each has been in its state."""
    with connect() as client:
        output.many(client.admin.allocations(state=state), COLUMNS, empty="There are no allocations.")
