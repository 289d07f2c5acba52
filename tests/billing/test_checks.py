"""What only one check of billing finds, planted by somebody who owns the database and switches every guard off."""

import psycopg
import pytest

from sublet.billing import checks, settlement
from sublet.core.db import Database, Session
from sublet.core.money import Money, Rate
from sublet.findings.checks import Finding
from tests.billing.usage import Subject, charged_micro, new_subject, observe_until
from tests.ledger.books import new_wallet, usd
from tests.support.policy import DEFAULT_POLICY

pytestmark = pytest.mark.anyio

PAYERS = "usage charges against who paid"
OWNERS = "one organization to a subject"
PRICES = "rates against prices"
RATES = "charges against rates"
CURRENT_PRICE = (
    "INSERT INTO price (id, sku_id, currency, nano_per_hour, suspended_nano_per_hour, suspended_claim, effective_at) "
    "SELECT 'prc_other', {}, {}, nano_per_hour, suspended_nano_per_hour, 'always', now() FROM price LIMIT 1"
)


async def _charged(database: Database) -> Subject:
    """A subject of which ten minutes are charged for, beside another organization with a wallet."""
    async with database.transaction() as session:
        await new_wallet(session, "20")
        subject = await new_subject(session)
        await observe_until(session, subject, 600)
        await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)
        assert await _found(session) == {}
    return subject


async def _found(session: Session) -> dict[str, list[Finding]]:
    """What each check says that found something; the subjects live in the past, which is no fault here."""
    results = await checks.run(session)
    return {one.name: one.findings for one in results if not one.ok and one.name != "metering behind"}


async def _found_after(database: Database, owner_url: str, *planted: str) -> dict[str, list[Finding]]:
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute("SET session_replication_role = replica")
        for statement in planted:
            assert owner.execute(statement.encode()).rowcount > 0
    async with database.transaction() as session:
        return await _found(session)


class TestUsage:
    async def test_that_is_measured_twice_is_found(self, database: Database, owner_url: str) -> None:
        await _charged(database)
        found = await _found_after(
            database,
            owner_url,
            "INSERT INTO usage_record SELECT subject_id, period_end - interval '1 second', period_end, 1, kind, "
            "meter_kind, sku_id, node_id, evidence_at FROM usage_record",
        )
        assert "usage measured once" in found


class TestCharges:
    async def test_in_the_name_of_another_than_who_paid(self, database: Database, owner_url: str) -> None:
        subject = await _charged(database)
        other = (
            "(SELECT owner_id, id FROM ledger.account WHERE kind = 'wallet' AND owner_id <> "
            f"'{subject.organization}') AS other"
        )
        found = await _found_after(
            database,
            owner_url,
            f"UPDATE ledger.posting p SET account_id = other.id FROM ledger.ledger_entry e, {other} "
            "WHERE e.id = p.entry_id AND e.kind = 'usage' AND p.account_seq IS NOT NULL",
        )
        assert list(found) == [PAYERS]
        mine, others = sorted(found[PAYERS], key=lambda one: not one.subject_id.endswith(subject.organization))
        assert mine.amounts == {"charges": usd("0.06"), "taken": usd("0")}
        assert others.amounts == {"charges": usd("0"), "taken": usd("0.06")}

    @pytest.mark.parametrize(
        ("planted", "told"),
        [
            ("UPDATE usage_charge SET organization_id = 'org_other', amount = 0, ledger_entry_id = NULL", "charged to"),
            ("UPDATE usage_charge SET currency = 'EUR', amount = 0, ledger_entry_id = NULL", "charged to"),
            ("UPDATE ledger.hold SET wallet_id = (SELECT max(id) FROM ledger.wallet)", "held of"),
            ("UPDATE ledger.wallet SET currency = 'EUR'", "held of"),
            ("UPDATE meter SET hold_id = 0", "held of nobody"),
        ],
        ids=["charge of another", "charge in another currency", "hold of another", "hold in another", "no hold"],
    )
    async def test_for_another_than_the_meter_is_of(
        self, database: Database, owner_url: str, planted: str, told: str
    ) -> None:
        subject = await _charged(database)
        async with database.transaction() as session:
            await new_wallet(session)  # the newest wallet is nobody's of these
        found = await _found_after(database, owner_url, planted)
        [finding] = found[OWNERS]
        assert (finding.subject_id, told in finding.problem) == (subject.id, True)

    async def test_of_what_is_not_charged_yet_are_held_of_whom_they_will_be(
        self, database: Database, owner_url: str
    ) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
        found = await _found_after(database, owner_url, "UPDATE meter SET organization_id = 'org_other'")
        assert {name: [one.subject_id for one in told] for name, told in found.items()} == {OWNERS: [subject.id]}

    @pytest.mark.parametrize("micro", [59_999, 60_002])
    async def test_of_another_amount_than_seconds_at_the_rate(
        self, database: Database, owner_url: str, micro: int
    ) -> None:
        await _charged(database)
        lines = "SELECT id FROM ledger.ledger_entry WHERE kind = 'usage'"
        found = await _found_after(
            database,
            owner_url,
            f"UPDATE usage_charge SET amount = {micro}",
            f"UPDATE ledger.posting SET amount = sign(amount) * {micro} WHERE entry_id IN ({lines})",
        )
        assert {name: [one.amounts for one in told] for name, told in found.items()} == {
            RATES: [{"charged": Money(micro, "USD"), "at the rate": usd("0.06")}]
        }

    async def test_that_complete_a_micro_unit_of_the_charge_before_are_right(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session, rate=_third_of_a_micro(), suspended_rate=_third_of_a_micro())
            for seconds in (2, 3):
                await observe_until(session, subject, seconds, since=seconds - 1)
                await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)
            assert await charged_micro(session, subject) == 1
            assert await _found(session) == {}


