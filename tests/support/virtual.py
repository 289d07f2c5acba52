"""A Debian that runs its own kernel, in a virtual machine: what this machine's kernel does not have is tried there.

It has version 2 control groups with every controller, and an ext4 that keeps quotas. Its processor is emulated, so it
is some twenty times slower than this machine. It reaches nothing, and is reached from this machine's 127.0.0.1 alone.
"""

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
import socket
from collections.abc import Sequence
from pathlib import Path

import asyncssh

from sublet_sandbox.deletion import delete_folder
from sublet_sandbox.nodes import NodeStartFailed, gpus, rootfs
from sublet_sandbox.nodes.commands import CommandFailed, Completed, run
from sublet_sandbox.nodes.local import StandInGpu
from sublet_sandbox.parent import die_with_parent

PACKAGES = ("linux-image-cloud-amd64", "initramfs-tools", "kmod", "udev", "e2fsprogs", "zstd")
"""What it has besides the packages of every node."""
_START_SECONDS = 400.0
_UNIT = """[Unit]
Before=ssh.service
Wants=network.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'ip addr add 10.0.2.15/24 dev eth0; ip link set eth0 up; ip route add default via 10.0.2.2'
ExecStart=/bin/sh -c 'modprobe -a cpuid tun; {devices}'
[Install]
WantedBy=multi-user.target
"""
_MAKE = """set -e
cp -a "$1/." "$2"
cd "$2"
ssh-keygen -q -t ed25519 -N '' -f etc/ssh/ssh_host_ed25519_key
mkdir -p -m 700 root/.ssh; cat > root/.ssh/authorized_keys
printf '/dev/vda / ext4 defaults 0 1\n/dev/vdb /home ext4 defaults,usrquota 0 2\n' > etc/fstab
echo virtual > etc/hostname; printf '127.0.0.1 localhost\\n127.0.1.1 virtual\\n' > etc/hosts
ln -sf /etc/systemd/system/virtual-node.service etc/systemd/system/multi-user.target.wants/
mke2fs -q -t ext4 -d "$2" "$3" 4G
mke2fs -q -t ext4 -O quota -E quotatype=usrquota "$4" 8G
"""


