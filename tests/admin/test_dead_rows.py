"""Dead rows of work that a transaction keeps from being removed are a finding, for as long as they are there."""

import psycopg
import pytest

from sublet.admin import checks
from sublet.core.db import Database

pytestmark = pytest.mark.anyio


async def _told(database: Database) -> list[str]:
    async with database.transaction() as session:
        [one] = [one for one in await checks.run(session, thorough=False) if one.name == "dead rows of work"]
    return [finding.problem for finding in one.findings]


async def test_are_told_until_they_are_gone(database: Database, owner_url: str) -> None:
    with psycopg.connect(owner_url, autocommit=True) as owner, psycopg.connect(owner_url) as old:
        owner.execute("INSERT INTO work (kind, id, due_at) SELECT 'x', n, 'infinity' FROM generate_series(1, 1000) n")
        old.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        old.execute("SELECT count(*) FROM work")
        for _ in range(29):
            owner.execute("UPDATE work SET attempts = attempts + 1")
        owner.execute("SELECT pg_stat_force_next_flush()")
        owner.execute("SELECT 1")
        assert await _told(database) == []
        for _ in range(4):
            owner.execute("UPDATE work SET attempts = attempts + 1")
        owner.execute("SELECT pg_stat_force_next_flush()")
        owner.execute("VACUUM work")
        [problem] = await _told(database)
        assert "a transaction that is open for long keeps them from being removed" in problem
        old.rollback()
        owner.execute("VACUUM work")
        assert await _told(database) == []
