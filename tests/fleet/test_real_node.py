"""A real Linux node joins through the ordinary path and obeys: its own helper, its own sshd, our client."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from sublet.core.db import Database
from sublet.core.errors import Conflict
from sublet.core.settings import Settings
from sublet.core.webapp import RequestContext, install_error_handlers
from sublet.core.work import leases
from sublet.core.work.reconciler import Reconciler
from sublet.fleet import certificates, enrolment, helper_rollouts, helper_upgrades, helper_versions, nodes
from sublet.fleet.api import router
from sublet.fleet.backend import DesiredAccount, Limits
from sublet.fleet.ca import CaKind, CertificateAuthority, public_keys, public_line
from sublet.fleet.certificates import Credential
from sublet.fleet.connection import HostTrust, NodeAddress, connect
from sublet.fleet.errors import NodeFailure, NodeRefused, StaleGeneration
from sublet.fleet.host_certificates import HostCertificates
from sublet.fleet.nodes import Node
from sublet.fleet.observation import Observer
from sublet.fleet.ssh_backend import SshBackend
from sublet.fleet.states import NodeState
from sublet.fleet.work import TRUST
from sublet_sandbox.nodes import Enrolment, LocalNode, NamespaceNode, NodeKind, SystemdNode
from tests.fleet.conftest import CUSTOMER, OPERATOR, fleet_parts
from tests.fleet.working import look, look_at, renew_due, tell_revoked
from tests.support.app import served
from tests.support.helpers_of_nodes import earlier_helper, variant
from tests.support.nodes import CACHE, build_helper, require
from tests.support.ports import loopback_listener

pytestmark = pytest.mark.anyio

LOGIN = "al-aaaaaaaaaaaaaaaa"
ALLOCATION = "al_aaaaaaaaaaaaaaaa"
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Real:
    """A real node, and what the control plane knows of it."""

    machine: LocalNode
    node: Node
    authorities: tuple[str, ...]

    @property
    def address(self) -> NodeAddress:
        """Where it answers and how it proves itself."""
        key = self.node.host_public_key
        assert key is not None
        return NodeAddress(self.node.id, self.node.name, self.node.address, self.node.port, key)


@pytest.fixture(params=["systemd", "namespace"])
async def machine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[LocalNode]:
    """A running node that has not joined."""
    kind: NodeKind = request.param
    require(kind)
    made: LocalNode = (
        SystemdNode("fleet", directory=tmp_path / "fleet", cache=CACHE)
        if kind == "systemd"
        else NamespaceNode("fleet", directory=tmp_path / "fleet")
    )
    try:
        await made.start()
        yield made
    finally:
        await made.discard()


@pytest.fixture
async def control_plane_port(
    database: Database, authority: CertificateAuthority, settings: Settings
) -> AsyncIterator[int]:
    """The fleet's routes on a free port, for the node to join."""
    listener = loopback_listener()
    app = FastAPI()
    install_error_handlers(app)
    app.add_middleware(RequestContext)
    fleet_parts(settings, database, authority).attach(app, [router.api])
    async with served(app, listener):
        yield listener.getsockname()[1]


