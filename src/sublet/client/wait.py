"""Waiting for an allocation to arrive in a state. Waiting changes nothing, and ending it cancels nothing."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from sublet.client.errors import SubletApiError, SubletConnectionError, WaitTimedOut
from sublet.client.shapes import Allocation

if TYPE_CHECKING:
    from sublet.client.client import Client

MOVING = frozenset({"queued", "provisioning", "releasing"})
ENDS = frozenset({"released", "failed", "release_failed", "lost"})
GOALS = {
    "provision": frozenset({"active", "suspended"}),
    "release": frozenset({"released"}),
    "suspend": frozenset({"suspended"}),
    "resume": frozenset({"active"}),
}
FIRST_POLL_SECONDS = 0.2
LONGEST_POLL_SECONDS = 2.0


def settled(allocation: Allocation, kind: str | None) -> bool:
    """Whether the work of `kind` (None: any) on the allocation is over, well or badly."""
    operation = allocation["operation"]
    if kind is None:
        running = operation is not None and operation["state"] == "running"
        return allocation["state"] not in MOVING and not running
    if allocation["state"] in GOALS[kind] | ENDS:
        return True
    return operation is not None and operation["kind"] == kind and operation["state"] in {"failed", "cancelled"}


def wait_until_settled(
    client: "Client",
    allocation: Allocation,
    *,
    kind: str | None = None,
    timeout_seconds: float,
    seen: Callable[[Allocation], None] = lambda _: None,
) -> Allocation:
    """Poll until the work is over and return what is there then; WaitTimedOut when it takes longer.

    `seen` is called with every version, the given one first. An outage shorter than the timeout is waited out.
    """
    deadline = time.monotonic() + timeout_seconds
    pause = FIRST_POLL_SECONDS
    while True:
        seen(allocation)
        if settled(allocation, kind):
            return allocation
        left = deadline - time.monotonic()
        if left <= 0:
            raise WaitTimedOut(allocation, timeout_seconds)
        client.sleep(min(pause, left))
        pause = min(pause * 1.5, LONGEST_POLL_SECONDS)
        try:
            allocation = client.allocation(allocation["id"])
        except SubletConnectionError:
            continue
        except SubletApiError as error:
            if error.status < 500:
                raise
