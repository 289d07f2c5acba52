"""One kept-open connection to each node, opened when first needed and again when lost.

Nodes are independent: opening one, however long it hangs, never delays a request to another.
"""

import asyncio
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from sublet.core import telemetry
from sublet.core.actors import system_actor
from sublet.core.db import Database, Session, forbid_open_session
from sublet.core.errors import NotFound
from sublet.core.together import Together
from sublet.core.work import leases
from sublet.fleet import answers, certificates, control_principals, enrolment, revocations
from sublet.fleet.backend import Trust
from sublet.fleet.breaker import Breaker
from sublet.fleet.ca import CaKind, CertificateAuthority, HostSigner, public_keys
from sublet.fleet.certificates import Credential, IssuedCertificate
from sublet.fleet.connection import CONNECT_SECONDS, HostTrust, NodeAddress, NodeConnection
from sublet.fleet.errors import NodeNotEnrolled, NodeTimedOut, NodeUnreachable
from sublet.fleet.models import node
from sublet.fleet.params import trust_params
from sublet.fleet.work import TRUST

OLDEST_SECONDS = 3600.0
LAPSED_CERTIFICATE_SECONDS = 3600

log = telemetry.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Way:
    """How to reach a node; `lapsed` is what must be pushed to it first, when its host certificate has ended."""

    address: NodeAddress
    credential: Credential
    trust: HostTrust
    lapsed: dict[str, Any] | None


