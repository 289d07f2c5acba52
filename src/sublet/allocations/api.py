"""The routes of allocations, for customers and operators."""

from typing import Annotated

from fastapi import Depends, Path, Query

from sublet.allocations import certificates, labels, launch, ports, release, restart, rows, suspension
from sublet.allocations.list_schemas import AdminAllocationOut, AllocationSummaryOut
from sublet.allocations.schemas import (
    AllocationChange,
    AllocationOut,
    CertificateOut,
    CertificateRequest,
    Launch,
    NewPort,
    OperationOut,
    PortOut,
    RestartElsewhere,
    StartupOutputOut,
    StateChangeOut,
)
from sublet.allocations.states import AllocationState
from sublet.allocations.views import past, summaries, whole
from sublet.allocations.views import ports as port_views
from sublet.billing import usage
from sublet.billing.api import PolicyDep
from sublet.billing.schemas import ChargeOut
from sublet.core.actors import Permission
from sublet.core.app import KEYRING, Beforehand
from sublet.core.encryption import DataKey
from sublet.core.http import ActorDep, CurrencyDep, SessionDep, SettingsDep, SubletRouter
from sublet.core.pages import Page, PageQueryDep, page_of
from sublet.fleet.api import UserSignerDep
from sublet.scheduling.api import LaunchesDep

router = SubletRouter(prefix="/api/v1", tags=["allocations"])

IdOrName = Annotated[
    str, Path(min_length=1, max_length=64, description="The allocation's id, or the name of one that has not ended.")
]
States = Annotated[list[AllocationState] | None, Query(description="Only these states; repeat it for several.")]
Labels = Annotated[
    list[str] | None,
    Query(
        alias="label", max_length=8, description="Only those with this label, as key=value or key; repeat it for all."
    ),
]
DataKeyDep = Annotated[DataKey, Depends(Beforehand(KEYRING, DataKey.new))]


@router.post(
    "/allocations",
    permission=Permission.ALLOCATION_LAUNCH,
    creates=True,
    status_code=202,
)
async def launch_allocation(
    *,
    actor: ActorDep,
    session: SessionDep,
    policy: PolicyDep,
    currency: CurrencyDep,
    launches: LaunchesDep,
    data_key: DataKeyDep,
    body: Launch,
) -> AllocationOut:
    """Launch an offer: its price is locked, funds are held and capacity is claimed before this answers."""
    allocation_id = await launch.launch(
        session,
        actor,
        body.offer_id,
        currency=currency,
        name=body.name,
        price_id=body.price_id,
        given=launch.Given(
            data_key,
            labels=body.labels,
            environment={name: value.get_secret_value() for name, value in body.environment.items()},
            startup_script=None if body.startup_script is None else body.startup_script.get_secret_value(),
        ),
        policy=policy,
        launches=launches,
    )
    return await whole.of(session, actor, allocation_id, policy=policy, launches=launches)


@router.get("/allocations", permission=Permission.ALLOCATION_READ)
async def list_allocations(
    actor: ActorDep,
    session: SessionDep,
    policy: PolicyDep,
    page: PageQueryDep,
    *,
    state: States = None,
    label: Labels = None,
    include_ended: bool = False,
) -> Page[AllocationSummaryOut]:
    """The organization's allocations, newest first; those that have ended only when asked for."""
    (before,) = page.position(int) or (None,)
    query = summaries.Query(state, include_ended, before, page.limit, labels.wanted(label or []))
    return await summaries.of_organization(session, actor, query, policy=policy)


@router.get("/allocations/{id_or_name}", permission=Permission.ALLOCATION_READ)
async def read_allocation(
    actor: ActorDep, session: SessionDep, policy: PolicyDep, launches: LaunchesDep, id_or_name: IdOrName
) -> AllocationOut:
    """One allocation."""
    return await whole.of(session, actor, id_or_name, policy=policy, launches=launches)


@router.patch("/allocations/{id_or_name}", permission=Permission.ALLOCATION_MANAGE)
async def change_allocation(
    *,
    actor: ActorDep,
    session: SessionDep,
    policy: PolicyDep,
    launches: LaunchesDep,
    id_or_name: IdOrName,
    body: AllocationChange,
) -> AllocationOut:
    """Set labels, and take away those whose value is null."""
    allocation_id = await labels.change(session, actor, id_or_name, body.labels)
    return await whole.of(session, actor, allocation_id, policy=policy, launches=launches)


@router.get("/allocations/{id_or_name}/startup", permission=Permission.ALLOCATION_CONNECT)
async def read_startup(actor: ActorDep, session: SessionDep, id_or_name: IdOrName) -> StartupOutputOut:
    """How its startup script fared, and the end of what that wrote; 404 if it was launched with none."""
    return await past.startup_of(session, await rows.id_of(session, actor, id_or_name))


@router.post(
    "/allocations/{id_or_name}/release",
    permission=Permission.ALLOCATION_MANAGE,
    status_code=202,
)
async def release_allocation(
    actor: ActorDep, session: SessionDep, policy: PolicyDep, launches: LaunchesDep, id_or_name: IdOrName
) -> AllocationOut:
    """Release it, or cancel its set-up. Billing ends now; it is released once the node has proven that it is clean."""
    allocation_id = await release.request_release(session, actor, id_or_name)
    return await whole.of(session, actor, allocation_id, policy=policy, launches=launches)


@router.post(
    "/allocations/{id_or_name}/suspend",
    permission=Permission.ALLOCATION_MANAGE,
    status_code=202,
)
async def suspend_allocation(
    actor: ActorDep, session: SessionDep, policy: PolicyDep, launches: LaunchesDep, id_or_name: IdOrName
) -> AllocationOut:
    """Suspend it: the login closes, processes end, data stay, and from now on it costs the suspended rate."""
    allocation_id = await suspension.request_suspension(session, actor, id_or_name)
    return await whole.of(session, actor, allocation_id, policy=policy, launches=launches)


