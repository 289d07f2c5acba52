"""The routes of allocations, for customers and operators."""

from typing import Annotated

from fastapi import Path, Query, Request, Response

from sublet.allocations import certificates, details, launch, release, shown, suspension
from sublet.allocations.schemas import (
    AdminAllocationOut,
    AllocationOut,
    CertificateOut,
    CertificateRequest,
    Launch,
    OperationOut,
    StateChangeOut,
)
from sublet.allocations.states import AllocationState
from sublet.billing import usage
from sublet.billing.api import PolicyDep
from sublet.billing.policy import Policy
from sublet.billing.schemas import ChargeOut
from sublet.core.access import Actor, Permission
from sublet.core.db import Session
from sublet.core.http import ActorDep, DatabaseDep, SessionDep, SettingsDep, SubletRouter
from sublet.core.json_bytes import JsonBytes
from sublet.core.pages import Page, PageQueryDep, page_of
from sublet.fleet.api import UserSignerDep

router = SubletRouter(prefix="/api/v1", tags=["allocations"])

IdOrName = Annotated[
    str, Path(min_length=1, max_length=64, description="The allocation's id, or the name of one that has not ended.")
]
States = Annotated[list[AllocationState] | None, Query(description="Only these states; repeat it for several.")]


async def _accepted(policy: Policy, session: Session, actor: Actor, allocation_id: str) -> Response:
    return JsonBytes(await shown.one(session, actor, allocation_id, policy=policy), 202)


@router.post(
    "/allocations",
    permission=Permission.ALLOCATION_LAUNCH,
    creates=True,
    status_code=202,
    response_model=AllocationOut,
)
async def launch_allocation(actor: ActorDep, session: SessionDep, policy: PolicyDep, body: Launch) -> Response:
    """Launch an offer: its price is locked, funds are held and capacity is claimed before this answers."""
    allocation_id = await launch.launch(
        session,
        actor,
        body.offer_id,
        name=body.name,
        price_id=body.price_id,
        policy=policy,
    )
    return await _accepted(policy, session, actor, allocation_id)


@router.get("/allocations", permission=Permission.ALLOCATION_READ, direct=True, response_model=Page[AllocationOut])
async def list_allocations(
    request: Request,
    actor: ActorDep,
    database: DatabaseDep,
    settings: SettingsDep,
    page: PageQueryDep,
    *,
    state: States = None,
    include_ended: bool = False,
) -> Response:
    """The organization's allocations, newest first; those that have ended only when asked for."""
    (before,) = page.position(int) or (None,)
    query = shown.Query(state, include_ended, before, page.limit)
    return JsonBytes(await shown.page(database, actor, query, policy=Policy.of(settings)))


@router.get("/allocations/{id_or_name}", permission=Permission.ALLOCATION_READ, response_model=AllocationOut)
async def read_allocation(actor: ActorDep, session: SessionDep, policy: PolicyDep, id_or_name: IdOrName) -> Response:
    """One allocation."""
    return JsonBytes(await shown.one(session, actor, id_or_name, policy=policy))


@router.post(
    "/allocations/{id_or_name}/release",
    permission=Permission.ALLOCATION_MANAGE,
    status_code=202,
    response_model=AllocationOut,
)
async def release_allocation(actor: ActorDep, session: SessionDep, policy: PolicyDep, id_or_name: IdOrName) -> Response:
    """Release it, or cancel its set-up. Billing ends now; it is released once the node has proven that it is clean."""
    allocation_id = await release.request_release(session, actor, id_or_name)
    return await _accepted(policy, session, actor, allocation_id)


@router.post(
    "/allocations/{id_or_name}/suspend",
    permission=Permission.ALLOCATION_MANAGE,
    status_code=202,
    response_model=AllocationOut,
)
async def suspend_allocation(actor: ActorDep, session: SessionDep, policy: PolicyDep, id_or_name: IdOrName) -> Response:
    """Suspend it: the login closes, processes end, data stay, and from now on it costs the suspended rate."""
    allocation_id = await suspension.request_suspension(session, actor, id_or_name)
    return await _accepted(policy, session, actor, allocation_id)


