"""What an operator sees while a machine becomes a node: each step, how it stands, and what to do when it does not."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sublet.fleet import addresses, codes, helper_versions
from sublet.fleet.backend import Capability
from sublet.fleet.nodes import LEFT, SLOW, Node
from sublet.fleet.states import NodeState

StepState = Literal["done", "waiting", "failed"]

MAX_CLOCK_SKEW_SECONDS = 20.0

_FIXES = {
    "node_unreachable": "Check the address and port given for the node, its firewall, and that its sshd runs.",
    "node_timed_out": "Look at the node's load and at its helper: `sublet-node rpc` on it must answer.",
    "node_refused": "Run the join command again with a new token; it puts the certificate authority's keys in place.",
    "host_certificate_missing": "Run the join command again with a new token; it puts the host certificate in place.",
    "host_key_changed": "If the machine was set up anew, run the join command again with a new token.",
    "host_not_verified": "Run the join command again with a new token; check that no other machine has this address.",
    "node_paused": "Check the address and port given for the node, its firewall, and that its sshd runs.",
    "deadline_passed": "Look at the node's load and at its disks.",
    "node_answer_invalid": "Run the join command again with a new token, so that the helper is of this release.",
    "machine_already_enrolled": "Enrol the other node again without this GPU, or remove it there.",
}
_CLOSED = {
    "not_seen": (
        "nothing is placed here: the node was not seen at its last three looks",
        "Look at why it does not answer; it takes work again with the first look that succeeds.",
    ),
    "old_helper": (
        f"nothing is placed here: the node's helper is older than {helper_versions.MINIMUM}",
        "Make a new join token and run its command on the machine as root: that installs the helper of this release.",
    ),
    "no_entry": (
        "nothing is placed here: a customer would not get in",
        "See to what the step `entry` names; it takes work again by itself.",
    ),
    "no_inodes": (
        "nothing is placed here: the file system of the homes has fewer than 10000 free inodes",
        "Remove files there, or give it a file system with more inodes.",
    ),
}
_LET_IN = (
    "See to what is named. It is tried again within a minute, and at once when sshd, PAM or the helper change; the "
    "node takes work with the first login that comes in and is proven to be gone again."
)
_NODES_OWN = "Look at the node's log; running the join command again reinstalls the helper."
_JOIN_AGAIN = "Make a new join token and run its command on the machine as root."


@dataclass(frozen=True, slots=True)
class Step:
    """One step of enrolment."""

    name: str
    state: StepState
    detail: str
    fix: str | None = None


def steps(
    node: Node, *, token_expires_at: datetime | None, clock_skew_seconds: float | None, now: datetime
) -> list[Step]:
    """Every step, in order, as it stands now."""
    return [
        Step("added", "done", f"{node.name} at {addresses.shown(node.address, node.port)}"),
        _joined(node, token_expires_at),
        _certified(node, now),
        _connected_back(node),
        _entry(node),
        _clock(node, clock_skew_seconds),
        _limits(node),
        *_gpus(node),
        _accepting(node),
    ]


def _joined(node: Node, token_expires_at: datetime | None) -> Step:
    if node.enrolled_at is not None:
        return Step("joined", "done", f"joined at {node.enrolled_at.isoformat(timespec='seconds')}")
    if token_expires_at is not None:
        until = token_expires_at.isoformat(timespec="seconds")
        return Step("joined", "waiting", f"the join command works until {until}", "Run it on the machine as root.")
    if node.failure is not None and node.failure.code == LEFT:
        return Step("joined", "failed", node.failure.detail, f"{_JOIN_AGAIN} Or remove the node.")
    return Step("joined", "failed", "the join token ended before the machine joined", _JOIN_AGAIN)


def _certified(node: Node, now: datetime) -> Step:
    ends = node.host_certificate_expires_at
    if ends is None:
        return Step("host_certificate", "waiting", "issued when the machine joins")
    if ends <= now:
        return Step("host_certificate", "failed", f"ended at {ends.isoformat(timespec='seconds')}", _JOIN_AGAIN)
    return Step("host_certificate", "done", f"valid until {ends.isoformat(timespec='seconds')}, renewed every hour")


def _connected_back(node: Node) -> Step:
    if node.failure is not None and node.failure.code == SLOW:
        return Step("connected_back", "done", node.failure.detail)
    if node.failure is not None and node.enrolled_at is not None:
        fix = _NODES_OWN if node.failure.code in codes.OF_NODES else _JOIN_AGAIN
        return Step("connected_back", "failed", node.failure.detail, _FIXES.get(node.failure.code, fix))
    if node.verified_at is not None:
        return Step("connected_back", "done", "Sublet reached the node over SSH and it proved who it is")
    return Step("connected_back", "waiting", "Sublet connects back as soon as the machine has joined")


def _entry(node: Node) -> Step:
    if node.no_entry is not None:
        return Step("entry", "failed", f"{node.no_entry.cause}: {node.no_entry.detail}", _LET_IN)
    if node.entered_at is None:
        return Step("entry", "waiting", "tried once Sublet has connected back")
    at = node.entered_at.isoformat(timespec="seconds")
    return Step("entry", "done", f"a login made for it came in as a customer does at {at}, and is gone again")


def _clock(node: Node, skew: float | None) -> Step:
    if node.verified_at is None or skew is None:
        return Step("clock", "waiting", "compared when Sublet connects back")
    if abs(skew) > MAX_CLOCK_SKEW_SECONDS:
        fix = "Keep the node's clock right with chrony or systemd-timesyncd."
        return Step("clock", "failed", f"{skew:+.1f} s from ours: short-lived certificates will be refused", fix)
    return Step("clock", "done", f"{skew:+.1f} s from ours")


def _limits(node: Node) -> Step:
    if node.verified_at is None or node.limits_enforced is None:
        return Step("limits", "waiting", "measured when Sublet connects back")
    missing = [item for item in node.capabilities if not item.enforced]
    if node.limits_enforced:
        also = f"; not enforced: {_names(missing)}" if missing else ""
        return Step("limits", "done", f"the kernel enforces CPU, memory, task and device limits{also}")
    detail = f"not enforced: {_names(missing)}. Offers on this node say so."
    return Step("limits", "failed", detail, "Run the node with systemd and cgroups, then let it join again.")


def _names(capabilities: list[Capability]) -> str:
    return ", ".join(item.name for item in capabilities) or "unknown"


def _gpus(node: Node) -> list[Step]:
    """Only where something is wrong with all of them: what is wrong with one stands with it."""
    if not node.gpu_trouble:
        return []
    fix = "Look at the driver: `nvidia-smi` and `journalctl -k` on the node. Let it join again if its GPUs changed."
    return [Step("gpus", "failed", "; ".join(node.gpu_trouble), fix)]


def _accepting(node: Node) -> Step:
    if node.closed is None:
        return Step("accepting_work", "done", "new allocations can be placed here")
    if node.closed in _CLOSED:
        return Step("accepting_work", "failed", *_CLOSED[node.closed])
    if node.state is NodeState.ENROLLING:
        return Step("accepting_work", "waiting", "once somebody has come in as a customer does")
    fix = {
        NodeState.CORDONED: "Uncordon the node.",
        NodeState.OFFLINE: "Bring the node back; it takes work again when it answers.",
    }.get(node.state)
    return Step("accepting_work", "failed", f"the node is {node.state.value}", fix)
