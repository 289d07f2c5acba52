"""Envelope encryption: each record has its own data key, wrapped by the keyring; AES-256-GCM throughout.

An encrypted value names the key that its data key was wrapped with, and only opens in the place it was made for: table,
column, row and key id are its associated data.
"""

import json
import secrets
from base64 import b64decode, b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sublet.core.keyring import DecryptionFailed, Keyring, Wrapped

NONCE_BYTES = 12


class DataKey:
    """A new key for one record, wrapped already: it encrypts also while a session is open, without the keyring."""

    def __init__(self, plain: bytes, wrapped: Wrapped) -> None:
        self._plain = plain
        self._wrapped = wrapped

    @classmethod
    async def new(cls, keyring: Keyring) -> "DataKey":
        """A random key that the keyring has wrapped. OpenSessionError while a session is open."""
        plain = AESGCM.generate_key(256)
        return cls(plain, await keyring.wrap(plain))

    def encrypt(self, plain: bytes, *, table: str, column: str, row: str) -> bytes:
        """Encrypt `plain` for one place in the database."""
        key_id, nonce = self._wrapped.key_id, secrets.token_bytes(NONCE_BYTES)
        cipher_text = AESGCM(self._plain).encrypt(nonce, plain, _associated(table, column, row, key_id))
        return json.dumps(
            {
                "v": 1,
                "key": key_id,
                "wrapped": b64encode(self._wrapped.data).decode(),
                "nonce": b64encode(nonce).decode(),
                "data": b64encode(cipher_text).decode(),
            }
        ).encode()


async def encrypt(keyring: Keyring, plain: bytes, *, table: str, column: str, row: str) -> bytes:
    """Encrypt `plain` for one place in the database. OpenSessionError while a session is open."""
    return (await DataKey.new(keyring)).encrypt(plain, table=table, column=column, row=row)


async def decrypt(keyring: Keyring, encrypted: bytes, *, table: str, column: str, row: str) -> bytes:
    """Open what was encrypted for the same place, with whichever key.

    DecryptionFailed if anything about it differs, KeyUnknown if its key is gone, OpenSessionError while a session is
    open.
    """
    broken = DecryptionFailed(f"The encrypted {table}.{column} of {row} cannot be opened: it was changed or moved.")
    try:
        parts = json.loads(encrypted)
        wrapped = Wrapped(str(parts["key"]), b64decode(parts["wrapped"]))
        nonce, data = b64decode(parts["nonce"]), b64decode(parts["data"])
    except (KeyError, TypeError, ValueError) as error:
        raise broken from error
    data_key = await keyring.unwrap(wrapped)
    try:
        return AESGCM(data_key).decrypt(nonce, data, _associated(table, column, row, wrapped.key_id))
    except (InvalidTag, ValueError) as error:
        raise broken from error


def _associated(table: str, column: str, row: str, key_id: str) -> bytes:
    return json.dumps([table, column, row, key_id]).encode()