@router.post(
    "/allocations/{id_or_name}/resume",
    permission=Permission.ALLOCATION_MANAGE,
    status_code=202,
    response_model=AllocationOut,
)
async def resume_allocation(actor: ActorDep, session: SessionDep, policy: PolicyDep, id_or_name: IdOrName) -> Response:
    """Resume it: the login opens again, and it costs the running rate once it has."""
    allocation_id = await suspension.request_resumption(session, actor, id_or_name, policy=policy)
    return await _accepted(policy, session, actor, allocation_id)


@router.get("/allocations/{id_or_name}/operations", permission=Permission.ALLOCATION_READ)
async def list_operations(
    actor: ActorDep, session: SessionDep, id_or_name: IdOrName, page: PageQueryDep
) -> Page[OperationOut]:
    """What was and is being done to it, newest first, step by step."""
    (before,) = page.position(int) or (None,)
    allocation_id = await details.id_of(session, actor, id_or_name)
    rows = await details.operations_of(session, allocation_id, before=before, limit=page.limit + 1)
    return page_of(rows, page.limit, lambda row: OperationOut.model_validate(row[1]), lambda row: [row[0]])


@router.get("/allocations/{id_or_name}/charges", permission=Permission.ALLOCATION_READ)
async def list_charges(
    actor: ActorDep, session: SessionDep, id_or_name: IdOrName, page: PageQueryDep
) -> Page[ChargeOut]:
    """What it was charged, newest first: each interval with its price, its evidence and its entry in the books."""
    (before,) = page.position(int) or (None,)
    allocation_id = await details.id_of(session, actor, id_or_name)
    charges = await usage.charges_for(session, allocation_id, limit=page.limit + 1, before=before)
    return page_of(charges, page.limit, ChargeOut.of, lambda charge: [charge.id])


@router.get("/allocations/{id_or_name}/history", permission=Permission.ALLOCATION_READ)
async def list_history(
    actor: ActorDep, session: SessionDep, id_or_name: IdOrName, page: PageQueryDep
) -> Page[StateChangeOut]:
    """Every change of its state, oldest first."""
    (after,) = page.position(int) or (None,)
    allocation_id = await details.id_of(session, actor, id_or_name)
    rows = await details.history_of(session, allocation_id, after=after, limit=page.limit + 1)
    return page_of(rows, page.limit, lambda row: StateChangeOut.model_validate(row[1]), lambda row: [row[0]])


@router.post(
    "/allocations/{id_or_name}/ssh-certificates",
    permission=Permission.ALLOCATION_CONNECT,
    creates=True,
    status_code=201,
)
async def issue_certificate(
    *,
    actor: ActorDep,
    session: SessionDep,
    settings: SettingsDep,
    signer: UserSignerDep,
    id_or_name: IdOrName,
    body: CertificateRequest,
) -> CertificateOut:
    """Certify the caller's own public key for the allocation's login, for an hour at most."""
    ticket = await certificates.issue(
        session,
        actor,
        await details.id_of(session, actor, id_or_name),
        signer=signer,
        public_key=body.public_key,
        seconds=settings.user_certificate_seconds,
    )
    return CertificateOut(
        certificate=ticket.issued.certificate,
        serial=ticket.issued.serial,
        login=ticket.target.login,
        host=ticket.target.host,
        port=ticket.target.port,
        principals=list(ticket.issued.principals),
        valid_before=ticket.issued.valid_before,
        known_hosts=ticket.known_hosts,
    )


@router.get("/admin/allocations", permission=Permission.ADMIN_ALLOCATION_READ, response_model=Page[AdminAllocationOut])
async def list_everybodys_allocations(
    actor: ActorDep,
    database: DatabaseDep,
    policy: PolicyDep,
    page: PageQueryDep,
    *,
    state: States = None,
    include_ended: bool = True,
) -> Response:
    """Everybody's allocations, newest first, with whose each is and how long it has been in its state."""
    (before,) = page.position(int) or (None,)
    query = shown.Query(state, include_ended, before, page.limit)
    return JsonBytes(await shown.page_of_all(database, actor, query, policy=policy))
