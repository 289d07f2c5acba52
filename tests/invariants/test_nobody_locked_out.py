"""Promise 47: nobody can lock somebody else out, by wrong guesses from anywhere, by floods, or by taking every slot.

Of a node's slots `tests/allocations/test_bulkheads.py` tells, of the database's connections `tests/core/test_turns.py`.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from sublet.core.db import Database
from sublet.entry.serve import proxy_options
from sublet.identity import throttles
from sublet.identity.api import PASSWORDS
from sublet.identity.hash_queue import HashQueue
from tests.identity.house import House, log_in, sign_up
from tests.support.app import served
from tests.support.ports import loopback_listener

pytestmark = pytest.mark.anyio

OWNER = "owner@customer.example"
WRONG = "not the owner's password"


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    house = House.build(database, tmp_path)
    assert (await sign_up(house.browser("198.51.100.1"), OWNER)).status_code == 201
    yield house
    for client in house.clients:
        await client.aclose()


class TestPromise47:
    @pytest.mark.parametrize("network", ["203.0.113.{}", "203.0.{}.9"])
    async def test_eleven_wrong_guesses_from_eleven_addresses_let_the_owner_in_from_a_twelfth(
        self, house: House, network: str
    ) -> None:
        for number in range(1, 12):
            assert (await log_in(house.browser(network.format(number)), OWNER, WRONG)).status_code == 401
        started = time.perf_counter()
        assert (await log_in(house.browser(network.format(12)), OWNER)).status_code == 200
        assert time.perf_counter() - started < throttles.LONGEST_SLOWED_SECONDS + 3

    async def test_a_hundred_wrong_guesses_from_everywhere_slow_the_owner_and_no_more(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(throttles, "LONGEST_SLOWED_SECONDS", 0.01)
        for number in range(11):
            assert (await log_in(house.browser(f"203.{number}.113.9"), OWNER, WRONG)).status_code == 401
        await house.change("UPDATE throttle SET attempts = 101 WHERE attempts = 11")  # as after ninety more
        assert (await log_in(house.browser("192.0.2.1"), OWNER)).status_code == 200
        assert (await log_in(house.browser("192.0.2.2"), OWNER)).status_code == 200, "and again"

    async def test_guesses_from_the_owners_own_network_keep_out_no_browser_that_was_signed_in_there(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(throttles, "LONGEST_SLOWED_SECONDS", 0.0)
        browser = house.browser("203.0.113.7")
        assert (await log_in(browser, OWNER)).status_code == 200
        for number in range(throttles.LOGIN_BY_PAIR.attempts):
            assert (await log_in(house.browser(f"203.0.113.{number}"), OWNER, WRONG)).status_code == 401
        assert (await log_in(house.browser("203.0.113.8"), OWNER)).status_code == 429, "the pair is closed"
        ended = "expires_at = clock_timestamp(), created_at = created_at - interval '1 hour'"
        await house.change(f"UPDATE user_session SET {ended}")
        assert (await browser.get("/api/v1/me")).status_code == 401
        assert (await log_in(browser, OWNER)).status_code == 200, "though its session has ended"

    async def test_a_browser_is_known_to_its_owners_account_alone(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(throttles, "LOGIN_BY_PAIR", throttles.Limit("pair", 2, 900))
        for _ in range(2):
            guesser = await house.customer()
            assert (await log_in(guesser, OWNER, WRONG)).status_code == 401
        assert (await log_in(await house.customer(), OWNER, WRONG)).status_code == 429

    async def test_guesses_at_many_accounts_from_a_network_close_it_for_nobody(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(throttles, "LOGIN_BY_NETWORK", throttles.Limit("network", 5, 900))
        monkeypatch.setattr(throttles, "LONGEST_SLOWED_SECONDS", 0.05)
        for number in range(8):
            assert (await log_in(house.browser("203.0.113.1"), f"{number}@customer.example")).status_code == 401
        assert (await log_in(house.browser("203.0.113.2"), OWNER)).status_code == 200

    @pytest.mark.parametrize(
        ("trusted", "network"),
        [([], "127.0.0.0/24"), (["127.0.0.1"], "198.51.100.0/24"), (["192.0.2.1"], "127.0.0.0/24")],
    )
    async def test_a_proxy_says_where_somebody_comes_from_only_if_it_is_trusted(
        self, house: House, trusted: list[str], network: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(throttles, "LOGIN_BY_NETWORK", throttles.Limit("network", 0, 900))
        monkeypatch.setattr(throttles, "LONGEST_SLOWED_SECONDS", 0.0)
        listener = loopback_listener()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        options = proxy_options(house.settings.model_copy(update={"trusted_proxies": trusted}))
        said = {"Origin": house.settings.public_url, "X-Forwarded-For": "203.0.113.5, 198.51.100.7"}
        async with served(house.app, listener, **options), httpx.AsyncClient(base_url=url, headers=said) as client:
            assert (await log_in(client, OWNER, WRONG)).status_code == 401
        counted = await house.rows("SELECT target_id FROM audit_event WHERE action = 'login.many_refused'")
        assert {row.target_id for row in counted} == {network}

    async def test_a_flood_from_one_network_keeps_nobody_elsewhere_waiting(self, house: House) -> None:
        house.parts.put(PASSWORDS, HashQueue(waiting=40, at_once=1))
        flooding, looked_at = True, 0

        async def flood(number: int) -> None:
            nonlocal looked_at
            while flooding:
                answer = await log_in(house.browser("203.0.113.1"), f"{number}@customer.example", WRONG)
                looked_at += answer.status_code == 401
                await asyncio.sleep(0.01)

        flood_tasks = [asyncio.create_task(flood(number)) for number in range(20)]
        try:
            for _ in range(3):
                before = looked_at
                assert (await log_in(house.browser("192.0.2.1"), OWNER)).status_code == 200
                assert looked_at - before <= 4, "the owner is the next, whoever waits"
        finally:
            flooding = False
            await asyncio.gather(*flood_tasks)
