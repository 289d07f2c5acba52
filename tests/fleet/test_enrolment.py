"""A machine becomes a node by a one-time token, and takes work only after it answered over SSH."""

import asyncssh
import pytest
from sqlalchemy import text

from sublet.core.db import Database, Session
from sublet.core.errors import Conflict, InvalidInput
from sublet.core.settings import Settings
from sublet.fleet import answers, checklist, enrolment, join_tokens, nodes, observation, states
from sublet.fleet.backend import Probe
from sublet.fleet.ca import CertificateAuthority
from sublet.fleet.enrolment import Joined
from sublet.fleet.errors import JoinTokenRefused, MachineAlreadyEnrolled
from sublet.fleet.join_tokens import Join
from sublet.fleet.nodes import Node
from sublet.fleet.observation import Observer
from sublet.fleet.states import NodeState
from sublet.scheduling.claims import claims_on_gpu
from tests.fleet.conftest import OPERATOR, Joining
from tests.fleet.fake_node import PROBE, SPACE, FakeNode, now
from tests.fleet.working import look_at

pytestmark = pytest.mark.anyio


def probe(**changes: object) -> Probe:
    return answers.Probed.model_validate({**PROBE, "time": now(), **changes}).to_probe()


class Machines:
    """Adds nodes and lets machines join, each in a transaction of its own."""

    def __init__(self, database: Database, authority: CertificateAuthority, settings: Settings) -> None:
        self.database, self.authority, self.settings = database, authority, settings

    async def add(self, name: str = "north", address: str = "192.0.2.1") -> tuple[Node, Join]:
        async with self.database.transaction() as session:
            return await enrolment.add_node(
                session, OPERATOR, name, address=address, port=22, labels={"zone": "a"}, settings=self.settings
            )

    async def know_its_own(self, session: Session) -> None:
        """Every node has said that it lets in certificates for its own control principal alone."""
        await session.execute(text("UPDATE node SET own_principal = true"))

    async def join(self, token: str, host_public_key: str, *, own_principal: bool = False, **changes: object) -> Joined:
        signer = await self.authority.host_signer()
        async with self.database.transaction() as session:
            return await enrolment.join(
                session,
                token=token,
                host_public_key=host_public_key,
                inventory=probe(**changes),
                signer=signer,
                settings=self.settings,
                claims_on=claims_on_gpu,
                own_principal=own_principal,
            )

    async def get(self, node_id: str) -> Node:
        async with self.database.reading() as session:
            return await nodes.get(session, node_id)


@pytest.fixture
def machines(database: Database, authority: CertificateAuthority, settings: Settings) -> Machines:
    return Machines(database, authority, settings)


class TestTheJoinCommand:
    async def test_carries_the_token_in_no_url_and_in_no_arguments(self, machines: Machines) -> None:
        _, join = await machines.add()
        assert "https://sublet.test/node/sublet-node.pyz" in join.command
        before_pipe, after_pipe = join.command.split(" | ")
        assert before_pipe.endswith(f"printf %s {join.token}")
        assert join.token not in after_pipe
        assert "--token-stdin" in after_pipe
        assert join.token not in repr(join)

    async def test_only_the_tokens_hash_is_stored(self, machines: Machines, database: Database) -> None:
        _, join = await machines.add()
        async with database.reading() as session:
            rows = (await session.execute(text("SELECT t::text FROM join_token t"))).scalars().all()
            audited = (await session.execute(text("SELECT e::text FROM audit_event e"))).scalars().all()
        assert len(rows) == 1
        assert len(audited) == 2
        assert join.token not in "".join([*rows, *audited])


