"""What was taken back of several top-ups is said and withheld of each; launches stop until all of it is settled."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest

from sublet.core.errors import Conflict, NotFound
from sublet.core.money import Money
from sublet.findings import findings, launches, resolution
from sublet.findings.findings import Severity, StoredFinding
from sublet.ledger import holds
from sublet.payments.top_ups import taken_back
from tests.payments.refunds import available, funds, open_findings, paid, refund
from tests.payments.shop import Shop
from tests.payments.working import look_at
from tests.scheduling.test_lock_order import until_somebody_waits
from tests.support.app import Web

pytestmark = pytest.mark.anyio


def usd(amount: str) -> Money:
    return Money.parse(amount, "USD")


def said(taken: str, aside: str, spent: str) -> dict[str, Money]:
    return {"taken back": usd(taken), "set aside": usd(aside), "spent": usd(spent)}


async def paid_twice(shop: Shop) -> tuple[str, str, str]:
    """An organization with 20.00 of each of two card payments."""
    organization, first = await paid(shop)
    second = await shop.top_up(organization)
    await shop.pay(second)
    await look_at(shop, second["id"])
    assert await shop.balance(organization) == "40.00"
    return organization, first, second["id"]


async def spend(shop: Shop, organization: str, amount: str) -> None:
    """Put so much to another use."""
    async with shop.database.transaction() as session:
        key = f"hold:{organization}"
        await holds.place(session, organization, usd(amount), subject_id="al_1", idempotency_key=key)


async def take_back(shop: Shop, *top_ups: str) -> None:
    """Give each back at the processor, and look at each."""
    for top_up_id in top_ups:
        await refund(shop, top_up_id)
        await look_at(shop, top_up_id)


async def both_taken_back(shop: Shop) -> tuple[str, str, str]:
    """An organization of whose 40.00, both taken back, 30.00 had been put to use."""
    organization, first, second = await paid_twice(shop)
    await spend(shop, organization, "30")
    await take_back(shop, first, second)
    return organization, first, second


@asynccontextmanager
async def looked_at_meanwhile(shop: Shop, top_up_id: str) -> AsyncIterator[asyncio.Event]:
    """A look at a top-up that begins when the event is set, and has ended after the block."""
    told = asyncio.Event()

    async def look() -> None:
        await told.wait()
        await look_at(shop, top_up_id)

    looking = asyncio.create_task(look())
    yield told
    await asyncio.wait_for(looking, 20)


async def finding_of(shop: Shop, top_up_id: str) -> StoredFinding:
    [found] = [one for one in await open_findings(shop, taken_back.CODE) if one.subject_id == top_up_id]
    return found


async def resolve(shop: Shop, finding_id: str) -> None:
    async with shop.database.transaction() as session:
        resolved = await resolution.resolve(session, finding_id, consequences=taken_back.CONSEQUENCES)
        assert resolved.until is not None


async def are_stopped(shop: Shop, organization: str) -> bool:
    async with shop.database.reading() as session:
        return await launches.are_stopped(session, organization)


class TestTwoThatWereTakenBack:
    async def test_are_withheld_together(self, shop: Shop) -> None:
        organization, first, second = await paid_twice(shop)
        await take_back(shop, first, second)
        assert await available(shop, organization) == "0.00"
        assert await funds(shop, organization) == 0
        assert not await are_stopped(shop, organization)

    async def test_withhold_no_more_than_there_is(self, shop: Shop) -> None:
        organization, _, _ = await both_taken_back(shop)
        assert await available(shop, organization) == "0.00"
        assert await funds(shop, organization) == 30_000_000

    async def test_are_each_said_with_amounts_of_their_own(self, shop: Shop) -> None:
        _, first, second = await both_taken_back(shop)
        assert (await finding_of(shop, first)).amounts == said("20", "10", "10")
        assert (await finding_of(shop, second)).amounts == said("20", "0", "20")

    async def test_stop_launches_with_the_sums(self, shop: Shop) -> None:
        _, first, second = await both_taken_back(shop)
        [stop] = await open_findings(shop, launches.STOP_CODE)
        assert stop.amounts == said("40", "10", "30")
        assert stop.detail == {"top_ups": f"{first}, {second}"}

    async def test_at_the_same_time_stop_launches_with_the_sums_too(self, shop: Shop) -> None:
        organization, first, second = await paid_twice(shop)
        await spend(shop, organization, "30")
        for top_up_id in (first, second):
            await refund(shop, top_up_id)
        async with looked_at_meanwhile(shop, second) as told, shop.database.transaction() as session:
            await taken_back.lock_launch_stop(session, organization)
            await taken_back.note(session, first, usd("20"))
            told.set()
            await until_somebody_waits(shop.database)
        [stop] = await open_findings(shop, launches.STOP_CODE)
        assert stop.amounts == said("40", "10", "30")

    async def test_wait_for_their_turn_before_they_hold_the_wallet(self, shop: Shop) -> None:
        organization, first = await paid(shop)
        second = await shop.top_up(organization)
        await shop.pay(second)
        intent = shop.sandbox.client().v1.payment_intents.list({"limit": 1}).data[0]
        shop.sandbox.client().v1.refunds.create({"payment_intent": intent.id})
        async with looked_at_meanwhile(shop, second["id"]) as told, shop.database.transaction() as session:
            await taken_back.lock_launch_stop(session, organization)
            told.set()  # it is to be credited, and taken back at once
            await until_somebody_waits(shop.database)
            await taken_back.note(session, first, usd("20"))
        assert await shop.balance(organization) == "40.00"
        assert await available(shop, organization) == "0.00"


class TestAStopOfLaunches:
    async def test_ends_with_the_last_that_is_settled(self, shop: Shop) -> None:
        organization, first, second = await both_taken_back(shop)
        await resolve(shop, (await finding_of(shop, first)).id)
        [stop] = await open_findings(shop, launches.STOP_CODE)
        assert (stop.amounts, stop.detail) == (said("20", "0", "20"), {"top_ups": second})
        assert await are_stopped(shop, organization)
        await resolve(shop, (await finding_of(shop, second)).id)
        assert not await are_stopped(shop, organization)

    async def test_ends_with_two_that_are_settled_at_the_same_time(self, shop: Shop) -> None:
        organization, first, second = await both_taken_back(shop)
        one, other = (await finding_of(shop, first)).id, (await finding_of(shop, second)).id
        async with asyncio.TaskGroup() as settling, shop.database.transaction() as session:
            await taken_back.lock_launch_stop(session, organization)
            settling.create_task(resolve(shop, one))
            await until_somebody_waits(shop.database)
            await resolution.resolve(session, other, consequences=taken_back.CONSEQUENCES)
        assert not await are_stopped(shop, organization)

    async def test_is_not_resolved_before_what_it_is_for(self, shop: Shop) -> None:
        organization, first, second = await both_taken_back(shop)
        [stop] = await open_findings(shop, launches.STOP_CODE)
        await resolve(shop, (await finding_of(shop, first)).id)
        with pytest.raises(Conflict, match=f"taken back of {second}.*Nothing was changed"):
            await resolve(shop, stop.id)
        assert await are_stopped(shop, organization)
        await resolve(shop, (await finding_of(shop, second)).id)
        with pytest.raises(Conflict, match="is closed since"):
            await resolve(shop, stop.id)

    async def test_that_was_closed_before_stays_so_whatever_came_later(self, shop: Shop) -> None:
        organization, first, second = await paid_twice(shop)
        await spend(shop, organization, "30")
        await take_back(shop, first)
        [stop] = await open_findings(shop, launches.STOP_CODE)
        await resolve(shop, (await finding_of(shop, first)).id)
        await take_back(shop, second)
        with pytest.raises(Conflict, match="is closed since"):
            await resolve(shop, stop.id)
        assert await are_stopped(shop, organization)

    async def test_is_of_one_organization(self, shop: Shop) -> None:
        organization, first = await paid(shop)
        other, theirs = await paid(shop)
        for one, top_up_id in ((organization, first), (other, theirs)):
            await spend(shop, one, "20")
            await take_back(shop, top_up_id)
        await resolve(shop, (await finding_of(shop, first)).id)
        assert not await are_stopped(shop, organization)
        assert await are_stopped(shop, other)

    async def test_that_is_for_nothing_that_was_taken_back_is_resolved_like_any_finding(self, shop: Shop) -> None:
        organization = await shop.organization()
        async with shop.database.transaction() as session:
            stop = await findings.open_finding(
                session,
                code=launches.STOP_CODE,
                subject_type=launches.STOP_SUBJECT,
                subject_id=organization,
                severity=Severity.CRITICAL,
            )
        await resolve(shop, stop)
        assert not await are_stopped(shop, organization)

    async def test_is_not_begun_by_settling(self, shop: Shop) -> None:
        organization, first, second = await paid_twice(shop)
        await take_back(shop, first, second)
        await resolve(shop, (await finding_of(shop, first)).id)
        assert not await are_stopped(shop, organization)

    async def test_has_the_sums_of_each_currency(self, shop: Shop, owner_url: str) -> None:
        _, first, second = await both_taken_back(shop)
        with psycopg.connect(owner_url) as owner:
            owner.execute("UPDATE top_up SET currency = 'EUR' WHERE id = %s", [second])
        async with shop.database.transaction() as session:
            await taken_back.note(session, first, usd("21"))
        [stop] = await open_findings(shop, launches.STOP_CODE)
        euros = {f"{name} in EUR": Money(amount.micro, "EUR") for name, amount in said("20", "0", "20").items()}
        assert stop.amounts == said("21", "10", "11") | euros


class TestAnyFinding:
    async def test_is_resolved_by_itself(self, shop: Shop) -> None:
        async with shop.database.transaction() as session:
            wanted = {"subject_type": "top_up", "subject_id": "tu_gone", "severity": Severity.CRITICAL}
            opened = [
                await findings.open_finding(session, code=code, **wanted)  # type: ignore[arg-type]  # as they are
                for code in (taken_back.CODE, "payments.other")
            ]
        for finding_id in opened:
            await resolve(shop, finding_id)
        assert await open_findings(shop, "payments.other") == []

    async def test_that_is_none_is_not_found(self, shop: Shop) -> None:
        with pytest.raises(NotFound):
            await resolve(shop, "fnd_none")


class TestTheRoute:
    async def test_resolves_in_that_order(self, shop: Shop, web: Web) -> None:
        organization, top_up_id = await paid(shop)
        await spend(shop, organization, "20")
        await take_back(shop, top_up_id)
        [stop] = await open_findings(shop, launches.STOP_CODE)
        taken = await finding_of(shop, top_up_id)
        operator = await web.operator("finance")
        refused = await operator.post(f"/api/v1/admin/findings/{stop.id}/resolve", json={"reason": "they paid"})
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
        done = await operator.post(f"/api/v1/admin/findings/{taken.id}/resolve", json={"reason": "they paid"})
        assert (done.status_code, done.json()["id"]) == (200, taken.id)
        assert not await are_stopped(shop, organization)
