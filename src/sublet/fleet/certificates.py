"""Certificates for people, terminals, ourselves and nodes: short-lived, one principal, recorded, revocable."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import asyncssh
from sqlalchemy import and_, func, insert, select, text, update

from sublet.audit.record import record
from sublet.core import context
from sublet.core.actors import Actor
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.errors import InvalidInput
from sublet.core.work import leases
from sublet.fleet import control_principals
from sublet.fleet.audit import CertificateRecord
from sublet.fleet.ca import KEY_TYPE, HostSigner, UserSigner, public_line
from sublet.fleet.models import issued_certificate, node
from sublet.fleet.public_keys import read_public_key
from sublet.fleet.work import REVOCATIONS

CONTROL_USER = "sublet"
CONTROL_SECONDS = 240
ONCE_SECONDS = 60
LONGEST_USER_SECONDS = 3600
# Clocks differ: a certificate is valid a little before it was made, never longer than promised after.
BACKDATED = timedelta(seconds=60)

CONNECTING_SECONDS = 30
"""What is left of a control certificate with which a connection is still begun."""
KEPT_DAYS = 90
"""Certificates stay on record so long after they have ended: whoever reads an sshd's log finds whose a serial was."""

_HOLDS = text(
    """
    SELECT 1 FROM issued_certificate
     WHERE serial = :serial AND ca_public_key = :ca_public_key AND fingerprint = :fingerprint AND revoked_at IS NULL
       AND valid_before > clock_timestamp() + make_interval(secs => :seconds)
    """
)
# `now()` and not `clock_timestamp()`: only what stays the same within a statement can be looked up in an index.
_FORGET = text(
    """
    DELETE FROM issued_certificate
     WHERE serial IN (SELECT serial FROM issued_certificate
                       WHERE valid_before < now() - make_interval(days => :days)
                       ORDER BY valid_before LIMIT :limit)
    """
)
_NEXT_SERIAL = text("SELECT nextval('certificate_serial')")


class CertificateKind(StrEnum):
    """Who uses a certificate."""

    CUSTOMER = "customer"
    TERMINAL = "terminal"
    CONTROL = "control"
    ENTRY = "entry"
    HOST = "host"


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """A signed certificate, as an OpenSSH line, and what it says."""

    certificate: str
    serial: int
    key_id: str
    principals: tuple[str, ...]
    valid_after: datetime
    valid_before: datetime


@dataclass(frozen=True, slots=True)
class Credential:
    """A key made for one connection and its certificate; both live in memory only.

    `serial` and `principals` are those of a control certificate.
    """

    key: asyncssh.SSHKey
    certificate: asyncssh.SSHCertificate
    serial: int | None = None
    principals: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "Credential(…)"


async def issue_user(
    session: Session,
    actor: Actor,
    allocation_id: str,
    *,
    signer: UserSigner,
    public_key: str,
    login: str,
    seconds: int,
) -> IssuedCertificate:
    """Sign a customer's own public key for one login; terminal and port forwarding, nothing else.

    InvalidInput if the key is not a plain OpenSSH public key or the lifetime is over an hour.
    """
    if not 0 < seconds <= LONGEST_USER_SECONDS:
        raise InvalidInput(f"A certificate lives at most {LONGEST_USER_SECONDS} seconds.", field="seconds")
    key = read_public_key(public_key, field="public_key")
    issued, _ = await _sign_user(
        session,
        signer,
        key,
        kind=CertificateKind.CUSTOMER,
        principals=(login,),
        subject=allocation_id,
        actor=actor,
        seconds=seconds,
        permit_pty=True,
        permit_port_forwarding=True,
    )
    await record(
        session,
        actor,
        "ssh_certificate.issued",
        "allocation",
        allocation_id,
        after=CertificateRecord(serial=issued.serial, principal=login, valid_before=issued.valid_before),
    )
    return issued


async def issue_terminal(
    session: Session, actor: Actor, allocation_id: str, *, signer: UserSigner, login: str
) -> Credential:
    """A key and certificate for one browser terminal: 60 seconds to connect, a terminal and nothing else."""
    return await _issue_once(session, actor, allocation_id, CertificateKind.TERMINAL, signer=signer, login=login)


