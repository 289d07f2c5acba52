"""One signer for what leaves the database: Ed25519, its private half encrypted with the keyring.

Who reads what was signed compares with a public key that they keep themselves: the one in the database is no proof.
"""

import asyncio

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from sqlalchemy import text

from sublet.core.db import Database
from sublet.core.encryption import decrypt, encrypt
from sublet.core.ids import new_id
from sublet.core.keyring import Keyring

_KEY = text("SELECT id, encrypted_private_key FROM signing_key")
_ADD = text(
    """
    INSERT INTO signing_key (id, public_key, encrypted_private_key) VALUES (:id, :public_key, :encrypted_private_key)
    ON CONFLICT ((true)) DO NOTHING
    """
)
_PLACE = {"table": "signing_key", "column": "encrypted_private_key"}


class Signer:
    """Signs with the installation's key, which it makes on first use and then keeps in memory."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring
        self._opened: Ed25519PrivateKey | None = None
        self._opening = asyncio.Lock()

    async def public_key(self) -> bytes:
        """The raw public key, 32 bytes. OpenSessionError while a session is open."""
        return (await self._key()).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    async def sign(self, message: bytes) -> bytes:
        """The message's signature, 64 bytes. OpenSessionError while a session is open."""
        return (await self._key()).sign(message)

    async def _key(self) -> Ed25519PrivateKey:
        async with self._opening:
            if self._opened is None:
                self._opened = await self._read() or await self._make()
            return self._opened

    async def _read(self) -> Ed25519PrivateKey | None:
        async with self._database.reading() as session:
            row = (await session.execute(_KEY)).one_or_none()
        if row is None:
            return None
        encrypted = bytes(row.encrypted_private_key)
        return Ed25519PrivateKey.from_private_bytes(await decrypt(self._keyring, encrypted, row=row.id, **_PLACE))

    async def _make(self) -> Ed25519PrivateKey:
        key, key_id = Ed25519PrivateKey.generate(), new_id("sig")
        private = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        made = {
            "id": key_id,
            "public_key": key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw),
            "encrypted_private_key": await encrypt(self._keyring, private, row=key_id, **_PLACE),
        }
        async with self._database.transaction() as session:
            await session.execute(_ADD, made)
        kept = await self._read()  # another process may have been first
        assert kept is not None
        return kept


def is_signed(message: bytes, signature: bytes, public_key: bytes) -> bool:
    """Whether the owner of the public key signed the message."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
