"""The house that identity's tests live in."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sublet.core.db import Database
from tests.identity.house import House


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    """An application on plain-HTTP loopback."""
    house = House.build(database, tmp_path)
    yield house
    for client in house.clients:
        await client.aclose()
