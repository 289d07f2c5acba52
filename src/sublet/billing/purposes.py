"""What the entries of usage are for, as each organization may read it: its own subjects and nobody else's.

One entry of a settlement charges many organizations, so nothing that is said of the entry as a whole may name one.
"""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import text

from sublet.core.db import Session
from sublet.core.money import Money

MOST_SUBJECTS = 20
MOST_NAMES = 3


@dataclass(frozen=True, slots=True)
class Purpose:
    """One subject that an entry charges the organization for, and how much in all, over all its lines."""

    subject_id: str
    subject_name: str | None
    amount: Money


@dataclass(frozen=True, slots=True)
class Purposes:
    """What an entry is for: how many subjects, and the `MOST_SUBJECTS` that cost most, dearest first."""

    subjects: int
    dearest: list[Purpose]

    def sentence(self) -> str:
        """`Usage of web`, `Usage of web and db`, `Usage of web, db, cache and 4 more`."""
        names = [each.subject_name or each.subject_id for each in self.dearest[:MOST_NAMES]]
        more = self.subjects - len(names)
        last = f"{more} more" if more else names.pop()
        return f"Usage of {', '.join(names)} and {last}" if names else f"Usage of {last}"


_PURPOSES = text(
    """
    SELECT ledger_entry_id, subject_id, subject_name, amount, currency, subjects
      FROM (SELECT c.ledger_entry_id, c.subject_id, m.subject_name, c.currency, sum(c.amount)::bigint AS amount,
                   count(*) OVER entry AS subjects,
                   row_number() OVER (entry ORDER BY sum(c.amount) DESC, c.subject_id) AS place
              FROM usage_charge c JOIN meter m ON m.subject_id = c.subject_id
             WHERE c.ledger_entry_id = ANY(:entry_ids) AND c.organization_id = :organization_id
             GROUP BY c.ledger_entry_id, c.subject_id, m.subject_name, c.currency
            WINDOW entry AS (PARTITION BY c.ledger_entry_id)) charged
     WHERE place <= :most
     ORDER BY ledger_entry_id, place
    """
)


_NAMED = text(
    """
    SELECT DISTINCT c.ledger_entry_id
      FROM meter m JOIN usage_charge c ON c.subject_id = m.subject_id
     WHERE m.organization_id = :organization_id AND c.organization_id = :organization_id
       AND c.ledger_entry_id IS NOT NULL
       AND (m.subject_id = :text OR strpos(lower(m.subject_name), lower(:text)) > 0)
    """
)


async def entries_named(session: Session, organization_id: str, name: str) -> list[int]:
    """The entries that charged the organization for a subject of that id, or with that text in its name."""
    return list((await session.execute(_NAMED, {"organization_id": organization_id, "text": name})).scalars())


async def of_entries(session: Session, organization_id: str, entry_ids: Collection[int]) -> dict[int, Purposes]:
    """What each of the entries charged the organization for; entries that charged it for no usage are missing."""
    if not entry_ids:
        return {}
    found = await session.execute(
        _PURPOSES, {"entry_ids": list(entry_ids), "organization_id": organization_id, "most": MOST_SUBJECTS}
    )
    purposes: dict[int, Purposes] = {}
    for row in found:
        entry = purposes.setdefault(row.ledger_entry_id, Purposes(row.subjects, []))
        entry.dearest.append(Purpose(row.subject_id, row.subject_name, Money(row.amount, row.currency)))
    return purposes
