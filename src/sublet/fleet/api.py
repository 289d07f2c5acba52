"""Operators' routes for nodes, and the one route that a joining machine calls."""

import base64
from datetime import datetime
from typing import Annotated

from fastapi import Depends

from sublet.approvals.schemas import ApprovalOut
from sublet.core.actions import ManagedPage
from sublet.core.actors import PUBLIC, Permission
from sublet.core.app import Beforehand, Slot
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.errors import NotFound
from sublet.core.http import ActorDep, DatabaseDep, SessionDep, SettingsDep, SubletRouter
from sublet.core.pages import FilterText, PageQueryDep, page_of
from sublet.fleet import (
    certificates,
    control_principals,
    departure,
    enrolment,
    gpu_quarantine,
    join_tokens,
    life,
    node_ports,
    nodes,
)
from sublet.fleet.ca import CertificateAuthority, UserSigner
from sublet.fleet.machine_schemas import EnrolIn, EnrolOut, LeaveIn, PreviewIn, PreviewOut
from sublet.fleet.moved_gpus import ClaimsOnGpu
from sublet.fleet.nodes import Gpu
from sublet.fleet.schemas import (
    Because,
    ChangedNode,
    ForcedReleaseOut,
    GpuOut,
    JoinOut,
    NewDrain,
    NewForcedRelease,
    NewNode,
    NewNodeOut,
    NodeDetailOut,
    NodeOut,
    NodePorts,
)
from sublet.fleet.views import NodeView, manageable
from sublet.identity.operators import may_now

MACHINES_PATHS = frozenset({"/api/v1/nodes/enrol", "/api/v1/nodes/enrol/preview", "/api/v1/nodes/leave"})
"""What machines call, and no browser."""

router = SubletRouter(prefix="/api/v1", tags=["fleet"])

NODE_VIEW: Slot[NodeView] = Slot("how nodes are shown")
ViewDep = Annotated[NodeView, Depends(NODE_VIEW)]
_BY_OPERATOR = "by an operator"
CLAIMS_ON_GPU: Slot[ClaimsOnGpu] = Slot("who has claimed a GPU")
AUTHORITY: Slot[CertificateAuthority] = Slot("SSH certificate authority")
AuthorityDep = Annotated[CertificateAuthority, Depends(AUTHORITY)]
UserSignerDep = Annotated[UserSigner, Depends(Beforehand(AUTHORITY, CertificateAuthority.user_signer))]


@router.get("/admin/nodes", permission=Permission.ADMIN_NODE_READ)
async def list_nodes(
    view: ViewDep, actor: ActorDep, session: SessionDep, query: PageQueryDep, name: FilterText = None
) -> ManagedPage[NodeOut]:
    """Every node, by name; or the one of a name."""
    (after,) = query.position(str) or (None,)
    found = await nodes.list_page(session, limit=query.limit, after_name=after, name=name)
    shown = {one.id: one for one in await view.of(session, actor, found)}
    page = page_of(found, query.limit, lambda item: shown[item.id], lambda item: [item.name])
    return ManagedPage(items=page.items, next_cursor=page.next_cursor, actions=manageable(actor, {"add": None}))


@router.post("/admin/nodes", permission=Permission.ADMIN_NODE_MANAGE, creates=True, shows_secret=True, status_code=201)
async def add_node(
    view: ViewDep, actor: ActorDep, session: SessionDep, settings: SettingsDep, body: NewNode
) -> NewNodeOut:
    """Name a node; the answer has the one command to run on the machine as root."""
    node, join = await enrolment.add_node(
        session,
        actor,
        body.name,
        address=body.address,
        port=body.port,
        labels=body.labels,
        settings=settings,
    )
    return NewNodeOut(node=await view.shown(session, actor, node.id), join=_join_out(join))


@router.get("/admin/nodes/{node_id}", permission=Permission.ADMIN_NODE_READ)
async def show_node(view: ViewDep, actor: ActorDep, session: SessionDep, node_id: str) -> NodeDetailOut:
    """One node with its enrolment checklist, its history and what lives on it."""
    return await view.whole(session, actor, node_id)


@router.patch("/admin/nodes/{node_id}", permission=Permission.ADMIN_NODE_MANAGE)
async def change_node(view: ViewDep, actor: ActorDep, session: SessionDep, node_id: str, body: ChangedNode) -> NodeOut:
    """Change what a node is called, where it answers, or its labels."""
    await enrolment.change_place(
        session, actor, node_id, name=body.name, address=body.address, port=body.port, labels=body.labels
    )
    return await view.shown(session, actor, node_id)


