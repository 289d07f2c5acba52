"""A node with a systemd of its own and limits that the kernel enforces: systemd-nspawn over an overlay. Needs root.

Its mounts and its network belong to its own processes, and the kernel ends those with whoever started the node. So a
node whose owner is killed with -9 leaves nothing but empty control groups and its record, for the next one to remove.
"""

import asyncio
import contextlib
import hashlib
import os
import shlex
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sublet_sandbox.deletion import delete_folder
from sublet_sandbox.own_files import folder_below, make_own, put, require_folder
from sublet_sandbox.parent import die_with_parent

from . import cgroups, console, gpus, network, pool, registry, rootfs, skeleton
from .commands import CommandFailed, Completed, run
from .local import Enrolment, NodeKind, NodeStartFailed, StandInGpu
from .relay import Relay

_START_DEADLINE_SECONDS = 60.0
_BOUND = "bound to whoever started the node"
# Not on the overlay, because an overlay cannot show a folder to one login alone.
_ON_DISK = {"home": "/home", "state": "/var/lib/sublet"}


class SystemdNode:
    """One node. Its data live in `directory` and survive `stop`; its root filesystem template is shared, in `cache`."""

    def __init__(self, name: str, *, directory: Path, cache: Path, gpu_count: int = 2, other: Any = None) -> None:
        self._name = name
        self._directory = directory.absolute()
        self._cache = cache.absolute()
        self._gpu_count, self._other = gpu_count, other
        self._gpus: list[StandInGpu] = []
        self._id = hashlib.sha256(f"{self._directory}\0{name}".encode()).hexdigest()[:8]
        self._cable = network.plan(self._id)
        self._record: registry.Record | None = None
        self._nspawn: asyncio.subprocess.Process | None = None
        self._init_pid = 0
        self._relays: dict[int, Relay] = {}

    @property
    def name(self) -> str:
        """The node's name, also its host name."""
        return self._name

    @property
    def kind(self) -> NodeKind:
        """Always "systemd"."""
        return "systemd"

    @property
    def identity(self) -> str:
        """Eight hex digits that mark everything the node makes on this machine; the same for the same directory."""
        return self._id

    @property
    def address(self) -> str:
        """Address of the node on the cable to this machine."""
        return self._cable.node_address

    @property
    def port(self) -> int:
        """Always 22."""
        return 22

    @property
    def limits_enforced(self) -> bool:
        """True: the node's kernel groups are its own."""
        return True

    @property
    def label(self) -> str:
        """Words to show beside the node."""
        return "limits enforced"

    @property
    def gpus(self) -> Sequence[StandInGpu]:
        """The node's stand-in GPUs, known once it has started."""
        return self._gpus

    @property
    def running(self) -> bool:
        """True while the node is powered."""
        return self._nspawn is not None and self._nspawn.returncode is None

    async def start(self) -> None:
        """Boot the node and wait until its sshd answers; about 0.5 s on an idle machine once the cache is filled."""
        if self.running:
            return
        template = await rootfs.root_filesystem(self._cache, self._other)
        await registry.sweep(_remove, kind="systemd")
        try:
            make_own(self._directory)
            await self._claim()
            await self._furnish()
            await self._boot(template)
            await self._wait_until_ready()
        except BaseException as failure:
            said = self.logs()[-1500:]
            await self.stop()
            if isinstance(failure, (CommandFailed, OSError, TimeoutError)):
                raise NodeStartFailed(f"node {self._name} did not start: {failure}\n{said}".rstrip()) from failure
            raise

    async def stop(self) -> None:
        """Power the node off and remove every process, mount, namespace, cable and group; the data stay."""
        await self._close_relays()
        if self._record is None:
            return
        if self.running and self._init_pid:
            await self._halt()
        await _remove(self._record.read())
        if self._nspawn is not None:
            with contextlib.suppress(ProcessLookupError):
                self._nspawn.kill()
            await self._nspawn.wait()
        await pool.unmounted(self._directory)
        self._nspawn, self._init_pid = None, 0
        self._record.close(forget=True)
        self._record = None

    async def discard(self) -> None:
        """Stop, and remove the data too, also those of a killed run; NotDeleted when something is mounted there."""
        await self.stop()
        await registry.sweep(_remove, kind="systemd")
        await asyncio.to_thread(delete_folder, self._directory)

    async def kill_power(self) -> None:
        """End everything on the node at once. Its data stay as they were; `start` boots it again."""
        if self.running:
            os.kill(self._init_pid, signal.SIGKILL)
            await self._booted.wait()
        await self.stop()

    async def pause_network(self) -> None:
        """Pull the cable."""
        await network.set_link(self._cable, up=False)

    async def resume_network(self) -> None:
        """Plug the cable in again."""
        await network.set_link(self._cable, up=True)

    async def run_as_root(
        self, *argv: str, stdin: bytes = b"", timeout_seconds: float = 60, check: bool = True
    ) -> Completed:
        """Run a command inside the node's namespaces as root."""
        if not self.running:
            raise NodeStartFailed(f"node {self._name} is not running, so {argv[0]} cannot run on it")
        return await run(
            *("nsenter", "-t", str(self._init_pid), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "--"),
            *("env", "-i", "HOME=/root", "LANG=C.UTF-8", f"PATH={skeleton.PATH}"),
            *argv,
            stdin=stdin,
            timeout_seconds=timeout_seconds,
            check=check,
        )

    async def write_file(self, path: str, content: bytes, *, mode: int = 0o644) -> None:
        """Put a file on the node; parent folders are made."""
        write = 'umask 077; mkdir -p "${1%/*}" && cat > "$1.new" && chmod "$2" "$1.new" && mv "$1.new" "$1"'
        await self.run_as_root("sh", "-c", write, "sh", path, f"{mode:o}", stdin=content)

    async def enrol_url(self, port: int) -> str:
        """A URL of the node's own 127.0.0.1 that ends at this machine's 127.0.0.1:`port`, while the node runs."""
        if port not in self._relays:
            if not self.running:
                raise NodeStartFailed(f"node {self._name} is not running, so nothing can listen on it")
            listener = await network.listen_inside(network.namespace_of(self._init_pid))
            relay = Relay(listener, host="127.0.0.1", port=port)
            await relay.start()
            self._relays[port] = relay
        return f"http://127.0.0.1:{self._relays[port].port}"

    async def enrol(self, enrolment: Enrolment) -> str:
        """Copy the helper to the node and let it enrol itself, as a person would.

        Allocations are kept from this machine's end of the cable too, whatever else listens there.
        """
        url = await self.enrol_url(enrolment.control_plane_port)
        await self.write_file("/root/sublet-node.pyz", enrolment.helper.read_bytes(), mode=0o700)
        deny = [word for entry in (*enrolment.deny, self._cable.machine_address) for word in ("--deny", entry)]
        allow = [word for entry in enrolment.allow for word in ("--allow", entry)]
        try:
            done = await self.run_as_root(
                *("/root/sublet-node.pyz", "enrol", "--url", url, "--token-stdin", *deny, *allow, *enrolment.options),
                stdin=enrolment.token.encode() + b"\n",
            )
        finally:  # allocations are not to reach the control plane through it
            await self._relays.pop(enrolment.control_plane_port).close()
        return done.text

    def logs(self) -> str:
        """The node's console output since it was last booted."""
        return console.read(self._directory)

    async def _claim(self) -> None:
        """Write down what will be made, before any of it is."""
        for attempt in range(8):
            self._cable = network.plan(self._id, attempt=attempt)
            if not await network.in_use(self._cable):
                break
        else:
            raise NodeStartFailed("no free network for the node was found in 198.18.0.0/15; remove some routes to it")
        self._record = registry.open_record(self._id)
        if self._record is None:
            raise NodeStartFailed(
                f"node {self._name} in {self._directory} is already run by another process. Stop that one first."
            )
        self._record.write(
            {
                "kind": "systemd",
                "name": self._name,
                "cable": asdict(self._cable),
                "groups": [str(group) for group in self._planned_groups()],
            }
        )

    def _planned_groups(self) -> list[Path]:
        return [] if cgroups.machine_runs_systemd() else cgroups.planned(self._id)

    async def _furnish(self) -> None:
        """Write what the node has over its template, where the overlay takes it from."""
        for part in ("upper", "work", "root", "devices", *_ON_DISK):
            require_folder(self._directory / part)
            (self._directory / part).mkdir(exist_ok=True)
        await pool.make(self._directory, self._directory / "home")
        self._gpus = gpus.plan(self._name, self._gpu_count, workshop=self._directory / "devices")
        upper = self._directory / "upper"
        put(upper, "etc/hostname", f"{self._name}\n".encode())
        put(upper, "etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {self._name}\n".encode())
        put(upper, "usr/bin/nvidia-smi", gpus.nvidia_smi(), mode=0o755)
        put(upper, gpus.SAMPLES_PATH.lstrip("/"), gpus.samples(self._gpus))
        await self._make_host_key(upper, "etc/ssh")

    async def _make_host_key(self, upper: Path, place: str) -> None:
        """The node's own key, once. It is made elsewhere, because ssh-keygen writes through links."""
        name = "ssh_host_ed25519_key"
        with folder_below(upper, place) as folder:
            if name in os.listdir(folder):
                return
        with tempfile.TemporaryDirectory(dir=self._directory) as made:
            await run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self._name, "-f", f"{made}/{name}")
            for part, mode in ((f"{name}.pub", 0o644), (name, 0o600)):  # that the key is there says that both are
                put(upper, f"{place}/{part}", _content(made, part), mode=mode)

    async def _boot(self, template: Path) -> None:
        """Start the node's processes: in a mount and a network namespace of their own, and bound to this process."""
        groups = [] if cgroups.machine_runs_systemd() else cgroups.create(self._id)
        # PID 1 of the node: bind itself, make its groups writable and its devices, then become systemd. It says that it
        # is bound and waits to be told to go on; if its owner died before it was, it reads the pipe's end and exits.
        hierarchies = cgroups.controller_mounts() if groups else []
        first = [f"echo {_BOUND}", "read -r go || exit 1"]
        first += [f"mount -o remount,rw,bind /sys/fs/cgroup/{hierarchy}" for hierarchy in hierarchies]
        first += [f"mknod -m 660 {gpu.device} c {gpu.major} {gpu.minor}" for gpu in self._gpus]
        inner = "; ".join([*first, "exec /lib/systemd/systemd < /dev/null"])
        root = self._directory / "root"
        nspawn = [
            *("systemd-nspawn", "--quiet", f"--directory={root}", f"--machine=sublet-{self._id}"),
            *("--network-namespace-path=/proc/self/ns/net", "--console=pipe", "--register=no"),
            f"--hostname={self._name}",
            "--capability=CAP_NET_ADMIN",  # for the node's own firewall, in a network of its own
            "--system-call-filter=pidfd_getfd",  # as root of any server may look at what others have open
            *(f"--bind={_escaped(self._directory / part)}:{place}" for part, place in _ON_DISK.items()),
            *("--resolv-conf=off", "--timezone=off", "--link-journal=no", "--kill-signal=SIGRTMIN+3"),
            *(["--keep-unit"] if groups else []),
            *("setpriv", "--pdeathsig", "KILL", "/bin/sh", "-c", inner),
        ]
        options = f"lowerdir={template},upperdir={self._directory / 'upper'},workdir={self._directory / 'work'}"
        outer = " && ".join(
            [
                shlex.join(["mount", "-t", "overlay", "overlay", "-o", options, str(root)]),
                *pool.mounting(self._directory, self._directory / "home"),
                "read -r go",  # until the cable is laid
                *(f"echo $$ > {shlex.quote(str(group / 'cgroup.procs'))}" for group in groups),
                f"exec {shlex.join(nspawn)}",
            ]
        )
        with console.begin(self._directory) as log:
            self._nspawn = await asyncio.create_subprocess_exec(
                *("unshare", "--mount", "--net", "--", "/bin/sh", "-c", outer),
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGKILL),
            )
        ours, its = os.readlink("/proc/self/ns/net"), network.namespace_of(self._nspawn.pid)
        await self._until(lambda: os.readlink(its) != ours, "it got no network of its own")
        await network.create(self._cable, self._nspawn.pid)
        await self._go_on()
        await self._until(lambda: _BOUND in self.logs(), "its first process did not start")
        await self._go_on(last=True)

    @property
    def _booted(self) -> asyncio.subprocess.Process:
        """The process that `_boot` started, for what follows that."""
        assert self._nspawn is not None
        return self._nspawn

    async def _go_on(self, *, last: bool = False) -> None:
        stdin = self._booted.stdin
        assert stdin is not None  # a pipe, as `_boot` asked for
        with contextlib.suppress(ConnectionError):  # it ended: whoever waits for it finds out
            stdin.write(b"go\n")
            await stdin.drain()
        if last:
            stdin.close()

    async def _until(self, holds: Callable[[], bool], otherwise: str) -> None:
        """Wait until something holds of the started processes; TimeoutError when they end, or take too long."""
        deadline = time.monotonic() + _START_DEADLINE_SECONDS
        while time.monotonic() < deadline:
            if self._booted.returncode is not None:
                raise TimeoutError(f"{otherwise}: it ended with status {self._booted.returncode}")
            with contextlib.suppress(OSError):
                if holds():
                    return
            await asyncio.sleep(0.005)
        raise TimeoutError(f"{otherwise} within {_START_DEADLINE_SECONDS:.0f} s")

    async def _wait_until_ready(self) -> None:
        """Ready means: its first process is known, sshd greets, and its systemd takes orders."""
        deadline = time.monotonic() + _START_DEADLINE_SECONDS
        last = "its first process did not appear"
        while time.monotonic() < deadline:
            if self._booted.returncode is not None:
                raise TimeoutError(f"it ended while booting, with status {self._booted.returncode}")
            self._init_pid = self._init_pid or _first_process(self._booted.pid)
            if self._init_pid and await asyncio.to_thread(_greets, self.address):
                state = await self.run_as_root("systemctl", "is-system-running", check=False)
                if state.text in {"running", "degraded"}:
                    return
                last = f"its systemd is {state.text or state.stderr.decode(errors='replace').strip()}"
            elif self._init_pid:
                last = "its sshd does not answer"
            await asyncio.sleep(0.03)
        raise TimeoutError(f"{last} after {_START_DEADLINE_SECONDS:.0f} s")

    async def _halt(self) -> None:
        """Ask systemd to halt, so that data are written; whoever does not finish in time is killed with the rest."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._init_pid, signal.SIGRTMIN + 3)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._booted.wait(), 5)

    async def _close_relays(self) -> None:
        for relay in self._relays.values():
            await relay.close()
        self._relays.clear()


async def _remove(content: dict[str, Any]) -> None:
    """Remove all that a record names; whatever is gone already is fine."""
    groups = [Path(group) for group in content["groups"]]
    await asyncio.to_thread(cgroups.remove, groups)
    await network.remove(network.Cable(**content["cable"]))


def _content(folder: str, name: str) -> bytes:
    return Path(folder, name).read_bytes()


def _escaped(path: Path) -> str:
    """The path as nspawn takes it where a colon would end it."""
    return str(path).replace("\\", "\\\\").replace(":", "\\:")


def _first_process(nspawn_pid: int) -> int:
    """The node's PID 1 as this machine numbers it, or 0 while it does not exist yet."""
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        with contextlib.suppress(OSError):
            status = Path("/proc", name, "status").read_text()
            fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
            inner = fields["NSpid"].split()
            if fields["PPid"] == str(nspawn_pid) and len(inner) > 1 and inner[-1] == "1":
                return int(name)
    return 0


def _greets(address: str) -> bool:
    """True when an SSH server says hello there."""
    try:
        with socket.create_connection((address, 22), timeout=0.5) as connection:
            connection.settimeout(0.5)
            return connection.recv(4).startswith(b"SSH")
    except OSError:
        return False
