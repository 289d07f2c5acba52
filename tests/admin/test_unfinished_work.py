"""Work that does not come to its end is a finding and shown to operators, who have it taken up again."""

import pytest
from sqlalchemy import text

from sublet.admin import checks
from sublet.core.db import Database
from sublet.findings import findings
from sublet.findings.checks import keep
from sublet.findings.findings import Filter
from tests.support.app import Web

pytestmark = pytest.mark.anyio

LONG_AGO = "clock_timestamp() - interval '1 hour'"
ROWS = f"""
INSERT INTO work (kind, id, place, due_at, last_error, set_aside_at, attempts, crashes, failing_since) VALUES
  ('event', '1-1', 'nd_a', 'infinity', 'DataError', {LONG_AGO}, 16, 0, {LONG_AGO}),
  ('top_up', 'tu_a', '', 'infinity', 'interrupted', {LONG_AGO}, 1, 0, {LONG_AGO}),
  ('tick', 'check the books', 'settle', 'infinity', NULL, NULL, 0, 3, clock_timestamp()),
  ('node', 'nd_a', 'nd_a', clock_timestamp(), 'node_unreachable', NULL, 500, 0, {LONG_AGO}),
  ('trust', 'nd_a', 'nd_a', {LONG_AGO}, NULL, NULL, 0, 0, NULL),
  ('allocation', 'al_a', 'nd_a', clock_timestamp(), NULL, NULL, 0, 0, NULL)
"""


async def stuck(database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(text("DELETE FROM work"))
        await session.execute(text(ROWS))


async def look(database: Database) -> dict[tuple[str, str], str]:
    """Run the checks of every few minutes and keep what they find; what is open about work, by code and subject."""
    async with database.transaction() as session:
        await keep(session, await checks.run(session, thorough=False))
        found = await findings.newest(session, Filter(state="open", subject_type="work"), before=None, limit=100)
    return {(one.code, one.subject_id): one.severity.value for one in found}


class TestWorkThatDoesNotComeToItsEnd:
    async def test_is_a_finding_until_it_does(self, web: Web) -> None:
        await stuck(web.database)
        assert await look(web.database) == {
            ("work.set_aside", "top_up/tu_a"): "critical",
            ("work.crashing", "tick/check the books"): "critical",
            ("work.overdue", "node/nd_a"): "error",
            ("work.overdue", "trust/nd_a"): "error",
        }
        async with web.database.transaction() as session:
            await session.execute(text("DELETE FROM work WHERE kind <> 'trust'"))
        assert list(await look(web.database)) == [("work.overdue", "trust/nd_a")]

    async def test_is_listed_for_every_operator_page_by_page(self, web: Web) -> None:
        await stuck(web.database)
        operator = await web.operator("support")
        first = (await operator.get("/api/v1/admin/work", params={"limit": 3})).json()
        rest = {"limit": 3, "cursor": first["next_cursor"]}
        second = (await operator.get("/api/v1/admin/work", params=rest)).json()
        assert [(one["kind"], one["id"], one["trouble"]) for one in first["items"] + second["items"]] == [
            ("event", "1-1", "set_aside"),
            ("node", "nd_a", "failing"),
            ("tick", "check the books", "crashing"),
            ("top_up", "tu_a", "set_aside"),
            ("trust", "nd_a", "waiting"),
        ]
        shown = first["items"][1]
        assert (shown["place"], shown["attempts"], shown["last_error"]) == ("nd_a", 500, "node_unreachable")
        assert (await (await web.customer()).get("/api/v1/admin/work")).status_code == 403

    async def test_is_taken_up_again_once_and_that_is_in_the_audit_trail(self, web: Web) -> None:
        await stuck(web.database)
        operator = await web.operator("fleet")
        answers = [(await operator.post("/api/v1/admin/work/top_up/tu_a/retry")).json() for _ in range(2)]
        assert [one["was_set_aside"] for one in answers] == [True, False]
        assert ("work.set_aside", "top_up/tu_a") not in await look(web.database)
        async with web.database.reading() as session:
            due = "SELECT due_at <= clock_timestamp() AND attempts = 0 FROM work WHERE id = 'tu_a'"
            assert (await session.execute(text(due))).scalar_one()
        trail = (await (await web.operator()).get("/api/v1/admin/audit-events")).json()["items"]
        assert [one["action"] for one in trail if one["target"]["id"] == "tu_a"] == ["work.retried"]

    async def test_is_left_alone_by_support_and_not_found_when_there_is_none(self, web: Web) -> None:
        await stuck(web.database)
        answer = await (await web.operator("support")).post("/api/v1/admin/work/top_up/tu_a/retry")
        assert answer.status_code == 403
        answer = await (await web.operator()).post("/api/v1/admin/work/tick/check the books/retry")
        assert answer.json() == {"kind": "tick", "id": "check the books", "was_set_aside": False}
        answer = await (await web.operator()).post("/api/v1/admin/work/top_up/tu_b/retry")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
