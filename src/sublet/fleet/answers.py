"""The node protocol's requests and answers. An answer is checked and turned into the backend's shapes; one that is not
what the protocol promises is an error."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints, ValidationError, model_validator

from sublet.fleet import backend
from sublet.fleet.errors import NodeAnswerInvalid
from sublet.fleet.led_ports import AppliedPort

Short = Annotated[str, StringConstraints(max_length=200)]
Long = Annotated[str, StringConstraints(max_length=4000)]
Count = Annotated[int, Field(ge=0)]
Doors = Annotated[str, StringConstraints(min_length=1, max_length=200)] | None
_LONGEST_RUN = timedelta(days=3650)
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
T = TypeVar("T", bound=BaseModel)


def _words(value: object) -> str:
    return str(value)[:200]


class _Enforced(BaseModel):
    limit: Short
    requested: str | int | float | bool | list[str] | None
    value: str | int | float | bool | list[str] | None
    enforced: bool
    detail: Long = ""


class _Port(BaseModel):
    protocol: Short
    port: int
    node_port: int
    open: bool
    why: Short


class _Holder(BaseModel):
    pid: int
    login: Short
    name: Short
    what: Long


class _Check(BaseModel):
    name: Short
    clean: bool
    detail: Long = ""
    holders: Annotated[list[_Holder], Field(max_length=1000)] = Field(default_factory=list)

    def to_check(self) -> backend.EvidenceCheck:
        holders = tuple(backend.Holder(one.pid, one.login, one.name, one.what) for one in self.holders)
        return backend.EvidenceCheck(self.name, self.clean, self.detail, holders)


class Applied(BaseModel):
    """Answer to `apply`."""

    login: Short
    uid: int
    home: Short
    slice: Short
    state: Literal["active", "suspended"]
    login_open: bool
    enforced: list[_Enforced]
    boot_id: Short
    ports: Annotated[list[_Port], Field(max_length=64)] = Field(default_factory=list)  # older helpers do not say
    given_back: Annotated[list[_Check], Field(max_length=64)] = Field(default_factory=list)  # likewise
    kept: Annotated[list[_Check], Field(max_length=64)] = Field(default_factory=list)  # likewise

    def to_state(self, applied_at: datetime) -> backend.AppliedState:
        """As the backend gives it."""
        limits = tuple(
            backend.EnforcedLimit(
                item.limit,
                _words(item.requested),
                None if item.value is None else _words(item.value),
                item.enforced,
                item.detail,
            )
            for item in self.enforced
        )
        return backend.AppliedState(
            login=self.login,
            uid=self.uid,
            home=self.home,
            slice=self.slice,
            state=self.state,
            login_open=self.login_open,
            enforced=limits,
            boot_id=self.boot_id,
            applied_at=applied_at,
            ports=tuple(
                AppliedPort(item.protocol, item.port, item.node_port, item.open, item.why) for item in self.ports
            ),
            given_back=tuple(check.to_check() for check in self.given_back),
            kept=tuple(check.to_check() for check in self.kept),
        )


class Explained(BaseModel):
    """Answer to `explain_entry`."""

    cause: Short
    lines: Annotated[list[Long], Field(max_length=20)]
    fix: Long


class Released(BaseModel):
    """Answer to `release`: evidence needs at least one check, and `clean` needs all of them to be."""

    clean: bool
    checks: list[_Check] = Field(min_length=1)

    def to_evidence(self, released_at: datetime) -> backend.ReleaseEvidence:
        """As the backend gives it."""
        checks = tuple(check.to_check() for check in self.checks)
        clean = self.clean and all(check.clean for check in checks)
        return backend.ReleaseEvidence(clean=clean, checks=checks, released_at=released_at)


class _Observed(BaseModel):
    allocation: Short
    login: Short
    uid: int
    generation: int
    state: Short
    processes: Count
    login_open: bool
    oom_kills: Annotated[int, Field(ge=0, lt=2**63)] | None = None  # older helpers do not say
    network_in_bytes: Annotated[int, Field(ge=0, lt=2**63)] | None = None  # likewise
    network_out_bytes: Annotated[int, Field(ge=0, lt=2**63)] | None = None

    def to_allocation(self) -> backend.ObservedAllocation:
        return backend.ObservedAllocation(
            self.allocation,
            self.login,
            self.uid,
            self.generation,
            self.state,
            self.processes,
            self.login_open,
            self.oom_kills,
            self._carried(),
        )

    def _carried(self) -> tuple[int, int] | None:
        came, went = self.network_in_bytes, self.network_out_bytes
        return None if came is None or went is None else (came, went)


class _Unknown(BaseModel):
    login: Short
    uid: int


class _Unreadable(BaseModel):
    allocation: Short
    detail: Long


GpuId = Annotated[str, StringConstraints(min_length=1, max_length=100)] | None


class _Card(BaseModel):
    bus: Short
    uuid: GpuId
    answers: bool
    driver: Short | None
    recovery: Short | None
    mig: bool | None
    temperature: int | None
    memory_used_mib: Count | None
    busy_percent: Count | None
    ecc_uncorrected: Count | None
    remapping_pending: bool | None
    remapping_failed: bool | None
    retirement_pending: bool | None
    slowed_by: Annotated[list[Short], Field(max_length=20)]

    def to_facts(self) -> backend.GpuFacts:
        return backend.GpuFacts(**{**self.model_dump(), "slowed_by": tuple(self.slowed_by)})


class _Xid(BaseModel):
    number: Annotated[int, Field(ge=0, lt=2**63)]
    at: AwareDatetime
    bus: Short
    uuid: GpuId
    xid: Annotated[int, Field(ge=0, le=9999)]
    text: Long

    def to_xid(self) -> backend.GpuXid:
        return backend.GpuXid(**self.model_dump())


class _Gpus(BaseModel):
    cards: Annotated[list[_Card], Field(max_length=256)] | None
    failure: Long | None
    xids: Annotated[list[_Xid], Field(max_length=1000)]

    def to_gpus(self) -> backend.ObservedGpus:
        cards = None if self.cards is None else tuple(card.to_facts() for card in self.cards)
        return backend.ObservedGpus(cards, self.failure, tuple(one.to_xid() for one in self.xids))


class Observed(BaseModel):
    """Answer to `observe`: a listing that lacks a part is no listing."""

    boot_id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    time: AwareDatetime
    disk_free_gib: Annotated[int, Field(ge=0, le=2**40)]
    inodes_free: Annotated[int, Field(ge=0, lt=2**63)] | None
    allocations: list[_Observed]
    unreadable: list[_Unreadable] = Field(default_factory=list)
    unknown: list[_Unknown]
    doors: Doors = None  # older helpers do not say
    gpus: _Gpus | None = None  # likewise

    def to_observation(self, node_id: str, observed_at: datetime) -> backend.Observation:
        """As the backend gives it."""
        return backend.Observation(
            node_id=node_id,
            boot_id=self.boot_id,
            observed_at=observed_at,
            node_time=self.time,
            space=backend.FreeSpace(self.disk_free_gib, self.inodes_free),
            allocations=tuple(item.to_allocation() for item in self.allocations),
            unknown=tuple(backend.UnknownAccount(item.login, item.uid) for item in self.unknown),
            doors=self.doors,
            unreadable=tuple(backend.UnreadableRecord(item.allocation, item.detail) for item in self.unreadable),
            gpus=None if self.gpus is None else self.gpus.to_gpus(),
        )


class Started(BaseModel):
    """Answer to `start` and `started`: what has ended says by what, and what has exited says how."""

    state: Literal["unknown", "waiting", "running", "ended"]
    began_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    ended_by: Literal["exit", "signal", "suspended", "released", "interrupted", "refused"] | None = None
    exit_code: Annotated[int, Field(ge=0, le=255)] | None = None
    signal: Annotated[int, Field(ge=1, le=255)] | None = None
    detail: Long = ""
    output_bytes: Annotated[int, Field(ge=0, lt=2**63)] = 0
    output: Annotated[str, StringConstraints(max_length=65536)] = ""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.state == "ended") != (self.ended_by is not None) or (
            (self.ended_by == "exit") != (self.exit_code is not None)
        ):
            raise ValueError("it says that it has ended and not how, or how and not that it has")
        return self

    def to_run(self) -> backend.StartupRun:
        """As the backend gives it."""
        lasted = timedelta()
        if self.began_at is not None and self.ended_at is not None:
            lasted = min(max(self.ended_at - self.began_at, timedelta()), _LONGEST_RUN)
        return backend.StartupRun(
            state=self.state,
            ended_by=self.ended_by,
            exit_code=self.exit_code,
            signal=self.signal,
            detail=self.detail,
            lasted=lasted,
            output_bytes=self.output_bytes,
            output=self.output,
        )


class _Used(BaseModel):
    allocation: Short
    cpu_seconds: float | None = None
    memory_bytes: int | None = None
    tasks: int | None = None
    disk_bytes: int | None = None


class Used(BaseModel):
    """Answer to `usage`."""

    allocations: list[_Used]

    def to_usage(self) -> tuple[backend.Usage, ...]:
        """As the backend gives it."""
        return tuple(
            backend.Usage(item.allocation, item.cpu_seconds, item.memory_bytes, item.tasks, item.disk_bytes)
            for item in self.allocations
        )


class _Gpu(BaseModel):
    uuid: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    model: Short
    memory_mib: Count


class _Capability(BaseModel):
    name: Short
    enforced: bool
    detail: Long = ""


class Probed(BaseModel):
    """Answer to `probe`; also what a node reports when it enrols."""

    vcpu: Annotated[int, Field(ge=1, le=100_000)]
    memory_mib: Annotated[int, Field(ge=1, le=2**40)]
    disk_gib: Annotated[int, Field(ge=0, le=2**40)]
    kernel: Short
    os: Short
    hostname: Short
    helper_version: Short
    boot_id: Short
    time: AwareDatetime
    mode: Short = ""
    limits_enforced: bool
    gpus: Annotated[list[_Gpu], Field(max_length=256)] = Field(default_factory=list)
    capabilities: Annotated[list[_Capability], Field(max_length=100)] = Field(default_factory=list)
    doors: Doors = None
    helper_sha256: Digest | None = None
    own_principal: bool = False

    def to_probe(self) -> backend.Probe:
        """As the backend gives it."""
        return backend.Probe(
            vcpu=self.vcpu,
            memory_mib=self.memory_mib,
            disk_gib=self.disk_gib,
            kernel=self.kernel,
            os=self.os,
            hostname=self.hostname,
            helper_version=self.helper_version,
            boot_id=self.boot_id,
            mode=self.mode,
            limits_enforced=self.limits_enforced,
            node_time=self.time,
            gpus=tuple(backend.ProbedGpu(item.uuid, item.model, item.memory_mib) for item in self.gpus),
            capabilities=tuple(backend.Capability(item.name, item.enforced, item.detail) for item in self.capabilities),
            doors=self.doors,
            helper_sha256=self.helper_sha256,
            own_principal=self.own_principal,
        )


class Trusted(BaseModel):
    """Answer to `trust`."""

    host_certificate_valid_before: AwareDatetime
    host_public_key: Long


class Revoked(BaseModel):
    """Answer to `revoke`: the version of the list that the node has now."""

    revoked_keys_version: Annotated[int, Field(ge=0, lt=2**63)]


class HelperInPlace(BaseModel):
    """Answer to `upgrade`, `confirm_upgrade` and `undo_upgrade`."""

    helper_sha256: Digest
    on_trial: bool


def read(model: type[T], verb: str, observed: Mapping[str, Any]) -> T:
    """The answer as `model`; NodeAnswerInvalid if it is not one."""
    try:
        return model.model_validate(dict(observed))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise NodeAnswerInvalid(
            f"The node answered {verb} with something that the protocol does not allow ({where}: {first['msg']}). "
            "Nothing was concluded from it. Check that its helper is of this release."
        ) from None
