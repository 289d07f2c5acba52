"""One kept connection to each node, many requests; what fails is named, and no node waits for another."""

import asyncio
import time
from typing import Any

import asyncssh
import pytest
from sqlalchemy import text

from sublet.core.clock import database_now
from sublet.core.db import Database, OpenSessionError
from sublet.core.settings import Settings
from sublet.fleet import enrolment, nodes
from sublet.fleet.backend import DesiredAccount, Limits
from sublet.fleet.ca import CertificateAuthority
from sublet.fleet.errors import (
    HostNotVerified,
    NodeAnswerInvalid,
    NodeFailure,
    NodeNotEnrolled,
    NodeTimedOut,
    NodeUnreachable,
    StaleGeneration,
)
from sublet.fleet.nodes import Node
from sublet.fleet.pool import NodePool
from sublet.fleet.ssh_backend import SshBackend
from tests.fleet.conftest import OPERATOR, Joining
from tests.fleet.fake_node import FakeNode, now
from tests.fleet.joined import Joined
from tests.fleet.real_sshd import RealSshd

pytestmark = pytest.mark.anyio

ACCOUNT = DesiredAccount(
    allocation_id="al_aaaaaaaaaaaaaaaa",
    login="al-aaaaaaaaaaaaaaaa",
    uid=200000,
    generation=3,
    state="active",
    limits=Limits(cpu_percent=200, memory_mib=2048, tasks_max=512, disk_gib=10),
    gpus=("GPU-north-0",),
    authorized_keys=("ssh-ed25519 AAAA",),
)


def applied(**changes: Any) -> dict[str, Any]:
    return {
        "login": ACCOUNT.login,
        "uid": ACCOUNT.uid,
        "home": f"/home/{ACCOUNT.login}",
        "slice": "user-200000.slice",
        "state": "active",
        "login_open": True,
        "enforced": [{"limit": "cpu", "requested": "200%", "value": "200%", "enforced": True, "detail": "cpu.max"}],
        "boot_id": "boot-1",
        "observed_at": now(),
        **changes,
    }


class TestRequests:
    async def test_many_go_over_one_connection(self, ready_node: tuple[Node, FakeNode], pool: NodePool) -> None:
        node, fake = ready_node
        before = fake.connections
        await asyncio.gather(*(pool.request(node.id, "observe") for _ in range(20)))
        assert fake.connections == before
        assert {request["version"] for request in fake.requests} == {1}

    async def test_waiters_share_one_attempt_to_connect(self, join_node: Joining, pool: NodePool) -> None:
        node, fake = await join_node()
        await asyncio.gather(*(pool.request(node.id, "probe") for _ in range(10)))
        assert fake.connections == 1

    async def test_apply_carries_the_whole_desired_state_and_its_generation(
        self, ready_node: tuple[Node, FakeNode], backend: SshBackend
    ) -> None:
        node, fake = ready_node
        fake.answers["apply"] = lambda _: applied()
        state = await backend.apply(node.id, ACCOUNT)
        assert (state.login_open, state.enforced[0].enforced, state.boot_id) == (True, True, "boot-1")
        sent = fake.requests[-1]
        assert sent["generation"] == 3
        assert sent["params"] == {
            "allocation": "al_aaaaaaaaaaaaaaaa",
            "login": "al-aaaaaaaaaaaaaaaa",
            "uid": 200000,
            "state": "active",
            "limits": {
                "cpu_percent": 200,
                "memory_mib": 2048,
                "tasks_max": 512,
                "disk_gib": 10,
                "network_bits_per_second": 0,
            },
            "gpus": ["GPU-north-0"],
            "principals": ["al-aaaaaaaaaaaaaaaa"],
            "authorized_keys": ["ssh-ed25519 AAAA"],
            "disconnect_generation": 0,
            "node_network": False,
            "environment": {},
            "ports": [],
        }

    async def test_a_lost_connection_is_opened_again_unnoticed(
        self, ready_node: tuple[Node, FakeNode], pool: NodePool
    ) -> None:
        node, fake = ready_node
        await fake.restart()
        assert (await pool.request(node.id, "observe"))["boot_id"] == "boot-1"

    async def test_none_is_made_while_a_session_is_open(
        self, ready_node: tuple[Node, FakeNode], pool: NodePool, database: Database
    ) -> None:
        async with database.reading():
            with pytest.raises(OpenSessionError):
                await pool.request(ready_node[0].id, "observe")


