"""The clockwork of money: every tick runs on an empty house, and each part at its own pace."""

from pathlib import Path

import psycopg
import pytest

from sublet.billing.policy import Policy
from sublet.core.db import Database
from sublet.core.settings import Settings
from sublet.entry.money import money_tasks
from sublet.findings import findings
from sublet.findings.findings import Severity
from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from tests.ledger.books import new_wallet, usd

pytestmark = pytest.mark.anyio


class TestTicks:
    async def test_run_any_number_of_times(self, database: Database, tmp_path: Path) -> None:
        settings = Settings(data_directory=tmp_path)
        for periodic in money_tasks(database, settings, Policy.of(settings)) * 2:
            await periodic.run()

    async def test_check_balances_every_few_minutes_and_all_books_every_day(
        self, database: Database, tmp_path: Path
    ) -> None:
        settings = Settings(data_directory=tmp_path)
        pace = {task.name: task.seconds for task in money_tasks(database, settings, Policy.of(settings))}
        assert (pace["check balances"], pace["check the books"]) == (300, 86_400)
        assert pace["meter"] == settings.metering_interval_seconds
        assert pace["settle"] == 60

    async def test_leave_what_they_find_as_findings(
        self, database: Database, postgres: EmbeddedPostgres, database_name: str, tmp_path: Path
    ) -> None:
        settings = Settings(data_directory=tmp_path)
        tasks = {task.name: task for task in money_tasks(database, settings, Policy.of(settings))}
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
        stored = []
        with psycopg.connect(postgres.url("sublet_owner", database_name), autocommit=True) as owner:
            for change in ("balance + 1500000", "balance - 1500000"):
                owner.execute(f"UPDATE ledger.balance SET balance = {change} WHERE seq > 0")  # type: ignore[call-overload]
                await tasks["check balances"].run()
                async with database.reading() as session:
                    [finding] = await findings.newest(session, findings.Filter(), before=None, limit=9)
                stored.append(finding)
        opened, closed = stored
        assert (opened.code, opened.subject_id) == ("ledger.balance_drift", f"wallet:{organization}:USD")
        assert opened.severity is Severity.CRITICAL
        assert opened.amounts == {"balance": usd("21.5"), "posted": usd("20")}
        assert opened.until is None
        assert closed.id == opened.id
        assert closed.until is not None
