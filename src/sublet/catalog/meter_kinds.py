"""What is metered, and in which unit. The ledger has a revenue account for each kind: `revenue_` and its name."""

from enum import StrEnum


class MeterKind(StrEnum):
    """What a meter measures. Only compute is sold so far; storage, reserved time and egress wait for their domains."""

    COMPUTE = "compute"
    STORAGE = "storage"
    RESERVED = "reserved"
    EGRESS = "egress"


UNITS = {
    MeterKind.COMPUTE: "second",
    MeterKind.STORAGE: "GiB-second",
    MeterKind.RESERVED: "second",
    MeterKind.EGRESS: "GiB",
}
"""What one of it is. Waits for prices of anything but compute, and for invoices that name the unit."""