@router.post(
    "/allocations/{id_or_name}/resume",
    permission=Permission.ALLOCATION_MANAGE,
    status_code=202,
)
async def resume_allocation(
    actor: ActorDep, session: SessionDep, policy: PolicyDep, launches: LaunchesDep, id_or_name: IdOrName
) -> AllocationOut:
    """Resume it: the login opens again, and it costs the running rate once it has."""
    allocation_id = await suspension.request_resumption(session, actor, id_or_name, policy=policy)
    return await whole.of(session, actor, allocation_id, policy=policy, launches=launches)


@router.post(
    "/allocations/{id_or_name}/restart-elsewhere",
    permission=Permission.ALLOCATION_LAUNCH,
    creates=True,
    status_code=202,
)
async def restart_elsewhere(
    *,
    actor: ActorDep,
    session: SessionDep,
    policy: PolicyDep,
    launches: LaunchesDep,
    id_or_name: IdOrName,
    body: RestartElsewhere,
) -> AllocationOut:
    """Give up an allocation that is lost, and launch its offer anew on another node; answers with the new one."""
    started = await restart.restart_elsewhere(
        session, actor, id_or_name, price_id=body.price_id, policy=policy, launches=launches
    )
    return await whole.of(session, actor, started, policy=policy, launches=launches)


@router.get("/allocations/{id_or_name}/operations", permission=Permission.ALLOCATION_READ)
async def list_operations(
    actor: ActorDep, session: SessionDep, id_or_name: IdOrName, page: PageQueryDep
) -> Page[OperationOut]:
    """What was and is being done to it, newest first, step by step."""
    (before,) = page.position(int) or (None,)
    allocation_id = await rows.id_of(session, actor, id_or_name)
    found = await past.operations_of(session, allocation_id, before=before, limit=page.limit + 1)
    return page_of(found, page.limit, OperationOut.model_validate, lambda row: [row.seq])


@router.get("/allocations/{id_or_name}/charges", permission=Permission.ALLOCATION_READ)
async def list_charges(
    actor: ActorDep, session: SessionDep, id_or_name: IdOrName, page: PageQueryDep
) -> Page[ChargeOut]:
    """What it was charged, newest first: each interval with its price, its evidence and its entry in the books."""
    (before,) = page.position(int) or (None,)
    allocation_id = await rows.id_of(session, actor, id_or_name)
    charges = await usage.charges_for(session, allocation_id, limit=page.limit + 1, before=before)
    return page_of(charges, page.limit, ChargeOut.of, lambda charge: [charge.id])


@router.get("/allocations/{id_or_name}/history", permission=Permission.ALLOCATION_READ)
async def list_history(
    actor: ActorDep, session: SessionDep, id_or_name: IdOrName, page: PageQueryDep
) -> Page[StateChangeOut]:
    """Every change of its state, and what else befell it in one (`from` is `to` then), oldest first."""
    (after,) = page.position(int) or (None,)
    allocation_id = await rows.id_of(session, actor, id_or_name)
    found = await past.changes_of(session, allocation_id, after=after, limit=page.limit + 1)
    return page_of(found, page.limit, StateChangeOut.model_validate, lambda row: [row.id])


@router.get("/allocations/{id_or_name}/ports", permission=Permission.ALLOCATION_READ)
async def list_ports(actor: ActorDep, session: SessionDep, id_or_name: IdOrName, page: PageQueryDep) -> Page[PortOut]:
    """The ports of its node that lead to it, as they were published."""
    (after,) = page.position(int) or (None,)
    allocation_id = await rows.id_of(session, actor, id_or_name)
    found = await ports.page(session, allocation_id, after=after, limit=page.limit + 1)
    shown = await port_views.of(session, actor, allocation_id, found)
    both = list(zip(found, shown, strict=True))
    return page_of(both, page.limit, lambda one: one[1], lambda one: [one[0].seq])


@router.post("/allocations/{id_or_name}/ports", permission=Permission.ALLOCATION_MANAGE, creates=True, status_code=202)
async def publish_port(actor: ActorDep, session: SessionDep, id_or_name: IdOrName, body: NewPort) -> PortOut:
    """Get a port of its node, to which anybody can connect, and which leads to a port of the allocation."""
    port = await ports.publish(session, actor, id_or_name, port=body.port, protocol=body.protocol)
    return (await port_views.of(session, actor, port.allocation_id, [port]))[0]


@router.delete("/allocations/{id_or_name}/ports/{port_id}", permission=Permission.ALLOCATION_MANAGE, status_code=202)
async def withdraw_port(actor: ActorDep, session: SessionDep, id_or_name: IdOrName, port_id: str) -> PortOut:
    """Take a published port back: what is open by it ends."""
    port = await ports.withdraw(session, actor, id_or_name, port_id)
    return (await port_views.of(session, actor, port.allocation_id, [port]))[0]


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
        await rows.id_of(session, actor, id_or_name),
        signer=signer,
        public_key=body.public_key,
        seconds=settings.user_certificate_seconds,
        most=settings.live_certificates,
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


@router.get("/admin/allocations", permission=Permission.ADMIN_ALLOCATION_READ)
async def list_everybodys_allocations(
    session: SessionDep, page: PageQueryDep, *, state: States = None, include_ended: bool = True
) -> Page[AdminAllocationOut]:
    """Everybody's allocations, newest first, with whose each is and how long it has been in its state."""
    (before,) = page.position(int) or (None,)
    return await summaries.of_everybody(session, summaries.Query(state, include_ended, before, page.limit))
