"""States of refunds, their requests, disputes and payouts: every arrow happens, every other is refused, twice."""

import pytest
from sqlalchemy import text

from sublet.core.db import Database
from sublet.core.errors import Conflict
from sublet.payments.disputes import states as disputes
from sublet.payments.payouts import states as payouts
from sublet.payments.refund_requests import states as requests
from sublet.payments.refunds import states as refunds
from tests.allocations.rental import customer
from tests.invariants.test_operator_actions import ADD_TOP_UP
from tests.payments.shop import operator
from tests.support.arrows import Machine

pytestmark = pytest.mark.anyio

REFUNDS = Machine(
    "refund",
    """
    pending    → succeeded failed canceled
    succeeded  → failed
    failed
    canceled
    """,
    companions="completed_at = CASE WHEN :to <> 'pending' THEN now() END",
)
REQUESTS = Machine(
    "refund_request",
    """
    requested → granted declined withdrawn
    granted
    declined
    withdrawn
    """,
    companions="decided_by = CASE WHEN :to <> 'requested' THEN 'usr_1' END, "
    "decided_at = CASE WHEN :to <> 'requested' THEN now() END",
)
DISPUTES = Machine(
    "dispute",
    """
    seen    → inquiry closed open won lost
    inquiry → closed open won lost
    closed  → open won lost
    open    → won lost
    won
    lost
    """,
    companions="decided_at = CASE WHEN :to IN ('closed', 'won', 'lost') THEN now() END",
)
PAYOUTS = Machine(
    "payout",
    """
    created    → in_transit paid failed canceled
    in_transit → paid failed canceled
    paid       → failed
    failed
    canceled
    """,
    companions="ended_at = CASE WHEN :to IN ('paid', 'failed', 'canceled') THEN now() END",
)
ADD = {
    "refund": "INSERT INTO refund (id, organization_id, top_up_id, origin, requested_by, requested_by_name, amount, "
    "currency, reason, entry_id, owed) SELECT 'x', organization_id, id, 'operator', 'usr_1', 'Ada', amount, currency, "
    "'asked for', 1, 0 FROM top_up",
    "refund_request": "INSERT INTO refund_request (id, organization_id, top_up_id, requested_by, amount, currency, "
    "reason) SELECT 'x', organization_id, id, 'usr_1', amount, currency, 'not wanted' FROM top_up",
    "dispute": "INSERT INTO dispute (id, processor_id, organization_id, top_up_id, amount, currency, reason, "
    "disputed_at) SELECT 'x', 'du_x', organization_id, id, amount, currency, 'general', now() FROM top_up",
    "payout": "INSERT INTO payout (id, processor_id, amount, currency, automatic, arrives_on, created_at) "
    "VALUES ('x', 'po_x', 1000000, 'USD', true, now(), now())",
}
EVENTS = {"refund": "refund.%", "refund_request": "refund_request.%", "dispute": "dispute.%", "payout": "payout.%"}


@pytest.mark.parametrize("machine", [REFUNDS, REQUESTS, DISPUTES, PAYOUTS], ids=lambda machine: machine.table)
async def test_every_change_of_the_table_and_no_other(database: Database, machine: Machine) -> None:
    payer = await customer(database, "0.00")
    async with database.transaction() as session:
        await session.execute(text(ADD_TOP_UP), {"id": "tu_1", "organization_id": payer.organization})
        await session.execute(text(ADD[machine.table]))

        async def attempt(to: str) -> bool:
            try:
                if machine is REFUNDS:
                    await refunds.move(session, "x", refunds.RefundState(to), reason="tried")
                elif machine is REQUESTS:
                    state = requests.RefundRequestState(to)
                    await requests.move(session, operator("ada"), "x", state, reason="tried")
                elif machine is PAYOUTS:
                    await payouts.move(session, "x", payouts.PayoutState(to), reason="tried")
                else:
                    await disputes.move(session, "x", disputes.DisputeState(to), reason="tried")
            except Conflict:
                return False
            told = text("SELECT type FROM outbox_event WHERE type LIKE :like")
            assert len((await session.execute(told, {"like": EVENTS[machine.table]})).all()) == 1
            return True

        assert await machine.allowed_by(session, "x", attempt) == machine.arrows
        assert await machine.allowed_by_postgresql(session, "x") == machine.arrows
