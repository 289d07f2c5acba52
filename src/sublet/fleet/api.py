"""Operators' routes for nodes, and the one route that a joining machine calls."""

import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Depends

from sublet.audit.record import record
from sublet.core.actions import ActionOut, ManagedPage, Refusal, actions_of
from sublet.core.actors import PUBLIC, Actor, Permission
from sublet.core.app import Beforehand, Slot
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.errors import Conflict, NotFound
from sublet.core.http import ActorDep, DatabaseDep, SessionDep, SettingsDep, SubletRouter
from sublet.core.pages import PageQueryDep, page_of
from sublet.fleet import certificates, checklist, enrolment, gpu_quarantine, join_tokens, nodes, states
from sublet.fleet.audit import IntentRecord
from sublet.fleet.ca import CertificateAuthority, UserSigner
from sublet.fleet.moved_gpus import ClaimsOnGpu
from sublet.fleet.nodes import Gpu, KeptCapacity, Node
from sublet.fleet.schemas import (
    Because,
    CapabilityOut,
    ChangedNode,
    Claimed,
    EnrolIn,
    EnrolOut,
    GpuOut,
    HistoryOut,
    InventoryOut,
    JoinOut,
    KeptOut,
    NewNode,
    NewNodeOut,
    NodeDetailOut,
    NodeOut,
    StepOut,
    StrangerOut,
)

router = SubletRouter(prefix="/api/v1", tags=["fleet"])

ClaimedCapacity = Callable[[Session, Sequence[str]], Awaitable[dict[str, Any]]]
"""What scheduling has given out, by node id; each value has `vcpu`, `memory_mib`, `disk_gib` and `gpus`."""

CLAIMED_CAPACITY: Slot[ClaimedCapacity] = Slot("claimed capacity")
ClaimedDep = Annotated[ClaimedCapacity, Depends(CLAIMED_CAPACITY)]
KeptOnNode = Callable[[Session, str], Awaitable[Sequence[KeptCapacity]]]
"""What the layers above keep from others on a node, by its id, though it is over."""

KEPT_ON_NODE: Slot[KeptOnNode] = Slot("capacity that is kept")
KeptDep = Annotated[KeptOnNode, Depends(KEPT_ON_NODE)]
CLAIMS_ON_GPU: Slot[ClaimsOnGpu] = Slot("who has claimed a GPU")
AUTHORITY: Slot[CertificateAuthority] = Slot("SSH certificate authority")
AuthorityDep = Annotated[CertificateAuthority, Depends(AUTHORITY)]
UserSignerDep = Annotated[UserSigner, Depends(Beforehand(AUTHORITY, CertificateAuthority.user_signer))]


@router.get("/admin/nodes", permission=Permission.ADMIN_NODE_READ)
async def list_nodes(
    claims: ClaimedDep, actor: ActorDep, session: SessionDep, query: PageQueryDep
) -> ManagedPage[NodeOut]:
    """Every node, by name."""
    (after,) = query.position(str) or (None,)
    found = await nodes.list_page(session, limit=query.limit, after_name=after)
    claimed = await _claimed(claims, session, found)
    page = page_of(found, query.limit, lambda item: _node_out(item, actor, claimed), lambda item: [item.name])
    return ManagedPage(items=page.items, next_cursor=page.next_cursor, actions=_manageable(actor, {"add": None}))


@router.post("/admin/nodes", permission=Permission.ADMIN_NODE_MANAGE, creates=True, shows_secret=True, status_code=201)
async def add_node(actor: ActorDep, session: SessionDep, settings: SettingsDep, body: NewNode) -> NewNodeOut:
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
    return NewNodeOut(node=_node_out(node, actor, {}), join=_join_out(join))


@router.get("/admin/nodes/{node_id}", permission=Permission.ADMIN_NODE_READ)
async def show_node(
    claims: ClaimedDep, kept: KeptDep, actor: ActorDep, session: SessionDep, node_id: str
) -> NodeDetailOut:
    """One node with its enrolment checklist and history."""
    node = await nodes.get(session, node_id)
    steps = checklist.steps(
        node,
        token_expires_at=await join_tokens.outstanding(session, node_id),
        clock_skew_seconds=node.clock_skew_seconds,
        now=await database_now(session),
    )
    claimed = await _claimed(claims, session, [node])
    return NodeDetailOut(
        **_node_out(node, actor, claimed).model_dump(),
        enrolment=[StepOut(name=step.name, state=step.state, detail=step.detail, fix=step.fix) for step in steps],
        history=[
            HistoryOut(
                from_state=item.from_state, to_state=item.to_state, reason=item.reason, actor=item.actor, at=item.at
            )
            for item in await nodes.history(session, node_id)
        ],
        strangers=[StrangerOut(login=item.login, uid=item.uid, since=item.since) for item in node.strangers],
        kept=[KeptOut(**asdict(item)) for item in await kept(session, node_id)],
    )


