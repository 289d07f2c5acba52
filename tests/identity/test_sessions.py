"""Sessions: listed, revoked, ended by time, and never readable from the database."""

import hashlib
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy.exc import IntegrityError

from sublet.core.actions import why_not_as_signed_in
from sublet.core.actors import Actor, Permission, Strength, system_actor
from sublet.core.http import SubletRouter
from sublet.identity import retention, sessions, ssh_keys, users
from tests.identity.house import PASSWORD, House, log_in, new_email, session_secret
from tests.identity.public_keys import ed25519_line

pytestmark = pytest.mark.anyio

EMAIL = "ada@customer.example"


@pytest.fixture
def careful(house: House) -> House:
    """The house with two routes that ask how somebody signed in."""
    router = SubletRouter(prefix="/api/v1/careful")

    @router.post("/fresh", permission=Permission.ACCOUNT_MANAGE, fresh=True)
    async def fresh() -> str:
        return "done"

    @router.post("/strong", permission=Permission.ACCOUNT_READ, second_factor=True)
    async def strong() -> str:
        return "done"

    house.parts.attach(house.app, [router.api])
    return house


async def asked(client: httpx.AsyncClient, path: str) -> str:
    """`done`, or the code of the refusal."""
    answer = await client.post(f"/api/v1/careful/{path}")
    told: str = answer.json() if answer.status_code == 200 else answer.json()["code"]
    return told


class TestTooMany:
    async def test_beyond_a_hundred_end_with_the_oldest(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sessions, "MOST_SESSIONS", 2)
        browsers = [await house.customer(EMAIL), house.browser(), house.browser()]
        others = await house.customer(new_email())
        for browser in browsers[1:]:
            assert (await log_in(browser, EMAIL)).status_code == 200
        assert [(await one.get("/api/v1/me")).status_code for one in (*browsers, others)] == [401, 200, 200, 200]


class TestHowSomebodySignedIn:
    async def test_is_fresh_for_five_minutes_of_the_databases_time(self, careful: House) -> None:
        browser = await careful.customer(EMAIL)
        assert await asked(browser, "fresh") == "done"
        for minutes, outcome in ((4, "done"), (6, "fresh_sign_in_required")):
            await careful.change(
                "UPDATE user_session SET confirmed_at = clock_timestamp() - make_interval(mins => :minutes)",
                minutes=minutes,
            )
            assert await asked(browser, "fresh") == outcome
        assert (await browser.get("/api/v1/me")).status_code == 200
        await log_in(browser, EMAIL)
        assert await asked(browser, "fresh") == "done"

    async def test_is_by_password_as_long_as_there_is_nothing_else(self, careful: House) -> None:
        browser = await careful.customer()
        assert (await careful.actor(browser)).strength is Strength.PASSWORD
        assert await asked(browser, "strong") == "second_factor_required"
        await careful.change("UPDATE user_session SET strength = 'second_factor'")
        assert (await careful.actor(browser)).strength is Strength.SECOND_FACTOR
        assert await asked(browser, "strong") == "done"

    async def test_is_never_fresh_or_strong_with_a_token(self, careful: House) -> None:
        token = await careful.token(await careful.customer(), Permission.ACCOUNT_MANAGE.value)
        program = careful.program(token["token"])
        assert (await careful.actor(program)).strength is Strength.TOKEN
        assert [await asked(program, path) for path in ("fresh", "strong")] == [
            "fresh_sign_in_required",
            "second_factor_required",
        ]

    async def test_is_in_the_audit_trail(self, house: House) -> None:
        await house.customer()
        (row,) = await house.rows("SELECT after FROM audit_event WHERE action = 'login.succeeded'")
        assert row.after["strength"] == "password"

    @pytest.mark.parametrize("strength", ["token", "system", None])
    async def test_is_held_by_the_database_to_what_a_person_can_show(self, house: House, strength: str | None) -> None:
        await house.customer()
        with pytest.raises(IntegrityError, match="strength"):
            await house.change("UPDATE user_session SET strength = :strength", strength=strength)

    def test_needs_no_showing_by_sublet_itself(self) -> None:
        assert why_not_as_signed_in(system_actor(), fresh=True, second_factor=True) is None


