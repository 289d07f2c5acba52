"""trust: whom the node believes (user authorities, revoked keys) and how it proves itself (host certificate)."""

from __future__ import annotations

import base64
import binascii
import contextlib
import datetime
import re
import struct
import time
from typing import Any

from . import files, hostcert, moment, paths, retention, sshd
from .errors import NodeError, bad_request
from .store import Store

_CA_LINE = re.compile(r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp\d+) [A-Za-z0-9+/]+={0,2}( [^\r\n]*)?\Z")
_KRL_MAGIC = b"SSHKRL\n\x00"
_KRL_HEAD = struct.Struct(">8sIQ")  # magic, version of the format, version of the list
_LOCK = "trust"
_CLOCKS_DIFFER_MICROSECONDS = 300 * 1_000_000


def trust(store: Store, params: dict[str, Any]) -> dict[str, Any]:
    """Replace all three, each atomically; sshd is reloaded only when the host certificate is another one.

    A list of revoked keys that is older than the node's comes from somebody who has been overtaken: nothing changes.
    """
    with store.locked(_LOCK):
        _refuse_if_late(_revoked(params.get("revoked_keys_base64")))
        changed, certificate = write(params)
        if changed:
            sshd.reload()
    with contextlib.suppress(NodeError):  # a folder that cannot be read is found by `observe`
        retention.forget(store)
    answer = {}
    if "control_principal" in params:
        # Written last: what came before is in force, whoever is refused from now on.
        sshd.write_principal(params["control_principal"])
        answer["control_principal"] = params["control_principal"]
    return {
        **answer,
        "host_certificate_valid_before": moment.iso(certificate.valid_before),
        "host_public_key": host_public_key(),
    }


def revoke(store: Store, params: dict[str, Any]) -> dict[str, Any]:
    """Replace the list of revoked keys alone, atomically: sshd reads it at each login, so nothing is reloaded."""
    with store.locked(_LOCK):
        revoked = _revoked(params.get("revoked_keys_base64"))
        _refuse_if_late(revoked)
        files.replace(paths.REVOKED_KEYS, revoked)
    return {"revoked_keys_version": _version(revoked)}


def write(params: dict[str, Any]) -> tuple[bool, hostcert.HostCertificate]:
    """Check all, then write all; returns whether sshd has to read its host certificate again."""
    authorities = params.get("user_ca_public_keys")
    if not isinstance(authorities, list) or not authorities:
        raise bad_request("user_ca_public_keys must be a list of at least one public key")
    if not all(isinstance(line, str) and _CA_LINE.match(line.strip()) for line in authorities):
        raise bad_request("user_ca_public_keys holds something that is not a public key")
    revoked = _revoked(params.get("revoked_keys_base64"))
    line = params.get("host_certificate")
    if not isinstance(line, str):
        raise bad_request("host_certificate must be one line of text")
    certificate = _checked(line)
    # Without these files, or with a damaged one, sshd lets no certificate in: so they are replaced whole.
    files.replace(paths.REVOKED_KEYS, revoked)
    files.replace(paths.USER_CA, "".join(f"{line.strip()}\n" for line in authorities).encode())
    return files.replace(paths.HOST_CERTIFICATE, line.strip().encode() + b"\n"), certificate


def host_public_key() -> str:
    """The node's own host key, the one that host certificates are for."""
    try:
        return paths.HOST_KEY.read_text().strip()
    except FileNotFoundError:
        raise NodeError(
            "host_key_missing", f"{paths.HOST_KEY} is missing. Run `ssh-keygen -A` as root, then try again."
        ) from None


def _revoked(text: Any) -> bytes:
    if not isinstance(text, str):
        raise bad_request("revoked_keys_base64 must be text")
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise bad_request("revoked_keys_base64 is not base64") from error
    if data and not data.startswith(_KRL_MAGIC):
        raise bad_request(
            "revoked_keys_base64 is not an OpenSSH key revocation list; sshd would refuse every certificate"
        )
    return data


def _refuse_if_late(revoked: bytes) -> None:
    """Versions grow with time, in microseconds. One from the future is a mistake of some clock, and binds nobody."""
    known = _version(paths.REVOKED_KEYS.read_bytes()) if paths.REVOKED_KEYS.exists() else 0
    if _version(revoked) < known <= time.time() * 1_000_000 + _CLOCKS_DIFFER_MICROSECONDS:
        raise NodeError(
            "stale_generation",
            f"The node has list {known} of revoked keys; list {_version(revoked)} is older and changes nothing.",
        )


def _version(revoked: bytes) -> int:
    """The version of a list; 0 for an empty one."""
    return int(_KRL_HEAD.unpack_from(revoked)[2]) if len(revoked) >= _KRL_HEAD.size else 0


def _checked(line: str) -> hostcert.HostCertificate:
    certificate = hostcert.parse(line)
    if certificate.public_key != hostcert.key_of(host_public_key()):
        raise NodeError(
            "host_key_mismatch",
            "The host certificate is for another host key than this node's. Enrol the node again, so that its key "
            "becomes known.",
        )
    now = datetime.datetime.now(datetime.timezone.utc)
    if not certificate.valid_after <= now < certificate.valid_before:
        raise NodeError(
            "host_certificate_not_valid_now",
            f"The host certificate is valid from {moment.iso(certificate.valid_after)} to "
            f"{moment.iso(certificate.valid_before)}, but the node's clock says {moment.iso(now)}. "
            "Set the clock right.",
        )
    return certificate
