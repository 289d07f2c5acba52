"""Failures that the control plane, or the person at the node's keyboard, can act on."""

from __future__ import annotations


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
