"""A launch takes a script, variables and labels: what is kept of them, what the node is given, and what is told."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from sublet.allocations import launch, release, startup, suspension
from sublet.allocations.environment import checked
from sublet.allocations.views import past
from sublet.core.encryption import DataKey
from sublet.core.errors import InvalidInput
from sublet.core.work import leases
from sublet.fleet.backend import StartupRun
from sublet.fleet.errors import NodeFailure, NodeUnreachable
from tests.allocations.rental import Rental
from tests.allocations.simulated import RUNNING, Killed, failing, unreachable
from tests.support.keys import KEYRING
from tests.support.policy import DEFAULT_POLICY
from tests.support.work import look_at, sweep_once

pytestmark = pytest.mark.anyio

SCRIPT = "#!/bin/sh\necho canary-script\n"
VARIABLES = {"TOKEN": "canary-value", "MODE": "test"}


def exited(code: int, output: str = "all of it\n") -> StartupRun:
    """A script that has ended by itself."""
    return StartupRun("ended", "exit", code, None, "", timedelta(seconds=5), len(output), output)


async def given(**values: Any) -> launch.Given:
    """What goes along with a launch."""
    return launch.Given(await DataKey.new(KEYRING), **values)


async def launched(rental: Rental, **values: Any) -> str:
    """An active allocation whose script nobody has begun."""
    allocation_id = await rental.launch(given=await given(**values))
    await rental.work(allocation_id)
    return allocation_id


async def look(rental: Rental, allocation_id: str) -> bool:
    """One worker looks after the script now, whenever it would, and whoever died with it."""
    async with rental.database.transaction() as session:
        await leases.overtake(session, startup.WORK, allocation_id, place=rental.node_id)
    return await look_at(rental.worker(), startup.WORK, allocation_id)


async def shown(rental: Rental, allocation_id: str) -> Any:
    """The script and its output as the API shows them."""
    async with rental.database.reading() as session:
        return await past.startup_of(session, allocation_id)


async def column(rental: Rental, statement: str, allocation_id: str) -> list[Any]:
    """One column of what a statement finds about an allocation."""
    async with rental.database.reading() as session:
        return list((await session.execute(text(statement), {"id": allocation_id})).scalars())


async def events(rental: Rental, allocation_id: str) -> list[dict[str, Any]]:
    """What was told of its script."""
    told = "SELECT data FROM outbox_event WHERE subject = :id AND type = 'allocation.startup_ended' ORDER BY id"
    return await column(rental, told, allocation_id)


class TestAScript:
    async def test_runs_once_it_is_active_and_tells_how_it_ended(self, rental: Rental) -> None:
        allocation_id = await launched(rental, startup_script=SCRIPT)
        row = await rental.row(allocation_id)
        assert row.state == "active", "nothing waits for the script"
        assert (await shown(rental, allocation_id)).state == "waiting"
        await look(rental, allocation_id)
        seen = await shown(rental, allocation_id)
        assert (seen.state, seen.output, seen.ended_at) == ("running", "begun\n", None)
        assert rental.backend.node(row.node_id).scripts == {allocation_id: SCRIPT}
        rental.backend.script_run = exited(0)
        await look(rental, allocation_id)
        seen = await shown(rental, allocation_id)
        assert (seen.state, seen.exit_code, seen.output) == ("succeeded", 0, "all of it\n")
        assert [event["state"] for event in await events(rental, allocation_id)] == ["succeeded"]
        assert not await look_at(rental.worker(), startup.WORK, allocation_id), "nobody asks any more"

    async def test_that_fails_is_said_and_ends_nothing(self, rental: Rental) -> None:
        allocation_id = await launched(rental, startup_script=SCRIPT)
        rental.backend.script_run = exited(3)
        await look(rental, allocation_id)
        assert (await shown(rental, allocation_id)).state == "failed"
        told = await events(rental, allocation_id)
        assert [(event["state"], event["exit_code"]) for event in told] == [("failed", 3)]
        reasons = await column(
            rental, "SELECT reason FROM allocation_history WHERE allocation_id = :id ORDER BY id", allocation_id
        )
        assert reasons[-1] == "its startup script failed with exit code 3"
        assert (await rental.row(allocation_id)).state == "active"

    async def test_is_begun_once_whoever_dies(self, rental: Rental) -> None:
        allocation_id = await launched(rental, startup_script=SCRIPT)
        for moment in ("before", "after"):
            rental.backend.interrupt = failing("start", moment, Killed)
            with pytest.raises(Killed):
                await look(rental, allocation_id)
        rental.backend.interrupt = failing("start", "after", unreachable)
        await rental.work_until(allocation_id, "active")
        for _ in range(3):
            await sweep_once(rental.worker())
        assert [call[0] for call in rental.backend.calls].count("start") == 1

    async def test_that_the_node_cannot_run_has_failed_for_good(self, rental: Rental) -> None:
        allocation_id = await launched(rental, startup_script=SCRIPT)
        too_old = NodeFailure("There is no verb start.", node_code="verb_unknown", retryable=False)
        rental.backend.interrupt = failing("start", "before", lambda: too_old)
        await look(rental, allocation_id)
        seen = await shown(rental, allocation_id)
        assert (seen.state, seen.ended_by) == ("failed", "refused")
        assert seen.detail.endswith("The allocation goes on without it.")

    async def test_is_asked_for_again_when_the_node_does_not_answer(self, rental: Rental) -> None:
        allocation_id = await launched(rental, startup_script=SCRIPT)
        rental.backend.interrupt = failing("start", "before", lambda: NodeUnreachable("It does not answer."))
        await look(rental, allocation_id)
        assert (await shown(rental, allocation_id)).state == "waiting"
        await look(rental, allocation_id)
        assert (await shown(rental, allocation_id)).state == "running"

    async def test_ends_with_a_suspension_and_waits_for_no_resumption(self, rental: Rental) -> None:
        allocation_id = await launched(rental, startup_script=SCRIPT)
        await look(rental, allocation_id)
        async with rental.database.transaction() as session:
            await suspension.request_suspension(session, rental.actor, allocation_id)
        await rental.work(allocation_id)
        rental.backend.script_run = replace(exited(0), ended_by="suspended", exit_code=None)
        await look(rental, allocation_id)
        assert (await shown(rental, allocation_id)).state == "stopped"

    async def test_that_was_not_begun_before_a_suspension_is_begun_after_it(self, rental: Rental) -> None:
        allocation_id = await launched(rental, startup_script=SCRIPT)
        async with rental.database.transaction() as session:
            await suspension.request_suspension(session, rental.actor, allocation_id)
        await rental.work(allocation_id)
        await look(rental, allocation_id)
        assert (await shown(rental, allocation_id)).state == "waiting"
        async with rental.database.transaction() as session:
            await suspension.request_resumption(session, rental.actor, allocation_id, policy=DEFAULT_POLICY)
        await rental.work(allocation_id)
        await look(rental, allocation_id)
        assert (await shown(rental, allocation_id)).state == "running"

    @pytest.mark.parametrize("last_word", [exited(7), RUNNING])
    async def test_has_its_last_word_kept_by_the_release(self, rental: Rental, last_word: StartupRun) -> None:
        allocation_id = await launched(rental, startup_script=SCRIPT)
        await look(rental, allocation_id)
        rental.backend.script_run = replace(last_word, output="last\n")
        async with rental.database.transaction() as session:
            await release.request_release(session, rental.actor, allocation_id)
        await rental.work(allocation_id)
        assert (await rental.row(allocation_id)).state == "released"
        seen = await shown(rental, allocation_id)
        ended = ("failed", 7) if last_word.exit_code else ("stopped", None)
        assert ((seen.state, seen.exit_code), seen.output) == (ended, "last\n")
        assert len(await events(rental, allocation_id)) == 1

    async def test_writes_what_no_database_keeps(self, rental: Rental) -> None:
        allocation_id = await launched(rental, startup_script=SCRIPT)
        rental.backend.script_run = exited(0, "\0" * 70000)
        await look(rental, allocation_id)
        assert (await shown(rental, allocation_id)).output == "\N{REPLACEMENT CHARACTER}" * 65536

    async def test_is_looked_after_less_often_the_longer_it_runs(self, rental: Rental) -> None:
        allocation_id = await launched(rental, startup_script=SCRIPT)
        await look(rental, allocation_id)
        async with rental.database.transaction() as session:
            older = "UPDATE allocation_startup SET began_at = clock_timestamp() - interval '1 day'"
            await session.execute(text(older))
        await look(rental, allocation_id)
        due = "SELECT extract(epoch FROM due_at - clock_timestamp()) FROM work WHERE kind = 'startup' AND id = :id"
        [waits] = await column(rental, due, allocation_id)
        assert 100 < waits < 140


class TestWhatIsKept:
    async def test_is_in_no_row_event_or_record_as_it_was_given(self, rental: Rental) -> None:
        allocation_id = await launched(rental, startup_script=SCRIPT, environment=VARIABLES, labels={"stage": "test"})
        await look(rental, allocation_id)
        async with rental.database.reading() as session:
            tables = "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN ('public', 'ledger')"
            for table in list((await session.execute(text(tables))).scalars()):
                holds = f"SELECT count(*) FROM {table} t WHERE t::text LIKE '%canary%'"
                assert (await session.execute(text(holds))).scalar_one() == 0, table
        [names] = await column(
            rental, "SELECT names FROM allocation_environment WHERE allocation_id = :id", allocation_id
        )
        assert names == ["MODE", "TOKEN"]

    async def test_reaches_the_node_and_stays_there_through_every_apply(self, rental: Rental) -> None:
        allocation_id = await launched(rental, environment=VARIABLES)
        account = rental.backend.node(rental.node_id).accounts[allocation_id].desired
        assert account.environment == VARIABLES
        assert "canary" not in repr(account)

    async def test_is_forgotten_with_the_allocation(self, rental: Rental) -> None:
        allocation_id = await launched(rental, startup_script=SCRIPT, environment=VARIABLES)
        async with rental.database.transaction() as session:
            await release.request_release(session, rental.actor, allocation_id)
        await rental.work(allocation_id)
        for table in ("allocation_environment", "allocation_startup"):
            left = f"SELECT encrypted FROM {table} WHERE allocation_id = :id"
            assert await column(rental, left, allocation_id) == [None]

    async def test_is_forgotten_with_a_launch_that_was_cancelled_before_it_was_begun(self, rental: Rental) -> None:
        allocation_id = await rental.launch(given=await given(startup_script=SCRIPT, environment=VARIABLES))
        async with rental.database.transaction() as session:
            await release.request_release(session, rental.actor, allocation_id)
        assert (await rental.row(allocation_id)).state == "released"
        for table in ("allocation_environment", "allocation_startup"):
            left = f"SELECT encrypted FROM {table} WHERE allocation_id = :id"
            assert await column(rental, left, allocation_id) == [None]

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"startup_script": ""}, "startup_script"),
            ({"startup_script": "x" * 65537}, "startup_script"),
            ({"startup_script": "ü" * 32769}, "startup_script"),
            ({"startup_script": "a\0b"}, "startup_script"),
            ({"environment": {"1ST": "canary"}}, "environment"),
            ({"environment": {"WITH SPACE": "canary"}}, "environment"),
            ({"environment": {"A" * 129: "canary"}}, "environment"),
            ({"environment": {"A": "canary\0"}}, "environment"),
            ({"environment": {"A": "canary" * 3000}}, "environment"),
            ({"environment": {f"A{n}": "canary" * 2500 for n in range(5)}}, "environment"),
            ({"environment": {f"A{n}": "" for n in range(101)}}, "environment"),
            ({"environment": {"A": "canary", " A": "canary"}}, "environment"),
            ({"environment": {"PATH": "canary"}}, "environment"),
            ({"environment": {"LD_PRELOAD": "canary"}}, "environment"),
            ({"environment": {"ＬＤ＿PRELOAD": "canary"}}, "environment"),
            ({"environment": {"HOME": "canary"}}, "environment"),
            ({"labels": {"-a": "b"}}, "labels"),
            ({"labels": {"a b": "c"}}, "labels"),
            ({"labels": {"a": "b" * 129}}, "labels"),
            ({"labels": {"a": "b\u202e"}}, "labels"),
            ({"labels": {f"a{n}": "" for n in range(33)}}, "labels"),
        ],
    )
    async def test_is_refused_where_it_cannot_be_and_nothing_is_repeated(
        self, rental: Rental, wrong: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(InvalidInput) as refused:
            await rental.launch(given=await given(**wrong))
        assert refused.value.extra["errors"][0]["field"] == field
        assert "canary" not in refused.value.detail

    def test_has_names_in_one_spelling(self) -> None:
        assert checked({" ＡBC ": "1", "http_proxy": "2"}) == {"ABC": "1", "http_proxy": "2"}
