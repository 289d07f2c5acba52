"""Operators' routes for what speaks for a disputed payment, and for sending it to the bank."""

from sublet.admin.evidence.packet import gather
from sublet.admin.evidence.schemas import DisputeEvidenceOut, EvidenceAnswer
from sublet.client.evidence_text import with_note
from sublet.core.actors import Permission
from sublet.core.http import ActorDep, SessionDep, SnapshotDep, SubletRouter
from sublet.payments.api import ProcessorDep
from sublet.payments.disputes import answers, disputes
from sublet.payments.disputes.schemas import DisputeOut

router = SubletRouter(prefix="/api/v1/admin", tags=["disputes"])


@router.get("/disputes/{dispute_id}/evidence", permission=Permission.ADMIN_DISPUTE_ANSWER)
async def show_evidence(
    actor: ActorDep, session: SnapshotDep, processor: ProcessorDep, dispute_id: str
) -> DisputeEvidenceOut:
    """What speaks for a disputed payment: who paid, what they accepted, what they were charged, and the proof of it."""
    row = await disputes.get(session, dispute_id)
    [shown] = await disputes.view(session, actor, [row], processor)
    return await gather(session, row, shown)


@router.post(
    "/disputes/{dispute_id}/evidence", permission=Permission.ADMIN_DISPUTE_ANSWER, creates=True, status_code=202
)
async def send_evidence(
    *, actor: ActorDep, session: SessionDep, processor: ProcessorDep, dispute_id: str, body: EvidenceAnswer
) -> DisputeOut:
    """Send the evidence to the bank, as it is now; it takes one answer, which cannot be changed afterwards."""
    row = await disputes.get(session, dispute_id)
    [shown] = await disputes.view(session, actor, [row], processor)
    fields = with_note((await gather(session, row, shown)).fields, body.note)
    await answers.begin(session, actor, dispute_id, fields, processor=processor)
    [shown] = await disputes.view(session, actor, [row], processor)
    return shown
