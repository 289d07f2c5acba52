"""Whether this node is run by systemd, which is what enforces limits."""

from __future__ import annotations

import os


def is_running() -> bool:
    """True when the node's PID 1 is systemd."""
    return os.path.isdir("/run/systemd/system")


def mode() -> str:
    """The node's mode as probe reports it: "systemd", or "namespace" where no limit is enforced."""
    return "systemd" if is_running() else "namespace"


def slice_name(uid: int) -> str:
    """The unit that holds every process of a login."""
    return f"user-{uid}.slice"
