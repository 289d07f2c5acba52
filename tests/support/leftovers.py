"""What a `sublet up` may have left on this machine: everything that carries the mark of its data directory."""

import os
import socket
from contextlib import suppress
from pathlib import Path

from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from sublet.supervisor.local_node import NAME
from sublet_sandbox.nodes import SystemdNode, registry


def leftovers(directory: Path, *, port: int | None = None) -> list[str]:
    """All that should be gone after a stop in good order; empty when clean."""
    identity = SystemdNode(NAME, directory=directory / "nodes" / "systemd", cache=directory).identity
    places = [
        EmbeddedPostgres(directory / "postgres").socket_directory,
        *(Path(folder, "sublet", identity) for folder, groups, _ in os.walk("/sys/fs/cgroup") if "sublet" in groups),
    ]
    if os.geteuid() == 0:  # nobody else can have such a node
        places.append(registry.folder() / f"{identity}.json")
    return still_there(directory, port=port) + [f"left {place}" for place in places if place.exists()]


def still_there(directory: Path, *, port: int | None = None) -> list[str]:
    """What not even a killed run may leave: processes, mounts, networks, links, loop devices and ports.

    Mounts count in whichever process's view they are, and a namespace is there as long as a process is in it.
    """
    identity = SystemdNode(NAME, directory=directory / "nodes" / "systemd", cache=directory).identity
    found = [f"process {line}" for line in _processes(directory)]
    found += [f"mount {line}" for line in _mounts(str(directory))]
    links = [Path("/run/netns", f"sublet-{identity}"), Path("/sys/class/net", f"sbl{identity}")]
    found += [f"left {place}" for place in links if place.exists()]
    found += [f"loop device {place}" for place in _loop_devices(directory)]
    if port is not None and not _is_free(port):
        found.append(f"port {port}")
    return found


def _processes(directory: Path) -> list[str]:
    """Whoever has the directory in its command line or environment, as its root or as its working directory."""
    path, found = str(directory).encode(), []
    for process in _all_processes():
        with suppress(OSError):
            if (process / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
                continue
            command = (process / "cmdline").read_bytes()
            ours = path in command or path in (process / "environ").read_bytes()
            ours = ours or any(os.readlink(process / place).startswith(str(directory)) for place in ("root", "cwd"))
            if ours:
                found.append(f"{process.name} {command.replace(bytes(1), b' ').decode(errors='replace')[:120]}")
    return found


def _all_processes() -> list[Path]:
    own = str(os.getpid())
    return [entry for entry in Path("/proc").iterdir() if entry.name.isdigit() and entry.name != own]


def _mounts(directory: str) -> set[str]:
    found = set()
    for place in (Path("/proc/self"), *_all_processes()):
        with suppress(OSError):
            lines = (place / "mountinfo").read_text().splitlines()
            found |= {line.split()[4] for line in lines if directory in line}
    return found


def _loop_devices(directory: Path) -> list[str]:
    files = Path("/sys/block").glob("loop*/loop/backing_file")
    return [str(file.parents[1]) for file in files if file.read_text().startswith(str(directory))]


def _is_free(port: int) -> bool:
    with socket.socket() as probe, suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return True
    return False
