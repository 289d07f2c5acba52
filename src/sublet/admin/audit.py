"""What of the operators' own acts goes into the audit trail."""

from typing import Annotated

from sublet.audit.fields import TRACK, Recorded


class ResolvedRecord(Recorded):
    """On whose word a finding was closed."""

    reason: Annotated[str, TRACK]


class AssignedRecord(Recorded):
    """Whose a finding is."""

    owner_id: Annotated[str | None, TRACK]
