"""Writing files so that a reader, or a crash, sees the old content or the new one and nothing between."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from pathlib import Path

_BEGIN = "# >>> sublet (removed by `sublet-node unenrol`)"
_BEGIN_CLOSE = "# >>> sublet, which ended the line above (removed by `sublet-node unenrol`)"
_END = "# <<< sublet"


def replace(path: Path, content: bytes, *, mode: int = 0o644) -> bool:
    """Put `content` at `path` atomically and durably; False when it was there already, with that mode."""
    with contextlib.suppress(FileNotFoundError):
        if path.read_bytes() == content and path.stat().st_mode & 0o7777 == mode:
            return False
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            os.fchmod(stream.fileno(), mode)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    return True


def own(path: Path, uid: int, *, mode: int) -> None:
    """Give a folder to a login. What is so already is left alone: where a disk is full, not even that can be said."""
    status = path.lstat()
    if (status.st_uid, status.st_gid) != (uid, uid):
        os.chown(path, uid, uid, follow_symlinks=False)
        status = path.lstat()
    if status.st_mode & 0o7777 != mode:
        os.chmod(path, mode)


def remove(path: Path) -> bool:
    """Remove a file; False when there was none."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def add_block(path: Path, lines: list[str], *, at_top: bool = False) -> bool:
    """Keep exactly one marked block of ours in somebody else's file; False when it was there already.

    Whatever else is in it stays, byte for byte: lines that end as on Windows, letters of any encoding, no end at all.
    """
    rest = _without_block(path.read_bytes())
    if at_top:
        wanted = _block(lines) + rest
    elif rest.endswith(b"\n") or not rest:
        wanted = rest + _block(lines)
    else:
        wanted = rest + b"\n" + _block(lines, begin=_BEGIN_CLOSE)
    return replace(path, wanted, mode=path.stat().st_mode & 0o7777)


def remove_block(path: Path) -> bool:
    """Take our block out again; False when there was none, or no file."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return False
    return replace(path, _without_block(content), mode=path.stat().st_mode & 0o7777)


def has_block(path: Path, lines: list[str]) -> bool:
    """True when our block is in that file, with exactly these lines."""
    with contextlib.suppress(FileNotFoundError):
        return "\n".join([*lines, _END, ""]).encode() in path.read_bytes()
    return False


def holds(path: Path, content: bytes) -> bool:
    """True when a file has exactly this content."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes() == content
    return False


def _block(lines: list[str], *, begin: str = _BEGIN) -> bytes:
    return "\n".join([begin, *lines, _END, ""]).encode()


def _without_block(content: bytes) -> bytes:
    kept: list[bytes] = []
    inside, closed_at = False, 0
    for line in io.BytesIO(content):
        if line.startswith((_BEGIN.encode(), _BEGIN_CLOSE.encode())):
            inside = True
            if line.startswith(_BEGIN_CLOSE.encode()):
                closed_at = len(kept)
        elif inside and line.startswith(_END.encode()):
            inside = False
        elif not inside:
            kept.append(line)
    if kept and closed_at == len(kept):  # else somebody has added lines below
        kept[-1] = kept[-1][:-1]
    return b"".join(kept)
