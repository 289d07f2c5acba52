"""The startup script of an allocation: kept encrypted until it has run, once; how it fared, and what it wrote."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row, func, insert, select, text, update

from sublet.allocations.events import AllocationStartupEnded
from sublet.allocations.models import startup
from sublet.allocations.rows import Allocation
from sublet.allocations.states import remark
from sublet.core.actors import Actor
from sublet.core.db import Session
from sublet.core.encryption import DataKey, decrypt
from sublet.core.errors import InvalidInput
from sublet.core.keyring import Keyring
from sublet.core.outbox import publish
from sublet.core.work import leases
from sublet.fleet.backend import StartupRun

WORK = "startup"
SCRIPT_BYTES = 64 * 1024
OUTPUT_LENGTH = 64 * 1024
"""What a script may have, and what is kept of its output. The node has the same bounds."""

StartupState = Literal["waiting", "running", "succeeded", "failed", "stopped"]
_PLACE = {"table": "allocation_startup", "column": "encrypted"}
_FORGET_OUTPUTS = text(
    """
    UPDATE allocation_startup SET output = ''
     WHERE allocation_id IN (
             SELECT s.allocation_id FROM allocation_startup s
              WHERE s.output <> '' AND s.ended_at < clock_timestamp() - make_interval(days => :days)
                AND EXISTS (SELECT FROM allocation a WHERE a.id = s.allocation_id
                                AND a.ended_at < clock_timestamp() - make_interval(days => :days))
              ORDER BY s.ended_at LIMIT :limit)
    """
)
_STOPPED = frozenset({"suspended", "interrupted", "released"})


@dataclass(frozen=True, slots=True)
class Startup:
    """A script that has not ended."""

    encrypted: bytes | None
    began_at: datetime | None
    output_bytes: int


def checked(script: str) -> str:
    """The script; InvalidInput when it is empty, too long or no text."""
    if "\0" in script or not 1 <= len(script.encode("utf-8", "replace")) <= SCRIPT_BYTES:
        raise InvalidInput(
            f"A startup script is text of 1 to {SCRIPT_BYTES} bytes, without a zero byte. Nothing was launched. Let a "
            "long one fetch what it needs.",
            field="startup_script",
        )
    return script


def state_of(row: Row[Any]) -> StartupState:
    """Where it stands, from `began_at`, `ended_by` and `exit_code`."""
    if row.ended_by is None:
        return "waiting" if row.began_at is None else "running"
    if row.ended_by in _STOPPED:
        return "stopped"
    return "succeeded" if row.exit_code == 0 else "failed"


async def put(session: Session, allocation_id: str, script: str, data_key: DataKey) -> None:
    """Keep a script that is `checked`, encrypted; it runs once the allocation is active."""
    plain = script.encode("utf-8", "replace")
    values = {
        "allocation_id": allocation_id,
        "script_bytes": len(plain),
        "encrypted": data_key.encrypt(plain, **_PLACE, row=allocation_id),
    }
    await session.execute(insert(startup).values(values))


async def make_due(session: Session, allocation: Allocation) -> None:
    """Have the script of an allocation that has become active begun, or looked after, if it has not ended."""
    if await unfinished(session, allocation.id) is not None:
        await leases.make_due(session, WORK, allocation.id, place=allocation.node_id, tenant=allocation.organization_id)


async def unfinished(session: Session, allocation_id: str) -> Startup | None:
    """Its script, unless that has ended or there is none."""
    columns = (startup.c.encrypted, startup.c.began_at, startup.c.output_bytes)
    found = select(*columns).where(startup.c.allocation_id == allocation_id, startup.c.ended_at.is_(None))
    row = (await session.execute(found)).one_or_none()
    return None if row is None else Startup(*row)


async def open_for_node(keyring: Keyring, allocation_id: str, encrypted: bytes) -> str:
    """The script itself, to be sent to the node. OpenSessionError while a session is open."""
    return (await decrypt(keyring, encrypted, **_PLACE, row=allocation_id)).decode("utf-8", "replace")


async def note(session: Session, actor: Actor, allocation: Allocation, run: StartupRun) -> bool:
    """Store how the node says that it fares; True when it has ended. Whatever comes after its end changes nothing."""
    if run.state in ("unknown", "waiting"):
        return False
    values: dict[str, Any] = {
        "began_at": func.coalesce(startup.c.began_at, func.clock_timestamp() - run.lasted),
        "seen_at": func.clock_timestamp(),
        "output": printable(run.output),
        "output_bytes": run.output_bytes,
    }
    if run.state == "running":
        await session.execute(_unfinished(allocation.id).values(values))
        return False
    assert run.ended_by is not None  # the node's answer was checked
    await _end(
        session,
        actor,
        allocation,
        ended_by=run.ended_by,
        exit_code=run.exit_code,
        signal=run.signal,
        detail=printable(run.detail) or None,
        **values,
    )
    return True


async def refuse(session: Session, actor: Actor, allocation: Allocation, why: str) -> None:
    """End it because its node cannot run it."""
    await _end(session, actor, allocation, ended_by="refused", detail=why)


async def end_with(session: Session, actor: Actor, allocation: Allocation) -> None:
    """End it because its allocation has ended; harmless when it had ended before, or there is none."""
    await _end(session, actor, allocation, ended_by="released")


async def _end(session: Session, actor: Actor, allocation: Allocation, **values: Any) -> None:
    ended = {"ended_at": func.clock_timestamp(), "encrypted": None, **values}
    shown = (startup.c.began_at, startup.c.ended_by, startup.c.exit_code, startup.c.signal)
    row = (await session.execute(_unfinished(allocation.id).values(ended).returning(*shown))).one_or_none()
    if row is None:
        return
    state = state_of(row)
    if values["ended_by"] != "released":  # else its history says so already
        await remark(session, actor, allocation.id, allocation.state, reason=said(row))
    event = AllocationStartupEnded(
        allocation_id=allocation.id,
        name=allocation.name,
        state=state,
        ended_by=row.ended_by,
        exit_code=row.exit_code,
        signal=row.signal,
    )
    await publish(session, event, subject=allocation.id, organization_id=allocation.organization_id)


async def forget_outputs(session: Session, *, days: int, limit: int) -> int:
    """Forget what scripts wrote whose allocations ended so long ago, so many at most; how they ended stays."""
    return (await session.execute(_FORGET_OUTPUTS, {"days": days, "limit": limit})).rowcount


def said(row: Row[Any]) -> str:
    """How it ended, as a line of history."""
    match row.ended_by:
        case "exit" if row.exit_code == 0:
            return "its startup script has run"
        case "exit":
            return f"its startup script failed with exit code {row.exit_code}"
        case "signal":
            return f"its startup script was ended by signal {row.signal}"
        case "suspended":
            return "its startup script was ended by the suspension"
        case "interrupted":
            return "its startup script was interrupted and is not run again"
    return "its startup script could not be run"


def printable(text: str) -> str:
    """What a database keeps as text, no longer than is kept: the end of it counts."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")[-OUTPUT_LENGTH:]


def _unfinished(allocation_id: str) -> Any:
    return update(startup).where(startup.c.allocation_id == allocation_id, startup.c.ended_at.is_(None))
