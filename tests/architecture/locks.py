"""Advisory locks are taken in `core/locks.py` alone, where each has a space of its own."""

import re

from tests.architecture.source import Source, Violation

_RAW = re.compile(r"pg_(?:try_)?advisory_\w*lock\w*", re.IGNORECASE)

BY_THEMSELVES = {
    "src/sublet/core/locks.py": "where they are taken",
    "src/sublet/ledger/sql/5_payments_and_corrections.sql": "a function of the ledger locks its own idempotency key",
    "src/sublet/ledger/sql/5_processor.sql": "a function of the ledger locks its own idempotency key",
    "src/sublet/ledger/sql/5_refunds_and_disputes.sql": "a function of the ledger locks its own idempotency key",
    "src/sublet/ledger/sql/6_seals_and_checks.sql": "entries are sealed by one at a time, whoever calls",
    "src/sublet/migrations/versions/0061_core.py": "a register is sealed by one at a time, whoever calls",
}


def raw_locks(source: Source) -> list[Violation]:
    """Every advisory lock that is taken elsewhere."""
    return [] if source.path in BY_THEMSELVES else locked(source)


def locked(source: Source) -> list[Violation]:
    """The same, without exceptions."""
    return [
        Violation(
            source.path,
            source.text.count("\n", 0, found.start()) + 1,
            f"takes {found.group()} by itself; give it a space in core/locks.py, and call `alone`",
        )
        for found in _RAW.finditer(source.text)
    ]
