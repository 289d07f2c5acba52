"""The books' own checks: each finds nothing, or says what does not fit."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from functools import partial

from sqlalchemy import text

from sublet.core.db import Session
from sublet.core.telemetry import get_logger
from sublet.ledger import holds, sealing

log = get_logger(__name__)

MOST_FINDINGS = 100
CHECK_TIMEOUT_SECONDS = 1800
"""Long enough for a statement that reads every entry ever made; every other statement has seconds."""

EndedAmong = Callable[[Session, Collection[str]], Awaitable[set[str]]]
"""Given subjects that money is set aside for, which of them have ended."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not fit; amounts in its detail are in micros, and say so."""

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
        SELECT 'entry:' || entry_id AS subject, lines || ' lines sum to ' || total || ' micros' AS detail
          FROM ledger.unbalanced_entry""",
    "balance drift": """
        SELECT code AS subject,
               'balance ' || balance || ' micros at ' || seq || ', postings sum to ' || posted || ' micros in ' || lines
                 AS detail
          FROM ledger.drifted_balance""",
    "broken chain": """
        SELECT code AS subject, 'line ' || account_seq || ' (entry ' || entry_id || ') does not follow' AS detail
          FROM ledger.broken_chain""",
    "held funds": """
        SELECT subject, 'held ' || held || ' micros, open holds ' || open_holds || ' micros' AS detail
          FROM ledger.drifted_hold""",
}


_OFTEN = {"balance drift", "held funds"}


_MORE_TIME = text(f"SET LOCAL statement_timeout = '{CHECK_TIMEOUT_SECONDS}s'")
_AS_BEFORE = text("SET LOCAL statement_timeout TO DEFAULT")


async def ask(session: Session, name: str, look: Callable[[], Awaitable[list[Finding]]]) -> CheckResult:
    """Let one check look, with time for a large ledger; one that fails has that for its finding and stops no other.

    Needs a transaction, and a check that only reads.
    """
    try:
        async with session.begin_nested():
            await session.execute(_MORE_TIME)
            findings = await look()
            await session.execute(_AS_BEFORE)
    except Exception as error:  # whatever it was, this check proved nothing and the others still can
        log.exception("books.check_failed", check=name, error=type(error).__name__)
        reason = str(getattr(error, "orig", error)).partition("\n")[0]
        findings = [Finding(name, f"the check could not be finished, so nothing is known: {reason}")]
    return CheckResult(name, findings)


async def ask_query(session: Session, name: str, query: str) -> CheckResult:
    """`ask` with a query whose rows, of `subject` and `detail`, are what does not fit."""

    async def look() -> list[Finding]:
        found = await session.execute(text(f"{query} LIMIT {MOST_FINDINGS}"))
        return [Finding(row.subject, row.detail) for row in found]

    return await ask(session, name, look)


async def run(session: Session, *, ended_among: EndedAmong | None = None, thorough: bool = True) -> list[CheckResult]:
    """Run the checks of the ledger; `ended_among` adds the one for holds that outlived what they were for.

    Unless `thorough`, only those that are worth asking every few minutes: the others read every entry ever made.
    """
    results = [await ask_query(session, name, query) for name, query in _CHECKS.items() if thorough or name in _OFTEN]
    if ended_among is not None:
        outlived = partial(_outlived, session, ended_among)
        results.append(await ask(session, "holds of ended subjects", outlived))
    if thorough:
        results.append(await ask(session, "seals", partial(_broken_seals, session)))
    return results


async def _outlived(session: Session, ended_among: EndedAmong) -> list[Finding]:
    ended = await ended_among(session, await holds.open_subjects(session))
    if ended:  # what ended between the two looks has given its money back with that
        ended &= set(await holds.open_subjects(session))
    return [Finding(subject, "it has ended and money is still set aside") for subject in sorted(ended)[:MOST_FINDINGS]]


async def _broken_seals(session: Session) -> list[Finding]:
    broken = await sealing.broken_seals(session)
    return [Finding(f"entries:{first}-{last}", "not what was sealed") for first, last in broken[:MOST_FINDINGS]]
