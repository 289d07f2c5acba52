"""The books' own checks: each finds nothing, or says what does not fit."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from sqlalchemy import text

from sublet.core.db import Session
from sublet.ledger import holds, sealing

MOST_FINDINGS = 100

EndedAmong = Callable[[Session, Collection[str]], Awaitable[set[str]]]
"""Given subjects that money is set aside for, which of them have ended."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not fit."""

    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A check's name and what it found, at most `MOST_FINDINGS`."""

    name: str
    findings: list[Finding]

    @property
    def ok(self) -> bool:
        """Whether it found nothing."""
        return not self.findings


_CHECKS = {
    "unbalanced entries": """
        SELECT 'entry:' || entry_id AS subject, lines || ' lines sum to ' || total AS detail
          FROM ledger.unbalanced_entry""",
    "balance drift": """
        SELECT code AS subject,
               'balance ' || balance || ' at ' || seq || ', postings sum to ' || posted || ' in ' || lines AS detail
          FROM ledger.drifted_balance""",
    "broken chain": """
        SELECT code AS subject, 'line ' || account_seq || ' (entry ' || entry_id || ') does not follow' AS detail
          FROM ledger.broken_chain""",
    "held funds": """
        SELECT subject, 'held ' || held || ', open holds ' || open_holds AS detail FROM ledger.drifted_hold""",
}


_OFTEN = {"balance drift", "held funds"}


async def run(session: Session, *, ended_among: EndedAmong | None = None, thorough: bool = True) -> list[CheckResult]:
    """Run the checks of the ledger; `ended_among` adds the one for holds that outlived what they were for.

    Unless `thorough`, only those that are worth asking every few minutes: the others read every entry ever made.
    """
    results = []
    for name, query in _CHECKS.items():
        if not thorough and name not in _OFTEN:
            continue
        found = await session.execute(text(f"{query} LIMIT {MOST_FINDINGS}"))
        results.append(CheckResult(name, [Finding(row.subject, row.detail) for row in found]))
    if ended_among is not None:
        ended = await ended_among(session, await holds.open_subjects(session))
        if ended:  # what ended between the two looks has given its money back with that
            ended &= set(await holds.open_subjects(session))
        left = sorted(ended)[:MOST_FINDINGS]
        findings = [Finding(subject, "it has ended and money is still set aside") for subject in left]
        results.append(CheckResult("holds of ended subjects", findings))
    if not thorough:
        return results
    broken = await sealing.broken_seals(session)
    seals = [Finding(f"entries:{first}-{last}", "not what was sealed") for first, last in broken[:MOST_FINDINGS]]
    results.append(CheckResult("seals", seals))
    return results
