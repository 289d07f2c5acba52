"""Leases: one holder at a time, a token that fences out every earlier one, and nothing asked for is forgotten."""

import pytest
from tests.core.work.kettles import KETTLE
from tests.core.work.kitchen import Kitchen

from sublet.core.work import leases, within
from sublet.core.work.leases import Lease, LeaseLost
from sublet.core.work.outcomes import Again, Done, Retry, SetAside
from sublet.core.work.pace import Pace

pytestmark = pytest.mark.anyio

SLOW = Pace(shortest_seconds=3600.0, longest_seconds=7200.0)
OUTCOMES = [Done(), Again(), Retry("x"), SetAside("x")]


async def claimed(kitchen: Kitchen, kettle_id: str = "a", seconds: float = 60.0) -> Lease:
    async with kitchen.database.transaction() as session:
        lease = await leases.lease_one(session, KETTLE, kettle_id, seconds=seconds)
    assert lease is not None
    return lease


async def finish(kitchen: Kitchen, lease: Lease, outcome: Done | Again | Retry | SetAside) -> None:
    async with kitchen.database.transaction() as session:
        await leases.finish(session, lease, outcome, pace=SLOW)


async def make_due(kitchen: Kitchen) -> None:
    async with kitchen.database.transaction() as session:
        await leases.make_due(session, KETTLE, "a", place="north")


class TestClaim:
    async def test_nobody_gets_a_row_that_somebody_has(self, kitchen: Kitchen) -> None:
        await kitchen.want("a")
        await claimed(kitchen)
        async with kitchen.database.transaction() as session:
            assert await leases.lease_one(session, KETTLE, "a", seconds=60) is None

    async def test_nobody_gets_a_row_before_its_time(self, kitchen: Kitchen) -> None:
        async with kitchen.database.transaction() as session:
            await leases.make_due(session, KETTLE, "a", after_seconds=3600)
            assert await leases.lease_one(session, KETTLE, "a", seconds=60) is None

    async def test_a_lease_that_ran_out_passes_on_with_a_larger_token(self, kitchen: Kitchen) -> None:
        await kitchen.want("a")
        first = await claimed(kitchen)
        await kitchen.leases_run_out()
        assert (await claimed(kitchen)).token > first.token


class TestFence:
    async def overtaken(self, kitchen: Kitchen) -> Lease:
        """The lease of a worker whose row another worker has now."""
        await kitchen.want("a")
        first = await claimed(kitchen)
        await kitchen.leases_run_out()
        await claimed(kitchen)
        return first

    @pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: type(outcome).__name__)
    async def test_refuses_what_an_overtaken_worker_concludes(self, kitchen: Kitchen, outcome: Done) -> None:
        first = await self.overtaken(kitchen)
        with pytest.raises(LeaseLost):
            await finish(kitchen, first, outcome)
        row = await kitchen.row()
        assert row is not None
        assert row.leased, "the new holder keeps it"

    async def test_refuses_what_an_overtaken_worker_takes(self, kitchen: Kitchen) -> None:
        first = await self.overtaken(kitchen)
        with pytest.raises(LeaseLost):
            async with kitchen.database.transaction() as session:
                await leases.lock(session, first)

    async def test_tells_an_overtaken_worker_early(self, kitchen: Kitchen) -> None:
        first = await self.overtaken(kitchen)
        with pytest.raises(LeaseLost):
            async with kitchen.database.transaction() as session:
                await leases.verify(session, first)

    async def test_extends_nobody_elses_lease(self, kitchen: Kitchen) -> None:
        first = await self.overtaken(kitchen)
        await kitchen.leases_run_out()
        async with kitchen.database.transaction() as session:
            assert await leases.renew(session, [first], seconds=60) == [first]
        assert (await claimed(kitchen)).token > first.token, "it had run out all the same"

    async def test_a_lease_that_was_given_back_is_no_lease(self, kitchen: Kitchen) -> None:
        await kitchen.want("a")
        lease = await claimed(kitchen)
        await finish(kitchen, lease, Again(3600))
        with pytest.raises(LeaseLost):
            await finish(kitchen, lease, Done())

    async def test_a_process_that_slept_through_its_lease_knows(self, kitchen: Kitchen) -> None:
        await kitchen.want("a")
        lease = await claimed(kitchen, seconds=0.0)
        with pytest.raises(LeaseLost):
            lease.verify_time()

    async def test_a_process_that_renewed_its_lease_in_time_goes_on(self, kitchen: Kitchen) -> None:
        await kitchen.want("a")
        lease = await claimed(kitchen, seconds=0.0)
        async with kitchen.database.transaction() as session:
            assert await leases.renew(session, [lease], seconds=60) == []
        lease.verify_time()


