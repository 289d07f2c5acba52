"""Reads that nearly every request makes, on a few connections of their own and without the layers above the driver.

A statement of these costs a tenth of what SQLAlchemy and the driver's cursors add to it: it is prepared once on each
connection and its parameters travel as text. Each runs alone, outside of any transaction, so it may be repeated when
a connection turns out to be dead.
"""

import asyncio
import json
import re
from collections import deque
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

import psycopg
from psycopg import errors, pq
from psycopg.adapt import Transformer
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

Parameter = str | bytes | int | float | bool | None
Columns = tuple[Any, ...]
"""One row, each column as the driver's usual Python value."""

MOST_REMEMBERED = 5000
"""How many rows that never change are remembered for each statement; the oldest go first."""

WAIT_SECONDS = 10.0
"""How long a request waits for a connection before it is told that the database does not answer."""

CONNECT_SECONDS = 5
"""How long a server may take to let us in."""

ANSWER_SECONDS = 5.0
"""How long a read waits for its answer; a server that is silent for longer is taken for one that is away."""

LOOK_SECONDS = 0.25
"""How often a connection that owes an answer is looked at, also when the event loop says nothing of it."""

_PARAMETER = re.compile(r"(?<!:):([a-z_]+)")
_GOOD = frozenset({pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK})
_SHUTDOWN = (errors.AdminShutdown, errors.CrashShutdown)


class ConnectionLost(psycopg.OperationalError):
    """The connection ended before the answer came."""


class Silent(psycopg.OperationalError):
    """The server took the question and did not answer in time; asking it again would take as long."""


class Read:
    """One SELECT with `:named` parameters; write a cast beside each whose type does not follow from its place."""

    def __init__(self, sql: str) -> None:
        self.names: list[str] = []
        for name in _PARAMETER.findall(sql):
            if name not in self.names:
                self.names.append(name)
        self.sql = _PARAMETER.sub(lambda found: f"${self.names.index(found[1]) + 1}", sql).encode()

    def arguments(self, values: Mapping[str, Parameter]) -> tuple[list[bytes | None], list[int]]:
        """The parameters in the order of the statement, and for each whether it is text (0) or binary (1)."""
        given = [values[name] for name in self.names]
        return [_encoded(value) for value in given], [int(type(value) is bytes) for value in given]


def _encoded(value: Parameter) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    text = str(value).encode()
    if b"\0" in text:  # the protocol would silently end the text there
        raise DataError("a read", {}, ValueError("PostgreSQL text cannot hold NUL"))
    return text