async def issue_entry(
    session: Session, actor: Actor, allocation_id: str, *, signer: UserSigner, login: str
) -> Credential:
    """A key and certificate for one look at whether a customer gets in: 60 seconds, no terminal, no forwarding."""
    return await _issue_once(session, actor, allocation_id, CertificateKind.ENTRY, signer=signer, login=login)


async def _issue_once(
    session: Session, actor: Actor, allocation_id: str, kind: CertificateKind, *, signer: UserSigner, login: str
) -> Credential:
    """For one connection of ours to a login, which has to begin within a minute."""
    key = asyncssh.generate_private_key(KEY_TYPE)
    _, certificate = await _sign_user(
        session,
        signer,
        key,
        kind=kind,
        principals=(login,),
        subject=allocation_id,
        actor=actor,
        seconds=ONCE_SECONDS,
        permit_pty=kind is CertificateKind.TERMINAL,
        permit_port_forwarding=False,
    )
    return Credential(key, certificate)


async def issue_control(
    session: Session, actor: Actor, node_id: str, *, signer: UserSigner, unused: Credential | None = None
) -> Credential:
    """A key and certificate for one connection of the control plane to one node: no terminal, no forwarding.

    One that was made for the node before and let nobody in, `unused`, is given again while it holds: a node that does
    not answer costs one every few minutes, and not one for each try.
    """
    principals = await control_principals.of(session, node_id)
    if (
        unused is not None
        and unused.principals == principals
        and await _holds(session, unused.serial, unused.key, signed_with=signer.key, seconds=CONNECTING_SECONDS)
    ):
        return unused
    key = asyncssh.generate_private_key(KEY_TYPE)
    issued, certificate = await _sign_user(
        session,
        signer,
        key,
        kind=CertificateKind.CONTROL,
        principals=principals,
        subject=node_id,
        actor=actor,
        seconds=CONTROL_SECONDS,
        permit_pty=False,
        permit_port_forwarding=False,
    )
    return Credential(key, certificate, issued.serial, principals)


async def issue_host(
    session: Session,
    node_id: str,
    *,
    signer: HostSigner,
    seconds: int,
    undelivered: IssuedCertificate | None = None,
    still_seconds: float = 0.0,
) -> IssuedCertificate:
    """Certify the host key that a node enrolled with, for its id, its name and its address.

    One that the node has not taken yet, `undelivered`, is given again if it says the same as a new one would and holds
    for `still_seconds`.
    """
    row = (
        await session.execute(select(node.c.name, node.c.address, node.c.host_public_key).where(node.c.id == node_id))
    ).one()
    key = asyncssh.import_public_key(row.host_public_key)
    principals = tuple(dict.fromkeys((node_id, row.name, row.address)))
    if (
        undelivered is not None
        and undelivered.principals == principals
        and await _holds(session, undelivered.serial, key, signed_with=signer.key, seconds=still_seconds)
    ):
        return undelivered
    now, serial = await _now_and_serial(session)
    valid_after, valid_before = now - BACKDATED, now + timedelta(seconds=seconds)
    key_id = f"host node={node_id} name={row.name}"
    certificate = signer.key.generate_host_certificate(
        key,
        key_id,
        serial=serial,
        principals=list(principals),
        valid_after=int(valid_after.timestamp()),
        valid_before=int(valid_before.timestamp()),
        comment=row.name,
    )
    issued = IssuedCertificate(_line(certificate), serial, key_id, principals, valid_after, valid_before)
    await _store(session, issued, key, signer.key, kind=CertificateKind.HOST, subject=node_id, user_id=None)
    return issued


async def revoke(session: Session, serial: int, *, reason: str) -> bool:
    """Revoke one certificate; nodes learn of it at once.

    False if there is nothing to revoke. Waits for emergency revocation by an operator.
    """
    return await _revoke(session, issued_certificate.c.serial == serial, reason) > 0


async def revoke_subject(session: Session, subject: str, *, user_id: str | None = None, reason: str) -> int:
    """Revoke every certificate that still lives for an allocation or node (or one user's for it); returns how many."""
    condition = issued_certificate.c.subject == subject
    if user_id is not None:
        condition = and_(condition, issued_certificate.c.user_id == user_id)
    return await _revoke(session, condition, reason)


