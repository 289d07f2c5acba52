"""One event loop for nodes and tests."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Nodes run on asyncio."""
    return "asyncio"
