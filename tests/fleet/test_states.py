"""States of nodes, GPUs and join tokens: every arrow happens, every other pair is refused, here and in PostgreSQL."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from sublet.core.actors import system_actor
from sublet.core.db import Database, Session
from sublet.core.errors import Conflict, NotFound
from sublet.fleet import nodes
from sublet.fleet.states import GpuState, NodeState, come_back, move, move_gpu, stand, why_not_clear
from tests.scheduling.fleet_rows import add_node
from tests.support.arrows import Machine

pytestmark = pytest.mark.anyio

OPERATOR = system_actor("test")
NODES = Machine(
    "node",
    """
    enrolling   → ready cordoned draining maintenance quarantined offline retired
    ready       → cordoned draining maintenance quarantined offline enrolling
    cordoned    → ready draining maintenance quarantined offline enrolling retired
    draining    → cordoned maintenance quarantined offline enrolling retired
    maintenance → ready quarantined offline enrolling retired
    quarantined → ready maintenance offline enrolling retired
    offline     → ready cordoned draining maintenance quarantined enrolling retired
    retired
    """,
    companions="self_tested_at = clock_timestamp()",
)
GPUS = Machine(
    "gpu",
    """
    available   → quarantined missing
    quarantined → available
    missing     → available quarantined
    """,
    key="uuid",
)
GPU = "GPU-north-0"


async def events(session: Session) -> list[str]:
    return list((await session.execute(text("SELECT type FROM outbox_event ORDER BY type"))).scalars())


class TestNodes:
    async def test_make_every_change_of_the_table_and_no_other(self, database: Database) -> None:
        node_id = await add_node(database, "north", state="enrolling")
        async with database.transaction() as session:

            async def attempt(to: str) -> bool:
                told = "SELECT (SELECT count(*) FROM node_history) + (SELECT count(*) FROM outbox_event)"
                before = (await session.execute(text(told))).scalar_one()
                try:
                    await move(session, OPERATOR, node_id, NodeState(to), reason="tried")
                except Conflict:
                    assert (await session.execute(text(told))).scalar_one() == before
                    return False
                return True

            assert await NODES.allowed_by(session, node_id, attempt) == NODES.arrows

    async def test_are_held_to_it_by_postgresql(self, database: Database) -> None:
        node_id = await add_node(database, "north", state="enrolling")
        async with database.transaction() as session:
            assert await NODES.allowed_by_postgresql(session, node_id) == NODES.arrows

    async def test_begin_enrolling(self, database: Database) -> None:
        with pytest.raises(IntegrityError, match="begins enrolling, not ready"):
            async with database.transaction() as session:
                await session.execute(
                    text("INSERT INTO node (id, name, address, port, state) VALUES (:id, 'n', 'n', 22, 'ready')"),
                    {"id": "nd_aaaaaaaaaaaaaaaa"},
                )

    async def test_move_alone(self, database: Database) -> None:
        node_id = await add_node(database, "north")
        await add_node(database, "south")
        async with database.transaction() as session:
            await move(session, OPERATOR, node_id, NodeState.CORDONED, reason="tried")
            states = await session.execute(text("SELECT state FROM node ORDER BY name"))
            assert list(states.scalars()) == ["cordoned", "ready"]

    async def test_tell_history_and_event_of_a_change(self, database: Database) -> None:
        node_id = await add_node(database, "north")
        async with database.transaction() as session:
            await move(session, OPERATOR, node_id, NodeState.CORDONED, reason="tried")
            [told] = await session.execute(text("SELECT from_state, to_state, reason, actor FROM node_history"))
            assert tuple(told) == ("ready", "cordoned", "tried", "test")
            assert await events(session) == ["node.state_changed"]

    @pytest.mark.parametrize(
        ("left", "to", "is_told"),
        [("enrolling", "ready", True), ("enrolling", "offline", False), ("cordoned", "ready", False)],
    )
    async def test_are_enrolled_when_they_leave_enrolling_and_are_there(
        self, database: Database, left: str, to: str, is_told: bool
    ) -> None:
        node_id = await add_node(database, "north", state=left)
        async with database.transaction() as session:
            await move(session, OPERATOR, node_id, NodeState(to), reason="tried")
            assert ("node.enrolled" in await events(session)) is is_told

    async def test_that_are_away_come_back_as_they_were_last_meant_to_be(self, database: Database) -> None:
        node_id = await add_node(database, "north")
        async with database.transaction() as session:
            await move(session, OPERATOR, node_id, NodeState.OFFLINE, reason="gone")
            await stand(session, OPERATOR, node_id, NodeState.CORDONED, reason="tried")
            await come_back(session, OPERATOR, node_id, reason="there")
            told = await session.execute(text("SELECT from_state, to_state, reason FROM node_history ORDER BY id"))
            assert [tuple(row) for row in told] == [
                ("ready", "offline", "gone"),
                ("offline", "offline", "tried (once it is back)"),
                ("offline", "cordoned", "there"),
            ]

    async def test_change_what_they_will_come_back_as_only_when_they_go_away(self, database: Database) -> None:
        node_id = await add_node(database, "north")
        async with database.transaction() as session:
            before = (await nodes.get(session, node_id)).resumes_as
            for to in (NodeState.CORDONED, NodeState.READY):
                await stand(session, OPERATOR, node_id, to, reason="tried")
            assert (await nodes.get(session, node_id)).resumes_as is before

    @pytest.mark.parametrize("away", [False, True])
    @pytest.mark.parametrize("to", [NodeState.MAINTENANCE, NodeState.QUARANTINED])
    async def test_have_to_be_tested_anew_once_they_were_out_of_use(
        self, database: Database, to: NodeState, away: bool
    ) -> None:
        node_id = await add_node(database, "north")
        async with database.transaction() as session:
            await session.execute(text("UPDATE node SET self_tested_at = clock_timestamp()"))
            if away:
                await move(session, OPERATOR, node_id, NodeState.OFFLINE, reason="gone")
            await stand(session, OPERATOR, node_id, to, reason="tried")
            await come_back(session, OPERATOR, node_id, reason="there")
            assert (await nodes.get(session, node_id)).self_tested_at is None
        with pytest.raises(IntegrityError, match="refused"):
            async with database.transaction() as session:
                await session.execute(text("UPDATE node SET state = 'ready'"))

    async def test_that_are_not_there_are_not_found(self, database: Database) -> None:
        with pytest.raises(NotFound):
            async with database.transaction() as session:
                await move(session, OPERATOR, "nd_none", NodeState.READY, reason="no")


class TestGpus:
    def test_are_vouched_for_in_quarantine_alone(self) -> None:
        allowed = {state: why_not_clear(state) is None for state in GpuState}
        assert allowed == {GpuState.AVAILABLE: False, GpuState.QUARANTINED: True, GpuState.MISSING: False}

    def test_that_are_missing_are_to_be_put_back(self) -> None:
        gone = why_not_clear(GpuState.MISSING)
        assert gone is not None
        assert "Put it back" in str(gone.problem)

    async def test_make_every_change_of_the_table_and_no_other(self, database: Database) -> None:
        await add_node(database, "north", gpus=["A"])
        async with database.transaction() as session:

            async def attempt(to: str) -> bool:
                return await move_gpu(session, GPU, GpuState(to))

            assert await GPUS.allowed_by(session, GPU, attempt) == GPUS.arrows

    async def test_are_held_to_it_by_postgresql(self, database: Database) -> None:
        await add_node(database, "north", gpus=["A"])
        async with database.transaction() as session:
            assert await GPUS.allowed_by_postgresql(session, GPU) == GPUS.arrows

    async def test_begin_available(self, database: Database) -> None:
        node_id = await add_node(database, "north")
        with pytest.raises(IntegrityError, match="begins available, not missing"):
            async with database.transaction() as session:
                await session.execute(
                    text(
                        "INSERT INTO gpu (uuid, node_id, model, memory_mib, state) "
                        "VALUES ('x', :node, 'A', 1, 'missing')"
                    ),
                    {"node": node_id},
                )

    async def test_move_alone(self, database: Database) -> None:
        await add_node(database, "north", gpus=["A", "A"])
        async with database.transaction() as session:
            assert await move_gpu(session, GPU, GpuState.QUARANTINED)
            states = await session.execute(text("SELECT state FROM gpu ORDER BY uuid"))
            assert list(states.scalars()) == ["quarantined", "available"]


class TestJoinTokens:
    """What PostgreSQL keeps of a token whatever the code does; that the code refuses is in `test_enrolment.py`."""

    @pytest.fixture
    async def token(self, database: Database) -> None:
        """One token that has not been used."""
        node_id = await add_node(database, "north", state="enrolling")
        await add_node(database, "south", state="enrolling")
        async with database.transaction() as session:
            await session.execute(
                text(
                    "INSERT INTO join_token (token_hash, node_id, created_by, expires_at) "
                    "VALUES (sha256('t'), :node, 'test', clock_timestamp() + interval '1 hour')"
                ),
                {"node": node_id},
            )

    USED = "UPDATE join_token SET used_at = clock_timestamp(), host_public_key = 'k'"
    ENDED = "UPDATE join_token SET expires_at = clock_timestamp() - interval '1 second'"

    async def _run(self, database: Database, *statements: str) -> None:
        for statement in statements:
            async with database.transaction() as session:
                await session.execute(text(statement))

    @pytest.mark.parametrize(
        ("before", "refused"),
        [
            pytest.param(USED, USED, id="used a second time"),
            pytest.param(USED, "UPDATE join_token SET used_at = NULL, host_public_key = NULL", id="made unused"),
            pytest.param(USED, "UPDATE join_token SET host_public_key = 'other'", id="given to another machine"),
            pytest.param(ENDED, USED, id="used after its end"),
            pytest.param(ENDED, "UPDATE join_token SET expires_at = 'infinity'", id="ends later"),
            pytest.param(
                "SELECT 1",
                "UPDATE join_token SET node_id = (SELECT id FROM node WHERE name = 'south')",
                id="another node",
            ),
            pytest.param("SELECT 1", "UPDATE join_token SET token_hash = sha256('u')", id="another token"),
        ],
    )
    @pytest.mark.usefixtures("token")
    async def test_are_used_once_in_their_time(self, database: Database, before: str, refused: str) -> None:
        await self._run(database, before)
        with pytest.raises(IntegrityError, match="refused"):
            await self._run(database, refused)

    @pytest.mark.usefixtures("token")
    async def test_can_be_used_and_can_end_sooner(self, database: Database) -> None:
        await self._run(database, "UPDATE join_token SET expires_at = expires_at - interval '1 minute'", self.USED)
