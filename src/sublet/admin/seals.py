"""All that is sealed: the ledger, usage, payments, the audit trail; and the checks of their seals."""

from pathlib import Path

from sublet.audit import book as audit
from sublet.billing import book as billing
from sublet.core import book_seals, heads, telemetry
from sublet.core.book_seals import Chain
from sublet.core.db import Database, Session
from sublet.findings.checks import Check, CheckResult, Finding, ask
from sublet.findings.findings import Severity
from sublet.ledger import seals
from sublet.payments import books as payments

log = telemetry.get_logger(__name__)

BOOKS = (billing.BOOK, *payments.BOOKS, audit.BOOK)
CHAINS: tuple[Chain, ...] = (seals.CHAIN, *(book.chain for book in BOOKS))

_SEALS = Check("seals of usage, payments and the trail", "books.broken_seal", Severity.CRITICAL)
_HEADS = Check("signed heads", "ledger.signed_head", Severity.CRITICAL)


async def seal_books(database: Database) -> int:
    """Seal every book but the ledger's own, each in a transaction of its own; returns how many ranges.

    One that fails stops no other: what the first of them failed with is raised after all have been tried.
    """
    sealed, failures = 0, []
    for book in BOOKS:
        try:
            sealed += await book_seals.seal(database, book)
        except Exception as error:  # the others are sealed all the same
            log.exception("book.not_sealed", book=book.name, error=type(error).__name__)
            failures.append(error)
    if failures:
        raise failures[0]
    return sealed


async def seals_hold(session: Session) -> CheckResult:
    """The check of the books' rows against their seals."""

    async def look() -> list[Finding]:
        problem = "these rows are not what was sealed"
        broken = await book_seals.broken(session)
        return [Finding("seal", f"{book}/{first}-{last}", problem) for book, first, last in broken]

    return await ask(session, _SEALS, look)


async def heads_hold(session: Session, file: Path) -> CheckResult:
    """The check of every chain against its signed heads in a file."""

    async def look() -> list[Finding]:
        found = await heads.contradicted(session, file, CHAINS)
        return [Finding("seal_head", f"{chain}/{to_id}", problem) for chain, to_id, problem in found]

    return await ask(session, _HEADS, look)
