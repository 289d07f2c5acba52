"""What happens to nodes, told to the platform's operators."""

from datetime import datetime
from typing import ClassVar

from sublet.core.outbox import Event


class NodeEnrolled(Event):
    """A node answered over SSH with its own certificate and can take work."""

    type: ClassVar[str] = "node.enrolled"
    node_id: str
    name: str
    state: str


class NodeStateChanged(Event):
    """A node's state changed."""

    type: ClassVar[str] = "node.state_changed"
    node_id: str
    name: str
    state: str
    previous_state: str
    reason: str


class GpuErred(Event):
    """Something is wrong with a GPU since `at`, seen for the first time: `detail` for operators, `told` for customers.

    `severity` says what is made of it: `quarantine`, `look` or `program`.
    """

    type: ClassVar[str] = "gpu.erred"
    gpu: str
    node_id: str
    node_name: str
    code: str
    severity: str
    detail: str
    told: str
    at: datetime


class GpuQuarantined(Event):
    """A GPU is given to nobody from now on, because something is wrong with it; what has it already goes on."""

    type: ClassVar[str] = "gpu.quarantined"
    gpu: str
    model: str
    node_id: str
    code: str
    reason: str


class NodeDrainBegun(Event):
    """A node is being emptied: what still runs there at the deadline is suspended."""

    type: ClassVar[str] = "node.drain_begun"
    node_id: str
    drain_id: str
    reason: str
    deadline_at: datetime


class NodeDrainDue(Event):
    """The deadline of a drain has passed."""

    type: ClassVar[str] = "node.drain_due"
    node_id: str
    drain_id: str


class NodeSelfTested(Event):
    """A node has tested itself; `failed` are the checks that it did not pass."""

    type: ClassVar[str] = "node.self_tested"
    node_id: str
    passed: bool
    failed: list[str]


class NodeGivenUp(Event):
    """A node will not return: what lived there ends, and is credited so much time at its own rate."""

    type: ClassVar[str] = "node.given_up"
    node_id: str
    name: str
    credit_seconds: int
