"""What stands against enrolment, all of it at once and in words: looked at before a token is used or a file touched."""

from __future__ import annotations

import ipaddress
import os
import pwd
import re
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from . import commands, confinement, directory, endpoints, paths, sshd, sshd_settings, systemd, trust
from .errors import NodeError
from .request import LOGIN_GLOB
from .sshd_settings import Settings

CONTROL_COMMENT = "Sublet control plane"
_A_LOGIN = LOGIN_GLOB.replace("?", "a")
_ELSEWHERE = "203.0.113.7"  # of no network at all: nobody has a rule for it
_CERTIFICATE = "ssh-ed25519-cert-v01@openssh.com"
_ALGORITHMS = (
    (("pubkeyacceptedalgorithms", "pubkeyacceptedkeytypes"), "PubkeyAcceptedAlgorithms", _CERTIFICATE),
    (("hostkeyalgorithms",), "HostKeyAlgorithms", _CERTIFICATE),
    (("casignaturealgorithms",), "CASignatureAlgorithms", "ssh-ed25519"),
)
_FOR_BOTH = {
    "pubkeyauthentication": "yes",
    "authenticationmethods": "publickey",
    "trustedusercakeys": str(paths.USER_CA),
    "authorizedprincipalsfile": f"{paths.PRINCIPALS}/%u",
}
_FOR_EACH = {
    sshd.CONTROL_USER: {**_FOR_BOTH, "forcecommand": sshd.command()},
    _A_LOGIN: {
        **_FOR_BOTH,
        "authorizedkeysfile": f"{paths.AUTHORIZED_KEYS}/%u",
        "chrootdirectory": str(paths.SESSION_ROOT),
        "forcecommand": "none",
    },
}
_CLOCK_SECONDS = 20.0


@dataclass(frozen=True)
class Place:
    """Where the control plane was told to reach this machine, as which node, and by how much their clocks differ."""

    name: str
    address: str
    port: int
    clock_seconds: float


def refuse_what_cannot_work() -> None:
    """NodeError for whoever cannot even look."""
    if os.geteuid() != 0:
        raise NodeError("not_root", "Enrolment changes sshd and accounts. Run it as root.")
    if sys.version_info < (3, 9):
        raise NodeError("python_too_old", "Python 3.9 or newer is needed. Install a newer python3.")


def require(place: Place | None) -> None:
    """NodeError `not_ready` with everything that stands against it."""
    looks = [look() for look in _LOOKS] + ([] if place is None else [_where(place)])
    found = [said for look in looks for said in _said(look)]
    if found:
        lines = "".join(f"\n  - {said}" for said in dict.fromkeys(found))
        raise NodeError(
            "not_ready",
            "This machine cannot become a node yet. Nothing was changed, and the join token is as good as before:"
            f"{lines}\nThen run the same command again.",
        )


def warnings() -> list[str]:
    """What is no obstacle, and the owner should know."""
    found = []
    if directory.gives_accounts():
        found.append(
            f"People of this machine come from a directory too ({', '.join(directory.sources())}). Allocations get "
            "only uids that are nobody's there: where it gives out numbers from 200000 up, launches with such a number "
            "go to another node."
        )
    return found


def adds_key() -> bool:
    """Whether the owner's sshd offers other keys than the one that is certified."""
    with sshd_settings.as_it_would_be(None) as configuration:
        return str(sshd.HOST_KEY) not in sshd_settings.of(configuration, "root").every("hostkey")


def _said(look: Iterator[str]) -> Iterator[str]:
    try:
        yield from look
    except NodeError as error:
        yield error.message


def _programs() -> Iterator[str]:
    wanted = {"sshd": "openssh-server", "useradd": "passwd", "find": "findutils", "ipcrm": "util-linux"}
    if systemd.is_running():
        wanted["sudo"] = "sudo"
    for program, package in wanted.items():
        if not commands.installed(program):
            yield f"The program {program} is missing. Install the package {package}."


