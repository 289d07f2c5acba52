"""Real processes, killed and frozen while they work on a real node: nothing is lost, and nothing is done twice.

Driven by a seed that is printed when a test fails; SUBLET_FAULT_SEED repeats it.
"""

import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.entry.conftest import remove_data
from tests.entry.running import Up
from tests.faults.running import House
from tests.support.demo import new_data_directory
from tests.support.leftovers import leftovers
from tests.support.nodes import require

pytestmark = pytest.mark.node

SEED = int(os.environ.get("SUBLET_FAULT_SEED", random.SystemRandom().randrange(1 << 32)))
TAKE_OVER_SECONDS = 10.0


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    """One demo for all tests of this file; in the end nothing of it is left on the machine."""
    require("systemd")
    directory = new_data_directory()
    up = Up(directory)
    try:
        up.ready()
        house = House(up, up.info())
        try:
            yield house
        finally:
            house.close()
    finally:
        up.stop()
        left = leftovers(directory, port=up.port)
        remove_data(directory)
    assert left == []


@pytest.fixture
def dice() -> random.Random:
    """The same numbers again for the same seed."""
    print(f"SUBLET_FAULT_SEED={SEED}")
    return random.Random(SEED)


def provisioning_with_one_worker(house: House, name: str) -> tuple[str, int]:
    """A launch on which only the supervisor's worker can be working just now; its id and that worker."""
    worker = house.wait("a worker", lambda: house.worker)
    house.freeze(house.second.pid)
    allocation_id = house.launch(name)
    house.wait("provisioning", lambda: house.lease(allocation_id) is not None, pause=0.002)
    return allocation_id, worker


def assert_done_once(house: House, allocation_id: str) -> None:
    """It became active once, it is on the node once, and the books agree."""
    assert house.history(allocation_id).count("active") == 1
    assert house.accounts_on_node() == [f"al-{allocation_id.removeprefix('al_')}"]
    assert house.query("SELECT count(*) FROM meter WHERE subject_id = %s", allocation_id) == [1]
    house.assert_books_are_right()


class TestWorker:
    @pytest.mark.parametrize("moment", range(3))
    def test_killed_while_it_sets_up_is_taken_over_within_ten_seconds(
        self, house: House, dice: random.Random, moment: int
    ) -> None:
        allocation_id, worker = provisioning_with_one_worker(house, f"killed-{moment}")
        time.sleep([dice.random() * 0.03, dice.random() * 0.2, dice.random() * 0.6][moment])
        before = house.lease(allocation_id)
        os.kill(worker, signal.SIGKILL)
        died = time.monotonic()
        house.thaw(house.second.pid)
        if house.state(allocation_id) != "active":
            house.wait("a new lease", lambda: house.lease(allocation_id) != before, seconds=TAKE_OVER_SECONDS)
            assert time.monotonic() - died <= TAKE_OVER_SECONDS
        house.reach(allocation_id, "active")
        assert_done_once(house, allocation_id)
        house.release(allocation_id)
        assert house.accounts_on_node() == []
        house.assert_books_are_right()

    def test_frozen_past_its_lease_changes_nothing_when_it_wakes(self, house: House, dice: random.Random) -> None:
        allocation_id, worker = provisioning_with_one_worker(house, "frozen")
        time.sleep(dice.random() * 0.1)
        house.freeze(worker)
        house.thaw(house.second.pid)
        house.reach(allocation_id, "active")

        def truth() -> Any:
            row = house.query("SELECT state, generation, uid, started_at FROM allocation WHERE id = %s", allocation_id)
            return row, house.history(allocation_id), house.accounts_on_node()

        before = truth()
        house.thaw(worker)
        awake = time.monotonic()
        while time.monotonic() < awake + 3:
            assert truth() == before
            time.sleep(0.1)
        assert_done_once(house, allocation_id)
        house.release(allocation_id)