class TestJoining:
    async def test_certifies_the_hosts_key_for_its_id_name_and_address(self, machines: Machines) -> None:
        node, join = await machines.add()
        fake = FakeNode()
        joined = await machines.join(join.token, fake.host_public_key)
        certificate = asyncssh.import_certificate(joined.host_certificate)
        assert certificate.principals == [node.id, "north", "192.0.2.1"]
        assert len(joined.user_ca_public_keys) == 2
        assert joined.revoked_keys.startswith(b"SSHKRL\n\x00")

    async def test_does_not_make_it_ready(self, machines: Machines) -> None:
        node, join = await machines.add()
        await machines.join(join.token, FakeNode().host_public_key)
        assert (await machines.get(node.id)).state is NodeState.ENROLLING

    async def test_a_used_token_is_refused_to_another_machine(self, machines: Machines) -> None:
        _, join = await machines.add()
        await machines.join(join.token, FakeNode().host_public_key)
        with pytest.raises(JoinTokenRefused, match="has used this join token"):
            await machines.join(join.token, FakeNode().host_public_key)

    async def test_an_answer_lost_on_the_way_does_not_strand_the_machine(self, machines: Machines) -> None:
        _, join = await machines.add()
        key = FakeNode().host_public_key
        first = await machines.join(join.token, key)
        assert (await machines.join(join.token, key)).node_id == first.node_id

    async def test_a_used_token_is_refused_to_its_own_machine_once_that_is_verified(
        self, machines: Machines, join_node: Joining, observer: Observer, database: Database
    ) -> None:
        node, fake = await join_node()
        async with database.transaction() as session:
            again = await enrolment.new_join_token(session, OPERATOR, node.id, settings=machines.settings)
        await machines.join(again.token, fake.host_public_key)
        assert await look_at(observer, node.id)
        with pytest.raises(JoinTokenRefused, match="has used this join token"):
            await machines.join(again.token, fake.host_public_key)

    async def test_an_expired_token_is_refused(self, machines: Machines) -> None:
        _, join = await machines.add()
        async with machines.database.transaction() as session:
            await session.execute(text("UPDATE join_token SET expires_at = clock_timestamp() - interval '1 second'"))
        with pytest.raises(JoinTokenRefused, match="ended at"):
            await machines.join(join.token, FakeNode().host_public_key)

    async def test_a_new_token_ends_the_one_before(self, machines: Machines, database: Database) -> None:
        node, first = await machines.add()
        async with database.transaction() as session:
            second = await enrolment.new_join_token(session, OPERATOR, node.id, settings=machines.settings)
        with pytest.raises(JoinTokenRefused):
            await machines.join(first.token, FakeNode().host_public_key)
        await machines.join(second.token, FakeNode().host_public_key)

    async def test_an_unknown_token_is_refused(self, machines: Machines) -> None:
        with pytest.raises(JoinTokenRefused, match="no such join token"):
            await machines.join("sublet_join_nothing", FakeNode().host_public_key)

    async def test_a_machine_cannot_be_two_nodes(self, machines: Machines) -> None:
        key = FakeNode().host_public_key
        _, first = await machines.add("north", "192.0.2.1")
        _, second = await machines.add("south", "192.0.2.2")
        await machines.join(first.token, key)
        with pytest.raises(MachineAlreadyEnrolled, match="north"):
            await machines.join(second.token, key)

    async def test_a_gpu_cannot_be_in_two_nodes(self, machines: Machines) -> None:
        _, first = await machines.add("north", "192.0.2.1")
        second_node, second = await machines.add("south", "192.0.2.2")
        await machines.join(first.token, FakeNode().host_public_key)
        with pytest.raises(MachineAlreadyEnrolled, match="GPU-fake-0"):
            await machines.join(second.token, FakeNode().host_public_key)
        assert (await machines.get(second_node.id)).host_public_key is None

    @pytest.mark.parametrize(
        "key", ["", "nonsense", "ssh-dss AAAA", "ssh-ed25519 AAAA", "ssh-ed25519 !!!", 'command="x" ssh-ed25519 AAAA']
    )
    async def test_what_is_not_a_host_key_is_refused(self, machines: Machines, key: str) -> None:
        _, join = await machines.add()
        with pytest.raises(InvalidInput):
            await machines.join(join.token, key)

    @pytest.mark.parametrize(("name", "address"), [("north", "192.0.2.9"), ("other", "192.0.2.1")])
    async def test_names_and_addresses_are_not_given_twice(self, machines: Machines, name: str, address: str) -> None:
        await machines.add("north", "192.0.2.1")
        with pytest.raises(Conflict, match="belongs to the node north"):
            await machines.add(name, address)


