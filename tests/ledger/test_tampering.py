"""What only one check finds, done by somebody who owns the server and switches every guard off."""

import psycopg
import pytest

from sublet.core.db import Database
from sublet.core.money import Money
from sublet.ledger import credits, entries, holds, reconcile, seals
from tests.ledger.books import charge, grant, grant_that_ends, key, lot_of, new_hold, new_wallet, top_up

pytestmark = pytest.mark.anyio


def _tamper(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        for statement in statements:
            connection.execute(statement)  # type: ignore[call-overload]  # constants of this file


async def _books(database: Database) -> str:
    """Two payments, a gift, and holds: an open one of both parts, and a closed one; all of it sealed, in two ranges."""
    async with database.transaction() as session:
        organization = await new_wallet(session, "20")
    for _ in range(2):
        async with database.transaction() as session:
            await seals.seal_ranges(session)
    async with database.transaction() as session:
        await top_up(session, organization, "10")
        await grant(session, organization, "3")
        hold, closed = await new_hold(session, organization, "5"), await new_hold(session, organization, "1")
        await charge(session, hold.id, "1")
        await holds.release(session, closed.id, idempotency_key=key())
    for _ in range(2):
        async with database.transaction() as session:
            await seals.seal_ranges(session)
    return organization


async def _found(database: Database) -> dict[str, list[str]]:
    """The subjects of each check that found something."""
    async with database.transaction() as session:
        results = await reconcile.run(session)
    return {
        result.name: sorted(finding.subject_id for finding in result.findings) for result in results if not result.ok
    }


class TestOneCheck:
    async def test_finds_nothing_in_books_that_are_sound(self, database: Database) -> None:
        await _books(database)
        assert await _found(database) == {}

    async def test_finds_lines_whose_entry_is_gone_among_others(self, database: Database, owner_url: str) -> None:
        await _books(database)
        _tamper(owner_url, "DELETE FROM ledger.ledger_entry WHERE kind = 'credit'")
        assert len((await _found(database))["unbalanced entries"]) == 1

    async def test_finds_an_entry_without_lines(self, database: Database, owner_url: str) -> None:
        await _books(database)
        _tamper(
            owner_url,
            "DELETE FROM ledger.posting WHERE entry_id = (SELECT id FROM ledger.ledger_entry WHERE kind = 'credit')",
        )
        assert len((await _found(database))["unbalanced entries"]) == 1

    @pytest.mark.parametrize("column", ["balance", "seq"])
    async def test_finds_a_balance_or_a_count_of_lines_that_drifted(
        self, database: Database, owner_url: str, column: str
    ) -> None:
        organization = await _books(database)
        _tamper(
            owner_url,
            f"UPDATE ledger.balance SET {column} = {column} + 1 WHERE balance > 5000000",
        )
        found = await _found(database)
        drifted = [
            "balance drift",
            "balances and last lines",
            *(["wallets against lots"] if column == "balance" else []),
        ]
        assert found == {check: [f"wallet:{organization}:USD"] for check in drifted}

    async def test_finds_a_line_that_is_missing_in_a_chain(self, database: Database, owner_url: str) -> None:
        organization = await _books(database)
        _tamper(owner_url, "UPDATE ledger.posting SET account_seq = account_seq + 1 WHERE account_seq = 2")
        assert (await _found(database))["broken chain"] == [f"promo:{organization}:USD", f"wallet:{organization}:USD"]

    async def test_finds_a_hold_that_was_closed_and_not_given_back(self, database: Database, owner_url: str) -> None:
        organization = await _books(database)
        _tamper(owner_url, "UPDATE ledger.hold SET closed = true")
        assert await _found(database) == {"held funds": [f"promo:{organization}:USD", f"wallet:{organization}:USD"]}

    async def test_takes_nothing_amiss_where_a_part_was_given_back(self, database: Database, owner_url: str) -> None:
        await _books(database)
        _tamper(
            owner_url,
            "UPDATE ledger.hold SET released = 1 WHERE NOT closed",
            "UPDATE ledger.balance SET held = held - 1 WHERE held > 0 AND balance > 5000000",
        )
        async with database.transaction() as session:
            found = {result.name: result.findings for result in await reconcile.run(session) if not result.ok}
        assert list(found) == ["history of holds"]
        assert [finding.amounts for finding in found["history of holds"]] == [
            {"rest": Money(3_999_999, "USD"), "history": Money(4_000_000, "USD")}
        ]

    async def test_finds_a_hold_of_which_more_happened_than_is_told(self, database: Database, owner_url: str) -> None:
        await _books(database)
        _tamper(owner_url, "UPDATE ledger.hold SET events = events + 1 WHERE NOT closed")
        assert list(await _found(database)) == ["history of holds"]

    @pytest.mark.parametrize("hold", ["NOT closed", "closed"])
    async def test_finds_a_hold_without_a_history(self, database: Database, owner_url: str, hold: str) -> None:
        await _books(database)
        _tamper(
            owner_url,
            f"DELETE FROM ledger.hold_event WHERE hold_id IN (SELECT id FROM ledger.hold WHERE {hold})",
        )
        async with database.transaction() as session:
            found = {result.name: result.findings for result in await reconcile.run(session) if not result.ok}
        assert list(found) == ["history of holds"]
        rest = {"NOT closed": 4_000_000, "closed": 0}[hold]
        assert [finding.amounts for finding in found["history of holds"]] == [
            {"rest": Money(rest, "USD"), "history": Money(0, "USD")}
        ]


class TestLots:
    """Each payment has a lot of what it paid, and no wallet holds more than its lots have left."""

    async def _spent(self, database: Database) -> None:
        """Payments of 20 and 10 are spent and 3 are owed, which the newest, of 7, clears; 1 of it is spent."""
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            await top_up(session, organization, "10")
            hold = await new_hold(session, organization, "30")
            await charge(session, hold.id, "33", overrun=True)
            await top_up(session, organization, "7")
            await charge(session, (await new_hold(session, organization, "1")).id, "1")
        assert await _found(database) == {}

    async def test_that_say_another_sum_than_was_paid(self, database: Database, owner_url: str) -> None:
        await self._spent(database)
        _tamper(owner_url, "UPDATE ledger.topup_lot SET paid = paid + 1 WHERE paid = 7000000")
        found = await _found(database)
        assert (list(found), len(found["lots against entries"])) == (["lots against entries"], 1)

    async def test_that_are_of_another_wallet(self, database: Database, owner_url: str) -> None:
        await self._spent(database)
        async with database.transaction() as session:
            await new_wallet(session)
        other = "(SELECT max(id) FROM ledger.wallet)"
        _tamper(owner_url, f"UPDATE ledger.topup_lot SET wallet_id = {other} WHERE paid = 7000000")
        assert list(await _found(database)) == ["lots against entries"]

    async def test_that_are_gone(self, database: Database, owner_url: str) -> None:
        await self._spent(database)
        _tamper(owner_url, "DELETE FROM ledger.topup_lot WHERE paid = 7000000")
        [subject] = (await _found(database))["lots against entries"]
        assert subject.startswith("of entry ")

    async def test_that_have_less_left_than_is_in_the_wallet(self, database: Database, owner_url: str) -> None:
        await self._spent(database)
        _tamper(owner_url, "UPDATE ledger.topup_lot SET refunded = paid")
        assert list(await _found(database)) == ["wallets against lots"]

    async def test_that_have_left_just_what_is_in_the_wallet_are_fine(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "10")
            entry = await charge(session, (await new_hold(session, organization, "4")).id, "4")
            await entries.reverse(session, entry, idempotency_key=key(), reason="In error")
        assert await _found(database) == {}


class TestPromotionalLots:
    """Each gift has a lot of what was given, and no account has more promotional money than its lots have left."""

    async def _given(self, database: Database) -> None:
        """A gift of which a part was spent, and one that expired."""
        async with database.transaction() as session:
            organization = await new_wallet(session)
            await grant(session, organization, "3")
            hold = await new_hold(session, organization, "1.5")
            lot = await lot_of(session, await grant_that_ends(session, organization, "2"))
            await credits.expire(session, lot, organization_id=organization, currency="USD")
            await charge(session, hold.id, "1")
        assert await _found(database) == {}

    async def test_that_have_less_left_than_is_there(self, database: Database, owner_url: str) -> None:
        await self._given(database)
        _tamper(owner_url, "UPDATE ledger.promo_lot SET rest = 1999999 WHERE amount = 3000000")
        assert list(await _found(database)) == ["promotional money against lots"]

    async def test_that_are_gone(self, database: Database, owner_url: str) -> None:
        await self._given(database)
        _tamper(owner_url, "DELETE FROM ledger.promo_lot")
        assert list(await _found(database)) == ["promotional money against lots"]

    @pytest.mark.parametrize("change", ["amount = amount + 1", "expired = expired - 1", "expired = 0"])
    async def test_that_say_another_sum_than_was_posted(self, database: Database, owner_url: str, change: str) -> None:
        await self._given(database)
        _tamper(owner_url, f"UPDATE ledger.promo_lot SET {change} WHERE amount = 2000000")
        assert list(await _found(database)) == ["promotional lots against entries"]

    async def test_that_expired_and_stay(self, database: Database, owner_url: str) -> None:
        await self._given(database)
        for ago, found in (("23 hours", []), ("25 hours", ["expired credit"])):
            _tamper(owner_url, f"UPDATE ledger.promo_lot SET expires_at = now() - interval '{ago}' WHERE rest > 0")
            assert list(await _found(database)) == found


class TestSeals:
    """Whoever reckons the hashes anew still leaves a seal that does not follow from the one before."""

    async def test_that_follow_another_than_the_one_before(self, database: Database, owner_url: str) -> None:
        await _books(database)
        _tamper(
            owner_url,
            r"UPDATE ledger.seal SET prev_hash = '\x01', hash = ledger.range_hash('\x01', from_id, to_id) "
            "WHERE from_id > 1",
        )
        assert list(await _found(database)) == ["seals"]

    async def test_that_begin_after_a_gap(self, database: Database, owner_url: str) -> None:
        await _books(database)
        _tamper(
            owner_url,
            "DELETE FROM ledger.seal WHERE from_id = 1",
            r"UPDATE ledger.seal SET prev_hash = '\x00', hash = ledger.range_hash('\x00', from_id, to_id)",
        )
        assert list(await _found(database)) == ["seals"]
