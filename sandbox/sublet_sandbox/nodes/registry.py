"""What each running node has made on this machine, written down before it is made.

A run killed with -9 cannot clean up. Its node's record stays here, without the lock that a living owner holds, and the
next node that starts removes what the record names.
"""

import asyncio
import fcntl
import json
import os
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sublet_sandbox.own_files import make_own, open_own


def folder() -> Path:
    """Where this user's records are, and nobody else's: gone after a reboot, as the things they name are."""
    base = Path("/run") if os.geteuid() == 0 else Path(tempfile.gettempdir())
    path = base / f"sublet-nodes-{os.geteuid()}"
    make_own(path, mode=0o700, otherwise=", or set TMPDIR to a folder of your own")
    return path


@dataclass(slots=True)
class Record:
    """One node's record, locked while its owner lives."""

    path: Path
    descriptor: int

    def write(self, content: dict[str, Any]) -> None:
        """Replace the content durably enough to survive the owner's death."""
        data = json.dumps(content).encode()
        os.pwrite(self.descriptor, data.ljust(os.fstat(self.descriptor).st_size), 0)

    def read(self) -> dict[str, Any]:
        """The content; empty when nothing was written yet."""
        data = os.pread(self.descriptor, 1 << 20, 0).strip()
        content: dict[str, Any] = json.loads(data) if data else {}
        return content

    def close(self, *, forget: bool) -> None:
        """Give the lock back; with `forget`, everything named was removed and the record goes too."""
        if forget:
            self.path.unlink(missing_ok=True)
        os.close(self.descriptor)


def open_record(node_id: str) -> Record | None:
    """The record of a node, locked by this process; None when another living process holds it."""
    return _lock(folder() / f"{node_id}.json")


def _lock(path: Path) -> Record | None:
    descriptor = open_own(str(path), os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    if not path.exists():  # removed between open and lock: ours would be invisible
        os.close(descriptor)
        return _lock(path)
    return Record(path, descriptor)


async def sweep(remove: Callable[[dict[str, Any]], Awaitable[None]], *, kind: str) -> list[str]:
    """Remove the leftovers of every node of this kind whose owner is dead; returns the names of those nodes."""
    swept = []
    for path in sorted(folder().glob("*.json")):
        record = await asyncio.to_thread(_lock, path)
        if record is None:
            continue
        content = record.read()
        if content and content.get("kind") != kind:
            record.close(forget=False)
            continue
        try:
            if content:
                await remove(content)
                swept.append(str(content.get("name", path.stem)))
        except BaseException:
            record.close(forget=False)
            raise
        record.close(forget=True)
    return swept
