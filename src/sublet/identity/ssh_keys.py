"""SSH public keys that people register; allocations let them in. A private key that is sent by mistake is refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncssh
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from sqlalchemy import Row, delete, select, text
from sqlalchemy.dialects.postgresql import insert

from sublet.audit.record import record
from sublet.core.actions import Refusal
from sublet.core.actors import Actor, Permission
from sublet.core.db import Session
from sublet.core.errors import InvalidInput, NotFound, PermissionDenied
from sublet.core.ids import new_id
from sublet.core.locks import Space, alone
from sublet.identity import organizations
from sublet.identity.audit import SshKeyRecord
from sublet.identity.errors import PrivateKeyRefused, SshKeyTaken, TooManyKeys
from sublet.identity.events import publish_access_changed
from sublet.identity.models import membership, ssh_key, user_account
from sublet.identity.permissions import CONNECTING_ROLES

LONGEST_LINE = 8192
MOST_KEYS = 50
"""Of one person."""
FEWEST_RSA_BITS = 2048
TYPES = (
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-rsa",
)

_columns = ssh_key.c


def read_public_key(text: str) -> tuple[str, str]:
    """A public key line as (`type base64`, SHA-256 fingerprint); InvalidInput says what is wrong with anything else."""
    line = text.strip()
    if "PRIVATE KEY" in line or line.startswith("PuTTY-User-Key-File"):
        raise PrivateKeyRefused(
            "This is a private key. It was not stored, but it has left your machine: do not use it any more. Make a "
            "new pair with ssh-keygen -t ed25519 and send the line from the file that ends in .pub.",
            field="public_key",
        )
    kind = line.partition(" ")[0]
    if len(line) > LONGEST_LINE or not line.isascii() or not line.isprintable() or kind not in TYPES:
        raise InvalidInput(
            f"Send one public key on one line, as in the file that ends in .pub, of a type among: {', '.join(TYPES)}.",
            field="public_key",
        )
    try:
        key = asyncssh.import_public_key(line)
    except (asyncssh.KeyImportError, ValueError) as error:
        raise InvalidInput(f"The public key cannot be read: {error}.", field="public_key") from None
    pyca_key = key.pyca_key
    if isinstance(pyca_key, RSAPublicKey) and pyca_key.key_size < FEWEST_RSA_BITS:
        raise InvalidInput(
            f"This RSA key has {pyca_key.key_size} bits, and {FEWEST_RSA_BITS} are the least that is safe. Use "
            "ssh-keygen -t ed25519.",
            field="public_key",
        )
    normal = key.export_public_key("openssh").decode().split()
    return f"{normal[0]} {normal[1]}", key.get_fingerprint("sha256")


@dataclass(frozen=True, slots=True)
class Held:
    """How many keys a person has, and how many the members of that organization of theirs that has most."""

    own: int
    of_organization: int


_HELD = text(
    """
    SELECT (SELECT count(*) FROM ssh_key WHERE user_id = :user_id) AS own,
           coalesce(max(of_one.n), 0) AS of_organization
      FROM membership m
     CROSS JOIN LATERAL (
             SELECT count(*) AS n FROM membership o JOIN ssh_key k ON k.user_id = o.user_id
              WHERE o.organization_id = m.organization_id) of_one
     WHERE m.user_id = :user_id
    """
)


async def held_by(session: Session, user_id: str) -> Held:
    """How many keys a person has, and the fullest of their organizations."""
    return Held(*(await session.execute(_HELD, {"user_id": user_id})).one())


def why_not_add(actor: Actor, held: Held, *, most: int) -> Refusal | None:
    """Why somebody gets no further key, where the members of an organization may have so many together.

    A token must be one that may connect itself: a key outlives it.
    """
    outcome = "Nothing was added."
    if actor.kind == "token" and not actor.can(Permission.ALLOCATION_CONNECT):
        reason = "A token adds keys only if it may connect to allocations itself."
        return Refusal(PermissionDenied, reason, outcome=outcome)
    if held.own >= MOST_KEYS:
        reason = f"You have {held.own} SSH keys, and {MOST_KEYS} are the most."
        return Refusal(TooManyKeys, reason, "Remove one first.", outcome=outcome)
    if held.of_organization >= most:
        reason = (
            f"The members of an organization of yours have {held.of_organization} SSH keys, and {most} are the most."
        )
        return Refusal(TooManyKeys, reason, "One of them has to remove one first.", outcome=outcome)
    return None


async def add(session: Session, actor: Actor, *, name: str, public_key: str, most: int) -> Row[*tuple[Any, ...]]:
    """Register a key of the actor; it opens every allocation of theirs. InvalidInput, SshKeyTaken, TooManyKeys.

    The members of each organization of theirs have `most` keys together.
    """
    line, fingerprint = read_public_key(public_key)
    # One at a time for each person and organization, so that many at once cannot pass the limit together.
    for organization_id in sorted(await organizations.ids_of_user(session, actor.user_id or "")):
        await alone(session, Space.SSH_KEYS, organization_id)
    await session.execute(
        select(user_account.c.id).where(user_account.c.id == actor.user_id).with_for_update(key_share=True)
    )
    if refusal := why_not_add(actor, await held_by(session, actor.user_id or ""), most=most):
        raise refusal.problem
    row = (
        await session.execute(
            insert(ssh_key)
            .values(id=new_id("key"), user_id=actor.user_id, name=name, public_key=line, fingerprint=fingerprint)
            .on_conflict_do_nothing(index_elements=[_columns.user_id, _columns.fingerprint])
            .returning(*_columns)
        )
    ).first()
    if row is None:
        raise SshKeyTaken(f"You have registered this key ({fingerprint}) already. Nothing was added.")
    await record(session, actor, "ssh_key.added", "ssh_key", row.id, after=SshKeyRecord.model_validate(row))
    await _tell(session, actor, "ssh_key_added")
    return row


async def page(session: Session, actor: Actor, *, before: int | None, limit: int) -> Sequence[Row[*tuple[Any, ...]]]:
    """Up to `limit` of the actor's own keys, newest first."""
    statement = select(*_columns).where(_columns.user_id == actor.user_id).order_by(_columns.seq.desc()).limit(limit)
    if before is not None:
        statement = statement.where(_columns.seq < before)
    return (await session.execute(statement)).all()


