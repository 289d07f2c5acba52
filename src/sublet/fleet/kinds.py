"""Each node by the backend of its kind: `ssh` today. A further kind is one more line where the process is put together.

A node gets its kind when it is added, and keeps it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import select

from sublet.core.db import Database
from sublet.core.errors import NotFound
from sublet.fleet.backend import (
    AppliedState,
    DesiredAccount,
    Entry,
    FleetBackend,
    Observation,
    Probe,
    ReleaseEvidence,
    Script,
    StartupRun,
    Trust,
    Usage,
)
from sublet.fleet.errors import NodeKindUnknown
from sublet.fleet.krl import RevocationList
from sublet.fleet.models import node
from sublet.fleet.node_helper import Helper
from sublet.fleet.self_tests import Strain

SSH = "ssh"
"""The node protocol over SSH: `SshBackend`."""


class BackendsByKind:
    """`FleetBackend` that hands each call on to the backend of the node's kind."""

    def __init__(self, database: Database, backends: Mapping[str, FleetBackend]) -> None:
        self.database = database
        self._backends = dict(backends)
        self._kind_of: dict[str, str] = {}

    async def fleet_backend(self, node_id: str) -> FleetBackend:
        """The backend that speaks to the node. NotFound; NodeKindUnknown if this process has none for its kind."""
        kind = self._kind_of.get(node_id)
        if kind is None:
            kind = await self._read(node_id)
            self._kind_of[node_id] = kind
        backend = self._backends.get(kind)
        if backend is None:
            raise NodeKindUnknown(
                f"The node {node_id} is of the kind {kind}, and this process speaks only to "
                f"{', '.join(sorted(self._backends))}. Nothing was asked of it. Run a release that knows this kind."
            )
        return backend

    async def _read(self, node_id: str) -> str:
        async with self.database.reading() as session:
            kind = (await session.execute(select(node.c.kind).where(node.c.id == node_id))).scalar_one_or_none()
        if kind is None:
            raise NotFound("node", node_id)
        return str(kind)

    async def probe(self, node_id: str) -> Probe:
        """The node's inventory and what it enforces."""
        return await (await self.fleet_backend(node_id)).probe(node_id)

    async def apply(self, node_id: str, account: DesiredAccount) -> AppliedState:
        """Make the account exist exactly so; StaleGeneration if a newer generation was seen."""
        return await (await self.fleet_backend(node_id)).apply(node_id, account)

    async def enter(self, node_id: str, account: DesiredAccount) -> Entry:
        """Come in as the account's customer does, and look around; EntryRefused says why nobody can."""
        return await (await self.fleet_backend(node_id)).enter(node_id, account)

    async def strain(self, node_id: str, account: DesiredAccount) -> Strain:
        """Come in as the account's customer does, and take more than the account may; EntryRefused if nothing runs."""
        return await (await self.fleet_backend(node_id)).strain(node_id, account)

    async def release(
        self,
        node_id: str,
        *,
        allocation_id: str,
        login: str,
        uid: int,
        generation: int,
        same_organization: Sequence[str],
    ) -> ReleaseEvidence:
        """Remove everything of the allocation and prove it; StaleGeneration if a newer generation was seen."""
        backend = await self.fleet_backend(node_id)
        return await backend.release(
            node_id,
            allocation_id=allocation_id,
            login=login,
            uid=uid,
            generation=generation,
            same_organization=same_organization,
        )

    async def start(self, node_id: str, script: Script, text: str, *, generation: int) -> StartupRun:
        """Have the node run the script, if it never did; answers at once. StaleGeneration if a newer one was seen."""
        return await (await self.fleet_backend(node_id)).start(node_id, script, text, generation=generation)

    async def started(self, node_id: str, script: Script) -> StartupRun:
        """How it fares, with the end of what it wrote."""
        return await (await self.fleet_backend(node_id)).started(node_id, script)

    async def observe(self, node_id: str) -> Observation:
        """All that exists on the node."""
        return await (await self.fleet_backend(node_id)).observe(node_id)

    async def usage(self, node_id: str) -> Sequence[Usage]:
        """What each allocation has used."""
        return await (await self.fleet_backend(node_id)).usage(node_id)

    async def trust(self, node_id: str, trust: Trust) -> datetime:
        """Replace what the node trusts; returns when its host certificate now ends."""
        return await (await self.fleet_backend(node_id)).trust(node_id, trust)

    async def revoke(self, node_id: str, revoked: RevocationList) -> None:
        """Replace the node's list of revoked certificates, and nothing else; StaleGeneration if it has a newer one."""
        await (await self.fleet_backend(node_id)).revoke(node_id, revoked)

    async def upgrade(self, node_id: str, helper: Helper, *, confirm_seconds: int) -> None:
        """Put another helper in place, on trial: the node undoes it unless it is confirmed within so many seconds."""
        await (await self.fleet_backend(node_id)).upgrade(node_id, helper, confirm_seconds=confirm_seconds)

    async def confirm_upgrade(self, node_id: str, sha256: str) -> None:
        """Keep the helper that is on trial."""
        await (await self.fleet_backend(node_id)).confirm_upgrade(node_id, sha256)

    async def undo_upgrade(self, node_id: str, sha256: str) -> None:
        """Put the earlier helper back, if the one of this digest is on trial."""
        await (await self.fleet_backend(node_id)).undo_upgrade(node_id, sha256)
