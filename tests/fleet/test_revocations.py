"""What is revoked is known to every node at once, and to each of them by one request that changes nothing else."""

import asyncio

import pytest
import structlog.testing
from sqlalchemy import text

from sublet.core.db import Database
from sublet.core.work import leases
from sublet.fleet import certificates, revocations
from sublet.fleet.ca import CertificateAuthority
from sublet.fleet.host_certificates import HostCertificates
from sublet.fleet.krl import RevocationList
from sublet.fleet.nodes import Node
from sublet.fleet.observation import Observer
from sublet.fleet.ssh_backend import SshBackend
from sublet.fleet.work import REVOCATIONS
from tests.fleet.conftest import OPERATOR, Joining
from tests.fleet.fake_node import FakeNode
from tests.fleet.working import look_at, renew_due, tell_revoked
from tests.support.plans import recorded

pytestmark = pytest.mark.anyio

ALLOCATION = "al_aaaaaaaaaaaaaaaa"


class Revoking:
    """Certificates that are issued and revoked, and a worker that tells the nodes."""

    def __init__(self, database: Database, backend: SshBackend, authority: CertificateAuthority) -> None:
        self.database, self.backend, self.authority = database, backend, authority

    async def issue(self) -> None:
        signer = await self.authority.user_signer()
        async with self.database.transaction() as session:
            login = ALLOCATION.replace("_", "-")
            await certificates.issue_terminal(session, OPERATOR, ALLOCATION, signer=signer, login=login)

    async def revoke(self) -> None:
        await self.issue()
        async with self.database.transaction() as session:
            assert await certificates.revoke_subject(session, ALLOCATION, reason="released") == 1

    async def tell(self) -> int:
        """Let a worker do what is due; how many rows."""
        return await tell_revoked(self.database, self.backend)

    async def tell_again(self) -> int:
        """Let the worker do it whether it is due or not."""
        async with self.database.transaction() as session:
            await session.execute(text("UPDATE work SET due_at = clock_timestamp() WHERE kind = 'revocations'"))
        return await self.tell()

    async def count(self, which: str) -> int:
        async with self.database.reading() as session:
            return int((await session.execute(text(f"SELECT count(*) FROM {which}"))).scalar_one())


@pytest.fixture
def revoking(database: Database, backend: SshBackend, authority: CertificateAuthority) -> Revoking:
    """Certificates of this test."""
    return Revoking(database, backend, authority)


@pytest.fixture
async def three(join_node: Joining, observer: Observer) -> list[tuple[Node, FakeNode]]:
    """Three fake nodes that answer."""
    joined = [await join_node(name) for name in ("north", "south", "west")]
    for node, _ in joined:
        assert await look_at(observer, node.id)
    return joined


def verbs(fake: FakeNode) -> list[str]:
    """What the node was asked since it was ready."""
    return [request["verb"] for request in fake.requests if request["verb"] in {"revoke", "trust"}]