async def remove(session: Session, actor: Actor, key_id: str) -> None:
    """Forget one of the actor's own keys; NotFound for any other."""
    row = (
        await session.execute(
            delete(ssh_key).where(_columns.id == key_id, _columns.user_id == actor.user_id).returning(*_columns)
        )
    ).first()
    if row is None:
        raise NotFound("SSH key", key_id)
    await record(session, actor, "ssh_key.removed", "ssh_key", key_id, before=SshKeyRecord.model_validate(row))
    await _tell(session, actor, "ssh_key_removed")


async def public_keys_of(session: Session, organization_id: str) -> list[str]:
    """The `type base64` lines that may log in to the organization's allocations, each once, in a stable order.

    They are those of members who may connect and are not disabled.
    """
    rows = await session.execute(
        select(_columns.public_key)
        .join_from(ssh_key, membership, membership.c.user_id == _columns.user_id)
        .join(user_account, user_account.c.id == _columns.user_id)
        .where(
            membership.c.organization_id == organization_id,
            membership.c.role.in_(CONNECTING_ROLES),
            user_account.c.disabled_at.is_(None),
        )
        .distinct()
        .order_by(_columns.public_key)
    )
    return list(rows.scalars())


async def _tell(session: Session, actor: Actor, reason: Any) -> None:
    affected = await organizations.ids_of_user(session, actor.user_id or "")
    await publish_access_changed(session, affected, user_id=actor.user_id or "", reason=reason)
