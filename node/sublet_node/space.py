"""What is free where the homes are."""

from __future__ import annotations

import os
from typing import Any

from . import paths


def free() -> dict[str, Any]:
    """Free disk in GiB and free inodes, as a login may use them. A file system without a fixed number has no inodes."""
    homes = os.statvfs(paths.HOMES)
    return {
        "disk_free_gib": homes.f_bavail * homes.f_frsize >> 30,
        "inodes_free": homes.f_favail if homes.f_files else None,
    }
