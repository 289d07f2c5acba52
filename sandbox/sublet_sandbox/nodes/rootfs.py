"""A Debian root filesystem built once with mmdebstrap and kept under the hash of what went into it."""

import asyncio
import fcntl
import hashlib
import os
import platform
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sublet_sandbox.deletion import delete_folder
from sublet_sandbox.own_files import open_own, require_own

from .commands import CommandFailed, run
from .local import NodeStartFailed

PACKAGES = [
    "acl",
    "at",
    "ca-certificates",
    "cron",
    "dbus",
    "iproute2",
    "less",
    "libnss-extrausers",  # people of whom no file of the node tells, as with LDAP
    "libpam-systemd",
    "nano",
    "nftables",
    "openssh-server",
    "procps",
    "python3",
    "sudo",
    "systemd",
    "systemd-sysv",
    "vim-tiny",
]

# Units that only cost boot time on a node that lives for a test or a demo.
_MASKED = [
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "systemd-networkd.service",
    "systemd-timesyncd.service",
    "console-getty.service",
    "getty@tty1.service",
    "systemd-update-utmp.service",
    "systemd-update-utmp-runlevel.service",
    "man-db.timer",
]

# Mounts and processes of namespaces of their own: however the building ends, the kernel takes them all away. What is
# built, and temporary files, lie in the folder given first.
_ALONE = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "env", "--unset=TMPDIR", "--")
_INSIDE = 'mount --bind "$1" /mnt && mount --bind /mnt/tmp /tmp && shift && exec "$@"'

_RECIPE = "3"  # raise when the steps below change, so that older caches are not used


@dataclass(frozen=True, slots=True)
class Release:
    """Another system than this machine's own: its code name, what apt asks (`URI SUITE COMPONENTS`), who signs, and
    what is installed besides the packages of every node."""

    codename: str
    sources: tuple[str, ...]
    keyring: Path
    more: tuple[str, ...] = ()

    def write_sources(self, folder: Path) -> Path:
        """The lines as a file."""
        file = folder / f"{self.codename}.list"
        file.write_text("".join(f"deb [signed-by={self.keyring}] {line}\n" for line in self.sources))
        return file


Other = Release | None


async def root_filesystem(cache: Path, release: Other = None) -> Path:
    """Path of a ready root filesystem in `cache`, built on first use (about 20 s). Never changed after it is built.

    It is of this machine's own release, unless another is named.
    """
    cache.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240  (one small folder)
    require_own(cache, by_link=True)
    sources = apt_sources() if release is None else [release.write_sources(cache)]
    codename = _os_release().get("VERSION_CODENAME", "") if release is None else release.codename
    if not sources:
        raise NodeStartFailed(
            "no apt sources file for this machine's own release was found in /etc/apt. "
            "A systemd node needs one, to install a small system from."
        )
    packages = PACKAGES if release is None else [*PACKAGES, *release.more]
    target = cache / f"rootfs-{_fingerprint(sources, packages)}"
    async with _only_one(cache / "rootfs.lock"):
        if not target.is_dir():
            await _build(target, sources, codename, packages)
    return target


def apt_sources() -> list[Path]:
    """The machine's own apt sources files that offer its own release; third-party ones are left out."""
    codename = _os_release().get("VERSION_CODENAME", "")
    folder = Path("/etc/apt/sources.list.d")
    candidates = [Path("/etc/apt/sources.list"), *sorted(folder.glob("*.sources")), *sorted(folder.glob("*.list"))]
    return [path for path in candidates if codename and path.is_file() and _offers(path, codename)]


def _offers(path: Path, codename: str) -> bool:
    lines = [line for line in path.read_text(errors="replace").splitlines() if not line.lstrip().startswith("#")]
    text = "\n".join(lines)
    return bool(re.search(rf"\b{re.escape(codename)}\b", text) and re.search(r"\bmain\b", text))


def _os_release() -> dict[str, str]:
    found = {}
    for line in Path("/etc/os-release").read_text().splitlines():
        key, separator, value = line.partition("=")
        if separator:
            found[key] = value.strip('"')
    return found


def _fingerprint(sources: list[Path], packages: list[str]) -> str:
    digest = hashlib.sha256()
    for part in (
        _RECIPE,
        platform.machine(),
        ",".join(packages),
        *(path.read_text(errors="replace") for path in sources),
    ):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:16]


async def _build(target: Path, sources: list[Path], codename: str, packages: list[str]) -> None:
    for leftover in target.parent.glob("rootfs-*.building-*"):
        await asyncio.to_thread(delete_folder, leftover)  # the lock is ours, so nobody is building it
    building = target.with_name(f"{target.name}.building-{os.getpid()}")
    try:
        for part, mode in (("root", 0o755), ("tmp", 0o1777)):
            (building / part).mkdir(parents=True)
            (building / part).chmod(mode)
        await run(
            *(*_ALONE, "sh", "-c", _INSIDE, "sh", str(building)),
            "mmdebstrap",
            "--quiet",
            "--variant=minbase",
            f"--include={','.join(packages)}",
            *await _proxy_options(),
            codename,
            "/mnt/root",
            *map(str, sources),
            timeout_seconds=600,
            outlives_us=False,
        )
        _trim(building / "root")
        (building / "root").rename(target)
    except CommandFailed as failure:
        raise NodeStartFailed(f"the node's root filesystem could not be built. {failure}") from failure
    finally:
        await asyncio.to_thread(delete_folder, building)


async def _proxy_options() -> list[str]:
    """Carry over how this machine's apt reaches its mirrors, because mmdebstrap uses a configuration of its own."""
    dump = await run("apt-config", "dump", check=False)
    wanted = re.compile(r"^Acquire::(https?)::(Proxy|Verify-Peer|CAInfo)\b.* \"[^\"]+\";$", re.IGNORECASE)
    return [f"--aptopt={line.rstrip(';')}" for line in dump.text.splitlines() if wanted.match(line)]


def _trim(root: Path) -> None:
    """Make it a template: no identity of its own, and nothing that only slows a boot down."""
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    (root / "etc/machine-id").write_text("")
    units = root / "etc/systemd/system"
    units.mkdir(parents=True, exist_ok=True)
    for unit in _MASKED:
        link = units / unit
        if not link.is_symlink():
            link.symlink_to("/dev/null")


@asynccontextmanager
async def _only_one(path: Path) -> AsyncIterator[None]:
    """Hold an exclusive lock on a file; waiting for it can be cancelled, which a blocked thread could not."""
    descriptor = open_own(str(path), os.O_RDWR | os.O_CREAT)
    try:
        while not _locked(descriptor):  # noqa: ASYNC110  (another process holds it: nothing here could set an event)
            await asyncio.sleep(0.1)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
