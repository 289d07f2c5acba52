"""What an offer says about a launch is what the launch is then answered with."""

from typing import Any

import httpx
import pytest

from sublet.core.actors import Actor
from tests.allocations.rental import offer, pay_in
from tests.invariants.people import token_of
from tests.ledger.books import charge, grant, new_hold, purse_of, top_up, usd
from tests.scheduling.fleet_rows import add_node
from tests.support.app import Web

pytestmark = pytest.mark.anyio

HOLD = "0.456"
"""4560 seconds of the offer's 0.36 an hour: an hour between postings, noticing, and the grace."""


async def shown(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.get("/api/v1/offers")
    assert answer.status_code == 200, answer.text
    [item] = answer.json()["items"]
    return dict(item)


async def launch_answer(client: httpx.AsyncClient, offer_id: str) -> tuple[int, str | None]:
    answer = await client.post("/api/v1/allocations", json={"offer_id": offer_id})
    return answer.status_code, answer.json().get("code")


async def actor_of(client: httpx.AsyncClient) -> Actor:
    me = (await client.get("/api/v1/me")).json()
    return Actor(kind="user", user_id=me["user"]["id"], organization_id=me["organization"]["id"])


class TestFunds:
    @pytest.mark.parametrize(
        ("paid", "code", "status"),
        [("0.45", "insufficient_funds", 402), ("0.46", None, 202), ("0", "insufficient_funds", 402)],
    )
    async def test_suffice_exactly_when_the_launch_goes_through(
        self, web: Web, paid: str, code: str | None, status: int
    ) -> None:
        await add_node(web.database, "north")
        await offer(web.database)
        client = await web.customer()
        if paid != "0":
            await pay_in(web.database, await actor_of(client), paid)
        found = await shown(client)
        [action] = found["actions"]
        assert found["hold"] == {"amount": HOLD, "currency": "USD"}
        assert (action["allowed"], action["code"]) == (code is None, code)
        assert code is None or f"sets {HOLD} USD aside" in action["reason"]
        assert await launch_answer(client, found["id"]) == (status, code)

    async def test_are_spoken_for_by_what_runs(self, web: Web) -> None:
        await add_node(web.database, "north")
        await offer(web.database)
        client = await web.customer()
        await pay_in(web.database, await actor_of(client), "0.90")
        found = await shown(client)
        assert (await launch_answer(client, found["id"]))[0] == 202
        assert (await shown(client))["actions"][0]["code"] == "insufficient_funds"

    @pytest.mark.parametrize(("given", "code"), [("3.45", "insufficient_funds"), ("3.46", None)])
    async def test_of_credit_suffice_only_beyond_what_is_owed(self, web: Web, given: str, code: str | None) -> None:
        """Credit pays no debt, which stays; and nothing new starts on credit before the debt is covered."""
        await add_node(web.database, "north")
        await offer(web.database)
        client = await web.customer()
        organization = (await actor_of(client)).organization
        async with web.database.transaction() as session:
            await top_up(session, organization, "1")
            await charge(session, (await new_hold(session, organization, "1")).id, "4", overrun=True)
            await grant(session, organization, given)
            purse = await purse_of(session, organization)
        assert (purse.owed, purse.promo) == (3_000_000, usd(given).micro)
        found = await shown(client)
        assert found["actions"][0]["code"] == code
        assert code is None or "beyond what your organization owes" in found["actions"][0]["reason"]
        assert (await launch_answer(client, found["id"]))[1] == code

    async def test_matter_after_capacity(self, web: Web) -> None:
        await offer(web.database)
        assert (await shown(await web.customer()))["actions"][0]["code"] == "no_capacity"

    async def test_are_none_without_a_wallet(self, web: Web) -> None:
        await add_node(web.database, "north")
        await offer(web.database)
        assert (await shown(await web.operator()))["actions"][0]["code"] == "insufficient_funds"


class TestPermission:
    async def test_is_what_a_token_lacks_first(self, web: Web) -> None:
        await add_node(web.database, "north")
        await offer(web.database)
        owner = await web.customer()
        token = (await token_of(owner, ["catalog:read"]))["token"]
        [action] = (await shown(web.client(token)))["actions"]
        assert (action["allowed"], action["code"]) == (False, "permission_denied")
