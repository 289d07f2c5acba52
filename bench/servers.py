"""Servers that a measurement needs, each gone when it ends: a PostgreSQL of its own, and processes of ours."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from sublet.migrations.run import migrate
from sublet.supervisor.embedded_postgres import EmbeddedPostgres

START_SECONDS = 30.0
_CPUCLOCK_SCHED = 2


@contextmanager
def own_postgres() -> Iterator[EmbeddedPostgres]:
    """A migrated PostgreSQL with its production settings, in a directory of its own."""
    directory = Path(tempfile.mkdtemp(prefix="sublet-bench-"))
    directory.chmod(0o711)
    server = EmbeddedPostgres(directory)
    try:
        server.start()
        migrate(server.owner_url)
        server.create_login()
        server.sql("SELECT ledger.keep_calendar('UTC')", database="sublet")
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def serving(module: str, *arguments: str, url: str, environment: Mapping[str, str]) -> Iterator[int]:
    """A Python module as a process that answers at `url`; yields its process id. RuntimeError with what it said."""
    said = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the process has ended
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=said,
    )
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                httpx.get(url, timeout=1)
                break
            except httpx.HTTPError:
                if process.poll() is not None or time.monotonic() > deadline:
                    said.seek(0)
                    raise RuntimeError(f"{module} did not start:\n{said.read().decode(errors='replace')}") from None
                time.sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        process.wait(15)
        said.close()


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used so far, user and system, to the nanosecond."""
    return time.clock_gettime(_cpu_clock(pid))


def cpu_seconds_of_children(pid: int) -> float:
    """CPU time that a process's children that are alive now have used so far: of a PostgreSQL, its backends."""
    return sum(cpu_seconds(int(child)) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def _cpu_clock(pid: int) -> int:
    """The number of another process's CPU clock: what clock_getcpuclockid(3), which Python does not have, makes."""
    return ~pid << 3 | _CPUCLOCK_SCHED