def _own_parts() -> Iterator[str]:
    confinement.module()
    trust.host_public_key()
    yield from ()


def _accounts() -> Iterator[str]:
    try:
        known = pwd.getpwnam(sshd.CONTROL_USER)
    except KeyError:
        known = None
    if known is not None and known.pw_gecos.split(",")[0] != CONTROL_COMMENT:
        yield (
            f"The name {sshd.CONTROL_USER} is taken by an account of yours (uid {known.pw_uid}). Sublet's control "
            "plane needs it: rename or remove that account."
        )
    for path in (Path("/etc/nologin"), Path("/run/nologin")):
        if path.exists():
            yield f"{path} keeps everybody but root out. Remove it, or wait until the machine has started."


def _pam_and_sudo() -> Iterator[str]:
    if not (paths.PAM / "sshd").is_file():
        yield f"{paths.PAM}/sshd is missing: PAM keeps allocations to themselves. Install OpenSSH's server with PAM."
    sudoers = Path("/etc/sudoers")
    if systemd.is_running() and sudoers.exists():
        included = re.search(
            r"^[#@]includedir\s+\"?/etc/sudoers\.d/?\"?\s*$", sudoers.read_text(errors="replace"), re.M
        )
        if not included:
            yield "/etc/sudoers does not include /etc/sudoers.d. Put the line `@includedir /etc/sudoers.d` at its end."


def _sshd() -> Iterator[str]:
    if not commands.installed("sshd"):
        return
    if not sshd_settings.reads_drop_ins():
        folder = paths.SSHD_DROP_IN.parent
        line = f"Include {folder}/*.conf"
        yield f"{paths.SSHD_CONFIG} does not include {folder}/*.conf. Put the line `{line}` at its top."
        return
    said = sshd_settings.judge()
    if said:
        yield f"sshd refuses its configuration as it is now, so it would not start again: {said}. Mend that first."
        return
    yield from _as_sshd_would_take_ours()
    yield from _listens()


def _as_sshd_would_take_ours() -> Iterator[str]:
    with sshd_settings.as_it_would_be(sshd.drop_in(adds_key=adds_key())) as configuration:
        said = sshd_settings.judge(configuration)
        if said:
            yield f"sshd refuses Sublet's configuration beside yours: {said}"
            return
        for user, wanted in _FOR_EACH.items():
            who = user if user == sshd.CONTROL_USER else LOGIN_GLOB
            for settings in _from_near_and_far(configuration, user):
                yield from _against(settings, user, who, wanted)
    with sshd_settings.as_it_would_be(None) as configuration:
        own = sshd_settings.of(configuration, "root").every("hostcertificate")
        if any(one not in ("none", str(paths.HOST_CERTIFICATE)) for one in own):
            yield (
                f"sshd shows host certificates of your own already{sshd_settings.stands_at('HostCertificate')}, and a "
                f"key has room for one. Take the one for {sshd.HOST_KEY} out."
            )


def _from_near_and_far(configuration: Path, user: str) -> Iterator[Settings]:
    for address in ("127.0.0.1", _ELSEWHERE):
        yield sshd_settings.of(configuration, user, address=address)


