"""A kind of notice is offered to be switched where that is accepted, and nowhere else."""

from dataclasses import replace

import pytest

from sublet.core.actors import Permission
from sublet.core.db import Database
from sublet.identity.permissions import ROLES
from tests.allocations.rental import customer
from tests.support.asking import Asking, walks

pytestmark = pytest.mark.anyio


class TestAnAddress:
    @walks("EmailOut")
    async def test_is_offered_to_be_verified_where_a_mail_is_sent(self, database: Database, asking: Asking) -> None:
        asking.actor = await customer(database)
        offered = []
        for host in (None, "mail.example"):
            asking.settings.smtp_host = host
            for held in (ROLES["owner"], ROLES["owner"] - {Permission.ACCOUNT_MANAGE}):
                asking.actor = replace(asking.actor, permissions=held)
                actions = (await asking.get("/me/email"))["actions"]
                await asking.agrees(actions, "verify", "POST", "/me/email/verifications")
                offered.append(actions[0]["allowed"])
        assert offered == [False, False, True, False]


class TestKindsOfNotices:
    @walks("NoticePreference")
    async def test_are_offered_to_be_switched_where_that_is_accepted(self, database: Database, asking: Asking) -> None:
        person = await customer(database)
        offered = {}
        for case, held in (
            ("person", ROLES["owner"]),
            ("token", ROLES["owner"] - {Permission.ACCOUNT_MANAGE}),
        ):
            asking.actor = replace(person, permissions=held)
            items = (await asking.get("/notices/preferences"))["items"]
            assert len(items) >= 8
            for item in items:
                await asking.agrees(
                    item["actions"], "switch", "PATCH", "/notices/preferences", kind=item["kind"], inbox=False
                )
            offered[case] = {item["kind"] for item in items if item["actions"][0]["allowed"]}
        assert {"wallet.low", "top_up.received"} <= offered["person"]
        assert not {"wallet.out", "dispute.opened"} & offered["person"]
        assert offered["token"] == set()
