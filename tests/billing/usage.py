"""Factories for tests of billing: a metered subject with money behind it, and steps of its life at given times."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import text

from sublet.billing import meters, settlement
from sublet.billing.policy import Policy
from sublet.catalog.meter_kinds import MeterKind
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.money import Money, Rate
from sublet.ledger import holds
from tests.ledger.books import key, new_wallet, usd
from tests.support.policy import DEFAULT_POLICY

RATE = Rate.parse("0.36", "USD")  # 100 micro-dollars a second
SUSPENDED_RATE = Rate.parse("0.036", "USD")
POLICY = Policy(data_kept_days=14, settle_interval_seconds=3600, detection_seconds=60, grace_seconds=900)
EAGER = Policy(data_kept_days=14, settle_interval_seconds=1)
A_DOLLAR_AN_HOUR = Rate.parse("1", "USD")


@dataclass(frozen=True)
class Subject:
    """A metered subject, its organization and hold, and when it started."""

    id: str
    organization: str
    hold_id: int
    started_at: datetime
    sku_id: str
    price_id: str

    def at(self, seconds: float) -> datetime:
        """The time so many seconds after the start."""
        return self.started_at + timedelta(seconds=seconds)


async def new_subject(
    session: Session,
    *,
    funds: str = "20",
    rate: Rate = RATE,
    suspended_rate: Rate = SUSPENDED_RATE,
    disk_rate: Rate | None = None,
    started_ago: float = 100_000,
    held: Money | None = None,
    organization: str | None = None,
    subject_id: str | None = None,
    name: str | None = None,
    meter_kind: MeterKind = MeterKind.COMPUTE,
    policy: Policy = DEFAULT_POLICY,
) -> Subject:
    """A subject that started `started_ago` seconds ago and was not observed since."""
    organization = organization or await new_wallet(session, funds)
    subject_id = subject_id or key("al")
    hold = await holds.place(
        session, organization, held or policy.hold_for(rate), subject_id=subject_id, idempotency_key=key()
    )
    sku_id, price_id = await _new_price(session, rate, suspended_rate, disk_rate)
    started_at = await database_now(session) - timedelta(seconds=started_ago)
    await meters.start(
        session,
        subject_id,
        organization,
        hold.id,
        meter_kind=meter_kind,
        sku_id=sku_id,
        node_id="nd_1",
        price_id=price_id,
        nano_per_hour=rate.nano_per_hour,
        suspended_nano_per_hour=suspended_rate.nano_per_hour,
        disk_nano_per_hour=None if disk_rate is None else disk_rate.nano_per_hour,
        currency="USD",
        at=started_at,
        name=name,
        policy=policy,
    )
    return Subject(subject_id, organization, hold.id, started_at, sku_id, price_id)


async def _new_price(session: Session, rate: Rate, suspended_rate: Rate, disk_rate: Rate | None) -> tuple[str, str]:
    """The ids of a new SKU and of its price."""
    made = {"sku_id": key("sku"), "code": f"shape-{uuid4().hex}", "price_id": key("prc")}
    await session.execute(
        text(
            "INSERT INTO sku (id, code, name, vcpu, memory_mib, disk_gib, gpu_count) "
            "VALUES (:sku_id, :code, 'A shape', 1, 1024, 10, 0)"
        ),
        {"sku_id": made["sku_id"], "code": made["code"]},
    )
    await session.execute(
        text(
            "INSERT INTO price (id, sku_id, currency, nano_per_hour, suspended_nano_per_hour, suspended_claim, "
            "suspended_claim_hours, disk_nano_per_hour, effective_at) "
            "VALUES (:price_id, :sku_id, 'USD', :rate, :suspended, :claim, :hours, :disk, clock_timestamp())"
        ),
        {
            "price_id": made["price_id"],
            "sku_id": made["sku_id"],
            "rate": rate.nano_per_hour,
            "suspended": suspended_rate.nano_per_hour,
            "claim": "always" if disk_rate is None else "hours",
            "hours": None if disk_rate is None else 4,
            "disk": None if disk_rate is None else disk_rate.nano_per_hour,
        },
    )
    return made["sku_id"], made["price_id"]


async def new_running(session: Session, funds_usd: str, **options: object) -> Subject:
    """A subject that has just begun to run at a dollar an hour, with so much in its wallet."""
    return await new_subject(
        session,
        funds=funds_usd,
        rate=A_DOLLAR_AN_HOUR,
        suspended_rate=Rate(0, "USD"),
        started_ago=0,
        held=usd("0.50"),
        policy=POLICY,
        **options,  # type: ignore[arg-type]  # the factory's own options
    )


async def observe_until(session: Session, subject: Subject, seconds: float, *, since: float = 0) -> None:
    """Observations every four minutes from `since` to `seconds` after the start."""
    moment = since
    while moment < seconds:
        moment = min(moment + 240, seconds)
        await meters.observe(session, {subject.id}, subject.at(moment), policy=DEFAULT_POLICY)


async def age(session: Session, subject: Subject, seconds: float) -> None:
    """Let so much more time have passed for the subject."""
    await session.execute(
        text(
            "UPDATE meter_segment SET metered_to = metered_to - make_interval(secs => :seconds), "
            "posted_to = posted_to - make_interval(secs => :seconds), "
            "period = tstzrange(lower(period) - make_interval(secs => :seconds), upper(period)) "
            "WHERE subject_id = :id"
        ),
        {"id": subject.id, "seconds": seconds},
    )


async def settle_due(session: Session, *, policy: Policy = DEFAULT_POLICY) -> int:
    """What the scheduled task does, in one transaction: a batch, and singly what it leaves. How many it took."""
    batch = await settlement.settle_due(session, policy=policy)
    await settlement.settle_singly(session, batch.left, policy=policy)
    return batch.taken


async def charged_micro(session: Session, subject: Subject) -> int:
    """What the subject was charged in all."""
    found = await session.execute(
        text("SELECT coalesce(sum(amount), 0)::bigint FROM usage_charge WHERE subject_id = :id"), {"id": subject.id}
    )
    return int(found.scalar_one())


async def unmetered_seconds(session: Session, subject: Subject) -> float:
    """Time of the subject that nobody can prove."""
    found = await session.execute(
        text(
            "SELECT coalesce(sum(extract(epoch FROM upper(period) - lower(period))), 0) FROM unmetered_interval "
            "WHERE subject_id = :id"
        ),
        {"id": subject.id},
    )
    return float(found.scalar_one())


async def known_of(session: Session, subject: Subject) -> list[Any]:
    """The meter of a subject, its segments and its unmetered time."""
    tables = ("meter", "meter_segment", "unmetered_interval")
    found = [
        await session.execute(text(f"SELECT * FROM {table} WHERE subject_id = :id ORDER BY 1"), {"id": subject.id})
        for table in tables
    ]
    return [result.all() for result in found]
