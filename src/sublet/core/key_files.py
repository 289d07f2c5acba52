"""Keys in a file of mode 0600, one a line, the current one first: right for one machine.

Empty lines and lines that begin with `#` say nothing. To change the key, put a new first line above the others; a line
may go once nothing is encrypted with its key any more.
"""

import hashlib
import hmac
import os
import secrets
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sublet.core.errors import SubletError
from sublet.core.keyring import DecryptionFailed, Key, Keyring
from sublet.core.own_folders import require_own
from sublet.core.settings import SecretRef

NONCE_BYTES = 12
KEY_BYTES = 32


class KeyFileUnusable(SubletError):
    """The key file holds no keys, or others can read it."""

    code = "key_file_unusable"


class FileKey:
    """A 32-byte key; its id is made from it, so that the same key has the same id wherever it lies."""

    def __init__(self, key: bytes) -> None:
        self.key_id = f"file:{hmac.digest(key, b'sublet key id', hashlib.sha256)[:6].hex()}"
        self._cipher = AESGCM(key)

    async def wrap(self, data_key: bytes) -> bytes:
        """The data key, encrypted."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, data_key, self.key_id.encode())

    async def unwrap(self, wrapped: bytes) -> bytes:
        """The data key again; DecryptionFailed if this key did not wrap it."""
        try:
            return self._cipher.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], self.key_id.encode())
        except (InvalidTag, ValueError):  # ValueError: too short to be one
            raise DecryptionFailed(f"A data key cannot be unwrapped with {self.key_id}: it was changed.") from None


def keyring_in(reference: SecretRef) -> Keyring:
    """The keyring that a file holds; SecretUnavailable, KeyFileUnusable."""
    return Keyring(lambda: _read(reference))


def keyring_at(path: Path) -> Keyring:
    """The keyring in the file at `path`, which is made with a new random key if it is not there.

    NotOurs when the folder is not ours alone: somebody else could have chosen the key.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    require_own(path.parent)
    if not path.exists():
        # Several processes start at once, and any may be killed: the file appears whole, and once.
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
    return keyring_in(SecretRef(f"file:{path}"))


def _read(reference: SecretRef) -> Sequence[Key]:
    path, text = reference.path, reference.read()
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise KeyFileUnusable(
            f"The key file {path} can be read by others (mode {mode:04o}). Nothing was opened with it. "
            f"Run: chmod 600 {path}"
        )
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1)]
    keys = [FileKey(_key(path, number, line)) for number, line in lines if line and not line.startswith("#")]
    if not keys:
        raise KeyFileUnusable(
            f"The key file {path} does not hold a key. Nothing was opened with it. Put the right file back: without "
            "it, nobody can read what was encrypted with it."
        )
    return keys


def _key(path: Path, number: int, line: str) -> bytes:
    try:
        key = bytes.fromhex(line)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise KeyFileUnusable(
            f"Line {number} of the key file {path} does not hold a key, which has {2 * KEY_BYTES} hexadecimal digits. "
            "Nothing was opened with it. Put the right file back: without it, nobody can read what was encrypted with "
            "it."
        )
    return key
