"""Builds the PAM session module for each architecture that nodes have: the same bytes from the same source.

What it makes is kept beside the helper's own files, so that nobody else needs the compiler (`ziglang` from PyPI). A
test builds it anew and compares.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

_HERE = Path(__file__).resolve().parent
SOURCE = _HERE / "pam_sublet.c"
KEPT = _HERE.parent / "sublet_node"
MACHINES = ("aarch64", "x86_64")  # as `uname -m` says
_OLDEST_GLIBC = "2.17"
_OPTIONS = ("-std=c11", "-O2", "-s", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror")


def build(folder: Path = KEPT, *, machines: Sequence[str] = MACHINES) -> list[Path]:
    """Write `pam_sublet-MACHINE.so` into `folder` for each machine and return their paths."""
    made = []
    with tempfile.TemporaryDirectory(prefix="sublet-pam-") as cache:
        places = {"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}
        for machine in machines:
            target = folder / f"pam_sublet-{machine}.so"
            subprocess.run(
                [
                    *(sys.executable, "-m", "ziglang", "cc", "-target", f"{machine}-linux-gnu.{_OLDEST_GLIBC}"),
                    *(*_OPTIONS, "-o", str(target), SOURCE.name),
                ],
                check=True,
                cwd=_HERE,
                env={**os.environ, **places},
            )
            target.chmod(0o644)
            made.append(target)
    return made


if __name__ == "__main__":
    print(*build(), sep="\n")
