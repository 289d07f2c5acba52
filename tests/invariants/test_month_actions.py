"""Months are offered to be closed where that is accepted, and nowhere else."""

import pytest
from sqlalchemy import text

from sublet.core.actors import Actor
from sublet.core.db import Database
from sublet.identity.permissions import PLATFORM_ROLES
from sublet.ledger import months
from tests.billing.usage import new_subject
from tests.support.asking import Asking, walks

pytestmark = pytest.mark.anyio

BEFORE = ("2020-01", "2020-02", "2020-03")
IN_MARCH = text(
    "UPDATE meter_segment SET period = tstzrange('2020-03-05Z', NULL), posted_to = '2020-03-05Z', "
    "metered_to = '2020-03-05 00:01Z'"
)


class TestMonths:
    @walks("MonthOut")
    async def test_are_offered_to_be_closed_where_that_is_accepted(self, database: Database, asking: Asking) -> None:
        async with database.transaction() as session:
            await months.close(session, BEFORE[0], by="usr_1")
            await new_subject(session)
            await session.execute(IN_MARCH)
        offered = []
        for closed in (None, BEFORE[1]):
            if closed is not None:
                async with database.transaction() as session:
                    await months.close(session, closed, by="usr_1")
            for role, held in PLATFORM_ROLES.items():
                asking.actor = Actor("user", "usr_operator", None, permissions=held)
                if role not in {"finance", "admin"}:
                    continue
                listed = {one["month"]: one["actions"] for one in (await asking.get("/admin/months"))["items"]}
                for name in (*BEFORE, *[name for name in listed if name > "2026-10"]):
                    path = f"/admin/months/{name}"
                    shown = (await asking.get(path))["month"]["actions"]
                    assert shown == listed[name]
                    await asking.agrees(shown, "close", "POST", f"{path}/close")
                    offered += [(role, name) for action in shown if action["allowed"]]
        assert offered == [("finance", "2020-02"), ("admin", "2020-02")]
