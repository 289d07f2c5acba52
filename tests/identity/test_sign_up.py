"""Signing up: account, organization and ownership together or not at all."""

import asyncio
from functools import partial

import pytest

from sublet.core.db import Session
from sublet.core.errors import Conflict
from sublet.identity import passwords, throttles
from sublet.identity.api import ON_SIGNUP
from sublet.identity.hash_queue import HashQueue, Origin
from sublet.identity.password_rules import refuse_weak
from tests.identity.house import House, new_email, sign_up

pytestmark = pytest.mark.anyio


class TestSignUp:
    async def test_makes_a_person_who_owns_an_organization_and_is_signed_in(self, house: House) -> None:
        browser = house.browser()
        answer = await sign_up(browser, "Ada@Customer.example", organization_name="Engines")
        me = answer.json()
        assert answer.status_code == 201
        assert me["user"]["email"].lower() == "ada@customer.example"
        assert (me["organization"]["name"], me["organization"]["role"]) == ("Engines", "owner")
        assert me["organizations"] == [me["organization"]]
        assert (me["auth"], me["platform_roles"]) == ("session", [])
        assert "allocation:launch" in me["permissions"]
        assert not [name for name in me["permissions"] if name.startswith("admin.")]
        assert (await browser.get("/api/v1/me")).json() == me

    async def test_names_the_organization_after_the_person_when_nothing_is_said(self, house: House) -> None:
        answer = await sign_up(house.browser(), new_email(), name="Grace")
        assert answer.json()["organization"]["name"] == "Grace"

    @pytest.mark.parametrize("trick", ["a\u202eb", "\u2066x", "a\ufeff b", "a\x85b"])
    async def test_takes_no_name_that_reads_other_than_it_is(self, house: House, trick: str) -> None:
        answer = await sign_up(house.browser(), new_email(), name=trick)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "name")
        assert (await sign_up(house.browser(), new_email(), name="Žofie 山田 👩‍🔬")).status_code == 201

    async def test_tells_the_rest_of_sublet(self, house: House) -> None:
        organization = (await sign_up(house.browser(), new_email())).json()["organization"]
        events = await house.rows("SELECT type, subject, organization_id, data FROM outbox_event")
        assert [(event.type, event.subject, event.organization_id) for event in events] == [
            ("organization.created", organization["id"], organization["id"])
        ]

    async def test_is_in_the_audit_trail_with_where_it_came_from(self, house: House) -> None:
        me = (await sign_up(house.browser("203.0.113.8"), new_email())).json()
        events = await house.rows("SELECT action, actor_user_id, address FROM audit_event ORDER BY seq")
        assert [tuple(event) for event in events] == [
            (action, me["user"]["id"], "203.0.113.8")
            for action in ("user.created", "organization.created", "login.succeeded")
        ]

    async def test_an_address_is_taken_in_any_case(self, house: House) -> None:
        await sign_up(house.browser(), "ada@customer.example")
        again = await sign_up(house.browser(), "ADA@customer.EXAMPLE")
        assert (again.status_code, again.json()["code"]) == (409, "email_taken")
        assert again.json()["errors"][0]["field"] == "email"
        assert "set-cookie" not in again.headers

    async def test_of_many_at_once_one_wins(self, house: House) -> None:
        email = new_email()
        answers = await asyncio.gather(*(sign_up(house.browser(), email) for _ in range(8)))
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
        counts = await house.rows(
            "SELECT (SELECT count(*) FROM user_account), (SELECT count(*) FROM organization), "
            "(SELECT count(*) FROM membership), (SELECT count(*) FROM outbox_event)"
        )
        assert tuple(counts[0]) == (1, 1, 1, 1)

    @pytest.mark.parametrize("email", ["nobody", "a@b@c", "a b@customer.example", "@customer.example", "a@-.example"])
    async def test_refuses_what_is_no_address(self, house: House, email: str) -> None:
        answer = await sign_up(house.browser(), email)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "email")

    async def test_is_throttled_by_address(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(throttles, "SIGN_UP_BY_ADDRESS", throttles.Limit("few", 2, 3600))
        answers = [await sign_up(house.browser("203.0.113.1"), new_email()) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [201, 201, 429]
        assert (await sign_up(house.browser("203.0.113.2"), new_email())).status_code == 201


class TestHooks:
    async def test_run_in_the_same_transaction(self, house: House) -> None:
        seen: list[str] = []

        async def open_wallet(session: Session, organization_id: str) -> None:
            assert session.in_transaction()
            seen.append(organization_id)

        house.parts.put(ON_SIGNUP, [open_wallet])
        me = (await sign_up(house.browser(), new_email())).json()
        assert seen == [me["organization"]["id"]]

    async def test_undo_everything_when_they_fail(self, house: House) -> None:
        async def refuse(_session: Session, _organization_id: str) -> None:
            raise Conflict("No wallet today.")

        house.parts.put(ON_SIGNUP, [refuse])
        email = new_email()
        assert (await sign_up(house.browser(), email)).status_code == 409
        assert await house.rows("SELECT 1 FROM user_account") == []
        house.parts.put(ON_SIGNUP, [])
        assert (await sign_up(house.browser(), email)).status_code == 201


class TestPasswords:
    @pytest.mark.parametrize(
        "password",
        [
            "eleven char",
            "password1234",
            "Password2024!",
            "P@ssw0rd1234",
            "qwertyuiop123",
            "qwertyqwerty12",
            "aaaaaaaaaaaaaa",
            "abcabcabcabcabc",
            "hunter2hunter2",
            "123456789012345",
            "1qaz2wsx3edc4rfv",
            "letmeinletmein1",
            "ada.lovelace-99",
            "Lovelace Ada 1815",
            "x" * 257,
        ],
    )
    async def test_that_anybody_would_guess_are_refused(self, house: House, password: str) -> None:
        answer = await sign_up(house.browser(), "ada.lovelace@customer.example", password=password, name="Ada Lovelace")
        assert (answer.status_code, answer.json()["code"]) == (422, "password_too_weak")
        assert password not in answer.text

    @pytest.mark.parametrize(
        "password",
        [
            "correct horse battery staple",
            "kitten purple 12",
            "welcome to the engine",
            "пароль-для-двигателя",
            "7402951638274",
            "2b7e151628aed2a6",
            "n" + "o-rule-on-which-characters",
        ],
    )
    async def test_that_nobody_would_guess_are_taken(self, password: str) -> None:
        refuse_weak(password, email="ada.lovelace@customer.example", name="Ada Lovelace")

    @pytest.mark.parametrize(
        ("password", "said"),
        [
            ("unbelievable", "would be guessed"),
            ("123qweasdzxc", "is on lists of leaked passwords"),
            ("jesusislord1", "is close to one on lists of leaked passwords"),
            ("iloveyouforever", "is close to one on lists of leaked passwords"),
            ("manchesterunited", "is close to one on lists of leaked passwords"),
            ("4815162342108", "is close to one on lists of leaked passwords"),
        ],
    )
    async def test_that_leaked_elsewhere_or_that_a_list_would_find_are_refused(
        self, house: House, password: str, said: str
    ) -> None:
        answer = await sign_up(house.browser(), new_email(), password=password)
        assert (answer.status_code, answer.json()["code"]) == (422, "password_too_weak")
        assert said in answer.json()["detail"]
        assert answer.json()["errors"][0]["field"] == "password"
        assert password not in answer.text

    async def test_are_judged_without_holding_up_other_requests(self) -> None:
        """The worst that can be sent: letters that each may stand for several others."""
        loop = asyncio.get_running_loop()
        ticks = 0

        def tick() -> None:
            nonlocal ticks
            ticks += 1
            ticking[0] = loop.call_later(0.001, tick)

        ticking = [loop.call_soon(tick)]
        started = loop.time()
        worst = partial(passwords.hash_strong, "4@8({[<369&#!1/|0$5+7%2/" * 10, email="", name="")
        await HashQueue(waiting=1).run(Origin("anywhere"), worst)
        ticking[0].cancel()
        assert loop.time() - started < 2
        assert ticks > 2

    async def test_are_stored_as_argon2id(self, house: House) -> None:
        await sign_up(house.browser(), new_email())
        (stored,) = (await house.rows("SELECT password_hash FROM user_account"))[0]
        assert stored.startswith("$argon2id$v=19$m=47104,t=2,p=1$")
