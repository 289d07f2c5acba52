"""States of top-ups: every arrow happens, every other pair is refused, here and in PostgreSQL; and late money."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from sublet.core.actors import Actor
from sublet.core.db import Database
from sublet.core.errors import Conflict
from sublet.core.money import Money
from sublet.ledger import wallets
from sublet.payments.cards import setups
from sublet.payments.cards import states as card_states
from sublet.payments.schemas import CardSetupRequest, TopUpRequest
from sublet.payments.stripe.processor import CheckoutSeen, Processor
from sublet.payments.stripe.transactions import BalanceTransaction
from sublet.payments.top_ups import outcomes, requests
from sublet.payments.top_ups.states import TopUpState, move
from tests.allocations.rental import customer
from tests.ledger.books import assert_books_are_sound
from tests.support.arrows import Machine

pytestmark = pytest.mark.anyio

TOP_UPS = Machine(
    "top_up",
    """
    pending      → processing needs_action succeeded failed expired
    processing   → pending needs_action succeeded failed expired
    needs_action → processing succeeded failed expired
    failed       → succeeded
    expired      → succeeded
    succeeded
    """,
    companions="payment_intent_id = 'pi', charge_id = 'ch', "
    "completed_at = CASE WHEN :to IN ('succeeded', 'failed', 'expired') THEN now() END",
)
EVENTS = {
    "succeeded": ["top_up.succeeded"],
    "failed": ["top_up.failed"],
    "expired": ["top_up.failed"],
    "pending": [],
    "processing": [],
    "needs_action": ["top_up.needs_action"],
}


@pytest.fixture
async def payer(database: Database) -> Actor:
    """The owner of an organization with an empty wallet."""
    return await customer(database, "0.00")


@pytest.fixture
async def top_up_id(database: Database, payer: Actor) -> str:
    """A top-up of 20.00 that has just been asked for."""
    async with database.transaction() as session:
        row, _ = await requests.request_top_up(
            session,
            payer,
            TopUpRequest(amount="20.00", currency="USD"),
            public_url="https://sublet.test",
            request_key=None,
            most_open=10,
        )
    return row.id


class TestTopUps:
    async def test_make_every_change_of_the_table_and_no_other(self, database: Database, top_up_id: str) -> None:
        told = text("SELECT type FROM outbox_event WHERE type LIKE 'top_up.%'")
        paid = {"payment_intent_id": "pi", "charge_id": "ch"}
        async with database.transaction() as session:

            async def attempt(to: str) -> bool:
                try:
                    await move(session, top_up_id, TopUpState(to), reason="tried", **paid)
                except Conflict:
                    assert (await session.execute(told)).all() == []
                    return False
                assert list((await session.execute(told)).scalars()) == EVENTS[to]
                return True

            assert await TOP_UPS.allowed_by(session, top_up_id, attempt) == TOP_UPS.arrows

    async def test_remember_each_change_and_why(self, database: Database, top_up_id: str) -> None:
        async with database.transaction() as session:
            await move(session, top_up_id, TopUpState.PROCESSING, reason="came back")
            await move(session, top_up_id, TopUpState.PENDING, reason="has not paid")
            rows = await session.execute(
                text("SELECT top_up_id, previous, next, reason FROM top_up_history ORDER BY id")
            )
            assert [tuple(row) for row in rows] == [
                (top_up_id, "pending", "processing", "came back"),
                (top_up_id, "processing", "pending", "has not paid"),
            ]

    async def test_are_held_to_it_by_postgresql(self, database: Database, top_up_id: str) -> None:
        async with database.transaction() as session:
            assert await TOP_UPS.allowed_by_postgresql(session, top_up_id) == TOP_UPS.arrows

    @pytest.mark.usefixtures("top_up_id")
    async def test_begin_pending(self, database: Database) -> None:
        with pytest.raises(IntegrityError, match="begins pending, not failed"):
            async with database.transaction() as session:
                await session.execute(
                    text(
                        "INSERT INTO top_up (id, organization_id, requested_by, amount, currency, return_path, "
                        "success_url, cancel_url, state, completed_at) SELECT 'tu_x', organization_id, requested_by, "
                        "amount, currency, return_path, success_url, cancel_url, 'failed', now() FROM top_up"
                    )
                )


ARRIVED = CheckoutSeen(
    session_status="complete",
    intent_id="pi_late",
    intent_status="succeeded",
    received=Money.parse("20.00", "USD"),
    charge_id="ch_late",
    failure=None,
    transaction=BalanceTransaction(
        id="txn_late",
        type="charge",
        amount=Money.parse("20.00", "USD"),
        fee=Money.parse("0.88", "USD"),
        source="ch_late",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        available_on=datetime(2026, 1, 3, tzinfo=UTC),
    ),
)


class TestLateMoney:
    @pytest.mark.parametrize("ended", [TopUpState.FAILED, TopUpState.EXPIRED])
    async def test_after_a_top_up_that_had_ended_is_credited_once(
        self, database: Database, payer: Actor, top_up_id: str, ended: TopUpState
    ) -> None:
        async with database.transaction() as session:
            await move(session, top_up_id, ended, reason="given up", failure_code="x", failure_message="x")
        for _ in range(2):
            async with database.transaction() as session:
                assert await outcomes.apply(session, top_up_id, ARRIVED) is outcomes.Applied.DONE
        async with database.transaction() as session:
            await assert_books_are_sound(session)
            row = requests.view(payer, await requests.read_top_up(session, payer, top_up_id))
            wallet = await wallets.wallet(session, payer.organization, currency="USD")
        assert (row.state, row.failure, row.fee) == ("succeeded", None, Money.parse("0.88", "USD").field())
        assert wallet.balance == Money.parse("20.00", "USD")


class TestTwoSightings:
    """The processor's event and a look at its page often come at once."""

    async def test_of_one_payment_at_once_wait_for_each_other(
        self, database: Database, payer: Actor, top_up_id: str
    ) -> None:
        async def sees() -> outcomes.Applied:
            async with database.transaction() as session:
                return await outcomes.apply(session, top_up_id, ARRIVED)

        async def waits() -> bool:
            async with database.reading() as session:
                return bool((await session.execute(text("SELECT 1 FROM pg_locks WHERE NOT granted"))).first())

        async with database.transaction() as session:
            assert await outcomes.apply(session, top_up_id, ARRIVED) is outcomes.Applied.DONE
            other = asyncio.create_task(sees())
            async with asyncio.timeout(10):
                while not other.done() and not await waits():
                    await asyncio.sleep(0.01)
        assert await other is outcomes.Applied.DONE
        async with database.transaction() as session:
            await assert_books_are_sound(session)
            assert (await wallets.wallet(session, payer.organization, currency="USD")).balance == Money.parse(
                "20.00", "USD"
            )


