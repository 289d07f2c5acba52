"""A payment can be asked back, and refunded, where the command is accepted, and nowhere else."""

import pytest
from sqlalchemy import text

from sublet.core.actors import Actor, Permission
from sublet.core.db import Database, Session
from sublet.core.money import Money
from sublet.identity.permissions import PLATFORM_ROLES, ROLES
from sublet.ledger import refunds, top_ups
from sublet.payments.refund_requests.requests import MOST_OF_A_PAYMENT
from sublet.payments.refund_requests.states import RefundRequestState, move
from tests.allocations.rental import customer
from tests.invariants.test_operator_actions import ADD_TOP_UP, ARRIVED
from tests.support.asking import Asking, walks

pytestmark = pytest.mark.anyio

TEN = Money.parse("10", "USD")
ASK = text(
    "INSERT INTO refund_request (id, organization_id, top_up_id, requested_by, amount, currency, reason) "
    "VALUES (:request_id, :organization_id, :id, 'usr_1', 1000000, 'USD', 'not wanted')"
)
DISPUTE = text(
    "INSERT INTO dispute (id, processor_id, organization_id, top_up_id, amount, currency, reason, disputed_at) "
    "VALUES ('dsp_1', 'du_1', :organization_id, :id, 1000000, 'USD', 'general', now())"
)
CASES = ("untouched", "asked back", "asked back too often", "sent back", "disputed")


async def _ask(session: Session, owner: Actor, top_up_id: str, *, times: int = 1, withdrawn: bool = False) -> None:
    for time in range(times):
        request_id = f"{top_up_id}_{time}"
        about = {"id": top_up_id, "organization_id": owner.organization, "request_id": request_id}
        await session.execute(ASK, about)
        if withdrawn:
            await move(session, owner, request_id, RefundRequestState.WITHDRAWN, reason="changed my mind")


async def _one_of_each(database: Database, owner: Actor) -> dict[str, str]:
    """A payment of ten dollars in each case, by its top-up."""
    made = {f"tu_{place}": case for place, case in enumerate(CASES)}
    async with database.transaction() as session:
        for top_up_id, case in made.items():
            row = {"id": top_up_id, "organization_id": owner.organization}
            await session.execute(text(ADD_TOP_UP), row)
            await session.execute(text(ARRIVED), row)
            of_it = {"payment_intent_id": top_up_id, "charge_id": top_up_id, "source_id": top_up_id}
            await top_ups.credit(session, owner.organization, TEN, **of_it)
            if case == "asked back":
                await _ask(session, owner, top_up_id)
            elif case == "asked back too often":
                await _ask(session, owner, top_up_id, times=MOST_OF_A_PAYMENT, withdrawn=True)
            elif case == "sent back":
                of_it = {"charge_id": top_up_id, "refund_id": "rf_1"}
                assert await refunds.begin(session, owner.organization, TEN, **of_it, made=False) is not None
            elif case == "disputed":
                await session.execute(DISPUTE, row)
                await session.execute(text("UPDATE dispute SET state = 'open'"))
    return made


class TestPayments:
    @walks("PaymentOut")
    async def test_are_offered_what_they_accept_in_every_case(self, database: Database, asking: Asking) -> None:
        owner = await customer(database, "0.00")
        made, offered = await _one_of_each(database, owner), set()
        own = [("/payments", "/refund-requests", role, held) for role, held in ROLES.items()]
        theirs = f"/admin/payments?organization_id={owner.organization}"
        operators = [(theirs, "/admin/refunds", f"platform {role}", held) for role, held in PLATFORM_ROLES.items()]
        for listed_at, command, role, held in own + operators:
            if not held & {Permission.WALLET_READ, Permission.ADMIN_REFUND_READ}:
                continue
            asking.actor = Actor("user", owner.user_id, owner.organization, permissions=held)
            for one in (await asking.get(listed_at))["items"]:
                [action] = one["actions"]
                body = {"top_up_id": one["top_up_id"], "amount": "1.00", "reason": "not wanted"}
                await asking.agrees(one["actions"], action["name"], "POST", command, **body)
                if action["allowed"]:
                    offered.add((role, made[one["top_up_id"]], action["name"]))
        payers = {(role, "untouched", "request_refund") for role in ("owner", "admin", "billing")}
        left = ("untouched", "asked back", "asked back too often")
        deciders = {(f"platform {role}", case, "refund") for role in ("finance", "admin") for case in left}
        assert offered == payers | deciders
