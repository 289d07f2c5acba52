"""The clockwork of money: every tick runs on an empty house, and each part at its own pace."""

from pathlib import Path

import pytest

from sublet.billing.policy import Policy
from sublet.core.db import Database
from sublet.core.settings import Settings
from sublet.entry.money import money_tasks

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
