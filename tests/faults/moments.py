"""Holding work at a moment that is known, so that whoever does it can be killed or frozen just there."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

# A start is stored in one transaction that has the allocation's row and then wants to insert a meter.
_HELD = """
    SELECT 1 FROM pg_locks waiting JOIN pg_locks had USING (pid)
     WHERE waiting.relation = 'meter'::regclass AND NOT waiting.granted
       AND had.relation = 'allocation'::regclass AND had.mode = 'RowExclusiveLock' AND had.granted
"""
_OPEN = """
    SELECT pid, xact_start FROM pg_stat_activity
     WHERE backend_type = 'client backend' AND xact_start IS NOT NULL AND pid <> pg_backend_pid()
"""
FREEZE_SECONDS = 30.0
SETTLED_SECONDS = 0.5


def ask(owner_url: str, statement: str, *parameters: object) -> list[Any]:
    """Rows of the database, as its owner sees them."""
    with psycopg.connect(owner_url, autocommit=True) as connection:
        return connection.execute(statement.encode(), parameters).fetchall()


@contextmanager
def no_start_is_stored(owner_url: str) -> Iterator[None]:
    """Meanwhile no allocation becomes active: what its node has done cannot be stored, because no meter can start."""
    with psycopg.connect(owner_url) as connection:
        connection.execute("LOCK TABLE meter IN SHARE MODE")
        yield


def a_start_waits(owner_url: str) -> bool:
    """Whether a node has answered, and somebody is about to store that."""
    return bool(ask(owner_url, _HELD))


def freeze(owner_url: str, pid: int) -> None:
    """SIGSTOP between two transactions: what an open one has locked would stay locked as long as the process sleeps."""
    deadline = time.monotonic() + FREEZE_SECONDS
    while True:
        os.kill(pid, signal.SIGSTOP)
        if _none_stays_open(owner_url):
            return
        os.kill(pid, signal.SIGCONT)
        assert time.monotonic() < deadline, f"process {pid} is always in a transaction"
        time.sleep(0.05)


def _none_stays_open(owner_url: str) -> bool:
    """Whether every transaction that is open now ends by itself."""
    opened = set(ask(owner_url, _OPEN))
    deadline = time.monotonic() + SETTLED_SECONDS
    while opened:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
        opened &= set(ask(owner_url, _OPEN))
    return True