class NodePool:
    """Connections of this process to the fleet's nodes; every one was opened with a certificate made for it, which is
    kept for the next try while the node lets nobody in."""

    def __init__(
        self, database: Database, authority: CertificateAuthority, *, connect_seconds: float = CONNECT_SECONDS
    ) -> None:
        self.database = database
        self.authority = authority
        self._connect_seconds = connect_seconds
        self._breaker = Breaker()
        self._open: dict[str, NodeConnection] = {}
        self._opening: dict[str, asyncio.Task[NodeConnection]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._places: Together[str, tuple[str, int, str]] = Together(self._read_places)
        self._unused: dict[str, Credential] = {}
        self._undelivered: dict[str, IssuedCertificate] = {}

    async def get(self, node_id: str) -> NodeConnection:
        """The node's connection; whoever asks while it is being opened waits for the same attempt.

        NodePaused, at once, while a node that could not be reached several times in a row is left alone.
        """
        forbid_open_session("node")
        connection = self._open.get(node_id)
        if connection is not None and self._fit(connection) and await self._leads_there(connection):
            return connection
        task = self._opening.get(node_id)
        if task is None:
            self._breaker.verify(node_id)
            task = asyncio.create_task(self._try(node_id))
            self._opening[node_id] = task
            task.add_done_callback(lambda _: self._opening.pop(node_id, None))
        return await asyncio.shield(task)

    async def request(
        self,
        node_id: str,
        verb: str,
        params: dict[str, Any] | None = None,
        *,
        generation: int | None = None,
        timeout_seconds: float | None = None,
    ) -> dict[str, Any]:
        """Ask a node. A kept connection that turns out to be lost is opened again once: every verb may be repeated."""
        kept = self._open.get(node_id)
        connection = await self.get(node_id)
        try:
            return await connection.request(verb, params or {}, generation=generation, timeout_seconds=timeout_seconds)
        except NodeTimedOut:
            self._discard(node_id, connection)
            raise
        except NodeUnreachable:
            self._discard(node_id, connection)
            if connection is not kept:
                raise
        connection = await self.get(node_id)
        return await connection.request(verb, params or {}, generation=generation, timeout_seconds=timeout_seconds)

    async def close(self) -> None:
        """End every connection."""
        for opening in list(self._opening.values()):
            opening.cancel()
        await asyncio.gather(*self._opening.values(), return_exceptions=True)
        connections = list(self._open.values())
        self._open.clear()
        await asyncio.gather(*(connection.close() for connection in connections), return_exceptions=True)
        for task in list(self._ending):
            task.cancel()
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _fit(self, connection: NodeConnection) -> bool:
        aged = time.monotonic() - connection.opened_at > OLDEST_SECONDS and not connection.busy
        return not connection.closed and not connection.suspect and not aged

    async def _leads_there(self, connection: NodeConnection) -> bool:
        """Whether the node is still the machine at the other end: it may have joined anew, or moved, meanwhile."""
        there = connection.address
        return await self._places.ask(there.node_id) == (there.host, there.port, there.host_public_key)

    async def _read_places(self, node_ids: Collection[str]) -> dict[str, tuple[str, int, str]]:
        columns = (node.c.id, node.c.address, node.c.port, node.c.host_public_key)
        async with self.database.reading() as session:
            rows = await session.execute(select(*columns).where(node.c.id.in_(sorted(node_ids))))
            return {row.id: (row.address, row.port, row.host_public_key) for row in rows}

    async def _try(self, node_id: str) -> NodeConnection:
        try:
            connection = await self._connect(node_id)
        except NodeUnreachable as error:
            if not error.sent:
                self._breaker.note_failure(node_id)
            raise
        self._breaker.note_success(node_id)
        return connection

    async def _connect(self, node_id: str) -> NodeConnection:
        way = await self._way(node_id)
        if way.lapsed is not None:
            await self._renew_lapsed(way, way.lapsed)
            way = await self._way(node_id)
        connection = await self._come_in(way, way.trust)
        earlier = self._open.get(node_id)
        self._open[node_id] = connection
        if earlier is not None:
            self._end(earlier)
        return connection

    async def _come_in(self, way: _Way, trust: HostTrust) -> NodeConnection:
        """Open a connection; its certificate is used up once the node has let us in with it."""
        connection = await NodeConnection.open(
            way.address, way.credential, trust, timeout_seconds=self._connect_seconds
        )
        self._unused.pop(way.address.node_id, None)
        return connection

    async def _way(self, node_id: str) -> _Way:
        """All that is needed to connect to a node, with a certificate made for this one connection."""
        signer, host_signer = await self.authority.user_signer(), await self.authority.host_signer()
        async with self.database.transaction() as session:
            row = (
                await session.execute(
                    select(
                        node.c.name,
                        node.c.address,
                        node.c.port,
                        node.c.host_public_key,
                        (node.c.host_certificate_expires_at <= func.clock_timestamp()).label("lapsed"),
                    ).where(node.c.id == node_id)
                )
            ).one_or_none()
            if row is None:
                raise NotFound("node", node_id)
            if row.host_public_key is None:
                raise NodeNotEnrolled(
                    f"{row.name} has not joined yet, so there is nothing to connect to. Run its join command on it."
                )
            credential = await certificates.issue_control(
                session, system_actor(), node_id, signer=signer, unused=self._unused.get(node_id)
            )
            authorities = (await public_keys(session, CaKind.HOST)).all
            lapsed = await self._fresh_trust(session, node_id, host_signer) if row.lapsed else None
        self._unused[node_id] = credential
        address = NodeAddress(node_id, row.name, row.address, row.port, row.host_public_key)
        return _Way(address, credential, HostTrust(authorities), lapsed)

    async def _fresh_trust(self, session: Session, node_id: str, signer: HostSigner) -> dict[str, Any]:
        issued = await certificates.issue_host(
            session,
            node_id,
            signer=signer,
            seconds=LAPSED_CERTIFICATE_SECONDS,
            undelivered=self._undelivered.get(node_id),
            still_seconds=LAPSED_CERTIFICATE_SECONDS / 2,
        )
        self._undelivered[node_id] = issued
        keys = await public_keys(session, CaKind.USER)
        revoked, _ = await revocations.current(session)
        principal = control_principals.own(node_id)
        return trust_params(Trust(keys.all, revoked.content, issued.certificate, principal))

    async def _renew_lapsed(self, way: _Way, fresh: dict[str, Any]) -> None:
        """Nobody renewed the node's certificate in time, because Sublet itself was away: renew it now.

        For this one request the node proves itself by the very key that it enrolled with, which says as much as a
        certificate for that key.
        """
        by_key = HostTrust(enrolled_key=way.address.host_public_key)
        connection = await self._come_in(way, by_key)
        try:
            observed = await connection.request("trust", fresh)
        finally:
            await connection.close()
        self._undelivered.pop(way.address.node_id, None)
        ends = answers.read(answers.Trusted, "trust", observed).host_certificate_valid_before
        async with self.database.transaction() as session:
            await enrolment.note_certificate(session, way.address.node_id, ends)
            await leases.make_due(session, TRUST, way.address.node_id, place=way.address.node_id)
        log.warning("node.certificate_had_lapsed", node=way.address.node_id)

    def _discard(self, node_id: str, connection: NodeConnection) -> None:
        """Take the connection out of use; it ends at once, or when the last request on it has."""
        if self._open.get(node_id) is connection:
            del self._open[node_id]
        self._end(connection)

    def _end(self, connection: NodeConnection) -> None:
        task = asyncio.create_task(connection.finish())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
