"""The time bar: how much of the paid time is over, in one line of cells."""

from sublet.cli.formats import duration
from sublet.cli.style import Painted, paint
from sublet.client.shapes import Allocation, AllocationSummary

CELLS = 12
ELAPSED = "━"
PAID = "─"


def runs(allocation: Allocation | AllocationSummary) -> bool:
    """Whether the allocation's time passes: the allocation is active or suspended."""
    return allocation["state"] in {"active", "suspended"}


def fraction(elapsed_seconds: float, left_seconds: float | None) -> float:
    """The part that is over; all of it when nothing says how long it can go on."""
    if left_seconds is None:
        return 1.0
    whole = elapsed_seconds + max(0.0, left_seconds)
    return elapsed_seconds / whole if whole > 0 else 1.0


def time_bar(allocation: Allocation | AllocationSummary) -> Painted:
    """Elapsed against paid time of an allocation that runs; empty for one that does not."""
    if not runs(allocation):
        return Painted("")
    left = allocation["funds"]["runway_seconds"]
    full = round(CELLS * fraction(allocation["delivered_seconds"], left))
    elapsed = paint(ELAPSED * full, "warn" if allocation["funds"]["warning"] else "accent")
    return Painted(elapsed + paint(PAID * (CELLS - full), "muted"))


def time_line(allocation: Allocation) -> str:
    """`1 h 05 min used, 3 h 20 min left`."""
    used = f"{duration(allocation['delivered_seconds'])} used"
    left = allocation["funds"]["runway_seconds"] if runs(allocation) else None
    return f"{used}, {duration(left)} left" if left is not None else used
