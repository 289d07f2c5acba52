"""An installation that nobody uses leaves its database alone, and its worker tells what it does."""

import time

import psycopg

from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from tests.support.demo import Demo

WATCHED_SECONDS = 10.0
WINDOWS = 3  # what started a moment ago still settles in the first
MOST_COMMITS_A_SECOND = 10.0
COMMITS = "SELECT xact_commit FROM pg_stat_database WHERE datname = 'sublet'"


def commits_of(url: str) -> int:
    """Transactions of the database so far; asking adds two or three."""
    with psycopg.connect(url) as connection:
        connection.execute("SELECT pg_stat_clear_snapshot()")
        row = connection.execute(COMMITS).fetchone()
    assert row is not None
    return int(row[0])


def commits_a_second(url: str) -> float:
    """How many it makes in a window in which nothing happens."""
    before, began = commits_of(url), time.monotonic()
    time.sleep(WATCHED_SECONDS)
    return (commits_of(url) - before) / (time.monotonic() - began)


class TestIdle:
    def test_makes_few_commits(self, demo: Demo) -> None:
        url = EmbeddedPostgres(demo.directory / "postgres").owner_url
        seen: list[float] = []
        while not seen or (seen[-1] > MOST_COMMITS_A_SECOND and len(seen) < WINDOWS):
            seen.append(commits_a_second(url))
        print("commits a second:", *(f"{rate:.1f}" for rate in seen))
        assert 0 < seen[-1] <= MOST_COMMITS_A_SECOND
