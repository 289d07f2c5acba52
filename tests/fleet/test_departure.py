"""A node goes: its machine says so, or an operator removes what never came to anything."""

import base64
from datetime import UTC, datetime, timedelta

import asyncssh
import pytest
from sqlalchemy import text

from sublet.core.db import Database
from sublet.core.errors import Conflict, InvalidInput, NotFound
from sublet.fleet import checklist, departure, enrolment, join_tokens, nodes
from sublet.fleet.ca import public_line
from sublet.fleet.errors import JoinTokenRefused, LeaveRefused, MachineAlreadyEnrolled
from sublet.fleet.nodes import Node
from sublet.fleet.observation import Observer
from sublet.fleet.states import NodeState
from tests.fleet.conftest import OPERATOR, Joining
from tests.fleet.fake_node import FakeNode
from tests.fleet.signatures import signed
from tests.fleet.test_enrolment import Machines, machines
from tests.fleet.working import look_at

__all__ = ["machines"]

pytestmark = pytest.mark.anyio


class Leaving:
    """A machine that says that it leaves, in one way or another."""

    def __init__(self, database: Database, node: Node, fake: FakeNode) -> None:
        self.database, self.node, self.key = database, node, fake.host_key

    async def say(
        self,
        *,
        ago: timedelta = timedelta(0),
        about: str | None = None,
        key: asyncssh.SSHKey | None = None,
        signature: str | None = None,
        namespace: str = departure.NAMESPACE,
        version: int = 1,
        in_use: bool = False,
    ) -> None:
        at = datetime.now(UTC) - ago
        message = f"{about or self.node.id} {at.isoformat()}"
        made = signature or signed(key or self.key, message, namespace=namespace, version=version)
        async with self.database.transaction() as session:
            await departure.leave(session, self.node.id, at=at, signed=at.isoformat(), signature=made, in_use=in_use)

    async def due(self) -> set[str]:
        """Which work on the node will be done some time."""
        async with self.database.reading() as session:
            rows = await session.execute(
                text("SELECT kind FROM work WHERE id = :id AND due_at < 'infinity'"), {"id": self.node.id}
            )
            return set(rows.scalars())


@pytest.fixture
async def leaver(ready_node: tuple[Node, FakeNode], database: Database) -> Leaving:
    return Leaving(database, *ready_node)


