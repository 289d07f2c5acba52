"""A whole Sublet with three real nodes: the demo's, which stays well, and two that fall ill when a test wants it."""

import asyncio
import functools
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sublet.supervisor.local_node import NAME
from sublet_sandbox.nodes import Enrolment, SystemdNode
from tests.faults.running import House
from tests.support.nodes import CACHE, build_helper

SETTLED_SECONDS = 10.0
HELPER = "/usr/local/sbin/sublet-node"
FILL = """
at=0; piece=$((1 << 38))
while [ $piece -ge 4096 ]; do
  if fallocate -o $at -l $piece /home/.filled 2>/dev/null; then at=$((at + piece)); else piece=$((piece / 2)); fi
done
sync -f /home
"""
DROP_SOME = """
table inet lossy {
  chain inward { type filter hook input priority -300; iifname != "lo" numgen random mod 100 < 30 drop; }
  chain outward { type filter hook output priority -300; oifname != "lo" numgen random mod 100 < 30 drop; }
}
"""
# What an allocation can leave: accounts, files, units, mounts, links, rules, groups of the kernel and processes. What
# is kept on purpose is kept by name: who had which uid, so that none is given twice, and which generation was last.
_LISTED = r"""
for file in passwd group subuid subgid; do cut -d: -f1 /etc/$file 2>/dev/null | sed "s/^/$file /"; done
find /etc/sublet /etc/systemd/system /etc/systemd/system.control /run/systemd/system /var/lib/sublet /run/sublet \
  /home /tmp /var/tmp /dev/shm /dev/mqueue /run/user /var/spool/cron -xdev 2>/dev/null | sed 's/^/file /'
systemctl list-units --all --plain --no-legend 'user-*' 'user@*' 'al-*' 2>/dev/null | cut -d' ' -f1 | sed 's/^/unit /'
cut -d' ' -f2 /proc/mounts | sort | sed 's/^/mount /'
ip -o link | cut -d: -f2 | cut -d@ -f1 | sed 's/^/link/'
nft --stateless list ruleset | sed 's/^/rule /'
find /sys/fs/cgroup -maxdepth 6 -type d -name 'user-[0-9]*' 2>/dev/null | sed 's/^/group /'
ps -eo uid=,comm= | awk '$1 >= 100000 { print "process " $0 }'
"""
_KEPT = re.compile(
    r"file /var/lib/sublet/(allocations|locks)/|file /run/sublet/(locks|tickets)|file (/var)?/tmp/systemd-private"
)

_CLOCK, _PRELOADED = "/usr/lib/clock-ahead.so", "/etc/ld.so.preload"


@functools.cache
def _clock() -> bytes:
    """The library of `clock.c`."""
    with tempfile.TemporaryDirectory(prefix="sublet-clock-") as folder:
        places = {"ZIG_GLOBAL_CACHE_DIR": folder, "ZIG_LOCAL_CACHE_DIR": folder}
        made, source = Path(folder, "clock.so"), Path(__file__).with_name("clock.c")
        compiler = (sys.executable, "-m", "ziglang", "cc", "-target", f"{os.uname().machine}-linux-gnu.2.31")
        command = (*compiler, "-O2", "-s", "-fPIC", "-shared", "-Wall", "-Werror", "-o", str(made), str(source))
        subprocess.run(command, check=True, env={**os.environ, **places})
        return made.read_bytes()


