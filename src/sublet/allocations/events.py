"""What is told about allocations and the work on them."""

from datetime import datetime
from typing import ClassVar

from sublet.core.outbox import Event


class AllocationEvent(Event):
    """Base of the events about an allocation's state; `previous_state` is null for a new one."""

    allocation_id: str
    name: str
    state: str
    previous_state: str | None
    reason: str


class AllocationCreated(AllocationEvent):
    """Launched: funds are held and capacity is claimed; the node knows nothing of it yet."""

    type: ClassVar[str] = "allocation.created"


class AllocationProvisioning(AllocationEvent):
    """A worker has begun to set it up on its node."""

    type: ClassVar[str] = "allocation.provisioning"


class AllocationActive(AllocationEvent):
    """It can be used, and is billed."""

    type: ClassVar[str] = "allocation.active"


class AllocationSuspended(AllocationEvent):
    """Its login is closed and its processes have ended; its data are kept."""

    type: ClassVar[str] = "allocation.suspended"


class AllocationResumed(AllocationEvent):
    """It was suspended and can be used again."""

    type: ClassVar[str] = "allocation.resumed"


class AllocationReleasing(AllocationEvent):
    """Its release was asked for: it is not billed any more, and its node is being cleaned."""

    type: ClassVar[str] = "allocation.releasing"


class AllocationReleased(AllocationEvent):
    """It has ended, and its hold is settled. Nothing of it is left on its node, which is proven, and its capacity is
    free; or its node will not return, and none of that is given out again."""

    type: ClassVar[str] = "allocation.released"


class AllocationFailed(AllocationEvent):
    """It could not be set up; nothing was charged."""

    type: ClassVar[str] = "allocation.failed"


class AllocationReleaseFailed(AllocationEvent):
    """It is not proven that nothing is left: its capacity stays blocked, and its owner is not billed."""

    type: ClassVar[str] = "allocation.release_failed"


class AllocationLost(AllocationEvent):
    """Its node has not answered for too long: it is not billed beyond what was last seen."""

    type: ClassVar[str] = "allocation.lost"


class AllocationIncident(Event):
    """Base of what befell the work in an allocation; `detail` is a sentence for its owner."""

    allocation_id: str
    name: str
    detail: str


class AllocationRanOutOfMemory(AllocationIncident):
    """The kernel of its node ended processes of it for want of memory: `processes` since this was last told."""

    type: ClassVar[str] = "allocation.ran_out_of_memory"

    processes: int


class AllocationNodeRestarted(AllocationIncident):
    """Its node was restarted: every process that ran in it has ended, and its files are kept."""

    type: ClassVar[str] = "allocation.node_restarted"


class AllocationGpuErred(AllocationIncident):
    """A GPU of it reported an error; `gpu` is its UUID, and `code` one word for the error, such as `xid_48`."""

    type: ClassVar[str] = "allocation.gpu_erred"

    gpu: str
    code: str


class AllocationStartupEnded(Event):
    """Its startup script has ended, well or not, or was ended; the allocation goes on as before."""

    type: ClassVar[str] = "allocation.startup_ended"

    allocation_id: str
    name: str
    state: str
    ended_by: str
    exit_code: int | None
    signal: int | None


class OperationProgressed(Event):
    """An operation has begun, passed a step, or ended."""

    type: ClassVar[str] = "operation.progressed"

    operation_id: str
    allocation_id: str
    kind: str
    state: str
    step: str | None


class PortChanged(Event):
    """A port of the node leads to an allocation now, or does not any more; `previous_state` is null for a new one."""

    type: ClassVar[str] = "allocation.port_changed"

    allocation_id: str
    port_id: str
    protocol: str
    port: int
    node_port: int
    state: str
    previous_state: str | None


class FundsRanOut(Event):
    """The grace is over: the allocation is to be suspended."""

    type: ClassVar[str] = "allocation.funds_ran_out"

    allocation_id: str


class FundsRestored(Event):
    """There is money again: the allocation that lack of it suspended is to be resumed."""

    type: ClassVar[str] = "allocation.funds_restored"

    allocation_id: str


class DataClockEnded(Event):
    """Nobody has paid for the suspended allocation for as long as its data are kept: it is to be released."""

    type: ClassVar[str] = "allocation.data_clock_ended"

    allocation_id: str


class LimitReached(Event):
    """A spending limit of its organization, or its own, is reached: the allocation is to be suspended."""

    type: ClassVar[str] = "allocation.limit_reached"

    allocation_id: str


class LimitLifted(Event):
    """Its spending limits leave enough again: the allocation that one suspended is to be resumed."""

    type: ClassVar[str] = "allocation.limit_lifted"

    allocation_id: str


class AllocationNodeDraining(Event):
    """The node of an allocation that runs is being emptied: the allocation is suspended at the deadline if it still
    runs then, and its data are kept."""

    type: ClassVar[str] = "allocation.node_draining"

    allocation_id: str
    name: str
    deadline_at: datetime


class AllocationClaimEnding(Event):
    """What is suspended keeps its place on its node until then, and its disk after that; told when that is known, and
    again shortly before."""

    type: ClassVar[str] = "allocation.claim_ending"

    allocation_id: str
    name: str
    kept_until: datetime


class AllocationClaimEnded(Event):
    """What is suspended has given its place on its node back: its disk is kept, and it runs again if there is room."""

    type: ClassVar[str] = "allocation.claim_ended"

    allocation_id: str
    name: str
    ended_at: datetime


class AllocationWaitsForRoom(Event):
    """What is suspended may run again, and others have its place: it runs by itself as soon as there is room, as long
    as it waits for that."""

    type: ClassVar[str] = "allocation.waits_for_room"

    allocation_id: str
    name: str
    waits: bool


class AllocationDrainDue(Event):
    """The deadline has passed by which the node is to be empty: the allocation is to be suspended."""

    type: ClassVar[str] = "allocation.drain_due"

    allocation_id: str
    drain_id: str


class AllocationNodeOpen(Event):
    """The node is open again: the allocation that its emptying suspended is to be resumed."""

    type: ClassVar[str] = "allocation.node_open"

    allocation_id: str


class AllocationGivenUp(Event):
    """The node will not return: the allocation is to be ended, and so much time at its own rate credited."""

    type: ClassVar[str] = "allocation.given_up"

    allocation_id: str
    credit_seconds: int
