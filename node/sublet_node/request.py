"""What a request may contain: everything is checked here, once, before anything on the node is touched."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from .errors import bad_request

FIRST_UID = 200_000
LAST_UID = 2_000_000_000
MOST_PORTS = 16
FIRST_NODE_PORT = 1024
LOGIN_GLOB = "al-" + "?" * 16
"""Every login of an allocation and no other, as sshd and PAM match names."""

_ALLOCATION = re.compile(r"al_[a-z0-9]{16}\Z")
_LOGIN = re.compile(r"al-[a-z0-9]{16}\Z")
_GPU = re.compile(r"[A-Za-z0-9-]{4,80}\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}\Z")
MOST_VARIABLES = 100
VARIABLE_BYTES = 16 << 10
VARIABLES_BYTES = 64 << 10
"""Of one value, and of all names and values together. The control plane has the same bounds."""
SCRIPT_BYTES = 64 << 10
"""Of a startup script, likewise."""

# Options before the key type are refused: `command=` or `environment=` are not for a customer to set this way.
_KEY = re.compile(
    r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com)"
    r" [A-Za-z0-9+/]+={0,2}( [^\r\n\x00]{0,200})?\Z"
)


@dataclass(frozen=True)
class Subject:
    """Which allocation a request is about, and its account on this node."""

    allocation: str
    login: str
    uid: int


@dataclass(frozen=True)
class Limits:
    """What the allocation may use. `cpu_percent` counts 100 for each processor; `network_bits_per_second`, each way,
    is 0 without a limit."""

    cpu_percent: int
    memory_mib: int
    tasks_max: int
    disk_gib: int
    network_bits_per_second: int = 0


@dataclass(frozen=True)
class Port:
    """A port of the allocation, and the port of the node that leads there."""

    protocol: str
    port: int
    node_port: int


@dataclass(frozen=True)
class Desired:
    """The whole desired state of one allocation."""

    subject: Subject
    state: str
    limits: Limits
    gpus: tuple[str, ...]
    principals: tuple[str, ...]
    authorized_keys: tuple[str, ...]
    disconnect_generation: int
    ports: tuple[Port, ...]
    node_network: bool = False
    gives_back: bool = False
    same_organization: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict, repr=False)


def subject(params: dict[str, Any]) -> Subject:
    """Read and check allocation, login and uid."""
    allocation = _text(params, "allocation", _ALLOCATION)
    login = _text(params, "login", _LOGIN)
    if login[3:] != allocation[3:]:
        raise bad_request(f"login {login} does not belong to allocation {allocation}")
    return Subject(allocation, login, number(params, "uid", FIRST_UID, LAST_UID))


def same_organization(params: dict[str, Any]) -> tuple[str, ...]:
    """Read and check the logins of the same organization; none when it is left out."""
    return _list(params, "same_organization", _LOGIN, most=4096)


def desired(params: dict[str, Any]) -> Desired:
    """Read and check the parameters of apply."""
    state = params.get("state")
    if state not in ("active", "suspended"):
        raise bad_request('state must be "active" or "suspended"')
    limits = params.get("limits")
    if not isinstance(limits, dict):
        raise bad_request("limits must be an object")
    who = subject(params)
    return Desired(
        subject=who,
        state=state,
        limits=Limits(
            cpu_percent=number(limits, "cpu_percent", 1, 1_000_000),
            memory_mib=number(limits, "memory_mib", 16, 1 << 30),
            tasks_max=number(limits, "tasks_max", 8, 4_000_000),
            disk_gib=number(limits, "disk_gib", 0, 1 << 30),
            network_bits_per_second=number(
                {"network_bits_per_second": 0, **limits}, "network_bits_per_second", 0, 1 << 42
            ),
        ),
        gpus=_list(params, "gpus", _GPU),
        principals=_list(params, "principals", re.compile(re.escape(who.login) + r"\Z")),
        authorized_keys=_list(params, "authorized_keys", _KEY),
        disconnect_generation=number({"disconnect_generation": 0, **params}, "disconnect_generation", 0, 1 << 62),
        environment=_environment(params),
        ports=_ports(params.get("ports", [])),
        node_network=_flag(params, "node_network"),
        gives_back=_gives_back(params, state),
        same_organization=same_organization(params),
    )


def _gives_back(params: dict[str, Any], state: str) -> bool:
    wanted = _flag(params, "gives_back")
    if wanted and (state != "suspended" or params.get("gpus")):
        raise bad_request("gives_back is for what is suspended, and has no GPU any more")
    return wanted


def _flag(params: dict[str, Any], name: str) -> bool:
    """Read and check what is true or false; false when it is left out."""
    value = params.get(name, False)
    if not isinstance(value, bool):
        raise bad_request(f"{name} must be true or false")
    return value


def script(params: dict[str, Any]) -> bytes:
    """Read and check a startup script."""
    value = params.get("script")
    encoded = value.encode("utf-8", "replace") if isinstance(value, str) else b""
    if not isinstance(value, str) or not 1 <= len(encoded) <= SCRIPT_BYTES or "\0" in value:
        raise bad_request(f"script must be text of 1 to {SCRIPT_BYTES} bytes without a zero byte")
    return encoded


def _environment(params: dict[str, Any]) -> dict[str, str]:
    """Read and check the variables; none when they are left out. No refusal repeats a value."""
    values = params.get("environment", {})
    if not isinstance(values, dict) or len(values) > MOST_VARIABLES:
        raise bad_request(f"environment must be an object of at most {MOST_VARIABLES} variables")
    size = 0
    for name, value in values.items():
        if not _VARIABLE.match(name):
            raise bad_request(
                f"a variable's name is letters, digits and underscores, and begins with no digit: {name[:40]!r}"
            )
        if not isinstance(value, str) or "\0" in value or len(value.encode("utf-8", "replace")) > VARIABLE_BYTES:
            raise bad_request(f"the value of {name} must be text of at most {VARIABLE_BYTES} bytes without a zero byte")
        size += len(name) + len(value.encode("utf-8", "replace"))
    if size > VARIABLES_BYTES:
        raise bad_request(f"the variables have more than {VARIABLES_BYTES} bytes in all")
    return dict(values)


def _ports(values: Any) -> tuple[Port, ...]:
    if not isinstance(values, list) or len(values) > MOST_PORTS:
        raise bad_request(f"ports must be a list of at most {MOST_PORTS} entries")
    found = []
    for value in values:
        if not isinstance(value, dict) or value.get("protocol") not in ("tcp", "udp"):
            raise bad_request('an entry of ports must have a protocol, "tcp" or "udp"')
        node_port = number(value, "node_port", FIRST_NODE_PORT, 65535)
        found.append(Port(value["protocol"], number(value, "port", 1, 65535), node_port))
    if len({(one.protocol, one.node_port) for one in found}) < len(found):
        raise bad_request("a port of the node leads to one port alone")
    return tuple(found)


def _text(params: dict[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    value = params.get(name)
    if not isinstance(value, str) or not pattern.match(value):
        raise bad_request(f"{name} must be text like {pattern.pattern}")
    return value


def number(params: dict[str, Any], name: str, low: int, high: int) -> int:
    """Read a whole number and check its bounds, both allowed."""
    value = params.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise bad_request(f"{name} must be a whole number from {low} to {high}")
    return value


def _list(params: dict[str, Any], name: str, pattern: re.Pattern[str], *, most: int = 256) -> tuple[str, ...]:
    values = params.get(name, [])
    if not isinstance(values, list) or len(values) > most:
        raise bad_request(f"{name} must be a list of at most {most} entries")
    for value in values:
        if not isinstance(value, str) or not pattern.match(value):
            raise bad_request(f"an entry of {name} is not acceptable: it must be like {pattern.pattern[:80]}")
    return tuple(values)
