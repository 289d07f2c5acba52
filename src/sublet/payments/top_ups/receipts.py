"""The receipt of a payment: one document that needs nothing else, for people and their bookkeeping."""

from html import escape
from typing import Any

from sqlalchemy import Row, select

from sublet.core.actors import Actor
from sublet.core.db import Session
from sublet.core.errors import Conflict
from sublet.core.money import Money
from sublet.identity import organizations
from sublet.payments.models import saved_card
from sublet.payments.top_ups.states import TopUpState

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Receipt {id}</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; padding: .4rem 0; border-bottom: 1px solid #8884; vertical-align: top }}
td {{ text-align: right; overflow-wrap: anywhere }}
</style>
</head>
<body>
<h1>Receipt</h1>
<table>
{lines}
</table>
<p>Prepaid balance for Sublet. What is spent of it stands in the ledger, line by line.</p>
</body>
</html>
"""


async def document(session: Session, actor: Actor, row: Row[tuple[Any, ...]]) -> str:
    """The receipt as HTML; Conflict for a payment that has not arrived."""
    if row.state != TopUpState.SUCCEEDED:
        raise Conflict(f"Top-up {row.id} is {row.state}: there is a receipt once the money has arrived.")
    paid = Money(row.amount if row.credited is None else row.credited, row.currency)
    facts = {
        "Receipt": row.id,
        "Paid by": (await organizations.names(session, [actor.organization]))[actor.organization],
        "Paid at": f"{row.completed_at:%Y-%m-%d %H:%M} UTC",
        "Amount": str(paid),
        "Purpose": "Auto top-up" if row.purpose == "auto_top_up" else "Top-up",
        "Paid with": await _card(session, row),
        "Payment": row.payment_intent_id,
    }
    lines = "\n".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in facts.items()
    )
    return _PAGE.format(id=escape(row.id), lines=lines)


async def _card(session: Session, row: Row[tuple[Any, ...]]) -> str:
    if row.saved_card_id is None:
        return "Card, on the payment page"
    card = (await session.execute(select(saved_card).where(saved_card.c.id == row.saved_card_id))).one()
    return f"{card.brand} ending in {card.last4}"
