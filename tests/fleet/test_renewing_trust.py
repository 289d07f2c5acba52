"""What nodes trust is renewed in time, and each node is told of it."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from sublet.core.clock import database_now
from sublet.core.db import Database
from sublet.core.settings import Settings
from sublet.fleet import nodes
from sublet.fleet.ca import CertificateAuthority
from sublet.fleet.errors import NodeFailure
from sublet.fleet.host_certificates import HostCertificates
from sublet.fleet.nodes import Node
from sublet.fleet.observation import Observer
from sublet.fleet.ssh_backend import SshBackend
from sublet.fleet.states import GpuState
from tests.fleet.fake_node import PROBE, FakeNode, now
from tests.fleet.working import look, renew_due

pytestmark = pytest.mark.anyio


async def get(database: Database, node_id: str) -> Node:
    async with database.reading() as session:
        return await nodes.get(session, node_id)


class TestRenewingTrust:
    @pytest.fixture
    def renewals(
        self, database: Database, backend: SshBackend, authority: CertificateAuthority, settings: Settings
    ) -> HostCertificates:
        return HostCertificates(database, backend, authority, settings)

    async def _make_due(self, database: Database) -> None:
        async with database.transaction() as session:
            await session.execute(text("UPDATE work SET due_at = clock_timestamp() WHERE kind = 'trust'"))

    async def test_pushes_a_longer_host_certificate_and_both_authorities(
        self, ready_node: tuple[Node, FakeNode], renewals: HostCertificates, database: Database
    ) -> None:
        node, fake = ready_node
        assert await renew_due(renewals) == 0
        async with database.transaction() as session:
            await session.execute(text("UPDATE node SET host_certificate_expires_at = clock_timestamp()"))
        await self._make_due(database)
        assert await renew_due(renewals) == 1
        async with database.reading() as session:
            now_there = await database_now(session)
        after = (await get(database, node.id)).host_certificate_expires_at
        assert after is not None
        assert after - now_there > timedelta(hours=23)
        pushed = next(item for item in fake.requests if item["verb"] == "trust")["params"]
        assert len(pushed["user_ca_public_keys"]) == 2
        assert await renew_due(renewals) == 0

    @pytest.mark.parametrize(("life_seconds", "due_in_seconds"), [(86_400, 3600), (7200, 2400)])
    async def test_comes_within_the_hour_or_a_third_of_the_certificates_life(
        self,
        ready_node: tuple[Node, FakeNode],
        renewals: HostCertificates,
        database: Database,
        life_seconds: int,
        due_in_seconds: int,
    ) -> None:
        renewals.settings = renewals.settings.model_copy(update={"host_certificate_seconds": life_seconds})
        await self._make_due(database)
        await renew_due(renewals)
        async with database.reading() as session:
            due = await session.execute(
                text("SELECT extract(epoch FROM due_at - clock_timestamp()) FROM work WHERE kind = 'trust'")
            )
            assert due_in_seconds - 60 < due.scalar_one() <= due_in_seconds

    async def test_a_node_that_cannot_be_probed_still_learns_of_revocations(
        self, ready_node: tuple[Node, FakeNode], renewals: HostCertificates, database: Database
    ) -> None:
        node, fake = ready_node
        refusal = {"code": "gpu_listing_failed", "message": "nvidia-smi lists no GPU", "retryable": False}
        fake.answers["probe"] = lambda _: {"error": refusal}
        async with database.transaction() as session:
            await session.execute(text("UPDATE node SET host_certificate_expires_at = clock_timestamp()"))
        with pytest.raises(NodeFailure):
            await renewals.renew(node.id)
        assert [item["verb"] for item in fake.requests].count("trust") == 1
        async with database.reading() as session:
            now_there = await database_now(session)
        after = (await get(database, node.id)).host_certificate_expires_at
        assert after is not None
        assert after - now_there > timedelta(hours=23)

    async def test_finds_gpus_that_came_and_went(
        self, ready_node: tuple[Node, FakeNode], renewals: HostCertificates, database: Database
    ) -> None:
        node, fake = ready_node
        other = [{**PROBE["gpus"][0], "uuid": "GPU-north-1"}]
        fake.answers["probe"] = lambda _: {**PROBE, "gpus": other, "time": now()}
        await renewals.renew(node.id)
        states_of = {gpu.uuid: gpu.state for gpu in (await get(database, node.id)).gpus}
        assert states_of == {"GPU-north-0": GpuState.MISSING, "GPU-north-1": GpuState.AVAILABLE}

    async def test_a_reboot_is_noticed_and_the_node_probed_again(
        self, ready_node: tuple[Node, FakeNode], renewals: HostCertificates, observer: Observer, database: Database
    ) -> None:
        node, fake = ready_node
        fake.boot_id = "boot-2"
        assert await look(database, observer, node.id)
        assert await renew_due(renewals) == 1
        assert (await get(database, node.id)).boot_id == "boot-2"