class TestOvertake:
    async def test_what_is_wanted_anew_fences_out_whoever_is_at_it(self, kitchen: Kitchen) -> None:
        await kitchen.want("a")
        lease = await claimed(kitchen)
        async with kitchen.database.transaction() as session:
            await leases.overtake(session, KETTLE, "a", place="north")
        with pytest.raises(LeaseLost):
            await finish(kitchen, lease, Done())
        await claimed(kitchen)

    async def test_begins_as_if_the_row_were_new(self, kitchen: Kitchen) -> None:
        await kitchen.want("a")
        await kitchen.run("UPDATE work SET attempts = 3, crashes = 3")
        async with kitchen.database.transaction() as session:
            await leases.overtake(session, KETTLE, "a", place="north")
        lease = await claimed(kitchen)
        assert (lease.attempt, lease.suspect) == (1, False)

    async def test_a_row_at_rest_is_nobodys(self, kitchen: Kitchen) -> None:
        await kitchen.want("a")
        lease = await claimed(kitchen)
        async with kitchen.database.transaction() as session:
            await leases.rest(session, KETTLE, "a")
        with pytest.raises(LeaseLost):
            await finish(kitchen, lease, Again())
        assert await kitchen.row() is None


class TestFinish:
    async def test_done_leaves_nothing_behind(self, kitchen: Kitchen) -> None:
        await kitchen.want("a")
        await finish(kitchen, await claimed(kitchen), Done())
        assert await kitchen.row() is None

    @pytest.mark.parametrize("outcome", [Done(), Again(3600), Retry("x")], ids=lambda outcome: type(outcome).__name__)
    async def test_forgets_nothing_that_was_asked_for_meanwhile(self, kitchen: Kitchen, outcome: Done) -> None:
        await kitchen.want("a")
        lease = await claimed(kitchen)
        await make_due(kitchen)
        await finish(kitchen, lease, outcome)
        await claimed(kitchen)

    async def test_a_failure_waits_and_counts(self, kitchen: Kitchen) -> None:
        await kitchen.want("a")
        await finish(kitchen, await claimed(kitchen), Retry("stove_failed"))
        row = await kitchen.row()
        assert row is not None
        assert (row.attempts, row.last_error, row.leased) == (1, "stove_failed", False)
        async with kitchen.database.transaction() as session:
            assert await leases.lease_one(session, KETTLE, "a", seconds=60) is None

    async def test_success_forgets_failures(self, kitchen: Kitchen) -> None:
        await kitchen.want("a")
        await finish(kitchen, await claimed(kitchen), Retry("stove_failed"))
        await kitchen.waits_pass()
        await finish(kitchen, await claimed(kitchen), Again())
        assert (await claimed(kitchen)).attempt == 1

    async def test_what_is_set_aside_is_taken_up_by_nobody_until_it_is_asked_for(self, kitchen: Kitchen) -> None:
        await kitchen.want("a")
        await finish(kitchen, await claimed(kitchen), SetAside("stove_failed"))
        async with kitchen.database.transaction() as session:
            await leases.wake(session, [KETTLE])
            assert await leases.lease_one(session, KETTLE, "a", seconds=60) is None
        await make_due(kitchen)
        assert (await claimed(kitchen)).attempt == 1


