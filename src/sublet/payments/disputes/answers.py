"""Answers to disputes: what speaks for a payment, sent to the bank through the processor, once for each stage.

What is to be sent is written down before anything is asked of the processor, and is what was sent: it never changes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from sqlalchemy import Row, func, select, update

from sublet.audit.fields import TRACK, Recorded
from sublet.audit.record import record
from sublet.core.actions import Refusal
from sublet.core.actors import Actor
from sublet.core.clock import database_now
from sublet.core.db import Database, Session
from sublet.core.errors import Conflict, NotFound, SubletError
from sublet.core.filters import one_of
from sublet.core.ids import new_id
from sublet.core.work import leases
from sublet.core.work.declaration import MOST_CRASHES, End, Step, Work
from sublet.core.work.leases import Lease
from sublet.core.work.outcomes import Done, Outcome, SetAside
from sublet.core.work.pace import Pace
from sublet.payments.disputes.states import DisputeState
from sublet.payments.models import dispute, dispute_answer, dispute_history
from sublet.payments.stripe import misconfiguration
from sublet.payments.stripe.errors import (
    ProcessorKeyMismatch,
    ProcessorMisconfigured,
    ProcessorRefused,
    ProcessorUnknown,
)
from sublet.payments.stripe.processor import Processor
from sublet.payments.stripe.reversals import AnswerOrder
from sublet.payments.top_ups import checkout
from sublet.payments.top_ups.checkout import log_failure

WORK = "dispute_answer"
PACE = Pace(shortest_seconds=1.0, longest_seconds=900.0)
DENIED = "Only operators who keep the books may answer a bank."

AnswerRow = Row[tuple[Any, ...]]

_ANSWERABLE = frozenset({DisputeState.INQUIRY, DisputeState.OPEN})

STEPS = (
    Step(
        "send",
        "looks whether the dispute has this answer already, and sends it to the bank where it has not, under a key "
        "that is the answer's id",
        "evidence at the processor that names our answer, and cannot be changed any more",
        "repeated, it finds the answer there; one that the processor refuses is noted as refused, and an operator can "
        "answer anew; where our key is not accepted it is set aside, until a key is, or an operator retries it",
    ),
    Step(
        "note",
        "notes that the answer was sent, or why it was refused, and has the payment looked at",
        "a line in the dispute's history",
        "none needed: one transaction, and an answer ends once",
    ),
)

END = End(
    MOST_CRASHES,
    "never ends before the processor has answered: the bank waits until its deadline",
    "set aside: the bank has no answer until it is taken up again",
)


class AnswerRecord(Recorded):
    """An answer as the trail keeps it; its text is kept with the dispute."""

    dispute_id: Annotated[str, TRACK]
    stage: Annotated[str, TRACK]


@dataclass(frozen=True, slots=True)
class Refused:
    """The processor does not take the answer."""

    said: str


@dataclass(frozen=True, slots=True)
class NotAsked:
    """Our key is not accepted, or is another account's: whether there is such an answer, nobody could say."""

    code: str


def why_not_answer(
    row: Row[tuple[Any, ...]], last: AnswerRow | None, now: datetime, processor: Processor
) -> Refusal | None:
    """Why the bank cannot be answered now, by the dispute and the newest answer to it."""
    if row.state not in _ANSWERABLE:
        return Refusal(Conflict, f"Dispute {row.id} is {row.state}: the bank waits for no answer.")
    if last is not None and last.stage == row.state and last.refusal is None:
        told = "is on its way" if last.sent_at is None else "was sent, and the bank takes one"
        return Refusal(Conflict, f"Answer {last.id} of {last.answered_by_name} {told}.")
    if row.due_by is not None and row.due_by < now:
        return Refusal(Conflict, f"The bank took answers until {row.due_by:%Y-%m-%d %H:%M} UTC.")
    return processor.why_not_pay()


