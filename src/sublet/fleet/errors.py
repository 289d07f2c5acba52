"""What can go wrong with a node, by name. `retryable` says whether the same request may succeed later."""

from typing import Any, ClassVar

from sublet.core.errors import Conflict, PermissionDenied, RemoteFailure


class NodeError(RemoteFailure):
    """Base of everything that a node, or the way to it, refuses or fails.

    `sent` says whether the node may have been asked; `request_id` is then what its own log calls the request.
    """

    code = "node_failed"
    retryable: bool = False
    sent: bool = True
    request_id: str | None = None


class NodeUnreachable(NodeError):
    """No connection to the node, or it was lost; whatever was asked may or may not have been done."""

    code = "node_unreachable"
    retryable = True
    sent = False


class NodeTimedOut(NodeUnreachable):
    """The node took the request and did not answer in time; whatever was asked may still be done."""

    code = "node_timed_out"
    sent = True


class NodePaused(NodeUnreachable):
    """The node could not be reached so often that nothing is sent to it for a moment: `seconds` from now."""

    code = "node_paused"

    def __init__(self, detail: str, *, seconds: float) -> None:
        super().__init__(detail)
        self.seconds = seconds


class NodeCrowded(NodeError):
    """The node is busy with earlier requests of ours, so this one was not sent."""

    code = "node_crowded"
    retryable = True
    sent = False


class NodeNotEnrolled(NodeError):
    """The node has not joined, so there is nothing to connect to."""

    code = "node_not_enrolled"
    sent = False


class NodeKindUnknown(NodeError):
    """The node is of a kind that this process has no backend for; one of a newer release may have it."""

    code = "node_kind_unknown"
    retryable = True
    sent = False


class NodeRefused(NodeError):
    """The node's sshd refused our certificate."""

    code = "node_refused"
    retryable = True
    sent = False


class HostNotVerified(NodeError):
    """Something answered at the node's address and could not prove that it is the node."""

    code = "host_not_verified"
    sent = False


class HostCertificateMissing(HostNotVerified):
    """The host answers, but without a host certificate."""

    code = "host_certificate_missing"


class HostKeyChanged(HostNotVerified):
    """The host answers with another key than the node enrolled with."""

    code = "host_key_changed"


class NodeAnswerInvalid(NodeError):
    """The node's answer is not what the protocol promises, so nothing may be concluded from it."""

    code = "node_answer_invalid"
    retryable = True


class HelperEnded(NodeError):
    """The node's helper ended without an answer; whatever was asked may or may not have been done."""

    code = "helper_ended"
    retryable = True


class LimitsNotEnforced(NodeError):
    """The node did what was asked, but its kernel does not show limits that the node enforces otherwise."""

    code = "limits_not_enforced"
    retryable = True


class EntryRefused(NodeError):
    """The account is there, and its customer does not get in or is not kept to it; `cause` is the node's word."""

    code = "entry_refused"
    retryable = True

    def __init__(self, detail: str, *, cause: str) -> None:
        super().__init__(detail, extra={"cause": cause})
        self.cause = cause


class HelperNotInPlace(NodeError):
    """After an upgrade another helper answers than was given."""

    code = "helper_not_in_place"


class TrialNotGone(NodeError):
    """What a trial login left on the node is not proven to be gone."""

    code = "trial_not_gone"
    retryable = True


class ListingIncomplete(NodeAnswerInvalid):
    """The node listed nothing although allocations are expected on it: an error, never "nothing exists"."""

    code = "listing_incomplete"


class NodeFailure(NodeError):
    """The node understood the request and could not do it; `node_code` and the detail are the node's own."""

    code = "node_request_failed"

    def __init__(self, detail: str, *, node_code: str, retryable: bool, extra: dict[str, Any] | None = None) -> None:
        super().__init__(detail, extra={"node_code": node_code, **(extra or {})})
        self.node_code = node_code
        self.retryable = retryable


class StaleGeneration(NodeFailure):
    """The node has seen a newer generation: whoever asked has been overtaken and changed nothing."""

    code = "stale_generation"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, node_code="stale_generation", retryable=False)


class JoinTokenRefused(PermissionDenied):
    """The join token is unknown, used or expired."""

    code: ClassVar[str] = "join_token_refused"
    title = "This join token is not valid"


class LeaveRefused(PermissionDenied):
    """A machine that says that it leaves cannot show that it is the node."""

    code: ClassVar[str] = "leave_refused"
    title = "This machine is not known to be that node"


class MachineAlreadyEnrolled(Conflict):
    """The machine, or a GPU in it, belongs to another node."""

    code = "machine_already_enrolled"
    title = "This machine is part of another node"
