"""Capacity over time, held against an oracle that knows nothing of the SQL: never too much, and never too little."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from sublet.catalog.skus import Sku
from sublet.core.clock import database_now
from sublet.core.db import Database
from sublet.core.ids import new_id
from sublet.scheduling import claims
from sublet.scheduling.claims import NoCapacity
from sublet.scheduling.placement import availability
from sublet.scheduling.windows import FROM_NOW_ON, Window
from tests.scheduling import oracle
from tests.scheduling.fleet_rows import add_node
from tests.scheduling.oracle import FOREVER, Taken
from tests.scheduling.test_claims import make_sku
from tests.support.waiting import until_async

pytestmark = pytest.mark.anyio

ROUNDS_OF_A_WORKER = 30

_INSERT = text(
    """
    INSERT INTO claim (id, subject_id, node_id, sku_id, vcpu, memory_mib, disk_gib, gpu_count, during)
    VALUES (:id, :id, :node, :sku, :vcpu, :memory, :disk, 0, tstzrange(:start, :until))
    """
)
_ALONE = text(
    """
    SELECT sku_id, node_id FROM claim
     WHERE subject_id = :id AND vcpu = 0 AND until > clock_timestamp() AND lower(during) <= clock_timestamp()
    """
)
_ABOUT_TO_END = text(
    "SELECT count(*) FROM claim WHERE until BETWEEN clock_timestamp() AND clock_timestamp() + interval '20 s'"
)


async def fleet(database: Database) -> list[Sku]:
    """Three nodes that are soon full, and shapes with and without GPUs."""
    await add_node(database, "one", vcpu=4, memory_mib=8192, disk_gib=60)
    await add_node(database, "two", vcpu=8, memory_mib=8192, disk_gib=100, gpus=["A", "A", "B"])
    await add_node(database, "three", vcpu=6, memory_mib=16384, disk_gib=40, gpus=["B"])
    return [
        await make_sku(database, "small", vcpu=1, memory_mib=1024, disk_gib=5),
        await make_sku(database, "large", vcpu=3, memory_mib=4096, disk_gib=20),
        await make_sku(database, "gpu", vcpu=1, memory_mib=2048, disk_gib=10, gpu_count=1),
        await make_sku(database, "pair", vcpu=2, memory_mib=2048, disk_gib=10, gpu_count=2, gpu_model="A"),
        await make_sku(database, "whole", vcpu=2, memory_mib=2048, disk_gib=10, whole_node=True),
    ]


def window(chance: random.Random, now: datetime) -> Window:
    """Now or later, without an end, with one that comes within the test, or with one that does not."""
    start = None if chance.random() < 0.5 else now + timedelta(minutes=chance.randrange(1, 40))
    end = chance.choice([None, "soon", "later"])
    if end is None or (end == "soon" and start is not None):
        return Window(start, None if end is None else (start or now) + timedelta(minutes=1))
    length = (
        timedelta(milliseconds=chance.randrange(100, 400))
        if end == "soon"
        else timedelta(minutes=chance.randrange(1, 40))
    )
    return Window(start, (start or now) + length)


async def worker(database: Database, skus: list[Sku], seed: int) -> int:
    """Claim and free at random; how often there was nothing left."""
    chance, mine, refused = random.Random(seed), list[str](), 0
    for _ in range(ROUNDS_OF_A_WORKER):
        if mine and chance.random() < 0.35:
            async with database.transaction() as session:
                await claims.free(session, mine.pop(chance.randrange(len(mine))))
            continue
        if mine and chance.random() < 0.3:
            await park_or_return(database, chance.choice(mine), skus)
            continue
        subject = new_id("x")
        try:
            async with database.transaction() as session:
                during = window(chance, await database_now(session))
                await claims.claim(session, chance.choice(skus), subject, during=during)
            mine.append(subject)
        except NoCapacity:
            refused += 1
    return refused


async def park_or_return(database: Database, subject: str, skus: list[Sku]) -> None:
    """Give back all but the disk of a claim that has begun; or claim all of it again, where there is room by now."""
    async with database.transaction() as session:
        found = await session.execute(_ALONE, {"id": subject})
        alone = found.one_or_none()
        if alone is None:
            await claims.keep_disk(session, subject)
            return
        shape = next(sku for sku in skus if sku.id == alone.sku_id)
        await claims.claim_again(session, shape, subject, alone.node_id)


@contextmanager
def undone() -> Iterator[None]:
    """A transaction in here is taken back."""
    with pytest.raises(ZeroDivisionError):
        yield


class TestManyAtOnce:
    @pytest.mark.parametrize("seed", [1, 2])
    async def test_never_take_more_than_there_is_and_are_offered_just_what_there_is(
        self, database: Database, seed: int
    ) -> None:
        skus = await fleet(database)
        refused = await asyncio.gather(*(worker(database, skus, seed * 10 + number) for number in range(2)))
        assert sum(refused) > 0
        await until_short_windows_are_over(database)
        async with database.transaction() as session:
            await claims.recount_due(session)
        async with database.reading() as session:
            known = await oracle.read(session)
            now = await database_now(session)
        assert known.overcommitted() == []
        for during in (FROM_NOW_ON, *(window(random.Random(seed * 100 + n), now) for n in range(12))):
            start, end = during.start or now, during.end or FOREVER
            if end < now + timedelta(minutes=1):
                continue  # it would be over before it is asked for
            expected = {sku.id: known.fitting(sku, start, end) for sku in skus}
            async with database.reading() as session:
                offered = await availability(session, skus, during=during)
            assert {sku.id: offered[sku.id].available for sku in skus} == expected, during
            for sku in skus:
                assert await admitted(database, sku, during) == expected[sku.id], (sku.code, during)


async def until_short_windows_are_over(database: Database) -> None:
    async with database.reading() as session:

        async def are_over() -> bool:
            return not (await session.execute(_ABOUT_TO_END)).scalar_one()

        await until_async("the end of the short windows", are_over, seconds=10)


async def admitted(database: Database, sku: Sku, during: Window) -> int:
    """How many of a shape are admitted one after another; none of them is kept."""
    count = 0
    with undone():
        async with database.transaction() as session:
            try:
                while True:
                    await claims.claim(session, sku, new_id("x"), during=during)
                    count += 1
            except NoCapacity:
                pass
            raise ZeroDivisionError
    return count


class TestTheDatabaseAlone:
    """Rows written without asking anything first: accepted exactly when the oracle says that they fit."""

    async def test_refuses_what_fits_at_no_instant_of_its_window_or_not_at_every(self, database: Database) -> None:
        sku = (await fleet(database))[0]
        chance, answers = random.Random(7), {"accepted": 0, "refused": 0}
        with undone():
            async with database.transaction() as session:
                known = await oracle.read(session)
                now = await database_now(session)
                for number in range(150):
                    taken = self._random(chance, now, known)
                    fits = not replace(known, claims=[*known.claims, taken]).overcommitted()
                    vcpu, memory, disk = taken.amounts
                    values = {"id": f"clm_{number}", "node": taken.node_id, "sku": sku.id, "start": taken.start}
                    values |= {"vcpu": vcpu, "memory": memory, "disk": disk}
                    values["until"] = None if taken.end == FOREVER else taken.end
                    try:
                        async with session.begin_nested():
                            await session.execute(_INSERT, values)
                        answer = "accepted"
                        known = replace(known, claims=[*known.claims, taken])
                    except IntegrityError as error:
                        answer = "refused" if "has not enough left" in str(error) else str(error)
                    assert answer == ("accepted" if fits else "refused"), taken
                    answers[answer] += 1
                assert min(answers.values()) > 20
                raise ZeroDivisionError

    @staticmethod
    def _random(chance: random.Random, now: datetime, known: oracle.Fleet) -> Taken:
        start = now + timedelta(minutes=chance.randrange(0, 60))
        end = FOREVER if chance.random() < 0.1 else start + timedelta(minutes=chance.randrange(1, 30))
        node_id = chance.choice(sorted(known.capacity))
        amounts = (chance.randrange(1, 4), chance.randrange(1, 5) * 1024, chance.randrange(1, 20))
        return Taken(node_id, start, end, amounts)
