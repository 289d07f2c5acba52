"""Who may log in: the principals and keys that sshd reads for a login. No file, no access."""

from __future__ import annotations

from pathlib import Path

from . import files, paths
from .request import Desired


def open_login(desired: Desired) -> None:
    """Let the certificates and keys in, and nobody else."""
    login = desired.subject.login
    _put(paths.PRINCIPALS / login, desired.principals)
    _put(paths.AUTHORIZED_KEYS / login, desired.authorized_keys)


def close_login(login: str) -> None:
    """Let nobody in. Sessions that are open already must be ended besides."""
    for path in files_of(login):
        files.remove(path)


def is_open(login: str) -> bool:
    """True when any certificate or key would be accepted."""
    return any(path.exists() for path in files_of(login))


def files_of(login: str) -> tuple[Path, Path]:
    """Both files that sshd reads for a login."""
    return (paths.PRINCIPALS / login, paths.AUTHORIZED_KEYS / login)


def _put(path: Path, lines: tuple[str, ...]) -> None:
    if lines:
        files.replace(path, "".join(f"{line}\n" for line in lines).encode())
    else:
        files.remove(path)
