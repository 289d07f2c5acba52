"""A node that does not answer costs few certificates, and what ended long ago is forgotten."""

from collections.abc import AsyncIterator, Callable

import asyncssh
import psycopg
import pytest
from sqlalchemy import text

from sublet.core.db import Database
from sublet.core.settings import Settings
from sublet.fleet import certificates
from sublet.fleet.ca import CertificateAuthority, public_line
from sublet.fleet.certificates import Credential, IssuedCertificate
from sublet.fleet.errors import NodeUnreachable
from sublet.fleet.host_certificates import HostCertificates
from sublet.fleet.nodes import Node
from sublet.fleet.pool import NodePool
from sublet.fleet.ssh_backend import SshBackend
from tests.fleet.conftest import OPERATOR
from tests.fleet.fake_node import FakeNode

pytestmark = pytest.mark.anyio

NODE = "nd_aaaaaaaaaaaaaaaa"
Ready = tuple[Node, FakeNode]


@pytest.fixture
async def hasty_pool(database: Database, authority: CertificateAuthority) -> AsyncIterator[NodePool]:
    """Connections that give up at once."""
    opened = NodePool(database, authority, connect_seconds=0.5)
    yield opened
    await opened.close()


@pytest.fixture
def impatient(hasty_pool: NodePool) -> SshBackend:
    return SshBackend(hasty_pool)


@pytest.fixture
def renewals(
    database: Database, impatient: SshBackend, authority: CertificateAuthority, settings: Settings
) -> HostCertificates:
    return HostCertificates(database, impatient, authority, settings)


@pytest.fixture
def behind(owner_url: str) -> Callable[[str], None]:
    """Change anything, behind everybody's back."""

    def run(statement: str) -> None:
        with psycopg.connect(owner_url) as owner:
            owner.execute(statement)  # type: ignore[arg-type]  # ours

    return run


async def serials(database: Database, kind: str) -> list[int]:
    async with database.reading() as session:
        found = await session.execute(
            text("SELECT serial FROM issued_certificate WHERE kind = :kind ORDER BY serial"), {"kind": kind}
        )
        return list(found.scalars())


async def unanswered(backend: SshBackend, node: Node, *, times: int = 2) -> None:
    for _ in range(times):
        with pytest.raises(NodeUnreachable):
            await backend.observe(node.id)


class TestControl:
    async def issue(
        self, database: Database, authority: CertificateAuthority, unused: Credential | None = None
    ) -> Credential:
        signer = await authority.user_signer()
        async with database.transaction() as session:
            return await certificates.issue_control(session, OPERATOR, NODE, signer=signer, unused=unused)

    async def test_one_is_kept_while_nobody_answers_and_each_connection_has_its_own(
        self, ready_node: Ready, impatient: SshBackend, database: Database
    ) -> None:
        node, fake = ready_node
        await fake.stop()
        before = await serials(database, "control")
        await unanswered(impatient, node)
        assert len(await serials(database, "control")) == len(before) + 1
        await fake.restart()
        await impatient.observe(node.id)
        assert len(await serials(database, "control")) == len(before) + 1, "the one that was kept"
        await fake.restart()
        await impatient.observe(node.id)
        assert len(await serials(database, "control")) == len(before) + 2, "and never twice"

    async def test_is_given_again_while_it_holds(self, database: Database, authority: CertificateAuthority) -> None:
        first = await self.issue(database, authority)
        assert await self.issue(database, authority, first) is first

    @pytest.mark.parametrize(
        "change",
        [
            "revoked_at = clock_timestamp(), revocation_reason = 'x'",
            "valid_before = clock_timestamp() + interval '20 seconds'",
            "ca_public_key = 'of another authority'",
            "fingerprint = 'of another key'",
        ],
    )
    async def test_is_made_anew_when_it_does_not(
        self, database: Database, authority: CertificateAuthority, behind: Callable[[str], None], change: str
    ) -> None:
        first = await self.issue(database, authority)
        behind(f"UPDATE issued_certificate SET {change}")
        assert (await self.issue(database, authority, first)).serial != first.serial


