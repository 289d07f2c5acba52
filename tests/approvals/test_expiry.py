"""An approval that is over decides and allows nothing, from the moment on and not from when somebody noticed."""

import pytest
from sqlalchemy import text

from sublet.approvals.approvals import AlreadyDecided, ApprovalRequired
from sublet.approvals.states import ApprovalState
from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from tests.approvals.desk import Desk
from tests.support.clock import Clock

pytestmark = pytest.mark.anyio


@pytest.fixture
def postgres(clocked_postgres: EmbeddedPostgres) -> EmbeddedPostgres:
    return clocked_postgres


class TestADayLater:
    async def test_nothing_is_decided_or_used_any_more_and_all_can_be_asked_for_again(
        self, desk: Desk, clock: Clock
    ) -> None:
        undecided = await desk.request(subject="al_undecided")
        unused = await desk.approve((await desk.request(subject="al_unused")).id)
        clock.a_day_later()
        for decide in (desk.approve, desk.reject):
            with pytest.raises(AlreadyDecided, match="The time for it is over"):
                await decide(undecided.id)
        for over, subject in ((undecided, "al_undecided"), (unused, "al_unused")):
            with pytest.raises(ApprovalRequired, match=f"The time for {over.id} is over"):
                await desk.consume(subject=subject)
        for over in (undecided, unused):
            again = await desk.request(subject=over.subject)
            assert again.id != over.id
            assert (again.state, again.is_over) == (ApprovalState.REQUESTED, False)
        states = {row.id: row.state for row in await desk.rows("SELECT id, state FROM approval")}
        assert (states[undecided.id], states[unused.id]) == ("expired", "expired")

    async def test_what_is_open_expires_and_nothing_else(self, desk: Desk, clock: Clock) -> None:
        requested, approved, rejected, used = [
            await desk.request(subject=subject) for subject in ("al_requested", "al_approved", "al_rejected", "al_used")
        ]
        for one in (approved, used):
            await desk.approve(one.id)
        await desk.reject(rejected.id)
        await desk.consume(subject="al_used")
        assert await desk.expire_due() == 0
        clock.a_day_later()
        fresh = await desk.request(subject="al_fresh")
        assert await desk.expire_due() == 2
        assert await desk.expire_due() == 0
        states = {row.id: row.state for row in await desk.rows("SELECT id, state FROM approval")}
        assert states == {
            requested.id: "expired",
            approved.id: "expired",
            rejected.id: "rejected",
            used.id: "used",
            fresh.id: "requested",
        }
        with pytest.raises(ApprovalRequired, match=f"The time for {approved.id} is over"):
            await desk.consume(subject="al_approved")


class TestLooking:
    async def test_reads_no_history_to_find_what_is_due(self, desk: Desk) -> None:
        asked = await desk.request()
        desk.run(
            "INSERT INTO approval (id, act, subject, parameters, digest, permission, reason, requested_by, "
            "requested_by_name, requested_at, expires_at) SELECT 'apr_' || translate(lpad(i::text, 16, 'a'), "
            "'0123456789', 'abcdefghij'), act, i::text, parameters, sha256(i::text::bytea), permission, reason, "
            "requested_by, requested_by_name, now() - interval '9 days', now() - interval '8 days' "
            f"FROM approval, generate_series(1, 3000) i WHERE id = '{asked.id}'; "
            "UPDATE approval SET state = 'expired' WHERE expires_at < now(); ANALYZE approval"
        )
        async with desk.database.reading() as session:
            plan = (
                await session.execute(
                    text(
                        "EXPLAIN SELECT id FROM approval WHERE state IN ('requested', 'approved') "
                        "AND expires_at <= clock_timestamp() ORDER BY expires_at LIMIT 100"
                    )
                )
            ).scalars()
        assert "approval_due" in "\n".join(plan)
