"""Allocations as the API takes and shows them: in summary in lists, whole when asked for one."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from sublet.allocations.incident_kind import Incident
from sublet.allocations.names import PATTERN
from sublet.allocations.port_states import Protocol
from sublet.allocations.ports import PublishedPort
from sublet.allocations.states import AllocationState, OperationState, PortState
from sublet.catalog.schemas import PriceOut, SkuOut
from sublet.core.actions import ActionOut
from sublet.core.money import MoneyField, RateField

REFUSALS = {
    "taken": "The node has something else at that port. Withdraw it and publish it again to get another.",
    "no_network": "Nothing leads into allocations on the node, because they have no network of their own there.",
    "failed": "The node's firewall did not take it. It is tried again.",
    "helper": "The node's helper is too old to lead a port anywhere. Its operator has to upgrade it.",
}
"""What customers read for the node's word on why a port does not lead to them."""

Identifier = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]


class Launch(BaseModel):
    """What to launch; `price_id` is the price that the customer saw and agrees to."""

    model_config = ConfigDict(extra="forbid")

    offer_id: Identifier
    name: Annotated[str, StringConstraints(pattern=PATTERN)] | None = None
    price_id: Identifier | None = None
    labels: dict[str, str] = Field(default_factory=dict, max_length=32)
    environment: dict[str, SecretStr] = Field(
        default_factory=dict,
        max_length=100,
        description="Variables that every session has; only names are shown again.",
    )
    startup_script: SecretStr | None = Field(
        default=None, description="Runs once as the customer when the allocation is active; at most 64 KiB."
    )


class AllocationChange(BaseModel):
    """What of an allocation is to change; a label whose value is null is taken away, others stay."""

    model_config = ConfigDict(extra="forbid")

    labels: dict[str, str | None] = Field(default_factory=dict, max_length=64)


class RestartElsewhere(BaseModel):
    """`price_id` is that of `restart_price`, which the customer saw and agrees to."""

    model_config = ConfigDict(extra="forbid")

    price_id: Identifier


class CertificateRequest(BaseModel):
    """The caller's own public key, to be certified; its private half never comes here."""

    model_config = ConfigDict(extra="forbid")

    public_key: Annotated[str, StringConstraints(min_length=1, max_length=8192)]


class AllocationActionOut(ActionOut):
    """What the caller may do with an allocation now, or why not."""

    name: Literal["release", "suspend", "resume", "cancel", "publish_port", "restart_elsewhere", "terminal", "ssh"]


class FailureOut(BaseModel):
    """Why something failed: a stable code and a sentence."""

    code: str
    message: str


class OperatorErrorOut(BaseModel):
    """What operators read of a failure beside that: the node's own code and words, where it was, and by what the node's
    log calls the request."""

    code: str
    text: str
    step: str | None
    node_id: str
    request_id: str | None
    at: datetime


class StepOut(BaseModel):
    """One step of an operation."""

    name: str
    state: Literal["pending", "running", "done", "failed"]
    started_at: datetime | None
    finished_at: datetime | None
    detail: str | None


class OperationOut(BaseModel):
    """Tracked work on an allocation. `error` is that of the last attempt, also while it is tried again."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    kind: Literal["provision", "release", "suspend", "resume"]
    state: OperationState
    attempts: int
    error: FailureOut | None
    started_at: datetime
    finished_at: datetime | None
    steps: list[StepOut]


class StartupOut(BaseModel):
    """How the startup script fares. `stopped` was ended by suspension, release or its node; it does not run again."""

    state: Literal["waiting", "running", "succeeded", "failed", "stopped"]
    ended_by: Literal["exit", "signal", "suspended", "interrupted", "refused", "released"] | None
    exit_code: int | None
    signal: int | None
    detail: str | None
    script_bytes: int
    output_bytes: int
    began_at: datetime | None
    ended_at: datetime | None


class StartupOutputOut(StartupOut):
    """The same with the end of what the script wrote, at most 64 KiB: whatever text the customer's program chose."""

    output: str
    seen_at: datetime | None


@dataclass(slots=True)
class PlaceOut:
    """The node that an allocation is on."""

    id: str
    name: str
    limits_enforced: bool


class SshOut(BaseModel):
    """How to log in: the command for plain OpenSSH with a registered key, and where sshd answers."""

    command: str
    host: str
    port: int


def ssh_command(login: str, address: str, port: int) -> str:
    """The command for plain OpenSSH."""
    option = "" if port == 22 else f"-p {port} "
    return f"ssh {option}{login}@{address}"


