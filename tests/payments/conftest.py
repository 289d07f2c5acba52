"""A sandbox for a module, a shop for a test."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sublet.core.db import Database
from tests.payments.shop import Shop, open_shop
from tests.sandbox.stripe.process import StripeSandbox


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StripeSandbox]:
    """A running sandbox that loses every webhook; tests hand events over themselves."""
    running = StripeSandbox(Path(tmp_path_factory.mktemp("stripe"))).start()
    running.control("PUT", "delivery", {"mode": "drop"})
    yield running
    running.stop()


@pytest.fixture
async def shop(database: Database, sandbox: StripeSandbox, tmp_path: Path) -> AsyncIterator[Shop]:
    """The payment routes on the test's database."""
    async with open_shop(database, sandbox, tmp_path) as opened:
        yield opened