def _third_of_a_micro() -> Rate:
    """A rate at which three seconds cost a micro-unit."""
    return Rate(1_200_000, "USD")


class TestRates:
    @pytest.mark.parametrize(
        ("planted", "told"),
        [
            ("UPDATE meter_segment SET nano_per_hour = 1", "metered at 1 "),
            ("UPDATE meter_segment SET price_id = 'prc_other'", "metered at 360000000 "),
            ("UPDATE meter SET nano_per_hour = 1", "to be metered at 1 nano-units an hour for running"),
            ("UPDATE meter SET suspended_nano_per_hour = 1", "to be metered at 1 nano-units an hour for suspended"),
            ("UPDATE usage_charge SET price_id = 'prc_other'", "charged at 360000000 "),
            ("UPDATE usage_record SET kind = 'suspended'", "for suspended time"),
        ],
        ids=["segment", "segment's price", "meter", "suspended meter", "charge's price", "kind of time"],
    )
    async def test_are_those_of_the_meters_price(
        self, database: Database, owner_url: str, planted: str, told: str
    ) -> None:
        subject = await _charged(database)
        found = await _found_after(database, owner_url, CURRENT_PRICE.format("sku_id", "currency"), planted)
        assert {name: [one.subject_id for one in told] for name, told in found.items()} == {PRICES: [subject.id]}
        assert told in found[PRICES][0].problem

    async def test_of_a_charge_are_those_of_its_price(self, database: Database, owner_url: str) -> None:
        await _charged(database)
        found = await _found_after(
            database,
            owner_url,
            "UPDATE usage_charge SET nano_per_hour = nano_per_hour + 1",  # too little to make another amount
        )
        assert list(found) == [PRICES]

    @pytest.mark.parametrize(
        ("sku", "currency"), [("'sku_other'", "currency"), ("sku_id", "'EUR'")], ids=["another SKU", "another currency"]
    )
    async def test_are_of_a_price_of_that_sku_in_that_currency(
        self, database: Database, owner_url: str, sku: str, currency: str
    ) -> None:
        await _charged(database)
        everywhere = [
            f"UPDATE {name} SET price_id = 'prc_other'" for name in ("meter", "meter_segment", "usage_charge")
        ]
        found = await _found_after(database, owner_url, CURRENT_PRICE.format(sku, currency), *everywhere)
        assert list(found) == [PRICES]

    async def test_are_of_a_price_that_there_is(self, database: Database, owner_url: str) -> None:
        await _charged(database)
        assert list(await _found_after(database, owner_url, "DELETE FROM price")) == [PRICES]
