"""Suspended and resumed, by the customer or by what happens to the money."""

import pytest
from sqlalchemy import text

from sublet.allocations import funds
from sublet.allocations.states import StateForbids
from sublet.billing import funds as billing_funds
from sublet.billing.funds import FundsAction, Step
from sublet.core.db import Database
from sublet.core.outbox import StoredEvent
from sublet.ledger.failures import InsufficientFunds
from tests.allocations.rental import Rental, offer, pay_in

pytestmark = pytest.mark.anyio


class TestSuspension:
    async def test_closes_and_opens_and_bills_each_at_its_rate(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        await rental.suspend(allocation_id)
        row = await rental.work_until(allocation_id, "suspended")
        account = rental.backend.node(rental.node_id).accounts[allocation_id]
        assert (account.login_open, row.suspended_for) == (False, "customer")
        assert await rental.all("SELECT kind FROM meter") == ["suspended"]
        await rental.resume(allocation_id)
        await rental.work_until(allocation_id, "active")
        assert rental.backend.node(rental.node_id).accounts[allocation_id].login_open
        assert await rental.all("SELECT kind FROM meter_segment ORDER BY id") == ["running", "suspended", "running"]
        assert "allocation.resumed" in await rental.events()
        await rental.release(allocation_id)
        await rental.work_until(allocation_id, "released")
        assert await rental.disagreements() == []

    async def test_is_billed_until_the_release_that_ends_it(self, rental: Rental) -> None:
        rental.sku = await offer(rental.database, "kept", suspended="0.18")
        allocation_id = await rental.running()
        await rental.suspend(allocation_id)
        await rental.work_until(allocation_id, "suspended")
        await rental.ran_for(allocation_id, 20)
        await rental.run("UPDATE meter SET observed_to = observed_to - interval '20 seconds'")
        await rental.release(allocation_id)
        await rental.work_until(allocation_id, "released")
        kept = "SELECT coalesce(sum(seconds), 0) AS seconds FROM usage_record WHERE kind = 'suspended'"
        assert (await rental.one(kept)).seconds >= 20
        assert await rental.disagreements() == []

    async def test_is_refused_in_other_states(self, rental: Rental) -> None:
        allocation_id = await rental.launch()
        with pytest.raises(StateForbids):
            await rental.suspend(allocation_id)
        with pytest.raises(StateForbids):
            await rental.resume(allocation_id)

    async def test_is_not_taken_back_before_the_node_has_heard_of_it(self, rental: Rental) -> None:
        rental.sku = await offer(rental.database, "kept", suspended="0.18")
        allocation_id = await rental.running()
        await rental.suspend(allocation_id)
        with pytest.raises(StateForbids, match="is being suspended"):
            await rental.resume(allocation_id)
        row = await rental.row(allocation_id)
        assert (row.state, row.wanted, row.generation) == ("active", "suspended", 2)
        await rental.work_until(allocation_id, "suspended")
        await rental.resume(allocation_id)
        await rental.work_until(allocation_id, "active")

    async def test_out_of_funds_suspends_and_a_top_up_resumes(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        await _event(rental, allocation_id, "suspend")
        row = await rental.work_until(allocation_id, "suspended")
        assert row.suspended_for == "funds"
        await rental.run("INSERT INTO funds_clock VALUES (:o, 'USD', 'suspended')", o=rental.actor.organization)
        with pytest.raises(InsufficientFunds):
            await rental.resume(allocation_id)
        with pytest.raises(InsufficientFunds):
            await rental.launch()
        await _event(rental, allocation_id, "resume")
        await rental.work_until(allocation_id, "active")

    async def test_a_top_up_does_not_resume_what_the_customer_suspended(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        await rental.suspend(allocation_id)
        await rental.work_until(allocation_id, "suspended")
        await _event(rental, allocation_id, "resume")
        await rental.work(allocation_id)
        assert (await rental.row(allocation_id)).state == "suspended"

    async def test_gives_nobody_another_grace(self, database: Database) -> None:
        rental = await Rental.open(database, amount="0.50")
        allocation_id = await rental.running()
        await rental.ran_for(allocation_id, 4300)  # of 5000 seconds that the money lasts, 960 are the reserve
        await rental.suspend(allocation_id)
        await rental.work_until(allocation_id, "suspended")
        async with database.transaction() as session:
            assert await billing_funds.review(session) == []
        with pytest.raises(InsufficientFunds):
            await rental.resume(allocation_id)
        await pay_in(database, rental.actor, "0.10")
        await rental.resume(allocation_id)
        await rental.work_until(allocation_id, "active")


async def _event(rental: Rental, allocation_id: str, action: Step) -> None:
    """Deliver what billing's review would have done."""
    step = FundsAction(rental.actor.organization, allocation_id, action, None, 0, None)
    async with rental.database.transaction() as session:
        await funds.carry_out(session, step)
    async with rental.database.transaction() as session:
        row = (await session.execute(text("SELECT * FROM outbox_event ORDER BY id DESC LIMIT 1"))).one()
        handlers = {
            "allocation.funds_ran_out": funds.on_funds_ran_out,
            "allocation.funds_restored": funds.on_funds_restored,
        }
        event = StoredEvent(id="1-1", type=row.type, time=row.occurred_at, subject=row.subject, data=row.data)
        await handlers[row.type](session, event)
