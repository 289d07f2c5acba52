"""Nodes as the API shows and takes them."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from sublet.approvals.schemas import ApprovalOut
from sublet.core.actions import ActionOut
from sublet.fleet import addresses
from sublet.fleet.gpu_health import GpuHealth
from sublet.fleet.nodes import Gpu
from sublet.fleet.xids import Severity

NodeName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
Address = Annotated[str, StringConstraints(min_length=1, max_length=300), AfterValidator(addresses.normal)]
Port = Annotated[int, Field(ge=1, le=65535)]
LabelKey = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9._/-]{0,61}[a-z0-9])?$")]
LabelValue = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{0,63}$")]
Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$"),
]
Labels = Annotated[dict[LabelKey, LabelValue], Field(max_length=32)]


class CapabilityOut(BaseModel):
    """Whether the node's kernel enforces one kind of isolation."""

    name: str
    enforced: bool
    detail: str


class QuarantineOut(BaseModel):
    """Why a GPU is given to nobody: one word, a sentence, and since when."""

    code: str
    reason: str
    at: datetime


class GpuFindingOut(BaseModel):
    """One thing that is wrong with a GPU: what it is, what to do, since when, and how often it was seen."""

    model_config = ConfigDict(from_attributes=True)

    code: str
    severity: Severity
    means: str
    do: str
    since: datetime
    at: datetime
    count: int
    xid: int | None
    said: str
    source: str | None


class GpuHealthOut(BaseModel):
    """The health of a GPU as its driver tells it; null is what the driver does not say."""

    worst: Severity | None
    answers: bool
    driver: str | None
    temperature: int | None
    memory_used_mib: int | None
    busy_percent: int | None
    ecc_uncorrected: int | None
    recovery: str | None
    mig: bool | None
    slowed_by: list[str]
    findings: list[GpuFindingOut]
    seen_at: datetime

    @classmethod
    def of(cls, health: GpuHealth) -> "GpuHealthOut":
        """As shown."""
        facts = {name: getattr(health.facts, name) for name in cls.model_fields if hasattr(health.facts, name)}
        return cls(
            **{**facts, "slowed_by": list(health.facts.slowed_by)},
            worst=health.worst,
            findings=[GpuFindingOut.model_validate(one) for one in health.findings],
            seen_at=health.seen_at,
        )


class GpuOut(BaseModel):
    """A GPU in a node; what is in quarantine since before reasons were kept has none."""

    uuid: str
    model: str
    memory_mib: int
    state: Literal["available", "quarantined", "missing"]
    quarantine: QuarantineOut | None
    health: GpuHealthOut | None

    @classmethod
    def of(cls, gpu: Gpu) -> "GpuOut":
        """The GPU as shown."""
        why = gpu.quarantine
        return cls(
            uuid=gpu.uuid,
            model=gpu.model,
            memory_mib=gpu.memory_mib,
            state=gpu.state.value,
            quarantine=None if why is None else QuarantineOut(code=why.code, reason=why.reason, at=why.at),
            health=None if gpu.health is None else GpuHealthOut.of(gpu.health),
        )


class InventoryOut(BaseModel):
    """What a node has."""

    vcpu: int
    memory_mib: int
    disk_gib: int
    kernel: str
    os: str
    gpus: list[GpuOut]


class Claimed(BaseModel):
    """What is given out of a node."""

    vcpu: int = 0
    memory_mib: int = 0
    disk_gib: int = 0
    gpus: int = 0


NodePort = Annotated[int, Field(ge=1024, le=65535)]


class PortRange(BaseModel):
    """Ports of a node, both ends among them."""

    model_config = ConfigDict(extra="forbid")

    first: NodePort
    last: NodePort

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.last < self.first:
            raise ValueError("last is below first")
        return self


class NodePorts(BaseModel):
    """Which ports of a node customers may publish by; null for none. Those that are published already stay."""

    model_config = ConfigDict(extra="forbid")

    range: PortRange | None


