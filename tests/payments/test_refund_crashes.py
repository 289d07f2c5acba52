"""A worker that is killed between asking for a refund and recording it leaves one refund, here and at the processor."""

import asyncio
import sys

import pytest

from sublet.payments.refunds import requests
from tests.payments.refunds import available, books, paid, refunds_at_the_processor, shown
from tests.payments.shop import Shop
from tests.payments.test_crashes import Gate
from tests.payments.working import make_due, process_due
from tests.support.waiting import until_async

pytestmark = pytest.mark.anyio

# A worker of its own that is killed while the processor keeps it waiting.
PROGRAM = """
import asyncio, sys
from sublet.core.db import Database
from sublet.core.work.reconciler import Reconciler
from sublet.payments.refunds import work
from tests.payments.shop import new_processor

async def main(database_url, api_base):
    database = Database(database_url)
    worker = Reconciler(database, [work.work(database, new_processor(api_base))])
    await worker.sweep()
    await worker.drain()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("passes", [False, True], ids=["before-the-call-arrives", "before-its-answer-is-recorded"])
async def test_killed_at_the_call_it_is_made_once(shop: Shop, app_url: str, passes: bool) -> None:
    organization, top_up_id = await paid(shop)
    answer = await shop.operate("POST", "refunds", top_up_id=top_up_id, amount="12.00", reason="asked for")
    assert await available(shop, organization) == "8.00", "before anybody was asked"
    async with Gate(shop.sandbox.url, passes=passes, swallows=b"POST").open() as gate:
        worker = await asyncio.create_subprocess_exec(sys.executable, "-W", "ignore", "-c", PROGRAM, app_url, gate.url)

        async def at_the_gate() -> bool:
            assert worker.returncode is None, "ended before it was killed"
            return bool(gate.answered if passes else gate.asked)

        try:
            await until_async("the call at the gate", at_the_gate)
        finally:
            worker.kill()
            await worker.wait()
    assert len(await refunds_at_the_processor(shop, top_up_id)) == int(passes)
    for _ in range(2):
        await make_due(shop, requests.WORK)
        await process_due(shop, requests.WORK)
    assert await refunds_at_the_processor(shop, top_up_id) == [(1200, "succeeded")]
    assert (await shown(shop, answer.json()["refund"]["id"]))["state"] == "succeeded"
    money = await books(shop, organization)
    assert (money["wallet"], money.get("refund_pending")) == ("8.00", None)
