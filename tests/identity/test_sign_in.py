"""Signing in: what the cookie is like, what a refusal tells, and when a throttle closes."""

import asyncio
import time
from http.cookies import SimpleCookie
from pathlib import Path
from statistics import median

import argon2
import httpx
import pytest
import structlog.testing

from sublet.core.actors import system_actor
from sublet.core.db import Database
from sublet.core.settings import Settings
from sublet.identity import hash_queue, passwords, throttles, users
from sublet.identity.api import PASSWORDS
from sublet.identity.authentication import SessionAuthenticator
from sublet.identity.errors import InsecurePublicUrl
from sublet.identity.hash_queue import HashQueue
from tests.identity.house import PASSWORD, House, log_in, new_email, session_secret, sign_up

pytestmark = pytest.mark.anyio

EMAIL = "ada@customer.example"
WRONG = "not her password at all"


def told(answer: httpx.Response) -> dict[str, object]:
    """A refusal without the one thing that always differs."""
    return {"status": answer.status_code, **{k: v for k, v in answer.json().items() if k != "request_id"}}


class TestSignIn:
    async def test_takes_the_address_in_any_case(self, house: House) -> None:
        await house.customer(EMAIL)
        browser = house.browser()
        answer = await log_in(browser, " ADA@Customer.example ")
        assert answer.status_code == 200
        assert answer.json() == (await browser.get("/api/v1/me")).json()

    async def test_replaces_a_hash_of_weaker_parameters(self, house: House) -> None:
        await house.customer(EMAIL)
        weak = argon2.PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
        await house.change("UPDATE user_account SET password_hash = :hash", hash=weak)
        assert (await log_in(house.browser(), EMAIL)).status_code == 200
        (stored,) = (await house.rows("SELECT password_hash FROM user_account"))[0]
        assert stored != weak
        assert not passwords.is_outdated(stored)
        assert (await log_in(house.browser(), EMAIL)).status_code == 200

    async def test_from_another_sites_page_is_refused(self, house: House) -> None:
        await house.customer(EMAIL)
        browser = house.browser()
        browser.headers["Origin"] = "https://elsewhere.example"
        answer = await log_in(browser, EMAIL)
        assert (answer.status_code, answer.json()["code"]) == (403, "origin_refused")

    async def test_with_a_body_that_is_no_json_is_refused(self, house: House) -> None:
        answer = await house.browser().post("/api/v1/auth/login", data={"email": EMAIL, "password": PASSWORD})
        assert answer.status_code == 415


class TestCookie:
    async def test_over_https_is_bound_to_the_host(self, database: Database, tmp_path: Path) -> None:
        house = House.build(database, tmp_path, "https://sublet.example")
        answer = await sign_up(house.browser(), EMAIL)
        (name, morsel), *more = SimpleCookie(answer.headers["set-cookie"]).items()
        assert (name, more) == ("__Host-sublet_session", [])
        assert morsel["secure"]
        assert morsel["httponly"]
        assert (morsel["samesite"], morsel["path"], morsel["domain"]) == ("lax", "/", "")
        assert morsel["max-age"] == str(7 * 86400)
        assert len(morsel.value) >= 43

    async def test_on_loopback_has_another_name_and_the_log_says_so_once(
        self, database: Database, tmp_path: Path
    ) -> None:
        with structlog.testing.capture_logs() as logs:
            house = House.build(database, tmp_path)
            answer = await sign_up(house.browser(), EMAIL)
            await log_in(house.browser(), EMAIL)
        assert [entry["event"] for entry in logs].count("session_cookie.not_secure") == 1
        (name, morsel), *_ = SimpleCookie(answer.headers["set-cookie"]).items()
        assert (name, morsel["secure"], morsel["httponly"], morsel["samesite"]) == ("sublet_session", "", True, "lax")

    @pytest.mark.parametrize("url", ["http://sublet.example", "http://10.1.2.3:8000", "http://[fd00::1]"])
    def test_is_never_sent_in_the_clear_over_a_network(self, url: str) -> None:
        with pytest.raises(InsecurePublicUrl):
            SessionAuthenticator(Settings(public_url=url))

    async def test_of_another_is_not_taken_over_at_login(self, house: House) -> None:
        await house.customer(EMAIL)
        victim = house.browser()
        victim.cookies.set("sublet_session", "planted-by-somebody-else", domain="127.0.0.1", path="/")
        await log_in(victim, EMAIL)
        secrets = [cookie.value for cookie in victim.cookies.jar]
        assert "planted-by-somebody-else" not in secrets
        planted = house.browser()
        planted.cookies.set("sublet_session", "planted-by-somebody-else")
        assert (await planted.get("/api/v1/me")).status_code == 401

    async def test_is_new_at_each_login_and_the_session_before_ends(self, house: House) -> None:
        browser = await house.customer(EMAIL)
        before = session_secret(browser)
        await log_in(browser, EMAIL)
        assert session_secret(browser) != before
        stale = house.browser()
        stale.cookies.set("sublet_session", before)
        assert (await stale.get("/api/v1/me")).status_code == 401
        assert (await browser.get("/api/v1/me")).status_code == 200


