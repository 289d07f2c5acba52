"""A running right to resources, the work on it, and what it costs."""

from typing import TypedDict

from sublet.client.shapes.amounts import Action, Money, Rate
from sublet.client.shapes.catalog import Price, Sku


class Failure(TypedDict):
    """Why something failed: a stable code and a sentence."""

    code: str
    message: str


class Step(TypedDict):
    """One step of an operation: pending, running, done or failed."""

    name: str
    state: str
    started_at: str | None
    finished_at: str | None
    detail: str | None


class Operation(TypedDict):
    """Tracked work on an allocation: provision, release, suspend or resume."""

    id: str
    kind: str
    state: str
    attempts: int
    error: Failure | None
    started_at: str | None
    finished_at: str | None
    steps: list[Step]


class Place(TypedDict):
    """The node that an allocation runs on."""

    id: str
    name: str
    limits_enforced: bool | None


class SkuSummary(TypedDict):
    """Which shape an allocation is."""

    id: str
    code: str
    name: str


class HourlyPrice(TypedDict):
    """The price that an allocation was launched at."""

    per_hour: Rate


class SshCommand(TypedDict):
    """How to log in with OpenSSH."""

    command: str


class CostSummary(TypedDict):
    """What an allocation cost in all, and what it costs now."""

    total: Money
    rate: Rate


class FundsSummary(TypedDict):
    """How long the wallet carries this allocation, and until when its data are kept if nobody pays."""

    runway_seconds: int | None
    warning: str | None
    data_kept_until: str | None


class AllocationSummary(TypedDict):
    """A running right to resources, as a list shows it."""

    id: str
    name: str
    state: str
    sku: SkuSummary
    price: HourlyPrice
    node: Place | None
    ssh: SshCommand | None
    created_at: str
    started_at: str | None
    ended_at: str | None
    delivered_seconds: int
    cost: CostSummary
    funds: FundsSummary
    labels: dict[str, str]


class Startup(TypedDict):
    """How a startup script fares: waiting, running, succeeded, failed or stopped."""

    state: str
    ended_by: str | None
    exit_code: int | None
    signal: int | None
    detail: str | None
    script_bytes: int
    output_bytes: int
    began_at: str | None
    ended_at: str | None


class StartupOutput(Startup):
    """The same with the end of what the script wrote: text of a customer's program."""

    output: str
    seen_at: str | None


class Ssh(TypedDict):
    """Where sshd of the node answers."""

    host: str
    port: int
    command: str


class Cost(TypedDict):
    """What an allocation cost so far: posted, accrued but not yet posted, and the sum."""

    charged: Money
    accrued: Money
    total: Money
    held: Money
    rate: Rate
    as_of: str


class Funds(TypedDict):
    """How long the wallet carries this allocation."""

    runway_seconds: int | None
    warning: str | None
    suspend_at: str | None
    data_kept_until: str | None


class Limit(TypedDict):
    """A limit that was asked for, and whether the kernel of the node holds it."""

    limit: str
    requested: str
    enforced: bool
    detail: str


class Check(TypedDict):
    """One thing that was looked at after a release."""

    name: str
    clean: bool
    detail: str | None


class Evidence(TypedDict):
    """The proof that nothing of an allocation is left on its node."""

    released_at: str
    clean: bool
    checks: list[Check]


class Incident(TypedDict):
    """Something that befell the work in an allocation, such as `out_of_memory` or `node_restarted`."""

    kind: str
    detail: str
    at: str


class Port(TypedDict):
    """A port of the node that leads to an allocation; `refusal` says why the node does not lead there."""

    id: str
    port: int
    protocol: str
    host: str
    node_port: int
    state: str
    refusal: str | None
    actions: list[Action]


class Traffic(TypedDict):
    """Bytes that the network of an allocation has carried, as of a moment."""

    in_bytes: int
    out_bytes: int
    seen_at: str


class Allocation(TypedDict):
    """A running right to resources on a node."""

    id: str
    name: str
    state: str
    sku: Sku
    price: Price
    restart_price: Price | None
    node: Place | None
    login: str | None
    ssh: Ssh | None
    created_at: str
    started_at: str | None
    ended_at: str | None
    release_requested_at: str | None
    claim_kept_until: str | None
    claim_ended_at: str | None
    waits_for_room_since: str | None
    failure: Failure | None
    delivered_seconds: int
    cost: Cost
    funds: Funds
    enforced: list[Limit]
    labels: dict[str, str]
    environment: list[str]
    startup: Startup | None
    evidence: Evidence | None
    ports: list[Port]
    traffic: Traffic | None
    actions: list[Action]
    operation: Operation | None
    incidents: list[Incident]


class Charge(TypedDict):
    """What an interval of whole seconds cost, at which price version, on which evidence."""

    id: str
    period_start: str
    period_end: str
    seconds: int
    rate: Rate
    amount: Money
    kind: str
    price_id: str
    evidence_at: str | None
    ledger_entry_id: str | None


# `from` is a keyword, so this one cannot be written as a class.
StateChange = TypedDict(
    "StateChange",
    {
        "from": str | None,
        "to": str,
        "reason": str | None,
        "incident": str | None,
        "code": str | None,
        "actor": str | None,
        "at": str,
    },
)


class SshCertificate(TypedDict):
    """A certificate for one login on one node, and the line that makes the node's host key believable."""

    certificate: str
    serial: int
    login: str
    host: str
    port: int
    principals: list[str]
    valid_before: str
    known_hosts: str