class Reads:
    """A small pool of connections for `Read`s; opened when first needed, replaced when one dies."""

    def __init__(
        self,
        conninfo: str,
        *,
        options: str,
        size: int,
        on_silence: Callable[[], None] = lambda: None,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._conninfo = conninfo
        self._on_silence = on_silence
        self._answer_seconds = answer_seconds
        self._looking: asyncio.TimerHandle | None = None
        # A server that is there gives up before we take it for one that is away: a slow read ends nothing but itself.
        patience = f"{int(answer_seconds * 800)}ms"
        self._options = f"{options} -c statement_timeout={patience} -c lock_timeout={patience}"
        self._size = size
        self._all: set[_Connection] = set()
        self._idle: list[_Connection] = []
        self._opening = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._lasting: dict[Read, dict[str, Any]] = {}

    async def rows(self, read: Read, values: Mapping[str, Parameter]) -> list[Columns]:
        """Every row; SQLAlchemy's OperationalError (or its TimeoutError) when the database does not answer."""
        arguments, formats = read.arguments(values)
        try:
            try:
                return await self._run(read, arguments, formats)
            except ConnectionLost:
                await self._drop_idle()  # whatever ended this one has ended the others too
                return await self._run(read, arguments, formats)
        except psycopg.OperationalError as error:
            raise OperationalError("a read", {}, error) from error
        except psycopg.DataError as error:
            raise DataError("a read", {}, error) from error

    async def first(self, read: Read, values: Mapping[str, Parameter]) -> Columns | None:
        """The first row, or None."""
        rows = await self.rows(read, values)
        return rows[0] if rows else None

    async def lasting(self, read: Read, ids: Collection[str]) -> dict[str, Any]:
        """For each id that exists the one other column of `read`, which is asked once and then remembered.

        Only for what the database keeps from ever changing. `read` finds the ids in `:ids`, a JSON array.
        """
        known = self._lasting.setdefault(read, {})
        found = {one: known[one] for one in ids if one in known}
        missing = [one for one in ids if one not in found]
        if missing:
            asked: dict[str, Any] = dict(await self.rows(read, {"ids": json.dumps(missing)}))
            found |= asked
            known |= asked
            while len(known) > MOST_REMEMBERED:
                known.pop(next(iter(known)))
        return found

    async def close(self) -> None:
        """Close every connection; a later read opens new ones."""
        self._idle.clear()
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        for connection in list(self._all):
            await self._discard(connection)

    async def _drop_idle(self) -> None:
        dropped, self._idle = self._idle, []
        for connection in dropped:
            await self._discard(connection)

    async def _run(self, read: Read, arguments: list[bytes | None], formats: list[int]) -> list[Columns]:
        connection = await self._take()
        self._look_later()
        try:
            rows = await connection.run(read, arguments, formats)
        except psycopg.Error as error:
            if isinstance(error, ConnectionLost | Silent):
                await self._discard(connection)
            else:
                self._give_back(connection)
            raise
        except BaseException:
            # Cancelled in the middle: an answer is still on its way, and must not meet the next question.
            await self._discard(connection)
            raise
        self._give_back(connection)
        return rows

    def _look_later(self) -> None:
        if self._looking is None:
            self._looking = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        """Look at the connections that owe an answer, for as long as there are any.

        The event loop does not tell of a socket whose other end closed with something of ours unread: libuv takes that
        for an error of the poll itself, stops watching, and no callback runs.
        """
        self._looking = None
        owing = [connection for connection in self._all if connection.owes_since is not None]
        if not owing:
            return
        silent = [connection for connection in owing if not connection.look(self._answer_seconds)]
        if silent:
            self._on_silence()
        self._look_later()

    async def _take(self) -> "_Connection":
        deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
        while True:
            while self._idle:
                connection = self._idle.pop()
                if not connection.lost:
                    return connection
                await self._discard(connection)
            if len(self._all) + self._opening < self._size:
                return await self._open()
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await asyncio.wait_for(turn, deadline - asyncio.get_running_loop().time())
            except TimeoutError:
                raise PoolTimeout(f"no connection became free within {WAIT_SECONDS:.0f} s") from None
            except BaseException:
                self._next()  # the turn may have come just now, and is somebody else's
                raise

    async def _open(self) -> "_Connection":
        self._opening += 1
        try:
            session = await psycopg.AsyncConnection.connect(
                self._conninfo,
                autocommit=True,
                options=self._options,
                application_name="sublet",
                connect_timeout=CONNECT_SECONDS,
            )
        except BaseException:
            self._next()
            raise
        finally:
            self._opening -= 1
        connection = _Connection(session)
        self._all.add(connection)
        return connection

    def _give_back(self, connection: "_Connection") -> None:
        if connection in self._all:
            self._idle.append(connection)
        self._next()

    async def _discard(self, connection: "_Connection") -> None:
        self._all.discard(connection)
        self._next()
        await connection.close()

    def _next(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return


class _Connection:
    """A connection that the event loop watches all the time, so that a question costs no new registration."""

    def __init__(self, session: psycopg.AsyncConnection) -> None:
        self.lost = False
        self.owes_since: float | None = None
        self._silent = False
        self._session = session
        self._pgconn = session.pgconn
        self._transformer = Transformer(session)
        self._prepared: dict[Read, bytes] = {}
        self._result: pq.abc.PGresult | None = None
        self._answer: asyncio.Future[pq.abc.PGresult | None] | None = None
        self._loop = asyncio.get_running_loop()
        self._descriptor = self._pgconn.socket
        self._loop.add_reader(self._descriptor, self._readable)

    async def run(self, read: Read, arguments: list[bytes | None], formats: list[int]) -> list[Columns]:
        """The rows of one statement; psycopg's error for what PostgreSQL refused, ConnectionLost when it is gone."""
        name = self._prepared.get(read)
        if name is None:
            name = b"read_%d" % len(self._prepared)
            await self._ask(partial(self._pgconn.send_prepare, name, read.sql))
            self._prepared[read] = name
        result = await self._ask(partial(self._pgconn.send_query_prepared, name, arguments, formats))
        self._transformer.set_pgresult(result)
        return self._transformer.load_rows(0, result.ntuples, tuple)

    def look(self, answer_seconds: float) -> bool:
        """See whether the answer that it owes has come, or it has ended; False if it was silent for too long."""
        if self.owes_since is not None and not self.lost:
            self._readable()
        waits = self._answer is not None and not self._answer.done()
        if self.owes_since is None or not waits or self._loop.time() - self.owes_since < answer_seconds:
            return True
        self._silent = True
        self._lose()
        return False

    async def close(self) -> None:
        """End it, and whatever it was still doing."""
        self._lose()
        await self._session.close()

    async def _ask(self, send: Callable[[], None]) -> pq.abc.PGresult:
        if self.lost:
            raise ConnectionLost("the connection to the database was lost")
        self._answer = self._loop.create_future()
        self.owes_since = self._loop.time()
        try:
            send()
            if self._pgconn.flush():  # the socket took only a part
                self._loop.add_writer(self._descriptor, self._writable)
        except psycopg.OperationalError:
            self._lose()
        result = await self._answer
        self._answer = self.owes_since = None
        if self._silent:
            raise Silent("the database does not answer")
        if result is None:
            raise ConnectionLost("the connection to the database was lost")
        if result.status not in _GOOD:
            error = errors.error_from_result(result)
            if isinstance(error, _SHUTDOWN):
                self._lose()
                raise ConnectionLost(str(error)) from error
            raise error
        return result

    def _readable(self) -> None:
        try:
            self._pgconn.consume_input()
            while not self._pgconn.is_busy():
                result = self._pgconn.get_result()
                if result is None:
                    break
                self._result = result
            else:
                return
        except psycopg.OperationalError:
            self._lose()
            return
        if self._pgconn.status != pq.ConnStatus.OK:
            self._lose()
        elif self._answer is not None and self._result is not None and not self._answer.done():
            self._answer.set_result(self._result)
            self._result = None

    def _writable(self) -> None:
        try:
            if not self._pgconn.flush():
                self._loop.remove_writer(self._descriptor)
        except psycopg.OperationalError:
            self._lose()

    def _lose(self) -> None:
        if self.lost:
            return
        self.lost = True
        self._loop.remove_reader(self._descriptor)
        self._loop.remove_writer(self._descriptor)
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(None)
