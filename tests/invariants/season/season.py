"""A season: days that pass, with everything that goes on and goes wrong in them, and what must be true meanwhile."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sublet.admin.reports import month_close
from sublet.billing import checks as billing_checks
from sublet.billing import extension, meters, settlement, watermarks
from sublet.core.clock import database_now
from sublet.core.money import Money
from sublet.ledger import credits, months, reconcile, seals
from sublet.payments import checks as payment_checks
from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from tests.invariants.season.oracle import MICRO, Life, Purse
from tests.invariants.season.processor import Counter
from tests.invariants.season.tenants import CURRENCIES, LARGE, NODES, POLICY, Shelf, Tenant, launch
from tests.ledger.books import key
from tests.payments.shop import Shop
from tests.support.clock import Clock

ELSEWHERE = frozenset(
    {
        "billing.unmetered_time",  # what outages cost is listed, as it should be
        "payments.transaction_against_entries",  # these ask what looks at the processor's own list have kept; a
        "payments.balance_differs",  # season takes no such looks, and compares with the processor itself
        "payments.balance_not_seen",
        "payments.event_unprocessed",
    }
)
"""What the checks find that says nothing against the books."""
OUTAGES = ("worker", "node", "database", "processor")
HOUR = timedelta(hours=1)
SETTLED_EVERY = timedelta(seconds=POLICY.settle_interval_seconds)


@dataclass
class Season:
    """A shop with its tenants, and the dice that decide what becomes of them."""

    shop: Shop
    clock: Clock
    server: EmbeddedPostgres
    dice: random.Random
    counter: Counter
    tenants: list[Tenant] = field(default_factory=list)
    shelf: Shelf | None = None
    since: datetime | None = None

    @classmethod
    async def open(cls, shop: Shop, clock: Clock, server: EmbeddedPostgres, *, seed: int, organizations: int) -> Season:
        """The first day: everybody is there, and has paid once."""
        dice = random.Random(seed)
        season = cls(shop, clock, server, dice, Counter(shop, clock, dice))
        await shop.hire("ada", "bob")
        async with shop.database.transaction() as session:
            season.since = await database_now(session)
            season.shelf = await Shelf.open(session, dice, season.since)
        for number in range(organizations):
            currency = CURRENCIES[number % len(CURRENCIES)]
            tenant = Tenant(await shop.organization(currency), Purse(currency), has_promo=dice.random() < 0.3)
            season.tenants.append(tenant)
            await season.counter.pay(tenant)
        season.tenants[0].has_promo, season.tenants[1].has_promo = True, False
        await season.counter.catch_up()
        return season

    async def play(self, days: int, *, check_every: int) -> None:
        """Let the days pass, one after the other; look closely every so many."""
        plan = self._plan(days)
        for day in range(days):
            outage = plan.get(day)
            await self.day(outage)
            if day % check_every == check_every - 1 and outage is None and plan.get(day - 1) is None:
                await self.settled()
                await self.compare()
        await self.end()

    def _plan(self, days: int) -> dict[int, str]:
        """On which days something is out: each kind at least once, and about one day in five in all."""
        plan = {}
        chosen = self.dice.sample(range(1, days), k=max(len(OUTAGES), days // 5))
        for number, day in enumerate(chosen):
            plan[day] = OUTAGES[number % len(OUTAGES)]
        return plan

    async def day(self, outage: str | None) -> None:
        """A day or so: what runs goes on and is seen, then everybody comes to the counter, then it is charged."""
        self.clock.later(self.dice.uniform(14, 30) * 3600)
        assert self.since is not None
        async with self.shop.database.reading() as session:
            now = await database_now(session)
        if outage:
            self.counter.count(f"outages of the {outage}")
        await self._live(self.since, now, outage)
        self.since = now
        await self._sell(now)
        if outage == "processor":
            self.shop.sandbox.stop()
            self.counter.is_out = True
        known = await self._trade(outage)
        if outage != "worker":
            await self._charge(crash=outage == "database")
            await self._launch(known=known)
        if outage == "processor":
            self.shop.sandbox.start()
            self.counter.is_out = False

    # ------------------------------------------------------------------------------------------- what runs

    async def _live(self, since: datetime, now: datetime, outage: str | None) -> None:
        """What happened to subjects since, in its order."""
        away = self.dice.randrange(NODES) if outage == "node" else None
        back = since + (now - since) * self.dice.uniform(0.2, 1.4)
        happenings: list[tuple[datetime, int, Tenant | None, Life | None]] = []
        if outage != "worker":
            happenings += [(at, 0, None, None) for at in self._looks(since, now)]
        for tenant in self.tenants:
            for life in tenant.running:
                if life.stopped is not None:
                    continue
                for _ in range(self.dice.choice([0, 0, 0, 1, 2])):
                    happenings.append((since + (now - since) * self.dice.random(), 1, tenant, life))
                poor = tenant.purse.net + tenant.purse.promo < 0
                if poor or self.dice.random() < 0.25:
                    happenings.append((since + (now - since) * self.dice.random(), 2, tenant, life))
        unseen: set[str] = set()
        async with self.shop.database.transaction() as session:
            for at, what, tenant, life in sorted(happenings, key=lambda one: one[:2]):
                if what == 0:
                    there = [
                        one
                        for each in self.tenants
                        for one in each.running
                        if one.started < at and one.id not in unseen and (each.node_of[one.id] != away or at > back)
                    ]
                    await meters.observe(session, {one.id for one in there}, at, policy=POLICY)
                    for one in there:
                        one.seen(at)
                    self.counter.count("observations", len(there))
                    continue
                assert tenant is not None
                assert life is not None
                if life.stopped is not None or at <= life.started + timedelta(seconds=1):
                    continue
                if what == 1:
                    await meters.switch(session, life.id, "suspended" if life.runs_now else "running", at)
                    life.switch(at)
                else:
                    await meters.stop(session, life.id, at)
                    life.stopped = at
                    if self.dice.random() < 0.2:
                        unseen.add(life.id)

    def _looks(self, since: datetime, now: datetime) -> Iterator[datetime]:
        at = since
        while (at := at + HOUR * self.dice.uniform(0.6, 1.8)) < now:
            yield at
        yield now

    async def _sell(self, now: datetime) -> None:
        """Prices change, money is given, and things are launched."""
        assert self.shelf is not None
        async with self.shop.database.transaction() as session:
            if self.dice.random() < 0.4:
                later = now + HOUR * self.dice.randint(1, 60) if self.dice.random() < 0.5 else None
                await self.shelf.change(session, self.dice, self.dice.choice(CURRENCIES), now, effective_at=later)
                self.counter.count("price changes")
            for tenant in self.tenants:
                if tenant.has_promo and self.dice.random() < 0.15:
                    amount = int(LARGE[tenant.currency] * MICRO * self.dice.randint(1, 40) // 100) + 1
                    money = Money(amount, tenant.currency)
                    await credits.grant(session, tenant.id, money, idempotency_key=key(), reason="Season")
                    tenant.purse.grant(amount)
                    self.counter.count("credits")

    async def _launch(self, *, known: bool) -> None:
        assert self.shelf is not None
        async with self.shop.database.transaction() as session:
            now = await database_now(session)
            for tenant in self.tenants:
                if len(tenant.running) < tenant.most and not tenant.disputed and self.dice.random() < 0.5:
                    before = len(tenant.running)
                    exact = known and tenant.is_idle and tenant.purse.net >= 0
                    await launch(session, self.dice, tenant, self.shelf, now, exact=exact)
                    self.counter.count("launches" if len(tenant.running) > before else "launches refused")

    # ------------------------------------------------------------------------------------------- the counter

    async def _trade(self, outage: str | None) -> bool:
        """Everybody pays who is short; some have money back; some card holders ask their bank.

        Returns whether everything that the processor knows arrived.
        """
        counter = self.counter
        known = outage is None and self.dice.random() < 0.6
        if known:
            await self._know()
        for tenant in self.tenants:
            purse, has_acted = tenant.purse, False  # what others do makes no difference to what is known of it
            days_left = (purse.net + purse.promo) / (tenant.burn() * 24) if tenant.burn() else 2
            if (days_left < 2 and self.dice.random() < 0.7) or self.dice.random() < 0.05:
                await counter.pay(tenant)
                has_acted = True
            if counter.is_out or not known:
                continue
            for payment in [each for each in purse.payments if each.arrived]:
                if payment.id in tenant.disputed:
                    if self.dice.random() < 0.4:
                        await counter.decide(tenant, payment)
                        has_acted = True
                    continue
                if self.dice.random() < 0.12 and tenant.is_idle and tenant.clean:
                    if has_acted:
                        await self._know()
                    await counter.refund(tenant, payment)
                    has_acted = True
                elif self.dice.random() < 0.08 and payment.refunded == 0 and payment.lost == 0:
                    has_acted = True
                    if self.dice.random() < 0.5:
                        await counter.refund_there(tenant, payment)
                    elif not payment.was_disputed and (tenant.is_idle or not tenant.has_promo):
                        await counter.dispute(tenant, payment)
        if not counter.is_out:
            await counter.post(worked_off=outage != "worker")
        if known:
            await self._know()
        return known

    async def _know(self) -> None:
        await self.counter.catch_up()
        await self.counter.look_back(self.tenants)

    # ------------------------------------------------------------------------------------------- what is charged

    async def _charge(self, *, crash: bool = False) -> None:
        """What the schedule does: meter, settle, set aside, seal; in a crash, the server dies in the middle of it."""
        if crash:
            work = [asyncio.create_task(each) for each in (self._charge_all(), self.counter.catch_up())]
            await asyncio.wait(work, timeout=self.dice.uniform(0.005, 0.2))
            self.server.kill()
            self.server.start()  # by this thread: the server ends with the one that started it
            await asyncio.gather(*work, return_exceptions=True)
        await self._charge_all()
        assert self.since is not None
        for tenant in self.tenants:
            due = [life for life in tenant.running if life.stopped or self.since - life.started >= SETTLED_EVERY]
            tenant.purse.settle(due)
            tenant.running = [life for life in tenant.running if life.stopped is None]

    async def _charge_all(self) -> None:
        database = self.shop.database
        async with database.transaction() as session:
            await watermarks.tick(session)
        await settlement.settle_all(database, policy=POLICY)
        for tenant in self.tenants:
            for life in tenant.running:
                if life.stopped is not None:
                    async with database.transaction() as session:
                        await settlement.settle(session, life.id, final=True, policy=POLICY)
        await extension.fit_all(database, policy=POLICY)
        for _ in range(2):
            async with database.transaction() as session:
                await seals.seal_ranges(session)
        async with database.transaction() as session:
            await self._close_months(session)

    async def _close_months(self, session: Any) -> None:
        """Close what is over for two days; late usage of it goes into the month that is open."""
        known = await months.months(session)
        now = await database_now(session)
        for one in reversed(known):
            if one.closed_at is None and one.ends_at + timedelta(days=2) < now:
                if await month_close.why_not_close(session, one, known) is None:
                    await months.close(session, one.month, by="usr_ada")
                    self.counter.count("months closed")
                return

    # ------------------------------------------------------------------------------------------- what must be true

    async def settled(self) -> None:
        """Let everything that is on its way arrive."""
        await self.counter.post(everything=True)
        await self._know()
        await self._charge()

    async def end(self) -> None:
        """Everything is stopped and decided."""
        self.clock.later(3600)
        async with self.shop.database.transaction() as session:
            now = await database_now(session)
            for tenant in self.tenants:
                for life in tenant.running:
                    if life.stopped is None:
                        await meters.observe(session, {life.id}, now, policy=POLICY)
                        life.seen(now)
                        await meters.stop(session, life.id, now)
                        life.stopped = now
        await self._charge()
        while any(tenant.disputed for tenant in self.tenants):
            for tenant in self.tenants:
                for payment in tenant.purse.payments:
                    if payment.id in tenant.disputed:
                        await self.counter.decide(tenant, payment)
        self.clock.later(3600)
        await self.settled()
        await self.compare(at_the_end=True)

    async def compare(self, *, at_the_end: bool = False) -> None:
        """Books, processor and oracle say the same; every check finds nothing."""
        rows = await self.shop.rows(
            "SELECT w.owner_id, b.balance, b.held, p.balance AS promo, p.held AS promo_held, r.balance AS owed "
            "FROM ledger.wallet w JOIN ledger.balance b ON b.account_id = w.id "
            "JOIN ledger.balance p ON p.account_id = w.promo_id JOIN ledger.balance r ON r.account_id = w.receivable_id"
        )
        found = {row.owner_id: row for row in rows}
        for tenant in self.tenants:
            row, purse = found[tenant.id], tenant.purse
            told = f"{tenant.id} {tenant.currency}: {row}"
            assert row.balance + row.owed == purse.net, f"{told}, and not {purse.net}"
            assert row.promo == purse.promo, f"{told}, and not {purse.promo} of credit"
            if at_the_end:
                assert (row.held, row.promo_held) == (0, 0), told
                assert (row.balance, row.owed) == (max(purse.net, 0), min(purse.net, 0)), told
        await self._compare_usage()
        await self._compare_processor()
        await self._checks()

    async def _compare_usage(self) -> None:
        """What was used in each month, and what it brought in of each kind."""
        rows = await self.shop.rows(
            "SELECT organization_id, to_char(period_start, 'YYYY-MM') AS month, sum(amount)::bigint AS amount "
            "FROM usage_charge GROUP BY 1, 2"
        )
        charged = {(row.organization_id, row.month): row.amount for row in rows if row.amount}
        used = {
            (tenant.id, month): amount
            for tenant in self.tenants
            for month, amount in tenant.purse.months().items()
            if amount
        }
        assert charged == used
        revenue: dict[tuple[str, str], int] = defaultdict(int)
        for tenant in self.tenants:
            for life in tenant.purse.lives:
                revenue[f"revenue_{life.kind}", tenant.currency] += tenant.purse.charged.get(life.id, 0)
        posted = await self.shop.rows(
            "SELECT a.kind::text, a.currency, sum(p.amount)::bigint AS amount FROM ledger.posting p "
            "JOIN ledger.account a ON a.id = p.account_id WHERE a.kind::text LIKE 'revenue%' GROUP BY 1, 2"
        )
        assert {(row.kind, row.currency): row.amount for row in posted} == {k: v for k, v in revenue.items() if v}

    async def _compare_processor(self) -> None:
        """Our account of what the processor has is what it has, but for refunds that are on their way."""
        rows = await self.shop.rows(
            "SELECT a.currency, -sum(p.amount)::bigint AS amount FROM ledger.posting p JOIN ledger.account a "
            "ON a.id = p.account_id WHERE a.kind IN ('stripe_balance', 'refund_pending') GROUP BY 1"
        )
        assert {row.currency: row.amount for row in rows} == self.counter.balances()
        totals = await self.shop.rows(
            "SELECT a.currency, sum(p.amount) AS amount FROM ledger.posting p JOIN ledger.account a "
            "ON a.id = p.account_id GROUP BY 1"
        )
        assert {row.amount for row in totals} == {0}, "the trial balance"

    async def _checks(self) -> None:
        async with self.shop.database.transaction() as session:
            results = [
                *await reconcile.run(session),
                *await billing_checks.run(session),
                *await payment_checks.run(session),
            ]
        wrong = [(one.name, one.findings) for one in results if not one.ok and one.check.code not in ELSEWHERE]
        assert wrong == [], "\n".join(str(one) for one in wrong)
        assert not await self.shop.rows("SELECT id, kind FROM work WHERE set_aside_at IS NOT NULL")
