"""Metered seconds are delivered seconds: random lives of a subject against an oracle that knows every second."""

import asyncio

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sublet.billing import meters, settlement, watermarks
from sublet.core.db import Database
from sublet.ledger import wallets
from tests.billing.usage import RATE, SUSPENDED_RATE, charged_micro, new_subject, unmetered_seconds
from tests.ledger.books import assert_books_are_sound
from tests.support.policy import DEFAULT_POLICY

GAP = DEFAULT_POLICY.evidence_gap_seconds
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["observe", "observe", "observe", "suspend", "resume", "tick", "settle", "outage"]),
        st.integers(1, 120),
    ),
    max_size=30,
)


FIRST = 1
"""So many seconds are delivered of everything that ran at all."""


class Oracle:
    """Knows what ran at which second, and which seconds lie between two observations that are close enough."""

    def __init__(self) -> None:
        self.seen, self.kind = FIRST, "running"
        self.segments: list[tuple[int, int, str]] = []
        self.waiting: list[tuple[int, int, str]] = []
        self.since = 0

    def change(self, now: int, kind: str | None) -> None:
        """From now on it runs at another rate, or not at all; the first second it runs in any case."""
        now = max(now, FIRST)
        if now > self.since:
            self.waiting.append((self.since, now, self.kind))
        self.since = now
        if kind is not None:
            self.kind = kind

    def observe(self, now: int) -> None:
        """What waited for proof is proven, or lost if nobody looked for too long."""
        if now - self.seen <= GAP:
            self.segments += self.waiting
            self.waiting = []
        else:
            self._lose(now)
        self.seen = now

    def _lose(self, now: int) -> None:
        for start, end, kind in self.waiting:
            if start < self.seen:
                self.segments.append((start, min(end, self.seen), kind))
        if self.since < self.seen:
            self.segments.append((self.since, self.seen, self.kind))
        self.waiting, self.since = [], max(self.since, now)

    def finish(self) -> None:
        """Nobody looks any more."""
        self.segments += [(start, min(end, self.seen), kind) for start, end, kind in self.waiting if start < self.seen]

    def micro(self) -> int:
        """What all of it costs, rounded down for each stretch at one rate."""
        rates = {"running": RATE.nano_per_hour, "suspended": SUSPENDED_RATE.nano_per_hour}
        return sum((end - start) * rates[kind] // 3_600_000 for start, end, kind in self.segments)


class TestMeteredIsDelivered:
    @settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(steps=STEPS, ended_unseen=st.booleans())
    def test_to_the_second(
        self, runner: tuple[asyncio.Runner, Database], steps: list[tuple[str, int]], *, ended_unseen: bool
    ) -> None:
        loop, database = runner
        loop.run(_live(database, steps, ended_unseen=ended_unseen))


async def _live(database: Database, steps: list[tuple[str, int]], *, ended_unseen: bool) -> None:
    oracle, now = Oracle(), 0
    async with database.transaction() as session:
        subject = await new_subject(session)
    for step, seconds in steps:
        now += seconds * 10 if step == "outage" else seconds
        async with database.transaction() as session:
            match step:
                case "observe":
                    await meters.observe(session, {subject.id}, subject.at(now), policy=DEFAULT_POLICY)
                    oracle.observe(now)
                case "suspend" | "resume":
                    kind = "suspended" if step == "suspend" else "running"
                    await meters.switch(session, subject.id, kind, subject.at(now))  # type: ignore[arg-type]  # a Kind
                    if kind != oracle.kind:
                        oracle.change(now, kind)
                case "tick":
                    await watermarks.tick(session)
                case "settle":
                    await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)
    now += 5
    async with database.transaction() as session:
        await meters.stop(session, subject.id, subject.at(now))
        oracle.change(now, None)
        if not ended_unseen:
            await meters.observe(session, {subject.id}, subject.at(now), policy=DEFAULT_POLICY)
            oracle.observe(now)
        oracle.finish()
    for _ in range(3):
        async with database.transaction() as session:
            await settlement.settle(session, subject.id, final=True, policy=DEFAULT_POLICY)
    async with database.transaction() as session:
        assert await charged_micro(session, subject) == oracle.micro()
        delivered = sum(end - start for start, end, _ in oracle.segments)
        assert delivered + await unmetered_seconds(session, subject) == now
        wallet = await wallets.wallet(session, subject.organization, currency="USD")
        assert wallet.balance.micro == 20_000_000 - oracle.micro()
        assert wallet.held.micro == 0
        await assert_books_are_sound(session)
