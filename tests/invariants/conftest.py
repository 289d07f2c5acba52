"""What tests of invariants share, and what they take from the tests of domains."""

import asyncio
from collections.abc import Iterator

import pytest

from sublet.core.db import Database
from tests.allocations.conftest import rental
from tests.fleet.conftest import sshd
from tests.invariants.people import Business
from tests.payments.conftest import sandbox
from tests.support.app import Web

__all__ = ["rental", "sandbox", "sshd"]


@pytest.fixture
async def business(web: Web) -> Business:
    """Customers and operators with something of everything."""
    return await Business.open(web)


@pytest.fixture
def runner(app_url: str) -> Iterator[tuple[asyncio.Runner, Database]]:
    """One event loop and one pool for all examples of a test."""
    with asyncio.Runner() as runner:
        database = Database(app_url)
        yield runner, database
        runner.run(database.close())
