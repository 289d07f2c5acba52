"""What is answered to the bank: written down first, sent once, whoever dies meanwhile, and never changed afterwards."""

import asyncio
import sys
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from sublet.core.work import leases
from sublet.payments.disputes import answers
from sublet.payments.stripe.processor import Processor
from tests.payments.refunds import dispute, paid
from tests.payments.shop import Shop, new_processor
from tests.payments.test_crashes import Gate
from tests.payments.test_refunds import spend
from tests.payments.working import look_at, make_due, process_due
from tests.support.waiting import until_async

pytestmark = pytest.mark.anyio

# A worker of its own that is killed while the processor keeps it waiting.
PROGRAM = """
import asyncio, sys
from sublet.core.db import Database
from sublet.core.work.reconciler import Reconciler
from sublet.payments.disputes import answers
from tests.payments.shop import new_processor

async def main(database_url, api_base):
    database = Database(database_url)
    worker = Reconciler(database, [answers.work(database, new_processor(api_base))])
    await worker.sweep()
    await worker.drain()

asyncio.run(main(*sys.argv[1:]))
"""


async def disputed(shop: Shop, **more: Any) -> dict[str, Any]:
    """A payment of 20.00, of which 15.00 are spent, that the card holder wants back; as operators see the dispute."""
    organization, top_up_id = await paid(shop)
    await spend(shop, organization, "15")
    await dispute(shop, top_up_id, **more)
    await look_at(shop, top_up_id)
    return await only(shop)


async def only(shop: Shop) -> dict[str, Any]:
    """The one dispute as operators see it."""
    [found] = (await shop.operate("GET", "disputes")).json()["items"]
    return dict(found)


async def answer(shop: Shop, one: dict[str, Any], **body: Any) -> tuple[int, dict[str, Any]]:
    """An operator sends the evidence."""
    answered = await shop.operate("POST", f"disputes/{one['id']}/evidence", **body)
    return answered.status_code, answered.json()


async def send(shop: Shop, processor: Processor | None = None) -> None:
    """A worker does what is due."""
    await make_due(shop, answers.WORK)
    await process_due(shop, answers.WORK, processor)


def at_the_bank(shop: Shop, one: dict[str, Any]) -> Any:
    """The dispute at the processor."""
    return shop.sandbox.client().v1.disputes.retrieve(one["processor_id"])


async def history(shop: Shop, one: dict[str, Any]) -> list[str]:
    """What is told of it."""
    return [row.reason for row in await shop.rows("SELECT reason FROM dispute_history ORDER BY id")]


def offered(one: dict[str, Any]) -> str | None:
    """Why the bank cannot be answered, or None."""
    [action] = one["actions"]
    assert (action["name"], action["allowed"]) == ("answer", action["reason"] is None)
    reason: str | None = action["reason"]
    return reason


class TestThePacket:
    async def test_says_who_paid_for_what_and_by_when_to_answer(self, shop: Shop) -> None:
        one = await disputed(shop)
        found = (await shop.operate("GET", f"disputes/{one['id']}/evidence")).json()
        assert found["dispute"] == one
        assert one["due_by"] is not None
        assert found["payment"]["top_up_id"] == one["top_up_id"]
        assert found["payment"]["amount"] == one["amount"]
        assert (found["spent"]["amount"], found["of_before"]["amount"]) == ("15.00", "0.00")
        [person] = found["customer"]["members"]
        assert (person["role"], person["user_id"]) == ("owner", found["payment"]["requested_by"])


