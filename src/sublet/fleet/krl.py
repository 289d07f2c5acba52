"""OpenSSH key revocation lists, written here so that the control plane needs no ssh-keygen.

The format is OpenSSH's PROTOCOL.krl, version 1; only lists of certificate serials are written.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_MAGIC = b"SSHKRL\n\x00"
_FORMAT_VERSION = 1
_SECTION_CERTIFICATES = 1
_CERTIFICATE_SERIAL_LIST = 0x20


@dataclass(frozen=True, slots=True)
class RevocationList:
    """Revoked certificates in OpenSSH's format, and the list's version, which only grows."""

    content: bytes
    version: int


def build(revoked: Mapping[bytes, Sequence[int]], *, version: int, generated_at: int, comment: str = "") -> bytes:
    """A list that revokes, for each authority (its public key in wire form), certificates by serial.

    `version` only grows; `generated_at` is seconds since 1970. An empty mapping gives a valid list of nothing.
    """
    header = struct.pack(">IQQQ", _FORMAT_VERSION, version, generated_at, 0) + _string(b"") + _string(comment.encode())
    sections = [_certificates(authority, sorted(set(revoked[authority]))) for authority in sorted(revoked)]
    return _MAGIC + header + b"".join(sections)


def _certificates(authority: bytes, serials: Sequence[int]) -> bytes:
    listed = b"".join(struct.pack(">Q", serial) for serial in serials)
    inner = bytes([_CERTIFICATE_SERIAL_LIST]) + _string(listed)
    return bytes([_SECTION_CERTIFICATES]) + _string(_string(authority) + _string(b"") + inner)


def _string(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value