async def revoke_user(session: Session, user_id: str, *, reason: str) -> int:
    """Revoke every certificate of a person that still lives; returns how many."""
    return await _revoke(session, issued_certificate.c.user_id == user_id, reason)


async def count_live(session: Session, subject: str) -> int:
    """How many certificates for an allocation or a node can still be used."""
    live = select(func.count()).where(
        issued_certificate.c.subject == subject,
        issued_certificate.c.valid_before > func.clock_timestamp(),
        issued_certificate.c.revoked_at.is_(None),
    )
    counted: int = (await session.execute(live)).scalar_one()
    return counted


async def forget_ended(session: Session, *, limit: int) -> int:
    """Delete certificates that ended long ago, so many at most; returns how many."""
    return (await session.execute(_FORGET, {"days": KEPT_DAYS, "limit": limit})).rowcount


async def _revoke(session: Session, condition: Any, reason: str) -> int:
    changed = await session.execute(
        update(issued_certificate)
        .where(
            condition,
            issued_certificate.c.revoked_at.is_(None),
            issued_certificate.c.valid_before > func.clock_timestamp(),
        )
        .values(revoked_at=func.clock_timestamp(), revoked_in=func.pg_current_xact_id(), revocation_reason=reason)
    )
    if changed.rowcount:
        await leases.make_due(session, REVOCATIONS, REVOCATIONS)
    return int(changed.rowcount)


async def _sign_user(
    session: Session,
    signer: UserSigner,
    key: asyncssh.SSHKey,
    *,
    kind: CertificateKind,
    principals: tuple[str, ...],
    subject: str,
    actor: Actor,
    seconds: int,
    permit_pty: bool,
    permit_port_forwarding: bool,
) -> tuple[IssuedCertificate, asyncssh.SSHCertificate]:
    now, serial = await _now_and_serial(session)
    valid_after, valid_before = now - BACKDATED, now + timedelta(seconds=seconds)
    key_id = f"{kind.value} user={actor.shown_as} for={subject} request={context.request_id.get() or '-'}"
    certificate = signer.key.generate_user_certificate(
        key,
        key_id,
        serial=serial,
        principals=list(principals),
        valid_after=int(valid_after.timestamp()),
        valid_before=int(valid_before.timestamp()),
        permit_x11_forwarding=False,
        permit_agent_forwarding=False,
        permit_port_forwarding=permit_port_forwarding,
        permit_pty=permit_pty,
        permit_user_rc=False,
        comment=subject,
    )
    issued = IssuedCertificate(_line(certificate), serial, key_id, principals, valid_after, valid_before)
    await _store(session, issued, key, signer.key, kind=kind, subject=subject, user_id=actor.user_id)
    return issued, certificate


async def _holds(
    session: Session, serial: int | None, key: asyncssh.SSHKey, *, signed_with: asyncssh.SSHKey, seconds: float
) -> bool:
    """Whether a certificate is for the key, by this authority, not revoked, and holds for so long from now."""
    asked = {"serial": serial, "fingerprint": key.get_fingerprint(), "seconds": seconds}
    return (await session.execute(_HOLDS, {**asked, "ca_public_key": public_line(signed_with)})).first() is not None


async def _now_and_serial(session: Session) -> tuple[datetime, int]:
    serial: int = (await session.execute(_NEXT_SERIAL)).scalar_one()
    return await database_now(session), serial


async def _store(
    session: Session,
    issued: IssuedCertificate,
    key: asyncssh.SSHKey,
    signed_with: asyncssh.SSHKey,
    *,
    kind: CertificateKind,
    subject: str,
    user_id: str | None,
) -> None:
    await session.execute(
        insert(issued_certificate).values(
            serial=issued.serial,
            kind=kind.value,
            ca_public_key=public_line(signed_with),
            key_id=issued.key_id,
            principals=list(issued.principals),
            fingerprint=key.get_fingerprint(),
            subject=subject,
            user_id=user_id,
            request_id=context.request_id.get(),
            valid_after=issued.valid_after,
            valid_before=issued.valid_before,
        )
    )


def _line(certificate: asyncssh.SSHCertificate) -> str:
    return certificate.export_certificate().decode().strip()
