"""Envelope encryption: each record has its own data key, wrapped by a key provider; AES-256-GCM throughout.

A sealed value only opens in the place it was made for: table, column, row and key id are its associated data.
"""

import json
import os
import secrets
import tempfile
from base64 import b64decode, b64encode
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sublet.core.errors import SubletError
from sublet.core.settings import SecretRef

NONCE_BYTES = 12
KEY_BYTES = 32


class SealBroken(SubletError):
    """A sealed value was changed, moved to another row, or sealed with another key."""

    code = "seal_broken"


class KeyProvider(Protocol):
    """Wraps and unwraps data keys; the key-encryption key never leaves it."""

    key_id: str

    def wrap(self, data_key: bytes) -> bytes:
        """The data key, encrypted."""
        ...

    def unwrap(self, wrapped: bytes) -> bytes:
        """The data key again; SealBroken if the key is not the one that wrapped it."""
        ...


class FileKeyProvider:
    """A 32-byte key in a file of mode 0600: right for one machine."""

    def __init__(self, reference: SecretRef) -> None:
        self._path = reference.path
        text = reference.read()
        mode = self._path.stat().st_mode & 0o777
        if mode & 0o077:
            raise SubletError(
                f"The key file {self._path} can be read by others (mode {mode:04o}). Nothing was opened with it. "
                f"Run: chmod 600 {self._path}"
            )
        try:
            key = bytes.fromhex(text)
        except ValueError:
            key = b""
        if len(key) != KEY_BYTES:
            raise SubletError(
                f"The key file {self._path} does not hold a key, which has {2 * KEY_BYTES} hexadecimal digits. Nothing "
                "was opened with it. Put the right file back: without it, what was sealed with it stays sealed."
            )
        self.key_id = f"file:{AESGCM(key).encrypt(bytes(NONCE_BYTES), b'key id', None)[-6:].hex()}"
        self._cipher = AESGCM(key)

    @classmethod
    def create_if_missing(cls, path: Path) -> "FileKeyProvider":
        """The provider for `path`, making a new random key if the file is not there."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            # Several processes start at once, and any may be killed: the key appears whole, and once.
            descriptor, whole = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
            try:
                with os.fdopen(descriptor, "w") as file:
                    file.write(secrets.token_hex(KEY_BYTES) + "\n")
                    file.flush()
                    os.fsync(file.fileno())
                with suppress(FileExistsError):
                    os.link(whole, path)
            finally:
                Path(whole).unlink()
        return cls(SecretRef(f"file:{path}"))

    def wrap(self, data_key: bytes) -> bytes:
        """The data key, encrypted."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, data_key, self.key_id.encode())

    def unwrap(self, wrapped: bytes) -> bytes:
        """The data key again; SealBroken if the key is not the one that wrapped it."""
        try:
            return self._cipher.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], self.key_id.encode())
        except InvalidTag:
            raise SealBroken(f"A data key cannot be unwrapped with {self.key_id}.") from None


def _associated(table: str, column: str, row: str, key_id: str) -> bytes:
    return json.dumps([table, column, row, key_id]).encode()


def seal(provider: KeyProvider, plain: bytes, *, table: str, column: str, row: str) -> bytes:
    """Encrypt `plain` for one place in the database."""
    data_key, nonce = AESGCM.generate_key(256), secrets.token_bytes(NONCE_BYTES)
    cipher_text = AESGCM(data_key).encrypt(nonce, plain, _associated(table, column, row, provider.key_id))
    return json.dumps(
        {
            "v": 1,
            "key": provider.key_id,
            "wrapped": b64encode(provider.wrap(data_key)).decode(),
            "nonce": b64encode(nonce).decode(),
            "data": b64encode(cipher_text).decode(),
        }
    ).encode()


def unseal(provider: KeyProvider, sealed: bytes, *, table: str, column: str, row: str) -> bytes:
    """Open what `seal` made for the same place; SealBroken if anything about it differs."""
    try:
        parts = json.loads(sealed)
        key_id = str(parts["key"])
        data_key = provider.unwrap(b64decode(parts["wrapped"]))
        return AESGCM(data_key).decrypt(
            b64decode(parts["nonce"]), b64decode(parts["data"]), _associated(table, column, row, key_id)
        )
    except (InvalidTag, KeyError, TypeError, ValueError) as error:
        raise SealBroken(f"The sealed {table}.{column} of {row} cannot be opened: it was changed or moved.") from error
