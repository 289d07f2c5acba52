"""What tests of invariants share, and what they take from the tests of domains."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sublet.core.db import Database
from sublet.core.runtime import keyring_of
from sublet.fleet.ca import CertificateAuthority
from tests.allocations.conftest import rental
from tests.fleet.conftest import sshd
from tests.invariants.people import Business
from tests.payments.conftest import sandbox
from tests.support.app import Web, settings_for
from tests.support.asking import WALKED, Asking, Undoing

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


@pytest.fixture
async def undoing(app_url: str) -> AsyncIterator[Database]:
    """A database on which whatever is done is taken back."""
    database = Undoing(app_url)
    yield database
    await database.close()


@pytest.fixture
async def asking(
    database: Database, undoing: Database, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Asking]:
    """The application, asked for every action of a model that the test `walks`."""
    asking = Asking(undoing, tmp_path)
    await CertificateAuthority(database, keyring_of(settings_for(tmp_path))).ensure()
    yield asking
    await asking.close()
    assert asking.shown == WALKED[request.function.__qualname__]