class TestAMachineThatLeaves:
    async def test_takes_nothing_more_and_operators_see_it(
        self, leaver: Leaving, machines: Machines, database: Database
    ) -> None:
        await leaver.say()
        node = await machines.get(leaver.node.id)
        assert (node.state, node.closed, node.host_public_key) == (NodeState.ENROLLING, "state", None)
        async with database.reading() as session:
            steps = checklist.steps(node, token_expires_at=None, clock_skew_seconds=None, now=datetime.now(UTC))
            history = await nodes.history(session, node.id)
            audited = await session.execute(text("SELECT action FROM audit_event ORDER BY seq DESC LIMIT 1"))
            events = await session.execute(text("SELECT data->>'reason' FROM outbox_event ORDER BY id DESC LIMIT 1"))
        assert history[0].reason == "its machine left: `sublet-node unenrol` was run on it"
        assert (audited.scalar_one(), events.scalar_one()) == ("node.left", history[0].reason)
        joined = next(step for step in steps if step.name == "joined")
        assert (joined.state, joined.detail) == ("failed", f"{node.name} was given back to its owner.")

    async def test_lives_no_certificate_and_is_not_looked_for(self, leaver: Leaving, database: Database) -> None:
        await leaver.say()
        async with database.reading() as session:
            living = await session.execute(
                text("SELECT count(*) FROM issued_certificate WHERE subject = :id AND revoked_at IS NULL"),
                {"id": leaver.node.id},
            )
        assert living.scalar_one() == 0
        assert await leaver.due() == set()

    async def test_is_looked_for_while_customers_are_on_it(
        self, leaver: Leaving, observer: Observer, database: Database, machines: Machines
    ) -> None:
        await leaver.say(in_use=True)
        assert await leaver.due() == {"node"}
        assert not await look_at(observer, leaver.node.id)
        async with database.transaction() as session:
            await session.execute(
                text("UPDATE node SET last_seen_at = clock_timestamp() - interval '1 minute', misses = misses + 1")
            )
            assert await observer.note_offline(session) == [leaver.node.id]

    async def test_may_join_again(self, leaver: Leaving, machines: Machines, observer: Observer) -> None:
        await leaver.say()
        async with machines.database.transaction() as session:
            again = await enrolment.new_join_token(session, OPERATOR, leaver.node.id, settings=machines.settings)
        await machines.join(again.token, FakeNode().host_public_key, gpus=[])
        assert await leaver.due() >= {"node"}

    async def test_is_believed_with_its_own_key_alone(self, leaver: Leaving, machines: Machines) -> None:
        another = asyncssh.generate_private_key("ssh-ed25519")
        with pytest.raises(LeaveRefused, match="not signed with the host key"):
            await leaver.say(key=another)
        with pytest.raises(LeaveRefused, match="not signed"):
            await leaver.say(about="nd_another")
        with pytest.raises(LeaveRefused, match="not signed"):
            await leaver.say(namespace="file")
        with pytest.raises(LeaveRefused, match="not signed"):
            await leaver.say(version=2)
        for nonsense in ("!", "AAAA", base64.b64encode(b"SSHSIG\0\0\0\1\0\0\1\0").decode()):
            with pytest.raises(LeaveRefused, match="not signed"):
                await leaver.say(signature=nonsense)
        with pytest.raises(LeaveRefused, match="clock"):
            await leaver.say(ago=timedelta(minutes=6))
        with pytest.raises(LeaveRefused, match="clock"):
            await leaver.say(ago=-timedelta(minutes=6))
        assert (await machines.get(leaver.node.id)).state is NodeState.READY

    async def test_is_not_believed_about_a_time_before_it_joined(self, leaver: Leaving, machines: Machines) -> None:
        with pytest.raises(LeaveRefused, match="clock"):
            await leaver.say(ago=timedelta(minutes=1))
        assert (await machines.get(leaver.node.id)).state is NodeState.READY

    async def test_that_left_already_is_not_known(self, leaver: Leaving) -> None:
        await leaver.say()
        with pytest.raises(LeaveRefused, match="whether it is a node at all"):
            await leaver.say()


class TestARetiredNodesMachine:
    async def test_may_be_added_anew_once_it_has_left(
        self, leaver: Leaving, machines: Machines, database: Database
    ) -> None:
        async with database.transaction() as session:
            await session.execute(text("UPDATE node SET state = 'cordoned'"))
            await session.execute(text("UPDATE node SET state = 'retired'"))
        _, join = await machines.add("anew")
        with pytest.raises(MachineAlreadyEnrolled, match="Run `sublet-node unenrol`"):
            await machines.join(join.token, public_line(leaver.key))
        await leaver.say()
        assert (await machines.get(leaver.node.id)).state is NodeState.RETIRED
        await machines.join(join.token, public_line(leaver.key))


