"""What an entry of usage is for: names that say it in a sentence, and as many subjects as one wants to read."""

import pytest
from sqlalchemy import text

from sublet.billing import purposes
from sublet.billing.purposes import MOST_SUBJECTS, Purpose, Purposes
from sublet.core.db import Database
from sublet.core.money import Money
from sublet.ledger import entries
from tests.billing.usage import new_subject, observe_until, settle_due
from tests.ledger.books import new_wallet

pytestmark = pytest.mark.anyio


def _purposes(*names: str | None, subjects: int | None = None) -> Purposes:
    dearest = [Purpose(f"al_{place}", name, Money(1, "USD")) for place, name in enumerate(names)]
    return Purposes(len(names) if subjects is None else subjects, dearest)


class TestSentences:
    @pytest.mark.parametrize(
        ("found", "said"),
        [
            (_purposes("web"), "Usage of web"),
            (_purposes(None), "Usage of al_0"),
            (_purposes("web", "db"), "Usage of web and db"),
            (_purposes("web", "db", "cache"), "Usage of web, db and cache"),
            (_purposes("web", "db", "cache", "jobs"), "Usage of web, db, cache and 1 more"),
            (_purposes("web", "db", "cache", "jobs", subjects=900), "Usage of web, db, cache and 897 more"),
        ],
    )
    def test_name_three_and_count_the_rest(self, found: Purposes, said: str) -> None:
        assert found.sentence() == said


class TestManySubjects:
    async def test_are_counted_and_the_dearest_are_named(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "100")
            for number in range(MOST_SUBJECTS + 2):
                subject = await new_subject(session, organization=organization, name=f"n{number}", started_ago=1000)
                await observe_until(session, subject, 600 + number)
            await session.execute(text("UPDATE meter SET settle_due_at = clock_timestamp()"))
            await settle_due(session)
            lines = await entries.list_for(session, organization, limit=1, currency="USD")
            found = await purposes.of_entries(session, organization, [lines[0].entry.id])
        of_batch = found[lines[0].entry.id]
        assert of_batch.subjects == MOST_SUBJECTS + 2
        assert [each.subject_name for each in of_batch.dearest] == [f"n{number}" for number in range(21, 1, -1)]
