"""Operator routes that span domains: run the books' checks now, and hand out again what was set aside."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

from sublet.admin import checks
from sublet.admin.audit import AssignedRecord, ResolvedRecord
from sublet.audit.record import record
from sublet.core import dead_letters
from sublet.core.actors import Permission
from sublet.core.clock import database_now
from sublet.core.errors import InvalidInput
from sublet.core.http import ActorDep, SessionDep, SettingsDep, SubletRouter
from sublet.core.money import MoneyField
from sublet.core.outbox import parse_cursor
from sublet.core.pages import Page, PageQueryDep, page_of, unknown_cursor
from sublet.core.work import trouble
from sublet.findings import findings, resolution
from sublet.findings.api import FindingsDep
from sublet.findings.checks import keep
from sublet.findings.schemas import FindingOwnerOut, StoredFindingOut
from sublet.identity import operators
from sublet.payments.schemas import WebhookReceived
from sublet.payments.stripe import inbox

router = SubletRouter(prefix="/api/v1/admin", tags=["operator"])


class UnfinishedWorkOut(BaseModel):
    """A row of work that does not come to its end, and since when."""

    kind: str
    id: str
    place: str
    trouble: Literal["set_aside", "crashing", "failing", "waiting"]
    attempts: int
    crashes: int
    last_error: str | None
    since: datetime


class RetriedWorkOut(BaseModel):
    """Work that was asked for again; what was not set aside is tried by itself."""

    kind: str
    id: str
    was_set_aside: bool


class FindingOut(BaseModel):
    """One mismatch that a check found, with the amounts that do not fit by name."""

    subject: str
    detail: str
    amounts: dict[str, MoneyField]


class CheckOut(BaseModel):
    """One check of the books: it holds, or these are its findings."""

    name: str
    ok: bool
    findings: list[FindingOut]


class ReconciliationOut(BaseModel):
    """The outcome of one run over all checks."""

    checks: list[CheckOut]
    ran_at: datetime


class SetAsideOut(BaseModel):
    """An event that its handler kept refusing; nobody tries it any more until it is replayed."""

    id: str
    type: str
    subject: str
    attempts: int
    last_error: str
    failed_at: datetime


class ReplayOut(BaseModel):
    """An event that was asked for again: it waits to be handled, or there is nothing left to do."""

    id: str
    type: str
    subject: str
    state: Literal["waiting", "done"]


@router.post("/reconcile", permission=Permission.ADMIN_RECONCILE)
async def run_reconciliation(actor: ActorDep, session: SessionDep, settings: SettingsDep) -> ReconciliationOut:
    """Run every check now; opens and closes findings, and repairs nothing."""
    results = await checks.run(session, heads_file=settings.seal_heads_file)
    await keep(session, results)
    await record(session, actor, "ledger.reconciled", "ledger", "all")
    return ReconciliationOut(
        checks=[
            CheckOut(
                name=result.name,
                ok=result.ok,
                findings=[
                    FindingOut(
                        subject=found.subject,
                        detail=found.problem,
                        amounts={name: amount.field() for name, amount in found.amounts.items()},
                    )
                    for found in result.findings
                ],
            )
            for result in results
        ],
        ran_at=await database_now(session),
    )


class ResolveFinding(BaseModel):
    """Why a finding is settled."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500)]


@router.post("/findings/{finding_id}/resolve", permission=Permission.ADMIN_FINDING_RESOLVE)
async def resolve_finding(
    actor: ActorDep,
    session: SessionDep,
    known: FindingsDep,
    finding_id: str,
    body: ResolveFinding,
) -> StoredFindingOut:
    """Close a finding on the operator's word; a check that still finds the same opens a new one.

    Money that was set aside for it stays so, and what the finding stopped may go on. A stop of launches ends with the
    last finding of what was taken back, and is refused before.
    """
    resolved = await resolution.resolve(
        session, finding_id, consequences=known.consequences, by=actor.name or actor.kind, reason=body.reason
    )
    await record(session, actor, "finding.resolved", "finding", finding_id, after=ResolvedRecord(reason=body.reason))
    return StoredFindingOut.of(resolved, actor, findings.why_not_close(resolved), repairs=known.repairs)


class AssignFinding(BaseModel):
    """Which operator sees to a finding from now on; null gives it back to nobody."""

    model_config = ConfigDict(extra="forbid")

    owner_id: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None


@router.get("/finding-owners", permission=Permission.ADMIN_FINDING_READ)
async def list_finding_owners(session: SessionDep, query: PageQueryDep) -> Page[FindingOwnerOut]:
    """The operators to whom a finding can be given: those who may settle one."""
    (after,) = query.position(str) or (None,)
    wanted = {Permission.ADMIN_FINDING_RESOLVE}
    found = await operators.who_may(session, wanted, after=after, limit=query.limit + 1)
    return page_of(found, query.limit, lambda one: FindingOwnerOut(id=one.id, name=one.name), lambda one: [one.id])


