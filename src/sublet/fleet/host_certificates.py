"""Each node's trust, pushed to it: authorities, revocations, and a fresh host certificate every hour."""

from datetime import datetime

from sqlalchemy import select

from sublet.core.clock import database_now
from sublet.core.db import Database, Session
from sublet.core.settings import Settings
from sublet.core.work.declaration import End, Step, Work
from sublet.core.work.leases import Lease
from sublet.core.work.outcomes import Again, Outcome
from sublet.core.work.pace import Pace
from sublet.fleet import certificates, control_principals, enrolment, nodes, revocations
from sublet.fleet.backend import FleetBackend, Trust
from sublet.fleet.ca import CaKind, CertificateAuthority, public_keys
from sublet.fleet.certificates import IssuedCertificate
from sublet.fleet.models import node
from sublet.fleet.work import TRUST

NODES_AT_A_TIME = 50
UNVERIFIED_SECONDS = 60.0

STEPS = (
    Step(
        "issue",
        "signs a host certificate for the node",
        "a certificate on record",
        "one that did not arrive is pushed again until a new one is due; it ends by itself, and can be revoked",
    ),
    Step(
        "push",
        "gives the node the authorities, the revocations and its certificate, each file replaced as a whole",
        "files under /etc/sublet on the node",
        "the next push replaces them; an older push than the last is refused by the node",
    ),
    Step("probe", "asks what the node has and enforces", "inventory and capabilities", "the next probe"),
)

END = End(
    None,
    "never ends: a node whose certificate has ended gets a new one by the key that it enrolled with",
    "never ends: pushed every ten minutes at last",
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
        self._undelivered: dict[str, IssuedCertificate] = {}

    def work(self) -> Work[str, datetime]:
        """The kind of work `trust`: a push within the hour, or a third of a certificate's life, and after changes."""

        async def take(session: Session, lease: Lease) -> str | Outcome:
            verified = select(node.c.id).where(node.c.id == lease.id, node.c.verified_at.is_not(None))
            if (await session.execute(verified)).first() is None:
                return Again(UNVERIFIED_SECONDS)
            return lease.id

        async def act(_lease: Lease, node_id: str) -> datetime:
            return await self.renew(node_id)

        async def conclude(_session: Session, _lease: Lease, _node_id: str, _valid_before: datetime) -> Outcome:
            return Again(enrolment.renewal_seconds(self.settings))

        return Work(
            kind=TRUST,
            take=take,
            act=act,
            conclude=conclude,
            pace=Pace(shortest_seconds=2.0, longest_seconds=60.0),
            end=END,
            slots=NODES_AT_A_TIME,
            slots_each=1,
            steps=STEPS,
        )

    async def renew(self, node_id: str) -> datetime:
        """Push a new host certificate, the authorities and the revocations; returns when the certificate ends.

        Then the node is probed. One that cannot be is tried again soon, and has what it must trust all the same.
        """
        signer = await self.authority.host_signer()
        seconds = self.settings.host_certificate_seconds
        async with self.database.transaction() as session:
            issued = await certificates.issue_host(
                session,
                node_id,
                signer=signer,
                seconds=seconds,
                undelivered=self._undelivered.get(node_id),
                still_seconds=seconds - enrolment.renewal_seconds(self.settings),
            )
            keys = await public_keys(session, CaKind.USER)
            revoked, below = await revocations.current(session)
        self._undelivered[node_id] = issued
        valid_before = await self.backend.trust(
            node_id, Trust(keys.all, revoked.content, issued.certificate, control_principals.own(node_id))
        )
        self._undelivered.pop(node_id, None)
        async with self.database.transaction() as session:
            await enrolment.note_certificate(session, node_id, valid_before)
            await revocations.note(session, [node_id], below)
        probe = await self.backend.probe(node_id)
        async with self.database.transaction() as session:
            now = await database_now(session)
            skew = (probe.node_time - now).total_seconds()
            await nodes.store_probe(session, node_id, probe, clock_skew_seconds=skew)
        return valid_before
