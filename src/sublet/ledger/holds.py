"""Holds: money set aside before anything runs, promotional money first."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import bindparam, select

from sublet.core.db import Session
from sublet.core.errors import NotFound
from sublet.core.money import Money
from sublet.ledger import wallets
from sublet.ledger.failures import InsufficientFunds
from sublet.ledger.functions import call, call_for_id, rows
from sublet.ledger.models import hold, wallet


@dataclass(frozen=True, slots=True)
class Hold:
    """Money of one organization set aside for one subject."""

    id: int
    organization_id: str
    subject_id: str
    amount: Money
    captured: Money
    released: Money
    closed: bool

    @property
    def rest(self) -> Money:
        """What can still be taken from it."""
        return self.amount - self.captured - self.released


_HOLD = (
    select(
        hold.c.id,
        wallet.c.owner_id,
        wallet.c.currency,
        hold.c.subject_id,
        hold.c.amount,
        hold.c.captured,
        hold.c.released,
        hold.c.closed,
    )
    .join_from(hold, wallet, wallet.c.id == hold.c.wallet_id)
    .where(hold.c.id == bindparam("id"))
)
_OPEN_SUBJECTS = select(hold.c.subject_id).where(~hold.c.closed).order_by(hold.c.subject_id)


async def get(session: Session, hold_id: int) -> Hold:
    """One hold; NotFound if there is none of that id."""
    row = (await session.execute(_HOLD, {"id": hold_id})).one_or_none()
    if row is None:
        raise NotFound("hold", str(hold_id))
    return Hold(
        row.id,
        row.owner_id,
        row.subject_id,
        Money(row.amount, row.currency),
        Money(row.captured, row.currency),
        Money(row.released, row.currency),
        row.closed,
    )


async def open_subjects(session: Session) -> list[str]:
    """The subjects that money is set aside for."""
    return list((await session.execute(_OPEN_SUBJECTS)).scalars())


async def place(
    session: Session, organization_id: str, amount: Money, *, subject_id: str, idempotency_key: str
) -> Hold:
    """Set money aside for a subject; InsufficientFunds if the wallet has less available, and nothing changed then."""
    return await _place(session, organization_id, amount, kind="spending", subject_id=subject_id, key=idempotency_key)


async def withhold(
    session: Session, organization_id: str, amount: Money, *, subject_id: str, idempotency_key: str
) -> Hold:
    """Set money aside that the organization may not spend: nothing that runs can go on for it.

    InsufficientFunds if the wallet has less available, and nothing changed then.
    """
    return await _place(session, organization_id, amount, kind="withheld", subject_id=subject_id, key=idempotency_key)


async def _place(
    session: Session, organization_id: str, amount: Money, *, kind: str, subject_id: str, key: str
) -> Hold:
    placed = await call(
        session,
        "place_hold",
        owner=organization_id,
        currency=amount.currency,
        amount=amount.micro,
        subject=subject_id,
        kind=kind,
        key=key,
    )
    if placed is None:
        funds = await wallets.wallet(session, organization_id, currency=amount.currency)
        raise InsufficientFunds.for_hold(amount, funds.available)
    await wallets.announce(session, organization_id, currency=amount.currency)
    return await get(session, placed)


async def extend(session: Session, hold_id: int, amount: Money, *, idempotency_key: str) -> Hold:
    """Set more aside; InsufficientFunds if there is not enough, HoldExhausted if the hold is closed."""
    extended = await call(session, "extend_hold", hold=hold_id, amount=amount.micro, key=idempotency_key)
    found = await get(session, hold_id)
    if extended is None:
        funds = await wallets.wallet(session, found.organization_id, currency=amount.currency)
        raise InsufficientFunds.for_hold(amount, funds.available)
    await wallets.announce(session, found.organization_id, currency=amount.currency)
    return found


async def extend_many(session: Session, micro_by_hold: Mapping[int, int]) -> set[int]:
    """Extend many holds at once, each only if its wallet can bear it; returns those extended.

    Of a wallet that cannot bear all that is asked of it, those behind the first too many are left to `extend`. The
    amounts are what is missing now, so calling again with what is missing then adds nothing twice.
    """
    return await _change_many(session, "extend_holds", micro_by_hold)


async def shrink_many(session: Session, micro_by_hold: Mapping[int, int]) -> set[int]:
    """Give back of many holds what is too much, as far as they have it; returns those that are smaller now.

    The amounts are what is too much now, so calling again with what is too much then gives nothing back twice.
    """
    return await _change_many(session, "shrink_holds", micro_by_hold)


async def lock_wallets(session: Session, hold_ids: Collection[int]) -> None:
    """Lock the wallets of many holds in the order that everybody keeps.

    For transactions that change wallets in more than one step: who locks some of them step by step, and who does so in
    another order, would wait for each other.
    """
    await rows(session, "lock_wallets_of", holds=list(hold_ids))


async def _change_many(session: Session, function: str, micro_by_hold: Mapping[int, int]) -> set[int]:
    if not micro_by_hold:
        return set()
    changed = await rows(session, function, holds=list(micro_by_hold), amounts=list(micro_by_hold.values()))
    done = set(changed.scalars())
    await wallets.announce_holders(session, done)
    return done


async def release(session: Session, hold_id: int, *, idempotency_key: str) -> Hold:
    """Give the rest back to where it came from and close the hold; a closed hold stays as it is."""
    await call_for_id(session, "release_hold", hold=hold_id, key=idempotency_key)
    found = await get(session, hold_id)
    await wallets.announce(session, found.organization_id, currency=found.amount.currency)
    return found
