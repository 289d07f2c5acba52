"""What machines sign with their host keys."""

import base64
import hashlib
import struct

import asyncssh

from sublet.fleet.departure import NAMESPACE


def signed(key: asyncssh.SSHKey, message: str, *, namespace: str = NAMESPACE, version: int = 1) -> str:
    """As `ssh-keygen -Y sign` does it; that a real one does is seen with real nodes."""

    def string(value: bytes) -> bytes:
        return struct.pack(">I", len(value)) + value

    digest = hashlib.sha512(message.encode()).digest()
    middle = string(namespace.encode()) + string(b"") + string(b"sha512")
    made = key.sign(b"SSHSIG" + middle + string(digest), b"ssh-ed25519")
    whole = b"SSHSIG" + struct.pack(">I", version) + string(key.public_data) + middle + string(made)
    return base64.b64encode(whole).decode()
