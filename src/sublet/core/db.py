"""Sessions on PostgreSQL: one transaction per request or task, and nobody else commits."""

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

import psycopg
from sqlalchemy import MetaData, event
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from sublet.core import context
from sublet.core.reads import CONNECT_SECONDS, Reads

Session = AsyncConnection
"""An open transaction (or, for reads, an autocommit connection): `await session.execute(statement)`."""

metadata = MetaData()

APPLICATION_ROLE = "sublet_app"

_open_sessions: ContextVar[int] = ContextVar("open_sessions", default=0)


class OpenSessionError(RuntimeError):
    """Something was about to talk to a network while a database session was open."""


def forbid_open_session(network: str) -> None:
    """Raise OpenSessionError if this task has a session open; every network client calls it before it speaks."""
    if _open_sessions.get() > 0:
        raise OpenSessionError(f"{network} must not be called while a database session is open: load, act, apply")


def driver_url(url: str) -> str:
    """The SQLAlchemy form of a postgresql:// URL, for the one driver we use."""
    return make_url(url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def libpq_url(url: str) -> str:
    """The form of a postgresql:// URL that libpq itself understands."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


class Database:
    """Pools of connections that all act as the application role, whatever role logged in.

    `reads` is for the few statements that nearly every request runs; everything else uses sessions.
    """

    def __init__(self, url: str, *, pool_size: int = 10, role: str = APPLICATION_ROLE) -> None:
        self.url = url
        self.role = role
        self.engine: AsyncEngine = create_async_engine(
            driver_url(url),
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=10,
            pool_pre_ping=False,
            hide_parameters=True,  # they may be secrets, and errors are logged
            connect_args={
                "options": self.options(),
                "application_name": "sublet",
                "connect_timeout": CONNECT_SECONDS,
            },
        )
        self._connected: WeakSet[psycopg.AsyncConnection] = WeakSet()
        event.listen(self.engine.sync_engine, "connect", self._note_connected)
        self._reader = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self.reads = Reads(
            libpq_url(url),
            options=f"{self.options()} -c default_transaction_read_only=on",
            size=max(1, pool_size // 2),
            on_silence=self._cut,
        )

    def options(self) -> str:
        """Connection options: the role, how times are written, and limits that end forgotten transactions."""
        return (
            f"-c role={self.role} -c timezone=UTC -c datestyle=ISO -c statement_timeout=30s "
            "-c idle_in_transaction_session_timeout=30s -c lock_timeout=15s"
        )

    def _note_connected(self, connection: Any, _record: object) -> None:
        self._connected.add(connection.driver_connection)

    def _cut(self) -> None:
        """The server is silent: end what waits for it, as if it had ended the connections itself.

        A transaction whose connection ends is undone when the server comes to its senses.
        """
        for connection in list(self._connected):
            if not connection.closed:
                with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as ours:
                    ours.shutdown(socket.SHUT_RDWR)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        """One transaction: committed at the end of the block, rolled back when it raises."""
        async with self.engine.connect() as connection:
            _open_sessions.set(_open_sessions.get() + 1)
            try:
                async with connection.begin():
                    yield connection
                    context.note_commit()  # it comes next, and a connection lost during it leaves open whether it was
            finally:
                _open_sessions.set(_open_sessions.get() - 1)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Session]:
        """A connection for reads, each statement on its own: no BEGIN and no COMMIT to pay for."""
        async with self._reader.connect() as connection:
            _open_sessions.set(_open_sessions.get() + 1)
            try:
                yield connection
            finally:
                _open_sessions.set(_open_sessions.get() - 1)

    async def close(self) -> None:
        """Close every pooled connection."""
        await self.reads.close()
        await self.engine.dispose()
