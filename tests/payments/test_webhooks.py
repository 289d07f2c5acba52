"""The inbox: what is refused, what is kept once, and that every order of events ends the same."""

import asyncio
import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from sublet.core.db import Database
from sublet.payments.api import PROCESSOR, WEBHOOK_PATH
from tests.payments.deliveries import deliver, events_of, signed
from tests.payments.shop import Shop, build_app, new_processor, open_shop, served
from tests.payments.working import look_at, make_due, process_due, watch
from tests.sandbox.stripe.process import StripeSandbox
from tests.support.ports import free_port
from tests.support.waiting import until_async

pytestmark = pytest.mark.anyio


async def paid(shop: Shop) -> tuple[str, dict[str, Any], list[dict[str, Any]]]:
    """An organization with a paid top-up of which we know nothing yet, and its events."""
    organization = await shop.organization()
    top_up = await shop.top_up(organization)
    await shop.pay(top_up)
    return organization, top_up, events_of(shop, top_up["id"])


async def drain(shop: Shop) -> None:
    """Work the inbox off."""
    while await process_due(shop, "stripe_event"):
        pass


class TestSignatures:
    async def test_a_good_one_is_kept_answered_and_poked(self, shop: Shop) -> None:
        _, _, events = await paid(shop)
        answer = await deliver(shop, events[0])
        assert (answer.status_code, answer.json()) == (200, {"received": True})
        (row,) = await shop.rows("SELECT id, processed_at FROM stripe_event")
        assert (row.id, row.processed_at) == (events[0]["id"], None)
        (due,) = await shop.rows("SELECT id FROM work WHERE kind = 'stripe_event' AND ready_at <= clock_timestamp()")
        assert due.id == events[0]["id"]

    async def test_any_changed_byte_is_refused(self, shop: Shop) -> None:
        body = b'{"id": "evt_1", "type": "charge.succeeded", "created": 1, "data": {"object": {}}}'
        signature = signed(body)
        for place in range(len(body)):
            altered = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
            answer = await deliver(shop, altered, signature)
            assert (answer.status_code, answer.json()["code"]) == (400, "webhook_signature_invalid")
        assert await shop.rows("SELECT 1 FROM stripe_event") == []
        assert (await deliver(shop, body, signature)).status_code == 200

    @pytest.mark.parametrize("age_seconds", [301, 86_400, -301])
    async def test_an_old_or_future_one_is_refused(self, shop: Shop, age_seconds: int) -> None:
        _, _, events = await paid(shop)
        body = json.dumps(events[0]).encode()
        answer = await deliver(shop, body, signed(body, age_seconds=age_seconds))
        assert (answer.status_code, answer.json()["code"]) == (400, "webhook_too_old")
        assert (await deliver(shop, body, signed(body, age_seconds=290))).status_code == 200

    @pytest.mark.parametrize("signature", ["", "nonsense", "t=1", "v1=00", "t=x,v1=00", "t=1,v0=00", "t=1,v1=é"])
    async def test_a_malformed_one_is_refused(self, shop: Shop, signature: str) -> None:
        answer = await shop.http.post(WEBHOOK_PATH, content=b"{}", headers=[(b"Stripe-Signature", signature.encode())])
        assert (answer.status_code, answer.json()["code"]) == (400, "webhook_signature_invalid")

    async def test_none_at_all_or_by_another_secret_is_refused(self, shop: Shop) -> None:
        assert (await shop.http.post(WEBHOOK_PATH, content=b"{}")).status_code == 400
        answer = await deliver(shop, b"{}", signed(b"{}", secret="whsec_another"))
        assert answer.json()["code"] == "webhook_signature_invalid"

    async def test_without_a_secret_nothing_is_trusted(self, shop: Shop) -> None:
        processor = new_processor(shop.sandbox.url, secret=None)
        shop.parts.put(PROCESSOR, processor)
        assert (await deliver(shop, b"{}", signed(b"{}", secret=""))).status_code == 400
        await processor.close()

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"[]",
            b"null",
            b"{}",
            b"[" * 100_000,
            b'{"id": 7, "type": "x", "created": 1, "data": {"object": {}}}',
            b'{"id": "e\\u0000", "type": "x", "created": 1, "data": {"object": {}}}',
            b'{"id": "e", "type": "x", "created": 1e400, "data": {"object": {}}}',
            b'{"id": "e", "type": "x", "created": 1, "data": {"object": 5}}',
            b'{"id": "e", "type": "x", "created": 1, "data": {"object": {"metadata": 5}}}',
        ],
    )
    async def test_a_signed_body_that_is_no_event_is_refused(self, shop: Shop, body: bytes) -> None:
        answer = await deliver(shop, body, signed(body))
        assert (answer.status_code, answer.json()["code"]) == (400, "webhook_malformed")

    async def test_bytes_that_are_no_text_are_refused(self, shop: Shop) -> None:
        assert (await deliver(shop, b"\xff\xfe", signed(b"{}"))).status_code == 400

    async def test_a_body_beyond_a_mebibyte_is_refused(self, shop: Shop) -> None:
        answer = await deliver(shop, b" " * 1_048_577, "t=1,v1=00")
        assert (answer.status_code, answer.json()["code"]) == (413, "webhook_too_large")


