"""`sublet demo delete` removes all that `sublet up` made, whoever it belongs to, and nothing else."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.supervisor.conftest import NewUp
from tests.supervisor.running import NOBODY, Up, as_ordinary_user, ordinary_environment, ordinary_python
from tests.support.demo import new_data_directory
from tests.support.nodes import require

DELETE = (sys.executable, "-m", "sublet.supervisor.demo_delete")
NO_NODE = ("--node", "none")


def delete(directory: Path, *options: str, stdin: int = subprocess.DEVNULL) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*DELETE, *options],
        env={**os.environ, "SUBLET_DATA_DIR": str(directory)},
        stdin=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


def answer(directory: Path, said: bytes) -> subprocess.CompletedProcess[str]:
    """Run it with a terminal at which somebody answers."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, said)
        return delete(directory, stdin=theirs)
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.fixture(scope="module")
def set_up_without_node(data_directories: list[Path]) -> Path:
    """A data directory on which a demo without a node was set up and stopped again; tests take copies of it."""
    directory = new_data_directory()
    data_directories.append(directory)
    up = Up(directory, NO_NODE).ready()
    assert up.stop() == 0, up.printed
    return directory


@pytest.fixture
def stopped(new_up: NewUp, set_up_without_node: Path, data_directories: list[Path]) -> Up:
    """A demo that was set up and does not run."""
    directory = new_data_directory()
    data_directories.append(directory)
    subprocess.run(["cp", "-a", f"{set_up_without_node}/.", str(directory)], check=True)
    return new_up(*NO_NODE, directory=directory)


def files_in(directory: Path) -> dict[Path, int]:
    """Every file, and how large it is."""
    return {path: path.lstat().st_size for path in directory.rglob("*")}


class TestDeletion:
    @pytest.mark.node
    @pytest.mark.parametrize("kind", ["systemd", "namespace"])
    def test_takes_the_node_with_it_also_after_a_crash(self, kind: str, new_up: NewUp) -> None:
        require("systemd" if kind == "systemd" else "namespace")
        up = new_up("--node", kind).ready()
        cache = (up.directory / "cache").resolve()
        up.crash()
        done = delete(up.directory, "--yes", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout[done.stdout.index("{") :]) == {"deleted": str(up.directory), "kept": []}
        assert not up.directory.exists()
        assert cache.is_dir()
        assert up.left() == []

    def test_leaves_what_it_did_not_make(self, stopped: Up) -> None:
        up = stopped
        (up.directory / "mine.txt").write_text("mine")
        done = delete(up.directory, "--yes")
        assert done.returncode == 0, done.stderr
        assert "Kept, because `sublet up` did not make it: mine.txt" in done.stdout
        assert [path.name for path in up.directory.iterdir()] == ["mine.txt"]
        again = delete(up.directory, "--yes")
        assert again.returncode == 3
        assert f"There is no demo in {up.directory}" in again.stderr

    def test_is_refused_while_something_is_mounted_there_and_goes_on_when_it_is_not(self, stopped: Up) -> None:
        if os.geteuid() != 0:
            pytest.skip("only root can mount")
        up = stopped
        theirs = up.directory / "logs" / "theirs"
        theirs.mkdir()
        subprocess.run(["mount", "--bind", "/etc", str(theirs)], check=True)
        try:
            done = delete(up.directory, "--yes")
        finally:
            subprocess.run(["umount", str(theirs)], check=True)
        assert done.returncode == 1
        assert f"{theirs} is mounted" in done.stderr
        assert "Traceback" not in done.stderr
        assert Path("/etc/passwd").exists()
        assert (up.directory / "postgres" / "data" / "PG_VERSION").exists()
        assert delete(up.directory, "--yes").returncode == 0
        assert not up.directory.exists()

    def test_leaves_the_key_of_another_database(self, stopped: Up) -> None:
        up = stopped
        of_another = up.directory / "keys" / "encryption.key"
        assert not of_another.exists()
        of_another.write_text("kept")
        done = delete(up.directory, "--yes")
        assert done.returncode == 0, done.stderr
        assert "keys" in done.stdout
        assert [path for path in up.directory.rglob("*") if path.is_file()] == [of_another]

    def test_is_refused_while_it_runs_and_without_a_yes(self, stopped: Up) -> None:
        up = stopped.ready()
        running = delete(up.directory, "--yes")
        assert running.returncode == 1
        assert "Sublet already runs" in running.stderr
        assert up.answers()
        assert up.stop() == 0
        before = files_in(up.directory)
        unasked = delete(up.directory)
        assert unasked.returncode == 2
        assert "--yes" in unasked.stderr
        assert answer(up.directory, b"n\n").returncode == 2
        assert files_in(up.directory) == before
        agreed = answer(up.directory, b"y\n")
        assert "It cannot be undone" in agreed.stdout
        assert agreed.returncode == 0, agreed.stderr
        assert not up.directory.exists()

    def test_of_somebody_elses_demo_is_refused(self, stopped: Up) -> None:
        python = ordinary_python()
        if os.geteuid() != 0 or python is None:
            pytest.skip(f"only root can try it as user {NOBODY}, with a Python which that user can run")
        up, before = stopped, files_in(stopped.directory)
        done = subprocess.run(
            [*as_ordinary_user(), python, "-m", "sublet.supervisor.demo_delete", "--yes"],
            env={**ordinary_environment(), "SUBLET_DATA_DIR": str(up.directory)},
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 4
        assert "belongs to somebody else" in done.stderr
        assert files_in(up.directory) == before
