"""What is charged: once, from the hold, and to the micro."""

import asyncio

import psycopg
import pytest
from sqlalchemy import text

from sublet.billing import checks, meters, settlement, usage
from sublet.billing.cost import cost_of
from sublet.billing.policy import Policy
from sublet.catalog.meter_kinds import MeterKind
from sublet.core.db import Database, Session
from sublet.core.errors import Conflict
from sublet.core.money import Rate
from sublet.ledger import charges, credits, holds, wallets
from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from tests.billing.usage import charged_micro, new_subject, observe_until, settle_due
from tests.ledger.books import assert_books_are_sound, key, new_wallet, usd
from tests.support.policy import DEFAULT_POLICY

pytestmark = pytest.mark.anyio

EAGER = Policy(data_kept_days=14, settle_interval_seconds=1)


async def _sound(session: Session) -> None:
    await assert_books_are_sound(session)
    failed = {result.name: result.findings for result in await checks.run(session) if not result.ok}
    failed.pop("metering behind", None)  # these subjects live in the past
    assert failed == {}


class TestOne:
    async def test_ten_settlements_charge_once(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await observe_until(session, subject, 600)
        for _ in range(10):
            async with database.transaction() as session:
                await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)
        async with database.transaction() as session:
            wallet = await wallets.wallet(session, subject.organization, currency="USD")
            await _sound(session)
        assert wallet.balance == usd("19.94")

    async def test_ten_at_the_same_time_charge_once(self, database: Database) -> None:
        async def settle() -> None:
            async with database.transaction() as session:
                await settlement.settle(session, subject.id, final=True, policy=DEFAULT_POLICY)

        async with database.transaction() as session:
            subject = await new_subject(session)
            await observe_until(session, subject, 600)
            await meters.stop(session, subject.id, subject.at(600))
        await asyncio.gather(*(settle() for _ in range(10)))
        async with database.transaction() as session:
            wallet = await wallets.wallet(session, subject.organization, currency="USD")
            await _sound(session)
        assert (wallet.balance, wallet.held) == (usd("19.94"), usd("0"))

    async def test_the_end_gives_the_rest_of_the_hold_back(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await observe_until(session, subject, 600)
            await meters.stop(session, subject.id, subject.at(600))
            settled = await settlement.settle(session, subject.id, final=True, policy=DEFAULT_POLICY)
            wallet = await wallets.wallet(session, subject.organization, currency="USD")
            hold = await holds.get(session, subject.hold_id)
        assert settled.amount == usd("0.06")
        assert (wallet.balance, wallet.held, hold.closed) == (usd("19.94"), usd("0"), True)

    async def test_a_running_one_has_no_final_settlement(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            with pytest.raises(Conflict):
                await settlement.settle(session, subject.id, final=True, policy=DEFAULT_POLICY)

    async def test_what_exceeds_the_hold_comes_from_the_wallet_and_is_owed_at_last(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session, funds="1", held=usd("0.4"))
            await observe_until(session, subject, 13_000)
            await meters.stop(session, subject.id, subject.at(13_000))
            await settlement.settle(session, subject.id, final=True, policy=DEFAULT_POLICY)
            wallet = await wallets.wallet(session, subject.organization, currency="USD")
            await _sound(session)
        assert (wallet.balance, wallet.receivable, wallet.held) == (usd("0"), usd("0.3"), usd("0"))

    async def test_promotional_money_pays_first(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await credits.grant(session, subject.organization, usd("0.05"), idempotency_key=key(), reason="Welcome")
            await observe_until(session, subject, 600)
            await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)
            wallet = await wallets.wallet(session, subject.organization, currency="USD")
            await _sound(session)
        assert (wallet.promo, wallet.balance) == (usd("0"), usd("19.99"))

    async def test_every_charge_names_interval_price_evidence_and_entry(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await observe_until(session, subject, 600)
            settled = await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)
            (charge,) = await usage.charges_for(session, subject.id, limit=10)
            assert await usage.charges_of(session, subject.organization, limit=10) == [charge]
        assert (charge.period_start, charge.period_end, charge.seconds) == (subject.at(0), subject.at(600), 600)
        assert (charge.price_id, charge.kind, charge.amount) == (subject.price_id, "running", usd("0.06"))
        assert (charge.evidence_at, charge.ledger_entry_id) == (subject.at(600), settled.entry_id)


class TestMany:
    async def test_are_charged_in_one_entry(self, database: Database) -> None:
        async with database.transaction() as session:
            subjects = [await new_subject(session, policy=EAGER, held=usd("5")) for _ in range(5)]
            for subject in subjects:
                await observe_until(session, subject, 600)
        async with database.transaction() as session:
            settled = await settle_due(session)
        async with database.transaction() as session:
            again = await settle_due(session)
            entries = await session.execute(text("SELECT DISTINCT ledger_entry_id FROM usage_charge"))
            charged = [await charged_micro(session, subject) for subject in subjects]
            await _sound(session)
            assert len(entries.all()) == 1
        assert (settled, again) == (5, 0)
        assert charged == [60_000] * 5

    async def test_one_without_funds_stops_nobody_and_owes(self, database: Database) -> None:
        async with database.transaction() as session:
            rich = await new_subject(session, policy=EAGER, held=usd("5"))
            poor = await new_subject(session, policy=EAGER, funds="0.01", held=usd("0.01"))
            for subject in (rich, poor):
                await observe_until(session, subject, 600)
            await settle_due(session)
            found = [await wallets.wallet(session, subject.organization, currency="USD") for subject in (rich, poor)]
            await _sound(session)
        assert found[0].balance == usd("19.94")
        assert (found[1].balance, found[1].receivable) == (usd("0"), usd("0.05"))

    async def test_two_settlers_and_top_ups_at_once_charge_once(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "50")
            subjects = [
                await new_subject(session, policy=EAGER, organization=organization, held=usd("0.03")) for _ in range(8)
            ]
            for subject in subjects:
                await observe_until(session, subject, 600)

        async def settle_all() -> None:
            async with database.transaction() as session:
                await settle_due(session)

        async def settle_one(subject_id: str) -> None:
            async with database.transaction() as session:
                await settlement.settle(session, subject_id, final=False, policy=DEFAULT_POLICY)

        async with asyncio.timeout(60):
            await asyncio.gather(*(settle_all() for _ in range(3)), *(settle_one(subject.id) for subject in subjects))
        async with database.transaction() as session:
            wallet = await wallets.wallet(session, organization, currency="USD")
            await _sound(session)
        assert wallet.balance == usd("49.52")

    async def test_charges_add_up_to_price_times_seconds(self, database: Database) -> None:
        odd = Rate(333_333_333, "USD")
        async with database.transaction() as session:
            subject = await new_subject(session, rate=odd, policy=EAGER)
        for step in range(1, 12):
            async with database.transaction() as session:
                await observe_until(session, subject, step * 100, since=(step - 1) * 100)
                await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)
        async with database.transaction() as session:
            total = await charged_micro(session, subject)
            cost = (await cost_of(session, [subject.id]))[subject.id]
        assert total == 333_333_333 * 1100 // 3_600_000
        assert cost.charged.micro == total


class TestRecords:
    async def test_are_never_changed(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await observe_until(session, subject, 600)
            await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)
        for table in ("usage_record", "usage_charge", "unmetered_interval"):
            for attempt in (
                f"DELETE FROM {table}",
                f"UPDATE {table} SET subject_id = 'x'",
                f"TRUNCATE {table} CASCADE",
            ):
                with pytest.raises(Exception, match="permission denied"):
                    async with database.transaction() as session:
                        await session.execute(text(attempt))

    async def test_check_finds_a_charge_without_usage(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await charges.capture(
                session,
                subject.hold_id,
                usd("0.1"),
                meter_kind="compute",
                source_type="subject",
                source_id=subject.id,
                idempotency_key=key(),
                description="Out of nowhere",
            )
            failed = {result.name for result in await checks.run(session) if not result.ok}
        assert "usage charges against revenue" in failed

    @pytest.mark.parametrize("together", [True, False], ids=["together", "singly"])
    async def test_name_sku_node_and_kind_and_are_revenue_of_that_kind(
        self, database: Database, together: bool
    ) -> None:
        async with database.transaction() as session:
            subjects = [await new_subject(session, meter_kind=kind) for kind in MeterKind]
            for subject in subjects:
                await observe_until(session, subject, 600)
                if not together:
                    await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)
            if together:
                await session.execute(text("UPDATE meter SET settle_due_at = clock_timestamp()"))
                await settle_due(session)
            rows = await session.execute(
                text(
                    "SELECT r.meter_kind, c.meter_kind, r.sku_id, r.node_id, a.kind::text, e.kind::text, c.amount "
                    "FROM usage_record r JOIN usage_charge c USING (subject_id, period_start) "
                    "JOIN ledger.ledger_entry e ON e.id = c.ledger_entry_id "
                    "JOIN ledger.posting p ON p.entry_id = e.id AND p.account_seq IS NULL "
                    "JOIN ledger.account a ON a.id = p.account_id"
                )
            )
            found = {tuple(row) for row in rows}
            await _sound(session)
        entry = "usage_batch" if together else "usage"
        assert found == {
            (kind, kind, subject.sku_id, "nd_1", f"revenue_{kind}", entry, 60_000)
            for kind, subject in zip(MeterKind, subjects, strict=True)
        }

    async def test_check_finds_revenue_of_another_kind(
        self, database: Database, postgres: EmbeddedPostgres, database_name: str
    ) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await observe_until(session, subject, 600)
            await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)
        with psycopg.connect(postgres.url("sublet_owner", database_name), autocommit=True) as owner:
            owner.execute("SET session_replication_role = replica")
            owner.execute("UPDATE usage_charge SET meter_kind = 'storage'")
        async with database.transaction() as session:
            [found] = [
                result for result in await checks.run(session) if not result.ok and result.name != "metering behind"
            ]
        assert found.name == "usage charges against revenue"
        assert {finding.subject_id.partition("/")[2]: finding.amounts for finding in found.findings} == {
            "compute": {"charges": usd("0"), "revenue": usd("0.06")},
            "storage": {"charges": usd("0.06"), "revenue": usd("0")},
        }