@router.patch("/admin/nodes/{node_id}", permission=Permission.ADMIN_NODE_MANAGE)
async def change_node(
    claims: ClaimedDep, actor: ActorDep, session: SessionDep, node_id: str, body: ChangedNode
) -> NodeOut:
    """Change where a node answers, or its labels."""
    node = await enrolment.change_place(
        session, actor, node_id, address=body.address, port=body.port, labels=body.labels
    )
    return _node_out(node, actor, await _claimed(claims, session, [node]))


@router.post("/admin/nodes/{node_id}/cordon", permission=Permission.ADMIN_NODE_MANAGE)
async def cordon(claims: ClaimedDep, actor: ActorDep, session: SessionDep, node_id: str) -> NodeOut:
    """Place nothing new on the node; what runs there goes on."""
    return await _change_intent(claims, actor, session, node_id, cordoned=True)


@router.post("/admin/nodes/{node_id}/uncordon", permission=Permission.ADMIN_NODE_MANAGE)
async def uncordon(claims: ClaimedDep, actor: ActorDep, session: SessionDep, node_id: str) -> NodeOut:
    """Let the node take new work again."""
    return await _change_intent(claims, actor, session, node_id, cordoned=False)


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
        )
    return EnrolOut(
        node_id=joined.node_id,
        name=joined.name,
        user_ca_public_keys=list(joined.user_ca_public_keys),
        host_certificate=joined.host_certificate,
        revoked_keys_base64=base64.b64encode(joined.revoked_keys).decode(),
        control_principal=certificates.CONTROL_PRINCIPAL,
        control_user=certificates.CONTROL_USER,
    )


async def _change_intent(
    claims: ClaimedCapacity, actor: Actor, session: Session, node_id: str, *, cordoned: bool
) -> NodeOut:
    before = await nodes.lock(session, node_id)
    change = states.cordon if cordoned else states.uncordon
    await change(session, actor, node_id, reason="by an operator")
    after = await nodes.get(session, node_id)
    await record(
        session,
        actor,
        "node.cordoned" if cordoned else "node.uncordoned",
        "node",
        node_id,
        before=IntentRecord(state=before.state.value, resumes_as=before.resumes_as.value),
        after=IntentRecord(state=after.state.value, resumes_as=after.resumes_as.value),
    )
    return _node_out(after, actor, await _claimed(claims, session, [after]))


async def _gpu_of(session: Session, node_id: str, uuid: str) -> Gpu:
    """A GPU of the node, which is locked; NotFound."""
    for gpu in (await nodes.lock(session, node_id)).gpus:
        if gpu.uuid == uuid:
            return gpu
    raise NotFound("GPU", uuid)


async def _claimed(source: ClaimedCapacity, session: Session, found: Sequence[Node]) -> dict[str, Any]:
    return await source(session, [item.id for item in found])


def _join_out(join: join_tokens.Join) -> JoinOut:
    return JoinOut(command=join.command, token=join.token, expires_at=join.expires_at)


def _node_out(node: Node, actor: Actor, claimed: dict[str, Any]) -> NodeOut:
    given = claimed.get(node.id)
    return NodeOut(
        id=node.id,
        name=node.name,
        address=node.address,
        port=node.port,
        state=node.state.value,
        labels=node.labels,
        limits_enforced=node.limits_enforced,
        capabilities=[
            CapabilityOut(name=item.name, enforced=item.enforced, detail=item.detail) for item in node.capabilities
        ],
        inventory=_inventory_out(node),
        claimed=Claimed()
        if given is None
        else Claimed(vcpu=given.vcpu, memory_mib=given.memory_mib, disk_gib=given.disk_gib, gpus=given.gpus),
        last_seen_at=node.last_seen_at,
        host_certificate_expires_at=node.host_certificate_expires_at,
        helper_version=node.helper_version,
        created_at=node.created_at,
        actions=_actions(node, actor),
    )


def _inventory_out(node: Node) -> InventoryOut | None:
    if node.inventory is None:
        return None
    return InventoryOut(
        vcpu=node.inventory.vcpu,
        memory_mib=node.inventory.memory_mib,
        disk_gib=node.inventory.disk_gib,
        kernel=node.inventory.kernel,
        os=node.inventory.os,
        gpus=[GpuOut.of(item) for item in node.gpus],
    )


def _actions(node: Node, actor: Actor) -> list[ActionOut]:
    standing = states.standing_of(node.state, node.resumes_as)
    in_quarantine = any(states.why_not_clear(gpu.state) is None for gpu in node.gpus)
    outside = any(gpu_quarantine.why_not_quarantine(gpu.state, gpu.quarantine) is None for gpu in node.gpus)
    return _manageable(
        actor,
        {
            "cordon": states.why_not_cordon(standing),
            "uncordon": states.why_not_uncordon(standing),
            "join_token": None,
            "clear_gpu": None if in_quarantine else Refusal(Conflict, "No GPU of the node is in quarantine."),
            "quarantine_gpu": None if outside else Refusal(Conflict, "The node has no GPU that is not in quarantine."),
        },
    )


def _manageable(actor: Actor, why_not: Mapping[str, Refusal | None]) -> list[ActionOut]:
    denied = "This needs the platform role fleet or admin."
    return actions_of(actor, Permission.ADMIN_NODE_MANAGE, denied, why_not)
