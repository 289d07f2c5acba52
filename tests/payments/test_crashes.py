"""Killed or cut off anywhere between asking and recording, a top-up resumes to one payment page and one charge."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from sublet.payments.api import PROCESSOR
from tests.payments.deliveries import deliver, events_of
from tests.payments.shop import Shop, new_processor
from tests.payments.working import look_at, make_due, process_due
from tests.sandbox.stripe.process import StripeSandbox
from tests.support.ports import free_port
from tests.support.waiting import until_async

pytestmark = pytest.mark.anyio

# A web process of its own that is asked for one top-up and is killed while the processor keeps it waiting.
PROGRAM = """
import asyncio, sys
from pathlib import Path
import httpx
from sublet.core.db import Database
from tests.payments.shop import BASE, build_app, new_processor

async def main(database_url, api_base, directory, organization, key):
    app = build_app(Database(database_url), new_processor(api_base), Path(directory))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as client:
        await client.post("/api/v1/top-ups", json={"amount": "20.00", "currency": "USD"}, timeout=60,
                          headers={"Authorization": f"Bearer {organization}", "Idempotency-Key": key})

asyncio.run(main(*sys.argv[1:]))
"""


class Gate:
    """A door to the sandbox that swallows answers: requests pass or not, and nothing ever comes back.

    Questions that do not begin with `swallows` are let through, with their answers.
    """

    def __init__(self, target: str, *, passes: bool, swallows: bytes = b"") -> None:
        self._swallows = swallows
        self._port = int(target.rpartition(":")[2])
        self.passes = passes
        self._tasks: set[asyncio.Task[None]] = set()
        self.answered = 0
        self.asked = 0
        self.url = ""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
            body = await reader.readexactly(length)
            if not head.startswith(self._swallows):
                await self._let_through(head + body, writer)
                return
            self.asked += 1
            if self.passes:
                theirs, ours = await asyncio.open_connection("127.0.0.1", self._port)
                ours.write(head + body)
                await ours.drain()
                await theirs.readuntil(b"\r\n\r\n")
                self.answered += 1
                ours.close()
            await reader.read()
        except asyncio.CancelledError:
            return
        finally:
            writer.close()

    async def _let_through(self, question: bytes, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_connection("127.0.0.1", self._port)
        ours.write(question.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        writer.write(await theirs.read())
        await writer.drain()
        ours.close()

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Gate"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            server.close()
            await server.wait_closed()


async def kill_while_waiting(shop: Shop, gate: Gate, directory: Path, app_url: str, organization: str) -> None:
    """Have another process ask for a top-up, and kill it with -9 when its call is at the gate."""
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-W", "ignore", "-c", PROGRAM, app_url, gate.url, str(directory), organization, "first-try"]
    )

    async def at_the_gate() -> bool:
        assert process.returncode is None, "ended before it was killed"
        return bool(gate.answered if gate.passes else gate.asked)

    try:
        await until_async("the call at the gate", at_the_gate)
    finally:
        process.kill()
        await process.wait()


def pages_of(sandbox: StripeSandbox, top_up_id: str) -> list[str]:
    """Ids of every payment page that was opened for a top-up."""
    found = sandbox.client().v1.checkout.sessions.list({"limit": 100}).data
    return [session.id for session in found if session.client_reference_id == top_up_id]


@pytest.mark.parametrize("passes", [False, True], ids=["before-the-call-arrives", "before-its-answer-is-recorded"])
class TestKilled:
    async def test_the_sweeper_resumes_to_one_page_and_one_charge(
        self, shop: Shop, app_url: str, tmp_path: Path, passes: bool
    ) -> None:
        organization = await shop.organization()
        async with Gate(shop.sandbox.url, passes=passes).open() as gate:
            await kill_while_waiting(shop, gate, tmp_path, app_url, organization)
        (row,) = await shop.rows("SELECT id, checkout_session_id FROM top_up")
        assert row.checkout_session_id is None
        assert len(pages_of(shop.sandbox, row.id)) == int(passes)
        assert await process_due(shop, "top_up") == 0  # the dead one's lease still runs
        await make_due(shop, "top_up")
        assert await process_due(shop, "top_up") == 1
        top_up = await shop.read(organization, row.id)
        assert len(pages_of(shop.sandbox, row.id)) == 1
        await shop.pay(top_up)
        await look_at(shop, row.id)
        assert await shop.balance(organization) == "20.00"

    async def test_the_customer_s_retry_gets_the_same_top_up(
        self, shop: Shop, app_url: str, tmp_path: Path, passes: bool
    ) -> None:
        organization = await shop.organization()
        async with Gate(shop.sandbox.url, passes=passes).open() as gate:
            await kill_while_waiting(shop, gate, tmp_path, app_url, organization)
        (row,) = await shop.rows("SELECT id FROM top_up")
        again = await shop.top_up(organization, headers={"Idempotency-Key": "first-try"})
        assert again["id"] == row.id
        assert pages_of(shop.sandbox, row.id) == [again["checkout_url"].rpartition("/")[2]]
        assert len(await shop.rows("SELECT 1 FROM top_up")) == 1


class TestRetries:
    async def test_in_parallel_with_one_key_make_one_page(self, shop: Shop) -> None:
        organization = await shop.organization()
        headers = {"Idempotency-Key": "double-click"}
        answers = await asyncio.gather(*(shop.top_up(organization, headers=headers) for _ in range(8)))
        assert len({answer["id"] for answer in answers}) == 1
        assert len(pages_of(shop.sandbox, answers[0]["id"])) == 1

    async def test_another_body_under_the_key_is_refused(self, shop: Shop) -> None:
        organization = await shop.organization()
        await shop.top_up(organization, headers={"Idempotency-Key": "k"})
        answer = await shop.request(organization, "30.00", headers={"Idempotency-Key": "k"})
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")

    async def test_a_key_outlives_the_answer_that_was_kept_for_it(self, shop: Shop) -> None:
        organization = await shop.organization()
        made = await shop.top_up(organization, headers={"Idempotency-Key": "k"})
        async with shop.database.transaction() as session:
            await session.exec_driver_sql("DELETE FROM idempotency_key")  # as happens after two days
        another = await shop.request(organization, "30.00", headers={"Idempotency-Key": "k"})
        async with shop.database.transaction() as session:
            await session.exec_driver_sql("DELETE FROM idempotency_key")
        again = await shop.top_up(organization, headers={"Idempotency-Key": "k"})
        assert (another.status_code, another.json()["code"]) == (422, "idempotency_key_reused")
        assert (again["id"], again["amount"]) == (made["id"], made["amount"])

    async def test_an_unreachable_processor_is_said_and_the_row_waits(self, shop: Shop) -> None:
        organization = await shop.organization()
        healthy = shop.parts[PROCESSOR]
        away = new_processor(f"http://127.0.0.1:{free_port()}")
        shop.parts.put(PROCESSOR, away)
        answer = await shop.request(organization, headers={"Idempotency-Key": "k"})
        assert (answer.status_code, answer.json()["code"]) == (503, "processor_unavailable")
        assert "Nothing was charged" in answer.json()["detail"]
        shop.parts.put(PROCESSOR, healthy)
        await away.close()
        again = await shop.top_up(organization, headers={"Idempotency-Key": "k"})
        assert again["checkout_url"] is not None
        assert len(await shop.rows("SELECT 1 FROM top_up")) == 1

    async def test_a_wrong_key_of_ours_is_no_fault_of_the_customer(self, shop: Shop) -> None:
        wrong = new_processor(shop.sandbox.url, key="sk_test_wrong0123456789")
        shop.parts.put(PROCESSOR, wrong)
        answer = await shop.request(await shop.organization())
        assert (answer.status_code, answer.json()["code"]) == (503, "processor_misconfigured")
        assert "sk_test" not in answer.text
        await wrong.close()

    async def test_a_page_that_never_came_about_is_given_up_after_a_day(self, shop: Shop, owner_url: str) -> None:
        organization = await shop.organization()
        healthy = shop.parts[PROCESSOR]
        away = new_processor(f"http://127.0.0.1:{free_port()}")
        shop.parts.put(PROCESSOR, away)
        assert (await shop.request(organization)).status_code == 503
        await away.close()
        shop.parts.put(PROCESSOR, healthy)
        (row,) = await shop.rows("SELECT id FROM top_up")
        with psycopg.connect(owner_url) as owner:
            owner.execute("UPDATE top_up SET created_at = created_at - interval '24 hours'")
        await make_due(shop, "top_up")
        await process_due(shop, "top_up")
        found = await shop.read(organization, row.id)
        assert (found["state"], found["failure"]["code"]) == ("failed", "checkout_not_created")
        assert pages_of(shop.sandbox, row.id) == []


class TestDeadWorkers:
    async def test_an_event_that_a_dead_worker_held_is_taken_over(self, shop: Shop) -> None:
        organization = await shop.organization()
        top_up = await shop.top_up(organization)
        await shop.pay(top_up)
        await deliver(shop, events_of(shop, top_up["id"])[0])
        async with Gate(shop.sandbox.url, passes=True).open() as gate:
            cut_off = new_processor(gate.url)
            worker = asyncio.create_task(process_due(shop, "stripe_event", cut_off))

            await until_async("the call's answer", lambda: gate.answered > 0)
            worker.cancel()
            with suppress(asyncio.CancelledError):
                await worker
            await cut_off.close()
        assert await process_due(shop, "stripe_event") == 0
        await make_due(shop, "stripe_event")
        assert await process_due(shop, "stripe_event") == 1
        assert await shop.balance(organization) == "20.00"

    async def test_a_late_answer_is_discarded_when_the_lease_has_passed_on(self, shop: Shop) -> None:
        organization = await shop.organization()
        top_up = await shop.top_up(organization)
        await shop.pay(top_up)
        await deliver(shop, events_of(shop, top_up["id"])[0])
        await asyncio.gather(*(_steal_and_process(shop) for _ in range(3)))
        assert await shop.balance(organization) == "20.00"
        assert len(await shop.rows("SELECT 1 FROM top_up_history")) == 1


async def _steal_and_process(shop: Shop) -> None:
    await make_due(shop, "stripe_event")
    await process_due(shop, "stripe_event")


class TestTables:
    @pytest.mark.parametrize("table", ["top_up_history", "stripe_transaction"])
    async def test_what_happened_cannot_be_changed(self, shop: Shop, table: str) -> None:
        for statement in (f"DELETE FROM {table}", f"TRUNCATE {table}"):
            with pytest.raises(Exception, match=r"permission denied|append-only"):
                async with shop.database.transaction() as session:
                    await session.exec_driver_sql(statement)

    async def test_a_success_without_a_payment_is_impossible(self, shop: Shop) -> None:
        await shop.top_up(await shop.organization())
        with pytest.raises(Exception, match="violates check constraint"):
            async with shop.database.transaction() as session:
                await session.exec_driver_sql("UPDATE top_up SET state = 'succeeded', completed_at = now()")