class CostOut(BaseModel):
    """What it has cost: `charged` is in the books, `accrued` is proven and not posted yet, `total` is both."""

    total: MoneyField
    rate: RateField
    charged: MoneyField
    accrued: MoneyField
    held: MoneyField
    as_of: datetime


class FundsOut(BaseModel):
    """How long the wallet carries what runs, and when that is suspended; all null for what has ended.

    `data_kept_until` is when this allocation is released, and its data are deleted, unless enough comes in for it to
    run again (a smaller top-up moves it once): null but for what is suspended and nobody pays for.
    """

    data_kept_until: datetime | None
    runway_seconds: int | None
    warning: str | None
    suspend_at: datetime | None


class LimitOut(BaseModel):
    """A limit that was asked for, and whether the node's kernel holds it."""

    limit: str
    requested: str
    enforced: bool
    detail: str


class CheckOut(BaseModel):
    """One thing that was looked at after a release."""

    name: str
    clean: bool
    detail: str | None


class EvidenceOut(BaseModel):
    """What the node found when the allocation was taken away."""

    released_at: datetime
    clean: bool
    checks: list[CheckOut]


class IncidentOut(BaseModel):
    """Something that befell the work in it."""

    model_config = ConfigDict(from_attributes=True)

    kind: Incident
    detail: str
    at: datetime


class TrafficOut(BaseModel):
    """Bytes that its network has carried, to it and from it, as they were when its node was last looked at."""

    in_bytes: int
    out_bytes: int
    seen_at: datetime


class NewPort(BaseModel):
    """A port of the allocation to be published, on which something of the customer's answers."""

    model_config = ConfigDict(extra="forbid")

    port: Annotated[int, Field(ge=1, le=65535)]
    protocol: Protocol


class PortOut(BaseModel):
    """A port of the node that leads to an allocation: whoever connects to `host` and `node_port` comes to `port`.

    `closed` while the allocation is suspended; `refusal` says why the node does not lead there.
    """

    id: str
    port: int
    protocol: Protocol
    host: str
    node_port: int
    state: PortState
    refusal: str | None
    actions: list[ActionOut]

    @classmethod
    def of(cls, port: PublishedPort, host: str, actions: list[ActionOut]) -> Self:
        """With the address at which the node answers."""
        refusal = None if port.refusal is None else REFUSALS.get(port.refusal, REFUSALS["failed"])
        return cls(
            id=port.id,
            port=port.port,
            protocol=port.protocol,
            host=host,
            node_port=port.node_port,
            state=port.state,
            refusal=refusal,
            actions=actions,
        )


class AllocationOut(BaseModel):
    """A running right to resources on a node. `traffic` is null where its node does not count it; `restart_price` is
    what it would cost elsewhere, while it is lost and its kind is sold.

    Suspended, it keeps its claim until `claim_kept_until` (null: nothing ends it), and has its disk alone since
    `claim_ended_at`. `waits_for_room_since`: it runs again by itself as soon as its node has room for it.
    """

    id: str
    name: str
    state: AllocationState
    sku: SkuOut
    price: PriceOut
    restart_price: PriceOut | None
    node: PlaceOut | None
    login: str | None
    ssh: SshOut | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    release_requested_at: datetime | None
    claim_kept_until: datetime | None
    claim_ended_at: datetime | None
    waits_for_room_since: datetime | None
    failure: FailureOut | None
    delivered_seconds: int
    cost: CostOut
    funds: FundsOut
    enforced: list[LimitOut]
    labels: dict[str, str]
    environment: list[str]
    startup: StartupOut | None
    evidence: EvidenceOut | None
    ports: list[PortOut]
    traffic: TrafficOut | None
    actions: list[AllocationActionOut]
    operation: OperationOut | None
    incidents: list[IncidentOut]


class StateChangeOut(BaseModel):
    """One change of an allocation's state, or what else befell it in one; `code` is that of a failure."""

    model_config = ConfigDict(from_attributes=True)

    from_: AllocationState | None = Field(alias="from")
    to: AllocationState
    reason: str
    incident: Incident | None
    code: str | None
    actor: str
    at: datetime


class CertificateOut(BaseModel):
    """A certificate for one login, and the known_hosts line that makes the node believable."""

    certificate: str
    serial: int
    login: str
    host: str
    port: int
    principals: list[str]
    valid_before: datetime
    known_hosts: str
