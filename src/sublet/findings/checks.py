"""Checks: each asks one question of the rows, and finds nothing or says what does not fit.

A check only reads. `keep` writes what a run of checks found into the findings, and closes those that are mended.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client import Gauge
from sqlalchemy import text

from sublet.core.db import Session
from sublet.core.money import Money
from sublet.core.telemetry import get_logger, log_failure
from sublet.findings import findings
from sublet.findings.findings import Severity

log = get_logger(__name__)

open_findings = Gauge("sublet_findings_open", "Findings that are open, by how bad they are", ["severity"])

MOST_FINDINGS = 100
CHECK_TIMEOUT_SECONDS = 1800
"""Long enough for a statement that reads every entry ever made; every other statement has seconds."""


@dataclass(frozen=True, slots=True)
class Check:
    """A question: what people call it, the code of its findings, and how bad they are."""

    name: str
    code: str
    severity: Severity


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not fit: a sentence without amounts, and the amounts by name."""

    subject_type: str
    subject_id: str
    problem: str
    amounts: Mapping[str, Money] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        """What it is about, in one word: `account:wallet:org_1:USD`."""
        return f"{self.subject_type}:{self.subject_id}"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check found, at most `MOST_FINDINGS`; `complete` unless there may be more, or it could not finish."""

    check: Check
    findings: list[Finding]
    complete: bool

    @property
    def name(self) -> str:
        """What people call the check."""
        return self.check.name

    @property
    def ok(self) -> bool:
        """Whether it found nothing."""
        return not self.findings


_MORE_TIME = text(f"SET LOCAL statement_timeout = '{CHECK_TIMEOUT_SECONDS}s'")
_AS_BEFORE = text("SET LOCAL statement_timeout TO DEFAULT")


def result_of(check: Check, found: list[Finding]) -> CheckResult:
    """The result of a check that looked at everything, of which at most `MOST_FINDINGS` are told."""
    return CheckResult(check, found[:MOST_FINDINGS], complete=len(found) < MOST_FINDINGS)


async def ask(session: Session, check: Check, look: Callable[[], Awaitable[list[Finding]]]) -> CheckResult:
    """Let one check look, with time for a large ledger; one that fails has that for its finding and stops no other.

    Needs a transaction, and a check that only reads.
    """
    try:
        async with session.begin_nested():
            await session.execute(_MORE_TIME)
            found = await look()
            await session.execute(_AS_BEFORE)
    except Exception as error:  # whatever it was, this check proved nothing and the others still can
        log_failure(log, "check.failed", error, check=check.name, error=type(error).__name__)
        reason = str(getattr(error, "orig", error)).partition("\n")[0]
        problem = f"the check could not be finished, so nothing is known: {reason}"
        return CheckResult(check, [Finding("check", check.code, problem)], complete=False)
    return result_of(check, found)


async def ask_query(session: Session, check: Check, query: str, **values: float) -> CheckResult:
    """`ask` with a query whose rows are what does not fit; `values` are its parameters.

    Its columns are `subject_type`, `subject_id` and `problem`, and for amounts `currency` and `amounts`, a JSON object
    of millionths by name.
    """

    async def look() -> list[Finding]:
        found = await session.execute(text(f"{query} LIMIT {MOST_FINDINGS}"), values)
        return [
            Finding(
                row.subject_type,
                row.subject_id,
                row.problem,
                {}
                if row.currency is None
                else {name: Money(int(micro), row.currency) for name, micro in row.amounts.items()},
            )
            for row in found
        ]

    return await ask(session, check, look)


async def keep(session: Session, results: Iterable[CheckResult]) -> None:
    """Open what the checks found, in the log too, and close what they did not find any more.

    A check that did not finish, or found more than it may tell, closes nothing: what it does not name may still be so.
    """
    for result in results:
        for found in sorted(result.findings, key=lambda each: (each.subject_type, each.subject_id)):
            log.error(
                "check.finding",
                check=result.name,
                code=result.check.code,
                subject_type=found.subject_type,
                subject_id=found.subject_id,
                problem=found.problem,
                amounts={name: str(amount) for name, amount in found.amounts.items()},
            )
            await findings.open_finding(
                session,
                code=result.check.code,
                subject_type=found.subject_type,
                subject_id=found.subject_id,
                severity=result.check.severity,
                amounts=found.amounts,
                detail={"problem": found.problem},
            )
        if result.complete:
            still = [(found.subject_type, found.subject_id) for found in result.findings]
            await findings.close_others(session, code=result.check.code, still=still)
    counted = await findings.count_open(session)
    for severity in Severity:
        open_findings.labels(severity.value).set(counted.get(severity, 0))
