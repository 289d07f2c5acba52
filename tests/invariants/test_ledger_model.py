"""Random sequences of movements against a model in Python: equal to the micro, never below zero, always sum to zero."""

import asyncio
from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sublet.core.clock import database_now
from sublet.core.db import Database, Session
from sublet.core.money import Money
from sublet.ledger import charges, credits, holds, wallets
from sublet.ledger.failures import InsufficientFunds
from tests.ledger.books import assert_books_are_sound, key, new_wallet, top_up

AMOUNTS = st.integers(1, 3_000_000)
ON_A_HOLD = ("extend", "extend_many", "shrink", "capture", "overrun", "release", "batch")
MOVEMENTS = st.one_of(
    st.tuples(st.just("top_up"), st.integers(1, 300), st.just(0)),
    st.tuples(st.just("grant"), AMOUNTS, st.just(0)),
    st.tuples(st.just("place"), AMOUNTS, st.just(0)),
    st.tuples(st.sampled_from(ON_A_HOLD), AMOUNTS, st.integers(0, 5)),
)


@dataclass
class ModelHold:
    """What is left of a hold, and the promotional part of that."""

    id: int
    rest: int
    promo: int
    closed: bool = False


@dataclass
class Model:
    """One organization's money by the rules of the house, in plain integers."""

    wallet: int = 0
    promo: int = 0
    owed: int = 0
    holds: list[ModelHold] = field(default_factory=list)

    @property
    def held_wallet(self) -> int:
        return sum(hold.rest - hold.promo for hold in self.holds)

    @property
    def held_promo(self) -> int:
        return sum(hold.promo for hold in self.holds)

    @property
    def free_promo(self) -> int:
        return self.promo - self.held_promo

    @property
    def free(self) -> int:
        return self.wallet - self.held_wallet

    def top_up(self, amount: int) -> None:
        cleared = min(self.owed, amount)
        self.owed -= cleared
        self.wallet += amount - cleared

    def set_aside(self, hold: ModelHold, amount: int) -> bool:
        if amount > self.free + self.free_promo:
            return False
        from_promo = min(self.free_promo, amount)
        hold.rest += amount
        hold.promo += from_promo
        return True

    def charge(self, hold: ModelHold, amount: int) -> None:
        from_hold = min(amount, hold.rest)
        hold.promo += min(self.free_promo, max(0, from_hold - hold.promo))
        from_promo = min(from_hold, hold.promo)
        hold.promo -= from_promo
        hold.rest -= from_hold
        self.promo -= from_promo
        self.wallet -= from_hold - from_promo
        over = amount - from_hold
        over_promo = min(over, self.free_promo)
        over_wallet = min(over - over_promo, self.free)
        self.promo -= over_promo
        self.wallet -= over_wallet
        self.owed += over - over_promo - over_wallet


class World:
    """A model and the real books, moved together."""

    def __init__(self, session: Session, organization: str) -> None:
        self.session, self.organization, self.model = session, organization, Model()

    async def move(self, name: str, amount: int, which: int) -> None:
        """One movement on both sides."""
        model, session = self.model, self.session
        if name == "top_up":
            await top_up(session, self.organization, f"{amount / 100:.2f}")
            model.top_up(amount * 10_000)
        elif name == "grant":
            await credits.grant(session, self.organization, Money(amount, "USD"), idempotency_key=key(), reason="Test")
            model.promo += amount
        elif name == "place":
            await self._place(amount)
        elif model.holds:
            await self._on_hold(name, amount, model.holds[which % len(model.holds)])

    async def _place(self, amount: int) -> None:
        placed = ModelHold(0, 0, 0)
        possible = self.model.set_aside(placed, amount)
        try:
            hold = await holds.place(
                self.session, self.organization, Money(amount, "USD"), subject_id=key("al"), idempotency_key=key()
            )
        except InsufficientFunds:
            assert not possible
        else:
            assert possible
            placed.id = hold.id
            self.model.holds.append(placed)

    async def _on_hold(self, name: str, amount: int, hold: ModelHold) -> None:
        if hold.closed:
            return
        if name == "extend":
            possible = self.model.set_aside(hold, amount)
            try:
                await holds.extend(self.session, hold.id, Money(amount, "USD"), idempotency_key=key())
            except InsufficientFunds:
                assert not possible
            else:
                assert possible
        elif name == "release":
            await holds.release(self.session, hold.id, idempotency_key=key())
            hold.rest = hold.promo = 0
            hold.closed = True
        elif name == "extend_many":
            possible = self.model.set_aside(hold, amount)
            assert await holds.extend_many(self.session, {hold.id: amount}) == ({hold.id} if possible else set())
        elif name == "shrink":
            given = min(amount, hold.rest)
            assert await holds.shrink_many(self.session, {hold.id: amount}) == ({hold.id} if given else set())
            hold.promo -= max(0, given - (hold.rest - hold.promo))
            hold.rest -= given
        elif name == "batch":
            await self._batch(amount, hold)
        elif name == "overrun" or amount <= hold.rest:
            await charges.capture(
                self.session,
                hold.id,
                Money(amount, "USD"),
                meter_kind="compute",
                source_type="subject",
                source_id="al",
                idempotency_key=key(),
                description="Usage",
                overrun=name == "overrun",
            )
            self.model.charge(hold, amount)

    async def _batch(self, amount: int, hold: ModelHold) -> None:
        charged = await charges.capture_batch(
            self.session,
            {hold.id: amount},
            currency="USD",
            meter_kind="compute",
            settlement_id="stl_1",
            idempotency_key=key(),
            description="Usage",
            effective_at=await database_now(self.session),
        )
        expected = amount <= hold.rest
        assert (hold.id in charged) == expected
        if expected:
            self.model.charge(hold, amount)

    async def compare(self) -> None:
        """The books say what the model says."""
        wallet, model = await wallets.wallet(self.session, self.organization, currency="USD"), self.model
        assert wallet.balance.micro == model.wallet >= 0
        assert wallet.promo.micro == model.promo >= 0
        assert wallet.receivable.micro == model.owed >= 0
        assert wallet.held.micro == model.held_wallet + model.held_promo
        assert wallet.available.micro == model.free + model.free_promo >= 0


class TestBooksAgainstModel:
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(movements=st.lists(MOVEMENTS, min_size=3, max_size=25))
    def test_agree_to_the_micro(
        self, runner: tuple[asyncio.Runner, Database], movements: list[tuple[str, int, int]]
    ) -> None:
        loop, database = runner

        async def play() -> None:
            async with database.transaction() as session:
                world = World(session, await new_wallet(session))
                for movement in movements:
                    await world.move(*movement)
                    await world.compare()
                await assert_books_are_sound(session)

        loop.run(play())
