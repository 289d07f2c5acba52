"""`ls` and `show`: what runs, what it costs, what proves that it is gone."""

import click

from sublet.cli.commands.given import startup_text
from sublet.cli.commands.offers import shape
from sublet.cli.commands.pricing import suspension
from sublet.cli.commands.wait import wait_for, wait_options
from sublet.cli.completions import allocation_argument
from sublet.cli.connection import connect
from sublet.cli.formats import NOTHING, is_some, local, money, pairs, rate, since, size, words, yes_or_no
from sublet.cli.output import Output, output_options
from sublet.cli.states import state_text
from sublet.cli.style import Painted, glyphs_possible, paint
from sublet.cli.tables import Column, print_facts, print_table
from sublet.cli.timebar import runs, time_bar, time_line
from sublet.client.shapes import AdminAllocation, Allocation, AllocationSummary, Port, Rate
from sublet.client.shapes.allocations import Check, Incident, Limit, Traffic

THEN_DELETED = (
    "then it is released and its files are deleted, unless you pay what is owed and enough to run again. "
    "Less moves the date once. Add funds: sublet top-up AMOUNT"
)


def node_text(allocation: Allocation | AllocationSummary | AdminAllocation) -> str:
    """The node's name, marked where its limits are not enforced."""
    node = allocation["node"]
    if node is None:
        return NOTHING
    return f"{node['name']} (limits not enforced)" if node["limits_enforced"] is False else node["name"]


def rate_of(one: Allocation | AllocationSummary) -> Rate:
    """What it costs now while it is billed, otherwise the price that it was launched at."""
    return one["cost"]["rate"] if one["state"] in {"active", "suspended"} else one["price"]["per_hour"]


def _state(one: AllocationSummary) -> Painted:
    """The state, and when what nobody pays for is deleted."""
    state, until = state_text(one["state"]), one["funds"]["data_kept_until"]
    return state if until is None else Painted(f"{state} {paint(f'(deleted {since(until)})', 'bad')}")


COLUMNS: list[Column[AllocationSummary]] = [
    Column("NAME", lambda one: one["name"], flexible=True),
    Column("STATE", _state),
    Column("OFFER", lambda one: one["sku"]["code"]),
    Column("NODE", node_text, flexible=True, optional=True),
    Column("LAUNCHED", lambda one: since(one["created_at"]), optional=True),
    Column("RATE", lambda one: rate(rate_of(one)), right=True),
    Column("COST", lambda one: money(one["cost"]["total"]), right=True),
]
LABELS: Column[AllocationSummary] = Column("LABELS", lambda one: pairs(one["labels"]), flexible=True)
TIME: Column[AllocationSummary] = Column("TIME", time_bar, optional=True)


@click.command()
@click.option("-a", "--all", "include_ended", is_flag=True, help="Also those that have ended.")
@click.option("--state", help="Only those in this state.")
@click.option(
    *("-l", "--label", "labels"), multiple=True, metavar="KEY[=VALUE]", help="Only those with this label; repeatable."
)
@output_options()
def ls(include_ended: bool, state: str | None, labels: tuple[str, ...], output: Output) -> None:
    """List your allocations, newest first."""
    columns = [*COLUMNS, *([LABELS] if labels else []), *([TIME] if glyphs_possible() else [])]
    empty = "You have no allocations" + ("" if include_ended else " now") + ". See what you can launch: sublet offers"
    with connect() as client:
        listed = client.allocations(state=state, include_ended=include_ended, labels=labels)
        output.many(listed, columns, empty=empty)


@click.command()
@allocation_argument
@wait_options("until nothing moves any more", default=False)
@output_options()
def show(allocation: str, wait: bool, timeout: float, output: Output) -> None:
    """Show ALLOCATION, a name or id: state, cost, limits, network, what happened to it, the evidence of its release."""
    with connect() as client:
        shown = client.allocation(allocation)
        if wait:
            shown = wait_for(client, shown, None, timeout, output)
    output.one(shown, show_allocation)