class TestHost:
    async def issue(
        self, database: Database, authority: CertificateAuthority, node: Node, before: IssuedCertificate | None = None
    ) -> IssuedCertificate:
        signer = await authority.host_signer()
        async with database.transaction() as session:
            return await certificates.issue_host(
                session, node.id, signer=signer, seconds=86_400, undelivered=before, still_seconds=82_800
            )

    async def test_one_is_pushed_again_until_it_arrives(
        self, ready_node: Ready, renewals: HostCertificates, database: Database
    ) -> None:
        node, fake = ready_node
        await fake.stop()
        before = await serials(database, "host")
        for _ in range(2):
            with pytest.raises(NodeUnreachable):
                await renewals.renew(node.id)
        assert len(await serials(database, "host")) == len(before) + 1
        await fake.restart()
        await renewals.renew(node.id)
        assert len(await serials(database, "host")) == len(before) + 1
        await renewals.renew(node.id)
        assert len(await serials(database, "host")) == len(before) + 2

    async def test_one_is_enough_for_a_node_whose_own_has_ended(
        self, ready_node: Ready, impatient: SshBackend, database: Database
    ) -> None:
        node, fake = ready_node
        await fake.stop()
        async with database.transaction() as session:
            await session.execute(text("UPDATE node SET host_certificate_expires_at = clock_timestamp()"))
        before = await serials(database, "host")
        await unanswered(impatient, node)
        assert len(await serials(database, "host")) == len(before) + 1

    async def test_is_given_again_while_a_new_one_would_say_the_same(
        self, ready_node: Ready, database: Database, authority: CertificateAuthority
    ) -> None:
        node, _ = ready_node
        first = await self.issue(database, authority, node)
        assert await self.issue(database, authority, node, first) is first

    @pytest.mark.parametrize(
        "change",
        [
            "UPDATE node SET name = 'south'",
            "UPDATE node SET host_public_key = '{key}'",
            "UPDATE issued_certificate SET valid_before = valid_before - interval '2 hours' WHERE kind = 'host'",
        ],
    )
    async def test_is_made_anew_when_it_would_not_or_a_new_one_is_due(
        self,
        ready_node: Ready,
        database: Database,
        authority: CertificateAuthority,
        behind: Callable[[str], None],
        change: str,
    ) -> None:
        node, _ = ready_node
        first = await self.issue(database, authority, node)
        behind(change.format(key=public_line(asyncssh.generate_private_key("ssh-ed25519"))))
        assert (await self.issue(database, authority, node, first)).serial != first.serial


class TestForgetting:
    async def test_begins_ninety_days_after_the_end(
        self, database: Database, authority: CertificateAuthority, behind: Callable[[str], None]
    ) -> None:
        signer, kept = await authority.user_signer(), []
        for days in (0, 89, 91):
            async with database.transaction() as session:
                serial = (await certificates.issue_control(session, OPERATOR, NODE, signer=signer)).serial
            kept.append(serial)
            then = f"valid_after - interval '{days} days', valid_before - interval '{days} days'"
            behind(f"UPDATE issued_certificate SET (valid_after, valid_before) = ({then}) WHERE serial = {serial}")
        async with database.transaction() as session:
            assert await certificates.forget_ended(session, limit=10) == 1
        assert await serials(database, "control") == kept[:2]

    async def test_of_one_that_holds_is_refused_by_the_database(
        self, database: Database, authority: CertificateAuthority
    ) -> None:
        signer = await authority.user_signer()
        async with database.transaction() as session:
            await certificates.issue_control(session, OPERATOR, NODE, signer=signer)
        with pytest.raises(Exception, match="DELETE refused"):
            async with database.transaction() as session:
                await session.execute(text("DELETE FROM issued_certificate"))