class TestWhatGoesWrong:
    async def test_a_stale_generation_has_its_own_name(
        self, ready_node: tuple[Node, FakeNode], backend: SshBackend
    ) -> None:
        node, fake = ready_node
        refusal = {"code": "stale_generation", "message": "4 was seen", "retryable": False}
        fake.answers["apply"] = lambda _: {"error": refusal}
        with pytest.raises(StaleGeneration) as refused:
            await backend.apply(node.id, ACCOUNT)
        assert refused.value.retryable is False

    @pytest.mark.parametrize("retryable", [True, False])
    async def test_a_nodes_own_failure_keeps_its_code(
        self, ready_node: tuple[Node, FakeNode], backend: SshBackend, retryable: bool
    ) -> None:
        node, fake = ready_node
        fake.answers["apply"] = lambda _: {"error": {"code": "disk_full", "message": "No.", "retryable": retryable}}
        with pytest.raises(NodeFailure) as refused:
            await backend.apply(node.id, ACCOUNT)
        assert (refused.value.node_code, refused.value.retryable) == ("disk_full", retryable)

    @pytest.mark.parametrize(
        "answer", [b"not json\n", b'{"id":"999","ok":true,"observed":{}}\n', b'{"id":"1"}\n', b"[]\n"]
    )
    async def test_an_answer_that_is_none_is_not_believed(
        self, ready_node: tuple[Node, FakeNode], pool: NodePool, answer: bytes
    ) -> None:
        node, fake = ready_node
        fake.answers["usage"] = lambda _: answer
        with pytest.raises(NodeAnswerInvalid):
            await pool.request(node.id, "usage")
        assert (await pool.request(node.id, "observe"))["allocations"] == []

    @pytest.mark.parametrize("changes", [{"uid": 200001}, {"state": "suspended"}, {"enforced": None}, {"login": 7}])
    async def test_another_state_than_asked_for_is_not_believed(
        self, ready_node: tuple[Node, FakeNode], backend: SshBackend, changes: dict[str, Any]
    ) -> None:
        node, fake = ready_node
        fake.answers["apply"] = lambda _: applied(**changes)
        with pytest.raises(NodeAnswerInvalid):
            await backend.apply(node.id, ACCOUNT)

    @pytest.mark.parametrize(
        ("clean", "checks", "proven"),
        [(True, [True, True], True), (True, [True, False], False), (False, [True], False)],
    )
    async def test_a_release_is_clean_only_if_every_check_is(
        self, ready_node: tuple[Node, FakeNode], backend: SshBackend, clean: bool, checks: list[bool], proven: bool
    ) -> None:
        node, fake = ready_node
        listed = [{"name": f"check{number}", "clean": one, "detail": ""} for number, one in enumerate(checks)]
        fake.answers["release"] = lambda _: {"clean": clean, "checks": listed, "released_at": now()}
        evidence = await backend.release(
            node.id,
            allocation_id=ACCOUNT.allocation_id,
            login=ACCOUNT.login,
            uid=ACCOUNT.uid,
            generation=4,
            same_organization=["al-mate"],
        )
        assert evidence.clean is proven
        assert fake.requests[-1]["params"]["same_organization"] == ["al-mate"]

    async def test_a_release_without_any_check_proves_nothing(
        self, ready_node: tuple[Node, FakeNode], backend: SshBackend
    ) -> None:
        node, fake = ready_node
        fake.answers["release"] = lambda _: {"clean": True, "checks": [], "released_at": now()}
        with pytest.raises(NodeAnswerInvalid):
            await backend.release(
                node.id,
                allocation_id=ACCOUNT.allocation_id,
                login=ACCOUNT.login,
                uid=ACCOUNT.uid,
                generation=4,
                same_organization=[],
            )

    async def test_a_stuck_request_holds_up_no_other(self, ready_node: tuple[Node, FakeNode], pool: NodePool) -> None:
        node, fake = ready_node

        async def never(_request: dict[str, Any]) -> dict[str, Any]:
            await asyncio.Event().wait()
            raise AssertionError

        fake.answers["usage"] = never
        stuck = asyncio.create_task(pool.request(node.id, "usage", timeout_seconds=1.0))
        assert (await pool.request(node.id, "observe", timeout_seconds=1.0))["allocations"] == []
        with pytest.raises(NodeTimedOut) as late:
            await stuck
        assert late.value.retryable
        assert (await pool.request(node.id, "observe"))["allocations"] == []

    async def test_a_node_that_has_not_joined_is_said_to(self, pool: NodePool, database: Database) -> None:
        async with database.transaction() as session:
            node, _ = await enrolment.add_node(
                session, OPERATOR, "north", address="192.0.2.1", port=22, labels={}, settings=Settings()
            )
        with pytest.raises(NodeNotEnrolled):
            await pool.request(node.id, "probe")

    async def test_a_node_that_is_down_is_unreachable_and_retryable(
        self, ready_node: tuple[Node, FakeNode], pool: NodePool
    ) -> None:
        node, fake = ready_node
        await fake.stop()
        with pytest.raises(NodeUnreachable) as down:
            await pool.request(node.id, "observe")
        assert down.value.retryable