async def newest(session: Session, dispute_ids: Sequence[str]) -> dict[str, AnswerRow]:
    """The newest answer to each of the disputes that have one."""
    mine = select(dispute_answer).where(one_of(dispute_answer.c.dispute_id, list(dispute_ids)))
    rows = await session.execute(mine.order_by(dispute_answer.c.seq))
    return {row.dispute_id: row for row in rows}


async def begin(
    session: Session, actor: Actor, dispute_id: str, evidence: Mapping[str, str], *, processor: Processor
) -> None:
    """Write an answer down, and have the processor sent it once the transaction commits; NotFound, Conflict.

    `evidence` is by the processor's names of its fields.
    """
    found = await session.execute(select(dispute).where(dispute.c.id == dispute_id).with_for_update())
    row = found.one_or_none()
    if row is None:
        raise NotFound("dispute", dispute_id)
    last = (await newest(session, [dispute_id])).get(dispute_id)
    if refusal := why_not_answer(row, last, await database_now(session), processor):
        raise refusal.problem
    answer_id = new_id("ans")
    await session.execute(
        dispute_answer.insert().values(
            id=answer_id,
            dispute_id=dispute_id,
            stage=row.state,
            evidence=dict(evidence),
            answered_by=actor.user_id or actor.kind,
            answered_by_name=actor.name or actor.shown_as,
        )
    )
    said = AnswerRecord(dispute_id=dispute_id, stage=row.state)
    about = {"after": said, "organization_id": row.organization_id}
    await record(session, actor, "dispute.answered", "dispute", dispute_id, **about)
    await leases.make_due(session, WORK, answer_id, place=row.organization_id)


def work(database: Database, processor: Processor) -> Work[AnswerOrder, Refused | NotAsked | None]:
    """The kind of work `dispute_answer`: sends each answer once."""

    async def take(session: Session, lease: Lease) -> AnswerOrder | Outcome:
        of_answer = select(dispute_answer, dispute.c.processor_id).join_from(
            dispute_answer, dispute, dispute.c.id == dispute_answer.c.dispute_id
        )
        row = (await session.execute(of_answer.where(dispute_answer.c.id == lease.id))).one_or_none()
        if row is None or row.sent_at is not None or row.refusal is not None:
            return Done()
        return AnswerOrder(row.id, row.processor_id, row.evidence)

    async def act(lease: Lease, order: AnswerOrder) -> Refused | NotAsked | None:
        try:
            async with misconfiguration.told_of(database):
                await processor.send_answer(order)
        except (ProcessorMisconfigured, ProcessorKeyMismatch, ProcessorUnknown) as error:
            return NotAsked(error.code)
        except ProcessorRefused as error:
            return Refused(error.detail)
        except SubletError as error:
            log_failure(error, dispute_answer=lease.id)
            raise
        return None

    async def conclude(session: Session, lease: Lease, order: AnswerOrder, ended: Refused | NotAsked | None) -> Outcome:
        if isinstance(ended, NotAsked):
            return SetAside(ended.code)
        values = {"sent_at": func.clock_timestamp()} if ended is None else {"refusal": ended.said}
        noted = update(dispute_answer).where(dispute_answer.c.id == lease.id).values(values)
        answer = (await session.execute(noted.returning(dispute_answer.c.dispute_id))).one()
        row = (await session.execute(select(dispute).where(dispute.c.id == answer.dispute_id))).one()
        told = f"answer {lease.id} was sent to the bank" if ended is None else f"answer {lease.id} was not taken"
        line = {"dispute_id": row.id, "previous": row.state, "next": row.state, "reason": told}
        await session.execute(dispute_history.insert().values(line))
        await leases.look_again(session, checkout.WORK, row.top_up_id, place=row.organization_id)
        return Done()

    return Work(
        kind=WORK, take=take, act=act, conclude=conclude, pace=PACE, end=END, slots=4, slots_each=2, steps=STEPS
    )