class TestVerifying:
    async def test_the_probe_over_ssh_makes_it_ready_with_what_is_enforced(
        self, ready_node: tuple[Node, FakeNode], database: Database
    ) -> None:
        node, _ = ready_node
        assert node.state is NodeState.READY
        assert node.limits_enforced is True
        assert {item.name: item.enforced for item in node.capabilities}["disk_quota"] is False
        async with database.reading() as session:
            events = await session.execute(
                text("SELECT type, organization_id FROM outbox_event WHERE subject = :id ORDER BY id"), {"id": node.id}
            )
            seen = [(row.type, row.organization_id) for row in events]
        assert [gpu.uuid for gpu in node.gpus] == ["GPU-north-0"]
        assert seen == [("node.state_changed", None), ("node.enrolled", None)]

    async def test_a_node_that_was_cordoned_meanwhile_comes_up_cordoned(
        self, join_node: Joining, observer: Observer, database: Database
    ) -> None:
        node, _ = await join_node()
        async with database.transaction() as session:
            await states.stand(session, OPERATOR, node.id, NodeState.CORDONED, reason="not yet")
        assert await look_at(observer, node.id)
        async with database.reading() as session:
            assert (await nodes.get(session, node.id)).state is NodeState.CORDONED

    async def test_the_checklist_says_what_fails_and_how_to_fix_it(
        self, join_node: Joining, observer: Observer, database: Database
    ) -> None:
        node, fake = await join_node()
        await fake.stop()
        assert not await look_at(observer, node.id)
        steps = await self._steps(database, node.id)
        assert {name: step.state for name, step in steps.items()} == {
            "added": "done",
            "joined": "done",
            "host_certificate": "done",
            "connected_back": "failed",
            "entry": "waiting",
            "clock": "waiting",
            "limits": "waiting",
            "accepting_work": "waiting",
        }
        assert "cannot be reached" in steps["connected_back"].detail
        assert "firewall" in (steps["connected_back"].fix or "")
        await fake.start()
        await self._make_due(database, node.id)
        assert await look_at(observer, node.id)
        assert {step.state for step in (await self._steps(database, node.id)).values()} == {"done"}

    async def test_a_machine_that_enrols_again_keeps_what_it_was(
        self,
        ready_node: tuple[Node, FakeNode],
        database: Database,
        observer: Observer,
        machines: Machines,
    ) -> None:
        node, fake = ready_node
        async with database.transaction() as session:
            await states.stand(session, OPERATOR, node.id, NodeState.CORDONED, reason="maintenance soon")
            again = await enrolment.new_join_token(session, OPERATOR, node.id, settings=machines.settings)
        gpus = [{**PROBE["gpus"][0], "uuid": "GPU-north-0"}]
        joined = await machines.join(again.token, fake.host_public_key, gpus=gpus)
        assert joined.node_id == node.id
        assert (await machines.get(node.id)).state is NodeState.ENROLLING
        assert await look_at(observer, node.id)
        assert (await machines.get(node.id)).state is NodeState.CORDONED

    @pytest.mark.parametrize(("same_machine", "disk_gib"), [(True, 200), (False, 50)])
    async def test_disk_that_allocations_have_filled_counts_until_it_is_another_machine(
        self,
        ready_node: tuple[Node, FakeNode],
        database: Database,
        observer: Observer,
        machines: Machines,
        same_machine: bool,
        disk_gib: int,
    ) -> None:
        node, fake = ready_node
        async with database.transaction() as session:
            again = await enrolment.new_join_token(session, OPERATOR, node.id, settings=machines.settings)
        now_free = {**PROBE, "gpus": [{**PROBE["gpus"][0], "uuid": "GPU-north-0"}], "disk_gib": 50}
        fake.answers["probe"] = lambda _: {**now_free, "time": now()}
        if not same_machine:
            fake.host_key = asyncssh.generate_private_key("ssh-ed25519")
        # What the machine says of itself, before it was asked over SSH, is not believed.
        joined = await machines.join(again.token, fake.host_public_key, gpus=now_free["gpus"], disk_gib=9000)
        fake.host_certificate = joined.host_certificate
        await fake.restart()
        assert await look_at(observer, node.id)
        inventory = (await machines.get(node.id)).inventory
        assert inventory is not None
        assert inventory.disk_gib == disk_gib

    async def test_a_look_at_what_it_was_lets_it_take_no_work(
        self, ready_node: tuple[Node, FakeNode], database: Database, observer: Observer, machines: Machines
    ) -> None:
        node, fake = ready_node
        async with database.transaction() as session:
            again = await enrolment.new_join_token(session, OPERATOR, node.id, settings=machines.settings)
        gpus = [{**PROBE["gpus"][0], "uuid": "GPU-north-0"}]

        async def join_meanwhile(_request: dict[str, object]) -> dict[str, object]:
            await machines.join(again.token, FakeNode().host_public_key, gpus=gpus)
            return {"boot_id": "boot-1", "time": now(), **SPACE, "allocations": [], "unknown": []}

        fake.answers["observe"] = join_meanwhile
        await self._make_due(database, node.id)
        assert not await look_at(observer, node.id)
        assert (await machines.get(node.id)).state is NodeState.ENROLLING

    async def test_the_machine_that_it_was_cannot_answer_for_the_new_one(
        self, ready_node: tuple[Node, FakeNode], database: Database, observer: Observer, machines: Machines
    ) -> None:
        node, before = ready_node
        async with database.transaction() as session:
            again = await enrolment.new_join_token(session, OPERATOR, node.id, settings=machines.settings)
        gpus = [{**PROBE["gpus"][0], "uuid": "GPU-north-0"}]
        await machines.join(again.token, FakeNode().host_public_key, gpus=gpus)
        before.requests.clear()
        assert not await look_at(observer, node.id)
        assert before.requests == []
        found = await machines.get(node.id)
        assert found.state is NodeState.ENROLLING
        assert found.failure is not None
        assert found.failure.code == "host_key_changed"

    async def _steps(self, database: Database, node_id: str) -> dict[str, checklist.Step]:
        async with database.reading() as session:
            node = await nodes.get(session, node_id)
            expires = await join_tokens.outstanding(session, node_id)
            moment = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
        found = checklist.steps(node, token_expires_at=expires, clock_skew_seconds=node.clock_skew_seconds, now=moment)
        return {step.name: step for step in found}

    async def _make_due(self, database: Database, node_id: str) -> None:
        async with database.transaction() as session:
            await observation.make_due(session, node_id)
