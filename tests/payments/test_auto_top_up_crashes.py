"""Killed with -9 at every arrow, an auto top-up goes on to one payment and one charge; so does a retry of one."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest

from tests.payments.cards import auto_top_up_of, customer, spend, top_ups_of, work_off, workers
from tests.payments.shop import Shop, new_processor
from tests.payments.test_crashes import Gate
from tests.payments.working import make_due
from tests.support.waiting import until_async
from tests.support.work import look_at

pytestmark = pytest.mark.anyio

# A worker of its own, which is killed while somebody keeps it waiting.
PROGRAM = """
import asyncio, sys
from sublet.core.db import Database
from tests.payments.cards import work_off
from tests.payments.shop import Shop, new_processor

async def main(database_url, api_base):
    await work_off(Shop(Database(database_url), None, new_processor(api_base), None, None, None))

asyncio.run(main(*sys.argv[1:]))
"""


class LaterGate(Gate):
    """A door that lets so many questions be answered, and swallows the answers of all that follow."""

    def __init__(self, target: str, *, answers: int, passes: bool) -> None:
        super().__init__(target, passes=passes)
        self._target, self._left = target, answers

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        while self._left > 0:
            self._left -= 1
            try:
                question = await _message(reader)
            except (asyncio.IncompleteReadError, asyncio.CancelledError):
                self._left += 1
                writer.close()
                return
            theirs, ours = await asyncio.open_connection("127.0.0.1", int(self._target.rpartition(":")[2]))
            ours.write(question)
            writer.write(await _message(theirs))
            ours.close()
        await super()._serve(reader, writer)


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
    return head + await reader.readexactly(length)


@asynccontextmanager
async def killed_worker(app_url: str, api_base: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker's process, which is killed with -9 at the end."""
    process = await asyncio.create_subprocess_exec(*[sys.executable, "-W", "ignore", "-c", PROGRAM, app_url, api_base])
    try:
        yield process
        assert process.returncode is None, "ended before it was killed"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def goes_on_to_one_charge(shop: Shop, organization: str) -> None:
    """What is left is taken up again by another worker; money moves once, and the processor has one payment."""
    for _ in range(2):
        for kind in ("auto_top_up", "top_up"):
            await make_due(shop, kind)
        await work_off(shop)
    (made,) = await top_ups_of(shop, organization)
    assert (made["purpose"], made["state"], made["amount"]["amount"]) == ("auto_top_up", "succeeded", "20.00")
    assert await shop.balance(organization) == "25.00"
    assert charges(shop, made["id"]) == ["succeeded"]


def charges(shop: Shop, top_up_id: str) -> list[str]:
    """How each charge of a top-up went at the processor's, of all its payments there."""
    client = shop.sandbox.client()
    intents = client.v1.payment_intents.list({"limit": 100}).data
    mine = [one.id for one in intents if one.metadata.to_dict().get("sublet_top_up") == top_up_id]
    assert len(mine) == 1, "one payment for each top-up"
    return [one.status for one in client.v1.charges.list({"payment_intent": mine[0]}).data]


class TestKilled:
    @pytest.mark.parametrize(
        ("answers", "passes"),
        [(0, False), (0, True), (1, False), (1, True)],
        ids=["before-the-charge", "charged-and-unheard", "noted-and-unseen", "seen-and-not-booked"],
    )
    async def test_at_the_processor_it_goes_on_to_one_charge(
        self, shop: Shop, app_url: str, answers: int, passes: bool
    ) -> None:
        organization = await customer(shop)
        await spend(shop, organization, "10.00")
        door = LaterGate(shop.sandbox.url, answers=answers, passes=passes)
        async with door.open() as gate, killed_worker(app_url, gate.url):
            await until_async("the call at the gate", lambda: bool(gate.answered if passes else gate.asked))
        assert await shop.balance(organization) == "5.00"
        await goes_on_to_one_charge(shop, organization)

    async def test_while_deciding_it_has_decided_nothing(self, shop: Shop, app_url: str, owner_url: str) -> None:
        organization = await customer(shop)
        await spend(shop, organization, "10.00")
        waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        with psycopg.connect(owner_url) as owner:
            owner.execute("SELECT 1 FROM auto_top_up FOR UPDATE")
            async with killed_worker(app_url, shop.sandbox.url):

                async def decides() -> bool:
                    return bool(await shop.rows(waits))

                await until_async("the decision at the lock", decides)
        assert await top_ups_of(shop, organization) == []
        await goes_on_to_one_charge(shop, organization)


class TestRetries:
    async def test_never_charge_a_card_two_or_three_times(self, shop: Shop) -> None:
        """Three attempts of which no answer comes back, and one that is heard: one charge (akash console#3449)."""
        organization = await customer(shop)
        await spend(shop, organization, "10.00")
        await work_off(shop, kinds=("auto_top_up",))
        (made,) = await top_ups_of(shop, organization)
        for _ in range(3):
            async with Gate(shop.sandbox.url, passes=True).open() as gate:
                cut_off = new_processor(gate.url)
                await make_due(shop, "top_up")
                tries = asyncio.create_task(look_at(workers(shop, cut_off), "top_up", made["id"]))
                await until_async("the call's answer", lambda gate=gate: gate.answered > 0)
                tries.cancel()
                await asyncio.gather(tries, return_exceptions=True)
                await cut_off.close()
        await goes_on_to_one_charge(shop, organization)

    async def test_of_an_outage_are_no_declines(self, shop: Shop) -> None:
        organization = await customer(shop)
        await spend(shop, organization, "10.00")
        await work_off(shop, kinds=("auto_top_up",))
        (made,) = await top_ups_of(shop, organization)
        away = new_processor("http://127.0.0.1:9")
        await look_at(workers(shop, away), "top_up", made["id"])
        await away.close()
        assert (await auto_top_up_of(shop, organization))["declines"] == 0
        await goes_on_to_one_charge(shop, organization)

    @pytest.mark.parametrize(("passes", "state"), [(True, "succeeded"), (False, "failed")], ids=["made", "never-made"])
    async def test_after_its_key_is_forgotten_a_payment_is_looked_for_and_not_made(
        self, shop: Shop, owner_url: str, passes: bool, state: str
    ) -> None:
        organization = await customer(shop)
        await spend(shop, organization, "10.00")
        await work_off(shop, kinds=("auto_top_up",))
        (made,) = await top_ups_of(shop, organization)
        async with Gate(shop.sandbox.url, passes=passes).open() as gate:
            cut_off = new_processor(gate.url)
            tries = asyncio.create_task(look_at(workers(shop, cut_off), "top_up", made["id"]))
            await until_async("the call", lambda: bool(gate.answered if passes else gate.asked))
            tries.cancel()
            await asyncio.gather(tries, return_exceptions=True)
            await cut_off.close()
        with psycopg.connect(owner_url) as owner:
            owner.execute("UPDATE top_up SET created_at = created_at - interval '24 hours'")
        await make_due(shop, "top_up")
        await work_off(shop, kinds=("top_up",))
        assert (await shop.read(organization, made["id"]))["state"] == state
        assert await shop.balance(organization) == ("25.00" if passes else "5.00")