def show_allocation(allocation: Allocation) -> None:
    """Print everything that a person wants to know about an allocation."""
    cost = allocation["cost"]
    failure = allocation["failure"]
    print_facts(
        [
            ("Name", allocation["name"]),
            ("Id", allocation["id"]),
            ("State", state_text(allocation["state"])),
            ("Failure", paint(f"{failure['message']} ({failure['code']})", "bad") if failure else ""),
            ("Offer", f"{allocation['sku']['code']} ({shape(allocation['sku'])})"),
            ("Node", node_text(allocation)),
            ("Launched", local(allocation["created_at"])),
            ("Ended", local(allocation["ended_at"]) if allocation["ended_at"] else ""),
            ("Time", _time(allocation)),
            ("Rate", rate(rate_of(allocation))),
            ("Cost", _cost(allocation)),
            ("Held", money(cost["held"]) if is_some(cost["held"]) else ""),
            ("Warning", paint(_warning(allocation), "warn")),
            ("Kept until", paint(_kept_until(allocation), "bad")),
            ("Suspended", suspension(allocation["price"]) if runs(allocation) else ""),
            ("Place", paint(_place(allocation), "warn")),
            ("Labels", pairs(allocation["labels"])),
            ("Variables", ", ".join(allocation["environment"])),
            ("Startup script", startup_text(allocation["startup"])),
            ("Log in", f"sublet ssh {allocation['name']}" if allocation["state"] == "active" else ""),
            ("Ports", ", ".join(_port(one) for one in allocation["ports"])),
            ("Network", _network(allocation["traffic"])),
        ]
    )
    if allocation["incidents"]:
        click.echo()
        print_table(allocation["incidents"], INCIDENTS)
    if runs(allocation) and allocation["enforced"]:
        click.echo()
        print_table(allocation["enforced"], LIMITS)
    evidence = allocation["evidence"]
    if evidence is not None:
        click.echo()
        verdict = "nothing was left" if evidence["clean"] else "something was left"
        print_facts([("Evidence", f"{verdict}, {local(evidence['released_at'])}")])
        print_table(evidence["checks"], CHECKS)


def _place(allocation: Allocation) -> str:
    """How its place on its node stands while it is suspended; empty where that is kept always."""
    if allocation["waits_for_room_since"] is not None:
        return "others have it; resumed by itself when its node has room"
    if allocation["claim_ended_at"] is not None:
        return f"given back {local(allocation['claim_ended_at'])}; resumed when its node has room"
    until = allocation["claim_kept_until"]
    return "" if until is None else f"kept until {local(until)}"


INCIDENTS: list[Column[Incident]] = [
    Column("WHEN", lambda incident: local(incident["at"])),
    Column("WHAT HAPPENED", lambda incident: words(incident["kind"]), style=lambda _: "warn"),
    Column("DETAIL", lambda incident: incident["detail"], flexible=True),
]

LIMITS: list[Column[Limit]] = [
    Column("LIMIT", lambda limit: limit["limit"]),
    Column("ASKED FOR", lambda limit: str(limit["requested"])),
    Column(
        "ENFORCED",
        lambda limit: yes_or_no(limit["enforced"]),
        style=lambda limit: None if limit["enforced"] else "warn",
    ),
    Column("DETAIL", lambda limit: limit["detail"] or "", flexible=True, optional=True),
]

CHECKS: list[Column[Check]] = [
    Column("CHECK", lambda check: words(check["name"])),
    Column(
        "CLEAN",
        lambda check: yes_or_no(check["clean"]),
        style=lambda check: "ok" if check["clean"] else "bad",
    ),
    Column("DETAIL", lambda check: check["detail"] or "", flexible=True, optional=True),
]


def _port(port: Port) -> str:
    state = "" if port["state"] == "open" else f" ({port['state']})"
    return f"{port['port']}/{port['protocol']} at {port['host']}:{port['node_port']}{state}"


def _network(traffic: Traffic | None) -> str:
    if traffic is None:
        return ""
    return f"{size(traffic['in_bytes'])} in, {size(traffic['out_bytes'])} out, as of {local(traffic['seen_at'])}"


def _time(allocation: Allocation) -> Painted:
    bar = time_bar(allocation) if glyphs_possible() else ""
    line = paint(time_line(allocation), None)
    return Painted(f"{bar} {line}" if bar else line)


def _cost(allocation: Allocation) -> str:
    cost = allocation["cost"]
    accrued = f" ({money(cost['accrued'], exact=True)} not yet posted)" if is_some(cost["accrued"]) else ""
    return money(cost["total"], exact=True) + accrued


def _kept_until(allocation: Allocation) -> str:
    until = allocation["funds"]["data_kept_until"]
    return "" if until is None else f"{local(until)}: {THEN_DELETED}"


def _warning(allocation: Allocation) -> str:
    funds = allocation["funds"]
    if funds["warning"] is None:
        return ""
    when = f"It will be suspended {since(funds['suspend_at'])}. " if funds["suspend_at"] else ""
    return f"Your balance runs out ({funds['warning']}). {when}Add funds: sublet top-up AMOUNT"