@dataclass
class Fleet:
    """Three nodes that take work, by name, and the ways in which two of them can be made to fail."""

    house: House
    runner: asyncio.Runner
    own: dict[str, SystemdNode] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    baseline: dict[str, set[str]] = field(default_factory=dict)

    def open(self, directory: Path) -> None:
        """Start two nodes, and have them join and be entered."""
        helper = build_helper(directory / "sublet-node.pyz")
        with self.house.client("operator") as operator:
            for name in ("ill", "frail"):
                node = SystemdNode(name, directory=directory / name, cache=CACHE)
                self.own[name] = node
                self.runner.run(node.start())
                body = {"name": name, "address": node.address, "port": node.port}
                made = operator.post("/admin/nodes", json=body)
                assert made.status_code == 201, made.text
                self.ids[name] = made.json()["node"]["id"]
                token = made.json()["join"]["token"]
                self.runner.run(node.enrol(Enrolment(helper, self.house.up.port, token)))
        for name in self.own:
            self.house.wait(f"{name} to take work", lambda name=name: self.takes_work(name))
        self.baseline = self.house.wait("nobody on the nodes", self._nobody_there)

    def close(self) -> None:
        """End the two nodes; nothing of them is left."""
        for node in self.own.values():
            self.runner.run(node.discard())

    @property
    def names(self) -> list[str]:
        """All three."""
        return [NAME, *self.own]

    def takes_work(self, name: str) -> bool:
        """Whether something new may be placed on a node."""
        with self.house.client("operator") as operator:
            node = operator.get(f"/admin/nodes/{self.ids[name]}").json()
        return bool(node["state"] == "ready" and all(step["state"] == "done" for step in node["enrolment"]))

    def steps(self, name: str) -> dict[str, str]:
        """What an operator reads of each step of a node's checklist."""
        with self.house.client("operator") as operator:
            node = operator.get(f"/admin/nodes/{self.ids[name]}").json()
        return {step["name"]: f"{step['state']}: {step['detail']}" for step in node["enrolment"]}

    def named(self, node_id: str) -> str:
        """The name of a node, by its id."""
        return next((name for name, known in self.ids.items() if known == node_id), NAME)

    def inventory(self, name: str) -> set[str]:
        """All on a node that an allocation could have left there, one line each."""
        inside = ("nsenter", "-t", str(self._first_process(name)), "-m", "-u", "-i", "-n", "-p", "-r", "-w")
        done = subprocess.run(
            [*inside, "sh", "-c", _LISTED],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return {line for line in done.stdout.splitlines() if not _KEPT.match(line)}

    def _nobody_there(self) -> dict[str, set[str]] | None:
        """All inventories, unless a login is just being tried on one of the nodes."""
        found = self.inventories()
        return None if any("al-" in line for lines in found.values() for line in lines) else found

    def inventories(self) -> dict[str, set[str]]:
        """The inventory of each node."""
        return {name: self.inventory(name) for name in self.names}

    def changed(self) -> list[str]:
        """What is new on a node since it joined, and what is gone, once nobody is tried there any more."""
        deadline = time.monotonic() + SETTLED_SECONDS
        while True:
            now, before = self.inventories(), self.baseline
            new = [f"{name}: new {line}" for name in self.names for line in sorted(now[name] - before[name])]
            gone = [f"{name}: gone {line}" for name in self.names for line in sorted(before[name] - now[name])]
            if not (new or gone) or time.monotonic() > deadline:
                return new + gone
            time.sleep(0.3)

    def _processes(self, name: str) -> list[Path]:
        """Processes of a node, as folders of /proc."""
        mark = self.house.node_mark if name == NAME else self.own[name].identity
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark in (process / "cgroup").read_text():
                    found.append(process)
        return found

    def _first_process(self, name: str) -> int:
        def is_first(process: Path) -> bool:
            with suppress(OSError, IndexError):
                return (process / "status").read_text().partition("NSpid:")[2].split()[1] == "1"
            return False

        (first,) = filter(is_first, self._processes(name))
        return int(first.name)

    def _speaking(self, name: str, *words: bytes) -> list[int]:
        """The processes of a node with all of these words in their command line."""
        found = []
        for process in self._processes(name):
            with suppress(OSError):
                command = (process / "cmdline").read_bytes()
                if all(word in command for word in words):
                    found.append(int(process.name))
        return found

    @contextmanager
    def cut_off(self, name: str) -> Iterator[None]:
        """Meanwhile the node's cable is pulled."""
        node = self.own[name]
        self.runner.run(node.pause_network())
        try:
            yield
        finally:
            self.runner.run(node.resume_network())

    @contextmanager
    def losing_packets(self, name: str) -> Iterator[None]:
        """Meanwhile three of ten packets are lost, each way."""
        self._root(name, "nft", "-f", "-", stdin=DROP_SOME.encode())
        try:
            yield
        finally:
            self._root(name, "nft", "delete", "table", "inet", "lossy")

    @contextmanager
    def without_power(self, name: str) -> Iterator[None]:
        """Everything on the node has ended at once; in the end it is booted again, with its disk as it was."""
        node = self.own[name]
        self.runner.run(node.kill_power())
        try:
            yield
        finally:
            self.runner.run(node.start())

    @contextmanager
    def hung_sshd(self, name: str) -> Iterator[None]:
        """Meanwhile sshd accepts connections in the kernel and answers none."""
        hung = self._speaking(name, b"sshd")
        for pid in hung:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in hung:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    @contextmanager
    def full_disk(self, name: str) -> Iterator[None]:
        """Meanwhile nothing is free where homes are: what is left is given to one file, in ever smaller pieces."""
        try:
            self._root(name, "sh", "-c", FILL)
            yield
        finally:
            self._root(name, "sh", "-c", "rm -f /home/.filled; sync -f /home")

    @contextmanager
    def killed_helper(self, name: str) -> Iterator[None]:
        """Whatever the helper does for the control plane is ended with -9, at this moment."""
        for pid in self._speaking(name, b"sublet-node", b"rpc"):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        yield

    @contextmanager
    def damaged_helper(self, name: str) -> Iterator[None]:
        """Meanwhile the helper's file is half of what it was; whoever runs already goes on, and no new one starts."""
        self._root(name, "sh", "-c", f"cp -p {HELPER} {HELPER}.whole && truncate -s 20000 {HELPER}")
        self._kill_helpers(name)
        try:
            yield
        finally:
            self._root(name, "mv", f"{HELPER}.whole", HELPER)

    @contextmanager
    def dead_worker(self, _name: str) -> Iterator[None]:
        """The worker is killed with -9, at this moment; the supervisor starts another."""
        with suppress(ProcessLookupError):
            if worker := self.house.worker:
                os.kill(worker, signal.SIGKILL)
        yield

    @contextmanager
    def frozen_worker(self, _name: str) -> Iterator[None]:
        """Meanwhile the worker sleeps, longer than it may keep a lease if this lasts long enough."""
        worker = self.house.worker
        if worker:
            self.house.freeze(worker)
        try:
            yield
        finally:
            if worker in self.house.frozen:
                with suppress(ProcessLookupError):
                    self.house.thaw(worker)

    @contextmanager
    def dead_database(self, _name: str) -> Iterator[None]:
        """The database server is killed with -9, at this moment; the supervisor starts it again."""
        with suppress(FileNotFoundError, ProcessLookupError):
            os.kill(self.house.postmaster, signal.SIGKILL)
        yield

    @contextmanager
    def stepped_clock(self, name: str, *, seconds: int) -> Iterator[None]:
        """Meanwhile whatever starts on the node takes it to be that much later: the kernel has one clock for all nodes.

        The helper starts anew, and sshd does for each connection.
        """
        self._root(name, "sh", "-c", f"cat > {_CLOCK} && echo {seconds} > /etc/clock-ahead", stdin=_clock())
        self._root(
            name, "sh", "-c", f"echo {_CLOCK} > /etc/ld.so.preload.new && mv /etc/ld.so.preload.new {_PRELOADED}"
        )
        self._kill_helpers(name)
        try:
            yield
        finally:
            self._root(name, "rm", _PRELOADED)
            self._kill_helpers(name)
            self._root(name, "rm", _CLOCK, "/etc/clock-ahead")

    def _kill_helpers(self, name: str) -> None:
        with self.killed_helper(name):
            pass

    def _root(self, name: str, *argv: str, stdin: bytes = b"") -> Any:
        return self.runner.run(self.own[name].run_as_root(*argv, stdin=stdin))