@router.post("/findings/{finding_id}/assign", permission=Permission.ADMIN_FINDING_RESOLVE)
async def assign_finding(
    actor: ActorDep,
    session: SessionDep,
    known: FindingsDep,
    finding_id: str,
    body: AssignFinding,
) -> StoredFindingOut:
    """Say which operator sees to an open finding: one who may settle it."""
    before = await findings.get(session, finding_id)
    if refusal := findings.why_not_assign(before):
        raise refusal.problem
    name = None
    if body.owner_id is not None:
        name = await operators.name_of(session, body.owner_id, {Permission.ADMIN_FINDING_RESOLVE})
        if name is None:
            raise InvalidInput(
                f"{body.owner_id} is no operator who may settle findings. Nothing was changed. Name one who has the "
                "platform role finance or admin.",
                field="owner_id",
            )
    await findings.assign(session, finding_id, owner_id=body.owner_id, owner_name=name, by=actor.name or actor.kind)
    await record(
        session,
        actor,
        "finding.assigned",
        "finding",
        finding_id,
        before=AssignedRecord(owner_id=before.owner_id),
        after=AssignedRecord(owner_id=body.owner_id),
    )
    assigned = await findings.get(session, finding_id)
    refusals = await resolution.why_not_resolve(session, [assigned], consequences=known.consequences)
    return StoredFindingOut.of(assigned, actor, refusals.get(finding_id), repairs=known.repairs)


@router.post("/payment-events/{payment_event_id}/process", permission=Permission.ADMIN_EVENT_REPLAY, status_code=202)
async def process_payment_event(actor: ActorDep, session: SessionDep, payment_event_id: str) -> WebhookReceived:
    """Let a worker look again at an event of the card processor that was not understood."""
    await inbox.process_again(session, payment_event_id)
    await record(session, actor, "payment_event.processed_again", "payment_event", payment_event_id)
    return WebhookReceived()


@router.get("/events/set-aside", permission=Permission.ADMIN_EVENT_READ)
async def list_set_aside(session: SessionDep, query: PageQueryDep) -> Page[SetAsideOut]:
    """Events that a handler kept refusing, in the order in which they happened."""
    after = None
    if position := query.position(str):
        after = parse_cursor(position[0])
        if after is None:
            raise unknown_cursor()
    return page_of(
        await dead_letters.page(session, after=after, limit=query.limit + 1),
        query.limit,
        lambda event: SetAsideOut(
            id=event.event_id,
            type=event.event_type,
            subject=event.subject,
            attempts=event.attempts,
            last_error=event.last_error,
            failed_at=event.failed_at,
        ),
        lambda event: [event.event_id],
    )


@router.get("/work", permission=Permission.ADMIN_WORK_READ)
async def list_unfinished_work(session: SessionDep, query: PageQueryDep) -> Page[UnfinishedWorkOut]:
    """Work that does not come to its end, by kind and id: set aside, failing, ending workers, or taken by nobody."""
    return page_of(
        await trouble.page(session, after=query.position(str, str) or ("", ""), limit=query.limit + 1),
        query.limit,
        lambda one: UnfinishedWorkOut(
            kind=one.kind,
            id=one.id,
            place=one.place,
            trouble=one.trouble.value,
            attempts=one.attempts,
            crashes=one.crashes,
            last_error=one.last_error,
            since=one.since,
        ),
        lambda one: [one.kind, one.id],
    )


@router.post("/work/{kind}/{work_id}/retry", permission=Permission.ADMIN_WORK_RETRY)
async def retry_work(actor: ActorDep, session: SessionDep, kind: str, work_id: str) -> RetriedWorkOut:
    """Let a worker take up work that was set aside, as if it were new; repeating it is harmless."""
    changed = await trouble.retry(session, kind, work_id)
    if changed:
        await record(session, actor, "work.retried", kind, work_id)
    return RetriedWorkOut(kind=kind, id=work_id, was_set_aside=changed)


@router.post("/events/{event_id}/replay", permission=Permission.ADMIN_EVENT_REPLAY)
async def replay_event(actor: ActorDep, session: SessionDep, event_id: str) -> ReplayOut:
    """Let a worker handle an event again that was set aside; repeating it is harmless."""
    replayed = await dead_letters.replay(session, event_id)
    if replayed.changed:
        await record(session, actor, "event.replayed", "event", event_id)
    return ReplayOut(
        id=event_id,
        type=replayed.event_type,
        subject=replayed.subject,
        state="waiting" if replayed.waiting else "done",
    )
