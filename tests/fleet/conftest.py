"""What the fleet's tests share: an authority, a pool, fake nodes that have joined, and a real sshd."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import HTTPConnection

from sublet.core.actors import Actor, Permission
from sublet.core.app import AUTHENTICATOR, DATABASE, KEYRING, SETTINGS, App
from sublet.core.db import Database, Session
from sublet.core.key_files import keyring_at
from sublet.core.settings import Settings
from sublet.fleet import answers, enrolment, nodes
from sublet.fleet.api import AUTHORITY, CLAIMS_ON_GPU, NODE_VIEW
from sublet.fleet.ca import CertificateAuthority
from sublet.fleet.moved_gpus import GpuClaim
from sublet.fleet.nodes import Node
from sublet.fleet.observation import Observer
from sublet.fleet.pool import NodePool
from sublet.fleet.residents import Resident
from sublet.fleet.ssh_backend import SshBackend
from sublet.fleet.views import NodeView
from tests.fleet.fake_node import PROBE, FakeNode, now
from tests.fleet.real_sshd import RealSshd, prepared_sshd
from tests.fleet.working import look_at

OPERATOR = Actor(
    kind="user",
    user_id="usr_operator",
    name="Operator",
    platform_roles=frozenset({"fleet"}),
    permissions=frozenset({Permission.ADMIN_NODE_READ, Permission.ADMIN_NODE_MANAGE}),
)
CUSTOMER = Actor(
    kind="user",
    user_id="usr_customer",
    organization_id="org_customer",
    name="Customer",
    permissions=frozenset({Permission.ALLOCATION_READ, Permission.ALLOCATION_CONNECT}),
)


async def nothing_claimed(_session: Session, _node_ids: Sequence[str]) -> dict[str, Any]:
    """Nothing was given out."""
    return {}


async def claimed_by_nobody(_session: Session, _uuid: str) -> Sequence[GpuClaim]:
    """Nobody has claimed any GPU."""
    return []


async def lived_on_by_nobody(_session: Session, _node_ids: Sequence[str]) -> Sequence[Resident]:
    """Nothing lives anywhere."""
    return []


async def nobody(_session: Session, _connection: HTTPConnection) -> Actor | None:
    """Nobody is signed in: a machine that joins needs not be."""
    return None


def fleet_parts(settings: Settings, database: Database, authority: CertificateAuthority) -> App:
    """What the fleet's routes work with."""
    keyring = keyring_at(settings.data_directory / "keys" / "encryption.key")
    parts = App().put(SETTINGS, settings).put(DATABASE, database).put(KEYRING, keyring)
    parts.put(AUTHENTICATOR, nobody).put(AUTHORITY, authority).put(CLAIMS_ON_GPU, claimed_by_nobody)
    parts.put(NODE_VIEW, NodeView(nothing_claimed, claimed_by_nobody, lived_on_by_nobody))
    return parts


Joining = Callable[..., Awaitable[tuple[Node, FakeNode]]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with keys of this test only."""
    # Long enough that no node is lost by itself while a busy machine looks at it twice.
    return Settings(data_directory=tmp_path, public_url="https://sublet.test", node_lost_seconds=50)


@pytest.fixture
def authority(database: Database, tmp_path: Path) -> CertificateAuthority:
    """A certificate authority with keys of its own."""
    return CertificateAuthority(database, keyring_at(tmp_path / "keys" / "encryption.key"))


@pytest.fixture
async def pool(database: Database, authority: CertificateAuthority) -> AsyncIterator[NodePool]:
    """Connections that give up soon."""
    pool = NodePool(database, authority, connect_seconds=2.0)
    yield pool
    await pool.close()


@pytest.fixture
def backend(pool: NodePool) -> SshBackend:
    """The backend over the pool."""
    return SshBackend(pool)


@pytest.fixture
def observer(database: Database, backend: SshBackend, settings: Settings) -> Observer:
    """An observer."""
    return Observer(database, backend, settings)


@pytest.fixture
async def join_node(database: Database, authority: CertificateAuthority, settings: Settings) -> AsyncIterator[Joining]:
    """Start a fake node and let it join through the ordinary path; it is not verified yet."""
    fakes: list[FakeNode] = []

    async def joining(name: str = "north") -> tuple[Node, FakeNode]:
        fake = FakeNode()
        fakes.append(fake)
        await fake.start()
        async with database.transaction() as session:
            node, join = await enrolment.add_node(
                session, OPERATOR, name, address="127.0.0.1", port=fake.port, labels={}, settings=settings
            )
        probe = {**PROBE, "gpus": [{**PROBE["gpus"][0], "uuid": f"GPU-{name}-0"}], "time": now()}
        fake.answers["probe"] = lambda _: {**probe, "boot_id": fake.boot_id, "doors": fake.doors, "time": now()}
        signer = await authority.host_signer()
        async with database.transaction() as session:
            joined = await enrolment.join(
                session,
                token=join.token,
                host_public_key=fake.host_public_key,
                inventory=answers.Probed.model_validate(probe).to_probe(),
                signer=signer,
                settings=settings,
                claims_on=claimed_by_nobody,
            )
        fake.host_certificate = joined.host_certificate
        fake.user_authorities = list(joined.user_ca_public_keys)
        await fake.restart()
        async with database.reading() as session:
            return await nodes.get(session, node.id), fake

    yield joining
    for fake in fakes:
        await fake.stop()


@pytest.fixture
async def ready_node(join_node: Joining, observer: Observer, database: Database) -> tuple[Node, FakeNode]:
    """A fake node that has joined and answered over SSH."""
    node, fake = await join_node()
    assert await look_at(observer, node.id)
    async with database.reading() as session:
        return await nodes.get(session, node.id), fake


@pytest.fixture
def sshd() -> Iterator[RealSshd]:
    """A real sshd, not started yet."""
    with prepared_sshd() as sshd:
        yield sshd
