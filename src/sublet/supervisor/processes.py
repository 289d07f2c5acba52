"""Child processes of `sublet up`: started with a log file, watched, stopped in order, never left behind."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from sublet.core.errors import SubletError
from sublet.core.own_folders import open_own
from sublet.supervisor.child import GO
from sublet_sandbox.parent import die_with_parent

STOP_SECONDS = 10.0
LEFTOVER_SECONDS = 12.0
MARK = "SUBLET_SUPERVISED"
"""In the environment of every child: the data directory that it belongs to."""


class ProcessFailed(SubletError):
    """A part of Sublet did not start, or ended by itself."""

    code = "process_failed"


class ChildProcess:
    """One Python module run as a process of its own."""

    def __init__(self, name: str, module: str, *arguments: str, environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        self._command = [sys.executable, "-m", "sublet.supervisor.child", module, *arguments]
        self._environment = {**os.environ, **environment}
        self._process: asyncio.subprocess.Process | None = None
        self._log_began = 0

    @property
    def pid(self) -> int | None:
        """The process id, while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    @property
    def _loaded(self) -> asyncio.subprocess.Process:
        """The process, for what follows `load`."""
        assert self._process is not None
        return self._process

    async def load(self) -> None:
        """Start the process as far as it gets before `begin`; its output goes to the end of its log file."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._log_began = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab", opener=open_own) as log:  # noqa: ASYNC230 - opened, and no more
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGTERM),
            )

    async def begin(self) -> None:
        """Let it do its work. If it has ended already, whoever watches it finds out."""
        stdin = self._loaded.stdin
        assert stdin is not None  # a pipe, as `load` asked for
        with suppress(ConnectionError):
            stdin.write(GO)
            await stdin.drain()
        stdin.close()

    async def start(self) -> None:
        """Load and begin."""
        await self.load()
        await self.begin()

    async def ended(self) -> int:
        """Wait until the process ends by itself; its exit status."""
        return await self._loaded.wait()

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL for the whole process group if that is not enough."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            self.kill()
            await process.wait()

    def kill(self) -> None:
        """End it at once, with everything that it started."""
        if self.pid is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def given_up(self, happened: str) -> str:
        """What is said of this process when it is not begun any more, with the end of its log."""
        return (
            f"The {self.name} process {happened}. It is not started any more. Everything else goes on, and the data is "
            f"as it was. Mend what its log says, then stop and start Sublet. The end of {self.log}:\n"
            f"{log_tail(self.log, since=self._log_began)}"
        )

    def failure(self, happened: str) -> ProcessFailed:
        """The error for this process, with the end of its log."""
        return ProcessFailed(
            f"The {self.name} process {happened}. Everything was stopped; the data is as it was. "
            f"The end of {self.log}:\n{log_tail(self.log, since=self._log_began)}"
        )


def ending(status: int) -> str:
    """How a process ended, in words."""
    if status >= 0:
        return f"status {status}"
    with suppress(ValueError):
        return f"killed by {signal.Signals(-status).name}"
    return f"killed by signal {-status}"


def log_tail(log: Path, lines: int = 12, *, since: int = 0) -> str:
    """The last lines of a log, indented; what stood in its first `since` bytes is an earlier run's."""
    try:
        written = log.read_bytes()[since:].decode(errors="replace")
        return "\n".join(f"  {line[:400]}" for line in written.splitlines()[-lines:])
    except OSError:
        return "  (no log)"


def left_by_earlier_run(directory: Path) -> list[int]:
    """Processes of an `up` on this data directory whose supervisor is gone."""
    mark = f"{MARK}={directory}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError):
            if mark in (entry / "environ").read_bytes().split(b"\0") and _alive(int(entry.name)):
                found.append(int(entry.name))
    return [pid for pid in found if pid != os.getpid()]


async def end_earlier_run(directory: Path, say: Callable[[str], None]) -> None:
    """Wait until what an `up` killed with -9 left has ended, and end what does not. Needs the directory's lock."""
    left = left_by_earlier_run(directory)
    if not left:
        return
    say(f"Ending what an earlier run left ({len(left)} {'process' if len(left) == 1 else 'processes'})")
    _send(left, signal.SIGTERM)
    deadline = time.monotonic() + LEFTOVER_SECONDS
    while left := left_by_earlier_run(directory):
        if time.monotonic() > deadline:
            _send(left, signal.SIGKILL)
        await asyncio.sleep(0.05)


def _send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _alive(pid: int) -> bool:
    """Whether it is more than an entry that its parent has not buried yet."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
