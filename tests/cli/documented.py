"""The examples of docs/cli.md, run against a fixed world. `python -m tests.cli.documented` writes what they print."""

import re
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

from tests.cli.running import Cli
from tests.client.fake_api import FakeApi, serving
from tests.client.fake_card_routes import add_card
from tests.client.fake_findings import ask_approval, misunderstand, open_finding
from tests.client.fake_notice_routes import add_notice
from tests.client.fake_shapes import at, per_hour, usd
from tests.client.fake_world import CUSTOMER_TOKEN, OPERATOR_TOKEN, World, furnished

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
URL = "https://sublet.example.org"

_BLOCK = re.compile(r"(?<=```console\n).*?(?=```)", re.DOTALL)
# What depends on the moment is shown as it was when the page was written.
_MOMENTS = (
    re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)? UTC"),
    re.compile(r"\b\d\d:\d\d:\d\d\b"),
    re.compile(r"\b\d+ (s|min) ago"),
    re.compile(r"\b\d+\.\d s\b"),
)


def _world() -> World:
    world = furnished()
    small, _ = world.skus.values()
    api = world.allocation("api", small)
    world.allocation("stray", small, state="lost", seconds=3600)
    world.allocation("nightly", small, state="suspended", seconds=7500)["startup"] = world.startup()
    world.begin(api, "provision")
    world.operations[api["id"]][0] |= {"state": "succeeded", "started_at": at(3902.1), "finished_at": at(3900)}
    for step in api["operation"]["steps"]:
        step["state"] = "done"
    world.charges[api["id"]] = [
        {
            "id": "41",
            "period_start": at(3900),
            "period_end": at(0),
            "seconds": 3900,
            "rate": per_hour("0.3600"),
            "amount": usd("0.39"),
            "kind": "running",
            "price_id": api["price"]["id"],
            "evidence_at": at(0),
            "ledger_entry_id": "2",
        }
    ]
    shared = {"account": "wallet", "effective_at": at(0), "recorded_at": at(0), "source": None}
    shared |= {"purposes": [], "purpose_count": 0}
    world.entries = [
        {"id": "2-1", "entry_id": "2", "kind": "usage", "description": "Usage of api", **shared}
        | {"amount": usd("-0.39"), "balance_after": usd("19.61")},
        {"id": "1-1", "entry_id": "1", "kind": "top_up", "description": "Top-up by card", **shared}
        | {"amount": usd("20"), "balance_after": usd("20")},
    ]
    told = {"name": "api", "state": "queued", "previous_state": None, "reason": "launched"}
    world.tell("allocation.created", api["id"], **told)
    told = {"name": "api", "state": "active", "previous_state": "provisioning", "reason": "set up and verified"}
    world.tell("allocation.active", api["id"], **told)
    world.tell("wallet.changed", "org_0000000000000001", balance=usd("19.61"), held=usd("1"), available=usd("18.61"))
    node = next(iter(world.nodes.values()))
    node["inventory"]["gpus"][0]["state"] = "quarantined"
    node["ports"] = {"first": 30000, "last": 30999}
    world.set_event_aside("top_up.succeeded", "tu_0000000000000009")
    world.leave_unfinished("node", "nd_0000000000000001", "failing", attempts=41, last_error="node_unreachable")
    world.leave_unfinished("top_up", "tu_0000000000000009", "set_aside", attempts=1, last_error="interrupted")
    taken = {"taken_back": "20", "set_aside": "19.61", "spent": "0.39"}
    stopped = open_finding(world, "organization.launches_stopped", "organization", "org_0000000000000001", **taken)
    stopped["detail"] = {"top_ups": "tu_0000000000000008"}
    found = open_finding(world, "payments.taken_back", "top_up", "tu_0000000000000008", **taken)
    found["detail"] = {"organization_id": "org_0000000000000001", "charge_id": "ch_3QvT"}
    misunderstand(world, "evt_1QvT", "payout.reconciliation_completed")
    ask_approval(world, "allocation.force_release", api["id"], wipe=True)
    add_card(world, "4242", default=True)
    add_card(world, "4444", brand="mastercard")
    add_notice(world, "Receipt: 20.00 USD paid in", read_at=at(0))
    add_notice(world)
    return world


@contextmanager
def _machine() -> Iterator[tuple[Cli, FakeApi]]:
    with tempfile.TemporaryDirectory() as directory, serving(_world()) as api, chdir(directory):
        cli = Cli(api, Path(directory))
        cli.extra = {"XDG_CONFIG_HOME": f"{directory}/.config", "XDG_STATE_HOME": f"{directory}/.local/state"}
        Path("token.txt").write_text(CUSTOMER_TOKEN)
        Path("operator.txt").write_text(OPERATOR_TOKEN)
        yield cli, api


def rerun() -> str:
    """The page with what its examples print now."""
    with _machine() as (cli, api):

        def run(command: str) -> str:
            program, *arguments = shlex.split(command.replace(URL, api.url))
            assert program == "sublet", command
            operator = {"SUBLET_TOKEN_FILE": "operator.txt"} if arguments[0] == "admin" else {}
            machine = Cli(api, cli.home, {**cli.extra, **operator})
            printed = machine.run(*arguments).output
            return printed.replace(api.url, URL).replace(str(cli.home), "/home/ada")

        def block(match: re.Match[str]) -> str:
            commands = [line[2:] for line in match[0].splitlines() if line.startswith("$ ")]
            return "".join(f"$ {command}\n{run(command)}" for command in commands)

        return _BLOCK.sub(block, PAGE.read_text(encoding="utf-8"))


def timeless(text: str) -> str:
    """The text without what depends on the moment."""
    for pattern in _MOMENTS:
        text = pattern.sub("<moment>", text)
    text = re.sub(r'"time": "[^"]+"', '"time": <moment>', text)
    # A moment of another length moves what stands beside it.
    return re.sub(r"  +", "  ", text)


if __name__ == "__main__":
    PAGE.write_text(rerun(), encoding="utf-8")
