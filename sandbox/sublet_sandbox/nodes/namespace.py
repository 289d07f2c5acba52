"""A node without root: namespaces of its own, over the programs of this machine, with its own accounts and sshd.

The kernel enforces no limits here: the node says so, and whoever shows it must.
"""

import array
import asyncio
import contextlib
import fcntl
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from sublet_sandbox.deletion import delete_folder, require_no_mounts
from sublet_sandbox.own_files import make_own, open_own, require_folder

from . import console, gpus, skeleton
from .commands import CommandFailed, Completed, run
from .idmap import IdMap, own_map
from .local import Enrolment, NodeKind, NodeStartFailed, StandInGpu
from .relay import Relay

_START_DEADLINE_SECONDS = 30.0


class NamespaceNode:
    """One node. Its data live in `directory`, survive `stop`, and have many owners: `discard` removes them."""

    def __init__(self, name: str, *, directory: Path, gpu_count: int = 2, port: int = 0) -> None:
        self._name = name
        self._directory = directory.absolute()
        self._gpus = gpus.plain(name, gpu_count)
        self._port = port
        self._process: asyncio.subprocess.Process | None = None
        self._control: socket.socket | None = None
        self._init_pid = 0
        self._lock = -1
        self._relays: dict[int, Relay] = {}

    @property
    def name(self) -> str:
        """The node's name, also its host name."""
        return self._name

    @property
    def kind(self) -> NodeKind:
        """Always "namespace"."""
        return "namespace"

    @property
    def address(self) -> str:
        """Always this machine's loopback address."""
        return "127.0.0.1"

    @property
    def port(self) -> int:
        """The port on 127.0.0.1 that leads to the node's sshd; known once started, and kept over restarts."""
        return self._port

    @property
    def limits_enforced(self) -> bool:
        """False: nothing limits what an allocation uses here."""
        return False

    @property
    def label(self) -> str:
        """Words that must stand beside the node."""
        return "limits not enforced"

    @property
    def gpus(self) -> Sequence[StandInGpu]:
        """The node's stand-in GPUs."""
        return self._gpus

    @property
    def running(self) -> bool:
        """True while the node is powered."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Bring the node up until its sshd answers; about 0.3 s."""
        if self.running:
            return
        try:
            ids = own_map()
            self._claim()
            await asyncio.to_thread(skeleton.prepare, self._directory, self._name, self._gpus, ids.root_uid)
            await self._launch(ids)
            await self._wait_until_ready()
        except BaseException as failure:
            said = self.logs()[-1500:]
            await self.stop()
            if isinstance(failure, (CommandFailed, OSError, TimeoutError)):
                raise NodeStartFailed(f"node {self._name} did not start: {failure}\n{said}".rstrip()) from failure
            raise

    async def stop(self) -> None:
        """End every process of the node; its namespaces and mounts end with them. The data stay."""
        for relay in self._relays.values():
            await relay.close()
        self._relays.clear()
        if self._control is not None:
            self._control.close()  # the node's first process sees this and ends
            self._control = None
        if self._process is not None:
            try:
                await asyncio.wait_for(self._process.wait(), 5)
            except TimeoutError:
                self._kill()
                await self._process.wait()
        self._process, self._init_pid = None, 0
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    async def discard(self) -> None:
        """Stop, and remove the data too: by a root of the same id map, because their owners are not this user."""
        await self.stop()
        if not self._directory.exists():
            return
        ids = own_map()
        require_no_mounts(self._directory)
        self._claim()
        try:
            await self._launch(ids, command="discard")
            assert self._process is not None  # `_launch` has started it
            await self._process.wait()
        finally:
            await self.stop()
        await asyncio.to_thread(delete_folder, self._directory)

    async def kill_power(self) -> None:
        """End everything on the node at once; `start` boots it again with its data."""
        self._kill()
        if self._process is not None:
            await self._process.wait()
        await self.stop()

    async def pause_network(self) -> None:
        """Take the node's only network down."""
        await self.run_as_root("ip", "link", "set", "lo", "down")

    async def resume_network(self) -> None:
        """Bring it up again."""
        await self.run_as_root("ip", "link", "set", "lo", "up")

    async def run_as_root(
        self, *argv: str, stdin: bytes = b"", timeout_seconds: float = 60, check: bool = True
    ) -> Completed:
        """Run a command inside the node's namespaces as the node's root."""
        if not self.running:
            raise NodeStartFailed(f"node {self._name} is not running, so {argv[0]} cannot run on it")
        return await run(
            *(
                "nsenter",
                "-t",
                str(self._init_pid),
                "-U",
                "-m",
                "-u",
                "-i",
                "-n",
                "-p",
                "-r",
                "-w",
                "-S",
                "0",
                "-G",
                "0",
            ),
            *("--", "env", "-i", "HOME=/root", "LANG=C.UTF-8", f"PATH={skeleton.PATH}"),
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
            relay = Relay(await self._listen_inside(), host="127.0.0.1", port=port)
            await relay.start()
            self._relays[port] = relay
        return f"http://127.0.0.1:{self._relays[port].port}"

    async def enrol(self, enrolment: Enrolment) -> str:
        """Copy the helper to the node and let it enrol itself, as a person would."""
        url = await self.enrol_url(enrolment.control_plane_port)
        await self.write_file("/root/sublet-node.pyz", enrolment.helper.read_bytes(), mode=0o700)
        deny = [word for entry in enrolment.deny for word in ("--deny", entry)]
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
        """What sshd and the node's first process said since it was last started."""
        return console.read(self._directory)

    def _claim(self) -> None:
        make_own(self._directory)
        require_folder(self._directory / "data")  # which its first process goes into, and empties when told to
        self._lock = open_own(str(self._directory / "lock"), os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NodeStartFailed(
                f"node {self._name} in {self._directory} is already run by another process. Stop that one first."
            ) from None

    async def _launch(self, ids: IdMap, *, command: str = "run") -> None:
        """Start the first process, map its ids, and let it build the node."""
        listener = socket.create_server(("127.0.0.1", self._port))
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what is accepted inherits it
        self._port = listener.getsockname()[1]
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        ours.setblocking(False)
        self._control = ours
        settings = {
            "name": self._name,
            "data": str(self._directory / "data"),
            "gpus": [gpu.device for gpu in self._gpus],
            "command": command,
            "control": theirs.fileno(),
            "listener": listener.fileno(),
        }
        script = str(Path(__file__).with_name("namespace_init.py"))
        with listener, theirs, console.begin(self._directory) as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", script, json.dumps(settings)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(theirs.fileno(), listener.fileno()),
                start_new_session=True,
                cwd="/",
            )
        await self._hear(1, "make its namespaces")
        await ids.write(self._process.pid)
        await asyncio.get_running_loop().sock_sendall(ours, b"y")
        if command == "run":
            self._init_pid = int.from_bytes(await self._hear(4, "fork its first process"), "big")
            await self._hear(1, "build its root and start sshd")

    async def _hear(self, size: int, what: str) -> bytes:
        """What the first process says next; a TimeoutError when it ends or says nothing."""
        assert self._control is not None  # `_launch` opens it before anything is heard
        loop, heard = asyncio.get_running_loop(), b""
        while len(heard) < size:
            part = await asyncio.wait_for(loop.sock_recv(self._control, size - len(heard)), _START_DEADLINE_SECONDS)
            if not part:
                raise TimeoutError(f"its first process ended before it could {what}")
            heard += part
        return heard

    async def _listen_inside(self) -> socket.socket:
        """A socket that listens on 127.0.0.1 of the node's network, made there and handed over."""
        if self._control is None:
            raise NodeStartFailed(f"node {self._name} is not running, so nothing can listen on it")
        control = self._control.dup()
        try:
            control.setblocking(True)
            control.settimeout(10)
            return await asyncio.to_thread(_ask_for_socket, control)
        finally:
            control.close()
            self._control.setblocking(False)

    async def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_DEADLINE_SECONDS
        while not await asyncio.to_thread(_greets, self._port):
            if not self.running:
                raise TimeoutError("its first process ended")
            if time.monotonic() > deadline:
                raise TimeoutError(f"its sshd does not answer after {_START_DEADLINE_SECONDS:.0f} s")
            await asyncio.sleep(0.02)

    def _kill(self) -> None:
        if self._init_pid and self.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._init_pid, signal.SIGKILL)


def _ask_for_socket(control: socket.socket) -> socket.socket:
    control.sendall(b"l")
    _, ancillary, _, _ = control.recvmsg(1, socket.CMSG_SPACE(4))
    descriptors = array.array("i")
    descriptors.frombytes(ancillary[0][2])
    return socket.socket(fileno=descriptors[0])


def _greets(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.5) as connection:
            connection.settimeout(0.5)
            return connection.recv(4).startswith(b"SSH")
    except OSError:
        return False
