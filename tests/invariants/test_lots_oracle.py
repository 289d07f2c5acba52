"""Random gifts, charges and ends against an oracle in Python that knows each lot: equal to the micro.

Half of the gifts have ended when the charges come: those are for time before, between and after the ends.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from sublet.core.clock import database_now
from sublet.core.db import Database, Session
from sublet.core.money import Money
from sublet.ledger import charges, credits, holds, wallets
from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from tests.ledger.books import assert_books_are_sound, key, new_hold, new_wallet, purse_of
from tests.support.clock import Clock

ENDS = 3
"""How many times there are at which gifts end; whoever ends later than all of them has an end far away, or none."""
FAR, NEVER = ENDS, ENDS + 1

GIFTS = st.lists(st.tuples(st.integers(1, 2_000_000), st.integers(0, NEVER)), min_size=1, max_size=6)
AMOUNTS = st.integers(1, 1_500_000)
EARLY = st.lists(AMOUNTS, max_size=3)
LATER = st.lists(
    st.one_of(
        st.tuples(st.just("charge"), AMOUNTS, st.integers(0, ENDS)),
        st.tuples(st.just("expire"), st.just(0), st.integers(0, ENDS - 1)),
        st.tuples(st.just("gift"), AMOUNTS, st.sampled_from([FAR, NEVER])),
    ),
    max_size=10,
)


@dataclass
class OracleLot:
    """A gift: what is left of it, which end it has, and its place among all."""

    left: int
    end: int
    place: int


@dataclass
class Oracle:
    """What is left of each lot, by the rule alone: soonest end, then age, and never what came after the end."""

    lots: list[OracleLot] = field(default_factory=list)

    def give(self, amount: int, end: int) -> None:
        self.lots.append(OracleLot(amount, end, len(self.lots)))

    def charge(self, amount: int, delivered: int) -> None:
        """A charge for time before the end of that number, and after the one before it."""
        for lot in sorted(self.lots, key=lambda lot: (lot.end, lot.place)):
            taken = min(lot.left, amount) if lot.end >= delivered else 0
            lot.left -= taken
            amount -= taken

    def expire(self, end: int) -> None:
        for lot in self.lots:
            if lot.end == end:
                lot.left = 0

    @property
    def total(self) -> int:
        return sum(lot.left for lot in self.lots)

    @property
    def good(self) -> int:
        """What has not expired, once the ends are over."""
        return sum(lot.left for lot in self.lots if lot.end >= FAR)


class Play:
    """The oracle and the books, moved together."""

    def __init__(self, session: Session, organization: str, ends: Sequence[datetime | None], hold: int) -> None:
        self.session, self.organization, self.ends, self.hold = session, organization, ends, hold
        self.oracle = Oracle()
        self.lots: list[int] = []

    async def give(self, amount: int, end: int) -> None:
        entry = await credits.grant(
            self.session,
            self.organization,
            Money(amount, "USD"),
            idempotency_key=key(),
            reason="Test",
            expires_at=self.ends[end],
        )
        found = text("SELECT id FROM ledger.promo_lot WHERE entry_id = :entry")
        self.lots.append((await self.session.execute(found, {"entry": entry.id})).scalar_one())
        self.oracle.give(amount, end)

    async def charge(self, amount: int, delivered: int) -> None:
        last = self.ends[delivered] if delivered < ENDS else self.ends[ENDS - 1]
        assert last is not None
        await charges.capture(
            self.session,
            self.hold,
            Money(amount, "USD"),
            meter_kind="compute",
            source_type="subject",
            source_id="al",
            idempotency_key=key(),
            description="Usage",
            delivered_to=last + timedelta(microseconds=1 if delivered == ENDS else 0),
            overrun=True,
        )
        self.oracle.charge(amount, delivered)

    async def expire(self, end: int) -> None:
        for place, lot in enumerate(self.oracle.lots):
            if lot.end == end:
                await credits.expire(self.session, self.lots[place], organization_id=self.organization, currency="USD")
        self.oracle.expire(end)

    async def compare(self, *, over: bool) -> None:
        left = text(
            "SELECT l.id, coalesce(c.remains, 0) FROM ledger.wallet w "
            "JOIN ledger.balance p ON p.account_id = w.promo_id JOIN ledger.promo_lot l ON l.wallet_id = w.id "
            "LEFT JOIN ledger.left_of_lots(w.id, p.balance) c ON c.lot_id = l.id WHERE w.owner_id = :organization"
        )
        found = {row[0]: row[1] for row in await self.session.execute(left, {"organization": self.organization})}
        assert [found[lot] for lot in self.lots] == [lot.left for lot in self.oracle.lots]
        wallet = await wallets.wallet(self.session, self.organization, currency="USD")
        assert wallet.promo.micro == (self.oracle.good if over else self.oracle.total)
        purse = await purse_of(self.session, self.organization)
        assert purse.promo == self.oracle.total
        assert wallet.held.micro + wallet.available.micro == wallet.balance.micro + wallet.promo.micro


@pytest.fixture
def postgres(clocked_postgres: EmbeddedPostgres) -> EmbeddedPostgres:
    return clocked_postgres


class TestLotsAgainstOracle:
    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(gifts=GIFTS, held=st.integers(0, 3_000_000), early=EARLY, later=LATER)
    def test_agree_to_the_micro(
        self,
        runner: tuple[asyncio.Runner, Database],
        gifts: list[tuple[int, int]],
        held: int,
        early: list[int],
        later: list[tuple[str, int, int]],
        clock: Clock,
    ) -> None:
        loop, database = runner

        async def play() -> None:
            async with database.transaction() as session:
                now = await database_now(session)
                ends = [now + timedelta(hours=1, seconds=at) for at in range(ENDS)]
                organization = await new_wallet(session, "5")
                hold = await new_hold(session, organization, "0.01")
                world = Play(session, organization, [*ends, now + timedelta(days=30), None], hold.id)
                for amount, end in gifts:
                    await world.give(amount, end)
                funds = await wallets.wallet(session, organization, currency="USD")
                extension = min(held, funds.available.micro)
                if extension:
                    await holds.extend(session, hold.id, Money(extension, "USD"), idempotency_key=key())
                for amount in early:
                    await world.charge(amount, 0)
                await world.compare(over=False)
                clock.later(7200)
                await world.compare(over=True)
                for what, amount, which in later:
                    if what == "charge":
                        await world.charge(amount, which)
                    elif what == "expire":
                        await world.expire(which)
                    else:
                        await world.give(amount, which)
                    await world.compare(over=True)
                for end in range(ENDS):
                    await world.expire(end)
                await world.compare(over=True)
                await assert_books_are_sound(session)

        loop.run(play())