class TestAnAnswer:
    async def test_is_with_the_bank_and_told_as_sent(self, shop: Shop) -> None:
        one = await disputed(shop)
        assert offered(one) is None
        status, told = await answer(shop, one, note="She used it all.")
        assert (status, told["answer"]["sent_at"]) == (202, None)
        assert at_the_bank(shop, one).status == "needs_response", "nothing is asked before it is written down"
        await send(shop)
        theirs = at_the_bank(shop, one)
        assert (theirs.status, theirs.evidence_details.submission_count) == ("under_review", 1)
        assert theirs.evidence.uncategorized_text.startswith("She used it all.")
        assert f"Payment: {one['top_up_id']}" in theirs.evidence.uncategorized_text
        assert "Spent of this payment: 15.00 USD" in theirs.evidence.uncategorized_text
        seen = await only(shop)
        assert (seen["answer"]["sent_at"] is not None, seen["answer"]["answered_by_name"]) == (True, "ada")
        assert await history(shop, one) == [
            "the processor says needs_response",
            f"answer {seen['answer']['id']} was sent to the bank",
        ]
        [event] = await shop.rows("SELECT * FROM audit_event WHERE action = 'dispute.answered'")
        assert (event.actor_user_id, event.target_id) == ("usr_ada", one["id"])

    async def test_is_given_once(self, shop: Shop) -> None:
        one = await disputed(shop)
        await answer(shop, one)
        for told in ("is on its way", "was sent"):
            status, problem = await answer(shop, one)
            assert (status, told in problem["detail"]) == (409, True)
            assert offered(await only(shop)) is not None
            await send(shop)
        assert at_the_bank(shop, one).evidence_details.submission_count == 1

    async def test_of_an_inquiry_leaves_one_to_the_dispute_that_follows(self, shop: Shop) -> None:
        one = await disputed(shop, status="warning_needs_response")
        assert one["state"] == "inquiry"
        await answer(shop, one)
        await send(shop)
        assert at_the_bank(shop, one).status == "warning_under_review"
        await shop.control("POST", f"disputes/{one['processor_id']}", {"status": "needs_response"})
        await look_at(shop, one["top_up_id"])
        assert (await answer(shop, await only(shop)))[0] == 202

    async def test_comes_before_the_banks_deadline(self, shop: Shop) -> None:
        one = await disputed(shop)
        async with shop.database.transaction() as session:
            await session.execute(text("UPDATE dispute SET due_by = now() - interval '1 second'"))
        status, problem = await answer(shop, one)
        assert (status, "took answers until" in problem["detail"]) == (409, True)

    async def test_is_not_asked_for_what_is_decided(self, shop: Shop) -> None:
        one = await disputed(shop)
        await shop.control("POST", f"disputes/{one['processor_id']}", {"status": "lost"})
        await look_at(shop, one["top_up_id"])
        assert offered(await only(shop)) == f"Dispute {one['id']} is lost: the bank waits for no answer."

    async def test_that_the_processor_does_not_take_is_told_and_can_be_given_anew(self, shop: Shop) -> None:
        one = await disputed(shop)
        shop.sandbox.client().v1.disputes.update(one["processor_id"], {"evidence": {}, "submit": True})
        await answer(shop, one)
        await send(shop)
        seen = await only(shop)
        assert "status of under_review" in seen["answer"]["refusal"]
        assert (await history(shop, one))[-1].endswith("was not taken")
        assert offered(seen) is None

    async def test_waits_while_our_key_is_not_accepted(self, shop: Shop) -> None:
        one = await disputed(shop)
        await answer(shop, one)
        stranger = new_processor(shop.sandbox.url, key="sk_test_of_somebody_else")
        await send(shop, stranger)
        await stranger.close()
        assert (await only(shop))["answer"]["sent_at"] is None
        [row] = await shop.rows("SELECT id, last_error FROM work WHERE kind = 'dispute_answer'")
        assert row.last_error == "processor_misconfigured"
        async with shop.database.transaction() as session:
            await leases.make_due(session, answers.WORK, row.id)
        await send(shop)
        assert at_the_bank(shop, one).status == "under_review"

    @pytest.mark.parametrize("passes", [False, True], ids=["before-the-call-arrives", "before-its-answer-is-recorded"])
    async def test_is_sent_once_by_workers_that_are_killed_at_the_call(
        self, shop: Shop, app_url: str, passes: bool
    ) -> None:
        one = await disputed(shop)
        await answer(shop, one)
        async with Gate(shop.sandbox.url, passes=passes, swallows=b"POST").open() as gate:
            worker = await asyncio.create_subprocess_exec(
                sys.executable, "-W", "ignore", "-c", PROGRAM, app_url, gate.url
            )

            async def at_the_gate() -> bool:
                assert worker.returncode is None, "ended before it was killed"
                return bool(gate.answered if passes else gate.asked)

            try:
                await until_async("the call at the gate", at_the_gate)
            finally:
                worker.kill()
                await worker.wait()
        assert at_the_bank(shop, one).evidence_details.submission_count == int(passes)
        for _ in range(2):
            await send(shop)
        assert at_the_bank(shop, one).evidence_details.submission_count == 1
        assert (await only(shop))["answer"]["sent_at"] is not None

    async def test_stays_as_it_was_sent(self, shop: Shop, app_url: str) -> None:
        one = await disputed(shop)
        await answer(shop, one)
        with psycopg.connect(app_url, autocommit=True) as app:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                app.execute("UPDATE dispute_answer SET evidence = '{}'")
            with pytest.raises(psycopg.errors.UniqueViolation):
                app.execute(
                    "INSERT INTO dispute_answer (id, dispute_id, stage, evidence, answered_by, answered_by_name) "
                    "SELECT 'ans_2', dispute_id, stage, evidence, answered_by, answered_by_name FROM dispute_answer"
                )
            await send(shop)
            with pytest.raises(psycopg.errors.CheckViolation, match="has ended"):
                app.execute("UPDATE dispute_answer SET sent_at = now()")
