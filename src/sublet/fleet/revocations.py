"""Revoked certificates, and which nodes know of them: one list is made for all, and each node that lacks it gets it.

A node's row keeps below which transaction every revocation is in the list that the node has: revocations are numbered
by the transaction that made them, so one that is committed late is missed by nobody, and what only ends by its time
costs no push.
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

import asyncssh
from sqlalchemy import select, text

from sublet.core import telemetry
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.errors import SubletError
from sublet.core.work import leases
from sublet.core.work.declaration import End, Step, Work
from sublet.core.work.leases import Lease
from sublet.core.work.outcomes import Done, Outcome, Retry
from sublet.core.work.pace import Pace
from sublet.fleet import codes, krl
from sublet.fleet.backend import FleetBackend
from sublet.fleet.krl import RevocationList
from sublet.fleet.models import issued_certificate
from sublet.fleet.work import REVOCATIONS, TRUST

log = telemetry.get_logger(__name__)

NODES_AT_A_TIME = 100
NODE_SECONDS = 10.0
"""A node that takes longer is tried again; the others know meanwhile."""

_BELOW = text("SELECT CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text)")
_BEHIND = text(
    """
    SELECT id FROM node
     WHERE verified_at IS NOT NULL AND state <> 'retired'
       AND revocations_below <= (SELECT revoked_in FROM issued_certificate
                                  WHERE revoked_at IS NOT NULL AND kind <> 'host' AND valid_before > clock_timestamp()
                                  ORDER BY revoked_in DESC NULLS LAST LIMIT 1)
     ORDER BY fresh_until DESC
    """
)
_NOTE = text(
    """
    UPDATE node SET revocations_below = CAST(:below AS xid8)
     WHERE id = ANY(:ids) AND revocations_below < CAST(:below AS xid8)
    """
)

STEPS = (
    Step(
        "push",
        "gives every node that lacks a revocation the list of all of them, over the connection that is open to it",
        "one file on the node, replaced as a whole; sshd reads it at the next login",
        "the same list again does nothing; an older one than the last is refused by the node",
    ),
    Step(
        "note",
        "notes which nodes have it; a helper that does not know this verb is given all that it trusts instead",
        "the nodes' rows",
        "those that are not noted get it again",
    ),
)

END = End(
    None,
    "never ends: nodes that could not be reached are tried every half minute at last, and nobody else",
    "never ends: tried every ten minutes at last; each node gets the list with its next host certificate too",
)


@dataclass(frozen=True, slots=True)
class Behind:
    """Nodes that lack a revocation, and the list that they get; `below`: every revocation by a transaction before it
    is in the list."""

    node_ids: tuple[str, ...]
    revoked: RevocationList
    below: str


@dataclass(slots=True)
class Pushed:
    """Which nodes have the list now, which know no such verb, and the codes of those that could not be told."""

    told: list[str] = field(default_factory=list)
    cannot: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


async def current(session: Session) -> tuple[RevocationList, str]:
    """The list for nodes, of revoked user certificates that have not yet ended; and the transaction below which every
    revocation is in it."""
    below: str = (await session.execute(_BELOW)).scalar_one()
    now = await database_now(session)
    rows = await session.execute(
        select(issued_certificate.c.serial, issued_certificate.c.ca_public_key).where(
            issued_certificate.c.revoked_at.is_not(None),
            issued_certificate.c.kind != "host",
            issued_certificate.c.valid_before > now,
        )
    )
    revoked: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        revoked[row.ca_public_key].append(row.serial)
    # Microseconds grow with time and never repeat, which is all that a version must do.
    version = int(now.timestamp() * 1_000_000)
    content = krl.build(
        {asyncssh.import_public_key(line).public_data: serials for line, serials in revoked.items()},
        version=version,
        generated_at=int(now.timestamp()),
        comment="sublet",
    )
    return RevocationList(content, version), below


async def note(session: Session, node_ids: list[str], below: str) -> None:
    """Note that nodes have a list with every revocation by a transaction below this one."""
    await session.execute(_NOTE, {"ids": node_ids, "below": below})


def work(backend: FleetBackend) -> Work[Behind, Pushed]:
    """The kind of work `revocations`: one row for the fleet, so that a revocation costs the same however many nodes
    there are, and what a thousand nodes have is noted at once."""

    async def take(session: Session, _lease: Lease) -> Behind | Outcome:
        behind = tuple((await session.execute(_BEHIND)).scalars())
        if not behind:
            return Done()
        return Behind(behind, *await current(session))

    async def act(_lease: Lease, behind: Behind) -> Pushed:
        return await push(backend, behind)

    async def conclude(session: Session, _lease: Lease, behind: Behind, pushed: Pushed) -> Outcome:
        await note(session, pushed.told, behind.below)
        for node_id in sorted(pushed.cannot):
            await leases.make_due(session, TRUST, node_id, place=node_id)
        log.info("revocations.pushed", told=len(pushed.told), failed=len(pushed.failed), cannot=len(pushed.cannot))
        return Retry(pushed.failed[0]) if pushed.failed else Done()

    return Work(
        kind=REVOCATIONS,
        take=take,
        act=act,
        conclude=conclude,
        pace=Pace(shortest_seconds=1.0, longest_seconds=30.0),
        end=END,
        slots=1,
        slots_each=1,
        steps=STEPS,
    )


async def push(backend: FleetBackend, behind: Behind) -> Pushed:
    """Give each node the list; a node that hangs holds up no other for longer than `NODE_SECONDS`."""
    pushed = Pushed()
    places = asyncio.Semaphore(NODES_AT_A_TIME)

    async def tell(node_id: str) -> None:
        async with places:
            try:
                async with asyncio.timeout(NODE_SECONDS):
                    await backend.revoke(node_id, behind.revoked)
            except TimeoutError:
                pushed.failed.append("node_timed_out")
                log.warning("revocations.not_told", node=node_id, code="node_timed_out")
            except SubletError as error:
                code = codes.of_operator(error)
                if code == "verb_unknown":
                    pushed.cannot.append(node_id)
                else:
                    pushed.failed.append(code)
                    log.warning("revocations.not_told", node=node_id, code=code)
            else:
                pushed.told.append(node_id)

    said = await asyncio.gather(*(tell(node_id) for node_id in behind.node_ids), return_exceptions=True)
    for node_id, trouble in zip(behind.node_ids, said, strict=True):
        if isinstance(trouble, Exception):
            # What nobody thought of at one node is no reason that what the others have is not noted.
            pushed.failed.append("unexpected")
            log.error("revocations.not_told", node=node_id, code="unexpected", exc_info=trouble)
        elif trouble is not None:
            raise trouble
    return pushed
