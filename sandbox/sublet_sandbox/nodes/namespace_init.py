"""First process of a namespace node: builds the node's root, runs sshd, and carries connections into it.

Run as a script by `namespace.py`, which passes one end of a socket pair and a listening socket. Order of events: it
makes its namespaces and says so; the owner maps user ids and says so; it tells its pid, builds the node, and says so.
When the owner goes away, however it died, the socket ends and with it the whole node.
"""

import array
import contextlib
import ctypes
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import uuid
from pathlib import Path

_NEW = {
    "user": 0x10000000,
    "pid": 0x20000000,
    "net": 0x40000000,
    "mnt": 0x00020000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
}
_BIND, _REC, _PRIVATE, _NOSUID, _NODEV, _NOEXEC = 4096, 16384, 1 << 18, 2, 4, 8
_DETACH = 2
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"localhost".encode("idna")  # loads the codec that sockets use, while Python's own library can still be found
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def _mount(source: str, target: Path, kind: str = "", flags: int = 0, options: str = "") -> None:
    arguments = (
        source.encode(),
        str(target).encode(),
        kind.encode() or None,
        ctypes.c_ulong(flags),
        options.encode() or None,
    )
    _check(_libc.mount(*arguments), f"mount on {target}")


def build_root() -> None:
    """In the folder of the node's data, make a root: the machine's programs, with /etc, /var and /home of its own."""
    root = Path("merged")
    root.mkdir(exist_ok=True)
    _mount("none", Path("/"), flags=_REC | _PRIVATE)
    _mount("tmpfs", root, "tmpfs", _NOSUID | _NODEV, "mode=755")
    for name in ("usr", "etc", "var", "home", "root", "proc", "dev", "tmp", "run", "old", "mnt", "opt"):
        (root / name).mkdir()
    _mount("/usr", root / "usr", flags=_BIND | _REC)
    _mount("local", root / "usr/local", flags=_BIND)
    for name in ("bin", "sbin", "lib", "lib32", "lib64"):
        if Path("/", name).is_symlink():
            (root / name).symlink_to(os.readlink(f"/{name}"))
        elif Path("/", name).is_dir():
            (root / name).mkdir()
            _mount(f"/{name}", root / name, flags=_BIND | _REC)
    for name in ("etc", "var", "home", "root"):
        _mount(name, root / name, flags=_BIND)
    for name, options in (("tmp", "mode=1777"), ("run", "mode=755")):
        _mount("tmpfs", root / name, "tmpfs", _NOSUID | _NODEV, options)
    _mount("proc", root / "proc", "proc", _NOSUID | _NODEV | _NOEXEC)
    _build_dev(root / "dev")
    (root / "run/sshd").mkdir(mode=0o755)
    (root / "run/boot_id").write_text(f"{uuid.uuid4()}\n")
    _mount(str(root / "run/boot_id"), root / "proc/sys/kernel/random/boot_id", flags=_BIND)
    os.chdir(root)
    _check(_libc.pivot_root(b".", b"old"), "pivot_root")
    os.chdir("/")
    _check(_libc.umount2(b"/old", _DETACH), "umount of the old root")
    Path("/old").rmdir()


def _build_dev(dev: Path) -> None:
    _mount("tmpfs", dev, "tmpfs", _NOSUID, "mode=755")
    for name in ("null", "zero", "full", "random", "urandom", "tty"):
        (dev / name).touch()
        _mount(f"/dev/{name}", dev / name, flags=_BIND)
    for name, kind, options in (
        ("pts", "devpts", "newinstance,ptmxmode=0666,mode=620,gid=5"),
        ("shm", "tmpfs", "mode=1777"),
    ):
        (dev / name).mkdir()
        _mount(kind, dev / name, kind, _NOSUID | _NOEXEC, options)
    (dev / "mqueue").mkdir()
    _mount("mqueue", dev / "mqueue", "mqueue", _NOSUID | _NODEV | _NOEXEC)
    for name, target in (
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "fd/0"),
        ("stdout", "fd/1"),
        ("stderr", "fd/2"),
    ):
        (dev / name).symlink_to(target if name in ("ptmx", "fd") else f"/proc/self/{target}")


def make_gpus(paths: list[str]) -> None:
    """Stand-ins for GPU devices. No user namespace may make device files, so these are plain ones that open."""
    for path in paths:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o660)
        os.fchmod(descriptor, 0o660)
        os.close(descriptor)


def loopback_up() -> None:
    """Give the node its 127.0.0.1."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True, env={"PATH": _PATH})


def start_sshd() -> subprocess.Popen[bytes]:
    """Put back what the helper keeps in memory, then let people in."""
    helper = Path("/usr/local/sbin/sublet-node")
    if helper.exists():
        subprocess.run([str(helper), "boot"], check=False, env={"PATH": _PATH})
    return subprocess.Popen(["/usr/sbin/sshd", "-D", "-e"], env={"PATH": _PATH})


def carry(near: socket.socket) -> None:
    """Join one connection accepted on the machine's 127.0.0.1 with the node's sshd."""
    with near, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", 22)) as far:
        far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        other = threading.Thread(target=_pump, args=(far, near), daemon=True)
        other.start()
        _pump(near, far)
        other.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def serve(control: socket.socket, listener: socket.socket) -> None:
    """Accept for sshd, hand out sockets of the node's network, bury the dead; return when the owner is gone."""
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        selector.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select(timeout=1):
                if key.fileobj is listener:
                    near, _ = listener.accept()
                    threading.Thread(target=carry, args=(near,), daemon=True).start()
                elif not control.recv(1):
                    return
                else:
                    with socket.create_server(("127.0.0.1", 0)) as made:
                        control.sendmsg(
                            [b"s"],
                            [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [made.fileno()]).tobytes())],
                        )
            bury()


def bury() -> None:
    """A first process inherits every orphan."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def main() -> int:
    """See the module's promise."""
    settings = json.loads(sys.argv[1])
    control = socket.socket(fileno=settings["control"])
    listener = socket.socket(fileno=settings["listener"])
    for descriptor in (control, listener):
        descriptor.set_inheritable(False)
    # From here on by relative paths: the way to the data may lead through folders closed to the node's root.
    os.chdir(settings["data"])
    _check(_libc.unshare(sum(_NEW.values())), "unshare")
    control.sendall(b"m")
    if control.recv(1) != b"y":
        return 1
    pid = os.fork()
    if pid:  # The first process of the new pid namespace is the child; this one stays for its exit status
        control.sendall(pid.to_bytes(4, "big"))
        control.close()
        listener.close()
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) & 0xFF
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    os.setsid()
    if settings["command"] == "discard":
        delete = ["rm", "--recursive", "--force", "--one-file-system", "--preserve-root=all", "--", *os.listdir(".")]
        return subprocess.run(delete, check=False, env={"PATH": _PATH}).returncode
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    socket.sethostname(settings["name"])
    build_root()
    make_gpus(settings["gpus"])
    loopback_up()
    start_sshd()
    control.sendall(b"u")
    serve(control, listener)
    return 0


if __name__ == "__main__":
    sys.exit(main())
