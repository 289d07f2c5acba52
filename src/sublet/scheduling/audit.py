"""What of capacity goes into the audit trail."""

from typing import Annotated

from sublet.audit.fields import TRACK, Recorded


class GpuRecord(Recorded):
    """Whether a GPU can be given out, and on whose word."""

    node_id: Annotated[str, TRACK]
    state: Annotated[str, TRACK]
    reason: Annotated[str | None, TRACK] = None
