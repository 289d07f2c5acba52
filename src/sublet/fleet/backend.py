"""What the control plane asks of a node and what it gets back, whatever speaks to the node underneath.

Every call is idempotent and fenced: the node refuses a generation lower than the last one it saw for an allocation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

from sublet.fleet.krl import RevocationList
from sublet.fleet.led_ports import AppliedPort, DesiredPort
from sublet.fleet.node_helper import Helper
from sublet.fleet.self_tests import Strain

DesiredState = Literal["active", "suspended"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What an allocation may use at most; `cpu_percent` is 100 for each virtual CPU, and 0 bit/s is no limit."""

    cpu_percent: int
    memory_mib: int
    tasks_max: int
    disk_gib: int
    network_bits_per_second: int = 0


@dataclass(frozen=True, slots=True)
class DesiredAccount:
    """The whole desired state of one allocation on its node; `generation` grows with every change of it. With
    `node_network` it is in the node's own. `disconnect_generation` is the latest with which somebody lost the right to
    come in: SSH connections from before end, but those that one of `authorized_keys` is known to have opened. With
    `gives_back` its disk alone stays in use, and of `same_organization` nobody holds more."""

    allocation_id: str
    login: str
    uid: int
    generation: int
    state: DesiredState
    limits: Limits
    gpus: tuple[str, ...] = ()
    authorized_keys: tuple[str, ...] = ()
    disconnect_generation: int = 0
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    ports: tuple[DesiredPort, ...] = ()
    node_network: bool = False
    gives_back: bool = False
    same_organization: tuple[str, ...] = ()

    @property
    def principals(self) -> tuple[str, ...]:
        """Who may log in with a certificate: the login alone."""
        return (self.login,)


@dataclass(frozen=True, slots=True)
class EnforcedLimit:
    """One limit as the kernel holds it, beside what was asked for; `value` is None when nothing holds it."""

    limit: str
    requested: str
    value: str | None
    enforced: bool
    detail: str


@dataclass(frozen=True, slots=True)
class AppliedState:
    """What exists on the node after `apply`. `applied_at` is the database's time before the request was sent.
    `given_back` shows that its disk alone is in use, `kept` that nobody uses the GPUs of what is suspended; both empty
    where that was not asked for, or the node knows no way."""

    login: str
    uid: int
    home: str
    slice: str
    state: DesiredState
    login_open: bool
    enforced: tuple[EnforcedLimit, ...]
    boot_id: str
    applied_at: datetime
    ports: tuple[AppliedPort, ...] = ()
    given_back: "tuple[EvidenceCheck, ...]" = ()
    kept: "tuple[EvidenceCheck, ...]" = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """What a customer sees who has just come in: their uid, every home there is, and whether others' processes show."""

    uid: int
    homes: tuple[str, ...]
    sees_others: bool


@dataclass(frozen=True, slots=True)
class Script:
    """Whose startup script is meant."""

    allocation_id: str
    login: str
    uid: int


@dataclass(frozen=True, slots=True)
class StartupRun:
    """How a startup script fares on its node. `output` is the end of a customer's text, believed by nobody. `lasted` is
    how long it has run by the node's clock; nothing for what still runs. `ended_by` and the like: of one that ended."""

    state: Literal["unknown", "waiting", "running", "ended"]
    ended_by: Literal["exit", "signal", "suspended", "released", "interrupted", "refused"] | None
    exit_code: int | None
    signal: int | None
    detail: str
    lasted: timedelta
    output_bytes: int
    output: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that still holds something of a released allocation: whose, which, and what it holds."""

    pid: int
    login: str
    name: str
    what: str

    def __str__(self) -> str:
        return f"{self.login}: {self.name} ({self.pid}) has {self.what}"


@dataclass(frozen=True, slots=True)
class EvidenceCheck:
    """One thing that must be gone, and whether it is. `holders` are for operators: others are named."""

    name: str
    clean: bool
    detail: str
    holders: tuple[Holder, ...] = ()


@dataclass(frozen=True, slots=True)
class ReleaseEvidence:
    """What the node found after removing an allocation; capacity is free again only when `clean`. `released_at` is the
    database's time after the answer, so the evidence is never older than what it proves."""

    clean: bool
    checks: tuple[EvidenceCheck, ...]
    released_at: datetime

    def stored(self) -> dict[str, Any]:
        """The evidence as JSON: what is stored, and shown as proof."""
        return {
            "released_at": self.released_at.isoformat(),
            "clean": self.clean,
            "checks": [{"name": check.name, "clean": check.clean, "detail": check.detail} for check in self.checks],
        }


