"""The engine: finds what is ready, leases it, does it, renews what takes long, and takes over from whoever died."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import psycopg
from opentelemetry.trace import SpanKind
from sqlalchemy.exc import SQLAlchemyError

from sublet.core import telemetry, tracing
from sublet.core.db import Database, Session, forbid_open_session, is_locked_out, libpq_url
from sublet.core.errors import SubletError
from sublet.core.work import leases, ready, trouble, within
from sublet.core.work.declaration import AnyWork
from sublet.core.work.leases import CHANNEL, Lease, LeaseLost
from sublet.core.work.outcomes import INTERRUPTED, Again, Done, Outcome, Retry, SetAside
from sublet.core.work.pace import spread
from sublet.core.work.slots import Slots

log = telemetry.get_logger(__name__)

AFTER_FAULT_SECONDS = 1.0
STOP_SECONDS = 5.0
COUNT_SECONDS = 15.0
LOCKED_OUT_SECONDS = 1.0
LONGEST_LEASE_SECONDS = 300.0
"""Longer than any worker of any release takes a lease for."""
SPARE_CONNECTIONS = 4
"""For the sweep, the renewal of leases, and tasks that open transactions of their own."""
_DATABASE_ERRORS = (SQLAlchemyError, psycopg.Error, OSError, TimeoutError)


class Reconciler:
    """Does the work that is declared to it. Any number of them may run; each row is worked on by one at a time.

    `lease_seconds` bounds the take-over time of a worker that dies. `sweep_seconds` is the longest that it sleeps: what
    NOTIFY did not tell is found then. What is due far off by a clock that was wrong is brought near every
    `within_seconds`.
    """

    def __init__(
        self,
        database: Database,
        works: Sequence[AnyWork],
        *,
        lease_seconds: float = 6.0,
        sweep_seconds: float = 2.0,
        within_seconds: float = 10.0,
    ) -> None:
        self.database = database
        self.works = {work.kind: work for work in works}
        self.lease_seconds = lease_seconds
        self.sweep_seconds = sweep_seconds
        self.within_seconds = within_seconds
        self._slots = Slots(works)
        self._all_kinds = asyncio.Semaphore(max(1, database.connections - SPARE_CONNECTIONS))
        self._each_kind = {work.kind: asyncio.Semaphore(max(1, database.connections // 2)) for work in works}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._awake = asyncio.Event()
        self._woken: set[str] = set()
        self._holder: int | None = None
        self._next: float | None = None
        self._counted: set[str] = set()
        self._brought_within = float("-inf")

    # Running for ever

    async def run(self) -> None:
        """Work until cancelled; then what is under way is given a moment, and the rest is given back."""
        helpers = [
            asyncio.create_task(helper()) for helper in (self._listen, self._renew_for_ever, self._count_for_ever)
        ]
        try:
            while True:
                await self._sleep(await self._sweep_or_wait())
        finally:
            try:
                await self.stop()  # leases are renewed until what is under way has ended
            finally:
                for helper in helpers:
                    helper.cancel()
                await asyncio.gather(*helpers, return_exceptions=True)

    async def stop(self, *, grace_seconds: float = STOP_SECONDS) -> None:
        """End what is under way, after a moment, and let others have it at once."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=grace_seconds)
        await self._cancel(self._slots.held)
        await self._give_back()

    async def _sweep_or_wait(self) -> float:
        try:
            await self.sweep()
        except _DATABASE_ERRORS as error:
            telemetry.worker_failures_total.labels("sweep").inc()
            log.warning("work.sweep_failed", error=type(error).__name__)
            return AFTER_FAULT_SECONDS
        return self.sweep_seconds if self._next is None else min(self.sweep_seconds, max(self._next, 0.001))

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._awake.wait()
        self._awake.clear()

    def wake(self, *kinds: str) -> None:
        """Look at once at what is ready, and make every row of these kinds ready."""
        self._woken.update(kinds)
        self._awake.set()

    # One sweep

    async def sweep(self) -> int:
        """Lease what is ready and there is room for, and begin with it; returns how many rows."""
        begun = 0
        while leased := await self._claim():
            for lease in leased:
                self._begin(lease)
            begun += len(leased)
            if not self._slots.crowded():
                break  # there was room for everything that is ready
        return begun

    async def drain(self) -> None:
        """Wait until everything that was begun has ended."""
        while self._tasks:
            await asyncio.wait(self._tasks.values())

    async def _claim(self) -> list[Lease]:
        room = self._slots.room()
        if not room:
            return []
        woken, self._woken = self._woken, set()
        try:
            async with self.database.transaction() as session:
                if woken:
                    await leases.wake(session, woken)
                await self._bring_within(session)
                leased = await ready.lease_ready(
                    session,
                    room,
                    self._slots.busy(),
                    holder=await self._holder_in(session),
                    seconds=self.lease_seconds,
                    take_suspects=not self._slots.suspects,
                )
                self._next = await ready.seconds_to_next(session, room)
                return leased
        except BaseException:
            self._woken |= woken
            raise

    async def _bring_within(self, session: Session) -> None:
        """PostgreSQL's clock may have been ahead and set right: what it put far off then is brought near, now and then.

        By this process's own monotonic clock, which nobody sets.
        """
        if time.monotonic() < self._brought_within + self.within_seconds:
            return
        for work in self.works.values():
            if work.longest_seconds is not None:
                await within.bring_within(session, work.kind, work.longest_seconds)
        await within.bring_leases_within(session, self.works, LONGEST_LEASE_SECONDS)
        self._brought_within = time.monotonic()

    async def _holder_in(self, session: Session) -> int:
        if self._holder is None:
            self._holder = await leases.new_holder(session)
        return self._holder

    def _begin(self, lease: Lease) -> None:
        self._slots.enter(lease)
        task = asyncio.create_task(self._work_on(self.works[lease.kind], lease))
        self._tasks[lease.token] = task
        task.add_done_callback(lambda _: self._ended(lease))

    def _ended(self, lease: Lease) -> None:
        if self._slots.crowded() or lease.suspect:
            self._awake.set()
        self._tasks.pop(lease.token, None)
        self._slots.leave(lease)

    # One row

    @asynccontextmanager
    async def _transaction(self, kind: str) -> AsyncIterator[Session]:
        """A transaction for a row. However many wait for a lock, other kinds find a connection, and so do the sweep and
        the renewal: without these, everything that is under way would be lost."""
        async with self._each_kind[kind], self._all_kinds, self.database.transaction() as session:
            yield session

    async def _work_on(self, work: AnyWork, lease: Lease) -> None:
        telemetry.work_wait_seconds.labels(work.kind).observe(lease.waited_seconds)
        started = time.perf_counter()
        outcome = "failed"
        try:
            attributes = {"sublet.row": lease.id}
            with tracing.span(
                f"look at {work.kind}", kind=SpanKind.CONSUMER, parent=lease.trace, attributes=attributes
            ):
                outcome = type(await self._attempt(work, lease)).__name__.lower()
        except LeaseLost:
            outcome = "lost"
            log.info("work.overtaken", work=work.kind, row=lease.id)
        except Exception as error:  # whatever one row meets, the others go on
            telemetry.worker_failures_total.labels(work.kind).inc()
            if is_locked_out(error):
                log.warning("work.locked_out", work=work.kind, row=lease.id)
            elif isinstance(error, SubletError):
                log.warning("work.failed", work=work.kind, row=lease.id, attempt=lease.attempt, code=error.code)
            else:
                log.exception("work.failed", work=work.kind, row=lease.id, error=type(error).__name__)
            await self._note_failure(work, lease, error)
        finally:
            telemetry.work_seconds.labels(work.kind, outcome).observe(time.perf_counter() - started)

    async def _attempt(self, work: AnyWork, lease: Lease) -> Outcome:
        if work.end.crashes is not None and lease.crashes >= work.end.crashes:
            return await self._end(work, lease, INTERRUPTED)
        async with self._transaction(work.kind) as session:
            taken = await work.take(session, lease)
            if isinstance(taken, Done | Again | Retry | SetAside):
                return await self._finish(session, work, lease, taken)
            await leases.lock(session, lease)
        assert work.act is not None  # or `take` had done all there was to do
        assert work.conclude is not None  # what is acted on is concluded
        forbid_open_session(f"The work on {work.kind}")
        result = await work.act(lease, taken)
        async with self._transaction(work.kind) as session:
            await leases.verify(session, lease)
            return await self._finish(session, work, lease, await work.conclude(session, lease, taken, result))

    async def _finish(self, session: Session, work: AnyWork, lease: Lease, outcome: Outcome) -> Outcome:
        if isinstance(outcome, Retry) and work.pace.is_last(lease.attempt):
            outcome = await self._last(session, work, lease, outcome.code)
        await leases.finish(session, lease, outcome, pace=work.pace)
        return outcome

    async def _last(self, session: Session, work: AnyWork, lease: Lease, code: str) -> Outcome:
        if work.give_up is not None:
            return await work.give_up(session, lease, code)
        log.error(
            "work.set_aside", work=work.kind, row=lease.id, attempts=lease.attempt, crashes=lease.crashes, code=code
        )
        return SetAside(code)

    async def _end(self, work: AnyWork, lease: Lease, code: str) -> Outcome:
        async with self._transaction(work.kind) as session:
            outcome = await self._last(session, work, lease, code)
            await leases.finish(session, lease, outcome, pace=work.pace)
        return outcome

    async def _note_failure(self, work: AnyWork, lease: Lease, error: Exception) -> None:
        code = error.code if isinstance(error, SubletError) else type(error).__name__
        try:
            async with self._transaction(work.kind) as session:
                # Who waited for another's lock has neither failed nor come through: the row is as it was.
                if is_locked_out(error):
                    await leases.put_off(session, lease, seconds=spread(LOCKED_OUT_SECONDS))
                else:
                    await self._finish(session, work, lease, Retry(code))
        except LeaseLost:
            log.info("work.overtaken", work=work.kind, row=lease.id)
        except Exception as failure:  # then the lease runs out, and the row is looked at again
            log.exception("work.failure_not_noted", work=work.kind, row=lease.id, error=type(failure).__name__)

    # What does not come to its end

    async def _count_for_ever(self) -> None:
        while True:
            try:
                await self.count_unfinished()
            except _DATABASE_ERRORS as error:
                log.warning("work.not_counted", error=type(error).__name__)
            await asyncio.sleep(COUNT_SECONDS)

    async def count_unfinished(self) -> None:
        """Say in the metrics of this process how much does not come to its end, by kind: what others do counts too."""
        async with self.database.reading() as session:
            counts = await trouble.counts(session)
        for kind in self.works.keys() | counts.keys() | self._counted:
            telemetry.work_overdue.labels(kind).set(counts.get(kind, 0))
        self._counted |= counts.keys()

    # Keeping what is held

    async def _renew_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self.lease_seconds / 3)
            await self.renew()

    async def renew(self) -> None:
        """Extend every lease that is held; what was lost, or may be, is ended at once."""
        held = self._slots.held
        if not held:
            return
        try:
            async with asyncio.timeout(self.lease_seconds / 3), self.database.transaction() as session:
                lost = await leases.renew(session, held, seconds=self.lease_seconds)
        except _DATABASE_ERRORS as error:
            log.warning("work.not_renewed", error=type(error).__name__)
            lost = []
        now = time.monotonic()
        lost = [lease for lease in held if lease in lost or lease.lasts_until < now]
        for lease in lost:
            log.info("work.overtaken", work=lease.kind, row=lease.id)
        await self._cancel(lost)

    async def _cancel(self, lost: Sequence[Lease]) -> None:
        tasks = [self._tasks[lease.token] for lease in lost if lease.token in self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _give_back(self) -> None:
        if self._holder is None:
            return
        try:
            async with self.database.transaction() as session:
                await leases.give_back(session, self._holder)
        except _DATABASE_ERRORS as error:
            log.warning("work.not_given_back", error=type(error).__name__)  # it runs out by itself

    # Hearing of what is due

    async def _listen(self) -> None:
        """Wake up when somebody makes something due; without a connection the sweep finds it."""
        channels = {work.wakes_on: work.kind for work in self.works.values() if work.wakes_on is not None}
        while True:
            try:
                connection = await psycopg.AsyncConnection.connect(
                    libpq_url(self.database.url),
                    autocommit=True,
                    application_name="sublet worker listens",
                    connect_timeout=5,
                    options=self.database.options(),
                )
                async with connection:
                    for channel in (CHANNEL, *channels):
                        await connection.execute(f"LISTEN {channel}")
                    self.wake(*channels.values())
                    async for notice in connection.notifies():
                        if notice.channel in channels:
                            self.wake(channels[notice.channel])
                        elif notice.payload in self.works:
                            self.wake()
            except (psycopg.Error, OSError) as error:
                log.warning("work.not_listening", error=type(error).__name__)
            await asyncio.sleep(AFTER_FAULT_SECONDS)
