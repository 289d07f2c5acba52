"""Whether a process lives, and whether it can serve: the database answers and has this release's schema."""

from pathlib import Path

import httpx
import psycopg
import pytest

from sublet.core.db import Database
from sublet.entry.web import create_app
from sublet.migrations.run import head
from tests.support.app import settings_for

pytestmark = pytest.mark.anyio


def probe(database: Database, tmp_path: Path) -> httpx.AsyncClient:
    app = create_app(settings_for(tmp_path), database=database)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8000")


class TestReady:
    async def test_with_this_releases_schema(self, database: Database, tmp_path: Path) -> None:
        async with probe(database, tmp_path) as client:
            answer = await client.get("/readyz")
            assert (answer.status_code, answer.json()) == (200, {"status": "ready", "schema": head()})

    async def test_not_with_an_older_one_and_says_what_to_do(
        self, database: Database, owner_url: str, tmp_path: Path
    ) -> None:
        with psycopg.connect(owner_url) as owner:
            owner.execute("UPDATE alembic_version SET version_num = '0009_payments'")
        async with probe(database, tmp_path) as client:
            answer = await client.get("/readyz")
            assert (answer.status_code, answer.json()["status"]) == (503, "not ready")
            assert "0009_payments" in answer.json()["reason"]
            assert "sublet migrate" in answer.json()["reason"]
            assert (await client.get("/livez")).status_code == 200

    async def test_not_where_connections_are_not_what_they_ask_for(
        self, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(database, "role", "another")
        async with probe(database, tmp_path) as client:
            answer = await client.get("/readyz")
            assert (answer.status_code, answer.json()["status"]) == (503, "not ready")
            assert "role is sublet_app and not another" in answer.json()["reason"]

    async def test_not_without_a_database_though_the_process_lives(self, app_url: str, tmp_path: Path) -> None:
        away = Database(app_url.replace("host=", "host=%2Fnowhere"), pool_size=1)
        async with probe(away, tmp_path) as client:
            answer = await client.get("/readyz")
            assert (answer.status_code, answer.json()["reason"]) == (503, "the database does not answer")
            alive = await client.get("/livez")
            assert (alive.status_code, alive.json()) == (200, {"status": "alive"})
        await away.close()
