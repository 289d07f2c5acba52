"""Closing a finding on somebody's word: why it may not be closed now, and what follows from it."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from sublet.core.actions import Refusal
from sublet.core.app import Slot
from sublet.core.db import Session
from sublet.findings import findings
from sublet.findings.findings import StoredFinding


@dataclass(frozen=True, slots=True)
class Consequences:
    """What a layer above has to do with the findings of one code.

    `lock` comes before anything is decided; `why_not` names by id those of open findings that may not be closed;
    `follow` happens in the transaction that closed one.
    """

    lock: Callable[[Session, StoredFinding], Awaitable[None]]
    why_not: Callable[[Session, Sequence[StoredFinding]], Awaitable[Mapping[str, Refusal]]]
    follow: Callable[[Session, StoredFinding], Awaitable[None]]


ConsequencesByCode = Mapping[str, Consequences]

CONSEQUENCES: Slot[ConsequencesByCode] = Slot("what follows from closing findings")


async def why_not_resolve(
    session: Session, found: Sequence[StoredFinding], *, consequences: ConsequencesByCode
) -> dict[str, Refusal]:
    """Why some of the findings may not be closed on somebody's word now, by id: one statement a code at most."""
    refusals = {one.id: findings.why_not_close(one) for one in found}
    by_code: defaultdict[str, list[StoredFinding]] = defaultdict(list)
    for one in found:
        if refusals[one.id] is None and one.code in consequences:
            by_code[one.code].append(one)
    for code, those in by_code.items():
        refusals |= await consequences[code].why_not(session, those)
    return {finding_id: refusal for finding_id, refusal in refusals.items() if refusal is not None}


async def resolve(
    session: Session, finding_id: str, *, consequences: ConsequencesByCode, by: str, reason: str
) -> StoredFinding:
    """Close a finding on the word of `by`, with what follows from it. NotFound; Conflict, as `why_not_resolve` says."""
    found = await findings.get(session, finding_id)
    follows = consequences.get(found.code)
    if follows is not None:
        await follows.lock(session, found)
        found = await findings.get(session, finding_id)
    if refusal := (await why_not_resolve(session, [found], consequences=consequences)).get(finding_id):
        raise refusal.problem
    closed = await findings.close_by_id(session, finding_id, by=by, reason=reason)
    if follows is not None:
        await follows.follow(session, closed)
    return closed
