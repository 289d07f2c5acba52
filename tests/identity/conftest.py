"""The house that identity's tests live in."""

from collections.abc import AsyncIterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from sublet.core.db import Database
from tests.identity.house import House
from tests.support.passwords import quick_hashes

ABOUT_PASSWORDS = frozenset({"test_hash_queue", "test_sign_in", "test_sign_up"})
"""The files in which a password costs what it costs everybody; in the others it only lets somebody in."""


@pytest.fixture
async def house(database: Database, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[House]:
    """An application on plain-HTTP loopback."""
    with nullcontext() if request.path.stem in ABOUT_PASSWORDS else quick_hashes():
        house = House.build(database, tmp_path)
        yield house
        for client in house.clients:
            await client.aclose()
