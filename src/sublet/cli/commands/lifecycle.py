"""`release`, `suspend`, `resume`: ending and pausing what runs."""

import sys
from typing import TYPE_CHECKING

import click

from sublet.cli.commands.allocations import show_allocation
from sublet.cli.commands.pricing import suspension
from sublet.cli.commands.wait import wait_for, wait_options
from sublet.cli.completions import allocation_argument
from sublet.cli.connection import connect, note
from sublet.cli.exits import Exit
from sublet.cli.failures import Failure
from sublet.cli.formats import local, money, rate
from sublet.cli.output import Output, output_options
from sublet.client.shapes import Allocation, Price
from sublet.client.wait import GOALS

if TYPE_CHECKING:
    from sublet.client.client import Client


@click.command()
@allocation_argument
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@wait_options("until it is released and nothing is left")
@output_options()
def release(allocation: str, yes: bool, wait: bool, timeout: float, output: Output) -> None:
    """Give ALLOCATION back. Billing ends now; its processes and files are deleted.

    Also cancels one that is not active yet.
    """
    with connect() as client:
        found = client.allocation(allocation)
        if not yes:
            _confirm(found)
        asked = client.release(found["id"])
        note(f"Releasing {asked['name']}. You pay nothing from now on.")
        ended = _finish(client, asked, "release", wait=wait, timeout_seconds=timeout, output=output)
        if wait:
            note(f"{ended['name']} is released. It cost {money(ended['cost']['total'], exact=True)}.")


@click.command()
@allocation_argument
@wait_options("until it is suspended")
@output_options()
def suspend(allocation: str, wait: bool, timeout: float, output: Output) -> None:
    """Stop ALLOCATION and keep its files: logins close, processes end, the lower rate applies.

    How long it keeps its place on its node `sublet offers` and `sublet show` say; after that it is resumed when that
    node has room for it.
    """
    with connect() as client:
        asked = client.suspend(client.allocation(allocation)["id"])
        note(f"Suspending {asked['name']}. Suspended, it costs {suspension(asked['price'])}.")
        if asked["claim_kept_until"] is not None:
            note(_kept(asked["price"], asked["claim_kept_until"]))
        _finish(client, asked, "suspend", wait=wait, timeout_seconds=timeout, output=output)


@click.command()
@allocation_argument
@wait_options("until it is active")
@output_options()
def resume(allocation: str, wait: bool, timeout: float, output: Output) -> None:
    """Start suspended ALLOCATION again."""
    with connect() as client:
        asked = client.resume(client.allocation(allocation)["id"])
        note(f"Resuming {asked['name']}. Active, it costs {rate(asked['price']['per_hour'])}.")
        _finish(client, asked, "resume", wait=wait, timeout_seconds=timeout, output=output)


@click.command("restart-elsewhere")
@allocation_argument
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@wait_options("until the new one is active")
@output_options()
def restart_elsewhere(allocation: str, yes: bool, wait: bool, timeout: float, output: Output) -> None:
    """Give up lost ALLOCATION and launch its offer anew on a node that answers, with an empty disk."""
    with connect() as client:
        found = client.allocation(allocation)
        price = found["restart_price"]
        if price is not None and not yes:
            _confirm_restart(found, rate(price["per_hour"]))
        # Where it has none, the answer says why.
        started = client.restart_elsewhere(found["id"], (price or found["price"])["id"])
        note(f"{found['name']} is given up, and {started['name']} is launched on another node.")
        note(f"It costs {rate(started['price']['per_hour'])} while it is active.")
        note("What is stored on the lost node cannot be reached, and is deleted when that node is back.")
        _finish(client, started, "provision", wait=wait, timeout_seconds=timeout, output=output)


def _kept(price: Price, until: str) -> str:
    if price["suspended_claim"] == "none":
        return "Its place on its node is given to others now. It is resumed when that node has room for it."
    return (
        f"Its place on its node is kept until {local(until)}. After that it is resumed when that node has room for it."
    )


def _confirm(allocation: Allocation) -> None:
    if not sys.stdin.isatty():
        raise Failure(
            f"Releasing {allocation['name']} deletes its files, and there is no terminal to ask at. "
            "Nothing was released. Add --yes if you mean it.",
            Exit.USAGE,
        )
    if not click.confirm(f"Release {allocation['name']} and delete its files?", err=True):
        raise Failure(f"{allocation['name']} was not released and goes on running.")


def _confirm_restart(allocation: Allocation, price: str) -> None:
    if not sys.stdin.isatty():
        raise Failure(
            f"Restarted elsewhere, {allocation['name']} costs {price}, with an empty disk, and there is no terminal to "
            "ask at. Nothing was changed. Add --yes if you mean it.",
            Exit.USAGE,
        )
    if not click.confirm(f"Give {allocation['name']} up and launch it anew, empty, for {price}?", err=True):
        raise Failure(f"{allocation['name']} was not given up. It goes on when its node is back.")


def _finish(
    client: "Client", asked: Allocation, kind: str, *, wait: bool, timeout_seconds: float, output: Output
) -> Allocation:
    done = wait_for(client, asked, kind, timeout_seconds, output) if wait else asked
    if not output.plain or wait:
        output.one(done, show_allocation)
    if wait and done["state"] not in GOALS[kind]:
        raise _failed(done, kind)
    return done


def _failed(allocation: Allocation, kind: str) -> Failure:
    operation = allocation["operation"]
    error = allocation["failure"] or (operation["error"] if operation else None)
    why = f" {error['message']}" if error else ""
    effect = " You do not pay for it any more; the operator has to clean its node." if kind == "release" else ""
    return Failure(f"{allocation['name']} is {allocation['state']}: the {kind} did not succeed.{why}{effect}")
