"""explain_entry: why this node does not let a customer in, as its sshd said it or as its configuration shows it."""

from __future__ import annotations

import fnmatch
import os
import re
from pathlib import Path
from typing import Any

from . import commands, sshd
from .errors import NodeError
from .request import subject

_SECONDS = 120
_MOST_LINES = 5

# What sshd and the programs that it has decide write into the log, in the order in which a login meets them.
_SAID = (
    ("user_not_allowed", re.compile(r"not allowed because|none of user's groups|listed in DenyUsers")),
    ("certificate_refused", re.compile(r"[Cc]ertificate.*(invalid|expired|not yet valid|revoked|refused)")),
    ("pam_refused", re.compile(r"PAM|pam_|Access denied for user|fatal: Access denied")),
    ("quota_full", re.compile(r"quota exceeded|No space left", re.IGNORECASE)),
    ("session_not_confined", re.compile(r"gets no session|chroot|ChrootDirectory", re.IGNORECASE)),
    ("shell_missing", re.compile(r"shell|No such file or directory", re.IGNORECASE)),
)
_FIXES = {
    "user_not_allowed": "Let `al-*` and `sublet` in where AllowUsers, AllowGroups, DenyUsers or DenyGroups stand.",
    "certificate_refused": "Check the node's clock, and enrol the node again.",
    "pam_refused": "Look at what /etc/pam.d/sshd asks of accounts and sessions (access.conf, nologin, time.conf).",
    "quota_full": "Free space or raise the quota where homes, /tmp and /var/log are.",
    "session_not_confined": "Enrol the node again, and look at `journalctl -t sublet-session`.",
    "shell_missing": "Install the login's shell.",
    "method_not_offered": "Take AuthenticationMethods and PubkeyAuthentication out of later Match blocks.",
    "unknown": "Try `ssh` to the login by hand and read sshd's log on the node.",
}


def explain_entry(params: dict[str, Any]) -> dict[str, Any]:
    """The cause of a refusal, with the lines that show it: what sshd wrote of this login in the last two minutes, or
    what its configuration and the account say. Changes nothing."""
    login = subject(params).login
    cause, shown = _as_sshd_said(login) or _as_configured(login) or ("unknown", [])
    return {"cause": cause, "lines": shown[-_MOST_LINES:], "fix": _FIXES[cause]}


def _as_sshd_said(login: str) -> tuple[str, list[str]] | None:
    lines = [line for line in _log_lines() if login in line]
    for cause, pattern in _SAID:
        found = [line for line in lines if pattern.search(line)]
        if found:
            return cause, found
    return None


def _log_lines() -> list[str]:
    """What sshd and the session step wrote lately; nothing where there is no journal."""
    if not commands.installed("journalctl"):
        return []
    status, output, _ = commands.attempt(
        *("journalctl", "--quiet", "--no-pager", "--output=cat", f"--since=-{_SECONDS}s"),
        *("_UID=0", "SYSLOG_FACILITY=4", "SYSLOG_FACILITY=10", "--lines=2000"),
    )
    return [line[:300] for line in output.splitlines()] if status == 0 else []


def _as_configured(login: str) -> tuple[str, list[str]] | None:
    """What the configuration that sshd would use for this login, and its account, say against it."""
    account = next((line.split(":") for line in _passwd() if line.startswith(f"{login}:")), None)
    if account is None:
        return "user_not_allowed", [f"{login} is no account of this node"]
    if not os.access(account[6], os.X_OK):
        return "shell_missing", [f"{account[6]} is no program"]
    settings = _settings(login)
    shown = [f"{name} {value}" for name, value in settings]
    allowed = [line for line in shown if line.startswith("allowusers ")]
    denied = [line for line in shown if line.startswith("denyusers ") and _names(line, login)]
    if denied or (allowed and not any(_names(line, login) for line in allowed)):
        return "user_not_allowed", denied or allowed
    groups = [line for line in shown if line.startswith("allowgroups ")]
    if groups and not any(_names(line, login) for line in groups):
        return "user_not_allowed", groups
    odd = [
        line
        for line in shown
        if line in {"pubkeyauthentication no", "trustedusercakeys none"}
        or (line.startswith("authenticationmethods ") and line.split()[1:] not in (["any"], ["publickey"]))
    ]
    if odd:
        return "method_not_offered", odd
    if Path("/etc/nologin").exists() or Path("/run/nologin").exists():
        return "pam_refused", ["nologin is set on this node"]
    return None


def _passwd() -> list[str]:
    return Path("/etc/passwd").read_text(encoding="utf-8", errors="replace").splitlines()


def _settings(login: str) -> list[tuple[str, str]]:
    try:
        status, output, _ = commands.attempt(
            "sshd", "-T", "-C", f"user={login},host=localhost,addr=127.0.0.1,laddr=127.0.0.1,lport={sshd.ports()[0]}"
        )
    except NodeError:
        return []
    pairs = (line.partition(" ") for line in output.splitlines()) if status == 0 else ()
    return [(name.lower(), value) for name, _, value in pairs]


def _names(line: str, login: str) -> bool:
    """Whether one of the patterns of a line names the login; where from it may come is not looked at."""
    return any(fnmatch.fnmatchcase(login, word.split("@")[0]) for word in line.split()[1:])
