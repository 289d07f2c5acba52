"""The embedded database's supervisor: start, stop, crash, orphan, lock, version, permissions."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sublet.supervisor.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError
from tests.support.database import new_server


@pytest.fixture
def directory() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="sublet-test-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def server(directory: Path) -> Iterator[EmbeddedPostgres]:
    server = new_server(directory, shared_buffers="16MB", max_connections="20", synchronous_commit="on")
    yield server
    server.stop()


def shared_segments() -> set[int]:
    """The System V segments of this machine, as ids."""
    return {int(line.split()[1]) for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]}


class TestEmbeddedPostgres:
    def test_keeps_data_across_stop_and_start(self, server: EmbeddedPostgres) -> None:
        server.start()
        server.sql("CREATE TABLE kept AS SELECT 42 AS n", "sublet")
        server.stop()
        assert server.pid is None
        server.start()
        assert server.sql("SELECT n FROM kept", "sublet") == "42"

    def test_recovers_after_its_server_was_killed(self, server: EmbeddedPostgres) -> None:
        server.start()
        server.sql("CREATE TABLE kept AS SELECT 42 AS n", "sublet")
        server.kill()
        server.start()
        assert server.sql("SELECT n FROM kept", "sublet") == "42"

    @pytest.mark.parametrize("end", ["stop", "kill"])
    def test_leaves_nothing_when_it_is_discarded(self, server: EmbeddedPostgres, end: str) -> None:
        server.start()
        segment = int((server.data / "postmaster.pid").read_text().splitlines()[6].split()[1])
        assert segment in shared_segments()
        getattr(server, end)()
        server.discard()
        assert not server.directory.exists()
        assert not server.socket_directory.exists()
        assert segment not in shared_segments()

    def test_that_runs_elsewhere_is_not_discarded(self, server: EmbeddedPostgres, directory: Path) -> None:
        server.start()
        with pytest.raises(EmbeddedPostgresError, match="Stop it first"):
            new_server(directory).discard()
        assert server.sql("SELECT 1") == "1"

    def test_takes_over_from_a_supervisor_that_vanished(self, server: EmbeddedPostgres, directory: Path) -> None:
        server.start()
        orphan = server.pid
        assert server._lock is not None
        server._lock.close()  # what the kernel does when the supervisor dies
        successor = new_server(directory, shared_buffers="16MB")
        try:
            successor.start()
            assert successor.pid not in (None, orphan)
            assert successor.sql("SELECT 1") == "1"
        finally:
            successor.stop()
            server._lock = None

    def test_a_pid_file_that_names_another_program_is_no_obstacle(self, server: EmbeddedPostgres) -> None:
        server.start()
        files = [server.data / "postmaster.pid", *server.socket_directory.glob("*.lock")]
        assert len(files) == 2
        server.kill()
        account = server.account
        # A program of the very account that the database runs as: to PostgreSQL it looks like a running server.
        other = subprocess.Popen(["sleep", "300"], user=account.uid if account else None)
        try:
            for file in files:
                file.write_text(f"{other.pid}\n{file.read_text().partition(chr(10))[2]}")
            server.start()
            assert server.sql("SELECT 1") == "1"
            assert other.poll() is None
        finally:
            other.kill()
            other.wait()

    def test_a_pid_file_that_was_never_finished_is_no_obstacle(self, server: EmbeddedPostgres) -> None:
        server.start()
        pid_file = server.data / "postmaster.pid"
        server.stop()
        pid_file.write_text("")
        server.start()
        assert server.sql("SELECT 1") == "1"

    def test_data_that_is_damaged_is_refused_and_untouched(self, server: EmbeddedPostgres) -> None:
        server.start()
        server.stop()
        (server.data / "PG_VERSION").rename(server.data / "PG_VERSION.lost")
        with pytest.raises(EmbeddedPostgresError, match="Nothing was changed"):
            server.start()
        (server.data / "PG_VERSION.lost").rename(server.data / "PG_VERSION")
        server.start()
        assert server.sql("SELECT 1", "sublet") == "1"

    def test_two_on_one_directory_are_refused(self, server: EmbeddedPostgres, directory: Path) -> None:
        server.start()
        with pytest.raises(EmbeddedPostgresError, match="already runs"):
            new_server(directory).start()
        assert server.sql("SELECT 1") == "1"

    def test_data_of_another_version_is_refused_and_untouched(self, server: EmbeddedPostgres) -> None:
        server.start()
        server.stop()
        (server.data / "PG_VERSION").write_text("9\n")
        with pytest.raises(EmbeddedPostgresError, match="written by PostgreSQL 9"):
            server.start()
        assert (server.data / "PG_VERSION").read_text() == "9\n"

    def test_sockets_are_private_and_gone_after_stop(self, server: EmbeddedPostgres) -> None:
        server.start()
        assert server.socket_directory.stat().st_mode & 0o777 == 0o700
        server.stop()
        assert not server.socket_directory.exists()

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the database as another account")
    def test_no_permission_is_widened_to_reach_the_data(self, directory: Path) -> None:
        directory.chmod(0o700)
        with pytest.raises(EmbeddedPostgresError, match="no permission was changed"):
            new_server(directory / "inner").start()
        assert directory.stat().st_mode & 0o777 == 0o700
