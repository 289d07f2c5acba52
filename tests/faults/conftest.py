"""What tests of faults share: rentals on simulated nodes, and one whole Sublet on a real one."""

from collections.abc import Iterator

import pytest

from tests.allocations.conftest import rental
from tests.faults.running import House
from tests.supervisor.running import Up
from tests.support.demo import new_data_directory, remove_data
from tests.support.leftovers import leftovers
from tests.support.nodes import require

__all__ = ["rental"]


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    """One demo for all tests of a file; in the end nothing of it is left on the machine."""
    require("systemd")
    directory = new_data_directory()
    up = Up(directory)
    try:
        up.ready()
        house = House(up, up.info())
        try:
            yield house
        finally:
            house.close()
    finally:
        up.stop()
        left = leftovers(directory, port=up.port)
        remove_data(directory)
    assert left == []
