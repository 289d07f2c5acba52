"""What happens to nodes, told to the platform's operators."""

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
