"""A customer asks, an operator decides, the processor is asked, and the customer is told."""

from typing import Any

import httpx
import pytest

from tests.payments.refunds import available, paid, refunds_at_the_processor
from tests.payments.shop import Shop
from tests.payments.working import process_due

pytestmark = pytest.mark.anyio


async def ask(shop: Shop, organization: str, path: str = "", **body: Any) -> httpx.Response:
    """POST /refund-requests…"""
    headers = {"Authorization": f"Bearer {organization}"}
    return await shop.http.post(f"/api/v1/refund-requests{path}", json=body or None, headers=headers)


async def told(shop: Shop) -> list[str]:
    rows = await shop.rows("SELECT type FROM outbox_event WHERE type LIKE 'refund%' ORDER BY id")
    return [row.type for row in rows]


async def asked(shop: Shop, amount: str = "12.00") -> tuple[str, str, dict[str, Any]]:
    organization, top_up_id = await paid(shop)
    answer = await ask(shop, organization, top_up_id=top_up_id, amount=amount, reason="not what I thought")
    assert answer.status_code == 201, answer.text
    return organization, top_up_id, answer.json()


class TestARequest:
    async def test_moves_nothing_until_it_is_granted(self, shop: Shop) -> None:
        organization, top_up_id, request = await asked(shop)
        assert (request["state"], await available(shop, organization)) == ("requested", "20.00")
        [waiting] = (await shop.operate("GET", "refund-requests?state=requested")).json()["items"]
        assert [(one["name"], one["allowed"]) for one in waiting["actions"]] == [("grant", True), ("decline", True)]
        answer = await shop.operate("POST", f"refund-requests/{request['id']}/grant", decision="of course")
        assert answer.status_code == 200, answer.text
        granted = answer.json()
        assert (granted["request"]["state"], granted["refund"]["amount"]["amount"]) == ("granted", "12.00")
        assert granted["refund"]["request_id"] == request["id"]
        assert await available(shop, organization) == "8.00"
        await process_due(shop, "refund")
        assert await refunds_at_the_processor(shop, top_up_id) == [(1200, "succeeded")]
        assert await told(shop) == [
            "refund_request.made",
            "refund.begun",
            "refund_request.decided",
            "refund.succeeded",
        ]
        headers = {"Authorization": f"Bearer {organization}"}
        [own] = (await shop.http.get("/api/v1/refund-requests", headers=headers)).json()["items"]
        assert (own["state"], own["decision"]) == ("granted", "of course")
        [sent] = (await shop.http.get("/api/v1/refunds", headers=headers)).json()["items"]
        assert sent["state"] == "succeeded"

    async def test_declined_says_why_and_is_over(self, shop: Shop) -> None:
        organization, _, request = await asked(shop)
        path = f"refund-requests/{request['id']}"
        answer = await shop.operate("POST", f"{path}/decline", decision="it ran for you")
        assert (answer.json()["state"], answer.json()["decision"]) == ("declined", "it ran for you")
        assert await available(shop, organization) == "20.00"
        for act in ("grant", "decline"):
            assert (await shop.operate("POST", f"{path}/{act}", decision="no")).status_code == 409
        assert (await ask(shop, organization, f"/{request['id']}/withdraw")).status_code == 409

    async def test_is_one_at_a_time_and_can_be_withdrawn(self, shop: Shop) -> None:
        organization, top_up_id, request = await asked(shop)
        body = {"top_up_id": top_up_id, "amount": "1.00", "reason": "again"}
        again = await ask(shop, organization, **body)
        assert (again.status_code, again.json()["code"]) == (409, "refund_already_requested")
        withdrawn = await ask(shop, organization, f"/{request['id']}/withdraw")
        assert withdrawn.json()["state"] == "withdrawn"
        for _ in range(9):
            again = await ask(shop, organization, **body)
            assert again.status_code == 201
            await ask(shop, organization, f"/{again.json()['id']}/withdraw")
        assert "10 times" in (await ask(shop, organization, **body)).json()["detail"]

    async def test_of_somebody_else_s_payment_is_not_found(self, shop: Shop) -> None:
        _, top_up_id, request = await asked(shop)
        other = await shop.organization()
        assert (await ask(shop, other, top_up_id=top_up_id, amount="1.00", reason="mine")).status_code == 404
        assert (await ask(shop, other, f"/{request['id']}/withdraw")).status_code == 404

    async def test_for_more_than_is_left_is_refused(self, shop: Shop) -> None:
        organization, top_up_id = await paid(shop)
        answer = await ask(shop, organization, top_up_id=top_up_id, amount="20.01", reason="all of it")
        assert (answer.status_code, answer.json()["code"]) == (409, "refund_not_possible")

    async def test_gives_its_reason_in_one_plain_line(self, shop: Shop) -> None:
        organization, top_up_id = await paid(shop)
        for mark in ("\n", "\x1b", "\x9b", "\u202e", "\u2028"):
            answer = await ask(shop, organization, top_up_id=top_up_id, amount="1.00", reason=f"late{mark}again")
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input"), repr(mark)

    async def test_above_the_threshold_waits_for_a_second_person(self, shop: Shop) -> None:
        await shop.hire("ada", "bob")
        organization = await shop.organization()
        top_up = await shop.top_up(organization, "100.00")
        await shop.pay(top_up)
        await process_due(shop, "top_up")
        async with shop.database.transaction() as session:
            await session.exec_driver_sql("UPDATE work SET due_at = clock_timestamp()")
        await process_due(shop, "top_up")
        request = (await ask(shop, organization, top_up_id=top_up["id"], amount="60.00", reason="too much")).json()
        path = f"refund-requests/{request['id']}/grant"
        waiting = (await shop.operate("POST", path, decision="of course")).json()
        assert (waiting["request"]["state"], waiting["refund"]) == ("requested", None)
        await shop.approve(waiting["approval"]["id"], "bob")
        assert (await shop.operate("POST", path, decision="of course")).json()["request"]["state"] == "granted"
        assert await available(shop, organization) == "40.00"
