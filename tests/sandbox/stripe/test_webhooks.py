"""Delivery of events: signed, retried, and at a test's command held, reordered, doubled or lost."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe

from tests.sandbox.stripe.orders import open_session
from tests.sandbox.stripe.process import WEBHOOK_SECRET, Receiver, StripeSandbox, eventually, pay

pytestmark = pytest.mark.anyio


async def in_thread(call: Callable[..., Any], *arguments: Any) -> Any:
    return await asyncio.to_thread(call, *arguments)


def types(receiver: Receiver) -> list[str]:
    return [json.loads(body)["type"] for _, body in receiver.received]


class TestDelivery:
    async def test_is_signed_so_that_the_sdk_accepts_it(self, tmp_path: Path) -> None:
        async with Receiver() as receiver:
            sandbox = await in_thread(StripeSandbox(tmp_path, receiver.url).start)
            try:
                client = sandbox.client()
                session = await in_thread(open_session, client)
                await in_thread(pay, session.url)
                await in_thread(eventually, lambda: len(receiver.received) == 4, bool)
            finally:
                await in_thread(sandbox.stop)
        assert set(types(receiver)) == {
            "payment_intent.created",
            "charge.succeeded",
            "payment_intent.succeeded",
            "checkout.session.completed",
        }
        for headers, body in receiver.received:
            event = stripe.Webhook.construct_event(body, headers["stripe-signature"], WEBHOOK_SECRET)
            assert event.data.object["id"]
            with pytest.raises(stripe.SignatureVerificationError):
                stripe.Webhook.construct_event(body + b" ", headers["stripe-signature"], WEBHOOK_SECRET)

    async def test_is_repeated_until_it_is_accepted(self, tmp_path: Path) -> None:
        async with Receiver(statuses=[500, 404]) as receiver:
            sandbox = await in_thread(StripeSandbox(tmp_path, receiver.url).start)
            try:
                await in_thread(sandbox.client().v1.customers.create, {"name": "Retry"})
                await in_thread(eventually, lambda: len(receiver.received) == 3, bool)
                found = await in_thread(sandbox.control, "GET", "deliveries")
                await in_thread(
                    eventually, lambda: sandbox.control("GET", "deliveries")["items"][0]["state"] == "delivered", bool
                )
            finally:
                await in_thread(sandbox.stop)
        assert len({json.loads(body)["id"] for _, body in receiver.received}) == 1
        assert found["items"][0]["type"] == "customer.created"

    async def test_of_what_is_due_goes_on_after_a_restart(self, tmp_path: Path) -> None:
        async with Receiver() as receiver:
            sandbox = StripeSandbox(tmp_path)
            await in_thread(sandbox.start)
            await in_thread(sandbox.client().v1.customers.create, {"name": "Later"})
            await in_thread(sandbox.stop)
            sandbox.webhook_url = receiver.url
            await in_thread(sandbox.start)
            try:
                await in_thread(eventually, lambda: types(receiver) == ["customer.created"], bool)
            finally:
                await in_thread(sandbox.stop)


class TestControl:
    async def test_holds_doubles_and_reorders(self, tmp_path: Path) -> None:
        async with Receiver() as receiver:
            sandbox = await in_thread(StripeSandbox(tmp_path, receiver.url).start)
            try:
                await in_thread(sandbox.control, "PUT", "delivery", {"mode": "hold"})
                session = await in_thread(open_session, sandbox.client())
                await in_thread(pay, session.url)
                held = (await in_thread(sandbox.control, "GET", "deliveries"))["items"]
                assert {item["state"] for item in held} == {"held"}
                assert receiver.received == []
                wanted = [item["event_id"] for item in reversed(held)]
                answers = await in_thread(
                    sandbox.control, "POST", "deliveries/release", {"event_ids": wanted, "copies": 2}
                )
                assert [item["statuses"] for item in answers["items"]] == [[200, 200]] * 4
            finally:
                await in_thread(sandbox.stop)
        assert [json.loads(body)["id"] for _, body in receiver.received] == [e for e in wanted for _ in range(2)]

    async def test_drops_what_can_still_be_found_by_listing(self, tmp_path: Path) -> None:
        async with Receiver() as receiver:
            sandbox = await in_thread(StripeSandbox(tmp_path, receiver.url).start)
            try:
                await in_thread(sandbox.control, "PUT", "delivery", {"mode": "drop"})
                await in_thread(sandbox.client().v1.customers.create, {"name": "Lost"})
                await in_thread(sandbox.control, "PUT", "delivery", {"mode": "send", "copies": 3})
                await in_thread(sandbox.client().v1.customers.create, {"name": "Tripled"})
                await in_thread(eventually, lambda: len(receiver.received) == 3, bool)
                listed = await in_thread(sandbox.client().v1.events.list)
            finally:
                await in_thread(sandbox.stop)
        assert {json.loads(body)["data"]["object"]["name"] for _, body in receiver.received} == {"Tripled"}
        assert [event.data.object["name"] for event in listed.data] == ["Tripled", "Lost"]

    async def test_withholds_balance_transactions_until_told(self, tmp_path: Path) -> None:
        sandbox = await in_thread(StripeSandbox(tmp_path).start)
        try:
            client = sandbox.client()
            await in_thread(sandbox.control, "PUT", "balance-transactions", {"withhold": True})
            session = await in_thread(open_session, client)
            await in_thread(pay, session.url)
            charge = (await in_thread(client.v1.charges.list)).data[0]
            assert (charge.status, charge.balance_transaction) == ("succeeded", None)
            await in_thread(sandbox.control, "PUT", "balance-transactions", {"withhold": False})
            assert (await in_thread(client.v1.charges.retrieve, charge.id)).balance_transaction is not None
        finally:
            await in_thread(sandbox.stop)

    async def test_refuses_what_it_does_not_know(self, tmp_path: Path) -> None:
        sandbox = await in_thread(StripeSandbox(tmp_path).start)
        try:
            with pytest.raises(httpx.HTTPStatusError):
                await in_thread(sandbox.control, "PUT", "delivery", {"mode": "sometimes"})
        finally:
            await in_thread(sandbox.stop)