class TestRemoving:
    async def remove(self, database: Database, node_id: str, *, in_use: bool = False) -> None:
        async with database.transaction() as session:
            await departure.remove(session, OPERATOR, node_id, in_use=in_use)

    async def test_frees_the_name_and_the_address_and_ends_the_token(
        self, machines: Machines, database: Database
    ) -> None:
        node, join = await machines.add()
        await self.remove(database, node.id)
        with pytest.raises(NotFound):
            await machines.get(node.id)
        with pytest.raises(JoinTokenRefused):
            await machines.join(join.token, FakeNode().host_public_key)
        again, _ = await machines.add()
        async with database.reading() as session:
            assert [one.id for one in await nodes.list_page(session, limit=10, after_name=None)] == [again.id]
            history = [one.reason for one in await nodes.history(session, node.id)]
            audited = await session.execute(
                text("SELECT action FROM audit_event WHERE target_id = :id ORDER BY seq"), {"id": node.id}
            )
        assert history == ["removed", "added"]
        assert audited.scalars().all() == ["node.added", "node.join_token_created", "node.removed"]
        with pytest.raises(NotFound):
            async with database.transaction() as session:
                await enrolment.change_place(session, OPERATOR, node.id, address=None, port=23, labels=None)

    async def test_takes_the_machine_that_joined_it_by_mistake_with_it(
        self, join_node: Joining, machines: Machines, database: Database
    ) -> None:
        """It joined under an address where Sublet never reached it."""
        node, fake = await join_node()
        async with database.transaction() as session:
            again = await enrolment.new_join_token(session, OPERATOR, node.id, settings=machines.settings)
        await machines.join(again.token, fake.host_public_key)
        await self.remove(database, node.id)
        with pytest.raises(NotFound):
            await machines.join(again.token, fake.host_public_key)
        _, join = await machines.add("another")
        await machines.join(join.token, fake.host_public_key)

    async def test_is_for_what_is_no_machine_s(self, leaver: Leaving, machines: Machines, database: Database) -> None:
        with pytest.raises(Conflict, match=r"A machine is this node\. Nothing was changed\. Run `sublet-node unenrol`"):
            await self.remove(database, leaver.node.id)
        await leaver.say()
        with pytest.raises(Conflict, match=r"Something of a customer is on the node"):
            await self.remove(database, leaver.node.id, in_use=True)
        await self.remove(database, leaver.node.id)
        assert await leaver.due() == set()


class TestCorrecting:
    async def test_a_name_is_another_from_then_on(self, machines: Machines, database: Database) -> None:
        node, join = await machines.add("nroth")
        async with database.transaction() as session:
            changed = await enrolment.change_place(
                session, OPERATOR, node.id, name="north", address="Node.Example", port=None, labels=None
            )
        assert (changed.name, changed.address) == ("north", "node.example")
        joined = await machines.join(join.token, FakeNode().host_public_key)
        assert asyncssh.import_certificate(joined.host_certificate).principals == [node.id, "north", "node.example"]

    async def test_a_name_that_is_taken_is_refused(self, machines: Machines, database: Database) -> None:
        await machines.add("north")
        node, _ = await machines.add("south", "192.0.2.2")
        async with database.transaction() as session:
            with pytest.raises(Conflict, match="The name north belongs"):
                await enrolment.change_place(
                    session, OPERATOR, node.id, name="north", address=None, port=None, labels=None
                )

    async def test_another_name_gets_another_certificate(self, leaver: Leaving, database: Database) -> None:
        async with database.transaction() as session:
            await session.execute(text("UPDATE work SET due_at = 'infinity' WHERE kind = 'trust'"))
            await enrolment.change_place(
                session, OPERATOR, leaver.node.id, name="another", address=None, port=None, labels=None
            )
        assert "trust" in await leaver.due()

    async def test_an_address_that_is_none_is_refused(self, machines: Machines) -> None:
        with pytest.raises(InvalidInput, match="no IP address"):
            await machines.add("north", "192.0.2.300")


class TestATokenAfterAFailure:
    async def test_counts_again_for_the_machine_until_a_customer_could_come_in(
        self, machines: Machines, database: Database
    ) -> None:
        """Whatever happened to the node meanwhile: here Sublet did not reach it for long."""
        node, join = await machines.add()
        key = FakeNode().host_public_key
        await machines.join(join.token, key, gpus=[])
        async with database.transaction() as session:
            await session.execute(text("UPDATE node SET state = 'offline'"))
        async with database.reading() as session:
            assert (await enrolment.preview(session, token=join.token, host_public_key=key)).id == node.id
        await machines.join(join.token, key, gpus=[])
        async with database.reading() as session:
            for token, other in ((join.token, FakeNode().host_public_key), ("sublet_join_x", key)):
                with pytest.raises(JoinTokenRefused):
                    await enrolment.preview(session, token=token, host_public_key=other)
        async with database.transaction() as session:
            await session.execute(text("UPDATE node SET entered_at = clock_timestamp()"))
        async with database.reading() as session:
            with pytest.raises(JoinTokenRefused, match="is a node that works"):
                await enrolment.preview(session, token=join.token, host_public_key=key)
            assert await join_tokens.outstanding(session, node.id) is None
