"""What a run of checks leaves: what it found is open, what it no longer found is closed, and doubt closes nothing."""

import pytest

from sublet.core.db import Database, Session
from sublet.core.money import Money
from sublet.findings import findings
from sublet.findings.checks import MOST_FINDINGS, Check, CheckResult, Finding, ask, ask_query, keep, result_of
from sublet.findings.findings import Filter, Severity

pytestmark = pytest.mark.anyio

CHECK = Check("dull swords", "armoury.dull_sword", Severity.WARNING)


def _found(*numbers: int, complete: bool = True) -> CheckResult:
    return CheckResult(CHECK, [Finding("sword", str(number), "it is dull") for number in numbers], complete)


async def _open_now(session: Session) -> set[str]:
    stored = await findings.newest(session, Filter(state="open"), before=None, limit=200)
    return {one.subject_id for one in stored}


class TestKeeping:
    async def test_opens_what_was_found_and_closes_what_no_longer_is(self, database: Database) -> None:
        async with database.transaction() as session:
            await keep(session, [_found(1, 2)])
            assert await _open_now(session) == {"1", "2"}
            await keep(session, [_found(2, 3)])
            assert await _open_now(session) == {"2", "3"}
            await keep(session, [_found()])
            assert await _open_now(session) == set()

    async def test_an_incomplete_look_closes_nothing(self, database: Database) -> None:
        async with database.transaction() as session:
            await keep(session, [_found(1)])
            await keep(session, [_found(2, complete=False)])
            assert await _open_now(session) == {"1", "2"}

    async def test_a_check_that_fails_is_found_itself_and_closes_nothing(self, database: Database) -> None:
        async def fails() -> list[Finding]:
            raise RuntimeError("no light")

        async with database.transaction() as session:
            await keep(session, [_found(1)])
            failed = await ask(session, CHECK, fails)
            await keep(session, [failed])
            assert await _open_now(session) == {"1", "armoury.dull_sword"}
            await keep(session, [_found(1)])
            assert await _open_now(session) == {"1"}


class TestLooking:
    def test_tells_only_so_much_and_says_that_there_is_more(self) -> None:
        many = [Finding("sword", str(number), "it is dull") for number in range(MOST_FINDINGS + 1)]
        told = result_of(CHECK, many)
        assert (len(told.findings), told.complete) == (MOST_FINDINGS, False)
        assert result_of(CHECK, many[:-2]).complete

    async def test_reads_amounts_as_money(self, database: Database) -> None:
        query = """
            SELECT 'sword' AS subject_type, '1' AS subject_id, 'it is dull' AS problem, 'KWD' AS currency,
                   jsonb_build_object('paid', 4611686018427387905, 'worth', -1) AS amounts"""
        async with database.transaction() as session:
            result = await ask_query(session, CHECK, query)
        [found] = result.findings
        assert found.amounts == {"paid": Money(4611686018427387905, "KWD"), "worth": Money(-1, "KWD")}
        assert found.subject == "sword:1"
