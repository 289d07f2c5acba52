"""One call of each function that the application may execute and that writes to the books, as SQL.

Tests walk it and hold it against the database: a function that is new fails them until it has its call here.
"""

from dataclasses import dataclass

import psycopg
from sqlalchemy import text

from sublet.core.db import Database
from sublet.ledger import holds, top_ups
from tests.ledger.books import charge, grant, grant_that_ends, key, lot_of, new_hold, new_wallet, usd

WRITING = """
    SELECT proname FROM pg_proc
     WHERE pronamespace = 'ledger'::regnamespace AND provolatile = 'v'
       AND has_function_privilege('sublet_app', oid, 'EXECUTE')
"""
"""The functions that the application may execute and that may write."""


@dataclass(frozen=True, slots=True)
class Books:
    """Something of everything in the books: what the calls are about.

    `paid` is the charge of a card payment of somebody who has a refund on its way, `owing` has money and owes some, and
    `over` is a lot that has expired.
    """

    organization: str
    hold: int
    charged: int
    granted: int
    paid: str
    refund: int
    owing: str
    over: int

    @classmethod
    async def made(cls, database: Database) -> "Books":
        """A wallet with 20.00, a hold of 5.00 in it of which 1.00 is charged, and a credit of somebody else."""
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            hold = await new_hold(session, organization, "5")
            charged = await charge(session, hold.id, "1")
            granted = await grant(session, await new_wallet(session), "3")
            payer, paid = await new_wallet(session), key("ch")
            card = {"payment_intent_id": key("pi"), "charge_id": paid, "source_id": key("tu")}
            await top_ups.credit(session, payer, usd("10"), **card)
            asked = text("SELECT ledger.refund(:charge, 1000000, false, :key, 'd', 're')")
            refund = (await session.execute(asked, {"charge": paid, "key": key()})).scalar_one()
            owing = await new_wallet(session, "10")
            about = {"subject_id": key("tu"), "idempotency_key": key()}
            withheld = await holds.withhold(session, owing, usd("9"), **about)
            await charge(session, (await new_hold(session, owing, "1")).id, "2", overrun=True)
            await holds.release(session, withheld.id, idempotency_key=key())
            over = await lot_of(session, await grant_that_ends(session, await new_wallet(session), "3"))
        return cls(organization, hold.id, charged, granted, paid, refund, owing, over)

    def arguments(self) -> dict[str, object]:
        """The arguments that the calls name; the key is another each time."""
        return {
            "organization": self.organization,
            "hold": self.hold,
            "charged": self.charged,
            "granted": self.granted,
            "paid": self.paid,
            "refund": self.refund,
            "owing": self.owing,
            "over": self.over,
            "key": key(),
            "card": key("pi"),
            "charge": key("ch"),
        }


POSTING = {
    "capture": "ledger.capture(%(hold)s, 1000, false, 'compute', %(key)s, 'd', 'subject', 'al', {at})",
    "capture_batch": "ledger.capture_batch(ARRAY[%(hold)s::bigint], ARRAY[1000::bigint], 'USD', 'compute', %(key)s, "
    "'d', 'settlement', 'stl', {at})",
    "top_up": "ledger.top_up(%(organization)s, 'USD', 1000000, %(card)s, %(charge)s, 'd', 'top_up', 'tu')",
    "stripe_fee": "ledger.stripe_fee('USD', 1000, %(key)s, 'd', 'top_up', 'tu')",
    "grant_credit": "ledger.grant_credit(%(organization)s, 'USD', 1000, %(key)s, 'd')",
    "expire_credit": "ledger.expire_credit(%(over)s, 'd')",
    "service_credit": "ledger.service_credit(%(organization)s, 'USD', 1000, %(key)s, 'd', 'al')",
    "reverse": "ledger.reverse(%(granted)s, %(key)s, 'd')",
    "refund": "ledger.refund(%(paid)s, 1000, false, %(key)s, 'd', 're')",
    "refund_succeeded": "ledger.refund_succeeded(%(refund)s, %(key)s, 'd', 're')",
    "refund_failed": "ledger.refund_failed(%(refund)s, %(paid)s, false, %(key)s, 'd', 're')",
    "dispute_moved": "ledger.dispute_moved('USD', 1000, 0, false, %(key)s, 'd', 'dp')",
    "dispute_lost": "ledger.dispute_lost(%(paid)s, 1000, %(key)s, 'd', 'dp')",
    "pay_owed": "ledger.pay_owed(%(owing)s, 'USD', 'd')",
    "adjust": "ledger.adjust(%(organization)s, 'USD', 1000, true, %(key)s, 'd', 'adj')",
    "exchange": "ledger.exchange('USD', 1000, 'GBP', 900, true, %(key)s, 'd', 'charge', 'ch')",
    "suspend": "ledger.suspend('USD', 1000, true, %(key)s, 'd', 'balance_transaction', 'txn')",
    "payout": "ledger.payout('USD', 1000, false, %(key)s, 'd', 'po')",
    "payout_arrived": "ledger.payout_arrived('USD', 1000, true, %(key)s, 'd', 'po')",
}
"""What makes an entry. `{at}` is its own time, where the function is told one; the others take the present."""

KEEPING = {
    "open_wallet": "ledger.open_wallet(%(key)s, 'USD')",
    "place_hold": "ledger.place_hold(%(organization)s, 'USD', 1000, 'al', 'spending', %(key)s)",
    "extend_hold": "ledger.extend_hold(%(hold)s, 1000, %(key)s)",
    "extend_holds": "ledger.extend_holds(ARRAY[%(hold)s::bigint], ARRAY[1000::bigint])",
    "release_hold": "ledger.release_hold(%(hold)s, %(key)s)",
    "shrink_holds": "ledger.shrink_holds(ARRAY[%(hold)s::bigint], ARRAY[1000::bigint])",
    "lock_wallets_of": "ledger.lock_wallets_of(ARRAY[%(hold)s::bigint])",
    "seal_ranges": "ledger.seal_ranges(1000)",
    "keep_calendar": "ledger.keep_calendar('Europe/Berlin')",
    "close_month": "ledger.close_month('2020-01', 'usr')",
    "name_corrected": "ledger.name_corrected(%(charged)s, '2020-01')",
}
"""What moves nothing between accounts."""


def statement(call: str, *, at: str = "clock_timestamp()") -> str:
    """The call as a statement."""
    return f"SELECT * FROM {call.format(at=at)}"


def postings(connection: psycopg.Connection[tuple[object, ...]]) -> int:
    """How many lines there are."""
    row = connection.execute("SELECT count(*) FROM ledger.posting").fetchone()
    assert row is not None
    return int(str(row[0]))