class VirtualNode:
    """One virtual machine, as far as the tests of whole systems need a node. Its data are in `directory`."""

    name = "virtual"
    address = "127.0.0.1"
    limits_enforced = True

    def __init__(self, *, directory: Path, cache: Path, release: rootfs.Release) -> None:
        self._directory, self._cache, self._release = directory, cache, release
        self._key = asyncssh.generate_private_key("ssh-ed25519")
        self._machine: asyncio.subprocess.Process | None = None
        self._connection: asyncssh.SSHClientConnection | None = None
        self._listeners: list[asyncssh.SSHListener] = []
        self.port = _free_port()
        self.gpus: Sequence[StandInGpu] = ()

    async def start(self) -> None:
        """Boot it and wait until its root can log in; some minutes, the first time with another for its system."""
        template = await rootfs.root_filesystem(self._cache, self._release)
        await asyncio.to_thread(self._directory.mkdir, parents=True)
        disk, homes, tree = (self._directory / name for name in ("disk.img", "homes.img", "tree"))
        tree.mkdir()
        units = tree / "etc/systemd/system"
        units.mkdir(parents=True)
        planned = gpus.plan(self.name, 2, workshop=self._directory)
        devices = "; ".join(f"mknod -m 660 {one.device} c {one.major} {one.minor}" for one in planned)
        (units / "virtual-node.service").write_text(_UNIT.format(devices=devices))
        for path, content, mode in (
            ("usr/bin/nvidia-smi", gpus.nvidia_smi(), 0o755),
            (gpus.SAMPLES_PATH.lstrip("/"), gpus.samples(planned), 0o644),
        ):
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_bytes(content)
            (tree / path).chmod(mode)
        self.gpus = planned
        await run(
            *("sh", "-c", _MAKE, "sh", str(template), str(tree), str(disk), str(homes)),
            stdin=self._key.export_public_key(),
            timeout_seconds=300,
        )
        await asyncio.to_thread(shutil.rmtree, tree)
        kernel, initrd = (sorted((template / "boot").glob(f"{part}-*"))[-1] for part in ("vmlinuz", "initrd.img"))
        with (self._directory / "console").open("wb") as console:
            self._machine = await asyncio.create_subprocess_exec(
                *("qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1536"),
                *("-nographic", "-no-reboot", "-kernel", str(kernel), "-initrd", str(initrd)),
                *("-append", "root=/dev/vda rw console=ttyS0 net.ifnames=0 systemd.show_status=no"),
                *(
                    word
                    for one in (disk, homes)
                    for word in ("-drive", f"file={one},if=virtio,format=raw,cache=unsafe")
                ),
                *("-device", "virtio-net-pci,netdev=n"),
                *("-netdev", f"user,id=n,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:22"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGKILL),
            )
        self._connection = await self._connected()
        await self.run_as_root("systemctl", "is-system-running", "--wait", check=False, timeout_seconds=_START_SECONDS)

    async def discard(self) -> None:
        """End it, and remove its data."""
        if self._connection is not None:
            self._connection.close()
        if self._machine is not None:
            with contextlib.suppress(ProcessLookupError):
                self._machine.kill()
            await self._machine.wait()
        if self._directory.exists():
            await asyncio.to_thread(delete_folder, self._directory)

    async def run_as_root(
        self, *argv: str, stdin: bytes = b"", timeout_seconds: float = 300, check: bool = True
    ) -> Completed:
        """Run a command as its root, over the owner's own connection."""
        assert self._connection is not None
        command = shlex.join(("env", "LANG=C.UTF-8", *argv))
        done = await self._connection.run(command, input=stdin, encoding=None, timeout=timeout_seconds)
        completed = Completed(
            255 if done.exit_status is None else done.exit_status, bytes(done.stdout or b""), bytes(done.stderr or b"")
        )
        if check and completed.status:
            raise CommandFailed(f"{argv[0]} ended with {completed.status}: {completed.stderr.decode()[-2000:]}")
        return completed

    async def write_file(self, path: str, content: bytes, *, mode: int = 0o644) -> None:
        """Put a file there."""
        await self.run_as_root("sh", "-c", f"cat > {path} && chmod {mode:o} {path}", stdin=content)

    async def enrol_url(self, port: int) -> str:
        """A URL of its own 127.0.0.1 that ends at this machine's 127.0.0.1:`port`."""
        assert self._connection is not None
        listener = await self._connection.forward_remote_port("127.0.0.1", 0, "127.0.0.1", port)
        self._listeners.append(listener)
        return f"http://127.0.0.1:{listener.get_port()}"

    def logs(self) -> str:
        """What its console showed."""
        return (self._directory / "console").read_text(errors="replace")

    async def _connected(self) -> asyncssh.SSHClientConnection:
        deadline = asyncio.get_running_loop().time() + _START_SECONDS
        while True:
            assert self._machine is not None
            over = self._machine.returncode is not None or asyncio.get_running_loop().time() > deadline
            try:
                return await asyncssh.connect(
                    *(self.address, self.port),
                    username="root",
                    client_keys=[self._key],
                    known_hosts=None,
                    agent_path=None,
                    config=None,
                    connect_timeout=60,
                    login_timeout=60,
                )
            except (OSError, asyncssh.Error) as error:
                if over:
                    raise NodeStartFailed(
                        f"the virtual machine did not start: {error}\n{self.logs()[-3000:]}"
                    ) from error
                await asyncio.sleep(1)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def missing() -> str:
    """What this machine lacks for it; "" when it can run one."""
    if os.uname().machine != "x86_64":
        return "the emulated machine is an x86-64 one"
    lacking = [one for one in ("qemu-system-x86_64", "mke2fs") if shutil.which(one) is None]
    return f"{', '.join(lacking)} (apt-get install qemu-system-x86 e2fsprogs)" if lacking else ""
