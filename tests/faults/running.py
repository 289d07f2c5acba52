"""A whole Sublet whose processes can be killed, frozen and restarted, and what is true of it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psycopg

from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from sublet.supervisor.local_node import NAME
from sublet_sandbox.nodes import SystemdNode
from tests.faults import moments
from tests.supervisor.running import Up

T = TypeVar("T")
WORKER = "sublet.entry.worker"
WEB = "sublet.entry.serve"
DATABASE_SECONDS = 30.0


@dataclass
class House:
    """One `sublet up` with a real node, and a second worker beside it."""

    up: Up
    info: dict[str, Any]
    second: subprocess.Popen[bytes] = field(init=False)
    frozen: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.start_second()

    def start_second(self) -> None:
        """Start the second worker, also anew."""
        environment = Path(f"/proc/{self.worker}/environ").read_bytes().decode().split("\0")
        with (self.up.directory / "logs" / "second-worker.log").open("wb") as log:
            self.second = subprocess.Popen(
                [sys.executable, "-m", WORKER],
                env=dict(item.split("=", 1) for item in environment if "=" in item),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        log_file = self.up.directory / "logs" / "second-worker.log"
        self.wait("the second worker", lambda: "worker.started" in log_file.read_text())

    def close(self) -> None:
        """End the second worker, and let go whatever is frozen."""
        for pid in list(self.frozen):
            self.thaw(pid)
        self.second.terminate()
        self.second.wait(30)

    @property
    def worker(self) -> int:
        """The supervisor's own worker; 0 while it is being started again."""
        return self.up.child(WORKER)

    @property
    def web(self) -> int:
        """The web process; 0 while it is being started again."""
        return self.up.child(WEB)

    @property
    def postmaster(self) -> int:
        """The database server."""
        return int((self.up.directory / "postgres/data/postmaster.pid").read_text().split()[0])

    @property
    def node_mark(self) -> str:
        """What is in the names of the demo node's control groups, and in no other's."""
        directory = self.up.directory / "nodes" / "systemd"
        return SystemdNode(NAME, directory=directory, cache=self.up.directory).identity

    @property
    def owner_url(self) -> str:
        """The database, as its owner."""
        return EmbeddedPostgres(self.up.directory / "postgres").owner_url

    def freeze(self, pid: int) -> None:
        """SIGSTOP to a worker, between two transactions."""
        self.frozen.add(pid)
        moments.freeze(self.owner_url, pid)

    def thaw(self, pid: int) -> None:
        """SIGCONT."""
        self.frozen.discard(pid)
        os.kill(pid, signal.SIGCONT)

    def wait(self, what: str, found: Callable[[], T], *, seconds: float = 60, pause: float = 0.02) -> T:
        """Wait until something is true; its value."""
        deadline = time.monotonic() + seconds
        while not (value := found()):
            assert time.monotonic() < deadline, f"{what}: not within {seconds} s\n{self.up.printed[-2000:]}"
            time.sleep(pause)
        return value

    def client(self, who: str = "customer") -> httpx.Client:
        """The API as the demo's customer or operator, with its token."""
        token = Path(self.info[who]["token_file"]).read_text().strip()
        return httpx.Client(
            base_url=f"{self.info['url']}/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=30
        )

    def query(self, statement: str, *parameters: object) -> list[Any]:
        """Ask the database itself, as its owner; one column gives plain values."""
        rows = self._insist(lambda: moments.ask(self.owner_url, statement, *parameters))
        return [row[0] if len(row) == 1 else row for row in rows]

    def _insist(self, ask: Callable[[], T]) -> T:
        """An answer of the database, also when it is just being started again."""
        deadline = time.monotonic() + DATABASE_SECONDS
        while True:
            try:
                return ask()
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    @contextmanager
    def node_does_not_answer(self) -> Iterator[None]:
        """Meanwhile sshd and the helper on the node are frozen: what was asked of it stays unanswered."""
        frozen = self._speakers()
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in frozen:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def _speakers(self) -> list[int]:
        """The processes through which the node speaks."""

        def speaks(process: Path) -> bool:
            command = (process / "cmdline").read_bytes()
            return b"sshd" in command or (b"sublet-node" in command and b"rpc" in command)

        return [int(process.name) for process in self._on_node(speaks)]

    def _on_node(self, wanted: Callable[[Path], bool]) -> list[Path]:
        """Processes of the node, as folders of /proc; all of them are in its control groups."""
        mark = self.node_mark
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if wanted(process) and mark in (process / "cgroup").read_text():
                    found.append(process)
        assert found, "no such process of the node was found"
        return found

    def launch(self, name: str) -> str:
        """Launch the small CPU offer; the allocation's id."""
        with self.client() as client:
            offers = client.get("/offers").json()["items"]
            offer = next(item for item in offers if item["sku"]["code"] == "cpu-small")
            answer = client.post("/allocations", json={"name": name, "offer_id": offer["id"]})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def release(self, allocation_id: str) -> None:
        """Give it back, and wait until that is proven."""
        self.ask_to_release(allocation_id)
        self.reach(allocation_id, "released")

    def ask_to_release(self, allocation_id: str) -> None:
        """Say that it is to be given back, until that is accepted: again is harmless."""
        with self.client() as client:
            answer = self.wait("an answer", lambda: _answered(client, f"/allocations/{allocation_id}/release"))
        assert answer.status_code == 202, answer.text

    def state(self, allocation_id: str) -> str:
        """As the row has it."""
        return str(self.query("SELECT state FROM allocation WHERE id = %s", allocation_id)[0])

    def reach(self, allocation_id: str, state: str) -> None:
        """Wait for a state; a failed allocation ends the wait."""
        seen = self.wait(state, lambda: (now := self.state(allocation_id)) in {state, "failed"} and now)
        assert seen == state

    def lease(self, allocation_id: str) -> int | None:
        """The token of the latest lease on it."""
        found: int | None = self.query(
            "SELECT lease_token FROM work WHERE kind = 'allocation' AND id = %s", allocation_id
        )[0]
        return found

    def assert_taken_over(self, allocation_id: str, lease: int) -> None:
        """Somebody with a later lease began again, and finished."""
        now = self.lease(allocation_id)
        assert now is not None
        assert now > lease
        tried = "SELECT state, attempts > 1 FROM allocation_operation WHERE allocation_id = %s AND kind = 'provision'"
        assert self.query(tried, allocation_id) == [("succeeded", True)]

    def history(self, allocation_id: str) -> list[str]:
        """The states it went through."""
        return self.query("SELECT to_state FROM allocation_history WHERE allocation_id = %s ORDER BY id", allocation_id)

    def accounts_on_node(self) -> list[str]:
        """Logins of allocations in the node's own list of accounts."""
        (first,) = self._on_node(
            lambda process: (process / "status").read_text().partition("NSpid:")[2].split()[1] == "1"
        )
        text = (first / "root/etc/passwd").read_text()
        return sorted(line.split(":")[0] for line in text.splitlines() if line.startswith("al-"))

    def assert_books_are_right(self, *, all_time_is_proven: bool = True) -> None:
        """Every check of the books passes, and money is held exactly for what runs.

        Time that nobody saw is billed to nobody, and said to the operator; a test in which there is some says so.
        """
        with self.client("operator") as operator:
            answer = operator.post("/admin/reconcile")
        assert answer.status_code == 200, answer.text
        failed = [check for check in answer.json()["checks"] if not check["ok"]]
        if not all_time_is_proven:
            failed = [check for check in failed if check["name"] != "unmetered time"]
        assert failed == [], failed
        held = self.query("SELECT count(*) FROM ledger.open_hold")
        assert held == self.query("SELECT count(*) FROM allocation WHERE ended_at IS NULL")


def _answered(client: httpx.Client, place: str) -> httpx.Response | None:
    """The answer to a command; None while the database is away."""
    answer = client.post(place)
    return None if answer.status_code == 503 else answer