@router.post("/admin/nodes/{node_id}/ports", permission=Permission.ADMIN_NODE_MANAGE)
async def set_ports(view: ViewDep, actor: ActorDep, session: SessionDep, node_id: str, body: NodePorts) -> NodeOut:
    """Say by which ports of a node customers may publish; without any they may not. Published ones stay."""
    asked = None if body.range is None else (body.range.first, body.range.last)
    await node_ports.change(session, actor, node_id, asked)
    return await view.shown(session, actor, node_id)


@router.delete("/admin/nodes/{node_id}", permission=Permission.ADMIN_NODE_MANAGE, status_code=204)
async def remove_node(view: ViewDep, actor: ActorDep, session: SessionDep, node_id: str) -> None:
    """Take a node out of the fleet that never came to anything, or whose machine has left; its history stays."""
    in_use = bool((await view.lock(session, node_id)).residents)
    await departure.remove(session, actor, node_id, in_use=in_use)


@router.post("/admin/nodes/{node_id}/cordon", permission=Permission.ADMIN_NODE_MANAGE)
async def cordon(view: ViewDep, actor: ActorDep, session: SessionDep, node_id: str) -> NodeOut:
    """Place nothing new on the node; what runs there goes on."""
    await life.cordon(session, actor, await view.lock(session, node_id), reason=_BY_OPERATOR)
    return await view.shown(session, actor, node_id)


@router.post("/admin/nodes/{node_id}/uncordon", permission=Permission.ADMIN_NODE_MANAGE)
async def uncordon(view: ViewDep, actor: ActorDep, session: SessionDep, node_id: str) -> NodeOut:
    """Let the node take new work again."""
    await life.uncordon(session, actor, await view.lock(session, node_id), reason=_BY_OPERATOR)
    return await view.shown(session, actor, node_id)


@router.post("/admin/nodes/{node_id}/drain", permission=Permission.ADMIN_NODE_MANAGE)
async def drain(view: ViewDep, actor: ActorDep, session: SessionDep, node_id: str, body: NewDrain) -> NodeOut:
    """Empty the node: its customers are told, and what still runs there at the deadline is suspended and credited."""
    now = await view.lock(session, node_id)
    terms = body.model_dump()
    await life.drain(session, actor, now, **terms)
    return await view.shown(session, actor, node_id)


@router.post("/admin/nodes/{node_id}/stop-drain", permission=Permission.ADMIN_NODE_MANAGE)
async def stop_drain(view: ViewDep, actor: ActorDep, session: SessionDep, node_id: str, body: Because) -> NodeOut:
    """Empty the node no further; it stays cordoned."""
    await life.stop_drain(session, actor, await view.lock(session, node_id), reason=body.reason)
    return await view.shown(session, actor, node_id)


@router.post("/admin/nodes/{node_id}/maintenance", permission=Permission.ADMIN_NODE_MANAGE)
async def maintain(view: ViewDep, actor: ActorDep, session: SessionDep, node_id: str, body: Because) -> NodeOut:
    """Take a node on which nothing runs out of use, to work on it."""
    await life.maintain(session, actor, await view.lock(session, node_id), reason=body.reason)
    return await view.shown(session, actor, node_id)


@router.post("/admin/nodes/{node_id}/quarantine", permission=Permission.ADMIN_NODE_MANAGE)
async def quarantine(view: ViewDep, actor: ActorDep, session: SessionDep, node_id: str, body: Because) -> NodeOut:
    """Keep a faulty node from customers; what runs on it goes on."""
    await life.quarantine(session, actor, await view.lock(session, node_id), reason=body.reason)
    return await view.shown(session, actor, node_id)


@router.post("/admin/nodes/{node_id}/self-test", permission=Permission.ADMIN_NODE_MANAGE, status_code=202)
async def self_test(view: ViewDep, actor: ActorDep, session: SessionDep, node_id: str) -> NodeOut:
    """Have the node test itself; its result is shown with the node."""
    await life.self_test(session, actor, await view.lock(session, node_id))
    return await view.shown(session, actor, node_id)


@router.post("/admin/nodes/{node_id}/put-back", permission=Permission.ADMIN_NODE_MANAGE)
async def put_back(view: ViewDep, actor: ActorDep, session: SessionDep, node_id: str, body: Because) -> NodeOut:
    """Let a node that was out of use, and has passed a test of itself since, take work again."""
    await life.put_back(session, actor, await view.lock(session, node_id), reason=body.reason)
    return await view.shown(session, actor, node_id)


@router.post("/admin/nodes/{node_id}/retire", permission=Permission.ADMIN_NODE_MANAGE)
async def retire(view: ViewDep, actor: ActorDep, session: SessionDep, node_id: str, body: Because) -> NodeOut:
    """Take a node on which nothing lives out of the fleet for good."""
    await life.retire(session, actor, await view.lock(session, node_id), reason=body.reason)
    return await view.shown(session, actor, node_id)