class TestRefusal:
    async def test_is_the_same_for_a_wrong_password_no_account_and_a_disabled_one(self, house: House) -> None:
        await house.customer(EMAIL)
        disabled = new_email()
        gone = await house.customer(disabled)
        user_id = (await gone.get("/api/v1/me")).json()["user"]["id"]
        async with house.database.transaction() as session:
            await users.disable(session, system_actor(), user_id)
        refusals = [
            told(await log_in(house.browser(), EMAIL, WRONG)),
            told(await log_in(house.browser(), new_email(), WRONG)),
            told(await log_in(house.browser(), disabled, PASSWORD)),
        ]
        assert refusals[0]["code"] == "login_refused"
        assert refusals[0]["status"] == 401
        assert refusals[0] == refusals[1] == refusals[2]

    async def test_takes_as_long_without_an_account(self, house: House) -> None:
        await house.customer(EMAIL)

        async def seconds(email: str) -> float:
            started = time.perf_counter()
            await log_in(house.browser(), email, WRONG)
            return time.perf_counter() - started

        # In pairs, so that whatever else the machine does falls on both.
        pairs = [(await seconds(EMAIL), await seconds(new_email())) for _ in range(7)]
        assert 0.5 < median(known / unknown for known, unknown in pairs) < 2

    async def test_is_in_the_audit_trail_without_what_was_typed(self, house: House) -> None:
        me = (await (await house.customer(EMAIL)).get("/api/v1/me")).json()
        await log_in(house.browser("203.0.113.66"), EMAIL, WRONG)
        await log_in(house.browser("203.0.113.66"), "my-password-typed-here@customer.example", WRONG)
        events = await house.rows("SELECT * FROM audit_event WHERE action = 'login.refused' ORDER BY seq")
        assert [(event.actor_kind, event.target_id, event.address) for event in events] == [
            ("anonymous", me["user"]["id"], "203.0.113.66"),
            ("anonymous", "unknown", "203.0.113.66"),
        ]


class TestThrottle:
    @pytest.fixture(autouse=True)
    def _small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(throttles, "LOGIN_BY_PAIR", throttles.Limit("pair", 3, 900))
        monkeypatch.setattr(throttles, "LOGIN_BY_ACCOUNT", throttles.Limit("account", 8, 3600))
        monkeypatch.setattr(throttles, "LOGIN_BY_NETWORK", throttles.Limit("network", 6, 900))
        monkeypatch.setattr(throttles, "LONGEST_SLOWED_SECONDS", 0.5)

    async def test_closes_the_pair_of_account_and_network_even_for_the_right_password(self, house: House) -> None:
        await house.customer(EMAIL)
        for number in range(3):
            assert (await log_in(house.browser(f"203.0.113.{number}"), EMAIL, WRONG)).status_code == 401
        answer = await log_in(house.browser("203.0.113.99"), EMAIL.upper())
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_attempts")
        assert 890 < int(answer.headers["retry-after"]) == answer.json()["retry_after_seconds"] <= 900
        assert (await log_in(house.browser("203.0.114.1"), EMAIL)).status_code == 200, "for no other network"
        assert (await log_in(house.browser("203.0.113.99"), new_email(), WRONG)).status_code == 401, (
            "at no other account"
        )
        actions = await house.rows("SELECT action, target_id FROM audit_event WHERE action = 'login.throttled'")
        assert [tuple(row) for row in actions] == [("login.throttled", "pair")]

    async def test_counts_an_ipv6_customer_as_one_network(self, house: House) -> None:
        for number in range(3):
            await log_in(house.browser(f"2001:db8:1:2::{number:x}"), EMAIL, WRONG)
        assert (await log_in(house.browser("2001:db8:1:2:ffff::1"), EMAIL, WRONG)).status_code == 429
        assert (await log_in(house.browser("2001:db8:1:3::1"), EMAIL, WRONG)).status_code == 401
        assert (await log_in(house.browser("::ffff:203.0.113.5"), EMAIL, WRONG)).status_code == 401

    async def test_lets_no_more_through_when_guesses_come_at_once(self, house: House) -> None:
        await house.customer(EMAIL)
        answers = await asyncio.gather(*(log_in(house.browser(f"203.0.113.{n}"), EMAIL, WRONG) for n in range(12)))
        assert sorted(answer.status_code for answer in answers) == [401] * 3 + [429] * 9

    async def test_forgets_after_a_right_password_and_after_its_window(self, house: House) -> None:
        await house.customer(EMAIL)
        for _ in range(2):
            for _ in range(2):
                assert (await log_in(house.browser("203.0.113.1"), EMAIL, WRONG)).status_code == 401
            assert (await log_in(house.browser("203.0.113.2"), EMAIL)).status_code == 200
        for number in range(4):
            last = await log_in(house.browser(f"203.0.113.{10 + number}"), EMAIL, WRONG)
        assert last.status_code == 429
        await house.change("UPDATE throttle SET window_ends_at = clock_timestamp() - interval '1 second'")
        assert (await log_in(house.browser("203.0.113.3"), EMAIL)).status_code == 200

    async def test_never_counts_at_the_account_what_a_closed_pair_refused(self, house: House) -> None:
        for _ in range(9):
            await log_in(house.browser("203.0.113.1"), EMAIL, WRONG)
        attempts = await house.rows("SELECT attempts FROM throttle ORDER BY attempts")
        assert [row.attempts for row in attempts] == [3, 3, 5], "at account and network, and the pair's own"

    async def test_says_once_that_an_account_or_a_network_has_many_refusals(self, house: House) -> None:
        user_id = (await (await house.customer(EMAIL)).get("/api/v1/me")).json()["user"]["id"]
        for number in range(10):
            await log_in(house.browser(f"203.0.{number}.1"), EMAIL, WRONG)
        for _ in range(9):
            await log_in(house.browser("198.51.100.1"), new_email(), WRONG)
        told = await house.rows("SELECT target_id FROM audit_event WHERE action = 'login.many_refused' ORDER BY seq")
        assert [row.target_id for row in told] == [user_id, "198.51.100.0/24"]

    @pytest.mark.parametrize(
        ("attempts", "beyond", "seconds"),
        [(1, 0, 0.0), (10, 0, 0.0), (11, 0, 0.25), (12, 0, 0.5), (102, 0, 0.5), (1, 60, 0.5)],
    )
    def test_slows_a_try_by_its_account_and_its_network(self, attempts: int, beyond: int, seconds: float) -> None:
        at_account = throttles.Count(attempts, 0, just_closed=False)
        of_network = throttles.Count(1, beyond, just_closed=False)
        assert throttles.slowed_seconds(at_account, of_network) == seconds


