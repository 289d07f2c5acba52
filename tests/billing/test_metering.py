"""What is metered: whole seconds, proven, once."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from sublet.billing import checks, meters, settlement, watermarks
from sublet.billing.cost import cost_of
from sublet.core.db import Database
from sublet.core.errors import NotFound
from sublet.ledger import wallets
from tests.billing.usage import (
    SUSPENDED_RATE,
    age,
    charged_micro,
    known_of,
    new_subject,
    observe_until,
    unmetered_seconds,
)
from tests.ledger.books import usd
from tests.support.policy import DEFAULT_POLICY

pytestmark = pytest.mark.anyio


class TestEvidence:
    async def test_nothing_is_billed_beyond_the_last_observation(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await observe_until(session, subject, 600)
            await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)
            assert await charged_micro(session, subject) == 60_000

    async def test_of_one_says_nothing_of_another(self, database: Database) -> None:
        async with database.transaction() as session:
            seen, unseen = await new_subject(session), await new_subject(session)
            await observe_until(session, seen, 600)
            costs = await cost_of(session, [seen.id, unseen.id])
        assert (costs[seen.id].accrued, costs[unseen.id].accrued) == (usd("0.06"), usd("0.0001"))
        assert costs[unseen.id].as_of == unseen.at(1)  # its first second counts as delivered

    async def test_an_older_observation_changes_nothing(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await observe_until(session, subject, 600)
            await meters.observe(session, {subject.id}, subject.at(300), policy=DEFAULT_POLICY)
            cost = (await cost_of(session, [subject.id]))[subject.id]
        assert cost.accrued == usd("0.06")

    async def test_a_gap_without_observation_is_never_billed_and_visible(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await observe_until(session, subject, 600)
            await meters.observe(session, {subject.id}, subject.at(5000), policy=DEFAULT_POLICY)
            await observe_until(session, subject, 5600, since=5000)
            await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)
            failed = {result.name for result in await checks.run(session) if not result.ok}
            assert await charged_micro(session, subject) == 120_000
            assert await unmetered_seconds(session, subject) == 4400
        assert "unmetered time" in failed

    async def test_a_gap_across_a_switch_keeps_both_rates_right(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await observe_until(session, subject, 1000)
            await meters.switch(session, subject.id, "suspended", subject.at(2000))
            await meters.observe(session, {subject.id}, subject.at(3000), policy=DEFAULT_POLICY)
            await observe_until(session, subject, 4000, since=3000)
            await meters.stop(session, subject.id, subject.at(4000))
            await settlement.settle(session, subject.id, final=True, policy=DEFAULT_POLICY)
            assert await charged_micro(session, subject) == 100_000 + 10_000
            assert await unmetered_seconds(session, subject) == 2000

    async def test_a_switch_dated_back_into_a_gap_bills_nothing_of_it(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await observe_until(session, subject, 600)
            await meters.observe(session, {subject.id}, subject.at(5000), policy=DEFAULT_POLICY)
            await meters.switch(session, subject.id, "suspended", subject.at(2000))
            await observe_until(session, subject, 5600, since=5000)
            await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)
            assert await charged_micro(session, subject) == 60_000 + 6_000
            assert await unmetered_seconds(session, subject) == 4400

    async def test_an_end_that_nobody_saw_is_not_billed(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await observe_until(session, subject, 600)
            await meters.stop(session, subject.id, subject.at(700))
            await settlement.settle(session, subject.id, final=True, policy=DEFAULT_POLICY)
            assert await charged_micro(session, subject) == 60_000
            assert await unmetered_seconds(session, subject) == 100

    async def test_an_observation_after_the_request_proves_the_time_before_it(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await observe_until(session, subject, 600)
            await meters.stop(session, subject.id, subject.at(700))
            await meters.observe(session, {subject.id}, subject.at(720), policy=DEFAULT_POLICY)
            await settlement.settle(session, subject.id, final=True, policy=DEFAULT_POLICY)
            assert await charged_micro(session, subject) == 70_000
            assert await unmetered_seconds(session, subject) == 0

    async def test_a_gap_across_the_end_is_not_billed(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await observe_until(session, subject, 600)
            await meters.stop(session, subject.id, subject.at(700))
            await meters.observe(session, {subject.id}, subject.at(5000), policy=DEFAULT_POLICY)
            await settlement.settle(session, subject.id, final=True, policy=DEFAULT_POLICY)
            assert await charged_micro(session, subject) == 60_000
            assert await unmetered_seconds(session, subject) == 100

    async def test_the_first_second_is_billed_of_everything_that_ran_at_all(self, database: Database) -> None:
        async with database.transaction() as session:
            ends = ((0.2, "stop", 100), (0.2, "suspend", 100), (1.9, "stop", 100), (2, "stop", 200))
            for seconds, then, micro in ends:
                subject = await new_subject(session)
                if then == "suspend":
                    await meters.switch(session, subject.id, "suspended", subject.at(seconds))
                    await meters.observe(session, {subject.id}, subject.at(1.5), policy=DEFAULT_POLICY)
                else:
                    await meters.stop(session, subject.id, subject.at(seconds))
                    await meters.observe(session, {subject.id}, subject.at(2), policy=DEFAULT_POLICY)
                await settlement.settle(session, subject.id, final=then == "stop", policy=DEFAULT_POLICY)
                assert await charged_micro(session, subject) == micro
                assert await unmetered_seconds(session, subject) == 0

    async def test_less_than_a_second_of_it_is_rounding_and_nothing_to_find(self, database: Database) -> None:
        async with database.transaction() as session:
            for seconds, missed in ((700.9, 0), (701, 1)):
                subject = await new_subject(session)
                await observe_until(session, subject, 700)
                await meters.stop(session, subject.id, subject.at(seconds))
                await settlement.settle(session, subject.id, final=True, policy=DEFAULT_POLICY)
                assert await unmetered_seconds(session, subject) == missed

    async def test_a_gap_after_the_end_is_nobodys(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await observe_until(session, subject, 720)
            await meters.stop(session, subject.id, subject.at(700))
            await meters.observe(session, {subject.id}, subject.at(5000), policy=DEFAULT_POLICY)
            await settlement.settle(session, subject.id, final=True, policy=DEFAULT_POLICY)
            assert await charged_micro(session, subject) == 70_000
            assert await unmetered_seconds(session, subject) == 0

    async def test_a_gap_up_to_the_end_is_not_billed(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await observe_until(session, subject, 600)
            await meters.stop(session, subject.id, subject.at(5000))
            await meters.observe(session, {subject.id}, subject.at(5000), policy=DEFAULT_POLICY)
            await settlement.settle(session, subject.id, final=True, policy=DEFAULT_POLICY)
            assert await charged_micro(session, subject) == 60_000
            assert await unmetered_seconds(session, subject) == 4400

    async def test_a_gap_leaves_the_time_after_it_that_has_an_end_already(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await observe_until(session, subject, 600)
            await meters.switch(session, subject.id, "suspended", subject.at(5600))
            await meters.observe(session, {subject.id}, subject.at(5000), policy=DEFAULT_POLICY)
            await observe_until(session, subject, 6600, since=5000)
            await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)
            assert await charged_micro(session, subject) == 60_000 + 60_000 + 10_000
            assert await unmetered_seconds(session, subject) == 4400

    async def test_a_gap_leaves_what_ended_before_it(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await observe_until(session, subject, 900)
            await meters.switch(session, subject.id, "suspended", subject.at(600))
            await meters.observe(session, {subject.id}, subject.at(5000), policy=DEFAULT_POLICY)
            await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)
            assert await charged_micro(session, subject) == 60_000 + 3_000
            assert await unmetered_seconds(session, subject) == 4100

    async def test_a_look_after_the_final_settlement_changes_nothing(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await observe_until(session, subject, 600)
            await meters.stop(session, subject.id, subject.at(700))
            await settlement.settle(session, subject.id, final=True, policy=DEFAULT_POLICY)
            await meters.observe(session, {subject.id}, subject.at(720), policy=DEFAULT_POLICY)
            await meters.observe(session, {subject.id}, subject.at(5000), policy=DEFAULT_POLICY)
            assert await charged_micro(session, subject) == 60_000
            assert await unmetered_seconds(session, subject) == 100
            assert (await cost_of(session, [subject.id]))[subject.id].as_of == subject.at(600)

    async def test_the_longest_gap_that_is_believed_is_billed_and_a_second_more_is_not(
        self, database: Database
    ) -> None:
        longest = DEFAULT_POLICY.evidence_gap_seconds
        async with database.transaction() as session:
            subject = await new_subject(session)
            await meters.observe(session, {subject.id}, subject.at(longest), policy=DEFAULT_POLICY)
            assert await unmetered_seconds(session, subject) == 0
            await meters.observe(session, {subject.id}, subject.at(2 * longest + 1), policy=DEFAULT_POLICY)
            assert await unmetered_seconds(session, subject) == longest + 1


class TestOneMeter:
    """What happens to one meter leaves another's alone, whoever it belongs to."""

    async def test_that_is_seen_switched_stopped_and_settled_changes_no_other(self, database: Database) -> None:
        async with database.transaction() as session:
            one, other = await new_subject(session), await new_subject(session)
            for subject in (one, other):
                await observe_until(session, subject, 600)
                await meters.switch(session, subject.id, "suspended", subject.at(600))
            before = await known_of(session, other)
            await meters.observe(session, {one.id}, one.at(5000), policy=DEFAULT_POLICY)
            assert await known_of(session, other) == before
            await meters.switch(session, one.id, "running", one.at(5100))
            assert await known_of(session, other) == before
            await meters.stop(session, one.id, one.at(300))
            assert await known_of(session, other) == before
            await settlement.settle(session, one.id, final=True, policy=DEFAULT_POLICY)
            assert await known_of(session, other) == before
            assert await charged_micro(session, one) == 30_000

    async def test_stops_at_its_own_time_whatever_another_was_charged(self, database: Database) -> None:
        async with database.transaction() as session:
            charged, stopped = await new_subject(session), await new_subject(session)
            for subject in (charged, stopped):
                await observe_until(session, subject, 600)
            await settlement.settle(session, charged.id, final=False, policy=DEFAULT_POLICY)
            await meters.stop(session, stopped.id, stopped.at(300))
            await settlement.settle(session, stopped.id, final=True, policy=DEFAULT_POLICY)
            assert await charged_micro(session, stopped) == 30_000

    async def test_switches_at_its_own_time_whatever_of_another_is_unproven(self, database: Database) -> None:
        async with database.transaction() as session:
            lost, seen = await new_subject(session), await new_subject(session)
            await meters.observe(session, {lost.id}, lost.at(5000), policy=DEFAULT_POLICY)
            await observe_until(session, seen, 600)
            await meters.switch(session, seen.id, "suspended", seen.at(300))
            await settlement.settle(session, seen.id, final=False, policy=DEFAULT_POLICY)
            assert await charged_micro(session, seen) == 30_000 + 3_000

    async def test_stops_before_a_switch_of_which_nothing_was_charged(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await observe_until(session, subject, 900)
            await meters.switch(session, subject.id, "suspended", subject.at(600))
            await meters.stop(session, subject.id, subject.at(300))
            await settlement.settle(session, subject.id, final=True, policy=DEFAULT_POLICY)
            assert await charged_micro(session, subject) == 30_000

    async def test_stops_no_earlier_than_what_was_charged(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await observe_until(session, subject, 600)
            await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)
            await meters.stop(session, subject.id, subject.at(300))
            assert (await meters.lock(session, subject.id)).stopped_at == subject.at(600)
            await settlement.settle(session, subject.id, final=True, policy=DEFAULT_POLICY)
            assert await charged_micro(session, subject) == 60_000
            assert await unmetered_seconds(session, subject) == 0

    async def test_that_was_never_started_is_not_found(self, database: Database) -> None:
        async with database.reading() as session:
            with pytest.raises(NotFound, match="al_unknown"):
                await meters.stop(session, "al_unknown", datetime.now(UTC))

    async def test_stops_no_earlier_than_a_second_after_its_start(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await meters.stop(session, subject.id, subject.at(-300))
            assert (await meters.lock(session, subject.id)).stopped_at == subject.at(1)

    async def test_that_runs_or_is_stopped_already_stays_as_it_is(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await observe_until(session, subject, 600)
            running = await known_of(session, subject)
            await meters.switch(session, subject.id, "running", subject.at(300))
            assert await known_of(session, subject) == running
            await meters.stop(session, subject.id, subject.at(500))
            stopped = await known_of(session, subject)
            await meters.switch(session, subject.id, "suspended", subject.at(550))
            await meters.stop(session, subject.id, subject.at(300))
            assert await known_of(session, subject) == stopped

    async def test_is_settled_first_an_interval_after_its_start(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            meter = await meters.lock(session, subject.id)
        assert meter.settle_due_at == subject.at(DEFAULT_POLICY.settle_interval_seconds)


class TestSeconds:
    async def test_a_started_second_is_free(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await observe_until(session, subject, 99.9)
            await meters.stop(session, subject.id, subject.at(99.9))
            await settlement.settle(session, subject.id, final=True, policy=DEFAULT_POLICY)
            assert await charged_micro(session, subject) == 9900

    async def test_suspended_time_costs_what_keeping_the_disk_costs(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await observe_until(session, subject, 3600)
            await meters.switch(session, subject.id, "suspended", subject.at(1800))
            await meters.switch(session, subject.id, "running", subject.at(2700))
            await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)
            cost = (await cost_of(session, [subject.id]))[subject.id]
            assert await charged_micro(session, subject) == 180_000 + 9_000 + 90_000
        assert cost.delivered_seconds == 2700
        assert SUSPENDED_RATE.decimal_string() == "0.036"

    async def test_a_switch_back_at_the_same_moment_leaves_no_trace(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await meters.switch(session, subject.id, "suspended", subject.at(10))
            await meters.switch(session, subject.id, "running", subject.at(10))
            await observe_until(session, subject, 100)
            await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)
            assert await charged_micro(session, subject) == 10_000

    async def test_stopping_before_what_was_metered_takes_it_back(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await observe_until(session, subject, 600)
            await watermarks.tick(session)
            await meters.stop(session, subject.id, subject.at(300))
            await settlement.settle(session, subject.id, final=True, policy=DEFAULT_POLICY)
            assert await charged_micro(session, subject) == 30_000

    async def test_stopped_at_its_start_costs_a_second_and_gives_the_hold_back(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await meters.stop(session, subject.id, subject.at(0))
            await settlement.settle(session, subject.id, final=True, policy=DEFAULT_POLICY)
            wallet = await wallets.wallet(session, subject.organization, currency="USD")
        assert (wallet.balance, wallet.held) == (usd("19.9999"), usd("0"))

    async def test_two_segments_never_overlap(self, database: Database) -> None:
        overlapping = text(
            """
            INSERT INTO meter_segment (subject_id, period, kind, price_id, nano_per_hour, metered_to, posted_to)
            VALUES (:id, tstzrange(:at, NULL), 'running', 'prc_1', 1, :at, :at)
            """
        )
        async with database.transaction() as session:
            subject = await new_subject(session)
        async with database.reading() as session:
            with pytest.raises(IntegrityError, match="meter_segment_subject_id_period_excl"):
                await session.execute(overlapping, {"id": subject.id, "at": subject.at(50)})


class TestTick:
    async def test_runs_any_number_of_times(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await observe_until(session, subject, 600)
            moved = [await watermarks.tick(session) for _ in range(10)]
            await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)
            assert await charged_micro(session, subject) == 60_000
        assert moved == [1] + [0] * 9

    async def test_a_missed_hour_is_one_longer_interval(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await observe_until(session, subject, 7200)
            await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)
            records = await session.execute(
                text("SELECT seconds FROM usage_record WHERE subject_id = :id"), {"id": subject.id}
            )
            assert [row.seconds for row in records] == [7200]

    async def test_moves_on_with_the_first_whole_second(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            assert await watermarks.tick(session) == 1  # the first second counts as delivered
            for seconds, moved in ((1.0, 0), (1.9, 0), (2.0, 1), (2.9, 0)):
                await meters.observe(session, {subject.id}, subject.at(seconds), policy=DEFAULT_POLICY)
                assert await watermarks.tick(session) == moved

    async def test_moves_nothing_after_the_final_settlement(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session, started_ago=0)
            await meters.observe(session, {subject.id}, subject.at(100), policy=DEFAULT_POLICY)  # its clock is ahead
            await meters.stop(session, subject.id, subject.at(50))
            await settlement.settle(session, subject.id, final=True, policy=DEFAULT_POLICY)
            await age(session, subject, 60)
            assert await watermarks.tick(session) == 0
