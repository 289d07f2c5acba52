"""`launch`: from an offer to an allocation one can log in to."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sublet.cli.commands.allocations import node_text
from sublet.cli.commands.given import launch_options, read_given, startup_text
from sublet.cli.commands.idempotency import repeat_option
from sublet.cli.commands.pricing import Estimate, estimate, launch_action, show_estimate
from sublet.cli.commands.wait import wait_for, wait_options
from sublet.cli.connection import connect, note
from sublet.cli.exits import Exit, exit_of
from sublet.cli.failures import Failure
from sublet.cli.formats import money, rate
from sublet.cli.output import Output, output_options
from sublet.cli.states import action, state_text
from sublet.cli.tables import print_facts
from sublet.client.shapes import Allocation, Offer

if TYPE_CHECKING:
    from sublet.client.client import Client


@click.command()
@click.argument("offer")
@click.option("--name", help="A name of your own; without it, Sublet gives one.")
@launch_options
@click.option("--dry-run", is_flag=True, help="Price the launch and do nothing; the exit code says what is in its way.")
@repeat_option("a launch")
@wait_options("until it is active")
@output_options()
def launch(
    *,
    offer: str,
    name: str | None,
    script_file: Path | None,
    variables: tuple[str, ...],
    env_files: tuple[Path, ...],
    labels: tuple[tuple[str, str], ...],
    dry_run: bool,
    idempotency_key: str | None,
    wait: bool,
    timeout: float,
    output: Output,
) -> None:
    """Launch an allocation of OFFER, a code or id that `sublet offers` shows.

    You pay its rate by the second from when it is active until you release it. Ctrl-C while waiting cancels nothing.
    """
    given = read_given(script_file, variables, env_files, labels)
    with connect() as client:
        chosen = _find(client, offer)
        if dry_run:
            _price(client, chosen, output)
            return
        # The price that was seen goes along, so that nobody pays another one unknowingly.
        launched = client.launch(
            chosen["id"], name=name, price_id=chosen["price"]["id"], idempotency_key=idempotency_key, **given
        )
        note(
            f"Launching {launched['name']} at {rate(launched['price']['per_hour'])}. "
            f"{money(launched['cost']['held'], exact=True)} of your balance is held for it."
        )
        if wait:
            launched = wait_for(client, launched, "provision", timeout, output)
    output.one(launched, _show)
    if wait and launched["state"] not in {"active", "suspended"}:
        raise _failed(launched)


def _find(client: "Client", wanted: str) -> Offer:
    known = list(client.offers())
    for offer in known:
        if wanted in {offer["id"], offer["sku"]["code"]}:
            return offer
    codes = ", ".join(offer["sku"]["code"] for offer in known) or "nothing"
    raise Failure(f"There is no offer {wanted!r}. Nothing was launched. On offer now: {codes}.", Exit.NOT_FOUND)


def _price(client: "Client", offer: Offer, output: Output) -> None:
    priced: Estimate = estimate(offer, client.wallet())
    output.one(priced, show_estimate, id_of=lambda one: one["offer"]["id"])
    launch = launch_action(offer)
    if not launch["allowed"]:
        raise Failure(launch["detail"] or "", exit_of(launch["code"] or "", launch["status"] or 0))
    note("Nothing was launched.")


def _show(allocation: Allocation) -> None:
    # The one command gives back what is set up, and cancels what is being set up.
    ends = any(action(allocation, name)[0] for name in ("release", "cancel"))
    print_facts(
        [
            ("Name", allocation["name"]),
            ("State", state_text(allocation["state"])),
            ("Node", node_text(allocation) if allocation["node"] else ""),
            ("Rate", rate(allocation["price"]["per_hour"])),
            ("Startup", startup_text(allocation["startup"])),
            ("Log in", f"sublet ssh {allocation['name']}" if allocation["state"] == "active" else ""),
            ("Release", f"sublet release {allocation['name']}" if ends else ""),
        ]
    )


def _failed(allocation: Allocation) -> Failure:
    failure = allocation["failure"]
    why = failure["message"] if failure else f"It ended as {allocation['state']}."
    code = exit_of(failure["code"]) if failure else Exit.FAILURE
    charged = money(allocation["cost"]["total"])
    return Failure(f"{allocation['name']} did not become active. {why} Charged for it: {charged}.", code)
