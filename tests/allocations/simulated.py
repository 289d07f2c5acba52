"""A fleet in memory that keeps the node's promises (idempotent, fenced) and fails where a test wants it to."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sublet.core.clock import database_now
from sublet.core.db import Database, forbid_open_session
from sublet.core.errors import SubletError
from sublet.fleet.backend import (
    AppliedState,
    DesiredAccount,
    EnforcedLimit,
    Entry,
    EvidenceCheck,
    FreeSpace,
    Holder,
    Observation,
    ObservedAllocation,
    Probe,
    ReleaseEvidence,
    Script,
    StartupRun,
    Trust,
    UnknownAccount,
    Usage,
)
from sublet.fleet.errors import EntryRefused, NodeFailure, NodeUnreachable, StaleGeneration
from sublet.fleet.krl import RevocationList
from sublet.fleet.led_ports import AppliedPort
from sublet.fleet.node_helper import Helper
from sublet.fleet.self_tests import Strain

CHECKS = (
    *("access", "sessions", "processes", "slice", "account", "home", "files", "cron", "ipc", "keys", "startup"),
    *("gpu", "held", "memory", "network"),
)

RUNNING = StartupRun("running", None, None, None, "", timedelta(), 6, "begun\n")
NEVER_SENT = StartupRun("unknown", None, None, None, "", timedelta(), 0)

PLENTY = FreeSpace(disk_gib=500, inodes=1_000_000)

Interruption = Callable[[str, str], Awaitable[None]]
"""Called with a verb and "before" or "after" it took effect; what it raises reaches the caller."""


async def nothing(_verb: str, _moment: str) -> None:
    """No interruption."""


def unreachable() -> NodeUnreachable:
    """The node cannot be reached, or the answer was lost."""
    return NodeUnreachable("The node did not answer.")


@dataclass
class Account:
    """An account that exists on a simulated node."""

    desired: DesiredAccount
    login_open: bool


@dataclass
class SimulatedNode:
    """What is on one node."""

    boot_id: str = "boot-1"
    accounts: dict[str, Account] = field(default_factory=dict)
    fences: dict[str, int] = field(default_factory=dict)
    released: set[str] = field(default_factory=set)
    unknown: list[UnknownAccount] = field(default_factory=list)
    unenforced: set[str] = field(default_factory=set)
    dirty: set[str] = field(default_factory=set)
    keeps_out: bool = False
    given_back: tuple[EvidenceCheck, ...] = (EvidenceCheck("gpu", True, "Looked again: nothing left."),)
    """What it says to who is to give its place back; nothing where it does not know how."""
    kept: tuple[EvidenceCheck, ...] = ()
    """What it says of what is suspended and keeps its GPUs."""
    weak: set[str] = field(default_factory=set)
    """What it lets a login take too much of: `cpu`, `memory`, `network`."""
    shows: dict[str, Any] = field(default_factory=dict)
    """What a session on it shows other than it should: fields of `Entry`."""
    holders: dict[str, tuple[Holder, ...]] = field(default_factory=dict)
    space: FreeSpace = PLENTY
    reachable: bool = True
    running: dict[str, int] = field(default_factory=dict)
    scripts: dict[str, str] = field(default_factory=dict)
    knows_ports: bool = True
    limits_network: bool = False
    shares_network: bool = True
    refuses: dict[int, str] = field(default_factory=dict)
    """Ports of it that lead nowhere, and why."""


class SimulatedBackend:
    """A `FleetBackend`; `calls` tells which verbs took effect, in order."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.nodes: dict[str, SimulatedNode] = {}
        self.interrupt: Interruption = nothing
        self.calls: list[tuple[str, str, int]] = []
        self.most_running: dict[str, int] = {}
        self.same_organization: dict[str, tuple[str, ...]] = {}
        self.delay_seconds = 0.0
        self.script_run = RUNNING
        """How every startup script fares."""

    def node(self, node_id: str) -> SimulatedNode:
        """The node, made when first spoken of."""
        return self.nodes.setdefault(node_id, SimulatedNode())

    async def apply(self, node_id: str, account: DesiredAccount) -> AppliedState:
        """Make the account exist exactly so."""
        asked_at = await self._begin(node_id, "apply")
        node = self.node(node_id)
        await self._changing(node, account.allocation_id)
        try:
            self._fence(node, account.allocation_id, account.generation, releasing=False)
            node.accounts[account.allocation_id] = Account(account, account.state == "active")
            self.calls.append(("apply", account.allocation_id, account.generation))
        finally:
            node.running[account.allocation_id] -= 1
        await self.interrupt("apply", "after")
        limits = tuple(
            EnforcedLimit(name, "x", "x", enforced=name not in node.unenforced, detail="as the kernel shows it")
            for name in ("cpu", "memory", "tasks", "devices", *(["network"] if node.limits_network else []))
            + (("node_network",) if account.node_network and node.shares_network else ())
        )
        return AppliedState(
            login=account.login,
            uid=account.uid,
            home=f"/home/{account.login}",
            slice=f"user-{account.uid}.slice",
            state=account.state,
            login_open=account.state == "active",
            enforced=limits,
            boot_id=node.boot_id,
            applied_at=asked_at,
            ports=tuple(
                AppliedPort(port.protocol, port.port, port.node_port, is_open=not why, why=why)
                for port in (account.ports if node.knows_ports else ())
                for why in ["suspended" if account.state == "suspended" else node.refuses.get(port.node_port, "")]
            ),
            given_back=node.given_back if account.gives_back else (),
            kept=node.kept if account.state == "suspended" and not account.gives_back else (),
        )

    async def enter(self, node_id: str, account: DesiredAccount) -> Entry:
        """Come in and see what is one's own, unless the node keeps everybody out or shows something else."""
        await self._begin(node_id, "enter")
        node = self.node(node_id)
        if node.keeps_out or not node.accounts[account.allocation_id].login_open:
            raise EntryRefused("It answers and lets nobody in.", cause="user_not_allowed")
        await self.interrupt("enter", "after")
        return replace(Entry(account.uid, (f"/home/{account.login}",), sees_others=False), **node.shows)

    async def strain(self, node_id: str, account: DesiredAccount) -> Strain:
        """Keep the account within its limits, unless the node is weak in some."""
        await self._begin(node_id, "strain")
        weak = self.node(node_id).weak
        share = 4.0 if "cpu" in weak else account.limits.cpu_percent / 100
        return Strain(share, connected="network" in weak, memory_taken="memory" in weak)

    async def release(
        self,
        node_id: str,
        *,
        allocation_id: str,
        login: str,
        uid: int,
        generation: int,
        same_organization: Sequence[str],
    ) -> ReleaseEvidence:
        """Remove the account and prove it, unless the node is `dirty` with it or it has `holders`."""
        await self._begin(node_id, "release")
        node = self.node(node_id)
        await self._changing(node, allocation_id)
        try:
            self._fence(node, allocation_id, generation, releasing=True)
            node.accounts.pop(allocation_id, None)
            node.released.add(allocation_id)
            self.calls.append(("release", allocation_id, generation))
            self.same_organization[login] = tuple(same_organization)
        finally:
            node.running[allocation_id] -= 1
        await self.interrupt("release", "after")
        left = {"files"} if allocation_id in node.dirty else set()
        holders = node.holders.get(allocation_id, ())
        left |= {"held"} if holders else set()
        checks = tuple(
            EvidenceCheck(name, name not in left, "looked", holders if name == "held" else ()) for name in CHECKS
        )
        return ReleaseEvidence(not left, checks, await self._now())

    async def start(self, node_id: str, script: Script, text: str, *, generation: int) -> StartupRun:
        """Begin a script once; it fares as `script_runs` says."""
        await self._begin(node_id, "start")
        node = self.node(node_id)
        if generation < node.fences.get(script.allocation_id, 0):
            raise StaleGeneration("It has seen a newer generation.")
        if script.allocation_id not in node.scripts:
            node.scripts[script.allocation_id] = text
            self.calls.append(("start", script.allocation_id, generation))
        await self.interrupt("start", "after")
        return self.script_run

    async def started(self, node_id: str, script: Script) -> StartupRun:
        """How it fares."""
        await self._begin(node_id, "started")
        return self.script_run if script.allocation_id in self.node(node_id).scripts else NEVER_SENT

    async def observe(self, node_id: str) -> Observation:
        """All that exists on the node."""
        asked_at = await self._begin(node_id, "observe")
        node = self.node(node_id)
        seen = tuple(
            ObservedAllocation(
                allocation_id=name,
                login=account.desired.login,
                uid=account.desired.uid,
                generation=node.fences[name],
                state=account.desired.state,
                processes=1,
                login_open=account.login_open,
            )
            for name, account in node.accounts.items()
        )
        await self.interrupt("observe", "after")
        return Observation(node_id, node.boot_id, asked_at, datetime.now(UTC), node.space, seen, tuple(node.unknown))

    async def probe(self, node_id: str) -> Probe:
        """Not simulated."""
        raise NotImplementedError(node_id)

    async def usage(self, node_id: str) -> Sequence[Usage]:
        """Not simulated."""
        raise NotImplementedError(node_id)

    async def revoke(self, node_id: str, revoked: RevocationList) -> None:
        """Take the list."""

    async def upgrade(self, node_id: str, helper: Helper, *, confirm_seconds: int) -> None:
        """Put another helper in place, on trial: the node undoes it unless it is confirmed within so many seconds."""

    async def confirm_upgrade(self, node_id: str, sha256: str) -> None:
        """Keep the helper that is on trial."""

    async def undo_upgrade(self, node_id: str, sha256: str) -> None:
        """Put the earlier helper back, if the one of this digest is on trial."""

    async def trust(self, node_id: str, trust: Trust) -> datetime:
        """Not simulated."""
        raise NotImplementedError(node_id)

    async def _begin(self, node_id: str, verb: str) -> datetime:
        forbid_open_session("node")
        asked_at = await self._now()
        if not self.node(node_id).reachable:
            raise unreachable()
        await self.interrupt(verb, "before")
        return asked_at

    async def _changing(self, node: SimulatedNode, allocation_id: str) -> None:
        """The node works on one allocation alone, as under its file lock."""
        count = node.running.get(allocation_id, 0) + 1
        node.running[allocation_id] = count
        self.most_running[allocation_id] = max(count, self.most_running.get(allocation_id, 0))
        if self.delay_seconds:
            try:
                await asyncio.sleep(self.delay_seconds)
            except asyncio.CancelledError:
                node.running[allocation_id] -= 1
                raise

    async def _now(self) -> datetime:
        async with self.database.reading() as session:
            return await database_now(session)

    @staticmethod
    def _fence(node: SimulatedNode, allocation_id: str, generation: int, *, releasing: bool) -> None:
        known = node.fences.get(allocation_id, 0)
        late = allocation_id in node.released and not releasing and generation <= known
        if generation < known or late:
            raise StaleGeneration(f"{allocation_id} has seen generation {known}.")
        node.fences[allocation_id] = generation


class Killed(BaseException):
    """The worker's process ended here: nothing after this line runs, and nobody catches it."""


def failing(verb: str, moment: str, error: Callable[[], BaseException], *, times: int = 1) -> Interruption:
    """Raise at one moment of a verb, so many times."""
    left = times

    async def interrupt(at_verb: str, at_moment: str) -> None:
        nonlocal left
        if (at_verb, at_moment) == (verb, moment) and left > 0:
            left -= 1
            raise error()

    return interrupt


def refused(code: str = "program_missing", *, retryable: bool = False) -> SubletError:
    """The node understood and could not."""
    return NodeFailure("useradd failed", node_code=code, retryable=retryable)
