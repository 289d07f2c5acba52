"""The queue of passwords: a few at a time, so many waiting, origins in turn, and nothing else held up."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from sublet.identity import hash_queue
from sublet.identity.api import PASSWORDS
from sublet.identity.errors import PasswordsWait, TooManyAttempts
from sublet.identity.hash_queue import HashQueue, Origin
from tests.identity.house import House, log_in, new_email, sign_up
from tests.support.plans import recorded

pytestmark = pytest.mark.anyio

EMAIL = "ada@customer.example"
DEADLINE = 20.0


@dataclass
class Slow:
    """Work that takes as long as a test lets it."""

    let: threading.Event = field(default_factory=threading.Event)
    begun: list[str] = field(default_factory=list)
    running: int = 0
    most: int = 0

    def of(self, name: str) -> Callable[[], str]:
        """Work of that name."""

        def work() -> str:
            self.begun.append(name)
            self.running += 1
            self.most = max(self.most, self.running)
            assert self.let.wait(DEADLINE)
            self.running -= 1
            return name

        return work


@pytest.fixture
def slow() -> Iterator[Slow]:
    slow = Slow()
    yield slow
    slow.let.set()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.sleep(0.005)


def asked(queue: HashQueue, slow: Slow, *names: str) -> list[asyncio.Task[str]]:
    """Work of these names, each `ORIGIN NUMBER`, asked for in this order."""
    return [asyncio.create_task(queue.run(Origin(name.split()[0]), slow.of(name))) for name in names]


class TestQueue:
    async def test_does_so_many_at_a_time(self, slow: Slow) -> None:
        queue = HashQueue(waiting=10, at_once=2)
        tasks = asked(queue, slow, *(f"o{number} 1" for number in range(6)))
        await until(lambda: len(slow.begun) == 2)
        slow.let.set()
        assert await asyncio.gather(*tasks) == [f"o{number} 1" for number in range(6)]
        assert slow.most == 2

    async def test_turns_away_who_comes_when_it_is_full_and_says_how_many_wait(self, slow: Slow) -> None:
        queue = HashQueue(waiting=3, at_once=1)
        tasks = asked(queue, slow, *(f"o{number} 1" for number in range(4)))
        await until(lambda: len(slow.begun) == 1)
        with pytest.raises(PasswordsWait, match=r"^3 passwords wait .* nothing was changed\. Try again in 2 seconds"):
            await queue.run(Origin("late"), slow.of("late 1"))
        slow.let.set()
        await asyncio.gather(*tasks)
        assert await queue.run(Origin("late"), slow.of("late 1")) == "late 1", "and takes on again"

    async def test_lets_a_known_browser_wait_beside_a_full_queue(self, slow: Slow) -> None:
        queue = HashQueue(waiting=1, at_once=1)
        tasks = asked(queue, slow, "a 1", "b 1")
        await until(lambda: len(slow.begun) == 1)
        known = asyncio.create_task(queue.run(Origin("owner", known=True), slow.of("owner 1")))
        await asyncio.sleep(0)
        slow.let.set()
        assert await known == "owner 1"
        await asyncio.gather(*tasks)

    async def test_gives_every_second_turn_to_known_browsers(self, slow: Slow) -> None:
        queue = HashQueue(waiting=20, at_once=1)
        strangers = [Origin(f"stranger {number}") for number in range(3)]
        known = [Origin(f"known {number}", known=True) for number in range(2)]
        tasks = [
            asyncio.create_task(queue.run(origin, slow.of(origin.name)))
            for origin in (Origin("first"), *strangers, *known)
        ]
        await until(lambda: len(slow.begun) == 1)
        await asyncio.sleep(0)
        slow.let.set()
        await asyncio.gather(*tasks)
        assert slow.begun == ["first", "known 0", "stranger 0", "known 1", "stranger 1", "stranger 2"]

    async def test_looks_nothing_up_for_who_is_turned_away(self, house: House, slow: Slow) -> None:
        house.parts.put(PASSWORDS, full := HashQueue(waiting=1, at_once=1))
        tasks = asked(full, slow, "a 1", "b 1")
        await until(lambda: len(slow.begun) == 1)
        with recorded(house.database) as statements:
            assert (await log_in(house.browser(), EMAIL)).status_code == 503
        assert statements == []
        slow.let.set()
        await asyncio.gather(*tasks)

    async def test_counts_no_wrong_password_for_who_is_turned_away(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def is_full_by_now(*_: object) -> None:
            raise PasswordsWait(64, 2)

        monkeypatch.setattr(HashQueue, "run", is_full_by_now)
        browser = house.browser()
        assert {(await log_in(browser, EMAIL)).status_code for _ in range(30)} == {503}
        assert await house.rows("SELECT sum(attempts) FROM throttle") == [(0,)]

    async def test_lets_origins_take_turns(self, slow: Slow) -> None:
        queue = HashQueue(waiting=20, at_once=1)
        tasks = asked(queue, slow, *(f"flood {number}" for number in range(5)), "owner 1")
        await until(lambda: len(slow.begun) == 1)
        slow.let.set()
        await asyncio.gather(*tasks)
        assert slow.begun.index("owner 1") == 2, "whoever floods waits behind everybody else with each but its first"

    async def test_gives_an_origin_a_share_of_the_places(self) -> None:
        queue = HashQueue(waiting=8, at_once=1)
        async with queue.place(Origin("flood")), queue.place(Origin("flood")):
            with pytest.raises(TooManyAttempts):
                await queue.place(Origin("flood")).__aenter__()
            async with queue.place(Origin("owner")):
                pass
        async with queue.place(Origin("flood")):
            pass

    async def test_turns_away_the_last_of_who_has_most_waiting_once_it_is_full(self, slow: Slow) -> None:
        queue = HashQueue(waiting=3, at_once=1)
        flood = asked(queue, slow, *(f"flood {number}" for number in range(4)))
        await until(lambda: len(slow.begun) == 1)
        (owner,) = asked(queue, slow, "owner 1")
        with pytest.raises(PasswordsWait):
            await flood[3]
        with pytest.raises(PasswordsWait):
            await queue.run(Origin("flood"), slow.of("flood 4"))
        slow.let.set()
        assert await owner == "owner 1"
        await asyncio.gather(*flood[:3])
        assert slow.begun == ["flood 0", "flood 1", "owner 1", "flood 2"]

    async def test_holds_so_many_back_of_one_address_and_of_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(hash_queue, "SLOWED_AT_ONCE", hash_queue.SLOWED_EACH + 1)
        queue = HashQueue(waiting=4, at_once=1)
        held = [asyncio.create_task(queue.slow("one", DEADLINE)) for _ in range(hash_queue.SLOWED_EACH)]
        await asyncio.sleep(0)
        with pytest.raises(TooManyAttempts):
            await queue.slow("one", DEADLINE)
        held.append(asyncio.create_task(queue.slow("two", DEADLINE)))
        await asyncio.sleep(0)
        with pytest.raises(PasswordsWait):
            await queue.slow("three", DEADLINE)
        await queue.slow("three", 0.0)
        for task in held:
            task.cancel()
        await asyncio.gather(*held, return_exceptions=True)
        await queue.slow("one", 0.001)

    async def test_keeps_a_core_taken_until_its_work_has_ended(self, slow: Slow) -> None:
        queue = HashQueue(waiting=1, at_once=1)
        (gone,) = asked(queue, slow, "gone 1")
        await until(lambda: len(slow.begun) == 1)
        gone.cancel()
        (after,) = asked(queue, slow, "after 1")
        await asyncio.gather(gone, return_exceptions=True)
        with pytest.raises(PasswordsWait):
            await queue.run(Origin("late"), slow.of("late 1"))
        slow.let.set()
        assert await after == "after 1"
        assert slow.most == 1

    async def test_takes_back_a_turn_from_who_goes_at_that_moment(self) -> None:
        queue = HashQueue(waiting=5, at_once=1)
        await queue._turn(Origin("first"))
        gone = asyncio.create_task(queue._turn(Origin("gone")))
        await asyncio.sleep(0)
        queue._hand_on()
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        async with asyncio.timeout(DEADLINE):
            assert await queue.run(Origin("after"), lambda: "after") == "after"

    async def test_passes_over_who_has_gone_while_waiting(self, slow: Slow) -> None:
        queue = HashQueue(waiting=5, at_once=1)
        first, gone, after = asked(queue, slow, "first 1", "gone 1", "after 1")
        await until(lambda: len(slow.begun) == 1)
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        slow.let.set()
        await asyncio.gather(first, after)
        assert slow.begun == ["first 1", "after 1"]


class TestSigningIn:
    async def test_beyond_the_queue_is_told_when_to_come_again(self, house: House, slow: Slow) -> None:
        await house.customer(EMAIL)
        house.parts.put(PASSWORDS, full := HashQueue(waiting=1, at_once=1))
        tasks = asked(full, slow, "a 1", "b 1")
        await until(lambda: len(slow.begun) == 1)
        for answer in (await log_in(house.browser(), EMAIL), await sign_up(house.browser(), new_email())):
            assert (answer.status_code, answer.json()["code"]) == (503, "passwords_wait")
            assert answer.headers["retry-after"] == "2"
            assert answer.headers["content-type"] == "application/problem+json"
        assert (await house.rows("SELECT count(*) FROM audit_event WHERE action = 'login.refused'"))[0][0] == 0
        slow.let.set()
        await asyncio.gather(*tasks)
        assert (await log_in(house.browser(), EMAIL)).status_code == 200

    async def test_by_the_hundred_holds_up_no_other_request(self, house: House) -> None:
        me = await house.customer(EMAIL)

        async def seconds() -> float:
            started = time.perf_counter()
            assert (await me.get("/api/v1/me")).status_code == 200
            return time.perf_counter() - started

        usual = sorted([await seconds() for _ in range(20)])[10]
        flood = [
            asyncio.create_task(log_in(house.browser(f"10.{number}.0.1"), f"{number}@customer.example", "wrong"))
            for number in range(100)
        ]
        await until(lambda: any(task.done() for task in flood))
        beside = []
        while not all(task.done() for task in flood):
            beside.append(await seconds())
        codes = {task.result().status_code for task in flood}
        assert codes == {401, 503}, "more came than may wait"
        assert len(beside) >= 10
        assert sorted(beside)[len(beside) // 2] <= max(0.1, 10 * usual), (usual, sorted(beside))
