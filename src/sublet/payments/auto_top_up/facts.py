"""What is known of an organization's auto top-up, read in one place for those who show it and those who charge."""

from decimal import Decimal
from typing import Any

from sqlalchemy import Row, text

from sublet.billing import standing
from sublet.billing.policy import Policy
from sublet.core.db import Session
from sublet.core.money import Money
from sublet.findings import launches
from sublet.payments.auto_top_up.decision import Known
from sublet.payments.top_ups.requests import LIMITS

AutoTopUpRow = Row[tuple[Any, ...]]

_SO_FAR = text(
    """
    SELECT charged, declines, under_way,
           EXTRACT(epoch FROM clock_timestamp() - latest) AS seconds_since_last,
           (SELECT EXTRACT(epoch FROM m.ends_at - clock_timestamp()) FROM ledger.present_month m)
             AS seconds_until_next_month,
           EXISTS (SELECT FROM saved_card WHERE organization_id = :organization_id AND is_default) AS has_card
      FROM auto_top_up_so_far(:organization_id, :currency, :since)
    """
)


async def known(session: Session, row: AutoTopUpRow, *, policy: Policy) -> tuple[Known, str | None]:
    """What a decision about one wallet rests on, and the top-up that is under way for it, if one is."""
    about = {"organization_id": row.organization_id, "currency": row.currency, "since": row.set_at}
    so_far = (await session.execute(_SO_FAR, about)).one()
    stands = await standing.standing(session, row.organization_id, currency=row.currency, policy=policy)

    def money(micro: int) -> Money:
        return Money(micro, row.currency)

    def seconds(found: Decimal | None) -> float | None:
        return None if found is None else float(found)

    found = Known(
        enabled=row.enabled,
        funds=stands.runway.left,
        threshold=money(row.threshold),
        amount=money(row.amount),
        monthly_cap=money(row.monthly_cap),
        charged_this_month=money(so_far.charged),
        largest=LIMITS[row.currency][1],
        declines=so_far.declines,
        under_way=so_far.under_way is not None,
        has_card=so_far.has_card,
        taken_back=await launches.are_stopped(session, row.organization_id),
        seconds_since_last=seconds(so_far.seconds_since_last),
        seconds_until_next_month=seconds(so_far.seconds_until_next_month),
    )
    return found, so_far.under_way
