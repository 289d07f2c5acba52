"""Terms: who signs up accepts them, what was accepted stays on record, and with a new version nobody pays in before."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from sublet.core.actors import Permission
from sublet.core.db import Database
from sublet.core.http import SubletRouter
from sublet.identity import users
from tests.identity.house import PASSWORD, House, log_in, new_email, sign_up
from tests.support.passwords import quick_hashes

pytestmark = pytest.mark.anyio

URL = "https://sublet.example/terms"
FIRST: dict[str, Any] = {"terms_url": URL, "terms_version": "1"}
SECOND: dict[str, Any] = {"terms_url": URL, "terms_version": "2"}
ACCEPTED = "SELECT url, version, occasion, address, user_agent FROM terms_acceptance ORDER BY seq"


@pytest.fixture
async def houses(database: Database, tmp_path: Path) -> AsyncIterator[list[House]]:
    """One business without terms, with the first version of them, and with the second."""
    router = SubletRouter(prefix="/api/v1/till")

    @router.post("/pay", permission=Permission.ACCOUNT_READ, pays_in=True)
    async def pay() -> str:
        return "paid"

    with quick_hashes():
        made = [House.build(database, tmp_path, **terms) for terms in ({}, FIRST, SECOND)]
        for house in made:
            house.parts.attach(house.app, [router.api])
        yield made
        for house in made:
            for client in house.clients:
                await client.aclose()


async def outcome(answer: httpx.Response) -> tuple[int, str | None]:
    """The status, and the code of a refusal."""
    told = answer.json()
    return answer.status_code, told.get("code") if isinstance(told, dict) else None


async def pays(client: httpx.AsyncClient) -> bool:
    """Whether somebody may pay in; a refusal is for the terms alone."""
    answer = await client.post("/api/v1/till/pay")
    assert await outcome(answer) in {(200, None), (403, "terms_not_accepted")}
    return answer.status_code == 200


class TestSigningUp:
    async def test_asks_for_nothing_and_records_nothing_where_there_are_no_terms(self, houses: list[House]) -> None:
        browser = houses[0].browser()
        assert (await browser.get("/api/v1/auth/terms")).json() == {"terms": None}
        me = (await sign_up(browser, new_email())).json()
        assert me["terms_to_accept"] is None
        assert await houses[0].rows(ACCEPTED) == []
        assert await pays(browser)

    async def test_says_before_what_must_be_accepted(self, houses: list[House]) -> None:
        told = (await houses[1].browser().get("/api/v1/auth/terms")).json()
        assert told == {"terms": {"url": URL, "version": "1"}}

    @pytest.mark.parametrize(("house", "given"), [(1, None), (1, "2"), (0, "1")])
    async def test_takes_the_version_in_force_and_no_other(
        self, houses: list[House], house: int, given: str | None
    ) -> None:
        answer = await sign_up(houses[house].browser(), new_email(), accepted_terms=given)
        assert await outcome(answer) == (422, "terms_not_accepted")
        assert answer.json()["errors"][0]["field"] == "accepted_terms"
        assert await houses[0].rows("SELECT FROM user_account") == []

    async def test_records_which_text_and_from_where_with_the_account(self, houses: list[House]) -> None:
        browser = houses[1].browser("203.0.113.8")
        me = (await sign_up(browser, new_email(), accepted_terms="1")).json()
        assert me["terms_to_accept"] is None
        assert [tuple(row) for row in await houses[1].rows(ACCEPTED)] == [
            (URL, "1", "sign_up", "203.0.113.8", "Browser/1")
        ]
        (event,) = await houses[1].rows("SELECT * FROM audit_event WHERE action = 'terms.accepted'")
        assert (event.actor_user_id, event.target_id, event.after["version"]) == (
            me["user"]["id"],
            me["user"]["id"],
            "1",
        )
        assert await pays(browser)


class TestAnewVersion:
    async def test_is_accepted_at_the_next_sign_in_before_anything_is_paid_in(self, houses: list[House]) -> None:
        _, before, after = houses
        email = new_email()
        await sign_up(before.browser(), email, accepted_terms="1")
        browser = after.browser("198.51.100.4")
        me = (await log_in(browser, email)).json()
        assert me["terms_to_accept"] == {"url": URL, "version": "2"}
        assert not await pays(browser)
        accepted = await browser.post("/api/v1/me/terms", json={"version": "2"})
        assert (accepted.status_code, accepted.json()["terms_to_accept"]) == (200, None)
        assert await pays(browser)
        assert (await browser.post("/api/v1/me/terms", json={"version": "2"})).status_code == 200, "again is once"
        assert [tuple(row) for row in await after.rows(ACCEPTED)] == [
            (URL, "1", "sign_up", "203.0.113.7", "Browser/1"),
            (URL, "2", "sign_in", "198.51.100.4", "Browser/1"),
        ]

    async def test_at_another_address_is_other_terms(self, houses: list[House], tmp_path: Path) -> None:
        email = new_email()
        await sign_up(houses[1].browser(), email, accepted_terms="1")
        moved = House.build(houses[0].database, tmp_path, terms_url=f"{URL}/elsewhere", terms_version="1")
        houses.append(moved)
        me = (await log_in(moved.browser(), email)).json()
        assert me["terms_to_accept"] == {"url": f"{URL}/elsewhere", "version": "1"}

    @pytest.mark.parametrize(("house", "version"), [(2, "1"), (0, "1")])
    async def test_is_not_accepted_by_accepting_another(self, houses: list[House], house: int, version: str) -> None:
        email = new_email()
        await sign_up(houses[1].browser(), email, accepted_terms="1")
        browser = houses[house].browser()
        await log_in(browser, email)
        refused = await browser.post("/api/v1/me/terms", json={"version": version})
        assert await outcome(refused) == (409, "terms_changed")

    async def test_is_for_the_person_whatever_they_ask_by(self, houses: list[House]) -> None:
        """A token pays in as little as its person, and accepts nothing for them."""
        email = new_email()
        browser = houses[1].browser()
        await sign_up(browser, email, accepted_terms="1")
        token = (await houses[1].token(browser, Permission.ACCOUNT_MANAGE.value))["token"]
        assert await pays(houses[1].program(token))
        program = houses[2].program(token)
        assert not await pays(program)
        refused = await program.post("/api/v1/me/terms", json={"version": "2"})
        assert await outcome(refused) == (403, "session_required")
        assert (await program.get("/api/v1/me")).json()["terms_to_accept"] == {"url": URL, "version": "2"}

    async def test_is_asked_of_who_never_was(self, houses: list[House]) -> None:
        """An operator's account is made without anybody accepting anything, and on record as just that."""
        email = new_email()
        async with houses[1].database.transaction() as session:
            await users.create_operator(session, email, PASSWORD, frozenset({"admin"}))
        assert await houses[1].rows(ACCEPTED) == []
        browser = houses[1].browser()
        me = (await log_in(browser, email)).json()
        assert me["terms_to_accept"] == {"url": URL, "version": "1"}
        assert not await pays(browser)


class TestTheRecord:
    async def test_has_the_databases_time_and_only_known_occasions(self, houses: list[House], app_url: str) -> None:
        await sign_up(houses[1].browser(), new_email(), accepted_terms="1")
        dated = "INSERT INTO terms_acceptance (user_id, url, version, occasion, accepted_at) SELECT user_id, url, '0', "
        with psycopg.connect(app_url, autocommit=True) as app:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                app.execute(dated + "'sign_up', now() - interval '1 year' FROM terms_acceptance")
            with pytest.raises(psycopg.errors.CheckViolation):
                app.execute(
                    "INSERT INTO terms_acceptance (user_id, url, version, occasion) "
                    "SELECT user_id, url, '0', 'by post' FROM terms_acceptance"
                )
