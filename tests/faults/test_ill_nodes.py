"""Three real nodes, two of which fall ill while there is something to do on them: everything comes to its end, nothing
is left on any of them, the books are right, and whoever reads of it reads what happened.

The moments are drawn: SUBLET_FAULT_SEED, printed with each, repeats them. Some faults are tried each time, and all of
them as often as SUBLET_FAULT_ROUNDS says, in `make soak`.
"""

import asyncio
import functools
import os
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import asyncssh
import pytest

from sublet.fleet import codes
from tests.faults.fleet import Fleet
from tests.faults.running import House

pytestmark = pytest.mark.node

ROUNDS = int(os.environ.get("SUBLET_FAULT_ROUNDS", "0"))
SET_UP_SECONDS = 0.6
"""About as long as a launch takes: a fault begins at any moment of it."""

ADDRESS = re.compile(r"\b\d{1,3}(\.\d{1,3}){3}\b|/home|/etc|/var|/usr")
MANY = [f"part-{number}" for number in range(3)]

Fault = Callable[[Fleet, str], AbstractContextManager[None]]

FAULTS: dict[str, tuple[Fault, float]] = {
    "cut off for a moment": (Fleet.cut_off, 0.3),
    "cut off": (Fleet.cut_off, 3.0),
    "losing packets": (Fleet.losing_packets, 3.0),
    "without power": (Fleet.without_power, 1.0),
    "sshd hangs": (Fleet.hung_sshd, 3.0),
    "disk full": (Fleet.full_disk, 2.0),
    "helper killed": (Fleet.killed_helper, 0.0),
    "helper damaged": (Fleet.damaged_helper, 2.0),
    "worker killed": (Fleet.dead_worker, 0.0),
    "worker frozen": (Fleet.frozen_worker, 8.0),
    "database killed": (Fleet.dead_database, 0.0),
    "clock an hour ahead": (functools.partial(Fleet.stepped_clock, seconds=3600), 3.0),
    "clock an hour behind": (functools.partial(Fleet.stepped_clock, seconds=-3600), 3.0),
    "clock a minute ahead": (functools.partial(Fleet.stepped_clock, seconds=60), 3.0),
}
"""Each with how long it lasts at most, in seconds."""
EACH_TIME = ("cut off", "without power", "disk full", "helper damaged", "database killed")
TRIED = [(fault, number) for fault in FAULTS for number in range(ROUNDS)] or [(fault, 0) for fault in EACH_TIME]

FIGHT = """
import os, signal, sys, time
ends = time.monotonic() + 60
if os.fork():
    print("fighting", flush=True)
    os._exit(0)
os.setsid()
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    signal.signal(number, signal.SIG_IGN)
for descriptor in range(3):
    os.close(descriptor)
os.memfd_create("mine")
for _ in range(6):
    if not os.fork():
        break
turn = 0
while time.monotonic() < ends:
    turn += 1
    for place in (os.path.expanduser("~"), "/tmp", "/dev/shm"):
        try:
            with open(f"{place}/{os.getpid()}-{turn % 20}", "w") as file:
                file.write("still here")
        except OSError:
            pass
    try:
        if os.fork():
            os._exit(0)
    except OSError:
        pass
    time.sleep(0.002)
"""
"""Never the same process for longer than a moment, deaf to every signal that can be ignored, writing all the time."""


