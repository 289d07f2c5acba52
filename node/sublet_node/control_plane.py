"""What this machine says to the control plane over HTTP, and hears: before it joins, when it joins, when it leaves."""

from __future__ import annotations

import contextlib
import datetime
import json
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from . import HELPER_VERSION, commands, gpus, moment, paths, trust
from .errors import NodeError
from .preflight import Place
from .probe import probe

_TIMEOUT_SECONDS = 30
_LEAVING_SECONDS = 10
_ANSWERED = {"node_id", "name", "user_ca_public_keys", "revoked_keys_base64", "host_certificate", "control_principal"}
_NAMESPACE = "sublet-leave"


def address_of(url: str) -> str:
    """HOST:PORT of the control plane; NodeError for what is no address of one."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise NodeError("url_wrong", f"{url} is not an http or https address. Copy it from the join command.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def look(url: str, token: str) -> Place | None:
    """What the control plane was told of this machine; the token is good for joining after it as before.

    None from a control plane of an earlier version, which cannot be asked.
    """
    address_of(url)
    asked = {"join_token": token, "host_public_key": trust.host_public_key()}
    try:
        answer = _post(url, "nodes/enrol/preview", asked)
    except urllib.error.HTTPError as error:
        if error.code in (404, 405):
            return None
        raise NodeError("join_refused", _explain(url, error)) from error
    try:
        skew = datetime.datetime.now(datetime.timezone.utc) - _moment(answer["time"])
        return Place(str(answer["name"]), str(answer["address"]), int(answer["port"]), skew.total_seconds())
    except (KeyError, TypeError, ValueError) as error:
        raise NodeError("join_answer_wrong", f"{url} answered without {error}. Is it a Sublet server?") from error


def join(url: str, token: str) -> dict[str, Any]:
    """Join, by which the token is used; a machine may repeat it with the same token until the node is in use."""
    inventory = probe()
    gpus.keep_only([gpu["uuid"] for gpu in inventory["gpus"]])
    body = {
        "join_token": token,
        "host_public_key": trust.host_public_key(),
        "inventory": inventory,
        "helper_version": HELPER_VERSION,
        "own_principal": True,
    }
    try:
        answer = _post(url, "nodes/enrol", body)
    except urllib.error.HTTPError as error:
        raise NodeError("join_refused", _explain(url, error)) from error
    missing = _ANSWERED - set(answer)
    if missing:
        raise NodeError(
            "join_answer_wrong", f"{url} answered without {', '.join(sorted(missing))}. Is it a Sublet server?"
        )
    return answer


def leave(url: str, node_id: str) -> str:
    """Tell the control plane, signed with the host key that it knows this node by; "" or why it could not be told."""
    at = moment.now()
    try:
        signature = _signed(f"{node_id} {at}".encode())
        _post(url, "nodes/leave", {"node_id": node_id, "at": at, "signature": signature}, seconds=_LEAVING_SECONDS)
    except urllib.error.HTTPError as error:
        return _explain(url, error)
    except NodeError as error:
        return error.message
    return ""


def _signed(message: bytes) -> str:
    """An SSH signature by the node's host key."""
    key = paths.HOST_KEY.with_suffix("")
    with tempfile.TemporaryDirectory(prefix="sublet-leave-") as folder:
        told = Path(folder, "message")
        told.write_bytes(message)
        commands.run("ssh-keygen", "-q", "-Y", "sign", "-n", _NAMESPACE, "-f", str(key), str(told))
        lines = Path(folder, "message.sig").read_text().splitlines()
    return "".join(line for line in lines if not line.startswith("-----"))


def _post(url: str, route: str, body: dict[str, Any], *, seconds: float = _TIMEOUT_SECONDS) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310  (the scheme is checked by `address_of`)
        f"{url.rstrip('/')}/api/v1/{route}",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "User-Agent": f"sublet-node/{HELPER_VERSION}"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=seconds) as response:  # noqa: S310  (as above)
            return dict(json.loads(response.read() or b"{}"))
    except urllib.error.HTTPError:
        raise
    except (OSError, ValueError, TypeError) as error:
        raise NodeError(
            "control_plane_unreachable",
            f"{url} cannot be reached from this node: {error}. Check the address and the firewall between, "
            "then enrol again.",
            retryable=True,
        ) from error


def _explain(url: str, error: urllib.error.HTTPError) -> str:
    said = ""
    with contextlib.suppress(ValueError, AttributeError):
        problem = json.load(error)
        said = f"{problem.get('title', '')} {problem.get('detail', '')}".strip()
    hint = (
        "Make a new join token for the node and run its command."
        if error.code in (401, 403, 404, 409, 410, 422)
        else ""
    )
    return f"{url} refused the node ({error.code}): {(said or error.reason).rstrip('.')}. {hint}".strip()


def _moment(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
