"""Each node's trust, pushed to it: authorities, revocations, and a fresh host certificate every hour."""

import asyncio
from datetime import datetime

from sqlalchemy import select, text

from sublet.core import telemetry
from sublet.core.clock import database_now
from sublet.core.db import Database
from sublet.core.errors import SubletError
from sublet.core.settings import Settings
from sublet.fleet import certificates, enrolment, nodes
from sublet.fleet.backend import FleetBackend, Trust
from sublet.fleet.ca import CaKind, CertificateAuthority, public_keys
from sublet.fleet.models import node

log = telemetry.get_logger(__name__)

RETRY_SECONDS = 60
BATCH = 50

# Taking a node moves its time on; if the push fails or this worker dies, it is due again after that.
_TAKE = text(
    """
    UPDATE node SET trust_due_at = clock_timestamp() + make_interval(secs => :retry_seconds)
     WHERE id IN (SELECT id FROM node
                   WHERE trust_due_at <= clock_timestamp() AND verified_at IS NOT NULL
                   ORDER BY trust_due_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    RETURNING id
    """
)


class HostCertificates:
    """Renews what nodes trust and are trusted by, when it is due; a node that hangs holds up no other."""

    def __init__(
        self, database: Database, backend: FleetBackend, authority: CertificateAuthority, settings: Settings
    ) -> None:
        self.database = database
        self.backend = backend
        self.authority = authority
        self.settings = settings
        self._tasks: set[asyncio.Task[bool]] = set()

    async def tick(self) -> int:
        """Begin to renew every node that is due; returns how many."""
        async with self.database.transaction() as session:
            due = [row.id for row in await session.execute(_TAKE, {"retry_seconds": RETRY_SECONDS, "limit": BATCH})]
        for node_id in due:
            task = asyncio.create_task(self._renew_or_log(node_id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return len(due)

    async def drain(self) -> None:
        """Wait until every renewal that was begun has ended."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def stop(self) -> None:
        """End every renewal; what was cut off is due again soon."""
        for task in list(self._tasks):
            task.cancel()
        await self.drain()

    async def renew(self, node_id: str) -> datetime:
        """Push a new host certificate, the authorities and the revocations; returns when the certificate ends.

        Then the node is probed. One that cannot be stays due, and has what it must trust all the same.
        """
        signer = await self.authority.host_signer()
        async with self.database.transaction() as session:
            due_before = (await session.execute(select(node.c.trust_due_at).where(node.c.id == node_id))).scalar_one()
            issued = await certificates.issue_host(
                session, node_id, signer=signer, seconds=self.settings.host_certificate_seconds
            )
            keys = await public_keys(session, CaKind.USER)
            revoked = await certificates.revoked_keys(session)
        valid_before = await self.backend.trust(node_id, Trust(keys.all, revoked, issued.certificate))
        async with self.database.transaction() as session:
            await enrolment.note_certificate(session, node_id, valid_before)
        probe = await self.backend.probe(node_id)
        async with self.database.transaction() as session:
            now = await database_now(session)
            skew = (probe.node_time - now).total_seconds()
            await nodes.store_probe(session, node_id, probe, clock_skew_seconds=skew)
            await enrolment.schedule_renewal(
                session, node_id, valid_before, settings=self.settings, unless_due_moved_from=due_before
            )
        return valid_before

    async def _renew_or_log(self, node_id: str) -> bool:
        try:
            await self.renew(node_id)
        except SubletError as error:
            log.warning("node.trust_not_renewed", node=node_id, code=error.code, detail=error.detail)
            return False
        except Exception as error:  # the other nodes' renewals go on
            telemetry.worker_failures_total.labels("host_certificates").inc()
            log.exception("node.trust_crashed", node=node_id, error=type(error).__name__)
            return False
        return True
