"""Sessions on PostgreSQL: one transaction per request or task, and nobody else commits."""

import os
import select
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

import psycopg
from sqlalchemy import MetaData, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.types import UserDefinedType

from sublet.core import context
from sublet.core.silence import PATIENCE_SECONDS, Watch

Session = AsyncConnection
"""An open transaction (or, for reads, an autocommit connection): `await session.execute(statement)`."""

metadata = MetaData()


class Xid8(UserDefinedType[str]):
    """PostgreSQL's id of a transaction, which never wraps; it is read as text."""

    cache_ok = True

    def get_col_spec(self, **_options: object) -> str:
        """What the type is called."""
        return "xid8"


APPLICATION_ROLE = "sublet_app"

LOCK_SECONDS = 15.0
"""How long a statement waits for what another transaction has locked."""

PLAIN_TRANSACTIONS = r"-c default_transaction_isolation=read\ committed -c default_transaction_read_only=off"
"""Connection options: what a database, role or server may set otherwise, and the locks of the books rest on."""

CONNECT_SECONDS = 5
"""How long a server may take to let us in."""

_IN_FORCE = text(
    """
    SELECT current_setting('role') AS role, current_setting('transaction_isolation') AS transaction_isolation,
           current_setting('transaction_read_only') AS transaction_read_only
    """
)

_READ_ONLY = text("SET TRANSACTION READ ONLY")

_open_sessions: ContextVar[int] = ContextVar("open_sessions", default=0)


class OpenSessionError(RuntimeError):
    """Something was about to talk to a network while a database session was open."""


def forbid_open_session(network: str) -> None:
    """Raise OpenSessionError if this task has a session open; every network client calls it before it speaks."""
    if _open_sessions.get() > 0:
        raise OpenSessionError(f"{network} must not be called while a database session is open: take, act, conclude")


def is_locked_out(error: BaseException) -> bool:
    """Whether a statement has waited for another transaction's lock for as long as it may."""
    return isinstance(error, DBAPIError) and isinstance(error.orig, psycopg.errors.LockNotAvailable)


def driver_url(url: str) -> str:
    """The SQLAlchemy form of a postgresql:// URL, for the one driver we use."""
    return make_url(url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def libpq_url(url: str) -> str:
    """The form of a postgresql:// URL that libpq itself understands."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


class Database:
    """A pool of connections that all act as the application role, whatever role logged in.

    `pool` hands them out as they are, each statement on its own, and hears of every statement; `engine` hands out the
    same connections for transactions.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 10,
        lock_seconds: float = LOCK_SECONDS,
        role: str = APPLICATION_ROLE,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self.url = url
        self.role = role
        self.connections = 2 * pool_size
        self.lock_seconds = lock_seconds
        self.pool: AsyncEngine = create_async_engine(
            driver_url(url),
            isolation_level="AUTOCOMMIT",  # what most requests do is read, and they need no more than this
            skip_autocommit_rollback=True,
            pool_size=pool_size,
            max_overflow=self.connections - pool_size,
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
        event.listen(self.pool.sync_engine, "connect", self._note_connected)
        event.listen(self.pool.sync_engine, "checkout", _refuse_the_dead)
        self.engine = self.pool.execution_options(isolation_level="READ COMMITTED")
        self._snapshots = self.pool.execution_options(isolation_level="REPEATABLE READ")
        self._watch = Watch(libpq_url(url), self._cut, patience_seconds=patience_seconds)

    def options(self) -> str:
        """Connection options: the role, how times are written, and limits that end forgotten transactions."""
        return (
            f"-c role={self.role} -c timezone=UTC -c datestyle=ISO -c statement_timeout=30s "
            f"-c idle_in_transaction_session_timeout=30s -c lock_timeout={self.lock_seconds * 1000:.0f}ms "
            f"{PLAIN_TRANSACTIONS}"
        )

    async def not_in_force(self) -> str | None:
        """The first setting that `options` gave and this connection does not have, in words; None if all holds.

        A pooler between us and the server may drop them, and a standby is read-only whatever is asked for.
        """
        async with self.reading() as session:  # a transaction asks for its isolation by itself
            found = (await session.execute(_IN_FORCE)).mappings().one()
        wanted = {"role": self.role, "transaction_isolation": "read committed", "transaction_read_only": "off"}
        different = [name for name, value in wanted.items() if found[name] != value]
        return f"{different[0]} is {found[different[0]]} and not {wanted[different[0]]}" if different else None

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
        async with self._session(self.engine) as connection, connection.begin():
            yield connection
            context.note_commit()  # it comes next, and a connection lost during it leaves open whether it was

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Session]:
        """A connection for reads, each statement on its own: no BEGIN and no COMMIT to pay for."""
        async with self._session(self.pool) as connection:
            yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Session]:
        """One read-only transaction, in which every statement sees the database as it was at the first.

        For what several statements say of the books together: read each on its own, a batch that commits between two
        of them is in the one and not in the other.
        """
        async with self._session(self._snapshots) as connection, connection.begin():
            await connection.execute(_READ_ONLY)
            yield connection

    @asynccontextmanager
    async def _session(self, engine: AsyncEngine) -> AsyncIterator[Session]:
        with context.holding_back(), self._watch.over():
            async with engine.connect() as connection:
                _open_sessions.set(_open_sessions.get() + 1)
                try:
                    yield connection
                finally:
                    _open_sessions.set(_open_sessions.get() - 1)

    async def close(self) -> None:
        """Close every pooled connection."""
        self._watch.stop()
        await self.pool.dispose()


def _refuse_the_dead(connection: Any, _record: object, _proxy: object) -> None:
    """Have the pool open a new connection in place of one that the server ended while nobody used it.

    An idle connection has nothing to say, so one that can be read from has ended. The others ended with it.
    """
    waiting = select.poll()
    waiting.register(connection.driver_connection.fileno(), select.POLLIN)
    if waiting.poll(0):
        raise InvalidatePoolError("the server ended this connection")