def _against(settings: Settings, user: str, who: str, wanted: dict[str, str]) -> Iterator[str]:
    # Of a list of several, sshd shows each by itself.
    keeping_out = {line.partition(" ")[0]: line for line in reversed(sshd_settings.keeps_out(user, settings))}
    for name, line in keeping_out.items():
        mend = "Take what matches out of it."
        if name in _CASES:
            mend = f"Add a line `{_CASES[name]} {sshd.CONTROL_USER} {LOGIN_GLOB}` beside it."
        yield f"sshd lets `{who}` in nowhere because of `{line}`{sshd_settings.stands_at(name)}. {mend}"
    if settings.value("usepam") != "yes":
        yield (
            f"`UsePAM no`{sshd_settings.stands_at('UsePAM')} keeps sessions from being confined: PAM gives each "
            "allocation files and a network of its own. Set `UsePAM yes`; whether passwords count stays as your other "
            "lines say."
        )
    for name, value in wanted.items():
        if settings.value(name) != value:
            yield (
                f"For `{who}` sshd would go by `{name} {settings.value(name)}`{sshd_settings.stands_at(name)} and not "
                f"by Sublet's line in {paths.SSHD_DROP_IN}: the first Match block counts. Let yours name whom it is "
                f"for, so that neither `{sshd.CONTROL_USER}` nor `{LOGIN_GLOB}` is among them."
            )
    for names, shown, algorithm in _ALGORITHMS:
        if algorithm not in settings.value(*names).split(","):
            where = sshd_settings.stands_at(shown)
            yield f"`{shown}`{where} leaves {algorithm} out, without which no certificate counts. Add it."


_CASES = {"allowusers": "AllowUsers", "allowgroups": "AllowGroups"}


def _listens() -> Iterator[str]:
    units = (*endpoints.SERVICES, *endpoints.SOCKETS)
    if systemd.is_running() and endpoints.active(units) is None:
        yield f"None of {', '.join(units)} is active. Start OpenSSH's server."
        return
    found = endpoints.configured()
    greeted = endpoints.greeting(found)
    for port in sorted({place.port for place in found} - {place.port for place in greeted}):
        yield (
            f"sshd does not greet at port {port}, where its configuration says that it listens{_changed()}. "
            "See that it does, and that you still get in, before anything else is changed."
        )


def _changed() -> str:
    return "" if endpoints.active(endpoints.SOCKETS) else ": it may not have read it yet (`systemctl reload ssh`)"


def _where(place: Place) -> Iterator[str]:
    """What of the address, the port and the clock will not do."""
    if abs(place.clock_seconds) > _CLOCK_SECONDS:
        yield (
            f"This machine's clock is {place.clock_seconds:+.0f} s from the control plane's, whose certificates live "
            "for minutes. Set it right: chrony or systemd-timesyncd."
        )
    found = endpoints.configured()
    change = f"Correct the node {place.name} in Sublet: `sublet admin node change {place.name} "
    if place.port not in {one.port for one in found}:
        ports = ", ".join(map(str, sorted({one.port for one in found})))
        if any(endpoints.is_local(address) for address in _addresses(place)):
            yield f"Sublet was told port {place.port}, and sshd listens on {ports or 'no port'} here. {change}--port …`"
        return
    local = [address for address in _addresses(place) if endpoints.is_local(address)]
    for address in local:
        if not any(one.port == place.port and one.serves(address) for one in found):
            listens = ", ".join(map(str, found))
            yield (
                f"Sublet was told the address {address}, and sshd listens at {listens} alone"
                f"{sshd_settings.stands_at('ListenAddress')}. Let it listen there too. Or: {change}--address …`"
            )


def _addresses(place: Place) -> list[str]:
    try:
        found = socket.getaddrinfo(place.address, None, type=socket.SOCK_STREAM)
    except OSError:
        return []  # a name that only the control plane knows
    # Of a loopback address nobody here knows whose it is: the control plane's, or that of a tunnel's end.
    numbers = {str(answer[4][0]) for answer in found}
    return sorted(number for number in numbers if not ipaddress.ip_address(number.partition("%")[0]).is_loopback)


def elsewhere(place: Place) -> str:
    """What to say of an address that is none of this machine's: "" when it is."""
    found = _addresses(place)
    if not found or any(endpoints.is_local(address) for address in found):
        return ""
    return (
        f"Sublet will connect to {place.address}, port {place.port}; {', '.join(found)} is none of this machine's "
        "addresses. That is right where a router forwards it here; else correct the node: "
        f"`sublet admin node change {place.name} --address …`"
    )


_LOOKS: tuple[Callable[[], Iterator[str]], ...] = (_programs, _own_parts, _accounts, _pam_and_sudo, _sshd)
