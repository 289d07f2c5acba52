"""An installation that nobody uses leaves its database alone, and its worker tells what it does."""

import time

import psycopg

from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from tests.support.demo import Demo

WATCHED_SECONDS = 10.0
MOST_COMMITS_A_SECOND = 10.0
COMMITS = "SELECT xact_commit FROM pg_stat_database WHERE datname = 'sublet'"


def commits_of(url: str) -> int:
    """Transactions of the database so far; asking adds two or three."""
    with psycopg.connect(url) as connection:
        connection.execute("SELECT pg_stat_clear_snapshot()")
        row = connection.execute(COMMITS).fetchone()
    assert row is not None
    return int(row[0])


class TestIdle:
    def test_makes_few_commits(self, demo: Demo) -> None:
        url = EmbeddedPostgres(demo.directory / "postgres").owner_url
        before, began = commits_of(url), time.monotonic()
        time.sleep(WATCHED_SECONDS)  # nothing happens, which is what is measured
        a_second = (commits_of(url) - before) / (time.monotonic() - began)
        print(f"{a_second:.1f} commits a second")
        assert 0 < a_second <= MOST_COMMITS_A_SECOND
