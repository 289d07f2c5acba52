"""Descriptors that are in no table: sent over a socket and not yet received, or registered with io_uring."""

from __future__ import annotations

import re

from . import descriptors
from .descriptors import Opened

_IN_FLIGHT = re.compile(r"^scm_fds:\s*(\d+)$", re.MULTILINE)
_REGISTERED = re.compile(r"^UserFiles:\s*(\d+)\n((?:\s*\d+: .*\n)*)", re.MULTILINE)


def by_socket(opened: Opened) -> str | None:
    """What a socket has in its queue, or in those of connections that nobody has accepted; None for nothing."""
    match = _IN_FLIGHT.search(descriptors.details(opened.link))
    count = 0 if match is None else int(match[1])
    return f"{count} descriptors sent and not received, which nobody can look at" if count else None


def by_ring(opened: Opened) -> str | None:
    """What an io_uring has registered; None for nothing."""
    match = _REGISTERED.search(descriptors.details(opened.link))
    count = 0 if match is None else int(match[1])
    return f"{count} files registered with io_uring, which nobody can look at" if count else None
