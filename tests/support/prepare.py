"""Get what the tests need beyond Python packages: as root, Debian packages; otherwise say what is missing.

Installing a server package must not leave a service running on the machine: `install` sees to that.
"""

import asyncio
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from sublet_sandbox.nodes.commands import CommandFailed
from sublet_sandbox.nodes.requirements import install, may_install

FAKETIME = Path("/usr/lib", sysconfig.get_config_var("MULTIARCH") or "", "faketime", "libfaketime.so.1")


@dataclass(frozen=True, slots=True)
class Need:
    """A Debian package, the program that shows it is there, and the tests that want it."""

    package: str
    program: str
    lane: str


NEEDS = (
    Need("chromium", "/usr/bin/chromium", "browser journeys"),
    Need("openssh-server", "/usr/sbin/sshd", "real nodes"),
    Need("openssh-client", "/usr/bin/ssh", "plain SSH"),
    Need("systemd-container", "/usr/bin/systemd-nspawn", "nodes with enforced limits"),
    Need("mmdebstrap", "/usr/bin/mmdebstrap", "nodes with enforced limits"),
    Need("uidmap", "/usr/bin/newuidmap", "nodes without root"),
    Need("iproute2", "/sbin/ip", "nodes with enforced limits"),
    Need("acl", "/usr/bin/setfacl", "GPU isolation"),
    Need("libfaketime", str(FAKETIME), "days that pass in a second"),
    Need("postgresql-15", "/usr/lib/postgresql/15/bin/postgres", "PostgreSQL 15"),
)


def main() -> int:
    """Install what is missing if we may, else list it; never fails by itself: the lanes decide whether to skip."""
    missing = [need for need in NEEDS if not Path(need.program).exists()]
    if not missing:
        return 0
    packages = [need.package for need in missing]
    if not may_install():
        for need in missing:
            print(f"not installed: {need.package} ({need.lane} will be skipped)", file=sys.stderr)
        print(f"to run everything: sudo apt-get install {' '.join(packages)}", file=sys.stderr)
        return 0
    print(f"Installing {', '.join(packages)}", flush=True)
    try:
        asyncio.run(install(packages))
    except CommandFailed as failure:
        print(failure, file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
