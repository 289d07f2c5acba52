"""How much promotional money operators give without a second person: so much in a month of the books and a currency.

What a code could give counts when the code is made, all of its uses together. What an adjustment gives counts too: it
is credit without an end, or pays what is owed. What a second person approved does not count: it was looked at.
"""

from dataclasses import dataclass

from sqlalchemy import text

from sublet.core.db import Session
from sublet.core.locks import Space, alone
from sublet.core.money import Money
from sublet.ledger import adjustments, months

_GIVEN = text(
    """
    SELECT (SELECT coalesce(sum(g.amount), 0) FROM credit_grant g
             WHERE g.currency = :currency AND g.approval_id IS NULL AND g.created_at >= :since)
         + (SELECT coalesce(sum(c.amount * c.most_uses), 0) FROM promo_code c
             WHERE c.currency = :currency AND c.approval_id IS NULL AND c.created_at >= :since)
    """
)


@dataclass(frozen=True, slots=True)
class Budget:
    """What operators may give alone this month, and what of it they have given."""

    whole: Money
    given: Money

    @property
    def left(self) -> Money:
        """What one operator can still give alone."""
        return Money(max(0, self.whole.micro - self.given.micro), self.whole.currency)


async def read(session: Session, *, a_month: str, currency: str) -> Budget:
    """How the budget of this month stands."""
    since = await months.began(session)
    given = (await session.execute(_GIVEN, {"currency": currency, "since": since})).scalar_one()
    adjusted = await adjustments.alone(session, currency=currency, given=True, since=since)
    return Budget(Money.parse(a_month, currency), Money(int(given), currency) + adjusted)


async def lock(session: Session, *, a_month: str, currency: str) -> Budget:
    """The same, and until the session ends nobody else gives out of it."""
    await alone(session, Space.CREDIT_BUDGET, currency)
    return await read(session, a_month=a_month, currency=currency)
