"""Reconciliation: what it finds, what it may read, and that one check that fails stops no other."""

from collections.abc import Collection

import psycopg
import pytest
from sqlalchemy import text

from sublet.billing import checks
from sublet.core.db import Database, Session
from sublet.ledger import holds, reconcile, seals
from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from tests.ledger.books import key, new_hold, new_wallet, usd
from tests.ledger.furnished import books_with_something_in_them

pytestmark = pytest.mark.anyio


class TestReconciliation:
    """Checks find what got past every guard; the guards are switched off here by the server's superuser."""

    @pytest.mark.parametrize(
        ("tampering", "check"),
        [
            ("UPDATE ledger.posting SET amount = amount + 1 WHERE account_seq IS NULL", "unbalanced entries"),
            ("DELETE FROM ledger.posting", "unbalanced entries"),
            ("UPDATE ledger.balance SET balance = balance + 1 WHERE balance > 0", "balance drift"),
            ("UPDATE ledger.balance SET balance = balance + 1 WHERE balance > 0", "balances and last lines"),
            ("UPDATE ledger.balance SET seq = seq + 1 WHERE seq > 0", "balances and last lines"),
            ("UPDATE ledger.posting SET balance_after = balance_after + 1 WHERE account_seq = 1", "broken chain"),
            ("UPDATE ledger.balance SET held = held + 1 WHERE held > 0", "held funds"),
            ("UPDATE ledger.hold SET released = released + 1", "held funds"),
            ("UPDATE ledger.hold_event SET amount = amount + 1", "history of holds"),
            ("UPDATE ledger.ledger_entry SET description = 'Gift'", "seals"),
            ("DELETE FROM ledger.ledger_entry WHERE id = (SELECT min(id) FROM ledger.ledger_entry)", "seals"),
        ],
    )
    async def test_finds_tampering(
        self, database: Database, postgres: EmbeddedPostgres, database_name: str, tampering: str, check: str
    ) -> None:
        await books_with_something_in_them(database)
        for _ in range(2):
            async with database.transaction() as session:
                await seals.seal_ranges(session)
        with psycopg.connect(postgres.url("sublet_owner", database_name), autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute(tampering)  # type: ignore[arg-type]  # a constant of this file
        async with database.transaction() as session:
            failed = {result.name for result in await reconcile.run(session) if not result.ok}
        assert check in failed

    async def test_asks_often_only_what_is_cheap_to_ask(self, database: Database) -> None:
        async def nothing(_session: Session, _subjects: Collection[str]) -> set[str]:
            return set()

        async with database.transaction() as session:
            often = [result.name for result in await reconcile.run(session, ended_among=nothing, thorough=False)]
            often += [result.name for result in await checks.run(session, thorough=False)]
        assert often == ["balances and last lines", "held funds", "holds of ended subjects", "metering behind"]

    async def test_finds_money_set_aside_for_what_has_ended(self, database: Database) -> None:
        async def everything(_session: object, subjects: object) -> set[str]:
            return set(subjects)  # type: ignore[call-overload]  # a collection of subject ids

        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            await holds.place(session, organization, usd("1"), subject_id="al_gone", idempotency_key=key())
            results = await reconcile.run(session, ended_among=everything)
        findings = {result.name: [finding.subject for finding in result.findings] for result in results}
        assert findings["holds of ended subjects"] == ["subject:al_gone"]

    async def test_takes_nothing_amiss_that_ends_while_it_looks(self, database: Database) -> None:
        async def ends_now(_session: Session, subjects: Collection[str]) -> set[str]:
            async with database.transaction() as other:
                await holds.release(other, hold.id, idempotency_key=key())
            return set(subjects)

        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            hold = await new_hold(session, organization, "1")
        async with database.transaction() as session:
            results = await reconcile.run(session, ended_among=ends_now)
        assert {result.name: result.findings for result in results}["holds of ended subjects"] == []

    @pytest.mark.parametrize("statement", ["SELECT pg_cancel_backend(pg_backend_pid())", "SELECT 1 / 0"])
    async def test_a_check_that_fails_is_never_passed_and_stops_no_other(
        self, database: Database, statement: str
    ) -> None:
        async def fails(session: Session, _subjects: Collection[str]) -> set[str]:
            await session.execute(text(statement))
            return set()

        await books_with_something_in_them(database)
        async with database.transaction() as session:
            results = await reconcile.run(session, ended_among=fails)
        assert [result.name for result in results if not result.ok] == ["holds of ended subjects"]
        (finding,) = next(result.findings for result in results if not result.ok)
        assert "could not be finished" in finding.problem
        assert results[-1].name == "seals"

    async def test_a_check_of_billing_that_fails_stops_no_other(
        self, database: Database, postgres: EmbeddedPostgres, database_name: str
    ) -> None:
        with psycopg.connect(postgres.url("sublet_owner", database_name), autocommit=True) as connection:
            connection.execute("REVOKE SELECT ON usage_record FROM sublet_app")
        async with database.transaction() as session:
            results = await checks.run(session)
        unfinished = [
            "rates against prices",
            "charges against rates",
            "charges against segments",
            "usage measured once",
        ]
        assert [result.name for result in results if not result.ok] == unfinished
        assert len(results) == 9

    async def test_checks_have_time_for_a_large_ledger_and_nothing_else_has(self, database: Database) -> None:
        async def limit(session: Session) -> str:
            return str((await session.execute(text("SHOW statement_timeout"))).scalar_one())

        async def while_looking(session: Session, _subjects: Collection[str]) -> set[str]:
            limits.append(await limit(session))
            return set()

        limits: list[str] = []
        async with database.transaction() as session:
            before = await limit(session)
            await reconcile.run(session, ended_among=while_looking)
            after = await limit(session)
        assert (before, limits, after) == ("30s", ["30min"], "30s")