class TestSlowing:
    def test_is_never_for_more_than_two_seconds(self) -> None:
        worst = throttles.Count(10**9, 900, just_closed=False)
        assert throttles.slowed_seconds(worst) == throttles.slowed_seconds(worst, worst) == 2.0

    async def test_holds_back_known_and_unknown_accounts_alike(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(throttles, "FREE_ATTEMPTS", 0)
        held_back: list[float] = []

        async def hold_back(seconds: float) -> None:
            held_back.append(seconds)

        monkeypatch.setattr("sublet.identity.hash_queue.asyncio.sleep", hold_back)
        await house.customer(EMAIL)
        for email in (EMAIL, new_email()):
            for number in range(3):
                assert (await log_in(house.browser(f"203.0.{number}.1"), email, WRONG)).status_code == 401
        assert held_back == [0.25, 0.5, 1.0] * 2

    async def test_holds_neither_a_connection_nor_a_thread(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(throttles, "FREE_ATTEMPTS", 0)
        monkeypatch.setattr(throttles, "FIRST_SLOWED_SECONDS", 60.0)
        monkeypatch.setattr(throttles, "LONGEST_SLOWED_SECONDS", 60.0)
        await house.customer(EMAIL)
        many = house.database.connections + 5
        slowed = [asyncio.create_task(log_in(house.browser(f"203.0.{n}.1"), EMAIL, WRONG)) for n in range(many)]
        async with asyncio.timeout(20):
            while (await house.rows("SELECT count(*) FROM throttle"))[0][0] < many + 1:
                await asyncio.sleep(0.01)
            assert (await sign_up(house.browser(), new_email())).status_code == 201
        for task in slowed:
            task.cancel()
        await asyncio.gather(*slowed, return_exceptions=True)

    async def test_takes_no_place_from_others_of_the_network_and_counts_no_try_that_is_turned_away(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(throttles, "FREE_ATTEMPTS", 1)
        monkeypatch.setattr(throttles, "FIRST_SLOWED_SECONDS", 60.0)
        monkeypatch.setattr(throttles, "LONGEST_SLOWED_SECONDS", 60.0)
        house.parts.put(PASSWORDS, HashQueue(waiting=4, at_once=1))  # one place for each network
        await house.customer(EMAIL)
        await house.customer(other := new_email())
        host, counted = "203.0.113.1", "SELECT max(attempts) FROM throttle"
        assert (await log_in(house.browser(host), EMAIL, WRONG)).status_code == 401
        slowed = [asyncio.create_task(log_in(house.browser(host), EMAIL, WRONG)) for _ in range(hash_queue.SLOWED_EACH)]
        async with asyncio.timeout(20):
            while (await house.rows(counted))[0][0] < 1 + len(slowed):
                await asyncio.sleep(0.01)
        assert (await log_in(house.browser(host), EMAIL, WRONG)).status_code == 429
        assert (await house.rows(counted))[0][0] == 1 + len(slowed)
        assert (await log_in(house.browser("203.0.113.2"), other)).status_code == 200
        for task in slowed:
            task.cancel()
        await asyncio.gather(*slowed, return_exceptions=True)
