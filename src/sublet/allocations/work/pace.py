"""When a failed step is tried again, and when it is not."""

from dataclasses import dataclass
from enum import StrEnum

from sublet.billing.policy import Policy
from sublet.core.errors import SubletError
from sublet.core.settings import Settings
from sublet.core.work.pace import Pace
from sublet.fleet.errors import (
    EntryRefused,
    HostNotVerified,
    LimitsNotEnforced,
    NodeError,
    NodeFailure,
    NodeNotEnrolled,
    NodeUnreachable,
    StaleGeneration,
)


class Failure(StrEnum):
    """What kind of failure a node's answer is."""

    RETRYABLE = "retryable"
    CAPACITY = "capacity"
    PERMANENT = "permanent"


@dataclass(frozen=True, slots=True)
class AllocationPace:
    """How often setting up and releasing are tried, and how long is waited in between."""

    policy: Policy
    provision_attempts: int = 5
    attempts_before_another_node: int = 2
    provision_crashes: int = 5
    """After so many workers died of setting one up, in succession, it goes to another node, or ends."""
    release_attempts: int = 6
    shortest_wait_seconds: float = 0.5
    longest_wait_seconds: float = 20.0
    longest_repair_wait_seconds: float = 60.0
    verify_seconds: float = 600.0
    """After so long what runs is applied again, so that limits which somebody changed on the node are set right."""

    @classmethod
    def of(cls, settings: Settings) -> "AllocationPace":
        """The pace that the settings describe."""
        return cls(
            provision_attempts=settings.provision_attempts,
            policy=Policy.of(settings),
        )

    @property
    def of_work(self) -> Pace:
        """The pace of the engine: it never ends by itself, because a release is tried until it is proven."""
        return Pace(shortest_seconds=self.shortest_wait_seconds, longest_seconds=self.longest_repair_wait_seconds)


# The node is there and lacks what was promised: another node may have it, the same request here will not succeed.
_LACKING = frozenset({"gpu_missing", "gpu_in_use", "uid_not_available", "disk_full", "no_space"})


def classify(error: SubletError) -> Failure:
    """What kind of failure it is."""
    if isinstance(error, StaleGeneration):
        return Failure.RETRYABLE
    if isinstance(error, NodeFailure) and error.node_code in _LACKING:
        return Failure.CAPACITY
    if isinstance(error, NodeNotEnrolled | HostNotVerified):
        return Failure.CAPACITY
    if isinstance(error, NodeError) and error.retryable:
        return Failure.RETRYABLE
    return Failure.PERMANENT


def cause_of(error: SubletError) -> str:
    """The code that operators look for: the node's own where the node could not do it."""
    return error.node_code if isinstance(error, NodeFailure) else error.code


def attempt_reason(error: SubletError) -> tuple[str, str]:
    """Why an attempt failed that is followed by another, for the allocation's owner: the node's inside, which the error
    itself may show, is for the operator's log."""
    if isinstance(error, NodeUnreachable):
        return "node_unreachable", "The node did not answer. It is asked again, at growing intervals."
    return error.code, "The node could not do it this time. It is asked again, at growing intervals."


def customer_reason(error: SubletError, failure: Failure) -> tuple[str, str]:
    """A stable code and a sentence that the allocation's owner can act on, without the node's inside."""
    if failure is Failure.CAPACITY:
        return "node_lacks_capacity", (
            "None of the nodes that were tried could provide what the offer promises. Nothing was charged and the "
            "funds are available again. Launch again later, or choose another offer."
        )
    if isinstance(error, NodeUnreachable):
        return "node_unreachable", (
            "The node that was tried last did not answer, however often it was asked. Nothing was charged and the "
            "funds are available again. Launch again later, or choose another offer."
        )
    if isinstance(error, LimitsNotEnforced):
        return "limits_not_enforced", (
            "The node that was tried last could not keep the allocation within its limits, and away from others, so it "
            "was not started. Nothing was charged and the funds are available again. Launch again later, or choose "
            "another offer."
        )
    if isinstance(error, EntryRefused):
        return "entry_refused", (
            "The node that was tried last set the allocation up and let nobody into it, so it was not started. Nothing "
            "was charged and the funds are available again. Launch again later, or choose another offer."
        )
    return "provisioning_failed", (
        "The node could not set the allocation up. Nothing was charged and the funds are available again. Launch "
        f"again; if it fails again, give the operator this code: {error.code}."
    )