class TestDuplicates:
    async def test_fifty_at_once_make_one_entry(self, shop: Shop) -> None:
        organization, top_up, events = await paid(shop)
        answers = await asyncio.gather(*(deliver(shop, events[-1]) for _ in range(50)))
        assert {answer.status_code for answer in answers} == {200}
        await asyncio.gather(*(drain(shop) for _ in range(4)))
        assert await shop.balance(organization) == "20.00"
        assert len(await shop.rows("SELECT 1 FROM stripe_event")) == 1
        assert len(await shop.rows("SELECT 1 FROM top_up_history")) == 1
        assert (await shop.read(organization, top_up["id"]))["state"] == "succeeded"

    async def test_all_events_by_many_workers_make_one_entry(self, shop: Shop) -> None:
        organization, top_up, events = await paid(shop)
        await asyncio.gather(*(deliver(shop, event) for event in events * 5))
        await asyncio.gather(
            *(drain(shop) for _ in range(3)),
            *(look_at(shop, top_up["id"]) for _ in range(5)),
            watch(shop),
        )
        assert await shop.balance(organization) == "20.00"
        assert len(await shop.rows("SELECT 1 FROM stripe_transaction")) == 1
        outcomes = {row.outcome for row in await shop.rows("SELECT outcome FROM stripe_event")}
        assert outcomes == {"applied"}


class TestOrder:
    async def test_every_permutation_ends_the_same(self, shop: Shop) -> None:
        organization = await shop.organization()
        orders = list(itertools.permutations(range(4)))
        for number, order in enumerate(orders, start=1):
            top_up = await shop.top_up(organization, "5.00")
            await shop.pay(top_up)
            events = events_of(shop, top_up["id"])
            assert len(events) == 4
            for place in order:
                assert (await deliver(shop, events[place])).status_code == 200
                await drain(shop)
            found = await shop.read(organization, top_up["id"])
            assert (found["state"], found["fee"]["amount"]) == ("succeeded", "0.45"), order
            assert await shop.balance(organization) == f"{5 * number}.00"

    async def test_a_decline_told_after_the_success_changes_nothing(self, shop: Shop) -> None:
        organization = await shop.organization()
        top_up = await shop.top_up(organization)
        await shop.pay(top_up, "4000000000000002")
        await shop.pay(top_up)
        for event in reversed(events_of(shop, top_up["id"])):
            await deliver(shop, event)
            await drain(shop)
        found = await shop.read(organization, top_up["id"])
        assert (found["state"], found["failure"]) == ("succeeded", None)
        assert await shop.balance(organization) == "20.00"


