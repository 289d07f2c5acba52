"""What the example of a small domain does once it has been added: run where its diff has been applied."""

import asyncio
import sys
from pathlib import Path

import httpx
from sqlalchemy import text

from sublet.core.db import Database
from sublet.core.settings import Settings
from sublet.core.work.reconciler import Reconciler
from sublet.entry.kinds import STEPS
from sublet.entry.web import create_app
from sublet.migrations.run import migrate

ORIGIN = "http://127.0.0.1:8000"


async def main(owner_url: str, app_url: str, directory: Path) -> None:
    """Ask for a bell over HTTP, let a worker ring it, and read what became of it."""
    from sublet.bells.work import WORK, work  # type: ignore[import-not-found]  # noqa: PLC0415 - only there is it

    migrate(owner_url)
    assert WORK in STEPS
    settings = Settings(data_directory=directory, database_url=app_url, currency="USD")
    database = Database(app_url, pool_size=2)
    app = create_app(settings, database=database)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN) as browser:
        browser.headers["Origin"] = ORIGIN
        person = {"email": "ada@customer.example", "password": "correct horse battery 7", "name": "Ada"}
        assert (await browser.post("/api/v1/auth/signup", json=person)).status_code == 201
        refused = await browser.post("/api/v1/bells", json={"tune": "NO 1"})
        assert refused.status_code == 422, refused.text
        asked = await browser.post("/api/v1/bells", json={"tune": "westminster"})
        assert (asked.status_code, asked.json()["state"]) == (201, "asked"), asked.text
    heard: list[str] = []

    async def strike(tune: str) -> None:
        heard.append(tune)

    worker = Reconciler(database, [work(strike)])
    await worker.sweep()
    await worker.drain()
    assert heard == ["westminster"]
    async with database.reading() as session:
        assert (await session.execute(text("SELECT state FROM bell"))).scalar_one() == "rung"
        told = await session.execute(text("SELECT data ->> 'tune' FROM outbox_event WHERE type = 'bell.rung'"))
        assert told.scalar_one() == "westminster"
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
