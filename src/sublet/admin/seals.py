"""All that is sealed: the ledger and its accounts, usage, payments, the audit trail; and the checks of their seals."""

from pathlib import Path

from sublet.audit import register as audit
from sublet.billing import register as billing
from sublet.core import heads, registers, telemetry
from sublet.core.db import Database, Session
from sublet.core.registers import Chain
from sublet.findings.checks import Check, CheckResult, Finding, ask
from sublet.findings.findings import Severity
from sublet.ledger import seals
from sublet.payments import registers as payments

log = telemetry.get_logger(__name__)

REGISTERS = (seals.ACCOUNTS, billing.REGISTER, *payments.REGISTERS, audit.REGISTER)
CHAINS: tuple[Chain, ...] = (seals.CHAIN, *(register.chain for register in REGISTERS))

NEVER_DRAWN = "there are rows whose ids were never given out, so that no seal reaches them"

_SEALS = Check("seals of usage, payments and the trail", "register.broken_seal", Severity.CRITICAL)
_HEADS = Check("signed heads", "ledger.signed_head", Severity.CRITICAL)


async def seal_registers(database: Database) -> int:
    """Seal every register, each in a transaction of its own; returns how many ranges.

    One that fails stops no other: what the first of them failed with is raised after all have been tried.
    """
    sealed, failures = 0, []
    for register in REGISTERS:
        try:
            sealed += await registers.seal(database, register)
        except Exception as error:  # the others are sealed all the same
            log.exception("register.not_sealed", register=register.name, error=type(error).__name__)
            failures.append(error)
    if failures:
        raise failures[0]
    return sealed


async def seals_hold(session: Session) -> CheckResult:
    """The check of the registers' rows against their seals."""

    async def look() -> list[Finding]:
        problem = "these rows are not what was sealed"
        broken = await registers.broken(session)
        strays = await registers.strays(session)
        return [
            *(Finding("seal", f"{register}/{first}-{last}", problem) for register, first, last in broken),
            *(Finding("seal", f"{register}/{first}-{last}", NEVER_DRAWN) for register, first, last in strays),
        ]

    return await ask(session, _SEALS, look)


async def heads_hold(session: Session, file: Path) -> CheckResult:
    """The check of every chain against its signed heads in a file."""

    async def look() -> list[Finding]:
        found = await heads.contradicted(session, file, CHAINS)
        return [Finding("seal_head", f"{chain}/{to_id}", problem) for chain, to_id, problem in found]

    return await ask(session, _HEADS, look)