class NodeOut(BaseModel):
    """A node as operators see it. `ports` are those that customers may publish by, null where there are none."""

    id: str
    name: str
    address: str
    port: int
    state: Literal["enrolling", "ready", "cordoned", "draining", "maintenance", "quarantined", "offline", "retired"]
    labels: dict[str, str]
    limits_enforced: bool | None
    capabilities: list[CapabilityOut]
    inventory: InventoryOut | None
    claimed: Claimed
    ports: PortRange | None
    last_seen_at: datetime | None
    host_certificate_expires_at: datetime | None
    helper_version: str | None
    created_at: datetime
    actions: list[ActionOut]


class StepOut(BaseModel):
    """One step of enrolment, and what to do when it does not succeed."""

    name: str
    state: Literal["done", "waiting", "failed"]
    detail: str
    fix: str | None


class HistoryOut(BaseModel):
    """One change of a node's state."""

    from_state: str | None
    to_state: str
    reason: str
    actor: str
    at: datetime


class StrangerOut(BaseModel):
    """An account on a node that nobody knows; `login` is empty where only processes or files of the uid are left."""

    login: str
    uid: int
    since: datetime


class KeptOut(BaseModel):
    """A part of a node that is given to nobody: what had it is over, and is not proven gone."""

    allocation_id: str
    vcpu: int
    memory_mib: int
    disk_gib: int
    gpus: int
    reason: str
    since: datetime


class ResidentOut(BaseModel):
    """What lives on a node: `need` says whether it runs there, is being cleaned off it, or only keeps its data."""

    kind: Literal["allocation", "remnant"]
    id: str
    name: str
    organization_id: str | None
    state: str
    need: Literal["runs", "cleaning", "kept"]
    gpus: int


class DrainOut(BaseModel):
    """That a node is being emptied: why, until when, and what each allocation is credited that the deadline suspends:
    so many seconds at its own rate."""

    id: str
    reason: str
    begun_by: str
    begun_at: datetime
    deadline_at: datetime
    credit_seconds: int


class SelfTestCheckOut(BaseModel):
    """One thing that a test tried; `passed` is null where the node says that it does not enforce this."""

    name: str
    passed: bool | None
    detail: str


class SelfTestOut(BaseModel):
    """A node's last test of itself; `passed` is null while it is under way."""

    id: str
    asked_by: str
    asked_at: datetime
    finished_at: datetime | None
    passed: bool | None
    checks: list[SelfTestCheckOut]


class NodeDetailOut(NodeOut):
    """A node with its enrolment checklist, its history, what lives on it, and what is on it that should not be.

    `self_tested_at` is when it last passed a test since it was taken out of use; it returns only then.
    """

    residents: list[ResidentOut]
    drain: DrainOut | None
    self_test: SelfTestOut | None
    self_tested_at: datetime | None

    enrolment: list[StepOut]
    history: list[HistoryOut]
    strangers: list[StrangerOut]
    kept: list[KeptOut]


class JoinOut(BaseModel):
    """How a machine joins. The token is shown once."""

    command: str
    token: str
    expires_at: datetime


class Because(BaseModel):
    """Why an operator does this; kept in the history and the audit trail."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason


Seconds = Annotated[int, Field(strict=True, ge=0, le=31_536_000)]


class NewDrain(Because):
    """Until when a node is to be empty, and what each allocation is credited that the deadline suspends: so many
    seconds at its own rate; 0 is none."""

    deadline_seconds: Seconds
    credit_seconds: Seconds


class NewForcedRelease(Because):
    """What each allocation on the node is credited: so many seconds at its own rate; 0 is none."""

    credit_seconds: Seconds


class NewNode(BaseModel):
    """A node to add."""

    model_config = ConfigDict(extra="forbid")

    name: NodeName
    address: Address
    port: Port = 22
    labels: Labels = Field(default_factory=dict)


class ChangedNode(BaseModel):
    """What to change about a node; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    name: NodeName | None = None
    address: Address | None = None
    port: Port | None = None
    labels: Labels | None = None


class NewNodeOut(BaseModel):
    """A node that was added, and the command that makes a machine it."""

    node: NodeOut
    join: JoinOut


class ForcedReleaseOut(BaseModel):
    """A forced release: done once its approval is `used`, waiting for a second person while that is `requested`."""

    node: NodeOut
    approval: ApprovalOut
