"""Data directories for `sublet up`, and the certainty that it leaves nothing on the machine."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.supervisor.running import Up
from tests.support.demo import new_data_directory, remove_data
from tests.support.leftovers import leftovers

NewUp = Callable[..., Up]


@pytest.fixture(scope="session")
def data_directories() -> Iterator[list[Path]]:
    """Every data directory that a test of this folder used; when all are done, nothing of any of them may be left."""
    used: list[Path] = []
    yield used
    try:
        assert [found for directory in used for found in leftovers(directory)] == []
    finally:
        for directory in used:
            remove_data(directory)


@pytest.fixture
def new_up(data_directories: list[Path]) -> Iterator[NewUp]:
    """Makes an `Up`, on a new data directory unless one is given; whatever still runs after the test is stopped."""
    made: list[Up] = []

    def make(*options: str, directory: Path | None = None, **more: object) -> Up:
        place = directory or new_data_directory()
        if directory is None:
            data_directories.append(place)
        made.append(Up(place, options, **more))  # type: ignore[arg-type]  # passed on as they are
        return made[-1]

    yield make
    for up in made:
        if up.process is not None and up.process.poll() is None:
            up.stop()


@pytest.fixture(scope="module")
def set_up_directory(data_directories: list[Path]) -> Path:
    """A data directory on which a whole demo, with its node, was set up and stopped again."""
    directory = new_data_directory()
    data_directories.append(directory)
    up = Up(directory).ready()
    try:
        assert up.answers()
    finally:
        assert up.stop() == 0, up.printed
    return directory


@pytest.fixture
def open_directory(data_directories: list[Path]) -> Path:
    """A directory that every user can reach, which pytest's own are not."""
    directory = Path(tempfile.mkdtemp(prefix="sublet-demo-"))
    directory.chmod(0o755)
    data_directories.append(directory)
    return directory
