"""Launching: everything or nothing, and never more than there is."""

import asyncio
from unittest.mock import patch

import pytest

from sublet.allocations import launch
from sublet.allocations.launch import NameTaken, PriceChanged
from sublet.catalog import prices
from sublet.core.actors import system_actor
from sublet.core.db import Database
from sublet.core.errors import NotFound
from sublet.core.money import Rate
from sublet.findings import findings, launches
from sublet.findings.findings import Severity
from sublet.ledger.failures import InsufficientFunds
from sublet.scheduling.claims import NoCapacity
from sublet.scheduling.offers import LaunchesStopped
from tests.allocations.rental import Rental, customer
from tests.support.policy import DEFAULT_LAUNCHES, DEFAULT_POLICY

pytestmark = pytest.mark.anyio

EVERYTHING = """
    SELECT (SELECT count(*) FROM allocation) + (SELECT count(*) FROM claim) + (SELECT count(*) FROM ledger.hold)
         + (SELECT count(*) FROM allocation_operation) + (SELECT count(*) FROM allocation_history)
         + (SELECT count(*) FROM audit_event WHERE action LIKE 'allocation.%')
         + (SELECT count(*) FROM outbox_event WHERE type LIKE 'allocation.%' OR type LIKE 'operation.%')
         + (SELECT count(*) FROM work) AS total
"""


class Broken(RuntimeError):
    """A part of the launch failed."""


def breaks(*_arguments: object, **_options: object) -> None:
    raise Broken


class TestALaunchThatAnOperatorHasToLookAt:
    async def test_is_refused_for_as_long_as_the_finding_is_open(self, rental: Rental) -> None:
        async with rental.database.transaction() as session:
            finding = await findings.open_finding(
                session,
                code=launches.STOP_CODE,
                subject_type=launches.STOP_SUBJECT,
                subject_id=rental.actor.organization,
                severity=Severity.CRITICAL,
            )
        with pytest.raises(LaunchesStopped, match="Nothing was launched"):
            await rental.launch()
        async with rental.database.transaction() as session:
            await findings.close_by_id(session, finding, by="Ada", reason="settled")
        await rental.launch()


