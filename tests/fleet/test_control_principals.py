"""A certificate of the control plane opens one node; nodes that joined before learn whose it has to be."""

import pytest

from sublet.core.db import Database
from sublet.core.settings import Settings
from sublet.fleet import certificates, control_principals
from sublet.fleet.ca import CertificateAuthority
from sublet.fleet.host_certificates import HostCertificates
from sublet.fleet.nodes import Node
from sublet.fleet.ssh_backend import SshBackend
from tests.fleet.conftest import OPERATOR
from tests.fleet.fake_node import FakeNode
from tests.fleet.test_enrolment import Machines, machines

__all__ = ["machines"]

pytestmark = pytest.mark.anyio


class TestACertificate:
    async def issued(self, machines: Machines, node_id: str) -> list[str]:
        signer = await machines.authority.user_signer()
        async with machines.database.transaction() as session:
            made = await certificates.issue_control(session, OPERATOR, node_id, signer=signer)
        return list(made.certificate.principals)

    async def test_is_for_its_node_alone(self, machines: Machines) -> None:
        found = []
        for name, address in (("north", "192.0.2.1"), ("south", "192.0.2.2")):
            node, join = await machines.add(name, address)
            await machines.join(join.token, FakeNode().host_public_key, gpus=[], own_principal=True)
            assert await self.issued(machines, node.id) == [f"sublet-control-{node.id}"]
            found += await self.issued(machines, node.id)
        assert len(set(found)) == 2

    async def test_names_both_until_a_node_that_joined_before_has_said_that_it_knows_its_own(
        self,
        machines: Machines,
        ready_node: tuple[Node, FakeNode],
        database: Database,
        backend: SshBackend,
        authority: CertificateAuthority,
        settings: Settings,
    ) -> None:
        node, fake = ready_node
        own = control_principals.own(node.id)
        assert await self.issued(machines, node.id) == [own, "sublet-control"]
        renewals = HostCertificates(database, backend, authority, settings)
        await renewals.renew(node.id)
        # Its helper does not know of it yet.
        assert await self.issued(machines, node.id) == [own, "sublet-control"]
        before = fake.answers["probe"]
        fake.answers["probe"] = lambda request: {**before(request), "own_principal": True}
        await renewals.renew(node.id)
        pushed = [one["params"]["control_principal"] for one in fake.requests if one["verb"] == "trust"]
        assert set(pushed) == {own}
        assert await self.issued(machines, node.id) == [own]

    async def test_that_let_nobody_in_is_not_given_again_once_others_are_needed(
        self, machines: Machines, ready_node: tuple[Node, FakeNode], database: Database
    ) -> None:
        node, _ = ready_node
        signer = await machines.authority.user_signer()
        async with database.transaction() as session:
            first = await certificates.issue_control(session, OPERATOR, node.id, signer=signer)
            again = await certificates.issue_control(session, OPERATOR, node.id, signer=signer, unused=first)
            assert again is first
            await machines.know_its_own(session)
            other = await certificates.issue_control(session, OPERATOR, node.id, signer=signer, unused=first)
        assert other.certificate.principals == [control_principals.own(node.id)]
