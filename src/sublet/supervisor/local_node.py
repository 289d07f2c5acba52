"""The demo's node: the best kind of real Linux node that this machine can run, and plain words when it can run none."""

import asyncio
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Literal, get_args

from sublet.supervisor.info import DemoNode, write_privately
from sublet.supervisor.progress import Progress
from sublet_sandbox.nodes import (
    LocalNode,
    NamespaceNode,
    NodeKind,
    NodeStartFailed,
    SystemdNode,
    availability,
    install_requirements,
    missing_packages,
)
from sublet_sandbox.nodes.commands import CommandFailed
from sublet_sandbox.nodes.rootfs import root_filesystem

NAME = "demo-node"
NODE_FAILURES = (NodeStartFailed, CommandFailed, OSError, TimeoutError)
PORT = "port"
JOINED = "joined"

NodeChoice = Literal["best", "systemd", "namespace", "none"]
"""Which node a demo is to have: the best kind that can run here, that very kind, or none."""


class DemoNodeHost:
    """Chooses, starts and stops the node; without one, `description.problem` says why and what to do."""

    def __init__(self, directory: Path, cache: Path, progress: Progress, *, wanted: NodeChoice = "best") -> None:
        self._directory = directory
        self._cache = cache
        self._progress = progress
        self._wanted = wanted
        self.node: LocalNode | None = None
        self.problem = "not started"

    @property
    def _running(self) -> LocalNode:
        """The node, for what is only asked while there is one."""
        assert self.node is not None
        return self.node

    @property
    def kinds(self) -> tuple[NodeKind, ...]:
        """Which kinds to try, best first; a kind that was asked for is not replaced by another."""
        if self._wanted == "none":
            return ()
        if self._wanted != "best":
            return (self._wanted,)
        return ("systemd", "namespace") if os.geteuid() == 0 else ("namespace",)

    async def start(self) -> None:
        """Start the best kind that works; a machine that can run none is no reason for the rest not to work."""
        if not self.kinds:
            self.problem = "Started without one (--node none)."
            return
        problems = []
        for kind in self.kinds:
            problem = await self._try(kind)
            if not problem:
                self.problem = ""
                self._progress.say(f"The demo node runs ({kind}, {self._running.label})")
                return
            problems.append(problem)
            if kind != self.kinds[-1]:
                self._progress.say(f"{problem}. Trying a simpler one")
        self.problem = ". ".join(problem.rstrip(".") for problem in problems) + "."
        self._progress.say(
            f"There is no demo node: {self.problem} Everything else works; `sublet admin node add` adds one"
        )

    async def _try(self, kind: NodeKind) -> str:
        """Start one kind; why it cannot be, or nothing."""
        try:
            await self._install(kind)
            can = availability(kind)
            if not can.available:
                return str(can).rstrip(".")
            node = await self._make(kind)
            with self._progress.step("starting the demo node"):
                await node.start()
        except NODE_FAILURES as error:
            return f"A {kind} node did not start: {_brief(error)} (log: {self._place(kind) / 'console.log'})"
        self.node = node
        if node.kind == "namespace":
            write_privately(self._place(kind) / PORT, f"{node.port}\n")
        return ""

    async def _make(self, kind: NodeKind) -> LocalNode:
        if kind == "systemd":
            if not any(path.suffix == "" for path in self._cache.glob("rootfs-*")):  # one that is whole
                self._progress.say("Building the demo node's root filesystem from Debian packages (once, about 30 s)")
            with self._progress.step("building the node's root filesystem"):
                await root_filesystem(self._cache)
            return SystemdNode(NAME, directory=self._place(kind), cache=self._cache)
        port = 0
        with suppress(OSError, ValueError):
            port = int((self._place(kind) / PORT).read_text())
        return NamespaceNode(NAME, directory=self._place(kind), port=port if _is_free(port) else 0)

    async def _install(self, kind: NodeKind) -> None:
        """Packages are never left half-installed: a Ctrl-C takes effect when that has ended."""
        if not missing_packages(kind):
            return
        installing = asyncio.create_task(install_requirements(self._progress.say, kinds=(kind,)))
        try:
            with self._progress.step("installing packages"):
                await asyncio.shield(installing)
        except asyncio.CancelledError:
            if not installing.done():
                self._progress.say("Waiting until the packages are installed")
                await asyncio.gather(installing, return_exceptions=True)
            raise

    def _place(self, kind: NodeKind) -> Path:
        return self._directory / kind

    async def stop(self) -> None:
        """Take the node away; its data directory stays."""
        node, self.node = self.node, None
        if node is not None:
            await node.stop()

    async def discard(self) -> None:
        """Remove what every node here keeps, whoever it belongs to; the node must not run."""
        places: dict[NodeKind, Path] = {kind: self._place(kind) for kind in get_args(NodeKind)}
        if places["systemd"].exists():
            await SystemdNode(NAME, directory=places["systemd"], cache=self._cache).discard()
        if places["namespace"].exists():
            await NamespaceNode(NAME, directory=places["namespace"]).discard()

    @property
    def log(self) -> Path:
        """What the node says."""
        return self._place(self._running.kind) / "console.log"

    def enrolled_as(self, helper: str) -> str | None:
        """The id under which this very node joined, with this very helper and where it is now; None when it has to join
        (again).

        Elsewhere it has to: what its firewall keeps allocations from is this machine's end of the cable, as it was.
        """
        node = self._running
        with suppress(OSError, ValueError):
            node_id, *joined_with = (self._place(node.kind) / JOINED).read_text().split()
            return node_id if joined_with == [helper, node.address] else None
        return None

    def note_enrolled(self, node_id: str, helper: str) -> None:
        """Remember that the node has joined; the note lies beside the node's data and goes with them.

        A node of another kind that had joined under this name has to join again: this one has taken its place.
        """
        node = self._running
        for kind in get_args(NodeKind):
            (self._place(kind) / JOINED).unlink(missing_ok=True)
        write_privately(self._place(node.kind) / JOINED, f"{node_id} {helper} {node.address}\n")

    @property
    def description(self) -> DemoNode:
        """The node as `sublet demo info` shows it."""
        if self.node is None:
            return DemoNode("", "none", "", 0, limits_enforced=False, label="no node", problem=self.problem)
        return DemoNode(
            self.node.name,
            self.node.kind,
            self.node.address,
            self.node.port,
            limits_enforced=self.node.limits_enforced,
            label=self.node.label,
        )


def _brief(error: BaseException) -> str:
    """The first line: the rest is the node's log, which lies in its file."""
    return str(error).partition("\n")[0].rstrip(". ") or type(error).__name__


def _is_free(port: int) -> bool:
    with socket.socket() as probe, suppress(OSError):
        probe.bind(("127.0.0.1", port))
        return True
    return False
