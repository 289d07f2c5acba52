"""Every code with which a node, or the way to it, fails: what its customer is told, and what is done about it.

One list for node and control plane. A test compares it with what the node's program raises and with the page of the
protocol, so that a code of one of them is known to all.
"""

from dataclasses import dataclass

from sublet.core.errors import SubletError
from sublet.fleet.errors import NodeError, NodeFailure

UNKNOWN = "node_code_unknown"
"""What a customer is given for a code that is not in the list; the operator reads the node's own."""


@dataclass(frozen=True, slots=True)
class Code:
    """One code. `told` is a sentence for the customer: no address, no path, nobody else's name.

    `retryable` says whether the same request may succeed later; `capacity`, whether the node lacks what was sold, so
    that another node may have it.
    """

    code: str
    told: str
    retryable: bool = False
    capacity: bool = False


_NO_ANSWER = "The node did not answer."
_WRONG = "The node and Sublet do not understand each other."
_ANOTHERS = "The node has something else where this was to be."
_GPU = "A GPU that was to be used could not be given out on the node."
_BLIND = "The node could not see what is on it."
_PROGRAM = "A program on the node failed."
_PERSON = "The node needs its operator."
_HOST = "What answers in the node's place could not prove that it is the node."
_NETWORK = "The node could not give it a network of its own."
_REMAINS = "Something on the node could not be ended yet."

_OF_NODES = (
    Code("bad_request", _WRONG),
    Code("version_unsupported", _WRONG),
    Code("verb_unknown", _WRONG),
    Code("stale_generation", "The node has been asked for something newer meanwhile."),
    Code("identity_mismatch", _ANOTHERS),
    Code("account_taken", _ANOTHERS),
    Code("home_unsafe", _ANOTHERS),
    Code("uid_not_available", "The node has no free account for it.", capacity=True),
    Code("gpu_missing", _GPU, capacity=True),
    Code("gpu_in_use", _GPU, capacity=True),
    Code("gpu_listing_failed", _GPU),
    Code("links_used_up", _NETWORK, capacity=True),
    Code("not_alone", "The node is not free of others, as was sold.", retryable=True, capacity=True),
    Code("disk_full", "The node has no disk space left for it.", capacity=True),
    Code("disk_quota_exceeded", "The node has no disk space left for it.", capacity=True),
    Code("memory_exhausted", "The node has no memory left for it.", capacity=True),
    Code("descriptors_exhausted", "The node has too many files open to do more.", capacity=True),
    Code("not_active", "The allocation was not active on its node.", retryable=True),
    Code("account_failed", "The node could not make the account.", retryable=True),
    Code("busy", "The node was still busy with what it was asked before.", retryable=True),
    Code("processes_remain", _REMAINS, retryable=True),
    Code("sessions_remain", _REMAINS, retryable=True),
    Code("home_held", _REMAINS, retryable=True),
    Code("command_failed", _PROGRAM, retryable=True),
    Code("command_timeout", "A program on the node took too long.", retryable=True),
    Code("deadline_passed", "The node answers, but slowly.", retryable=True),
    Code("listing_failed", _BLIND, retryable=True),
    Code("state_unreadable", _BLIND),
    Code("places_missing", _PERSON),
    Code("program_missing", _PERSON),
    Code("architecture_unknown", _PERSON),
    Code("namespaces_failed", _NETWORK, retryable=True),
    Code("network_failed", _NETWORK),
    Code("forwarding_refused", _NETWORK),
    Code("name_unknown", _PERSON, retryable=True),
    Code("firewall_unavailable", _PERSON),
    Code("host_key_mismatch", _PERSON),
    Code("host_key_missing", _PERSON),
    Code("host_certificate_not_valid_now", _PERSON),
    Code("sshd_not_running", _PERSON, retryable=True),
    Code("sshd_refused", _PERSON),
    Code("sshd_missing", _PERSON),
    Code("sshd_ignores_drop_ins", _PERSON),
    Code("node_fault", _PROGRAM, retryable=True),
    Code("helper_damaged", _PERSON, retryable=True),
    Code("helper_refused", _PERSON),
    Code("upgrade_pending", _PERSON, retryable=True),
    Code("upgrade_undone", _PERSON),
    Code("helper_fault", "Sublet's own program on the node failed."),
)

_OF_THE_WAY = (
    Code("node_unreachable", _NO_ANSWER, retryable=True),
    Code("node_timed_out", "The node did not answer in time.", retryable=True),
    Code("node_paused", _NO_ANSWER, retryable=True),
    Code("node_crowded", "The node was still busy with what it was asked before.", retryable=True),
    Code("node_not_enrolled", "The node is not part of the fleet.", capacity=True),
    Code("node_kind_unknown", _WRONG, retryable=True),
    Code("node_refused", "The node did not let Sublet in.", retryable=True),
    Code("host_not_verified", _HOST, capacity=True),
    Code("host_certificate_missing", _HOST, capacity=True),
    Code("host_key_changed", _HOST, capacity=True),
    Code("node_answer_invalid", _WRONG, retryable=True),
    Code("listing_incomplete", _BLIND, retryable=True),
    Code(
        "limits_not_enforced",
        "The node could not keep the allocation within its limits, and away from others.",
        retryable=True,
    ),
    Code("entry_refused", "The node set the allocation up and let nobody into it.", retryable=True),
    Code("helper_not_in_place", _WRONG),
    Code("trial_not_gone", "What was tried on the node was not gone from it afterwards.", retryable=True),
    Code("helper_ended", "Sublet's own program on the node failed.", retryable=True),
)

OF_NODES = {one.code: one for one in _OF_NODES}
"""What a node answers."""

OF_THE_WAY = {one.code: one for one in _OF_THE_WAY}
"""What the control plane says by itself: of the way to a node, and of an answer."""

_FAILED = "The node could not do it."
_NOT_KNOWN = "The node failed in a way that this release of Sublet does not know."


def of(error: SubletError) -> Code:
    """What is known of an error. A node's code that is not in the list counts for nothing but the node's own word on
    whether the same request may succeed later."""
    if isinstance(error, NodeFailure):
        return OF_NODES.get(error.node_code) or Code(UNKNOWN, _NOT_KNOWN, retryable=error.retryable)
    known = OF_THE_WAY.get(error.code)
    if known is not None:
        return known
    return Code(error.code, _FAILED, retryable=isinstance(error, NodeError) and error.retryable)


def of_operator(error: SubletError) -> str:
    """The code that operators are given: the node's own, also where it is not in the list."""
    return error.node_code if isinstance(error, NodeFailure) else error.code
