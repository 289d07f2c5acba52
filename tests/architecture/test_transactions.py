"""Transactions end in one place, none waits for a network, and payments know no sandbox."""

import pytest

from sublet.core.db import Database, OpenSessionError, forbid_open_session
from tests.architecture import transactions
from tests.architecture.source import broken, planted


class TestTransactions:
    def test_are_ended_by_the_database_module_alone(self) -> None:
        assert broken(transactions.commits_outside_the_database_module) == []

    @pytest.mark.parametrize("text", ["await session.commit()", 'session.execute(text("COMMIT"))'])
    def test_ended_elsewhere_are_caught(self, text: str) -> None:
        assert transactions.commits_outside_the_database_module(planted(text))


class TestFailures:
    def test_are_not_written_down_while_a_session_is_open(self) -> None:
        assert broken(transactions.failures_written_down_within) == []

    @pytest.mark.parametrize(
        "text",
        [
            "async def pay(session):\n    log.exception('failed')",
            "async def pay(*, session):\n    log.error('failed', exc_info=error)",
            "async def pay(database):\n    async with database.transaction() as s:\n        log.exception('failed')",
        ],
    )
    def test_that_are_written_down_then_are_caught(self, text: str) -> None:
        assert transactions.failures_written_down_within(planted(text))
        assert (
            transactions.failures_written_down_within(planted("async def pay(database):\n    log.exception('x')")) == []
        )


class TestNetworks:
    def test_are_used_behind_the_guard(self) -> None:
        assert broken(transactions.network_clients_without_the_guard) == []

    def test_used_without_it_are_caught(self) -> None:
        source = planted("async def go():\n    await asyncssh.connect('node')")
        assert transactions.network_clients_without_the_guard(source)

    @pytest.mark.anyio
    async def test_wait_for_no_session(self, database: Database) -> None:
        forbid_open_session("node")
        async with database.transaction():
            with pytest.raises(OpenSessionError):
                forbid_open_session("node")
        async with database.reading():
            with pytest.raises(OpenSessionError):
                forbid_open_session("node")
        forbid_open_session("node")


class TestPayments:
    def test_know_no_sandbox(self) -> None:
        assert broken(transactions.payments_that_know_the_demo) == []

    @pytest.mark.parametrize(
        "text",
        [
            "from sublet_sandbox.stripe import cards",
            "from sublet.supervisor import info",
            "from sublet import supervisor",
            "import sublet_sandbox.stripe.cards as cards",
            "async def pay(settings):\n    if settings.demo:\n        return",
            "fake = getattr(settings, 'demo')",
            "fake = os.environ.get('SUBLET_DEMO')",
        ],
    )
    def test_that_tell_it_from_the_processor_are_caught(self, text: str) -> None:
        assert transactions.payments_that_know_the_demo(planted(text, "payments/planted.py"))
        assert transactions.payments_that_know_the_demo(planted(text, "entry/planted.py")) == []
