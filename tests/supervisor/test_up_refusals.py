"""What `sublet up` says when it cannot do what was asked: what is wrong, and what to do about it."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from tests.supervisor.conftest import NewUp
from tests.supervisor.running import (
    INFO,
    NOBODY,
    Up,
    as_ordinary_user,
    ordinary_environment,
    ordinary_python,
    refused,
    without_user_namespaces,
)

NO_NODE = ("--no-demo",)


def ordinary(directory: Path, **environment: str) -> Up:
    """An `up` as a user without root and without subordinate ids."""
    python = ordinary_python()
    if python is None:
        message = "no Python of this version that an ordinary user can run"
        if os.environ.get("SUBLET_TEST_REQUIRE_ALL"):
            pytest.fail(message)
        pytest.skip(message)
    return Up(
        directory, prefix=tuple(as_ordinary_user()), python=python, environment=ordinary_environment() | environment
    )


class TestPort:
    def test_taken_says_which_and_how_to_choose_another(self, new_up: NewUp) -> None:
        up = new_up(*NO_NODE)
        with socket.create_server(("127.0.0.1", up.port)):
            said = refused(up)
        assert f"Port {up.port} on 127.0.0.1 cannot be used" in said
        assert "SUBLET_PORT=" in said
        assert up.left() == []

    def test_that_is_no_number_names_the_setting(self, new_up: NewUp) -> None:
        up = new_up(*NO_NODE, environment={"SUBLET_LEASE_SECONDS": "many"})
        said = refused(up)
        assert "SUBLET_LEASE_SECONDS" in said
        assert "Nothing was started" in said


class TestDataDirectory:
    def test_of_somebody_else_is_named_with_the_way_out(self, open_directory: Path) -> None:
        place = open_directory / "theirs"
        place.mkdir(mode=0o555)
        said = refused(ordinary(place))
        theirs = f"{place} belongs to somebody else (user id 0). Nothing was changed"
        assert (theirs if os.geteuid() == 0 else f"{place} cannot be written (Permission denied") in said
        assert "SUBLET_DATA_DIR" in said
        assert list(place.iterdir()) == []

    def test_in_a_read_only_home_is_named_with_the_way_out(self, open_directory: Path) -> None:
        home = open_directory / "home"
        home.mkdir(mode=0o555)
        up = ordinary(open_directory / "unused", HOME=str(home), SUBLET_DATA_DIR="", XDG_DATA_HOME=str(home / "share"))
        up.environment["SUBLET_DATA_DIR"] = str(home / "share" / "sublet")
        said = refused(up)
        assert "cannot be written (Permission denied" in said
        assert "SUBLET_DATA_DIR=" in said

    def test_that_is_a_file_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("mine")
        assert "cannot be written" in refused(Up(tmp_path / "file" / "data", NO_NODE))
        assert (tmp_path / "file").read_text() == "mine"

    def test_that_the_database_account_cannot_enter_is_refused_and_not_opened(self, tmp_path: Path) -> None:
        if os.geteuid() != 0:
            pytest.skip("only root runs PostgreSQL as another account")
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o700)
        up = Up(closed / "data", NO_NODE)
        said = refused(up)
        assert "that account cannot enter" in said
        assert closed.stat().st_mode & 0o777 == 0o700
        assert up.left() == []

    def test_in_use_names_the_process_and_disturbs_nothing(self, new_up: NewUp) -> None:
        first = new_up(*NO_NODE).ready()
        second = new_up(*NO_NODE, directory=first.directory)
        second.start()
        assert second.wait() == 1
        assert first.process is not None
        said = second.printed
        assert f"Sublet already runs on {first.directory} (process {first.process.pid})" in said
        assert "sublet demo info" in said
        assert first.answers()
        assert first.stop() == 0
        assert first.left() == []


class TestMachineWithoutRoot:
    def test_and_without_user_namespaces_runs_without_a_node_and_says_why(self, open_directory: Path) -> None:
        home = new_home(open_directory)
        up = ordinary(home / "data", HOME=str(home))
        up.prefix = (*up.prefix, *without_user_namespaces())
        printed = runs_without_a_node(up)
        assert "user namespaces are switched off" in printed
        assert "As root: sysctl " in printed

    def test_and_without_subordinate_ids_runs_without_a_node_and_says_why(self, open_directory: Path) -> None:
        if os.geteuid() != 0:
            pytest.skip("only root can run it as a user without subordinate ids")
        home = new_home(open_directory)
        printed = runs_without_a_node(ordinary(home / "data", HOME=str(home)))
        assert "As root: " in printed


def new_home(directory: Path) -> Path:
    """A home of the ordinary user that `ordinary` is."""
    home = directory / "home"
    home.mkdir()
    if os.geteuid() == 0:
        os.chown(home, NOBODY, NOBODY)
    return home


def runs_without_a_node(up: Up) -> str:
    """All but the node runs, and ends without a trace; what was printed."""
    up.ready()
    try:
        printed = up.printed
        assert "There is no demo node" in printed
        info = up.info()
        assert info["node"]["kind"] == "none"
        assert info["node"]["problem"] in printed
        assert info["running"] is True
        assert up.answers()
    finally:
        assert up.stop() == 0
    assert up.left() == []
    return printed


class TestDemoInfo:
    def test_says_that_nothing_ever_ran_there(self, tmp_path: Path) -> None:
        done = subprocess.run(
            INFO, env={**os.environ, "SUBLET_DATA_DIR": str(tmp_path)}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 3
        assert f"No demo has run with the data directory {tmp_path}" in done.stderr

    def test_of_somebody_else_is_not_shown(self, open_directory: Path) -> None:
        (open_directory / "demo.json").write_text("{}")
        (open_directory / "demo.json").chmod(0o000)
        up = ordinary(open_directory)
        done = subprocess.run(
            [*up.prefix, up.python, "-m", "sublet.supervisor.demo_info"],
            env={**up.environment, "SUBLET_DATA_DIR": str(open_directory)},
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )
        assert done.returncode == 4
        assert "belongs to somebody else" in done.stderr
