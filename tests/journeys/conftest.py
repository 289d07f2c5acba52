"""Closes what the people of the journeys opened."""

from collections.abc import Iterator

import pytest

from tests.journeys.people import OPEN_CLIENTS


@pytest.fixture(scope="session", autouse=True)
def people_leave() -> Iterator[None]:
    """Close everybody's connections at the end."""
    yield
    for client in OPEN_CLIENTS:
        client.close()
