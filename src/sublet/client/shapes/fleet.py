"""What operators see: nodes, everybody's allocations."""

from typing import TypedDict

from sublet.client.shapes.allocations import CostSummary, Failure, Place, SkuSummary
from sublet.client.shapes.amounts import Action
from sublet.client.shapes.approvals import Approval


class Capability(TypedDict):
    """A limit that the node can hold, or not, as its kernel says."""

    name: str
    enforced: bool
    detail: str | None


class Quarantine(TypedDict):
    """Why a GPU is given to nobody, and since when."""

    code: str
    reason: str
    at: str


class GpuFinding(TypedDict):
    """One thing that is wrong with a GPU, and what to do about it."""

    code: str
    severity: str
    means: str
    do: str
    since: str
    at: str
    count: int
    xid: int | None
    said: str
    source: str | None


class GpuHealth(TypedDict):
    """The health of a GPU as its driver tells it."""

    worst: str | None
    answers: bool
    driver: str | None
    temperature: int | None
    memory_used_mib: int | None
    busy_percent: int | None
    ecc_uncorrected: int | None
    recovery: str | None
    mig: bool | None
    slowed_by: list[str]
    findings: list[GpuFinding]
    seen_at: str


class Gpu(TypedDict):
    """A GPU in a node."""

    uuid: str
    model: str
    memory_mib: int
    state: str
    quarantine: Quarantine | None
    health: GpuHealth | None


class Inventory(TypedDict):
    """What a node has."""

    vcpu: int
    memory_mib: int
    disk_gib: int
    kernel: str | None
    os: str | None
    gpus: list[Gpu]


class Claimed(TypedDict):
    """What of a node is taken."""

    vcpu: int
    memory_mib: int
    disk_gib: int
    gpus: int


class EnrolmentItem(TypedDict):
    """One line of the checklist of a node that joins, with what to do if it is not done."""

    name: str
    state: str
    detail: str | None
    fix: str | None


class PortRange(TypedDict):
    """Ports of a node, both ends among them."""

    first: int
    last: int


class Node(TypedDict):
    """One server of the fleet. `ports` are those that customers may publish by."""

    id: str
    name: str
    address: str
    port: int
    state: str
    labels: dict[str, str]
    limits_enforced: bool | None
    capabilities: list[Capability]
    inventory: Inventory | None
    claimed: Claimed
    ports: PortRange | None
    last_seen_at: str | None
    host_certificate_expires_at: str | None
    helper_version: str | None
    created_at: str
    actions: list[Action]


class NodeChange(TypedDict):
    """A change of a node's state."""

    from_state: str | None
    to_state: str
    reason: str
    actor: str
    at: str


class Stranger(TypedDict):
    """An account on a node that nobody knows; without a login only processes or files of the uid are left."""

    login: str
    uid: int
    since: str


class Kept(TypedDict):
    """A part of a node that is given to nobody: the allocation that had it is over there, and not proven gone."""

    allocation_id: str
    vcpu: int
    memory_mib: int
    disk_gib: int
    gpus: int
    reason: str
    since: str


class Resident(TypedDict):
    """What lives on a node; it `runs` there, is being cleaned off it (`cleaning`), or only keeps its data (`kept`)."""

    kind: str
    id: str
    name: str
    organization_id: str | None
    state: str
    need: str
    gpus: int


class Drain(TypedDict):
    """That a node is being emptied: why, until when, and how many seconds the deadline gives back to whom it
    suspends."""

    id: str
    reason: str
    begun_by: str
    begun_at: str
    deadline_at: str
    credit_seconds: int


class SelfTestCheck(TypedDict):
    """One thing that a test tried; nothing is said of what the node does not enforce."""

    name: str
    passed: bool | None
    detail: str


class SelfTest(TypedDict):
    """A node's last test of itself; `passed` is None while it is under way."""

    id: str
    asked_by: str
    asked_at: str
    finished_at: str | None
    passed: bool | None
    checks: list[SelfTestCheck]


class NodeDetail(Node, total=False):
    """A node with its enrolment checklist, the states it has been in, what lives on it, and what should not."""

    residents: list[Resident]
    drain: Drain | None
    self_test: SelfTest | None
    self_tested_at: str | None

    strangers: list[Stranger]
    kept: list[Kept]
    enrolment: list[EnrolmentItem]
    history: list[NodeChange]


class ForcedRelease(TypedDict):
    """A forced release: done once its approval is `used`."""

    node: Node
    approval: Approval


class Join(TypedDict):
    """What to run on a server so that it joins; the token works once."""

    command: str
    token: str
    expires_at: str


class NodeAdded(TypedDict):
    """A new node, and how its server joins."""

    node: Node
    join: Join


class Owner(TypedDict):
    """The organization that an allocation belongs to."""

    id: str
    name: str


class OperatorError(TypedDict):
    """What operators read of a failure: the node's own code and words, the step, and the request in the node's log."""

    code: str
    text: str
    step: str | None
    node_id: str
    request_id: str | None
    at: str


class AdminAllocation(TypedDict):
    """Anybody's allocation in a list: whose it is, and for how many seconds it has been in its state."""

    id: str
    name: str
    state: str
    state_seconds: int
    organization: Owner
    sku: SkuSummary
    node: Place | None
    created_at: str
    started_at: str | None
    ended_at: str | None
    failure: Failure | None
    operator_error: OperatorError | None
    delivered_seconds: int
    cost: CostSummary


class Helper(TypedDict):
    """The program on a node, by its version and digest."""

    version: str | None
    sha256: str | None


class HelperCount(TypedDict):
    """How many nodes have a helper."""

    helper: Helper
    standing: str
    nodes: int


class HelperUpgrade(TypedDict):
    """What became of a node in a rollout."""

    node_id: str
    node_name: str
    canary: bool
    from_version: str
    outcome: str
    detail: str | None
    ended_at: str | None


class HelperRollout(TypedDict):
    """A helper on its way to the fleet, one node first."""

    id: str
    helper: Helper
    phase: str
    reason: str | None
    started_by: str
    started_at: str
    ended_at: str | None
    canary: HelperUpgrade
    failed: list[HelperUpgrade]
    waiting: int
    done: int
    left: int
    actions: list[Action]


class HelperVersions(TypedDict):
    """The helpers of the fleet beside that of the release."""

    ours: Helper
    minimum_version: str
    counts: list[HelperCount]
    rollout: HelperRollout | None
    actions: list[Action]


class DriftedNode(TypedDict):
    """A node whose helper is another one, and what to do about it."""

    id: str
    name: str
    state: str
    helper: Helper
    standing: str
    advice: str | None
    actions: list[Action]
