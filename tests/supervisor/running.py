"""Starting `sublet up` for tests, as this user or as an ordinary one, and seeing what it says and leaves."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.support.demo import ROOT
from tests.support.leftovers import leftovers
from tests.support.ports import free_port

NOBODY = 65534
SECONDS = 150.0
UP = (sys.executable, "-m", "sublet.supervisor.up")
INFO = (sys.executable, "-m", "sublet.supervisor.demo_info")


def ordinary_python() -> str | None:
    """A Python of our version that an ordinary user can run: ours, or the system's with our packages."""
    for python in (sys.executable, shutil.which("python3", path="/usr/bin")):
        if python is None:
            continue
        check = f"import sys, psycopg; raise SystemExit(sys.version_info[:2] != {tuple(sys.version_info[:2])})"
        done = subprocess.run(
            [*as_ordinary_user(), python, "-c", check],
            env=ordinary_environment(),
            cwd="/",
            check=False,
            capture_output=True,
        )
        if done.returncode == 0:
            return python
    return None


def as_ordinary_user() -> list[str]:
    """What to put before a command, so that it runs without root."""
    if os.geteuid() != 0:
        return []
    # setpriv itself may still exec what only root can reach; `env` after it may not.
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "env"]


def without_user_namespaces() -> list[str]:
    """What to put before a command, so that it runs as the same user where no more user namespaces may be made."""
    user, group = (NOBODY, NOBODY) if os.geteuid() == 0 else (os.getuid(), os.getgid())
    forbid = "echo 0 > /proc/sys/user/max_user_namespaces"
    drop = 'exec setpriv --inh-caps=-all --ambient-caps=-all "$@"'
    mapped = [f"--map-user={user}", f"--map-group={group}"]
    return ["unshare", "--user", *mapped, "--keep-caps", "sh", "-c", f"{forbid} && {drop}", "sh"]


def ordinary_environment() -> dict[str, str]:
    """Our packages for whichever Python runs."""
    packages = [path for path in sys.path if path.endswith("site-packages")]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "sandbox"), *packages]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


@dataclass
class Up:
    """One `sublet up` on a data directory."""

    directory: Path
    options: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()
    python: str = sys.executable
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def printed(self) -> str:
        """Everything it said so far."""
        return self._output.read_text()

    @property
    def _output(self) -> Path:
        place = next(parent for parent in self.directory.parents if parent.is_dir())
        return place / f"{self.directory.name}.out"

    def start(self) -> "Up":
        """Start it without waiting for anything."""
        with self._output.open("w") as sink:
            self.process = subprocess.Popen(
                [*self.prefix, self.python, "-m", "sublet.supervisor.up", "--port", str(self.port), *self.options],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                text=True,
                cwd="/",
                env={**os.environ, "SUBLET_DATA_DIR": str(self.directory), **self.environment},
                start_new_session=True,
            )
        return self

    def until(self, wanted: str | Callable[[], bool], *, seconds: float = SECONDS) -> "Up":
        """Wait until it has said something, or something holds; fails when it ends before."""
        deadline = time.monotonic() + seconds
        while not (wanted in self.printed if isinstance(wanted, str) else wanted()):
            assert self.process is not None
            assert self.process.poll() is None, f"up ended with {self.process.returncode}:\n{self.printed}"
            assert time.monotonic() < deadline, f"not within {seconds} s:\n{self.printed}"
            time.sleep(0.02)
        return self

    def ready(self) -> "Up":
        """Start it, and wait until it says that it is ready."""
        return self.start().until("Sublet is ready")

    def send(self, number: signal.Signals = signal.SIGINT) -> None:
        """To the whole foreground group, as a terminal does it."""
        assert self.process is not None
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)

    def wait(self, seconds: float = SECONDS) -> int:
        """Its exit status."""
        assert self.process is not None
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"up did not end within {seconds} s:\n{self.printed}") from None

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Ask it to end, and wait until it did."""
        self.send(number)
        return self.wait()

    def crash(self) -> None:
        """End the supervisor, and nothing else, with -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def left(self, what: Callable[..., list[str]] = leftovers) -> list[str]:
        """What is still there; processes that are just ending get a moment."""
        deadline = time.monotonic() + 15
        while (found := what(self.directory, port=self.port)) and time.monotonic() < deadline:
            time.sleep(0.1)
        return found

    def info(self) -> dict[str, Any]:
        """What `sublet demo info --json` prints."""
        done = subprocess.run(
            [*self.prefix, self.python, "-m", "sublet.supervisor.demo_info", "--json"],
            env={**os.environ, "SUBLET_DATA_DIR": str(self.directory), **self.environment},
            cwd="/",
            capture_output=True,
            text=True,
            check=True,
        )
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def child(self, module: str) -> int:
        """The process id of the part that runs a module; 0 while there is none."""
        assert self.process is not None
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    command = (entry / "cmdline").read_bytes().split(b"\0")
                    parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                except OSError:
                    continue
                if module.encode() in command and parent == self.process.pid:
                    return int(entry.name)
        return 0

    def answers(self) -> bool:
        """Whether the web process serves."""
        try:
            return httpx.get(f"{self.url}/readyz", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False


def refused(up: Up) -> str:
    """What it says when it cannot start: it ends with 1, in words, and leaves nothing."""
    assert up.start().wait() == 1, up.printed
    assert "Traceback" not in up.printed
    return up.printed