@pytest.fixture
def helper(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The helper that the machine joins with: ours, or that of an earlier version."""
    version: str | None = getattr(request, "param", None)
    target = tmp_path / "sublet-node.pyz"
    return build_helper(target) if version is None else earlier_helper(version, target)


@pytest.fixture
async def real(
    machine: LocalNode,
    control_plane_port: int,
    database: Database,
    authority: CertificateAuthority,
    settings: Settings,
    observer: Observer,
    helper: Path,
) -> Real:
    """The machine has joined with a token and answered over SSH."""
    async with database.transaction() as session:
        added, join = await enrolment.add_node(
            session, OPERATOR, "real", address=machine.address, port=machine.port, labels={}, settings=settings
        )
    await machine.enrol(Enrolment(helper=helper, control_plane_port=control_plane_port, token=join.token))
    assert await look_at(observer, added.id), await failure_of(database, added.id)
    async with database.transaction() as session:
        return Real(
            machine,
            await nodes.get(session, added.id),
            (await public_keys(session, CaKind.HOST)).all,
        )


async def failure_of(database: Database, node_id: str) -> object:
    async with database.reading() as session:
        return (await nodes.get(session, node_id)).failure


def account(generation: int = 1, uid: int = 200_000) -> DesiredAccount:
    limits = Limits(cpu_percent=100, memory_mib=256, tasks_max=64, disk_gib=1)
    return DesiredAccount(ALLOCATION, LOGIN, uid, generation, "active", limits)


async def customer(database: Database, authority: CertificateAuthority) -> tuple[Credential, int]:
    key = asyncssh.generate_private_key("ssh-ed25519")
    signer = await authority.user_signer()
    async with database.transaction() as session:
        issued = await certificates.issue_user(
            session, CUSTOMER, ALLOCATION, signer=signer, public_key=public_line(key), login=LOGIN, seconds=600
        )
    return Credential(key, asyncssh.import_certificate(issued.certificate)), issued.serial


async def whoami(real: Real, credential: Credential) -> str:
    connection = await connect(
        real.address, username=LOGIN, credential=credential, trust=HostTrust(real.authorities), timeout_seconds=10
    )
    async with connection:
        return str((await connection.run("id -un")).stdout).strip()


class TestARealNode:
    async def test_is_ready_with_what_its_kernel_enforces(self, real: Real) -> None:
        assert real.node.state is NodeState.READY
        assert real.node.limits_enforced is real.machine.limits_enforced
        assert len(real.node.gpus) == len(real.machine.gpus)

    async def test_serves_an_allocation_from_apply_to_proven_release(
        self, real: Real, database: Database, authority: CertificateAuthority, backend: SshBackend, observer: Observer
    ) -> None:
        applied = await backend.apply(real.node.id, account(generation=2))
        assert applied.login_open
        credential, _ = await customer(database, authority)
        assert await whoami(real, credential) == LOGIN
        seen = (await backend.observe(real.node.id)).allocation(ALLOCATION)
        assert seen is not None
        assert (seen.generation, seen.state, seen.login_open) == (2, "active", True)
        assert [item.allocation_id for item in await backend.usage(real.node.id)] == [ALLOCATION]
        with pytest.raises(StaleGeneration):
            await backend.apply(real.node.id, account(generation=1))
        evidence = await backend.release(
            real.node.id, allocation_id=ALLOCATION, login=LOGIN, uid=200_000, generation=3, same_organization=[]
        )
        assert evidence.clean, evidence.checks
        assert (await backend.observe(real.node.id)).allocations == ()
        with pytest.raises(NodeRefused):
            await whoami(real, credential)

    async def test_gives_the_control_certificate_no_shell(
        self, real: Real, database: Database, authority: CertificateAuthority
    ) -> None:
        signer = await authority.user_signer()
        async with database.transaction() as session:
            control = await certificates.issue_control(session, OPERATOR, real.node.id, signer=signer)
        for username in ("root", LOGIN):
            with pytest.raises(NodeRefused):
                await connect(
                    real.address,
                    username=username,
                    credential=control,
                    trust=HostTrust(real.authorities),
                    timeout_seconds=10,
                )
        connection = await connect(
            real.address, username="sublet", credential=control, trust=HostTrust(real.authorities), timeout_seconds=10
        )
        async with connection:
            answered = await connection.run("/bin/sh -c 'echo shell'", input="id\n")
            assert "shell" not in str(answered.stdout).splitlines()
            assert '"bad_request"' in str(answered.stdout)
            with pytest.raises(asyncssh.ChannelOpenError):
                await connection.create_process(term_type="xterm", request_pty="force")
            with pytest.raises(asyncssh.ChannelOpenError):
                await connection.open_connection("127.0.0.1", 22)

    async def test_learns_of_a_revocation_and_renews_its_certificate(
        self,
        real: Real,
        database: Database,
        authority: CertificateAuthority,
        backend: SshBackend,
        settings: Settings,
    ) -> None:
        await backend.apply(real.node.id, account())
        revoked, serial = await customer(database, authority)
        other, _ = await customer(database, authority)
        assert await whoami(real, revoked) == LOGIN
        async with database.transaction() as session:
            assert await certificates.revoke(session, serial, reason="lost laptop")
        assert await tell_revoked(database, backend) == 1
        with pytest.raises(NodeRefused):
            await whoami(real, revoked)
        assert await whoami(real, other) == LOGIN
        async with database.transaction() as session:
            await session.execute(text("UPDATE node SET host_certificate_expires_at = clock_timestamp()"))
            await leases.make_due(session, TRUST, real.node.id, place=real.node.id)
        assert await renew_due(HostCertificates(database, backend, authority, settings)) == 1
        with pytest.raises(NodeRefused):
            await whoami(real, revoked)
        assert await whoami(real, other) == LOGIN
        async with database.reading() as session:
            row = await session.execute(text("SELECT host_certificate_expires_at > clock_timestamp() FROM node"))
            assert row.scalar_one() is True

    async def test_that_loses_power_is_seen_again_after_it_booted(
        self, real: Real, database: Database, observer: Observer
    ) -> None:
        await real.machine.kill_power()
        assert not await look(database, observer, real.node.id)
        await real.machine.start()
        deadline = time.monotonic() + 30
        while not await look(database, observer, real.node.id):
            assert time.monotonic() < deadline, await failure_of(database, real.node.id)


@pytest.mark.parametrize("machine", ["namespace"], indirect=True)
class TestHelpers:
    @pytest.mark.parametrize("helper", ["0.1.0"], indirect=True)
    async def test_of_an_earlier_version_serve_and_are_to_be_enrolled_again(
        self,
        real: Real,
        database: Database,
        authority: CertificateAuthority,
        backend: SshBackend,
        observer: Observer,
        settings: Settings,
    ) -> None:
        assert (real.node.helper_version, real.node.helper_sha256, real.node.state) == ("0.1.0", None, NodeState.READY)
        await backend.apply(real.node.id, account())
        credential, serial = await customer(database, authority)
        assert await whoami(real, credential) == LOGIN
        async with database.transaction() as session:
            assert await certificates.revoke(session, serial, reason="lost laptop")
        assert await tell_revoked(database, backend) == 1
        assert await renew_due(HostCertificates(database, backend, authority, settings)) == 1
        with pytest.raises(NodeRefused):
            await whoami(real, credential)
        with pytest.raises(Conflict, match="cannot be upgraded over SSH yet"):
            async with database.transaction() as session:
                await helper_rollouts.start(session, OPERATOR, real.node.id)
        with pytest.raises(NodeFailure) as unknown:
            await backend.upgrade(real.node.id, helper_versions.ours(), confirm_seconds=60)
        assert unknown.value.node_code == "verb_unknown"
        assert await look(database, observer, real.node.id)
        evidence = await backend.release(
            real.node.id, allocation_id=ALLOCATION, login=LOGIN, uid=200_000, generation=2, same_organization=()
        )
        assert evidence.clean

    async def test_are_upgraded_over_ssh_once_a_login_came_in_through_the_new_one(
        self, real: Real, database: Database, backend: SshBackend, helper: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        newer = variant(helper.read_bytes(), "0.3.0")
        monkeypatch.setattr(helper_versions, "ours", lambda: newer)
        async with database.transaction() as session:
            await helper_rollouts.start(session, OPERATOR, real.node.id)
        worker = Reconciler(database, [helper_upgrades.work(backend)])
        assert await worker.sweep() == 1
        await worker.drain()
        async with database.reading() as session:
            rollout = await helper_rollouts.latest(session)
            node = await nodes.get(session, real.node.id)
        assert rollout is not None
        assert (rollout.phase, rollout.reason) == ("done", None)
        assert (node.helper_version, node.helper_sha256) == ("0.3.0", newer.sha256)
        probe = await backend.probe(real.node.id)
        assert (probe.helper_version, probe.helper_sha256) == ("0.3.0", newer.sha256)
