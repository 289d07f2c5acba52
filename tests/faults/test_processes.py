"""Real processes, killed and frozen while they work on a real node: nothing is lost, and nothing is done twice.

The moments are known, not left to chance: the work is held at one until whoever does it is gone.
"""

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.faults import moments
from tests.faults.running import House

pytestmark = pytest.mark.node

TAKE_OVER_SECONDS = 10.0
INSIST_SECONDS = 90.0


def only_worker(house: House) -> int:
    """The supervisor's worker, with nobody beside it just now."""
    house.freeze(house.second.pid)
    return house.wait("a worker", lambda: house.worker)


def at(house: House, moment: str, allocation_id: str) -> bool:
    """Whether setting it up has come that far."""
    if moment == "begun":
        return house.state(allocation_id) == "provisioning"
    if moment == "account-made":
        return login_of(allocation_id) in house.accounts_on_node()
    return moments.a_start_waits(house.owner_url)


def login_of(allocation_id: str) -> str:
    """The account on the node."""
    return f"al-{allocation_id.removeprefix('al_')}"


def lease_under_way(house: House, allocation_id: str) -> int:
    """The lease of whoever sets it up; fails unless somebody does."""
    assert house.state(allocation_id) == "provisioning"
    lease = house.lease(allocation_id)
    assert lease is not None
    return lease


def assert_done_once(house: House, allocation_id: str) -> None:
    """It became active once, it is on the node once, and the books agree."""
    assert house.history(allocation_id).count("active") == 1
    assert house.accounts_on_node() == [login_of(allocation_id)]
    for table in ("meter", "ledger.hold", "claim"):
        assert house.query(f"SELECT count(*) FROM {table} WHERE subject_id = %s", allocation_id) == [1], table
    house.assert_books_are_right()


class TestWorker:
    @pytest.mark.parametrize("moment", ["begun", "account-made", "done-but-not-stored"])
    def test_killed_while_it_sets_up_is_taken_over_within_ten_seconds(self, house: House, moment: str) -> None:
        worker = only_worker(house)
        with moments.no_start_is_stored(house.owner_url):
            allocation_id = house.launch(f"killed-{moment}")
            house.wait(moment, lambda: at(house, moment, allocation_id), pause=0.002)
            os.kill(worker, signal.SIGKILL)
            died = time.monotonic()
            house.wait("the worker's end", lambda: house.worker != worker)
            before = lease_under_way(house, allocation_id)
        house.thaw(house.second.pid)
        left = died + TAKE_OVER_SECONDS - time.monotonic()
        house.wait("a new lease", lambda: house.lease(allocation_id) != before, seconds=left)
        house.reach(allocation_id, "active")
        house.assert_taken_over(allocation_id, before)
        assert_done_once(house, allocation_id)
        house.release(allocation_id)
        assert house.accounts_on_node() == []
        house.assert_books_are_right()

    def test_frozen_past_its_lease_changes_nothing_when_it_wakes(self, house: House) -> None:
        worker = only_worker(house)
        with house.node_does_not_answer():
            allocation_id = house.launch("frozen")
            house.wait("begun", lambda: at(house, "begun", allocation_id))
            house.freeze(worker)
            slept = time.monotonic()
            before = lease_under_way(house, allocation_id)
        house.thaw(house.second.pid)
        left = slept + TAKE_OVER_SECONDS - time.monotonic()
        house.wait("a new lease", lambda: house.lease(allocation_id) != before, seconds=left)
        house.reach(allocation_id, "active")
        house.assert_taken_over(allocation_id, before)

        def truth() -> Any:
            row = house.query(
                "SELECT a.state, a.generation, w.lease_token, a.uid, a.started_at FROM allocation a "
                "LEFT JOIN work w ON w.kind = 'allocation' AND w.id = a.id WHERE a.id = %s",
                allocation_id,
            )
            return row, house.history(allocation_id), house.accounts_on_node()

        def overtaken() -> bool:
            log = (house.up.directory / "logs" / "worker.log").read_text().splitlines()
            return any("work.overtaken" in line and allocation_id in line for line in log)

        now = truth()
        assert not overtaken()
        house.thaw(worker)
        house.wait("the sleeper to see that it was overtaken", overtaken)
        assert truth() == now
        assert_done_once(house, allocation_id)
        house.release(allocation_id)


class TestDatabase:
    def test_killed_under_load_loses_and_doubles_nothing(self, house: House) -> None:
        web = house.web
        stop = threading.Event()
        acknowledged: list[str] = []
        refusals: set[tuple[int, str, str]] = set()

        def customer(number: int) -> None:
            with house.client() as client:
                while not stop.is_set():
                    body = {"name": f"load-{number}", "public_key": new_public_key()}
                    headers = {"Idempotency-Key": uuid4().hex}
                    added = insist(lambda: client.post("/ssh-keys", json=body, headers=headers), refusals)  # noqa: B023 - called at once
                    assert added.status_code == 201, added.text
                    acknowledged.append(added.json()["fingerprint"])
                    place = f"/ssh-keys/{added.json()['id']}"
                    removed = insist(lambda: client.delete(place), refusals)  # noqa: B023 - called at once
                    assert removed.status_code in {204, 404}, removed.text

        with ThreadPoolExecutor(4) as pool:
            customers = [pool.submit(customer, number) for number in range(4)]
            try:
                house.wait("load", lambda: len(acknowledged) > 20)
                before = len(acknowledged)
                os.kill(house.postmaster, signal.SIGKILL)
                house.wait("the database again", lambda: "The database runs again" in house.up.printed)
                house.wait("answers again", lambda: len(acknowledged) > before + 20)
            finally:
                stop.set()
            for finished in customers:
                finished.result()
        assert house.web == web, "the web process recovers by itself"
        unanswered = {(503, "application/problem+json", code) for code in ("unavailable", "outcome_unknown")}
        assert refusals <= unanswered
        kept = Counter(house.query("SELECT after->>'fingerprint' FROM audit_event WHERE action = 'ssh_key.added'"))
        assert {fingerprint: kept[fingerprint] for fingerprint in acknowledged if kept[fingerprint] != 1} == {}
        assert len(acknowledged) == len(set(acknowledged))
        with house.client() as client:
            assert [key for key in client.get("/ssh-keys").json()["items"] if key["name"].startswith("load-")] == []
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


def insist(send: Callable[[], httpx.Response], refusals: set[tuple[int, str, str]]) -> httpx.Response:
    """What a careful client does: as long as it is not known whether it was done, the same request again."""
    deadline = time.monotonic() + INSIST_SECONDS
    while True:
        with suppress(httpx.TransportError):
            answer = send()
            if answer.status_code < 500:
                return answer
            refusals.add((answer.status_code, answer.headers["content-type"], answer.json()["code"]))
        assert time.monotonic() < deadline, "no answer that says what was done"
        time.sleep(0.05)


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
