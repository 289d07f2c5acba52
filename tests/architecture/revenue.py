"""Which account is whose revenue: the ledger says that, and everybody else names the kind of meter."""

import re

from tests.architecture.source import Source, Violation

REVENUE = re.compile(r"\brevenue_(?!$)\w+|\brevenue_'?\s*\|\|", re.IGNORECASE)
MAY = ("ledger", "catalog")
"""The ledger has the accounts, and the catalog the kinds that they are named for."""


def revenue_accounts_elsewhere(source: Source) -> list[Violation]:
    """No text outside the ledger, the catalog and the ledger's migration names a revenue account."""
    if source.parts[0] in MAY or source.parts[-1] == "0005_ledger.py":
        return []
    texts = ((1, source.text),) if source.path.endswith(".sql") else source.strings
    return [
        Violation(source.path, line, f"names the account `{found[0]}`; pass the kind of meter, and the ledger knows it")
        for line, text in texts
        if (found := REVENUE.search(text))
    ]