class TestMakeDue:
    async def test_a_row_that_waits_is_queued_once(self, kitchen: Kitchen) -> None:
        await kitchen.want("a")
        await make_due(kitchen)
        assert (await kitchen.one("SELECT count(*) AS n FROM work")).n == 1

    async def test_asking_for_later_puts_nothing_off(self, kitchen: Kitchen) -> None:
        await kitchen.want("a")
        async with kitchen.database.transaction() as session:
            await leases.make_due(session, KETTLE, "a", after_seconds=3600)
        await claimed(kitchen)

    async def test_is_undone_with_its_transaction(self, kitchen: Kitchen) -> None:
        async def change_ones_mind() -> None:
            async with kitchen.database.transaction() as session:
                await leases.make_due(session, KETTLE, "a")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await change_ones_mind()
        assert await kitchen.row() is None

    async def test_something_new_has_attempts_of_its_own_and_does_not_wait(self, kitchen: Kitchen) -> None:
        await kitchen.want("a")
        await finish(kitchen, await claimed(kitchen), Retry("stove_failed"))
        await make_due(kitchen)
        assert (await claimed(kitchen)).attempt == 1

    async def test_forgets_no_crash(self, kitchen: Kitchen) -> None:
        await kitchen.want("a")
        await kitchen.run("UPDATE work SET crashes = 3")
        await make_due(kitchen)
        assert (await claimed(kitchen)).suspect


async def look_again(kitchen: Kitchen) -> None:
    async with kitchen.database.transaction() as session:
        await leases.look_again(session, KETTLE, "a", place="north")


class TestBringWithin:
    @pytest.mark.parametrize("longest", [1.0, {"a": 1.0}])
    async def test_leaves_a_row_that_somebody_works_on(self, kitchen: Kitchen, longest: dict[str, float]) -> None:
        await kitchen.want("a")
        await claimed(kitchen)
        async with kitchen.database.transaction() as session:
            await within.bring_within(session, KETTLE, longest)
        row = await kitchen.row()
        assert row is not None
        assert row.undated, "nobody has made it due meanwhile"


class TestLookAgain:
    async def test_makes_what_is_at_rest_or_due_later_due_at_once(self, kitchen: Kitchen) -> None:
        await look_again(kitchen)
        await finish(kitchen, await claimed(kitchen), Again(3600))
        await look_again(kitchen)
        await claimed(kitchen)

    async def test_shortens_no_wait_after_a_failure_and_forgets_no_attempt(self, kitchen: Kitchen) -> None:
        await kitchen.want("a")
        for attempts in (1, 2, 3):
            await finish(kitchen, await claimed(kitchen), Retry("stove_failed"))
            await look_again(kitchen)
            row = await kitchen.row()
            assert row is not None
            assert row.attempts == attempts
            async with kitchen.database.transaction() as session:
                assert await leases.lease_one(session, KETTLE, "a", seconds=60) is None
            await kitchen.waits_pass()

    async def test_is_not_forgotten_while_somebody_works_on_what_had_failed(self, kitchen: Kitchen) -> None:
        await kitchen.want("a")
        await finish(kitchen, await claimed(kitchen), Retry("stove_failed"))
        await kitchen.waits_pass()
        lease = await claimed(kitchen)
        await look_again(kitchen)
        await finish(kitchen, lease, Done())
        await claimed(kitchen)

    async def test_leaves_what_is_set_aside(self, kitchen: Kitchen) -> None:
        await kitchen.want("a")
        await finish(kitchen, await claimed(kitchen), SetAside("stove_failed"))
        await kitchen.run("UPDATE work SET attempts = 0")
        await look_again(kitchen)
        row = await kitchen.row()
        assert row is not None
        assert (row.aside, row.undated) == (True, True)


class TestPace:
    def test_waits_anything_up_to_a_bound_that_doubles_and_is_capped(self) -> None:
        pace = Pace(shortest_seconds=1.0, longest_seconds=8.0)
        for attempt, bound in ((1, 2.0), (2, 4.0), (3, 8.0), (4, 8.0), (100, 8.0)):
            waits = [pace.wait_seconds(attempt) for _ in range(200)]
            assert 0 <= min(waits) < bound / 4
            assert bound * 3 / 4 < max(waits) <= bound

    def test_a_piece_of_work_may_lower_the_cap(self) -> None:
        assert max(Pace(shortest_seconds=1.0).wait_seconds(9, longest_seconds=0.5) for _ in range(50)) <= 0.5
