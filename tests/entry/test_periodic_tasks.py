"""The schedule: every task runs on an empty house, any number of times, and each at its own pace."""

from pathlib import Path

import psycopg
import pytest

from sublet.billing.policy import Policy
from sublet.core.db import Database
from sublet.core.settings import Settings
from sublet.core.work.ticks import Tick
from sublet.entry.schedule import schedule
from sublet.findings import findings
from sublet.findings.findings import Severity
from sublet.fleet.observation import Observer
from sublet.payments.stripe.processor import Processor
from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from tests.allocations.simulated import SimulatedBackend
from tests.ledger.books import new_wallet, usd

pytestmark = pytest.mark.anyio


@pytest.fixture
def tasks(database: Database, tmp_path: Path) -> list[Tick]:
    settings = Settings(data_directory=tmp_path)
    observer = Observer(database, SimulatedBackend(database), settings)
    return schedule(database, settings, Policy.of(settings), observer, Processor.from_settings(settings))


class TestSchedule:
    async def test_runs_any_number_of_times(self, database: Database, tasks: list[Tick]) -> None:
        for task in tasks * 2:
            if task.run_alone is not None:
                await task.run_alone()
                continue
            assert task.run is not None
            async with database.transaction() as session:
                await task.run(session)

    async def test_checks_balances_every_few_minutes_and_all_books_every_day(self, tasks: list[Tick]) -> None:
        seconds = {task.name: task.seconds for task in tasks}
        assert (seconds["check balances"], seconds["check the books"]) == (300, 86_400)
        assert seconds["meter"] == 10
        assert seconds["settle"] == 60

    async def test_leaves_what_it_finds_as_findings(
        self, database: Database, tasks: list[Tick], postgres: EmbeddedPostgres, database_name: str
    ) -> None:
        check = next(task.run for task in tasks if task.name == "check balances")
        assert check is not None
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
        stored = []
        with psycopg.connect(postgres.url("sublet_owner", database_name), autocommit=True) as owner:
            for change in ("balance + 1500000", "balance - 1500000"):
                owner.execute(f"UPDATE ledger.balance SET balance = {change} WHERE seq > 0")  # type: ignore[call-overload]  # ours
                async with database.transaction() as session:
                    await check(session)
                async with database.reading() as session:
                    [finding] = await findings.newest(session, findings.Filter(), before=None, limit=9)
                stored.append(finding)
        opened, closed = stored
        assert (opened.code, opened.subject_id) == ("ledger.balance_off_chain", f"wallet:{organization}:USD")
        assert opened.severity is Severity.CRITICAL
        assert opened.amounts == {"balance": usd("21.5"), "last line": usd("20")}
        assert opened.until is None
        assert closed.id == opened.id
        assert closed.until is not None