class TestDatabase:
    def test_killed_under_load_loses_nothing_that_was_acknowledged(self, house: House) -> None:
        web = house.web
        stop = threading.Event()
        acknowledged: list[str] = []
        refusals: set[tuple[int, str, str]] = set()

        def customer(number: int) -> None:
            with house.client() as client:
                while not stop.is_set():
                    body = {"name": f"load-{number}", "public_key": new_public_key()}
                    answer = client.post("/ssh-keys", json=body)
                    if answer.status_code == 201:
                        acknowledged.append(answer.json()["fingerprint"])
                        client.delete(f"/ssh-keys/{answer.json()['id']}")
                    else:
                        refusals.add((answer.status_code, answer.headers["content-type"], answer.json()["code"]))
                        time.sleep(0.05)

        customers = [threading.Thread(target=customer, args=(number,)) for number in range(4)]
        for thread in customers:
            thread.start()
        try:
            house.wait("load", lambda: len(acknowledged) > 20)
            before = len(acknowledged)
            os.kill(house.postmaster, signal.SIGKILL)
            house.wait("the database again", lambda: "The database runs again" in house.up.printed)
            house.wait("answers again", lambda: len(acknowledged) > before + 20)
        finally:
            stop.set()
            for thread in customers:
                thread.join()
        assert house.web == web, "the web process recovers by itself"
        assert refusals <= {(503, "application/problem+json", "unavailable")}
        kept = house.query("SELECT after->>'fingerprint' FROM audit_event WHERE action = 'ssh_key.added'")
        assert set(acknowledged) <= set(kept)
        house.assert_books_are_right()


class TestWeb:
    def test_killed_while_somebody_follows_events_leaves_no_gap(self, house: House) -> None:
        with house.client() as client:
            start = client.get("/events").json()["next_cursor"]
        seen: list[str] = []
        killed = house.web
        allocation_id = house.launch("followed")
        with follow(house, start) as socket:
            read_until(socket, seen, "allocation.active", allocation_id)
            with house.client() as client:
                assert client.post(f"/allocations/{allocation_id}/release").status_code == 202
            os.kill(killed, signal.SIGKILL)
            with pytest.raises(WebSocketException):
                read_until(socket, seen, "allocation.released", allocation_id, seconds=0)
        # It is released while nobody serves: what is missed now must come after the reconnection.
        house.reach(allocation_id, "released")
        house.wait("the web process again", lambda: house.up.answers() and house.web not in {0, killed})
        with follow(house, seen[-1]) as socket:
            read_until(socket, seen, "allocation.released", allocation_id)
        assert len(seen) == len(set(seen))
        with house.client() as client:
            items = client.get("/events", params={"after": start, "limit": 500}).json()["items"]
        ids = [item["id"] for item in items]
        assert ids[: len(seen)] == seen


def new_public_key() -> str:
    """A key nobody has."""
    public = Ed25519PrivateKey.generate().public_key()
    return public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


@contextmanager
def follow(house: House, after: str) -> Iterator[ClientConnection]:
    """The events channel from a cursor on."""
    token = Path(house.info["customer"]["token_file"]).read_text().strip()
    url = house.info["url"].replace("http", "ws") + "/api/v1/events"
    protocols = [Subprotocol("sublet.events.v1")]
    headers = {"Authorization": f"Bearer {token}"}
    with connect(url, subprotocols=protocols, additional_headers=headers, open_timeout=20) as socket:
        socket.send(json.dumps({"after": after}))
        yield socket


def read_until(socket: ClientConnection, seen: list[str], kind: str, subject: str, *, seconds: float = 40) -> None:
    """Read events into `seen` until one of a kind about a subject; without seconds, until the connection ends."""
    while True:
        message = json.loads(socket.recv(timeout=seconds or 30))
        if "id" not in message:
            continue
        seen.append(message["id"])
        if seconds and message["type"] == kind and message["subject"] == subject:
            return
