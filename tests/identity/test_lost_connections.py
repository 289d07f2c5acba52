"""What every request asks first survives a database that restarts."""

from pathlib import Path

import httpx
import pytest

from sublet.core.db import Database
from sublet.identity import token_format
from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from tests.identity.house import House

pytestmark = pytest.mark.anyio


class TestLostConnections:
    async def test_cost_nobody_an_answer(
        self, postgres: EmbeddedPostgres, database_name: str, app_url: str, tmp_path: Path
    ) -> None:
        database = Database(app_url, pool_size=4)
        try:
            house = House.build(database, tmp_path)
            browser = await house.customer()
            assert (await browser.get("/api/v1/me")).status_code == 200
            ended = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"  # and waited for
            postgres.sql(f"{ended} WHERE datname = '{database_name}'")
            answers: list[httpx.Response] = [await browser.get("/api/v1/me") for _ in range(4)]
            assert [answer.status_code for answer in answers] == [200, 200, 200, 200]
            await browser.aclose()
        finally:
            await database.close()

    async def test_a_database_that_is_away_is_an_unavailable_answer(self, app_url: str, tmp_path: Path) -> None:
        database = Database(app_url.replace("host=", "host=%2Fnowhere"), pool_size=4)
        house = House.build(database, tmp_path)
        answer = await house.program(token_format.mint()).get("/api/v1/me")
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert answer.headers["retry-after"] == "3"
        await database.close()
