"""Failures that the control plane, or the person at the node's keyboard, can act on."""

from __future__ import annotations

import errno
import os


class NodeError(Exception):
    """A named failure: a stable `code`, a sentence that ends with what to do, and whether trying again can help."""

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable


def bad_request(message: str) -> NodeError:
    """The request itself is wrong; the same one will never work."""
    return NodeError("bad_request", message)


_USED_UP = {
    errno.ENOSPC: ("disk_full", "The file system has no room left, or no inode. Free some, then try again."),
    errno.EDQUOT: ("disk_quota_exceeded", "The quota is used up. Raise it or free room, then try again."),
    errno.ENOMEM: ("memory_exhausted", "The node has no memory left. End something, then try again."),
    errno.EMFILE: ("descriptors_exhausted", "Too many files are open in the helper. Try again."),
    errno.ENFILE: ("descriptors_exhausted", "Too many files are open on the node. Raise fs.file-max, then try again."),
}
"""What a node can run out of: another one may have it."""


def used_up(error: OSError) -> NodeError | None:
    """The failure that says what the node has run out of, if that is what the error means."""
    if error.errno not in _USED_UP:
        return None
    code, what_to_do = _USED_UP[error.errno]
    return NodeError(code, f"{error}: {what_to_do}")


def said_used_up(said: str) -> NodeError | None:
    """The same for what a program wrote, in the words of the C library, before it failed."""
    for number, (code, what_to_do) in _USED_UP.items():
        if os.strerror(number) in said:
            return NodeError(code, f"{said} {what_to_do}")
    return None