class TestAHungSshd:
    async def test_blocks_no_other_node_and_is_given_up_in_time(
        self,
        ready_node: tuple[Node, FakeNode],
        pool: NodePool,
        database: Database,
        sshd: RealSshd,
    ) -> None:
        node, _ = ready_node
        hung = Joined(database, pool.authority, sshd)
        await hung.join("hung", gpu="GPU-hung-0")
        sshd.freeze()
        try:
            started = time.monotonic()
            waiting = asyncio.create_task(pool.request(hung.address.node_id, "probe"))
            await asyncio.sleep(0)
            for _ in range(10):
                assert (await pool.request(node.id, "observe"))["boot_id"] == "boot-1"
            assert not waiting.done()
            with pytest.raises(NodeUnreachable, match="no SSH connection within 2 s"):
                await waiting
            assert time.monotonic() - started < 5
        finally:
            sshd.thaw()


class TestAHostCertificateThatLapsed:
    """Sublet was away for longer than the certificates that it renews live."""

    async def _lapse(self, fake: FakeNode, node: Node, database: Database, authority: CertificateAuthority) -> None:
        signer = (await authority.host_signer()).key
        async with database.transaction() as session:
            await session.execute(text("UPDATE node SET host_certificate_expires_at = now() - interval '1 second'"))
        expired = signer.generate_host_certificate(
            fake.host_key, "expired", principals=[node.id], valid_after="-2d", valid_before="-1s"
        )
        fake.host_certificate = expired.export_certificate().decode()
        await fake.restart()

    async def test_is_renewed_by_the_key_that_the_node_enrolled_with(
        self, ready_node: tuple[Node, FakeNode], pool: NodePool, database: Database, authority: CertificateAuthority
    ) -> None:
        node, fake = ready_node
        await self._lapse(fake, node, database, authority)
        fake.requests.clear()
        assert (await pool.request(node.id, "observe"))["boot_id"] == "boot-1"
        assert [request["verb"] for request in fake.requests] == ["trust", "observe"]
        async with database.reading() as session:
            expires = (await nodes.get(session, node.id)).host_certificate_expires_at
            assert expires is not None
            assert expires > await database_now(session)

    async def test_is_not_renewed_for_any_other_key(
        self, ready_node: tuple[Node, FakeNode], pool: NodePool, database: Database, authority: CertificateAuthority
    ) -> None:
        node, fake = ready_node
        fake.host_key = asyncssh.generate_private_key("ssh-ed25519")
        await self._lapse(fake, node, database, authority)
        fake.requests.clear()
        with pytest.raises(HostNotVerified):
            await pool.request(node.id, "observe")
        assert fake.requests == []

    async def test_is_refused_when_our_own_record_says_that_it_should_hold(
        self, ready_node: tuple[Node, FakeNode], pool: NodePool, database: Database, authority: CertificateAuthority
    ) -> None:
        node, fake = ready_node
        await self._lapse(fake, node, database, authority)
        async with database.transaction() as session:
            await session.execute(text("UPDATE node SET host_certificate_expires_at = now() + interval '1 hour'"))
        with pytest.raises(HostNotVerified):
            await pool.request(node.id, "observe")