class TestARevocation:
    async def test_reaches_every_node_by_one_request_and_makes_no_host_certificate(
        self, three: list[tuple[Node, FakeNode]], revoking: Revoking
    ) -> None:
        hosts = "issued_certificate WHERE kind = 'host'"
        before = await revoking.count(hosts)
        connections = [fake.connections for _, fake in three]
        await revoking.revoke()
        assert await revoking.tell() == 1
        assert [verbs(fake) for _, fake in three] == [["revoke"]] * 3
        lists = {fake.revoked_keys for _, fake in three}
        assert len(lists) == 1
        assert lists.pop().startswith(b"SSHKRL\n\x00")
        assert await revoking.count(hosts) == before
        assert [fake.connections for _, fake in three] == connections
        assert await revoking.count("work WHERE kind = 'revocations'") == 0

    async def test_costs_the_same_statements_for_three_nodes_as_for_one(
        self, three: list[tuple[Node, FakeNode]], revoking: Revoking, database: Database
    ) -> None:
        await revoking.revoke()
        with recorded(database) as statements:
            assert await revoking.tell() == 1
        of_one_node = [one.sql for one in statements if "node" in one.sql and "issued_certificate" not in one.sql]
        assert len(of_one_node) == 2, of_one_node  # where the nodes are, asked together, and that they have it

    async def test_is_told_only_to_nodes_that_lack_it(
        self, three: list[tuple[Node, FakeNode]], revoking: Revoking, database: Database
    ) -> None:
        await revoking.revoke()
        await revoking.tell()
        async with database.transaction() as session:
            await leases.make_due(session, REVOCATIONS, REVOCATIONS)
        assert await revoking.tell() == 1
        assert [verbs(fake) for _, fake in three] == [["revoke"]] * 3

    async def test_is_told_to_no_machine_that_is_retired(
        self, three: list[tuple[Node, FakeNode]], revoking: Revoking, database: Database
    ) -> None:
        async with database.transaction() as session:
            await session.execute(text("UPDATE node SET state = 'cordoned'"))
            await session.execute(text("UPDATE node SET state = 'retired' WHERE name = 'north'"))
        await revoking.revoke()
        assert await revoking.tell() == 1
        assert [verbs(fake) for _, fake in three] == [[], ["revoke"], ["revoke"]]
        assert await revoking.count("work WHERE kind = 'revocations'") == 0

    async def test_reaches_a_node_that_was_away_when_it_is_back_and_nobody_else_again(
        self, three: list[tuple[Node, FakeNode]], revoking: Revoking
    ) -> None:
        (_, away), *others = three
        await away.stop()
        await revoking.revoke()
        await revoking.tell()
        assert [verbs(fake) for _, fake in others] == [["revoke"]] * 2
        await away.start()
        await asyncio.sleep(0)
        for _ in range(50):
            if verbs(away):
                break
            await revoking.tell_again()
            await asyncio.sleep(0.1)
        assert verbs(away) == ["revoke"]
        assert [verbs(fake) for _, fake in others] == [["revoke"]] * 2
        assert await revoking.count("work WHERE kind = 'revocations'") == 0

    async def test_that_is_committed_after_a_list_was_made_is_missed_by_nobody(
        self, three: list[tuple[Node, FakeNode]], revoking: Revoking, database: Database
    ) -> None:
        await revoking.issue()
        async with database.transaction() as slow:
            assert await certificates.revoke_subject(slow, ALLOCATION, reason="released") == 1
            async with database.transaction() as session:
                _, below = await revocations.current(session)
                await revocations.note(session, [node.id for node, _ in three], below)
        assert await revoking.tell() == 1
        assert [verbs(fake) for _, fake in three] == [["revoke"]] * 3

    async def test_is_told_with_all_that_is_trusted_where_the_helper_knows_no_such_verb(
        self,
        three: list[tuple[Node, FakeNode]],
        revoking: Revoking,
        database: Database,
        backend: SshBackend,
        authority: CertificateAuthority,
        observer: Observer,
    ) -> None:
        _, old = three[0]
        old.answers["revoke"] = lambda _: {
            "error": {"code": "verb_unknown", "message": "There is no verb 'revoke'", "retryable": False}
        }
        await revoking.revoke()
        await revoking.tell()
        assert await renew_due(HostCertificates(database, backend, authority, observer.settings)) == 1
        assert verbs(old) == ["revoke", "trust"]
        assert await revoking.count("work WHERE kind = 'revocations'") == 0
        assert await revoking.count("node WHERE revocations_below = '0'") == 0

    async def test_is_not_held_up_by_a_node_that_hangs(
        self, three: list[tuple[Node, FakeNode]], revoking: Revoking, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(revocations, "NODE_SECONDS", 0.3)
        (silent, hung), *others = three
        hung.hung.set()
        await revoking.revoke()
        with structlog.testing.capture_logs() as logs:
            assert await revoking.tell() == 1
        named = [(one["node"], one["code"]) for one in logs if one["event"] == "revocations.not_told"]
        assert named == [(silent.id, "node_timed_out")]
        assert [verbs(fake) for _, fake in others] == [["revoke"]] * 2
        assert await revoking.count("work WHERE kind = 'revocations' AND last_error = 'node_timed_out'") == 1

    async def test_is_noted_of_the_others_whatever_befalls_one(
        self, three: list[tuple[Node, FakeNode]], revoking: Revoking, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (odd, _), *others = three
        revoke = SshBackend.revoke

        async def fails_at_one(self: SshBackend, node_id: str, revoked: RevocationList) -> None:
            if node_id == odd.id:
                raise RuntimeError("nobody thought of that")
            await revoke(self, node_id, revoked)

        monkeypatch.setattr(SshBackend, "revoke", fails_at_one)
        await revoking.revoke()
        with structlog.testing.capture_logs() as logs:
            assert await revoking.tell() == 1
        assert [one["node"] for one in logs if one["event"] == "revocations.not_told"] == [odd.id]
        assert [verbs(fake) for _, fake in others] == [["revoke"]] * 2
        monkeypatch.undo()
        await revoking.tell_again()
        assert [verbs(fake) for _, fake in three] == [["revoke"]] * 3, "and is tried again at that one alone"

    async def test_is_not_noted_where_the_node_answers_with_another_list(
        self, three: list[tuple[Node, FakeNode]], revoking: Revoking
    ) -> None:
        three[0][1].answers["revoke"] = lambda _: {"revoked_keys_version": 1}
        await revoking.revoke()
        await revoking.tell()
        assert await revoking.count("work WHERE kind = 'revocations' AND last_error = 'node_answer_invalid'") == 1
