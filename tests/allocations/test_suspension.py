"""Suspended and resumed, by the customer or by what happens to the money."""

import asyncio

import pytest
from sqlalchemy import text

from sublet.allocations import funds, suspension
from sublet.allocations.states import StateForbids
from sublet.allocations.views import whole
from sublet.billing import funds as billing_funds
from sublet.billing.funds import FundsAction, Step
from sublet.core.db import Database
from sublet.core.outbox import StoredEvent
from sublet.entry.subscriptions import subscriptions
from sublet.findings import findings, launches
from sublet.findings.findings import Severity
from sublet.ledger.failures import InsufficientFunds
from sublet.scheduling.offers import LaunchesStopped
from tests.allocations.rental import Rental, offer, pay_in
from tests.support.policy import DEFAULT_LAUNCHES, DEFAULT_POLICY

pytestmark = pytest.mark.anyio

WAITS_FOR_A_TURN = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


class TestSuspension:
    async def test_closes_and_opens_and_bills_each_at_its_rate(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        await rental.ran_for(allocation_id, 60)
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
        await rental.ran_for(allocation_id, 60)
        await rental.suspend(allocation_id)
        await rental.work_until(allocation_id, "suspended")
        await rental.ran_unseen_for(allocation_id, 20)
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
        await rental.run("DELETE FROM funds_clock")
        await _event(rental, allocation_id, "resume")
        await rental.work_until(allocation_id, "active")

    async def test_a_top_up_while_it_still_runs_has_it_billed_as_running_again(self, rental: Rental) -> None:
        rental.sku = await offer(rental.database, "kept", suspended="0.18")
        allocation_id = await rental.running()
        await _event(rental, allocation_id, "suspend")
        assert await rental.all("SELECT kind FROM meter") == ["suspended"]
        await _event(rental, allocation_id, "resume")
        assert (await rental.row(allocation_id)).state == "active"  # its node has heard of neither
        assert await rental.all("SELECT kind FROM meter") == ["running"]

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
            assert await billing_funds.review(session, policy=DEFAULT_POLICY) == []
        with pytest.raises(InsufficientFunds):
            await rental.resume(allocation_id)
        await pay_in(database, rental.actor, "0.10")
        await rental.resume(allocation_id)
        await rental.work_until(allocation_id, "active")


class TestResumptionWhileLaunchesAreStopped:
    async def test_does_not_come_by_itself_until_they_go_on(self, database: Database) -> None:
        rental = await Rental.open(database, amount="1.00")
        allocation_id = await rental.running()
        await _runs_out_of_funds(rental, allocation_id)
        stop = await _stop_launches(rental)
        await pay_in(database, rental.actor, "5.00")
        async with database.transaction() as session:
            assert await billing_funds.review(session, policy=DEFAULT_POLICY) == []
        assert await rental.all("SELECT level FROM funds_clock") == ["suspended"]
        async with database.transaction() as session:
            await findings.close_by_id(session, stop, by="Ada", reason="settled")
            [step] = await billing_funds.review(session, policy=DEFAULT_POLICY)
        assert (step.subject_id, step.action) == (allocation_id, "resume")

    async def test_waits_for_an_operator_like_a_launch(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        await rental.suspend(allocation_id)
        await rental.work_until(allocation_id, "suspended")
        stopped = await _stop_launches(rental)
        assert (await _why_not_resume(rental, allocation_id) or "").startswith("A payment was taken back")
        with pytest.raises(LaunchesStopped):
            await rental.resume(allocation_id)
        async with rental.database.transaction() as session:
            await findings.close_by_id(session, stopped, by="Ada", reason="settled")
        assert await _why_not_resume(rental, allocation_id) is None
        await rental.resume(allocation_id)


class TestResumptionWithoutTheMoney:
    async def test_is_not_offered_and_not_promised_to_come_by_itself(self, database: Database) -> None:
        rental = await Rental.open(database, amount="1.00")
        asleep = await rental.running()
        await rental.suspend(asleep)
        await rental.work_until(asleep, "suspended")
        await rental.ran_for(await rental.running(), 8500)  # which leaves 0.15, and both take 0.72 an hour
        reason = await _why_not_resume(rental, asleep)
        assert reason == "The wallet cannot carry it. Top up the wallet, then resume it."
        with pytest.raises(InsufficientFunds, match=reason):
            await rental.resume(asleep)
        await pay_in(database, rental.actor, "5.00")
        async with database.transaction() as session:
            assert "resume" not in [step.action for step in await billing_funds.review(session, policy=DEFAULT_POLICY)]
        assert await _why_not_resume(rental, asleep) is None
        await rental.resume(asleep)

    async def test_counts_what_is_being_resumed_and_no_meter_shows_yet(self, database: Database) -> None:
        rental, first, second = await _money_for_one_of_two(database)
        assert [await _why_not_resume(rental, one) for one in (first, second)] == [None, None]
        await rental.resume(first)
        reason = await _why_not_resume(rental, second)
        assert reason == "The wallet cannot carry it. Top up the wallet, then resume it."
        with pytest.raises(InsufficientFunds, match=reason):
            await rental.resume(second)
        await rental.run("UPDATE allocation SET suspended_for = 'funds' WHERE id = :id", id=second)
        await _event(rental, second, "resume")
        assert (await rental.row(second)).wanted == "suspended"
        await rental.work_until(first, "active")
        assert (
            await _why_not_resume(rental, second)
            == "The wallet cannot carry it. It resumes by itself once a top-up is enough."
        )

    @pytest.mark.parametrize("by", ["customer", "top-up"])
    async def test_is_not_spent_twice_by_two_at_once(self, database: Database, by: str) -> None:
        rental, first, second = await _money_for_one_of_two(database)
        await rental.run("UPDATE allocation SET suspended_for = 'funds' WHERE id = :id", id=second)
        async with database.transaction() as session:
            await suspension.request_resumption(session, rental.actor, first, policy=DEFAULT_POLICY)
            other = rental.resume(second) if by == "customer" else _event(rental, second, "resume")
            at_once = asyncio.create_task(other)
            async with asyncio.timeout(10):
                while not at_once.done() and not await rental.all(WAITS_FOR_A_TURN):
                    await asyncio.sleep(0.01)
        await asyncio.wait([at_once], timeout=10)
        if by == "customer":
            assert isinstance(at_once.exception(), InsufficientFunds)
        assert (await rental.row(second)).wanted == "suspended"

    async def test_leaves_enough_for_what_is_being_launched(self, database: Database) -> None:
        """Of 1.02 the reserve of the dear one takes 0.96, and that of the launch 0.096."""
        rental = await Rental.open(database, amount="5.10")
        rental.sku, small = await offer(database, "dear", per_hour="3.60"), rental.sku
        dear = await rental.running()
        await rental.ran_for(dear, 4080)
        await rental.suspend(dear)
        await rental.work_until(dear, "suspended")
        assert await _why_not_resume(rental, dear) is None
        rental.sku = small
        launched = await rental.launch()
        with pytest.raises(InsufficientFunds):
            await rental.resume(dear)
        await rental.release(launched)
        await rental.resume(dear)

    async def test_is_promised_where_it_comes_by_itself(self, database: Database) -> None:
        rental = await Rental.open(database, amount="1.00")
        allocation_id = await rental.running()
        await _runs_out_of_funds(rental, allocation_id)
        reason = await _why_not_resume(rental, allocation_id)
        assert reason == "The wallet cannot carry it. It resumes by itself once a top-up is enough."
        with pytest.raises(InsufficientFunds, match=reason):
            await rental.resume(allocation_id)
        await pay_in(database, rental.actor, "5.00")
        async with database.transaction() as session:
            resumed = [
                (one.subject_id, one.action) for one in await billing_funds.review(session, policy=DEFAULT_POLICY)
            ]
        assert resumed == [(allocation_id, "resume")]


async def _money_for_one_of_two(database: Database) -> tuple[Rental, str, str]:
    """Two that are suspended, and 0.15 in the wallet: 0.096 is the reserve of one, and 0.192 that of both."""
    rental = await Rental.open(database, amount="1.00")
    first, second = await rental.running(), await rental.running()
    await rental.suspend(second)
    await rental.work_until(second, "suspended")
    await rental.ran_for(first, 8500)
    await rental.suspend(first)
    await rental.work_until(first, "suspended")
    return rental, first, second


async def _runs_out_of_funds(rental: Rental, allocation_id: str) -> None:
    """Of 1.00 nothing is left to go on with: grace, and then suspension."""
    await rental.ran_for(allocation_id, 9_500)
    for step in ("grace", "suspended"):
        async with rental.database.transaction() as session:
            for action in await billing_funds.review(session, policy=DEFAULT_POLICY):
                await funds.carry_out(session, action)
        assert await rental.all("SELECT level FROM funds_clock") == [step]
        await rental.run("UPDATE funds_clock SET grace_ends_at = clock_timestamp() WHERE level = 'grace'")
    await _event(rental, allocation_id, "suspend")
    await rental.work_until(allocation_id, "suspended")


async def _stop_launches(rental: Rental) -> str:
    """The finding for which nothing new may start."""
    async with rental.database.transaction() as session:
        return await findings.open_finding(
            session,
            code=launches.STOP_CODE,
            subject_type=launches.STOP_SUBJECT,
            subject_id=rental.actor.organization,
            severity=Severity.CRITICAL,
        )


async def _why_not_resume(rental: Rental, allocation_id: str) -> str | None:
    """What is said where it is offered to resume."""
    async with rental.database.reading() as session:
        shown = await whole.of(session, rental.actor, allocation_id, policy=DEFAULT_POLICY, launches=DEFAULT_LAUNCHES)
    (action,) = (action for action in shown.actions if action.name == "resume")
    assert action.allowed == (action.reason is None)
    return action.reason


async def _event(rental: Rental, allocation_id: str, action: Step) -> None:
    """Deliver what billing's review would have done."""
    step = FundsAction(rental.actor.organization, allocation_id, action, None, 0, None)
    async with rental.database.transaction() as session:
        await funds.carry_out(session, step)
    async with rental.database.transaction() as session:
        row = (await session.execute(text("SELECT * FROM outbox_event ORDER BY id DESC LIMIT 1"))).one()
        event = StoredEvent(id="1-1", type=row.type, time=row.occurred_at, subject=row.subject, data=row.data)
        for handler in subscriptions(DEFAULT_POLICY)[row.type]:
            await handler(session, event)