@router.post("/admin/nodes/{node_id}/force-release", permission=Permission.ADMIN_NODE_MANAGE)
async def force_release(
    view: ViewDep, actor: ActorDep, session: SessionDep, node_id: str, body: NewForcedRelease
) -> ForcedReleaseOut:
    """Give up a node that will not return, and end what lived there: asked for once, done by the same request again
    when a second person has approved it."""
    approval = await life.force_release(
        session,
        actor,
        await view.lock(session, node_id),
        reason=body.reason,
        credit_seconds=body.credit_seconds,
        may_now=may_now,
    )
    return ForcedReleaseOut(node=await view.shown(session, actor, node_id), approval=ApprovalOut.of(approval, actor))


@router.post("/admin/nodes/{node_id}/gpus/{gpu_uuid}/quarantine", permission=Permission.ADMIN_NODE_MANAGE)
async def quarantine_gpu(actor: ActorDep, session: SessionDep, node_id: str, gpu_uuid: str, body: Because) -> GpuOut:
    """Keep one GPU from being given out; what has it goes on, and so does the rest of the node."""
    gpu = await _gpu_of(session, node_id, gpu_uuid)
    if refusal := gpu_quarantine.why_not_quarantine(gpu.state, gpu.quarantine):
        raise refusal.problem
    await gpu_quarantine.quarantine_gpu(session, actor, gpu_uuid, reason=body.reason, code=gpu_quarantine.BY_OPERATOR)
    return GpuOut.of(await _gpu_of(session, node_id, gpu_uuid))


@router.post(
    "/admin/nodes/{node_id}/join-token", permission=Permission.ADMIN_NODE_MANAGE, creates=True, shows_secret=True
)
async def new_join_token(actor: ActorDep, session: SessionDep, settings: SettingsDep, node_id: str) -> JoinOut:
    """Another one-time token for the node; one that was not used ends now."""
    return _join_out(await enrolment.new_join_token(session, actor, node_id, settings=settings))


@router.post("/nodes/enrol/preview", permission=PUBLIC)
async def preview(database: DatabaseDep, body: PreviewIn) -> PreviewOut:
    """What a machine would join as and where it would be reached, so that it can look at itself first."""
    async with database.reading() as session:
        node = await enrolment.preview(session, token=body.join_token, host_public_key=body.host_public_key)
        return PreviewOut(name=node.name, address=node.address, port=node.port, time=await database_now(session))


@router.post("/nodes/leave", permission=PUBLIC, status_code=204)
async def leave(view: ViewDep, session: SessionDep, body: LeaveIn) -> None:
    """A machine is given back to its owner, as it says itself, signed with its host key."""
    at, in_use = datetime.fromisoformat(body.at), bool((await view.lock(session, body.node_id)).residents)
    await departure.leave(session, body.node_id, at=at, signed=body.at, signature=body.signature, in_use=in_use)


@router.post("/nodes/enrol", permission=PUBLIC)
async def enrol(
    database: DatabaseDep,
    settings: SettingsDep,
    authority: AuthorityDep,
    claims_on: Annotated[ClaimsOnGpu, Depends(CLAIMS_ON_GPU)],
    body: EnrolIn,
) -> EnrolOut:
    """A machine joins with its one-time token; Sublet then connects back to it."""
    async with database.reading() as session:
        await join_tokens.require(session, body.join_token)
    signer = await authority.host_signer()
    async with database.transaction() as session:
        joined = await enrolment.join(
            session,
            token=body.join_token,
            host_public_key=body.host_public_key,
            inventory=body.inventory.to_probe(),
            signer=signer,
            settings=settings,
            claims_on=claims_on,
            own_principal=body.own_principal,
        )
    return EnrolOut(
        node_id=joined.node_id,
        name=joined.name,
        user_ca_public_keys=list(joined.user_ca_public_keys),
        host_certificate=joined.host_certificate,
        revoked_keys_base64=base64.b64encode(joined.revoked_keys).decode(),
        control_principal=control_principals.own(joined.node_id),
        control_user=certificates.CONTROL_USER,
    )


async def _gpu_of(session: Session, node_id: str, uuid: str) -> Gpu:
    """A GPU of the node, which is locked; NotFound."""
    for gpu in (await nodes.lock(session, node_id)).gpus:
        if gpu.uuid == uuid:
            return gpu
    raise NotFound("GPU", uuid)


def _join_out(join: join_tokens.Join) -> JoinOut:
    return JoinOut(command=join.command, token=join.token, expires_at=join.expires_at)
