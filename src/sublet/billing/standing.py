"""How an organization stands: how long its money lasts, how far the funds clock has run, and what its spending limits
leave."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import text

from sublet.billing.charges import seconds_covered
from sublet.billing.funds import Clock
from sublet.billing.policy import Policy
from sublet.billing.runway import BURNING, UNPAID, Level, Runway, runway_of
from sublet.billing.spend import SpendingLimit, limits_of
from sublet.core.db import Session
from sublet.core.money import Money, Rate


@dataclass(frozen=True, slots=True)
class Standing:
    """An organization's runway, funds clock and spending limits in one currency."""

    runway: Runway
    clock: Clock
    limits: tuple[SpendingLimit, ...] = ()
    data_kept_until: datetime | None = None
    """When what is suspended is released, unless enough comes in for it to run again; None while nothing is to be."""

    @property
    def warning(self) -> Level | None:
        """The threshold that the runway is under, or how far the clock has run since it was used up."""
        return self.clock.level if self.clock.blocks_launch else self.runway.warning

    @property
    def suspend_at(self) -> datetime | None:
        """When the grace ends."""
        return self.clock.suspend_at

    @property
    def out_of_funds(self) -> bool:
        """Whether nothing may start or resume until enough money comes in."""
        return self.clock.blocks_launch

    @property
    def suspended(self) -> bool:
        """Whether the grace is over, so that what ran was suspended and resumes by itself once there is money."""
        return self.clock.level == "suspended"

    def bears(self, more: Rate, *, policy: Policy) -> bool:
        """Whether the money lasts longer than the reserve if that much more were spent."""
        covered = seconds_covered(self.runway.left.micro, self.runway.burn.nano_per_hour + more.nano_per_hour)
        return covered is None or covered > policy.reserve_seconds

    def limit_against(
        self, more: Rate, *, subject_id: str | None, policy: Policy, beside: Rate | None = None
    ) -> SpendingLimit | None:
        """The spending limit that does not let that much more be spent, by this subject; None if all do.

        `beside` is what others will spend more, which the limits of the organization bear too.
        """
        whole = more if beside is None else more + beside
        rates = ((limit, more if limit.subject_id else whole) for limit in self.limits)
        asked = ((limit, rate) for limit, rate in rates if limit.subject_id in {None, subject_id})
        return next((limit for limit, rate in asked if not limit.bears(rate.nano_per_hour, policy=policy)), None)


_STANDINGS = text(
    f"""
    SELECT f.owner_id AS organization_id, f.currency, f.total - {UNPAID} AS left,
           coalesce(b.burn, 0) AS burn, c.level, c.grace_ends_at, d.deletes_at
      FROM ledger.funds f
      LEFT JOIN ({BURNING.format(scope="AND m.organization_id = :organization_id")}) b
        ON b.organization_id = f.owner_id AND b.currency = f.currency
      LEFT JOIN funds_clock c ON c.organization_id = f.owner_id AND c.currency = f.currency
      LEFT JOIN data_clock d ON d.organization_id = f.owner_id AND d.currency = f.currency
     WHERE f.owner_id = :organization_id
    """  # noqa: S608 - only constant expressions
)


async def standings(session: Session, organization_id: str, *, policy: Policy) -> dict[str, Standing]:
    """How the organization stands, by currency; it has none in a currency in which it has no wallet.

    One statement, for lists: the spending limits are left out.
    """
    about = {"organization_id": organization_id, "evidence_gap_seconds": policy.evidence_gap_seconds}
    rows = (await session.execute(_STANDINGS, about)).all()
    return {
        row.currency: Standing(
            runway_of(row, policy), Clock(row.level, row.grace_ends_at), data_kept_until=row.deletes_at
        )
        for row in rows
    }


async def standing(session: Session, organization_id: str, *, currency: str, policy: Policy) -> Standing:
    """How the organization stands in a currency, with its spending limits; without a wallet it has nothing and spends
    nothing."""
    found = (await standings(session, organization_id, policy=policy)).get(currency)
    if found is None:
        return Standing(Runway(organization_id, Rate(0, currency), Money.zero(currency), None), Clock(None, None))
    limits = await limits_of(session, organization_id, policy=policy)
    return replace(found, limits=tuple(limit for limit in limits if limit.currency == currency))
