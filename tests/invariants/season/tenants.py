"""Who lives through a season: organizations with a wallet in their currency, what they run, and on which node."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction

from sublet.billing import meters
from sublet.billing.policy import Policy
from sublet.catalog import prices, skus
from sublet.catalog.meter_kinds import MeterKind
from sublet.catalog.skus import Sku
from sublet.core.actors import system_actor
from sublet.core.db import Session
from sublet.core.money import Money, Rate
from sublet.ledger import holds
from sublet.ledger.failures import InsufficientFunds
from tests.invariants.season.oracle import MICRO, Life, Purse
from tests.ledger.books import key

OPERATOR = system_actor("season")
POLICY = Policy(data_kept_days=14, settle_interval_seconds=6 * 3600, evidence_gap_seconds=2 * 3600)
GAP = timedelta(hours=2)
"""What lies further apart than that, two observations do not prove."""
AHEAD_SECONDS = 6 * 3600 + 60 + 900
"""A launch sets aside what so long costs: until the next posting, for noticing, and for the grace."""
CURRENCIES = ("USD", "JPY", "KWD")
STEP = {"USD": 10_000, "JPY": MICRO, "KWD": 10_000}
"""The smallest step, in millionths, in which cards are charged."""
LARGE = {"USD": Fraction(60), "JPY": Fraction(9000), "KWD": Fraction(20)}
"""A usual payment."""
NODES = 6


@dataclass
class Tenant:
    """An organization: what the oracle knows of it, and what is true of it now."""

    id: str
    purse: Purse
    has_promo: bool
    running: list[Life] = field(default_factory=list)
    """What is not settled for good yet."""
    node_of: dict[str, int] = field(default_factory=dict)
    hold_of: dict[str, int] = field(default_factory=dict)
    disputed: dict[str, str] = field(default_factory=dict)
    """Open disputes at the processor, by payment."""
    clean: bool = True
    """Whether the wallet has borne everything that went back, so that its lots follow from that alone."""

    @property
    def currency(self) -> str:
        """What it pays in."""
        return self.purse.currency

    @property
    def most(self) -> int:
        """Who was given money runs one at a time: which of two is charged first then decides nothing."""
        return 1 if self.has_promo else 3

    @property
    def is_idle(self) -> bool:
        """Whether nothing is set aside in the wallet."""
        return not self.running and not self.disputed

    def burn(self) -> Fraction:
        """What it uses in an hour, in millionths."""
        return sum(
            ((one.per_hour if one.runs_now else one.suspended_per_hour) * MICRO for one in self.running), Fraction(0)
        )


@dataclass
class Shelf:
    """What is sold at which price, from when: one SKU, a price in each currency that changes now and then."""

    sku: Sku
    versions: dict[str, list[tuple[datetime, Fraction, Fraction]]] = field(default_factory=dict)

    @classmethod
    async def open(cls, session: Session, dice: random.Random, now: datetime) -> Shelf:
        """The first prices."""
        sku = await skus.create(session, OPERATOR, code="season", name="Season", vcpu=1, memory_mib=1024, disk_gib=10)
        shelf = cls(sku)
        for currency in CURRENCIES:
            await shelf.change(session, dice, currency, now, effective_at=None)
        return shelf

    async def change(
        self, session: Session, dice: random.Random, currency: str, now: datetime, *, effective_at: datetime | None
    ) -> None:
        """Another price, from now on or from later."""
        digits = 10 ** {"USD": 4, "JPY": 2, "KWD": 5}[currency]
        usual = LARGE[currency] / 100
        running = Fraction(round(usual * digits * Fraction(dice.uniform(0.4, 1.6))), digits)
        suspended = Fraction(round(running * digits * Fraction(dice.uniform(0, 0.4))), digits)
        made = await prices.create(
            session,
            OPERATOR,
            sku_id=self.sku.id,
            per_hour=_rate(running, currency),
            suspended_claim="always",
            suspended_per_hour=_rate(suspended, currency),
            effective_at=effective_at,
        )
        self.versions.setdefault(currency, []).append((made.effective_at, running, suspended))

    def asks(self, currency: str, at: datetime) -> tuple[Fraction, Fraction]:
        """What an hour costs that begins then, running and suspended."""
        _, running, suspended = max(one for one in self.versions[currency] if one[0] <= at)
        return running, suspended


def _rate(amount: Fraction, currency: str) -> Rate:
    nano = amount * 1_000_000_000
    assert nano.denominator == 1
    return Rate(nano.numerator, currency)


async def launch(
    session: Session, dice: random.Random, tenant: Tenant, shelf: Shelf, at: datetime, *, exact: bool
) -> None:
    """Begin something, if there is money for it. Where the oracle knows what is `exact`ly there, it knows whether."""
    found = (await prices.in_force(session, [shelf.sku.id], at, currency=tenant.currency))[shelf.sku.id]
    running, suspended = shelf.asks(tenant.currency, at)
    needed = -(-running * MICRO * AHEAD_SECONDS // 3600)
    life = Life(key("al"), dice.choice(["compute", "compute", "storage"]), running, suspended, at, GAP)
    try:
        hold = await holds.place(
            session,
            tenant.id,
            POLICY.hold_for(found.per_hour),
            subject_id=life.id,
            idempotency_key=key(),
        )
    except InsufficientFunds:
        assert not exact or tenant.purse.net + tenant.purse.promo < needed, f"{tenant.id} has enough for {life.id}"
        return
    assert not exact or tenant.purse.net + tenant.purse.promo >= needed, f"{tenant.id} has too little for {life.id}"
    assert hold.amount == Money(needed, tenant.currency)
    await meters.start(
        session,
        life.id,
        tenant.id,
        hold.id,
        meter_kind=MeterKind(life.kind),
        sku_id=shelf.sku.id,
        node_id=f"nd_{len(tenant.node_of) % NODES}",
        price_id=found.id,
        nano_per_hour=found.nano_per_hour,
        suspended_nano_per_hour=found.suspended_nano_per_hour,
        disk_nano_per_hour=found.disk_nano_per_hour,
        currency=tenant.currency,
        at=at,
        boot_id="boot-1",
        policy=POLICY,
    )
    tenant.node_of[life.id] = len(tenant.node_of) % NODES
    tenant.hold_of[life.id] = hold.id
    tenant.running.append(life)
    tenant.purse.lives.append(life)
