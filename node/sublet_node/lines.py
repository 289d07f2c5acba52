"""Requests as they come in: between two of them the helper may be replaced, and the next is then the other one's."""

from __future__ import annotations

import os
import select
from collections.abc import Callable

_CHUNK = 65536


class Lines:
    """Lines of a descriptor. `between` is called when the next request is there and nothing of it has been read."""

    def __init__(self, descriptor: int, between: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._between = between
        self._read = bytearray()

    def readline(self, limit: int) -> bytes:
        """The next line with its end, at most `limit` bytes of it; b"" at the end of the input."""
        if not self._read:
            select.select([self._descriptor], [], [])
            self._between()
        searched = 0
        while True:
            end = self._read.find(b"\n", searched)
            if end >= 0 or len(self._read) >= limit:
                return self._take(min(limit, end + 1) if end >= 0 else limit)
            searched = len(self._read)
            chunk = os.read(self._descriptor, _CHUNK)
            if not chunk:
                return self._take(len(self._read))
            self._read += chunk

    def _take(self, count: int) -> bytes:
        line = bytes(self._read[:count])
        del self._read[:count]
        return line
