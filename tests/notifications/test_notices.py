"""Notices: whom an event concerns is told once, reads it in an inbox that nobody else sees, and may not want it."""

import json
from typing import Any

import httpx
import pytest

from sublet.billing.events import WalletLow
from sublet.core.actors import system_actor
from sublet.entry.subscriptions import subscriptions
from sublet.identity import users
from sublet.notifications import notices
from sublet.notifications.letters import KINDS, by_event
from sublet.payments.stripe.events import CardsMisconfigured
from sublet.payments.top_ups.events import TopUpSucceeded
from tests.invariants.people import token_of
from tests.notifications.channels import connect
from tests.notifications.told import TOP_UP, happens, inbox, member, paid, rows, run, titles, who
from tests.support.app import Web
from tests.support.policy import DEFAULT_POLICY

pytestmark = pytest.mark.anyio

DAY = WalletLow(threshold="24h", runway_seconds=80_000)
SUSPENDED = WalletLow(threshold="suspended", runway_seconds=0)
LAST = "Your allocations are suspended for lack of funds"
LOW = "Your funds last for another 22 h 13 min"


async def owner_of(web: Web) -> tuple[httpx.AsyncClient, str]:
    client = await web.customer()
    return client, (await who(client))[1]


async def switch(client: httpx.AsyncClient, kind: str, **channels: bool) -> httpx.Response:
    return await client.patch("/api/v1/notices/preferences", json={"kind": kind, **channels})


class TestTelling:
    async def test_reaches_those_whose_role_it_concerns_and_nobody_else(self, web: Web) -> None:
        owner, organization_id = await owner_of(web)
        others = {role: await member(web, organization_id, role) for role in ("admin", "billing", "member")}
        stranger = await web.customer()
        await happens(web, DAY, organization_id)
        assert await titles(owner) == [LOW]
        told = {role: await titles(client) for role, client in others.items()}
        assert told == {"admin": [LOW], "billing": [LOW], "member": []}
        assert await titles(stranger) == []
        await happens(web, SUSPENDED, organization_id)
        assert await titles(others["member"]) == [LAST], "whose programs end is told, whoever pays"

    async def test_of_what_is_the_platforms_reaches_the_operators_who_see_to_it(self, web: Web) -> None:
        finance, support, owner = await web.operator("finance"), await web.operator("support"), await web.customer()
        await happens(web, CardsMisconfigured(said="Invalid API Key"), None)
        [told] = await inbox(finance)
        assert (told["kind"], told["link"]) == ("payments.misconfigured", "/operator/money/findings?severity=critical")
        assert await inbox(support) == await inbox(owner) == []

    async def test_happens_once_however_often_the_event_comes(self, web: Web) -> None:
        owner, organization_id = await owner_of(web)
        await happens(web, DAY, organization_id, times=3)
        assert await titles(owner) == [LOW]
        assert len(await rows(web, "SELECT FROM outbox_event WHERE type = 'notice.made'")) == 1
        await happens(web, DAY, organization_id)
        assert await titles(owner) == [LOW, LOW], "another event is another notice"

    async def test_leaves_out_who_is_locked_out(self, web: Web) -> None:
        owner, organization_id = await owner_of(web)
        billing = await member(web, organization_id, "billing")
        async with web.database.transaction() as session:
            await users.disable(session, system_actor(), (await who(billing))[0])
        await happens(web, DAY, organization_id)
        assert len(await rows(web, "SELECT FROM notice")) == len(await titles(owner)) == 1

    async def test_of_an_event_that_makes_no_notice_tells_nobody(self, web: Web) -> None:
        owner, organization_id = await owner_of(web)
        await paid(web, organization_id)
        await happens(
            web, TopUpSucceeded(top_up_id=TOP_UP, amount={"amount": "20.00", "currency": "USD"}), organization_id
        )
        [event] = await rows(web, "SELECT * FROM outbox_event WHERE type = 'top_up.succeeded'")
        assert await titles(owner) == ["Receipt: 20.00 USD paid in"]
        assert event.organization_id == organization_id

    async def test_is_told_of_on_the_open_channel(self, web: Web) -> None:
        owner, organization_id = await owner_of(web)
        user_id, _ = await who(owner)
        async with connect(web, owner) as channel:
            await channel.send('{"after": null}')
            await happens(web, DAY, organization_id)
            while (heard := json.loads(await channel.recv()))["type"] != "notice.made":
                pass
        assert heard["data"] == {"kind": "wallet.low", "user_ids": [user_id]}

    def test_follows_from_every_event_that_a_kind_names(self) -> None:
        handlers = subscriptions(DEFAULT_POLICY)
        assert by_event().keys() == {event for kind in KINDS.values() for event in kind.events}
        assert {event for event, told in handlers.items() if notices.tell in told} == by_event().keys()
        assert all(len(told) == len(set(told)) for told in handlers.values())