SETUPS = Machine(
    "card_setup",
    """
    pending → succeeded failed expired
    succeeded
    failed
    expired
    """,
    companions="setup_intent_id = 'seti', completed_at = CASE WHEN :to <> 'pending' THEN now() END",
)


@pytest.fixture
async def setup_id(database: Database, payer: Actor) -> str:
    """A card's setup that has just been asked for."""
    processor = Processor(api_base="http://127.0.0.1:9", api_key="sk_test_x", webhook_secret=None)
    async with database.transaction() as session:
        row = await setups.request_setup(
            session,
            payer,
            CardSetupRequest(),
            processor=processor,
            public_url="https://sublet.test",
            request_key=None,
            most=10,
        )
    await processor.close()
    return str(row.id)


class TestCardSetups:
    async def test_make_every_change_of_the_table_and_no_other(self, database: Database, setup_id: str) -> None:
        async with database.transaction() as session:

            async def attempt(to: str) -> bool:
                try:
                    await card_states.move(
                        session, setup_id, card_states.SetupState(to), reason="tried", setup_intent_id="seti"
                    )
                except Conflict:
                    return False
                return True

            assert await SETUPS.allowed_by(session, setup_id, attempt) == SETUPS.arrows

    async def test_are_held_to_it_by_postgresql(self, database: Database, setup_id: str) -> None:
        async with database.transaction() as session:
            assert await SETUPS.allowed_by_postgresql(session, setup_id) == SETUPS.arrows
