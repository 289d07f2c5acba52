"""One process that tries mutants in a copy of the tree, which it is started in.

It loads once what every test loads, has one PostgreSQL for all of them, and forks a child for each mutant. It reads a
job from each line of its input, and answers each with a line.
"""

import contextlib
import importlib
import json
import os
import select
import signal
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

LIBRARIES = (
    "alembic.command",
    "asyncssh",
    "fastapi",
    "httpx",
    "hypothesis.strategies",
    "opentelemetry.sdk.trace",
    "prometheus_client",
    "psycopg",
    "pytest",
    "sqlalchemy.ext.asyncio",
    "structlog",
    "uvicorn",
)
"""What the tests load and no mutant changes."""

MADE_BY_MIGRATIONS = ("src/sublet/migrations/", "src/sublet/ledger/sql/")


@dataclass(frozen=True)
class Job:
    """A file with a text (none: all is as it should be), and the tests that must notice, likely ones first."""

    file: str | None
    text: str
    tests: tuple[str, ...]
    seconds: float
    likely: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """`survived`, or how it was noticed: `killed`, with the test that said no first, or `timed out`."""

    what: str
    by: str = ""


class Recorder:
    """Remembers what failed first."""

    def __init__(self) -> None:
        self.first = ""

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed and not self.first:
            self.first = report.nodeid

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed and not self.first:
            self.first = f"loading {report.nodeid}"


class Server:
    """A PostgreSQL that a process of its own holds, with everything as it should be in it."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="sublet-mutants-", dir=_memory()))
        self.directory.chmod(0o711)  # its account must be able to enter
        told, tells = os.pipe()
        waits, self._lets_go = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._lets_go)
            os.close(told)
            try:
                _server_module().hold(self.directory, tells, waits)
            finally:
                os._exit(0)
        os.close(tells)
        os.close(waits)
        if os.read(told, 1) != b"1":
            raise RuntimeError("The database of the tests does not start.")
        os.close(told)

    def stop(self) -> None:
        os.close(self._lets_go)
        os.waitpid(self._pid, 0)


def _memory() -> str | None:
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and os.access(memory, os.W_OK) else None


def try_out(job: Job, server: Server) -> Outcome:
    """Change the file, run the tests, put the file back."""
    path = None if job.file is None else Path(job.file)
    before = None if path is None else path.read_bytes()
    touches_schema = job.file is not None and job.file.startswith(MADE_BY_MIGRATIONS)
    try:
        if path is not None:
            _write(path, job.text.encode())
        return _run(job, server, anew=touches_schema)
    finally:
        if path is not None and before is not None:
            _write(path, before)
        if touches_schema:
            _end(_fork(lambda: _server_module().restore(server.directory)), seconds=60)


_written = int(time.time())


def _write(path: Path, content: bytes) -> None:
    """Write with a time of its own, so that nothing compiled from another content is taken for this one."""
    global _written  # noqa: PLW0603 - one count for the whole process
    _written += 1
    path.write_bytes(content)
    os.utime(path, (_written, _written))


def _run(job: Job, server: Server, *, anew: bool) -> Outcome:
    reads, writes = os.pipe()

    def child() -> None:
        os.close(reads)
        os.environ["SUBLET_TEST_SERVER"] = str(server.directory)
        if anew:
            try:
                _server_module().migrate_anew(server.directory)
            except Exception as error:
                os.write(writes, json.dumps(asdict(Outcome("killed", f"migrating: {type(error).__name__}"))).encode())
                return
        recorder = Recorder()
        pytest = importlib.import_module("pytest")
        options = ["-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
        status = 0
        for tests in filter(None, (job.likely, job.tests)):
            if status == 0:
                status = pytest.main([*options, *tests], plugins=[recorder])
        known = {0: "survived", 1: "killed", 2: "killed", 4: "killed"}  # 2 and 4: what the tests load does not load
        outcome = Outcome(known.get(int(status), f"broken: pytest ended with {int(status)}"), recorder.first)
        os.write(writes, json.dumps(asdict(outcome)).encode())

    pid = _fork(child)
    os.close(writes)
    try:
        ready, _, _ = select.select([reads], [], [], job.seconds)
        said = os.read(reads, 65536) if ready else b""
        return Outcome(**json.loads(said)) if said else Outcome("timed out" if not ready else "killed", "the process")
    finally:
        _end(pid)
        os.close(reads)


def _server_module() -> Any:
    return importlib.import_module("tests.mutants.server")


def _fork(work: Any) -> int:
    """A child that does the work in a group of its own, without a word."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.setsid()
        nowhere = os.open(
            os.environ.get("SUBLET_MUTANTS_LOG", os.devnull), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600
        )
        for descriptor in (1, 2):
            os.dup2(nowhere, descriptor)
        work()
        status = 0
    finally:
        os._exit(status)


def _end(pid: int, *, seconds: float = 10) -> None:
    """Wait for a child's own end for a while; then end it, and all that it started."""
    deadline = time.monotonic() + seconds
    while not (ended := os.waitpid(pid, os.WNOHANG)[0]) and time.monotonic() < deadline:
        time.sleep(0.005)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    if not ended:
        os.waitpid(pid, 0)


def main() -> None:
    """Answer jobs until there are no more, or somebody presses Ctrl-C."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for library in LIBRARIES:
        importlib.import_module(library)
    server = Server()
    try:
        for line in sys.stdin:
            job = Job(**json.loads(line))
            print(json.dumps(asdict(try_out(job, server))), file=answers, flush=True)
    except KeyboardInterrupt:
        pass
    finally:
        server.stop()


if __name__ == "__main__":
    main()
