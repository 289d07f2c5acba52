"""What sshd makes of its configuration, as it says itself: of the one in force, and of one that is not there yet."""

from __future__ import annotations

import contextlib
import fnmatch
import glob
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import commands, paths
from .errors import NodeError

_FOLDER = paths.SSHD_DROP_IN.parent
_INCLUDE = re.compile(
    rf"^(\s*include\s+)\"?(?:{re.escape(str(_FOLDER))}|{_FOLDER.name})/(\*(?:\.conf)?)\"?\s*$",
    re.IGNORECASE | re.MULTILINE,
)
_PRIVILEGE_SEPARATION = Path("/run/sshd")


@dataclass(frozen=True)
class Settings:
    """Every setting as sshd lists it, in its order: its name in small letters, and its value."""

    pairs: tuple[tuple[str, str], ...]

    def every(self, *names: str) -> list[str]:
        """The values of a setting that may stand more than once, or has had more than one name."""
        return [value for name, value in self.pairs if name in names]

    def value(self, *names: str) -> str:
        """The value of one that stands once; "" where sshd does not know it."""
        return next(iter(self.every(*names)), "")

    @property
    def lines(self) -> list[str]:
        """One line a setting."""
        return [f"{name} {value}" for name, value in self.pairs]


def in_force(user: str, *, address: str = "127.0.0.1") -> Settings:
    """As it counts now for who comes in under this name; NodeError `sshd_refused` when sshd does not take it."""
    return _read((), user, address)


def reads_drop_ins() -> bool:
    """Whether the folder of drop-ins is included."""
    return _INCLUDE.search(_text()) is not None


@contextlib.contextmanager
def as_it_would_be(drop_in: bytes | None) -> Iterator[Path]:
    """The configuration with this in place of our drop-in, or without any of ours: a copy, elsewhere."""
    folder = Path(tempfile.mkdtemp(prefix="sublet-sshd-"))
    try:
        drop_ins = folder / _FOLDER.name
        drop_ins.mkdir()
        for path in glob.glob(f"{_FOLDER}/*"):
            if path != str(paths.SSHD_DROP_IN) and os.path.isfile(path):
                shutil.copyfile(path, drop_ins / os.path.basename(path))
        if drop_in is not None:
            (drop_ins / paths.SSHD_DROP_IN.name).write_bytes(drop_in)
        copy = folder / "sshd_config"
        copy.write_text(_INCLUDE.sub(lambda found: f"{found.group(1)}{drop_ins}/{found.group(2)}", _text()))
        yield copy
    finally:
        shutil.rmtree(folder)


def of(configuration: Path, user: str, *, address: str = "127.0.0.1") -> Settings:
    """As such a configuration would count."""
    return _read(("-f", str(configuration)), user, address)


def judge(configuration: Path | None = None) -> str:
    """What sshd has against a configuration, the one in force if none is given; "" when it would start with it."""
    where = () if configuration is None else ("-f", str(configuration))
    _separate()
    status, output, errors = commands.attempt("sshd", "-t", *where)
    return "" if status == 0 else (errors or output).strip()[-400:] or f"it ended with status {status}"


def keeps_out(login: str, settings: Settings) -> list[str]:
    """The lines that keep a login out, whose group has the same name; from where it comes is not looked at."""
    denied = [line for line in settings.lines if line.startswith(("denyusers ", "denygroups ")) and _names(line, login)]
    for kind in ("allowusers ", "allowgroups "):
        allowed = [line for line in settings.lines if line.startswith(kind)]
        if allowed and not any(_names(line, login) for line in allowed):
            denied += allowed
    return denied


def stands_at(name: str) -> str:
    """Where a setting of the owner's stands first, in words; "" when it is nowhere."""
    wanted = re.compile(rf"^\s*{re.escape(name)}[\s=]", re.IGNORECASE)
    for path in [*sorted(glob.glob(f"{_FOLDER}/*")), str(paths.SSHD_CONFIG)]:
        if path == str(paths.SSHD_DROP_IN) or not os.path.isfile(path):
            continue
        for number, line in enumerate(Path(path).read_text(errors="replace").splitlines(), 1):
            if wanted.match(line):
                return f" ({path}, line {number})"
    return ""


def _names(line: str, login: str) -> bool:
    """Whether one of the patterns of a line names the login; where from it may come is not looked at."""
    return any(fnmatch.fnmatchcase(login, word.split("@")[0]) for word in line.split()[1:])


def _text() -> str:
    try:
        return paths.SSHD_CONFIG.read_text(errors="surrogateescape")
    except FileNotFoundError:
        raise NodeError(
            "sshd_missing", f"{paths.SSHD_CONFIG} is missing. Install openssh-server, then enrol again."
        ) from None


def _read(where: tuple[str, ...], user: str, address: str) -> Settings:
    who = f"user={user},host=localhost,addr={address},laddr=127.0.0.1,lport=22"
    _separate()
    status, output, errors = commands.attempt("sshd", "-T", *where, "-C", who)
    if status != 0:
        raise NodeError("sshd_refused", f"sshd refuses its configuration: {(errors or output).strip()[-400:]}")
    split = (line.partition(" ") for line in output.splitlines())
    return Settings(tuple((name.lower(), value) for name, _, value in split))


def _separate() -> None:
    """sshd judges nothing without this folder, which is not there before systemd has started a first one. It stays: a
    service that starts meanwhile needs it."""
    _PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
