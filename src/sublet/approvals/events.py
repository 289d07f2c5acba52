"""What happens to approvals, told to the platform's operators."""

from typing import ClassVar

from sublet.core.outbox import Event


class ApprovalEvent(Event):
    """Base of the events of an approval: which, of what act, on what."""

    approval_id: str
    act: str
    subject: str


class ApprovalRequested(ApprovalEvent):
    """Somebody asked for a second person's consent."""

    type: ClassVar[str] = "approval.requested"


class ApprovalApproved(ApprovalEvent):
    """A second person agreed; whoever asked may act now."""

    type: ClassVar[str] = "approval.approved"


class ApprovalRejected(ApprovalEvent):
    """A second person refused."""

    type: ClassVar[str] = "approval.rejected"


class ApprovalExpired(ApprovalEvent):
    """Nobody decided in time, or nobody acted in time."""

    type: ClassVar[str] = "approval.expired"


class ApprovalUsed(ApprovalEvent):
    """The act was done."""

    type: ClassVar[str] = "approval.used"
