"""Sublet's own SSH certificate authorities: one for users, one for hosts, each with its next key already published.

Private keys are encrypted in the database and opened only in memory, before the transaction that needs them. Both
public keys of an authority are trusted everywhere, and the current one signs; so a rotation never cuts anybody off.
"""

import asyncio
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import asyncssh
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from sublet.core.db import Database, Session, forbid_open_session
from sublet.core.encryption import decrypt, encrypt
from sublet.core.ids import new_id
from sublet.core.keyring import Keyring
from sublet.fleet.models import ssh_ca_key

KEY_TYPE = "ssh-ed25519"
SSH_PORT = 22
OPENED_SECONDS = 60.0
"""How long an opened key stays in memory: a process may go on signing so long with a key that was replaced."""


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


@dataclass(frozen=True, slots=True)
class UserSigner:
    """The key that signs for users now, opened; it lives in memory only, and not for long."""

    key: asyncssh.SSHKey

    def __repr__(self) -> str:
        return "UserSigner(…)"


@dataclass(frozen=True, slots=True)
class HostSigner:
    """The key that signs for hosts now, opened; it lives in memory only, and not for long."""

    key: asyncssh.SSHKey

    def __repr__(self) -> str:
        return "HostSigner(…)"


async def public_keys(session: Session, kind: CaKind) -> PublicKeys:
    """The public keys to trust; KeyError before an authority was asked for its first signer."""
    statement = select(ssh_ca_key.c.slot, ssh_ca_key.c.public_key).where(ssh_ca_key.c.kind == kind.value)
    found = {row.slot: row.public_key for row in await session.execute(statement)}
    return PublicKeys(current=found[CaSlot.CURRENT.value], next=found[CaSlot.NEXT.value])


async def known_hosts_line(session: Session, host: str, port: int) -> str:
    """One `@cert-authority` line for a customer's known_hosts, good for this host and port only."""
    keys = await public_keys(session, CaKind.HOST)
    pattern = host if port == SSH_PORT else f"[{host}]:{port}"
    return f"@cert-authority {pattern} {keys.current}"


class CertificateAuthority:
    """Opens the authorities' keys with the keyring and keeps them in memory for a while."""

    def __init__(self, database: Database, keyring: Keyring, *, opened_seconds: float = OPENED_SECONDS) -> None:
        self._database = database
        self._keyring = keyring
        self._opened_seconds = opened_seconds
        self._opened: dict[CaKind, tuple[float, asyncssh.SSHKey]] = {}
        self._opening = {kind: asyncio.Lock() for kind in CaKind}

    async def user_signer(self) -> UserSigner:
        """What signs for users now; take it before the transaction. OpenSessionError while a session is open."""
        return UserSigner(await self._signing_key(CaKind.USER))

    async def host_signer(self) -> HostSigner:
        """What signs for hosts now; take it before the transaction. OpenSessionError while a session is open."""
        return HostSigner(await self._signing_key(CaKind.HOST))

    async def ensure(self) -> None:
        """Make the four keys on first use; harmless to repeat, and from several processes at once."""
        async with self._database.reading() as session:
            rows = await session.execute(select(ssh_ca_key.c.kind, ssh_ca_key.c.slot))
            existing = {(row.kind, row.slot) for row in rows}
        places = [(kind, slot) for kind in CaKind for slot in CaSlot]
        made = [await self._make(kind, slot) for kind, slot in places if (kind.value, slot.value) not in existing]
        if made:
            async with self._database.transaction() as session:
                adding = insert(ssh_ca_key).on_conflict_do_nothing(index_elements=["kind", "slot"])
                await session.execute(adding, made)

    async def _signing_key(self, kind: CaKind) -> asyncssh.SSHKey:
        forbid_open_session("the keyring")  # also when the key is in memory: the next time it may not be
        async with self._opening[kind]:
            until, key = self._opened.get(kind, (0.0, None))
            if key is None or time.monotonic() >= until:
                key = await self._open(kind)
                self._opened[kind] = (time.monotonic() + self._opened_seconds, key)
            return key

    async def _open(self, kind: CaKind) -> asyncssh.SSHKey:
        statement = select(ssh_ca_key).where(ssh_ca_key.c.kind == kind.value, ssh_ca_key.c.slot == CaSlot.CURRENT.value)
        async with self._database.reading() as session:
            row = (await session.execute(statement)).one_or_none()
        if row is None:
            await self.ensure()
            async with self._database.reading() as session:
                row = (await session.execute(statement)).one()
        encrypted = bytes(row.encrypted_private_key)
        return asyncssh.import_private_key(
            await decrypt(self._keyring, encrypted, table=ssh_ca_key.name, column="encrypted_private_key", row=row.id)
        )

    async def _make(self, kind: CaKind, slot: CaSlot) -> dict[str, Any]:
        """A new key's row, the private key in it encrypted."""
        key, key_id = asyncssh.generate_private_key(KEY_TYPE), new_id("ca")
        private = key.export_private_key("openssh")
        return {
            "id": key_id,
            "kind": kind.value,
            "slot": slot.value,
            "public_key": public_line(key),
            "encrypted_private_key": await encrypt(
                self._keyring, private, table=ssh_ca_key.name, column="encrypted_private_key", row=key_id
            ),
        }
