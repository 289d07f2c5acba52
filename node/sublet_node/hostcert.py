"""Reading an SSH host certificate far enough to refuse one that would not work (OpenSSH PROTOCOL.certkeys)."""

from __future__ import annotations

import base64
import binascii
import datetime
import struct
from dataclasses import dataclass

from .errors import bad_request

_HOST = 2
_KEY_FIELDS = {
    "ssh-ed25519-cert-v01@openssh.com": 1,
    "ssh-rsa-cert-v01@openssh.com": 2,
    "ecdsa-sha2-nistp256-cert-v01@openssh.com": 2,
    "ecdsa-sha2-nistp384-cert-v01@openssh.com": 2,
    "ecdsa-sha2-nistp521-cert-v01@openssh.com": 2,
}


@dataclass(frozen=True)
class HostCertificate:
    """What a host certificate says."""

    public_key: tuple[bytes, ...]
    principals: tuple[str, ...]
    valid_after: datetime.datetime
    valid_before: datetime.datetime


def parse(line: str) -> HostCertificate:
    """Read one line in OpenSSH's format."""
    try:
        blob = base64.b64decode(line.split()[1], validate=True)
        reader = _Reader(blob)
        kind = reader.text()
        reader.string()  # nonce
        key = tuple(reader.string() for _ in range(_KEY_FIELDS[kind]))
        reader.number("Q")  # serial
        certified = reader.number("I")
        reader.string()  # key id
        names = _Reader(reader.string())
        principals = []
        while names.left:
            principals.append(names.text())
        after, before = reader.number("Q"), reader.number("Q")
    except (IndexError, KeyError, ValueError, struct.error, binascii.Error) as error:
        raise bad_request("host_certificate is not an OpenSSH certificate of a known kind") from error
    if certified != _HOST:
        raise bad_request("host_certificate is a user certificate; a host certificate is needed")
    return HostCertificate(key, tuple(principals), _moment(after), _moment(before))


def key_of(public_key_line: str) -> tuple[bytes, ...]:
    """The key material of a plain public key line, to compare with a certificate's."""
    reader = _Reader(base64.b64decode(public_key_line.split()[1]))
    reader.string()
    fields = []
    while reader.left:
        fields.append(reader.string())
    return tuple(fields)


def _moment(seconds: int) -> datetime.datetime:
    latest = 253402300799  # year 9999: "forever" in a certificate is larger than a date can be
    return datetime.datetime.fromtimestamp(min(seconds, latest), datetime.timezone.utc)


class _Reader:
    """Takes SSH wire values off the front of some bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def left(self) -> int:
        return len(self._data)

    def string(self) -> bytes:
        size = self.number("I")
        if size > len(self._data):
            raise ValueError("the certificate ends early")
        value, self._data = self._data[:size], self._data[size:]
        return value

    def text(self) -> str:
        return self.string().decode("utf-8")

    def number(self, form: str) -> int:
        size = struct.calcsize(">" + form)
        (value,) = struct.unpack(">" + form, self._data[:size])
        self._data = self._data[size:]
        return int(value)
