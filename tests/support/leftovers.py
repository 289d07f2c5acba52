"""What a `sublet up` may have left on this machine: everything that carries the mark of its data directory."""

import os
import socket
from contextlib import suppress
from pathlib import Path

from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from sublet.supervisor.local_node import NAME
from sublet.supervisor.processes import MARK
from sublet_sandbox.nodes import SystemdNode, registry


def leftovers(directory: Path, *, port: int | None = None) -> list[str]:
    """Processes, mounts, network namespaces, links, control groups, records, sockets and ports; empty when clean."""
    identity = SystemdNode(NAME, directory=directory / "nodes" / "systemd", cache=directory).identity
    sockets = EmbeddedPostgres(directory / "postgres").socket_directory
    found = [f"process {line}" for line in _processes(directory)]
    found += [f"mount {line}" for line in _mounts(str(directory))]
    places = [
        Path("/run/netns", f"sublet-{identity}"),
        Path("/sys/class/net", f"sbl{identity}"),
        sockets,
        *(Path(folder, "sublet", identity) for folder, groups, _ in os.walk("/sys/fs/cgroup") if "sublet" in groups),
    ]
    if os.geteuid() == 0:  # nobody else can have such a node
        places.append(registry.folder() / f"{identity}.json")
    found += [f"left {place}" for place in places if place.exists()]
    if port is not None and not _is_free(port):
        found.append(f"port {port}")
    return found


def _processes(directory: Path) -> list[str]:
    """Whoever has the directory in its command line, its environment's mark, its root or its working directory."""
    mark, path, found = f"{MARK}={directory}".encode(), str(directory).encode(), []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with suppress(OSError):
            if (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
                continue
            command = (entry / "cmdline").read_bytes()
            ours = path in command or mark in (entry / "environ").read_bytes().split(b"\0")
            ours = ours or any(os.readlink(entry / place).startswith(str(directory)) for place in ("root", "cwd"))
            if ours:
                found.append(f"{entry.name} {command.replace(bytes(1), b' ').decode(errors='replace')[:120]}")
    return found


def _mounts(directory: str) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line.split()[4] for line in lines if line.split()[4].startswith(directory)]


def _is_free(port: int) -> bool:
    with socket.socket() as probe, suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return True
    return False