class TestSessions:
    async def test_are_listed_newest_first_with_the_one_that_asks(self, house: House) -> None:
        first = await house.customer(EMAIL)
        second = house.browser("198.51.100.4")
        await log_in(second, EMAIL)
        await house.customer()  # somebody else's is not listed
        items = (await first.get("/api/v1/auth/sessions")).json()["items"]
        assert [(item["address"], item["user_agent"], item["current"]) for item in items] == [
            ("198.51.100.4", "Browser/1", False),
            ("203.0.113.7", "Browser/1", True),
        ]

    async def test_are_paged(self, house: House) -> None:
        browser = await house.customer(EMAIL)
        for _ in range(2):
            await log_in(house.browser(), EMAIL)
        seen: list[str] = []
        cursor: str | None = None
        for _ in range(3):
            query: dict[str, str | int] = {"limit": 1, **({"cursor": cursor} if cursor else {})}
            page = (await browser.get("/api/v1/auth/sessions", params=query)).json()
            seen += [item["id"] for item in page["items"]]
            cursor = page["next_cursor"]
        assert (len(set(seen)), cursor) == (3, None)

    async def test_end_when_revoked_from_elsewhere(self, house: House) -> None:
        first, second = await house.customer(EMAIL), house.browser()
        await log_in(second, EMAIL)
        actor = await house.actor(second)
        items = (await first.get("/api/v1/auth/sessions")).json()["items"]
        other = next(item["id"] for item in items if not item["current"])
        assert (await first.delete(f"/api/v1/auth/sessions/{other}")).status_code == 204
        assert (await second.get("/api/v1/me")).status_code == 401
        assert (await first.get("/api/v1/me")).status_code == 200
        assert not await house.authenticator.alive_on(house.database)(actor)
        assert (await first.delete(f"/api/v1/auth/sessions/{other}")).status_code == 404

    async def test_of_somebody_else_cannot_be_ended(self, house: House) -> None:
        mine, theirs = await house.customer(), await house.customer()
        (item,) = (await theirs.get("/api/v1/auth/sessions")).json()["items"]
        answer = await mine.delete(f"/api/v1/auth/sessions/{item['id']}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert (await theirs.get("/api/v1/me")).status_code == 200

    async def test_end_at_logout_and_the_browser_forgets(self, house: House) -> None:
        browser = await house.customer()
        secret = session_secret(browser)
        answer = await browser.post("/api/v1/auth/logout")
        assert answer.status_code == 204
        assert "Max-Age=0" in answer.headers["set-cookie"]
        assert not list(browser.cookies.jar)
        stale = house.browser()
        stale.cookies.set("sublet_session", secret)
        assert (await stale.get("/api/v1/me")).status_code == 401

    async def test_logging_out_without_one_is_fine(self, house: House) -> None:
        assert (await house.browser().post("/api/v1/auth/logout")).status_code == 204

    async def test_logging_out_from_another_sites_page_is_refused(self, house: House) -> None:
        browser = await house.customer()
        answer = await browser.post("/api/v1/auth/logout", headers={"Origin": "https://elsewhere.example"})
        assert answer.status_code == 403
        assert (await browser.get("/api/v1/me")).status_code == 200

    async def test_end_when_idle_and_at_their_absolute_end(self, house: House) -> None:
        idle, old = await house.customer(), await house.customer()
        alive = house.authenticator.alive_on(house.database)
        actors = [await house.actor(idle), await house.actor(old)]
        assert [await alive(actor) for actor in actors] == [True, True]
        shift = "UPDATE user_session SET {} WHERE id = :id"
        await house.change(shift.format("last_seen_at = now() - interval '12 hours 1 second'"), id=actors[0].session_id)
        await house.change(
            shift.format("created_at = now() - interval '8 days', expires_at = now() - interval '1 second'"),
            id=actors[1].session_id,
        )
        assert [(await client.get("/api/v1/me")).status_code for client in (idle, old)] == [401, 401]
        assert [await alive(actor) for actor in actors] == [False, False]

    async def test_use_is_written_down_at_most_once_a_minute(self, house: House) -> None:
        browser = await house.customer()
        seen = "SELECT last_seen_at FROM user_session"
        before = await house.rows(seen)
        await browser.get("/api/v1/me")
        assert await house.rows(seen) == before
        await house.change("UPDATE user_session SET last_seen_at = now() - interval '61 seconds'")
        await browser.get("/api/v1/me")
        assert await house.rows(seen) > before

    async def test_hold_only_the_hash_of_their_secret(self, house: House) -> None:
        secret = session_secret(await house.customer())
        (stored,) = (await house.rows("SELECT secret_hash FROM user_session"))[0]
        assert bytes(stored) == hashlib.sha256(secret.encode()).digest()

    async def test_long_over_are_forgotten(self, house: House) -> None:
        await house.customer()
        await house.customer()
        await house.change(
            "UPDATE user_session SET created_at = now() - interval '60 days', expires_at = now() - interval '31 days' "
            "WHERE seq = (SELECT min(seq) FROM user_session)"
        )
        await house.change("UPDATE throttle SET window_ends_at = now() - interval '1 second'")
        async with house.database.transaction() as session:
            assert await retention.forget_sessions(session, limit=10) == 1
            assert await retention.forget_throttles(session, limit=100) > 0
        assert len(await house.rows("SELECT 1 FROM user_session")) == 1
        assert await house.rows("SELECT 1 FROM throttle") == []


class TestAlive:
    async def test_ends_with_a_lesser_role(self, house: House) -> None:
        browser = await house.customer()
        actor = await house.actor(browser)
        async with house.database.transaction() as session:
            other = await users.create_user(session, email=new_email(), password=PASSWORD, name="New owner")
        await house.hand_over(str(actor.organization_id), to=other.user_id, leaving="billing")
        async with house.database.reading() as session:
            assert not await sessions.is_alive(session, actor)
        assert (await browser.get("/api/v1/me")).json()["organization"]["role"] == "billing"

    async def test_is_always_true_of_sublet_itself(self, house: House) -> None:
        async with house.database.reading() as session:
            assert await sessions.is_alive(session, system_actor())
            assert not await sessions.is_alive(session, Actor(kind="user", user_id="usr_x", session_id="ses_x"))


class TestDisable:
    async def test_ends_everything_that_a_person_had(self, house: House) -> None:
        browser = await house.customer(EMAIL)
        made = await house.token(browser, "allocation:read")
        program = house.program(made["token"])
        await browser.post("/api/v1/ssh-keys", json={"name": "laptop", "public_key": ed25519_line()})
        actors = [await house.actor(browser), await house.actor(program)]
        organization_id = actors[0].organization
        async with house.database.transaction() as session:
            assert len(await ssh_keys.public_keys_of(session, organization_id)) == 1
            for _ in range(2):
                await users.disable(session, system_actor(), str(actors[0].user_id))
            assert await ssh_keys.public_keys_of(session, organization_id) == []
        assert [(await client.get("/api/v1/me")).status_code for client in (browser, program)] == [401, 401]
        async with house.database.reading() as session:
            assert [await sessions.is_alive(session, actor) for actor in actors] == [False, False]
        assert (await log_in(house.browser(), EMAIL)).status_code == 401
        events = await house.rows(
            "SELECT data FROM outbox_event WHERE type = 'organization.access_changed' ORDER BY id"
        )
        assert [event.data["reason"] for event in events] == ["ssh_key_added", "user_disabled"]
        trail = await house.rows("SELECT before, after FROM audit_event WHERE action = 'user.disabled'")
        assert len(trail) == 1
        assert trail[0].before["disabled_at"] is None
        assert trail[0].after["disabled_at"] is not None

    async def test_tells_of_the_person_also_beside_any_organization(self, house: House) -> None:
        async with house.database.transaction() as session:
            await users.create_operator(session, EMAIL, PASSWORD, frozenset({"fleet"}))
            found = await users.by_email(session, EMAIL)
            assert found is not None
            await users.disable(session, system_actor(), found.id)
        events = await house.rows("SELECT subject, data FROM outbox_event WHERE type = 'user.disabled'")
        assert [(event.subject, event.data["user_id"]) for event in events] == [(found.id, found.id)]


class TestOperators:
    async def test_sign_in_and_hold_what_their_roles_give(self, house: House) -> None:
        async with house.database.transaction() as session:
            await users.create_operator(session, EMAIL, PASSWORD, frozenset({"fleet"}))
        browser = house.browser()
        me = (await log_in(browser, EMAIL)).json()
        assert me["platform_roles"] == ["fleet"]
        assert Permission.ADMIN_NODE_MANAGE in me["permissions"]
        assert Permission.ADMIN_CATALOG_MANAGE not in me["permissions"]
        expires = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        body = {"name": "cli", "scopes": ["admin.node:manage"], "expires_at": expires}
        token = (await browser.post("/api/v1/api-tokens", json=body)).json()["token"]
        permissions = (await house.program(token).get("/api/v1/me")).json()["permissions"]
        assert permissions == ["account:read", "admin.node:manage"]

    async def test_with_a_role_that_does_not_exist_are_not_made(self, house: House) -> None:
        async with house.database.transaction() as session:
            with pytest.raises(ValueError, match="no such platform role: king"):
                await users.create_operator(session, EMAIL, PASSWORD, frozenset({"king"}))