class TestTheInbox:
    async def test_is_read_by_page_newest_first(self, web: Web) -> None:
        owner, organization_id = await owner_of(web)
        for hours in range(5):
            await happens(web, WalletLow(threshold="72h", runway_seconds=3600 * (hours + 1)), organization_id)
        read: list[str] = []
        params: dict[str, Any] = {"limit": 2}
        while True:
            page = (await owner.get("/api/v1/notices", params=params)).json()
            read += [item["title"] for item in page["items"]]
            if page["next_cursor"] is None:
                break
            params["cursor"] = page["next_cursor"]
        assert read == [f"Your funds last for another {hours} h 00 min" for hours in (5, 4, 3, 2, 1)]

    async def test_says_what_is_unread(self, web: Web) -> None:
        owner, organization_id = await owner_of(web)
        for _ in range(3):
            await happens(web, DAY, organization_id)
        newest, middle, oldest = await inbox(owner)
        assert (await owner.get("/api/v1/notices/unread")).json() == {"count": 3}
        for _ in range(2):
            assert (await owner.post(f"/api/v1/notices/{newest['id']}/read")).status_code == 204
        assert [item["id"] for item in await inbox(owner, unread=True)] == [middle["id"], oldest["id"]]
        first = (await inbox(owner))[0]["read_at"]
        assert (await owner.post("/api/v1/notices/read", json={"up_to": oldest["id"]})).json() == {"marked": 1}
        assert [item["id"] for item in await inbox(owner, unread=True)] == [middle["id"]], "it came later"
        assert (await owner.post("/api/v1/notices/read", json={"up_to": newest["id"]})).json() == {"marked": 1}
        assert (await owner.get("/api/v1/notices/unread")).json() == {"count": 0}
        assert (await inbox(owner))[0]["read_at"] == first, "it was read when it was read first"

    async def test_is_its_persons_alone(self, web: Web) -> None:
        owner, organization_id = await owner_of(web)
        billing = await member(web, organization_id, "billing")
        await happens(web, DAY, organization_id)
        [mine], [theirs] = await inbox(owner), await inbox(billing)
        assert mine["id"] != theirs["id"]
        assert (await owner.get(f"/api/v1/notices/{mine['id']}")).json() == mine
        for answer in (
            await owner.get(f"/api/v1/notices/{theirs['id']}"),
            await owner.post(f"/api/v1/notices/{theirs['id']}/read"),
            await owner.post("/api/v1/notices/read", json={"up_to": theirs["id"]}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert (await billing.get("/api/v1/notices/unread")).json() == {"count": 1}

    async def test_is_without_what_an_organization_told_that_one_has_left(self, web: Web) -> None:
        _, organization_id = await owner_of(web)
        billing = await member(web, organization_id, "billing")
        await happens(web, DAY, organization_id)
        assert len(await inbox(billing)) == 1
        about = {"user_id": (await who(billing))[0], "organization_id": organization_id}
        heir = (await who(await web.customer()))[0]
        moved = "UPDATE membership SET user_id = :heir WHERE user_id = :user_id AND organization_id = :organization_id"
        await run(web, moved, heir=heir, **about)
        assert await inbox(billing) == []
        assert (await billing.get("/api/v1/notices/unread")).json() == {"count": 0}

    async def test_is_without_what_a_role_told_that_one_has_lost(self, web: Web) -> None:
        _, organization_id = await owner_of(web)
        billing = await member(web, organization_id, "billing")
        await happens(web, DAY, organization_id)
        await happens(web, SUSPENDED, organization_id)
        assert await titles(billing) == [LAST, LOW]
        demoted = (
            "UPDATE membership SET role = 'member' WHERE user_id = :user_id AND organization_id = :organization_id"
        )
        await run(web, demoted, user_id=(await who(billing))[0], organization_id=organization_id)
        assert await titles(billing) == [LAST], "of which members are told too"
        assert (await billing.get("/api/v1/notices/unread")).json() == {"count": 1}

    async def test_is_without_what_is_the_platforms_for_who_is_no_operator_any_more(self, web: Web) -> None:
        finance = await web.operator("finance")
        await happens(web, CardsMisconfigured(said="Invalid API Key"), None)
        [told] = await inbox(finance)
        about = {"user_id": (await who(finance))[0]}
        for roles in ("ARRAY['support']", "'{}'"):
            await run(web, f"UPDATE user_account SET platform_roles = {roles} WHERE id = :user_id", **about)
            assert await inbox(finance) == []
            assert (await finance.get(f"/api/v1/notices/{told['id']}")).status_code == 404
            assert (await finance.post(f"/api/v1/notices/{told['id']}/read")).status_code == 404
        await run(web, "UPDATE user_account SET platform_roles = ARRAY['finance'] WHERE id = :user_id", **about)
        assert [item["id"] for item in await inbox(finance)] == [told["id"]]

    async def test_of_a_token_is_that_of_its_organization(self, web: Web) -> None:
        operator = await web.operator("finance")
        _, organization_id = await who(operator)
        made = await token_of(operator, ["notice:read"])
        program = web.client(made["token"])
        await happens(web, CardsMisconfigured(said="no"), None)
        await happens(web, DAY, organization_id)
        assert [item["kind"] for item in await inbox(operator)] == ["wallet.low", "payments.misconfigured"]
        assert [item["kind"] for item in await inbox(program)] == ["wallet.low"]
        elsewhere = (await who(await web.customer()))[1]
        await run(
            web,
            "INSERT INTO membership (organization_id, user_id, role) VALUES (:organization_id, :user_id, 'billing')",
            organization_id=elsewhere,
            user_id=(await who(operator))[0],
        )
        await happens(web, SUSPENDED, elsewhere)
        assert [item["kind"] for item in await inbox(operator)][:1] == ["wallet.out"]
        assert [item["kind"] for item in await inbox(program)] == ["wallet.low"]

    async def test_counts_a_hundred_at_most(self, web: Web) -> None:
        owner, organization_id = await owner_of(web)
        await happens(web, DAY, organization_id)
        await run(
            web,
            "INSERT INTO notice (id, user_id, organization_id, kind, cause, title, sentences, link, link_says,"
            " in_inbox, mail_wanted) SELECT 'ntc_' || n, user_id, organization_id, kind, n::text, title, sentences,"
            " link, link_says, in_inbox, mail_wanted FROM notice, generate_series(1, 150) n",
        )
        assert (await owner.get("/api/v1/notices/unread")).json() == {"count": 100}


class TestPreferences:
    async def test_begin_with_everything(self, web: Web) -> None:
        owner, organization_id = await owner_of(web)
        of_owner = (await owner.get("/api/v1/notices/preferences")).json()["items"]
        assert all(item["inbox"] and item["email"] for item in of_owner)
        assert {"wallet.low", "dispute.opened"} <= {item["kind"] for item in of_owner}
        assert "payments.misconfigured" not in {item["kind"] for item in of_owner}
        of_member = (await (await member(web, organization_id, "member")).get("/api/v1/notices/preferences")).json()
        of_members = [
            "wallet.out",
            "data_clock.announced",
            "spending_limit.reached",
            "allocation.claim_ending",
            "allocation.claim_ended",
            "allocation.waits_for_room",
        ]
        assert [item["kind"] for item in of_member["items"]] == of_members, "what cannot reach one is not asked"

    async def test_keep_a_kind_out_of_the_inbox_or_out_of_everything(self, web: Web) -> None:
        owner, organization_id = await owner_of(web)
        shown = (await switch(owner, "wallet.low", inbox=False)).json()["items"]
        assert {item["kind"]: (item["inbox"], item["email"]) for item in shown}["wallet.low"] == (False, True)
        await happens(web, DAY, organization_id)
        assert await inbox(owner) == []
        [kept] = await rows(web, "SELECT in_inbox, mail_wanted FROM notice")
        assert (kept.in_inbox, kept.mail_wanted) == (False, True)
        await switch(owner, "wallet.low", email=False)
        await happens(web, DAY, organization_id)
        assert len(await rows(web, "SELECT FROM notice")) == 1, "nothing is kept that nobody is told"
        await switch(owner, "wallet.low", inbox=True)
        await happens(web, DAY, organization_id)
        assert await titles(owner) == [LOW]
        billing = await member(web, organization_id, "billing")
        await happens(web, DAY, organization_id)
        assert await titles(billing) == [LOW], "what one does not want, another does"

    async def test_offer_no_switch_where_the_command_refuses_it(self, web: Web) -> None:
        owner, organization_id = await owner_of(web)
        offered = (await owner.get("/api/v1/notices/preferences")).json()["items"]
        assert {item["kind"] for item in offered if not item["actions"][0]["allowed"]} == {
            name for name, kind in KINDS.items() if kind.always is not None and name != "payments.misconfigured"
        }
        for item in offered:
            answer = await switch(owner, item["kind"], inbox=False, email=False)
            [action] = item["actions"]
            assert answer.status_code == (200 if action["allowed"] else 409), item
            if not action["allowed"]:
                assert answer.json()["code"] == "notice_is_fixed"
                assert answer.json()["detail"] == f"{action['reason']} Nothing was changed."
        await happens(web, SUSPENDED, organization_id)
        assert await titles(owner) == [LAST]

    async def test_that_were_stored_for_a_fixed_kind_count_for_nothing(self, web: Web) -> None:
        """A kind may become one that nobody can do without."""
        owner, organization_id = await owner_of(web)
        await run(
            web,
            "INSERT INTO notice_preference (user_id, kind, channel, wanted) VALUES (:id, 'wallet.out', 'inbox', false)",
            id=(await who(owner))[0],
        )
        await happens(web, SUSPENDED, organization_id)
        assert await titles(owner) == [LAST]
        shown = (await owner.get("/api/v1/notices/preferences")).json()["items"]
        assert {item["kind"]: item["inbox"] for item in shown}["wallet.out"] is True

    async def test_of_a_kind_that_there_is_not_are_refused(self, web: Web) -> None:
        answer = await switch(await web.customer(), "wallet.full", inbox=False)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
