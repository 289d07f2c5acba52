"""The node's clock and boot, as they appear in answers."""

from __future__ import annotations

import datetime
from pathlib import Path


def now() -> str:
    """The node's time in ISO 8601, UTC."""
    return iso(datetime.datetime.now(datetime.timezone.utc))


def iso(moment: datetime.datetime) -> str:
    """ISO 8601 with a Z."""
    return moment.astimezone(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def boot_id() -> str:
    """Another value after each boot: whatever was only in memory is gone when it changes."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