@pytest.fixture(scope="module")
def fleet(house: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with asyncio.Runner() as runner:
        fleet = Fleet(house, runner)
        try:
            fleet.open(tmp_path_factory.mktemp("fleet"))
            yield fleet
        finally:
            fleet.close()


class TestWhileSomethingIsDone:
    @pytest.mark.parametrize(("fault", "number"), TRIED)
    def test_everything_ends_as_it_should(self, fleet: Fleet, fault: str, number: int) -> None:
        seed = int(os.environ.get("SUBLET_FAULT_SEED", random.SystemRandom().randrange(1 << 32)))
        print(f"SUBLET_FAULT_SEED={seed}")
        dice = random.Random(f"{seed} {fault} {number}")
        house = fleet.house
        ill = dice.choice(list(fleet.own))
        earlier = set(_findings(house))
        launched = [house.launch(f"{name}-{dice.randrange(1 << 32):08x}") for name in MANY]
        _befalls(fleet, fault, ill, dice)
        for allocation_id in launched:
            house.wait("an end of its launch", lambda id=allocation_id: house.state(id) in {"active", "failed"})
        stood = {allocation_id: house.state(allocation_id) for allocation_id in launched}
        _assert_told(house, launched)
        running = [allocation_id for allocation_id, state in stood.items() if state == "active"]
        for allocation_id in running:
            house.ask_to_release(allocation_id)
        _befalls(fleet, fault, ill, dice)
        for allocation_id in running:
            house.wait("released", lambda id=allocation_id: house.state(id) == "released", seconds=90)
        house.wait("nothing left to do", lambda: _nothing_is_left_to_do(house), seconds=90)
        for allocation_id in launched:
            assert house.history(allocation_id).count("active") == (stood[allocation_id] == "active")
        for name in fleet.own:
            house.wait(f"{name} to take work again", lambda name=name: fleet.takes_work(name))
        assert fleet.changed() == []
        house.assert_books_are_right(all_time_is_proven=False)
        new = {id: told for id, told in _findings(house).items() if id not in earlier}
        assert {told["code"] for told in new.values()} <= {"billing.unmetered_time"}, new

    def test_a_customer_who_fights_it_is_gone_all_the_same(self, fleet: Fleet) -> None:
        house = fleet.house
        allocation_id = house.launch("fighter")
        house.reach(allocation_id, "active")
        fleet.runner.run(_run_inside(house, allocation_id, FIGHT))
        house.release(allocation_id)
        with house.client() as client:
            evidence = client.get(f"/allocations/{allocation_id}").json()["evidence"]
        assert [check for check in evidence["checks"] if not check["clean"]] == []
        assert fleet.changed() == []
        house.assert_books_are_right(all_time_is_proven=False)


class TestAClockThatIsWrong:
    def test_is_told_to_operators_until_it_is_right(self, fleet: Fleet) -> None:
        house = fleet.house
        for seconds, step, words in ((-3600, "connected_back", "a wrong clock"), (60, "clock", "failed: +")):
            with fleet.stepped_clock("frail", seconds=seconds):
                house.wait(words, lambda step=step, words=words: words in fleet.steps("frail")[step])
                assert not fleet.takes_work("frail")
        house.wait("frail to take work", lambda: fleet.takes_work("frail"))
        assert fleet.steps("frail")["clock"].startswith("done: ")


async def _run_inside(house: House, allocation_id: str, program: str) -> None:
    """Start a program as the customer, over SSH with a certificate, and leave it there."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    with house.client() as client:
        body = {"public_key": key.export_public_key().decode()}
        ticket = client.post(f"/allocations/{allocation_id}/ssh-certificates", json=body).json()
    async with asyncssh.connect(
        ticket["host"],
        ticket["port"],
        username=ticket["login"],
        client_keys=[(key, asyncssh.import_certificate(ticket["certificate"]))],
        known_hosts=asyncssh.import_known_hosts(ticket["known_hosts"]),
        agent_path=None,
        config=None,
    ) as connection:
        done = await connection.run(f"python3 - <<'END'\n{program}\nEND\n", timeout=20)
        assert "fighting" in str(done.stdout), done.stderr


def _befalls(fleet: Fleet, fault: str, name: str, dice: random.Random) -> None:
    """The fault, from any moment of what was begun just now."""
    begin, longest = FAULTS[fault]
    time.sleep(dice.uniform(0, SET_UP_SECONDS))
    with begin(fleet, name):
        time.sleep(dice.uniform(longest / 2, longest))


def _assert_told(house: House, launched: list[str]) -> None:
    """Whoever reads why a launch failed reads a sentence without addresses; the operator, what the node said, and when
    and where."""
    with house.client() as customer, house.client("operator") as operator:
        for allocation_id in launched:
            seen: dict[str, Any] = customer.get(f"/allocations/{allocation_id}").json()
            if seen["state"] not in {"failed", "releasing", "released"} or seen["failure"] is None:
                continue
            assert seen["failure"]["code"] in {*codes.OF_NODES, *codes.OF_THE_WAY, "provisioning_interrupted"}
            assert not ADDRESS.search(seen["failure"]["message"]), seen["failure"]
            listed = operator.get("/admin/allocations", params={"include_ended": True, "limit": 100}).json()["items"]
            told = next(one for one in listed if one["id"] == allocation_id)["operator_error"]
            assert told["text"], told
            assert told["step"], told


def _nothing_is_left_to_do(house: House) -> bool:
    """Whether no node may have anything of a launch any more, as the books have it."""
    return house.query(
        "SELECT (SELECT count(*) FROM allocation WHERE on_node) + (SELECT count(*) FROM claim WHERE upper_inf(during))"
        " + (SELECT count(*) FROM allocation_remnant WHERE cleaned_at IS NULL)"
    ) == [0]


def _findings(house: House) -> dict[str, dict[str, Any]]:
    """What an operator is asked to look at, or was, by id."""
    with house.client("operator") as operator:
        answer = operator.get("/admin/findings", params={"limit": 100})
    assert answer.status_code == 200, answer.text
    return {finding["id"]: finding for finding in answer.json()["items"]}
