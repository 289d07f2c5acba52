"""PostgreSQL's time is the only time: who has another one all around it does as the database says."""

import asyncio

import httpx
import pytest

from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from tests.support.app import Web
from tests.support.clock import Clock

pytestmark = pytest.mark.anyio


@pytest.fixture
def postgres(clocked_postgres: EmbeddedPostgres) -> EmbeddedPostgres:
    """The server whose time can be moved, while that of the application in this process cannot."""
    return clocked_postgres


class TestTheDatabasesTime:
    async def test_ends_the_sessions_of_a_web_process_that_has_another(self, web: Web, clock: Clock) -> None:
        customer = await web.customer()
        assert (await customer.get("/api/v1/me")).status_code == httpx.codes.OK
        await asyncio.to_thread(clock.a_day_later)
        assert (await customer.get("/api/v1/me")).status_code == httpx.codes.UNAUTHORIZED
