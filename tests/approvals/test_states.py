"""States of approvals: every arrow happens, every other pair is refused, here and in PostgreSQL."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from sublet.approvals.states import ApprovalState, move
from sublet.core.actors import system_actor
from sublet.core.errors import Conflict, NotFound
from tests.approvals.desk import Desk
from tests.support.arrows import Machine

pytestmark = pytest.mark.anyio

APPROVALS = Machine(
    "approval",
    """
    requested → approved rejected expired
    approved  → used expired
    rejected
    expired
    used
    """,
    companions="decided_by = CASE WHEN :to IN ('approved', 'rejected') THEN 'usr_bob' ELSE decided_by END, "
    "decided_by_name = CASE WHEN :to IN ('approved', 'rejected') THEN 'Bob' ELSE decided_by_name END, "
    "decided_at = CASE WHEN :to IN ('approved', 'rejected') THEN coalesce(decided_at, now()) ELSE decided_at END, "
    "used_at = CASE WHEN :to = 'used' THEN now() END",
)
TEST = system_actor("test")


@pytest.fixture
async def approval_id(desk: Desk) -> str:
    """What Ada has just asked for; there is a Bob too."""
    await desk.operator("Bob")
    return (await desk.request()).id


class TestApprovals:
    async def test_make_every_change_of_the_table_and_no_other(self, desk: Desk, approval_id: str) -> None:
        told = text(
            "SELECT (SELECT count(*) FROM approval_history), array(SELECT type FROM outbox_event ORDER BY xid, id)"
        )
        async with desk.database.transaction() as session:

            async def attempt(to: str) -> bool:
                values = {"decided_by": "usr_bob", "decided_by_name": "Bob"} if to in {"approved", "rejected"} else {}
                times = {"approved": "decided_at", "rejected": "decided_at", "used": "used_at"}
                further = {times[to]: text("clock_timestamp()")} if to in times else {}
                before, events = (await session.execute(told)).one()
                try:
                    await move(session, TEST, approval_id, ApprovalState(to), reason="tried", **values, **further)
                except Conflict:
                    assert (await session.execute(told)).one() == (before, events)
                    return False
                assert (await session.execute(told)).one() == (before + 1, [*events, f"approval.{to}"])
                return True

            assert await APPROVALS.allowed_by(session, approval_id, attempt) == APPROVALS.arrows

    async def test_are_held_to_it_by_postgresql(self, desk: Desk, approval_id: str) -> None:
        async with desk.database.transaction() as session:
            assert await APPROVALS.allowed_by_postgresql(session, approval_id) == APPROVALS.arrows

    @pytest.mark.usefixtures("approval_id")
    async def test_begin_requested(self, desk: Desk) -> None:
        with pytest.raises(IntegrityError, match="begins requested, not expired"):
            async with desk.database.transaction() as session:
                await session.execute(
                    text(
                        "INSERT INTO approval (id, act, subject, parameters, digest, permission, reason, requested_by, "
                        "requested_by_name, expires_at, state) SELECT 'apr_aaaaaaaaaaaaaaaa', act, subject, "
                        "parameters, digest, permission, reason, requested_by, requested_by_name, expires_at, "
                        "'expired' FROM approval"
                    )
                )

    async def test_remember_how_they_came_where_they_are(self, desk: Desk) -> None:
        await desk.approved()
        await desk.consume()
        history = await desk.rows("SELECT from_state, to_state, reason FROM approval_history ORDER BY id")
        assert [tuple(row) for row in history] == [
            (None, "requested", "the node burnt down"),
            ("requested", "approved", "I saw the smoke"),
            ("approved", "used", "the act was done"),
        ]

    async def test_that_are_not_there_are_not_found(self, desk: Desk) -> None:
        with pytest.raises(NotFound):
            async with desk.database.transaction() as session:
                await move(session, TEST, "apr_none", ApprovalState.EXPIRED, reason="no")


SECOND = ", decided_by_name = 'Bob', decided_at = now()"


class TestWhatPostgresqlKeeps:
    """Whatever the code does."""

    @pytest.mark.parametrize(
        ("change", "rule"),
        [
            pytest.param("state = 'approved'", "approval_decided_when", id="approved by nobody"),
            pytest.param(
                f"state = 'approved', decided_by = requested_by{SECOND}", "approval_decided_by_another", id="by oneself"
            ),
            pytest.param(
                "state = 'expired', decided_by = 'usr_bob', decided_by_name = 'Bob'",
                "approval_decided_whole",
                id="decided at no time",
            ),
            pytest.param(
                "state = 'expired', decided_by = 'usr_bob', decided_at = now()",
                "approval_decided_whole",
                id="decided by no name",
            ),
            pytest.param(f"decided_by = 'usr_bob'{SECOND}", "approval_decided_when", id="decided and still asked for"),
            pytest.param("used_at = now()", "approval_used_when", id="used and still asked for"),
            pytest.param(
                f"state = 'approved', decided_by = 'usr_bob'{SECOND}, expires_at = now()", "approval_in_time", id="late"
            ),
            pytest.param("expires_at = requested_at", "approval_expires_later", id="over at once"),
            pytest.param("digest = 'x'", "approval_digest_check", id="no digest"),
            pytest.param("parameters = '[]'", "approval_parameters_check", id="no parameters"),
            pytest.param("reason = ''", "approval_reason_check", id="no reason"),
            pytest.param("act = 'delete'", "approval_act_check", id="no act"),
            pytest.param("subject = ''", "approval_subject_check", id="no subject"),
        ],
    )
    async def test_refuses(self, desk: Desk, approval_id: str, change: str, rule: str) -> None:
        with pytest.raises(Exception, match=rule):
            desk.run(f"UPDATE approval SET {change} WHERE id = '{approval_id}'")

    async def test_refuses_a_use_that_is_late(self, desk: Desk, approval_id: str) -> None:
        await desk.approve(approval_id)
        with pytest.raises(Exception, match="approval_in_time"):
            desk.run("UPDATE approval SET state = 'used', used_at = expires_at")

    async def test_refuses_the_same_act_open_twice(self, desk: Desk, approval_id: str) -> None:
        with pytest.raises(Exception, match="approval_open"):
            desk.run(
                "INSERT INTO approval (id, act, subject, parameters, digest, permission, reason, requested_by, "
                "requested_by_name, expires_at) SELECT 'apr_aaaaaaaaaaaaaaaa', act, subject, parameters, digest, "
                f"permission, reason, 'usr_bob', 'Bob', expires_at FROM approval WHERE id = '{approval_id}'"
            )

    @pytest.mark.parametrize(
        "change",
        ["decided_by = 'usr_cleo'", "decided_by_name = 'Eve'", "decided_at = decided_at + interval '1 second'"],
    )
    @pytest.mark.usefixtures("approval_id")
    async def test_refuses_another_decision(self, desk: Desk, change: str) -> None:
        await desk.approved()
        with pytest.raises(Exception, match="append-only"):
            desk.run(f"UPDATE approval SET {change}")

    @pytest.mark.parametrize(
        "column", ["act", "subject", "parameters", "digest", "permission", "reason", "requested_by", "expires_at"]
    )
    @pytest.mark.usefixtures("approval_id")
    async def test_lets_the_application_change_nothing_that_was_asked(self, desk: Desk, column: str) -> None:
        with pytest.raises(DBAPIError, match="permission denied"):
            async with desk.database.transaction() as session:
                await session.execute(text(f"UPDATE approval SET {column} = {column}"))

    @pytest.mark.parametrize("sql", ["DELETE FROM approval", "TRUNCATE approval CASCADE"])
    @pytest.mark.usefixtures("approval_id")
    async def test_forgets_nothing(self, desk: Desk, sql: str) -> None:
        with pytest.raises(Exception, match="append-only"):
            desk.run(sql)

    @pytest.mark.parametrize("sql", ["UPDATE approval_history SET reason = 'x'", "DELETE FROM approval_history"])
    @pytest.mark.usefixtures("approval_id")
    async def test_forgets_no_history(self, desk: Desk, sql: str) -> None:
        with pytest.raises(Exception, match="append-only"):
            desk.run(sql)
