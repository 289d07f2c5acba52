"""A client of the application with notes."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from tests.core.notes import build

from sublet.core.db import Database


@pytest.fixture
async def client(database: Database, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(build(database, tmp_path))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://sublet.test", headers={"Authorization": "Bearer good"}
    ) as client:
        yield client
