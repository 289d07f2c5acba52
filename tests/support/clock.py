"""One time for database, web, worker and sandbox, which a test moves: a preloaded libfaketime and one file.

The product asks PostgreSQL what time it is, and knows nothing of this. A test file whose database is to have a time
that moves says so by a fixture of its own, and then every fixture that asks for `postgres` gets that server:

    @pytest.fixture
    def postgres(clocked_postgres: EmbeddedPostgres) -> EmbeddedPostgres:
        return clocked_postgres
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from sublet.migrations.run import migrate
from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from tests.support.database import new_server
from tests.support.prepare import FAKETIME

DAY_SECONDS = 86_400.0


@dataclass
class Clock:
    """The time of every program that runs in its `environment`; it goes on as ours does, some seconds ahead."""

    file: Path
    ahead_seconds: float = 0.0

    @property
    def environment(self) -> dict[str, str]:
        """For a program with threads to be started in; empty where libfaketime is missing.

        The file is read at the first look at the clock in each second, which costs nothing that one could measure.
        Durations stay real, and so do the times of files.
        """
        return self._preloading(FAKETIME.with_name("libfaketimeMT.so.1"))

    @property
    def environment_of_postgres(self) -> dict[str, str]:
        """For PostgreSQL, which has no threads, and looks at the clock in signal handlers: no lock may be taken there.

        It must not be preloaded before root is given up, or the library's memory is root's and the server cannot start;
        EmbeddedPostgres gives it to the server alone.
        """
        return self._preloading(FAKETIME)

    def _preloading(self, library: Path) -> dict[str, str]:
        if not FAKETIME.exists():
            return {}
        return {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_CACHE_DURATION": "0",
            "NO_FAKE_STAT": "1",
        }

    def later(self, seconds: float) -> None:
        """Let time pass for all of them; on return, within a second, each look at the clock sees it.

        Skips, saying why, where libfaketime is missing.
        """
        if not FAKETIME.exists():
            pytest.skip("libfaketime is missing: apt-get install libfaketime")
        self.ahead_seconds += seconds
        self.write()
        time.sleep(1.005 - time.time() % 1)  # until the next second has begun

    def write(self) -> None:
        """Put down in the file how far ahead it is, as a whole."""
        new = self.file.with_suffix(".new")
        new.write_text(f"{self.ahead_seconds:+f}\n")
        new.chmod(0o644)
        new.replace(self.file)

    def a_day_later(self) -> None:
        """Let a day pass."""
        self.later(DAY_SECONDS)

    def put_back(self) -> None:
        """Show our time again, for the programs of another test."""
        if self.ahead_seconds:
            self.later(-self.ahead_seconds)


@contextmanager
def new_clock() -> Iterator[Clock]:
    """A clock for programs that are started and ended in here; until it is moved it shows our time."""
    directory = Path(tempfile.mkdtemp(prefix="sublet-clock-"))
    directory.chmod(0o755)  # PostgreSQL's account reads it too
    clock = Clock(directory / "time")
    clock.write()
    try:
        yield clock
    finally:
        shutil.rmtree(directory)
        _remove_shared_memory()


@pytest.fixture(scope="session")
def one_clock() -> Iterator[Clock]:
    """The clock of `clocked_postgres`, and of whatever is to agree with it."""
    with new_clock() as clock:
        yield clock


@pytest.fixture(scope="session")
def clocked_postgres(one_clock: Clock) -> Iterator[EmbeddedPostgres]:
    """A server like `postgres` whose time can be moved."""
    directory = Path(tempfile.mkdtemp(prefix="sublet-test-"))
    directory.chmod(0o711)
    server = new_server(directory, environment=one_clock.environment_of_postgres)
    try:
        server.start()
        migrate(server.owner_url)
        server.create_login()
        server.sql("SELECT ledger.keep_calendar('UTC')", database="sublet")
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory)


@pytest.fixture
def clock(one_clock: Clock, clocked_postgres: EmbeddedPostgres) -> Iterator[Clock]:
    """The clock of `clocked_postgres`; after the test it is put back."""
    yield one_clock
    one_clock.put_back()


def _remove_shared_memory() -> None:
    """The library leaves its shared memory behind, named after the process that made it: remove that of dead ones."""
    for memory in Path("/dev/shm").glob("faketime_shm_*"):
        pid = memory.name.rpartition("_")[2]
        if not os.path.exists(f"/proc/{pid}"):
            with suppress(OSError):  # somebody else's
                memory.with_name(f"sem.faketime_sem_{pid}").unlink(missing_ok=True)
                memory.unlink(missing_ok=True)
