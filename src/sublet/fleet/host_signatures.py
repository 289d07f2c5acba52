"""What a machine signed with its SSH host key, in the format of `ssh-keygen -Y sign` (OpenSSH PROTOCOL.sshsig)."""

import base64
import binascii
import hashlib
import struct

import asyncssh

_MAGIC = b"SSHSIG"
_HASHES = {b"sha256": hashlib.sha256, b"sha512": hashlib.sha512}
LONGEST = 4096


def is_by(host_public_key: str, message: bytes, signature: str, *, namespace: str) -> bool:
    """Whether the key that this line names signed the message for this purpose; False for whatever cannot be read."""
    try:
        key = asyncssh.import_public_key(host_public_key)
        reader = _Reader(base64.b64decode(signature, validate=True))
        version = reader.after_magic()
        signer, purpose, reserved, named, made = (reader.string() for _ in range(5))
        digest = _HASHES[named](message).digest()
    except (asyncssh.KeyImportError, binascii.Error, struct.error, KeyError, ValueError):
        return False
    if version != 1 or signer != key.public_data or purpose != namespace.encode():
        return False
    return key.verify(_MAGIC + b"".join(_string(one) for one in (purpose, reserved, named, digest)), made)


def _string(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def after_magic(self) -> int:
        if not self._data.startswith(_MAGIC):
            raise ValueError("no signature of this kind")
        (version,) = struct.unpack_from(">I", self._data, len(_MAGIC))
        self._data = self._data[len(_MAGIC) + 4 :]
        return int(version)

    def string(self) -> bytes:
        (size,) = struct.unpack_from(">I", self._data)
        if size > len(self._data) - 4:
            raise ValueError("it ends early")
        value, self._data = self._data[4 : 4 + size], self._data[4 + size :]
        return value
