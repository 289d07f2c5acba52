"""What each movement of money does to a wallet."""

import pytest

from sublet.core.clock import database_now
from sublet.core.db import Database, Session
from sublet.core.errors import IdempotencyKeyReused
from sublet.ledger import charges, credits, entries, holds, top_ups, wallets
from sublet.ledger.failures import HoldExhausted, InsufficientFunds, LedgerRefused, NoWallet
from tests.ledger.books import assert_books_are_sound, charge, key, new_hold, new_wallet, top_up, usd

pytestmark = pytest.mark.anyio


class TestTopUp:
    async def test_fills_the_wallet(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            wallet = await wallets.wallet(session, organization, currency="USD")
        assert (wallet.balance, wallet.held, wallet.available) == (usd("20"), usd("0"), usd("20"))

    async def test_clears_what_is_owed_first(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "1")
            hold = await new_hold(session, organization, "1")
            await charges.capture(
                session,
                hold.id,
                usd("3.5"),
                meter_kind="compute",
                source_type="subject",
                source_id="al_1",
                idempotency_key=key(),
                description="Usage",
                overrun=True,
            )
            owing = await wallets.wallet(session, organization, currency="USD")
            await top_up(session, organization, "10")
            cleared = await wallets.wallet(session, organization, currency="USD")
        assert (owing.balance, owing.receivable) == (usd("0"), usd("2.5"))
        assert (cleared.balance, cleared.receivable) == (usd("7.5"), usd("0"))

    async def test_a_smaller_top_up_leaves_the_rest_owed(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "1")
            hold = await new_hold(session, organization, "1")
            await _overrun(session, hold.id, "3")
            await top_up(session, organization, "0.50")
            wallet = await wallets.wallet(session, organization, currency="USD")
            await assert_books_are_sound(session)
        assert (wallet.balance, wallet.receivable) == (usd("0"), usd("1.5"))

    async def test_the_same_payment_credits_once(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session)
            for _ in range(5):
                await top_ups.credit(
                    session, organization, usd("20"), payment_intent_id="pi_1", charge_id="ch_1", source_id="tu_1"
                )
            wallet = await wallets.wallet(session, organization, currency="USD")
        assert wallet.balance == usd("20")

    async def test_the_same_payment_with_another_amount_is_refused(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session)
            await top_ups.credit(
                session, organization, usd("20"), payment_intent_id="pi_1", charge_id="ch_1", source_id="tu_1"
            )
        with pytest.raises(IdempotencyKeyReused):
            async with database.transaction() as session:
                await top_ups.credit(
                    session, organization, usd("21"), payment_intent_id="pi_1", charge_id="ch_1", source_id="tu_1"
                )

    async def test_a_fee_is_ours_and_posted_once(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            first = await top_ups.post_fee(session, usd("0.88"), transaction_id="txn_1", source_id="tu_1")
            again = await top_ups.post_fee(session, usd("0.88"), transaction_id="txn_1", source_id="tu_1")
            wallet = await wallets.wallet(session, organization, currency="USD")
            await assert_books_are_sound(session)
        assert first.id == again.id
        assert wallet.balance == usd("20")


class TestHold:
    async def test_sets_money_aside_without_an_entry(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            await new_hold(session, organization, "5")
            wallet = await wallets.wallet(session, organization, currency="USD")
            lines = await entries.list_for(session, organization, limit=10, currency="USD")
        assert (wallet.balance, wallet.held, wallet.available) == (usd("20"), usd("5"), usd("15"))
        assert len(lines) == 1

    async def test_needs_the_money_to_be_available(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            await new_hold(session, organization, "15")
            with pytest.raises(InsufficientFunds) as raised:
                await new_hold(session, organization, "5.000001")
            wallet = await wallets.wallet(session, organization, currency="USD")
        assert raised.value.extra["available"] == {"amount": "5.00", "currency": "USD"}
        assert wallet.held == usd("15")

    async def test_needs_a_wallet_in_its_currency(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
        with pytest.raises(NoWallet) as raised:
            async with database.transaction() as session:
                await new_hold(session, organization, "5", currency="EUR")
        assert raised.value.status == 409
        assert "has no wallet in EUR. Nothing was posted." in raised.value.detail

    async def test_the_same_key_places_one(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            placed = {
                (await holds.place(session, organization, usd("5"), subject_id="al_1", idempotency_key="launch")).id
                for _ in range(3)
            }
            wallet = await wallets.wallet(session, organization, currency="USD")
        assert len(placed) == 1
        assert wallet.held == usd("5")

    async def test_the_same_key_for_another_amount_is_refused(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            await holds.place(session, organization, usd("5"), subject_id="al_1", idempotency_key="launch")
        with pytest.raises(IdempotencyKeyReused):
            async with database.transaction() as session:
                await holds.place(session, organization, usd("6"), subject_id="al_1", idempotency_key="launch")

    async def test_release_gives_the_rest_back_and_closes(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            hold = await new_hold(session, organization, "5")
            await charge(session, hold.id, "1.25")
            released = await holds.release(session, hold.id, idempotency_key=key())
            again = await holds.release(session, hold.id, idempotency_key=key())
            wallet = await wallets.wallet(session, organization, currency="USD")
            await assert_books_are_sound(session)
        assert released == again
        assert (released.captured, released.released, released.closed) == (usd("1.25"), usd("3.75"), True)
        assert (wallet.balance, wallet.held) == (usd("18.75"), usd("0"))

    async def test_extends_while_there_is_money(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            hold = await new_hold(session, organization, "5")
            extended = await holds.extend(session, hold.id, usd("10"), idempotency_key=key())
            with pytest.raises(InsufficientFunds):
                await holds.extend(session, hold.id, usd("6"), idempotency_key=key())
        assert extended.amount == usd("15")

    async def test_a_closed_one_takes_nothing_more(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            hold = await new_hold(session, organization, "5")
            await holds.release(session, hold.id, idempotency_key=key())
        with pytest.raises(HoldExhausted):
            async with database.transaction() as session:
                await holds.extend(session, hold.id, usd("1"), idempotency_key=key())
        with pytest.raises(HoldExhausted):
            async with database.transaction() as session:
                await charge(session, hold.id, "1")

    async def test_many_are_extended_as_far_as_each_wallet_goes(self, database: Database) -> None:
        async with database.transaction() as session:
            rich, poor = await new_wallet(session, "20"), await new_wallet(session, "3")
            first, second = await new_hold(session, rich, "1"), await new_hold(session, rich, "1")
            third, fourth = await new_hold(session, poor, "1"), await new_hold(session, poor, "1")
            extended = await holds.extend_many(session, {hold.id: 1_000_000 for hold in (first, second, third, fourth)})
            await assert_books_are_sound(session)
        assert extended == {first.id, second.id, third.id}


class TestCapture:
    async def test_takes_from_the_hold(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            hold = await new_hold(session, organization, "5")
            entry = await charge(session, hold.id, "1.234567")
            wallet = await wallets.wallet(session, organization, currency="USD")
            line = (await entries.list_for(session, organization, limit=1, currency="USD"))[0]
        assert (wallet.balance, wallet.held) == (usd("18.765433"), usd("3.765433"))
        assert (line.entry.id, line.amount, line.balance_after) == (entry, usd("-1.234567"), usd("18.765433"))

    async def test_more_than_the_hold_covers_is_refused(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            hold = await new_hold(session, organization, "5")
        with pytest.raises(HoldExhausted):
            async with database.transaction() as session:
                await charge(session, hold.id, "5.000001")

    async def test_from_a_kind_of_meter_without_an_account_is_refused(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            hold = await new_hold(session, organization, "5")
        with pytest.raises(LedgerRefused, match=r"there is no account revenue_sunshine:USD"):
            async with database.transaction() as session:
                await charges.capture(
                    session,
                    hold.id,
                    usd("1"),
                    source_type="subject",
                    source_id="al_1",
                    idempotency_key=key(),
                    description="Usage",
                    meter_kind="sunshine",
                )

    async def test_an_overrun_takes_what_is_available_and_then_is_owed(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            hold, other = await new_hold(session, organization, "5"), await new_hold(session, organization, "8")
            await _overrun(session, hold.id, "13")
            wallet = await wallets.wallet(session, organization, currency="USD")
            await assert_books_are_sound(session)
        assert (wallet.balance, wallet.held, wallet.receivable) == (usd("8"), other.amount, usd("1"))

    async def test_promotional_money_goes_first(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            await credits.grant(session, organization, usd("3"), idempotency_key=key(), reason="Welcome")
            hold = await new_hold(session, organization, "5")
            await charge(session, hold.id, "2")
            after_two = await wallets.wallet(session, organization, currency="USD")
            await charge(session, hold.id, "2")
            after_four = await wallets.wallet(session, organization, currency="USD")
            await holds.release(session, hold.id, idempotency_key=key())
            await assert_books_are_sound(session)
        assert (after_two.promo, after_two.balance) == (usd("1"), usd("20"))
        assert (after_four.promo, after_four.balance) == (usd("0"), usd("19"))

    async def test_promotional_money_that_came_after_the_hold_goes_first_too(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            hold = await new_hold(session, organization, "5")
            await credits.grant(session, organization, usd("3"), idempotency_key=key(), reason="Sorry")
            await charge(session, hold.id, "4")
            wallet = await wallets.wallet(session, organization, currency="USD")
            await assert_books_are_sound(session)
        assert (wallet.promo, wallet.balance, wallet.held) == (usd("0"), usd("19"), usd("1"))

    async def test_promotional_money_alone_is_enough_to_start(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session)
            await credits.grant(session, organization, usd("3"), idempotency_key=key(), reason="Welcome")
            hold = await new_hold(session, organization, "2")
            wallet = await wallets.wallet(session, organization, currency="USD")
        assert (hold.amount, wallet.held, wallet.available) == (usd("2"), usd("2"), usd("1"))


class TestBatch:
    async def test_one_entry_charges_many_wallets(self, database: Database) -> None:
        async with database.transaction() as session:
            organizations = [await new_wallet(session, "20") for _ in range(5)]
            placed = [await new_hold(session, organization, "5") for organization in organizations * 2]
            charged = await _batch(session, {hold.id: 1_000_001 for hold in placed})
            found = [await wallets.wallet(session, organization, currency="USD") for organization in organizations]
            await assert_books_are_sound(session)
        assert set(charged) == {hold.id for hold in placed}
        assert len(set(charged.values())) == 1
        assert {wallet.balance for wallet in found} == {usd("17.999998")}

    async def test_a_hold_that_cannot_pay_stops_nobody(self, database: Database) -> None:
        async with database.transaction() as session:
            rich, poor = await new_wallet(session, "20"), await new_wallet(session, "20")
            able, unable = await new_hold(session, rich, "5"), await new_hold(session, poor, "0.5")
            charged = await _batch(session, {able.id: 1_000_000, unable.id: 1_000_000})
            untouched = await wallets.wallet(session, poor, currency="USD")
            await assert_books_are_sound(session)
        assert set(charged) == {able.id}
        assert untouched.balance == usd("20")

    async def test_a_replay_charges_nothing_more(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            hold = await new_hold(session, organization, "5")
            first = await _batch(session, {hold.id: 7}, "shard-1")
            again = await _batch(session, {hold.id: 7}, "shard-1")
            wallet = await wallets.wallet(session, organization, currency="USD")
        assert first == again
        assert wallet.balance == usd("19.999993")


class TestReversal:
    async def test_posts_the_opposite_once(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            hold = await new_hold(session, organization, "5")
            entry = await charge(session, hold.id, "2")
            first = await entries.reverse(session, entry, idempotency_key="undo", reason="Charged in error")
            again = await entries.reverse(session, entry, idempotency_key="undo", reason="Charged in error")
            wallet = await wallets.wallet(session, organization, currency="USD")
            await assert_books_are_sound(session)
        assert first.id == again.id
        assert (wallet.balance, wallet.held) == (usd("20"), usd("3"))

    async def test_gives_back_what_was_owed_and_paid_since(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "1")
            hold = await new_hold(session, organization, "1")
            await _overrun(session, hold.id, "3.5")
            entry = (await entries.list_for(session, organization, limit=1, currency="USD"))[0].entry.id
            await top_up(session, organization, "2")
            await entries.reverse(session, entry, idempotency_key="undo", reason="Charged in error")
            wallet = await wallets.wallet(session, organization, currency="USD")
            await assert_books_are_sound(session)
        assert (wallet.balance, wallet.receivable) == (usd("3"), usd("0"))

    async def test_a_payment_is_refunded_and_not_reversed(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            entry = (await entries.list_for(session, organization, limit=1, currency="USD"))[0].entry.id
        with pytest.raises(LedgerRefused):
            async with database.transaction() as session:
                await entries.reverse(session, entry, idempotency_key="undo", reason="No")


class TestList:
    async def test_pages_through_every_line_once(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            hold = await new_hold(session, organization, "10")
            await credits.grant(session, organization, usd("1"), idempotency_key=key(), reason="Welcome")
            for _ in range(5):
                await charge(session, hold.id, "0.4")
            await _overrun(session, hold.id, "25")
            await top_up(session, organization, "9")
            everything = await entries.list_for(session, organization, limit=100, currency="USD")
            paged, before = [], None
            for _ in range(len(everything)):
                page = await entries.list_for(session, organization, limit=3, before=before, currency="USD")
                if not page:
                    break
                paged += page
                before = page[-1].next_position
            wallet = await wallets.wallet(session, organization, currency="USD")
        assert [(line.entry.id, line.account) for line in paged] == [
            (line.entry.id, line.account) for line in everything
        ]
        assert len({(line.entry.id, line.account) for line in paged}) == len(everything)
        sums = dict.fromkeys(("wallet", "promo", "receivable"), 0)
        for line in everything:
            sums[line.account] += line.amount.micro
        assert sums["wallet"] == wallet.balance.micro
        assert sums["promo"] == wallet.promo.micro
        assert -sums["receivable"] == wallet.receivable.micro


async def _overrun(session: Session, hold_id: int, amount: str) -> None:
    await charges.capture(
        session,
        hold_id,
        usd(amount),
        meter_kind="compute",
        source_type="subject",
        source_id="al_1",
        idempotency_key=key(),
        description="Usage",
        overrun=True,
    )


async def _batch(session: Session, micro_by_hold: dict[int, int], shard: str | None = None) -> dict[int, int]:
    shard = shard or key()
    return await charges.capture_batch(
        session,
        micro_by_hold,
        currency="USD",
        meter_kind="compute",
        settlement_id=shard,
        idempotency_key=f"settle:{shard}",
        description="Usage",
        effective_at=await database_now(session),
    )