@dataclass(frozen=True, slots=True)
class ObservedAllocation:
    """One allocation's account as the node found it. `oom_kills` is how many of its processes the kernel has ended for
    want of memory, `carried` the bytes to it and from it, since the boot or a later beginning; None if uncounted."""

    allocation_id: str
    login: str
    uid: int
    generation: int
    state: str
    processes: int
    login_open: bool
    oom_kills: int | None = None
    carried: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class UnknownAccount:
    """An account in Sublet's uid range that the node has no allocation for."""

    login: str
    uid: int


@dataclass(frozen=True, slots=True)
class UnreadableRecord:
    """What the node knows of an allocation and cannot read: nobody can tell what is there of it."""

    allocation_id: str
    detail: str


@dataclass(frozen=True, slots=True)
class GpuFacts:
    """What a GPU's driver says of it; None where it does not say, or where it does not answer. `bus` is its place in
    the node, and `uuid` None where that is the only thing known. `recovery` is what the driver wants done before
    anybody uses it (`none`, `reset`, …), and `slowed_by` what makes it work more slowly now."""

    bus: str
    uuid: str | None
    answers: bool
    driver: str | None = None
    recovery: str | None = None
    mig: bool | None = None
    temperature: int | None = None
    memory_used_mib: int | None = None
    busy_percent: int | None = None
    ecc_uncorrected: int | None = None
    remapping_pending: bool | None = None
    remapping_failed: bool | None = None
    retirement_pending: bool | None = None
    slowed_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GpuXid:
    """An error that the driver wrote to the kernel's log: record `number` of this boot, by the node's clock `at`."""

    number: int
    at: datetime
    bus: str
    uuid: str | None
    xid: int
    text: str


@dataclass(frozen=True, slots=True)
class ObservedGpus:
    """The GPUs of a node that has nvidia-smi. `cards` is None until that has answered; `failure` says why it cannot."""

    cards: tuple[GpuFacts, ...] | None
    failure: str | None
    xids: tuple[GpuXid, ...]


@dataclass(frozen=True, slots=True)
class FreeSpace:
    """What is free on the file system of the homes; `inodes` is None where it has no fixed number of them."""

    disk_gib: int
    inodes: int | None


@dataclass(frozen=True, slots=True)
class Observation:
    """All that exists on one node. `observed_at` is the database's time just before the node was asked, so that billing
    up to it never counts a second that was not seen. `doors` is another text when anything has changed that a login has
    to come through, and None where the node's helper does not say; `gpus` likewise, or where it has no nvidia-smi."""

    node_id: str
    boot_id: str
    observed_at: datetime
    node_time: datetime
    space: FreeSpace
    allocations: tuple[ObservedAllocation, ...]
    unknown: tuple[UnknownAccount, ...] = ()
    doors: str | None = None
    unreadable: tuple[UnreadableRecord, ...] = ()
    gpus: ObservedGpus | None = None

    def tells_of(self, allocation_id: str) -> bool:
        """Whether it says anything of the allocation, be it that there is none."""
        return all(one.allocation_id != allocation_id for one in self.unreadable)

    def allocation(self, allocation_id: str) -> ObservedAllocation | None:
        """The account of one allocation, or None if it was not there."""
        return next((seen for seen in self.allocations if seen.allocation_id == allocation_id), None)


