"""When a failed step is tried again, and when it is not."""

from dataclasses import dataclass
from enum import StrEnum

from sublet.billing.policy import Policy
from sublet.core.errors import SubletError
from sublet.core.settings import Settings
from sublet.core.work.pace import Pace
from sublet.fleet import codes
from sublet.fleet.errors import NodePaused, StaleGeneration


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


def classify(error: SubletError) -> Failure:
    """What kind of failure it is, by the list of codes. Whoever was overtaken comes again with a newer generation."""
    known = codes.of(error)
    if known.capacity:
        return Failure.CAPACITY
    if known.retryable or isinstance(error, StaleGeneration):
        return Failure.RETRYABLE
    return Failure.PERMANENT


def pause_of(error: SubletError) -> float:
    """For how many seconds trying again is known to be in vain: while nothing is sent to the node."""
    return error.seconds if isinstance(error, NodePaused) else 0.0
