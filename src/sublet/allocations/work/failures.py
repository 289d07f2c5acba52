"""What is told of a failure: one code, a sentence for the customer, and what the operator reads beside it."""

from dataclasses import dataclass

from sublet.allocations.operations import STEPS, Kind, OperatorError
from sublet.core.errors import SubletError
from sublet.fleet import codes
from sublet.fleet.errors import EntryRefused, LimitsNotEnforced, NodeError


@dataclass(frozen=True, slots=True)
class Report:
    """A failure: `told` is one sentence for the customer, `inside` is for operators alone."""

    code: str
    told: str
    inside: OperatorError

    @property
    def again(self) -> str:
        """What the customer is told while it is tried again."""
        return f"{self.told} It is asked again, at growing intervals."

    @property
    def elsewhere(self) -> str:
        """What the customer is told when another node is tried."""
        return f"{self.told} Another node is tried."

    @property
    def given_up(self) -> str:
        """What the customer is told when a launch ends with it."""
        return (
            f"{self.told} No other node could take the launch instead. Nothing was charged and the funds are available "
            "again. Launch again later, or choose another offer; if it fails again, give the operator this code: "
            f"{self.code}."
        )


def report(error: SubletError, node_id: str) -> Report:
    """What is told of an error. The node's own code is for the operator, also where it is not in the list."""
    known = codes.of(error)
    request_id = error.request_id if isinstance(error, NodeError) else None
    return Report(known.code, known.told, OperatorError(codes.of_operator(error), error.detail, node_id, request_id))


_STEPS_OF_CODE = {
    "gpu_missing": "apply_limits",
    "gpu_in_use": "apply_limits",
    "gpu_listing_failed": "apply_limits",
    "sessions_remain": "end_processes",
    "processes_remain": "end_processes",
}
_FIRST_ON_NODE: dict[Kind, str] = {
    "provision": "create_account",
    "release": "close_access",
    "suspend": "close_access",
    "resume": "open_access",
}


def step_of(kind: Kind, error: SubletError, *, applied: bool = False) -> str:
    """The step of an operation at which it failed; `applied` says that the node had done all that it was asked for."""
    steps = STEPS[kind]
    if isinstance(error, LimitsNotEnforced) and "apply_limits" in steps:
        return "apply_limits"
    if isinstance(error, LimitsNotEnforced | EntryRefused) or applied:
        return "verify"
    if "connect_to_node" in steps and not (isinstance(error, NodeError) and error.sent):
        return "connect_to_node"
    named = _STEPS_OF_CODE.get(codes.of(error).code)
    return named if named in steps else _FIRST_ON_NODE[kind]