class TestLaunch:
    async def test_holds_funds_claims_capacity_and_queues_in_one_transaction(self, rental: Rental) -> None:
        allocation_id = await rental.launch(name="first")
        row = await rental.row(allocation_id)
        assert (row.state, row.name, row.node_id) == ("queued", "first", rental.node_id)
        assert row.login == f"al-{allocation_id[3:]}"
        assert row.uid >= 200000
        wallet = await rental.wallet()
        assert wallet.held.decimal_string() == "0.456"  # an hour, a minute to notice and a quarter of grace
        assert await rental.all("SELECT id FROM work WHERE ready_at <= clock_timestamp()") == [allocation_id]
        assert (await rental.events())[0] == "allocation.created"

    @pytest.mark.parametrize(
        "part",
        [
            "holds.place",
            "claims.claim",
            "names.generate",
            "next_uid",
            "_insert",
            "begin",
            "operations.start",
            "record",
            "leases.make_due",
        ],
    )
    async def test_leaves_nothing_when_any_part_fails(self, rental: Rental, part: str) -> None:
        with patch(f"sublet.allocations.launch.{part}", breaks), pytest.raises(Broken):
            await rental.launch()
        assert (await rental.one(EVERYTHING)).total == 0
        assert (await rental.wallet()).held.micro == 0

    async def test_gives_readable_names_and_refuses_one_that_is_taken(self, rental: Rental) -> None:
        first = await rental.row(await rental.launch())
        assert launch.names.is_allowed(first.name)
        with pytest.raises(NameTaken):
            await rental.launch(name=first.name)
        assert (await rental.one("SELECT count(*) AS total FROM claim")).total == 1

    async def test_a_name_can_be_used_again_when_its_allocation_has_ended(self, rental: Rental) -> None:
        await rental.release(await rental.launch(name="again"))
        assert (await rental.row(await rental.launch(name="again"))).state == "queued"

    async def test_refuses_a_price_that_the_customer_did_not_see(self, rental: Rental) -> None:
        async with rental.database.transaction() as session:
            seen = (await prices.in_force(session, [rental.sku.id], currency="USD"))[rental.sku.id]
        async with rental.database.transaction() as session:
            await prices.create(
                session,
                system_actor("test"),
                sku_id=rental.sku.id,
                per_hour=Rate.parse("9", "USD"),
                suspended_claim="always",
                suspended_per_hour=Rate.parse("0", "USD"),
            )
        with pytest.raises(PriceChanged):
            await rental.launch(price_id=seen.id)
        assert (await rental.wallet()).held.micro == 0

    async def test_locks_the_price_for_as_long_as_it_runs(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        async with rental.database.transaction() as session:
            await prices.create(
                session,
                system_actor("test"),
                sku_id=rental.sku.id,
                per_hour=Rate.parse("9", "USD"),
                suspended_claim="always",
                suspended_per_hour=Rate.parse("0", "USD"),
            )
        meter = await rental.one("SELECT nano_per_hour FROM meter WHERE subject_id = :id", id=allocation_id)
        assert meter.nano_per_hour == 360_000_000

    async def test_says_why_not_without_funds_capacity_or_offer(self, database: Database) -> None:
        rental = await Rental.open(database, amount="0.45")
        with pytest.raises(InsufficientFunds):
            await rental.launch()
        with pytest.raises(NotFound):
            async with database.transaction() as session:
                await launch.launch(
                    session, rental.actor, "sku_none", currency="USD", policy=DEFAULT_POLICY, launches=DEFAULT_LAUNCHES
                )
        await rental.run("UPDATE node SET state = 'cordoned'")
        with pytest.raises(NoCapacity):
            await rental.launch(await customer(database))
        assert (await rental.one(EVERYTHING)).total == 0


def _won(answers: list[object]) -> list[str]:
    return [answer for answer in answers if isinstance(answer, str)]


class TestMany:
    async def test_a_hundred_launches_for_the_last_gpu_give_one_allocation(self, database: Database) -> None:
        rental = await Rental.open(database, gpu_model="A", gpu_count=1, vcpu=1, memory_mib=64, disk_gib=1)
        customers = [await customer(database) for _ in range(4)]
        answers = await asyncio.gather(
            *(rental.launch(customers[number % 4]) for number in range(100)), return_exceptions=True
        )
        assert len(_won(answers)) == 1
        assert {type(answer) for answer in answers} == {str, NoCapacity}
        assert await rental.disagreements() == []
        held = await rental.one("SELECT count(*) AS holds FROM ledger.open_hold")
        assert held.holds == 1

    async def test_parallel_launches_never_hold_more_than_the_wallet_has(self, database: Database) -> None:
        rental = await Rental.open(database, amount="2.00", vcpu=1, memory_mib=16, disk_gib=1)
        await rental.run("UPDATE node SET inventory = jsonb_set(inventory, '{vcpu}', '1000')")
        answers = await asyncio.gather(*(rental.launch() for _ in range(30)), return_exceptions=True)
        assert len(_won(answers)) == 4  # of 0.456 each
        assert {type(answer) for answer in answers} == {str, InsufficientFunds}
        wallet = await rental.wallet()
        assert wallet.available.micro >= 0
        assert await rental.disagreements() == []


class TestNames:
    @pytest.mark.parametrize("name", ["ab", "a-1", "x" * 31])
    def test_these_may_be_chosen(self, name: str) -> None:
        assert launch.names.is_allowed(name)

    @pytest.mark.parametrize("name", ["", "a", "1a", "A1", "a_b", "x" * 32, "a b", "ab\n"])
    def test_these_may_not(self, name: str) -> None:
        assert not launch.names.is_allowed(name)
