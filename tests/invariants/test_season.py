"""Many days and organizations with everything that goes wrong in them: equal to an oracle to the millionth.

`SUBLET_TEST_SEASON=90x200` plays ninety days of two hundred organizations, `SUBLET_TEST_SEED` those of another seed,
and `SUBLET_TEST_SEED=random` those of any.
"""

import os
import random
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sublet.core.db import Database
from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from tests.invariants.season.season import Season
from tests.payments.shop import Shop, open_shop
from tests.sandbox.stripe.process import StripeSandbox
from tests.support.clock import Clock

pytestmark = pytest.mark.anyio


@pytest.fixture
def postgres(clocked_postgres: EmbeddedPostgres) -> EmbeddedPostgres:
    """A database whose days pass."""
    return clocked_postgres


@pytest.fixture
def sandbox(tmp_path: Path, clock: Clock) -> Iterator[StripeSandbox]:
    """A processor in the same time, whose webhooks a test delivers."""
    running = StripeSandbox(tmp_path, clock=clock).start()
    running.control("PUT", "delivery", {"mode": "drop"})
    yield running
    running.stop()


@pytest.fixture
async def shop(database: Database, sandbox: StripeSandbox, tmp_path: Path) -> AsyncIterator[Shop]:
    """The payment routes."""
    async with open_shop(database, sandbox, tmp_path) as opened:
        yield opened


class TestSeason:
    async def test_ends_with_every_wallet_equal_to_the_millionth(
        self, shop: Shop, clock: Clock, clocked_postgres: EmbeddedPostgres
    ) -> None:
        days, _, organizations = os.environ.get("SUBLET_TEST_SEASON", "35x9").partition("x")
        asked = os.environ.get("SUBLET_TEST_SEED", "2")
        seed = random.SystemRandom().randrange(10**6) if asked == "random" else int(asked)
        began = time.monotonic()
        print(f"season of {days} days and {organizations} organizations, seed {seed}")
        season = await Season.open(shop, clock, clocked_postgres, seed=seed, organizations=int(organizations))
        try:
            await season.play(int(days), check_every=5)
        finally:
            print(f"seed {seed}, {time.monotonic() - began:.0f} s: {season.counter.counts}")
        assert season.counter.counts["months closed"] >= 1
