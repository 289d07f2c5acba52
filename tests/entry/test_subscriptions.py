"""What follows from an event in other domains."""

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from sublet.allocations import incidents
from sublet.core.actors import Actor, system_actor
from sublet.core.db import Database
from sublet.core.key_files import keyring_at
from sublet.core.outbox import StoredEvent
from sublet.entry.subscriptions import subscriptions
from sublet.fleet import certificates
from sublet.fleet.ca import CertificateAuthority
from sublet.identity import users
from tests.identity.house import PASSWORD
from tests.support.policy import DEFAULT_POLICY

pytestmark = pytest.mark.anyio

HANDLERS = subscriptions(DEFAULT_POLICY)


class TestLockingAPersonOut:
    async def test_revokes_certificates_also_of_one_without_an_organization(
        self, database: Database, tmp_path: Path
    ) -> None:
        authority = CertificateAuthority(database, keyring_at(tmp_path / "keys" / "encryption.key"))
        signer = await authority.user_signer()
        async with database.transaction() as session:
            await users.create_operator(session, "ops@example.com", PASSWORD, frozenset({"fleet"}))
            person = await users.by_email(session, "ops@example.com")
            assert person is not None
            await certificates.issue_terminal(
                session,
                Actor(kind="user", user_id=person.id),
                "al_aaaaaaaaaaaaaaaa",
                signer=signer,
                login="al-aaaaaaaaaaaaaaaa",
            )
            other = await users.create_user(session, email="next@example.com", password=PASSWORD, name="Next owner")
            await session.execute(
                text("UPDATE membership SET user_id = :other WHERE user_id = :id AND role = 'owner'"),
                {"id": person.id, "other": other.user_id},
            )
            await users.disable(session, system_actor(), person.id)
            for row in (await session.execute(text("SELECT * FROM outbox_event ORDER BY id"))).all():
                event = StoredEvent(
                    id=str(row.id), type=row.type, time=row.occurred_at, subject=row.subject, data=row.data
                )
                for handler in HANDLERS.get(row.type, ()):
                    await handler(session, event)
            revoked = await session.execute(text("SELECT revoked_at IS NOT NULL FROM issued_certificate"))
            assert revoked.scalars().all() == [True]


class TestAGpuThatErrs:
    def test_is_told_to_whoever_has_it(self) -> None:
        assert HANDLERS["gpu.erred"] == (incidents.on_gpu_erred,)


class TestTheWorker:
    def test_knows_every_event_that_the_web_publishes(self) -> None:
        """What it does not know it takes for one of another release."""
        told = (
            "import sublet.entry.worker; from sublet.core.outbox import EVENT_TYPES; known = set(EVENT_TYPES); "
            "import sublet.entry.web; print(sorted(set(EVENT_TYPES) - known))"
        )
        asked = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
        assert asked.stdout.strip() == "[]"
