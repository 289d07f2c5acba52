"""explain_entry: why this node does not let a customer in, as its configuration shows it or as its sshd said it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from . import commands, sshd_settings
from .errors import NodeError
from .request import number, subject

_MOST_LINES = 5

# What sshd and the programs that it has decide write into the log, in the order in which a login meets them.
_SAID = (
    ("user_not_allowed", re.compile(r"not allowed because|listed in DenyUsers")),
    (
        "certificate_refused",
        re.compile(r"Certificate invalid|certificate.*(expired|not yet valid|revoked)", re.IGNORECASE),
    ),
    ("quota_full", re.compile(r"quota exceeded|No space left", re.IGNORECASE)),
    ("session_refused", re.compile(r"gets no session|PAM: pam_open_session|chroot", re.IGNORECASE)),
    ("pam_refused", re.compile(r"Access denied for user|PAM: |pam_\w+\(sshd:(auth|account)\)")),
)
_FIXES = {
    "user_not_allowed": "Let `al-*` and `sublet` in where AllowUsers, AllowGroups, DenyUsers or DenyGroups stand.",
    "certificate_refused": "Check the node's clock, and enrol the node again.",
    "pam_refused": "Look at what /etc/pam.d/sshd asks of accounts (access.conf, nologin, time.conf).",
    "quota_full": "Free space or raise the quota where homes, /tmp and /var/log are.",
    "session_refused": "Look at `journalctl -t sshd` and at the session lines of /etc/pam.d/sshd.",
    "shell_missing": "Install the login's shell.",
    "method_not_offered": "Take AuthenticationMethods and PubkeyAuthentication out of what sshd reads before our file.",
    "unknown": "Try `ssh` to the login by hand and read sshd's log on the node.",
}


def explain_entry(params: dict[str, Any]) -> dict[str, Any]:
    """The cause of a refusal, with the lines that show it: what the account and sshd's configuration say against the
    login, or the last that sshd wrote of it in the `seconds` since the attempt began. Changes nothing."""
    login, seconds = subject(params).login, number(params, "seconds", 1, 120)
    cause, shown = _as_configured(login) or _as_sshd_said(login, seconds) or ("unknown", [])
    return {"cause": cause, "lines": shown[:_MOST_LINES], "fix": _FIXES[cause]}


def _as_sshd_said(login: str, seconds: int) -> tuple[str, list[str]] | None:
    """The last line that names a cause counts, for an earlier attempt may have met another. It need not name the login,
    when the process that wrote it did so before."""
    lines = _log_lines(seconds)
    about = {process for process, line in lines if login in line}
    for process, line in reversed(lines):
        cause = next((cause for cause, pattern in _SAID if pattern.search(line)), None)
        if process in about and cause is not None:
            return cause, [line]
    return None


def _log_lines(seconds: int) -> list[tuple[str, str]]:
    """What sshd and the session step wrote lately, each with its process; nothing where there is no journal."""
    if not commands.installed("journalctl"):
        return []
    status, output, _ = commands.attempt(
        *("journalctl", "--quiet", "--no-pager", "--output=json", "--output-fields=MESSAGE,_PID", "--lines=2000"),
        *(f"--since=-{seconds}s", "_UID=0", "SYSLOG_FACILITY=4", "SYSLOG_FACILITY=10"),
    )
    entries = [json.loads(line) for line in output.splitlines()] if status == 0 else []
    return [(entry["_PID"], entry["MESSAGE"][:300]) for entry in entries if isinstance(entry.get("MESSAGE"), str)]


def _as_configured(login: str) -> tuple[str, list[str]] | None:
    """What its account, and the configuration that sshd would use for this login, say against it."""
    account = next((line.split(":") for line in _passwd() if line.startswith(f"{login}:")), None)
    if account is None:
        return "user_not_allowed", [f"{login} is no account of this node"]
    if not os.access(account[6], os.X_OK):
        return "shell_missing", [f"{account[6]} is no program"]
    if Path("/etc/nologin").exists() or Path("/run/nologin").exists():
        return "pam_refused", ["nologin is set on this node"]
    return _against(login)


def _against(login: str) -> tuple[str, list[str]] | None:
    """Which lines of sshd's effective configuration keep the login out; none when sshd does not take it at all."""
    try:
        settings = sshd_settings.in_force(login)
    except NodeError:
        return None
    if denied := sshd_settings.keeps_out(login, settings):
        return "user_not_allowed", denied
    odd = [
        line
        for line in settings.lines
        if line in {"pubkeyauthentication no", "trustedusercakeys none"}
        or (line.startswith("authenticationmethods ") and line.split()[1:] not in (["any"], ["publickey"]))
    ]
    return ("method_not_offered", odd) if odd else None


def _passwd() -> list[str]:
    return Path("/etc/passwd").read_text(encoding="utf-8", errors="replace").splitlines()