@dataclass(frozen=True, slots=True)
class Usage:
    """What one allocation has used, as the kernel counts it; None where the node has no counter."""

    allocation_id: str
    cpu_seconds: float | None
    memory_bytes: int | None
    tasks: int | None
    disk_bytes: int | None


@dataclass(frozen=True, slots=True)
class Capability:
    """Whether the node's kernel enforces one kind of isolation."""

    name: str
    enforced: bool
    detail: str


@dataclass(frozen=True, slots=True)
class ProbedGpu:
    """A GPU as the node sees it."""

    uuid: str
    model: str
    memory_mib: int


@dataclass(frozen=True, slots=True)
class Probe:
    """A node's inventory, and what it enforces."""

    vcpu: int
    memory_mib: int
    disk_gib: int
    kernel: str
    os: str
    hostname: str
    helper_version: str
    boot_id: str
    mode: str
    limits_enforced: bool
    node_time: datetime
    gpus: tuple[ProbedGpu, ...] = field(default=())
    capabilities: tuple[Capability, ...] = field(default=())
    doors: str | None = None
    helper_sha256: str | None = None
    own_principal: bool = False


@dataclass(frozen=True, slots=True)
class Trust:
    """What a node must trust: user authorities, revoked certificates, its new host certificate, its control plane."""

    user_ca_public_keys: tuple[str, ...]
    revoked_keys: bytes
    host_certificate: str
    control_principal: str


class FleetBackend(Protocol):
    """A way to run allocations on nodes. Errors are `NodeError`s; `retryable` says whether trying again is right."""

    async def probe(self, node_id: str) -> Probe:
        """The node's inventory and what it enforces."""
        ...

    async def apply(self, node_id: str, account: DesiredAccount) -> AppliedState:
        """Make the account exist exactly so; StaleGeneration if a newer generation was seen."""
        ...

    async def enter(self, node_id: str, account: DesiredAccount) -> Entry:
        """Come in as the account's customer does, and look around; EntryRefused says why nobody can."""
        ...

    async def strain(self, node_id: str, account: DesiredAccount) -> Strain:
        """Come in as the account's customer does, and take more than the account may; EntryRefused if nothing runs."""
        ...

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
        """Remove everything of the allocation and prove it; StaleGeneration if a newer generation was seen. What
        processes of `same_organization`, logins on the node, hold of it is taken back by ending them."""
        ...

    async def start(self, node_id: str, script: Script, text: str, *, generation: int) -> StartupRun:
        """Have the node run the script, if it never did; answers at once. StaleGeneration if a newer one was seen."""
        ...

    async def started(self, node_id: str, script: Script) -> StartupRun:
        """How it fares, with the end of what it wrote."""
        ...

    async def observe(self, node_id: str) -> Observation:
        """All that exists on the node."""
        ...

    async def usage(self, node_id: str) -> Sequence[Usage]:
        """What each allocation has used; it waits for the metrics of allocations, and nothing asks yet."""
        ...

    async def trust(self, node_id: str, trust: Trust) -> datetime:
        """Replace what the node trusts; returns when its host certificate now ends."""
        ...

    async def revoke(self, node_id: str, revoked: RevocationList) -> None:
        """Replace the node's list of revoked certificates, and nothing else; StaleGeneration if it has a newer one."""
        ...

    async def upgrade(self, node_id: str, helper: Helper, *, confirm_seconds: int) -> None:
        """Put another helper in place, on trial: the node undoes it unless it is confirmed within so many seconds."""
        ...

    async def confirm_upgrade(self, node_id: str, sha256: str) -> None:
        """Keep the helper that is on trial."""
        ...

    async def undo_upgrade(self, node_id: str, sha256: str) -> None:
        """Put the earlier helper back, if the one of this digest is on trial."""
        ...
