"""How a machine becomes a node: an operator names it, it joins with a one-time token, we connect back and look."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update

from sublet.audit.record import record
from sublet.core.actors import Actor, system_actor
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.errors import Conflict, InvalidInput
from sublet.core.ids import new_id
from sublet.core.locks import ALL, Space, alone
from sublet.core.settings import Settings
from sublet.core.work import leases
from sublet.fleet import addresses, certificates, join_tokens, node_ports, nodes, revocations, trial
from sublet.fleet.audit import HostKeyRecord, JoinTokenRecord, PlaceRecord
from sublet.fleet.backend import Probe
from sublet.fleet.ca import CaKind, HostSigner, public_keys
from sublet.fleet.errors import MachineAlreadyEnrolled
from sublet.fleet.join_tokens import Join
from sublet.fleet.kinds import SSH
from sublet.fleet.models import node, node_history
from sublet.fleet.moved_gpus import ClaimsOnGpu
from sublet.fleet.public_keys import read_host_key
from sublet.fleet.states import NodeState, come_back, move, why_not_join
from sublet.fleet.work import NODE, TRUST

# Names, addresses and host keys are unique; whoever changes one waits for the others, so that the answer is a sentence.


@dataclass(frozen=True, slots=True)
class Joined:
    """What a machine gets when it joins; all of it may be public."""

    node_id: str
    name: str
    user_ca_public_keys: tuple[str, ...]
    host_certificate: str
    revoked_keys: bytes


async def add_node(
    session: Session,
    actor: Actor,
    name: str,
    *,
    address: str,
    port: int,
    labels: Mapping[str, str],
    settings: Settings,
) -> tuple[nodes.Node, Join]:
    """Name a new node and make its first join token. Conflict if the name or the address is taken."""
    address = _read_address(address)
    node_id = new_id("nd")
    await _refuse_taken(session, None, name=name, address=address, port=port)
    await session.execute(
        insert(node).values(
            id=node_id,
            kind=SSH,
            name=name,
            address=address,
            port=port,
            labels=dict(labels),
            state=NodeState.ENROLLING.value,
            own_principal=False,
        )
    )
    await session.execute(
        insert(node_history).values(
            node_id=node_id,
            from_state=None,
            to_state=NodeState.ENROLLING.value,
            reason="added",
            actor=actor.shown_as,
        )
    )
    await record(
        session,
        actor,
        "node.added",
        "node",
        node_id,
        after=PlaceRecord(name=name, address=address, port=port, labels=dict(labels)),
    )
    join = await new_join_token(session, actor, node_id, settings=settings)
    return await nodes.get(session, node_id), join


async def new_join_token(session: Session, actor: Actor, node_id: str, *, settings: Settings) -> Join:
    """Another join token for a node; enrolling again is safe at any time. Conflict for one that is retired."""
    if refusal := why_not_join((await nodes.get(session, node_id)).state):
        raise refusal.problem
    join = await join_tokens.create(
        session, actor, node_id, public_url=settings.public_url, seconds=settings.join_token_seconds
    )
    await record(
        session,
        actor,
        "node.join_token_created",
        "node",
        node_id,
        after=JoinTokenRecord(expires_at=join.expires_at),
    )
    return join


async def change_place(
    session: Session,
    actor: Actor,
    node_id: str,
    *,
    name: str | None = None,
    address: str | None,
    port: int | None,
    labels: dict[str, str] | None,
) -> nodes.Node:
    """Change what a node is called, where it answers, or its labels; its certificate is renewed for another name or
    address. Conflict if that is taken."""
    before = await nodes.lock(session, node_id)
    if refusal := why_not_join(before.state):
        raise refusal.problem
    new_name = before.name if name is None else name
    new_address = before.address if address is None else _read_address(address)
    new_port = port or before.port
    new_labels = before.labels if labels is None else labels
    node_ports.refuse_sshd(new_port, before.ports)
    await _refuse_taken(session, node_id, name=new_name, address=new_address, port=new_port)
    # Labels first, because placement follows them: a place is a key of the row, which a launch may be referring to.
    await session.execute(update(node).where(node.c.id == node_id).values(labels=new_labels))
    values: dict[str, Any] = {"name": new_name, "address": new_address, "port": new_port}
    was = {"name": before.name, "address": before.address, "port": before.port}
    if before.host_public_key is not None and values != was:
        for kind in (NODE, TRUST):
            await leases.make_due(session, kind, node_id, place=node_id)
    await session.execute(update(node).where(node.c.id == node_id).values(values))
    await record(
        session,
        actor,
        "node.changed",
        "node",
        node_id,
        before=PlaceRecord(name=before.name, address=before.address, port=before.port, labels=before.labels),
        after=PlaceRecord(name=new_name, address=new_address, port=new_port, labels=new_labels),
    )
    return await nodes.get(session, node_id)


async def join(
    session: Session,
    *,
    token: str,
    host_public_key: str,
    inventory: Probe,
    signer: HostSigner,
    settings: Settings,
    claims_on: ClaimsOnGpu,
    own_principal: bool = False,
) -> Joined:
    """Take a machine in: its host key is certified and kept, and a worker is asked to connect back to it.

    JoinTokenRefused for a token that is unknown, used or over; MachineAlreadyEnrolled if the host key is another
    node's, or a GPU that cannot move here. What the machine says of itself is shown, not believed: the probe over SSH
    decides. `own_principal` says that it will let in certificates for its own control principal alone.
    """
    key = read_host_key(host_public_key, field="host_public_key")
    node_id = await join_tokens.redeem(session, token, key)
    known = await nodes.lock(session, node_id)
    await _refuse_other_machine(session, node_id, key)
    now = await database_now(session)
    await nodes.store_probe(
        session,
        node_id,
        inventory,
        clock_skew_seconds=(inventory.node_time - now).total_seconds(),
        proven=False,
        anew=known.host_public_key != key,
        claims_on=claims_on,
    )
    if known.state is not NodeState.ENROLLING:
        await move(session, system_actor("enrolment"), node_id, NodeState.ENROLLING, reason="joined again")
    await session.execute(
        update(node)
        .where(node.c.id == node_id)
        .values(
            host_public_key=key,
            enrolled_at=now,
            verified_at=None,
            failure=None,
            misses=0,
            doors=None,
            entered_at=None,
            entered_doors=None,
            no_entry=None,
            own_principal=own_principal,
        )
    )
    if known.host_public_key not in {None, key}:
        await certificates.revoke_subject(session, node_id, reason="the node joined with another host key")
    issued = await certificates.issue_host(session, node_id, signer=signer, seconds=settings.host_certificate_seconds)
    await note_certificate(session, node_id, issued.valid_before)
    await leases.make_due(session, TRUST, node_id, place=node_id, after_seconds=renewal_seconds(settings))
    await record(
        session,
        system_actor("enrolment"),
        "node.joined",
        "node",
        node_id,
        before=HostKeyRecord(host_public_key=known.host_public_key),
        after=HostKeyRecord(host_public_key=key, serial=issued.serial),
    )
    # Whoever is looking at the node looks at what it was: without its lease, it cannot let the node take work.
    await leases.overtake(session, NODE, node_id, place=node_id)
    await trial.forget(session, node_id)
    revoked, below = await revocations.current(session)
    await revocations.note(session, [node_id], below)
    return Joined(
        node_id=node_id,
        name=known.name,
        user_ca_public_keys=(await public_keys(session, CaKind.USER)).all,
        host_certificate=issued.certificate,
        revoked_keys=revoked.content,
    )


async def accept(session: Session, node_id: str, probe: Probe, *, seen_at: datetime, claims_on: ClaimsOnGpu) -> None:
    """The node answered over SSH with its own certificate: keep what it has and enforces, and have it tried
    whether a customer gets in. Only then it takes work.

    A GPU that is missing on another node is this one's from now on; MachineAlreadyEnrolled for one that cannot be.
    """
    skew = (probe.node_time - seen_at).total_seconds()
    await nodes.store_probe(session, node_id, probe, clock_skew_seconds=skew, claims_on=claims_on)
    await session.execute(
        update(node)
        .where(node.c.id == node_id)
        .values(verified_at=seen_at, last_seen_at=seen_at, failure=None, doors=probe.doors)
    )
    await trial.ask(session, node_id)
    await come_back(session, system_actor("enrolment"), node_id, reason="answered over SSH with its certificate")


def renewal_seconds(settings: Settings) -> float:
    """After so long a host certificate is renewed: within the hour, or a third of its life."""
    return min(3600.0, settings.host_certificate_seconds / 3)


async def note_certificate(session: Session, node_id: str, valid_before: datetime) -> None:
    """Note when the host certificate that a node now shows ends."""
    await session.execute(update(node).where(node.c.id == node_id).values(host_certificate_expires_at=valid_before))


async def preview(session: Session, *, token: str, host_public_key: str) -> nodes.Node:
    """What a machine would join as; nothing is changed, and the token is as good as before.

    JoinTokenRefused and MachineAlreadyEnrolled as when it joins.
    """
    key = read_host_key(host_public_key, field="host_public_key")
    node_id = await join_tokens.preview(session, token, key)
    await _refuse_other_machine(session, node_id, key)
    return await nodes.get(session, node_id)


def _read_address(address: str) -> str:
    try:
        return addresses.normal(address)
    except ValueError as error:
        raise InvalidInput(str(error), field="address") from None


async def _refuse_taken(session: Session, node_id: str | None, *, name: str, address: str, port: int) -> None:
    await alone(session, Space.NODE_NAMES, ALL)
    rows = await session.execute(
        select(node.c.id, node.c.name).where(
            node.c.removed_at.is_(None),
            (node.c.name == name)
            | ((node.c.address == address) & (node.c.port == port) & (node.c.state != NodeState.RETIRED.value)),
        )
    )
    for row in rows:
        if row.id != node_id:
            what = f"The name {name}" if row.name == name else f"The address {addresses.shown(address, port)}"
            raise Conflict(f"{what} belongs to the node {row.name}. Nothing was changed.")


async def _refuse_other_machine(session: Session, node_id: str, key: str) -> None:
    await alone(session, Space.NODE_NAMES, ALL)
    other = (
        await session.execute(select(node.c.name).where(node.c.host_public_key == key, node.c.id != node_id))
    ).scalar_one_or_none()
    if other is not None:
        raise MachineAlreadyEnrolled(
            f"This machine's host key is that of the node {other}. Nothing was changed. Run `sublet-node unenrol` on "
            "it first, or make new host keys if the machine was cloned."
        )