class TestProcessing:
    async def test_events_of_others_are_ignored(self, shop: Shop) -> None:
        await asyncio.to_thread(shop.sandbox.client().v1.customers.create, {"name": "Unrelated"})
        event = shop.sandbox.client().v1.events.list({"type": "customer.created"}).data[0].to_dict()
        strange = {**event, "id": "evt_strange"}
        named = {"sublet_top_up": "tu_ofanotherplace", "sublet_installation": "ins_ofanotherplace"}
        strange["data"]["object"]["metadata"] = named
        for one in (event, strange):
            assert (await deliver(shop, one)).status_code == 200
        await drain(shop)
        assert {row.outcome for row in await shop.rows("SELECT outcome FROM stripe_event")} == {"ignored"}

    async def test_an_outage_postpones_and_then_applies(self, shop: Shop) -> None:
        organization, _, events = await paid(shop)
        await deliver(shop, events[0])
        away = new_processor(f"http://127.0.0.1:{free_port()}")
        assert await process_due(shop, "stripe_event", away) == 1
        await away.close()
        (row,) = await shop.rows(
            "SELECT e.processed_at, w.last_error, w.attempts FROM stripe_event e JOIN work w USING (id)"
        )
        assert tuple(row) == (None, "processor_unavailable", 1)
        assert await process_due(shop, "stripe_event") == 0
        await make_due(shop, "stripe_event")
        await drain(shop)
        assert await shop.balance(organization) == "20.00"

    async def test_a_lost_webhook_is_found(self, shop: Shop) -> None:
        organization, top_up, _ = await paid(shop)
        await drain(shop)
        assert (await shop.read(organization, top_up["id"]))["state"] == "pending"
        assert await watch(shop) == 1
        assert await shop.balance(organization) == "20.00"
        assert await watch(shop) == 0

    async def test_the_schedule_alone_finds_it_too(self, shop: Shop) -> None:
        organization, _, _ = await paid(shop)
        assert await process_due(shop, "top_up") == 0
        await make_due(shop, "top_up")
        assert await process_due(shop, "top_up") == 1
        assert await shop.balance(organization) == "20.00"


class TestDelivered:
    async def test_by_the_sandbox_itself_in_disorder_and_thrice(self, database: Database, tmp_path: Path) -> None:
        port = free_port()
        sandbox = StripeSandbox(tmp_path, f"http://127.0.0.1:{port}{WEBHOOK_PATH}")
        await asyncio.to_thread(sandbox.start)
        try:
            async with open_shop(database, sandbox, tmp_path) as shop:
                app = build_app(database, shop.processor, tmp_path)
                organization = await shop.organization()
                await shop.control("PUT", "delivery", {"mode": "hold"})
                top_up = await shop.top_up(organization)
                await shop.pay(top_up)
                ids = [event["id"] for event in events_of(shop, top_up["id"])][::-1]
                async with served(app, port):
                    answers = await shop.control("POST", "deliveries/release", {"event_ids": ids, "copies": 3})
                assert [item["statuses"] for item in answers["items"]] == [[200] * 3] * 4
                await drain(shop)
                assert await shop.balance(organization) == "20.00"
        finally:
            await asyncio.to_thread(sandbox.stop)

    async def test_after_we_were_away(self, database: Database, tmp_path: Path) -> None:
        port = free_port()
        sandbox = StripeSandbox(tmp_path, f"http://127.0.0.1:{port}{WEBHOOK_PATH}")
        await asyncio.to_thread(sandbox.start)
        try:
            async with open_shop(database, sandbox, tmp_path) as shop:
                organization, _, events = await paid(shop)

                async def all_refused() -> bool:
                    items = (await shop.control("GET", "deliveries"))["items"]
                    return len(items) == len(events) and all(item["attempts"] > 0 for item in items)

                async def all_delivered() -> bool:
                    items = (await shop.control("GET", "deliveries"))["items"]
                    return all(item["state"] == "delivered" for item in items)

                await until_async("the refusals", all_refused)
                async with served(build_app(database, shop.processor, tmp_path), port):
                    await until_async("the deliveries", all_delivered)
                await drain(shop)
                assert await shop.balance(organization) == "20.00"
        finally:
            await asyncio.to_thread(sandbox.stop)
