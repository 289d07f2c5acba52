"""Charges: delivered usage becomes revenue, out of the money that was set aside for it."""

from collections.abc import Mapping
from datetime import datetime

from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.money import Money
from sublet.ledger import entries, holds, wallets
from sublet.ledger.entries import LedgerEntry
from sublet.ledger.functions import call_for_id, rows


async def capture(
    session: Session,
    hold_id: int,
    amount: Money,
    *,
    meter_kind: str,
    source_type: str,
    source_id: str,
    idempotency_key: str,
    description: str,
    effective_at: datetime | None = None,
    delivered_to: datetime | None = None,
    overrun: bool = False,
) -> LedgerEntry:
    """Take a charge from a hold, promotional money first, then the wallet; it is revenue of that kind of meter.

    Promotional money pays what was `delivered_to` (if it is not given, `effective_at`) before it expired.
    HoldExhausted if the hold covers less, unless `overrun`: then free promotional money, free money of the wallet and
    finally the receivable bear what the hold does not.
    """
    entry_id = await call_for_id(
        session,
        "capture",
        hold=hold_id,
        amount=amount.micro,
        overrun=overrun,
        meter_kind=meter_kind,
        key=idempotency_key,
        description=description,
        source_type=source_type,
        source_id=source_id,
        effective_at=effective_at or await database_now(session),
        delivered_to=delivered_to,
    )
    hold = await holds.get(session, hold_id)
    await wallets.announce(session, hold.organization_id, currency=amount.currency)
    return await entries.get(session, entry_id)


async def capture_batch(
    session: Session,
    micro_by_hold: Mapping[int, int],
    *,
    currency: str,
    meter_kind: str,
    settlement_id: str,
    idempotency_key: str,
    description: str,
    effective_at: datetime,
) -> dict[int, int]:
    """Charge many holds in one entry, promotional money first; returns hold → entry for those that could be charged.

    Holds that do not cover their charge, or whose wallet has promotional money that expired, are left for `capture`.
    Every organization charged reads `settlement_id` and the description of the one entry, so neither names anybody.
    """
    if not micro_by_hold:
        return {}
    charged = await rows(
        session,
        "capture_batch",
        selected="array_agg(charged_hold_id) AS hold_ids, min(charged_entry_id) AS entry_id",
        holds=list(micro_by_hold),
        amounts=list(micro_by_hold.values()),
        currency=currency,
        meter_kind=meter_kind,
        key=idempotency_key,
        description=description,
        source_type="settlement",
        source_id=settlement_id,
        effective_at=effective_at,
    )
    one = charged.one()
    entry_of: dict[int, int] = dict.fromkeys(one.hold_ids or (), one.entry_id)
    await wallets.announce_holders(session, entry_of)
    return entry_of
