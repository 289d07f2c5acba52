"""Sublet's own SSH certificate authorities: one for users, one for hosts, each with its next key already published.

Private keys are sealed in the database and opened only in memory. Both public keys of an authority are trusted
everywhere, and the current one signs; so a rotation never cuts anybody off.
"""

from dataclasses import dataclass
from enum import StrEnum

import asyncssh
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from sublet.core.db import Session
from sublet.core.ids import new_id
from sublet.core.sealing import KeyProvider, seal, unseal
from sublet.fleet.models import ssh_ca_key

KEY_TYPE = "ssh-ed25519"
SSH_PORT = 22


class CaKind(StrEnum):
    """Whom an authority certifies."""

    USER = "user"
    HOST = "host"


class CaSlot(StrEnum):
    """The key that signs, and the one that will."""

    CURRENT = "current"
    NEXT = "next"


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """An authority's public keys as OpenSSH lines without comments."""

    current: str
    next: str

    @property
    def all(self) -> tuple[str, ...]:
        """Both, the signing one first."""
        return (self.current, self.next)


def public_line(key: asyncssh.SSHKey) -> str:
    """A public key as `type base64`, without its comment: the one form that is stored and compared."""
    return " ".join(key.export_public_key().decode().split()[:2])


class CertificateAuthority:
    """Opens the authorities' keys with a key provider and keeps them in memory."""

    def __init__(self, provider: KeyProvider) -> None:
        self._provider = provider
        self._opened: dict[str, asyncssh.SSHKey] = {}

    async def ensure(self, session: Session) -> None:
        """Make the four keys on first use; harmless to repeat, and from several processes at once."""
        existing = {(row.kind, row.slot) for row in await session.execute(select(ssh_ca_key.c.kind, ssh_ca_key.c.slot))}
        for kind in CaKind:
            for slot in CaSlot:
                if (kind.value, slot.value) not in existing:
                    await self._create(session, kind, slot)

    async def signing_key(self, session: Session, kind: CaKind) -> asyncssh.SSHKey:
        """The private key that signs now."""
        statement = select(ssh_ca_key).where(ssh_ca_key.c.kind == kind.value, ssh_ca_key.c.slot == CaSlot.CURRENT.value)
        row = (await session.execute(statement)).one_or_none()
        if row is None:
            await self.ensure(session)
            row = (await session.execute(statement)).one()
        if row.id not in self._opened:
            opened = unseal(
                self._provider,
                bytes(row.sealed_private_key),
                table=ssh_ca_key.name,
                column="sealed_private_key",
                row=row.id,
            )
            self._opened[row.id] = asyncssh.import_private_key(opened)
        return self._opened[row.id]

    async def public_keys(self, session: Session, kind: CaKind) -> PublicKeys:
        """The public keys to trust."""
        statement = select(ssh_ca_key.c.slot, ssh_ca_key.c.public_key).where(ssh_ca_key.c.kind == kind.value)
        found = {row.slot: row.public_key for row in await session.execute(statement)}
        if len(found) < len(CaSlot):
            await self.ensure(session)
            found = {row.slot: row.public_key for row in await session.execute(statement)}
        return PublicKeys(current=found[CaSlot.CURRENT.value], next=found[CaSlot.NEXT.value])

    async def known_hosts_line(self, session: Session, host: str, port: int) -> str:
        """One `@cert-authority` line for a customer's known_hosts, good for this host and port only."""
        keys = await self.public_keys(session, CaKind.HOST)
        pattern = host if port == SSH_PORT else f"[{host}]:{port}"
        return f"@cert-authority {pattern} {keys.current}"

    async def _create(self, session: Session, kind: CaKind, slot: CaSlot) -> None:
        key = asyncssh.generate_private_key(KEY_TYPE)
        key_id = new_id("ca")
        sealed = seal(
            self._provider,
            key.export_private_key("openssh"),
            table=ssh_ca_key.name,
            column="sealed_private_key",
            row=key_id,
        )
        await session.execute(
            insert(ssh_ca_key)
            .values(id=key_id, kind=kind.value, slot=slot.value, public_key=public_line(key), sealed_private_key=sealed)
            .on_conflict_do_nothing(index_elements=["kind", "slot"])
        )
