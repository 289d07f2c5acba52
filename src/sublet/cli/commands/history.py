"""`operations` and `charges`: what was done on an allocation, and what it cost."""

import click

from sublet.cli.completions import allocation_argument
from sublet.cli.connection import connect
from sublet.cli.formats import NOTHING, duration, local, money, rate, seconds_between, since, words
from sublet.cli.output import Output, output_options
from sublet.cli.states import state_text
from sublet.cli.tables import Column
from sublet.client.shapes import Charge, Operation


def _took(operation: Operation) -> str:
    seconds = seconds_between(operation["started_at"], operation["finished_at"])
    if seconds is None:
        return NOTHING
    return f"{seconds:.1f} s" if seconds < 60 else duration(seconds)


def _step(operation: Operation) -> str:
    if operation["error"] is not None:
        return operation["error"]["message"]
    over = sum(step["state"] == "done" for step in operation["steps"])
    current = next((step for step in operation["steps"] if step["state"] == "running"), None)
    counted = f"{over}/{len(operation['steps'])}"
    return f"{counted} {words(current['name'])}" if current else counted


OPERATIONS: list[Column[Operation]] = [
    Column("OPERATION", lambda one: one["kind"]),
    Column("STATE", lambda one: state_text(one["state"])),
    Column("STARTED", lambda one: since(one["started_at"])),
    Column("TOOK", _took, right=True),
    Column("ATTEMPTS", lambda one: str(one["attempts"]), right=True, optional=True),
    Column("STEPS", _step, flexible=True),
]

CHARGES: list[Column[Charge]] = [
    Column("FROM", lambda one: local(one["period_start"])),
    Column("SECONDS", lambda one: str(one["seconds"]), right=True),
    Column("KIND", lambda one: one["kind"]),
    Column("RATE", lambda one: rate(one["rate"]), right=True),
    Column("AMOUNT", lambda one: money(one["amount"], exact=True), right=True),
    Column("PRICE", lambda one: one["price_id"], optional=True),
    Column("ENTRY", lambda one: one["ledger_entry_id"] or "not yet posted", optional=True),
]


@click.command()
@allocation_argument
@output_options()
def operations(allocation: str, output: Output) -> None:
    """List the work done on ALLOCATION: provisioning, suspending, resuming, releasing."""
    with connect() as client:
        found = client.allocation(allocation)
        output.many(client.operations(found["id"]), OPERATIONS, empty=f"Nothing was done on {found['name']} yet.")


@click.command()
@allocation_argument
@output_options()
def charges(allocation: str, output: Output) -> None:
    """List what ALLOCATION cost: seconds × rate, at which price, on which evidence."""
    with connect() as client:
        found = client.allocation(allocation)
        output.many(client.charges(found["id"]), CHARGES, empty=f"{found['name']} has cost nothing so far.")
