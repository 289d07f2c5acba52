"""API tokens: shown once, bound, limited, and of a form that scanners find."""

import asyncio
import hashlib
import re
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sublet.identity import users
from sublet.identity.token_format import is_well_formed, mint
from tests.identity.house import PASSWORD, House, new_email, token_body

pytestmark = pytest.mark.anyio


class TestForm:
    def test_carries_a_checksum_that_anybody_can_work_out(self) -> None:
        digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
        for token in (mint() for _ in range(200)):
            found = re.fullmatch(r"sublet_([0-9A-Za-z]{43})([0-9A-Za-z]{6})", token)
            assert found
            value = 0
            for digit in found[2]:
                value = value * 62 + digits.index(digit)
            assert value == zlib.crc32(found[1].encode())

    @given(st.integers(min_value=7, max_value=55), st.characters(min_codepoint=33, max_codepoint=300))
    def test_a_slip_is_noticed(self, place: int, character: str) -> None:
        token = mint()
        changed = token[:place] + character + token[place + 1 :]
        assert is_well_formed(token)
        assert is_well_formed(changed) == (changed == token)


class TestCreation:
    async def test_shows_the_token_once_and_stores_its_hash(self, house: House) -> None:
        browser = await house.customer()
        made = await house.token(browser, "allocation:read", "wallet:read")
        assert made["scopes"] == ["allocation:read", "wallet:read"]
        (listed,) = (await browser.get("/api/v1/api-tokens")).json()["items"]
        assert listed == {key: value for key, value in made.items() if key != "token"}
        (stored,) = (await house.rows("SELECT secret_hash FROM api_token"))[0]
        assert bytes(stored) == hashlib.sha256(made["token"].encode()).digest()

    async def test_cannot_give_more_than_one_has(self, house: House) -> None:
        browser = await house.customer()
        answer = await browser.post("/api/v1/api-tokens", json=token_body("admin.node:read"))
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_not_held")
        assert answer.json()["scopes"] == ["admin.node:read"]
        unknown = await browser.post("/api/v1/api-tokens", json=token_body("everything:do"))
        assert (unknown.status_code, unknown.json()["errors"][0]["field"]) == (422, "scopes")

    @pytest.mark.parametrize("days", [-1, 0, 367])
    async def test_needs_an_end_within_a_year(self, house: House, days: int) -> None:
        browser = await house.customer()
        expires = (datetime.now(UTC) + timedelta(days=days)).isoformat()
        answer = await browser.post("/api/v1/api-tokens", json=token_body("wallet:read", expires_at=expires))
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "expires_at")
        without = token_body("wallet:read")
        del without["expires_at"]
        assert (await browser.post("/api/v1/api-tokens", json=without)).status_code == 422

    async def test_is_for_signed_in_people_only(self, house: House) -> None:
        browser = await house.customer()
        program = house.program((await house.token(browser, "token:manage", "wallet:read"))["token"])
        answer = await program.post("/api/v1/api-tokens", json=token_body("wallet:read"))
        assert (answer.status_code, answer.json()["code"]) == (403, "session_required")
        assert (await program.get("/api/v1/api-tokens")).status_code == 200

    async def test_with_one_idempotency_key_happens_once_and_keeps_no_secret(self, house: House) -> None:
        browser = await house.customer()
        key, body = {"Idempotency-Key": "k1"}, token_body("wallet:read")
        answers = await asyncio.gather(*(browser.post("/api/v1/api-tokens", json=body, headers=key) for _ in range(5)))
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 4
        (made,) = (answer.json() for answer in answers if answer.status_code == 201)
        repeats = [answer.json() for answer in answers if answer.status_code == 409]
        assert {(repeat["code"], repeat["token_id"]) for repeat in repeats} == {("token_already_created", made["id"])}
        other = await browser.post("/api/v1/api-tokens", json=token_body("catalog:read"), headers=key)
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
        assert len(await house.rows("SELECT 1 FROM api_token")) == 1
        assert await house.rows("SELECT 1 FROM idempotency_key") == []


class TestUse:
    async def test_acts_as_its_maker_in_its_organization_within_its_scopes(self, house: House) -> None:
        browser = await house.customer()
        program = house.program((await house.token(browser, "organization:read"))["token"])
        mine, its = (await browser.get("/api/v1/me")).json(), (await program.get("/api/v1/me")).json()
        assert (its["auth"], its["user"], its["organization"]) == ("token", mine["user"], mine["organization"])
        assert its["permissions"] == ["account:read", "organization:read"]
        assert (await program.get("/api/v1/organizations")).status_code == 200
        refused = await program.get("/api/v1/auth/sessions")
        assert (refused.status_code, refused.json()["permission"]) == (403, "account:manage")

    async def test_shrinks_with_its_makers_role(self, house: House) -> None:
        browser = await house.customer()
        program = house.program((await house.token(browser, "allocation:launch", "wallet:read"))["token"])
        organization = (await browser.get("/api/v1/me")).json()["organization"]["id"]
        async with house.database.transaction() as session:
            other = await users.create_user(session, email=new_email(), password=PASSWORD, name="New owner")
        await house.hand_over(organization, to=other.user_id, leaving="billing")
        assert (await program.get("/api/v1/me")).json()["permissions"] == ["account:read", "wallet:read"]

    async def test_ends_when_expired_or_revoked(self, house: House) -> None:
        browser = await house.customer()
        old, gone = await house.token(browser, "wallet:read"), await house.token(browser, "wallet:read")
        await house.change(
            "UPDATE api_token SET created_at = now() - interval '2 days', expires_at = now() - interval '1 second' "
            "WHERE id = :id",
            id=old["id"],
        )
        assert (await browser.delete(f"/api/v1/api-tokens/{gone['id']}")).status_code == 204
        for made in (old, gone):
            answer = await house.program(made["token"]).get("/api/v1/me")
            assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
        listed = (await browser.get("/api/v1/api-tokens")).json()["items"]
        assert [item["id"] for item in listed] == [old["id"]]

    @pytest.mark.parametrize(
        "authorization", ["Bearer sublet_x", f"Bearer {'sublet_' + 'a' * 49}", "Basic YTpi", "Bearer", "Bearer é"]
    )
    async def test_of_a_wrong_form_is_refused(self, house: House, authorization: str) -> None:
        browser = await house.customer()
        headers = [(b"Authorization", authorization.encode())]
        assert (await browser.get("/api/v1/me", headers=headers)).status_code == 401

    async def test_that_was_never_given_out_is_refused(self, house: House) -> None:
        assert (await house.program(mint()).get("/api/v1/me")).status_code == 401

    async def test_is_written_down_at_most_once_a_minute(self, house: House) -> None:
        browser = await house.customer()
        program = house.program((await house.token(browser, "wallet:read"))["token"])
        used = "SELECT last_used_at FROM api_token"
        assert (await house.rows(used))[0].last_used_at is None
        await program.get("/api/v1/me")
        first = await house.rows(used)
        assert first[0].last_used_at is not None
        await program.get("/api/v1/me")
        assert await house.rows(used) == first
        await house.change("UPDATE api_token SET last_used_at = now() - interval '61 seconds'")
        await program.get("/api/v1/me")
        assert await house.rows(used) > first

    async def test_of_somebody_else_cannot_be_seen_or_ended(self, house: House) -> None:
        mine, theirs = await house.customer(), await house.customer()
        made = await house.token(theirs, "wallet:read")
        assert (await mine.get("/api/v1/api-tokens")).json()["items"] == []
        assert (await mine.delete(f"/api/v1/api-tokens/{made['id']}")).status_code == 404
        assert (await house.program(made["token"]).get("/api/v1/me")).status_code == 200


class TestCost:
    async def test_of_finding_out_who_asks_is_one_query(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        browser = await house.customer()
        program = house.program((await house.token(browser, "catalog:read"))["token"])
        await program.get("/api/v1/me")
        statements: list[Any] = []
        execute = psycopg.AsyncCursor.execute

        async def counted(self: Any, query: Any, *rest: Any, **options: Any) -> Any:
            statements.append(query)
            return await execute(self, query, *rest, **options)

        monkeypatch.setattr(psycopg.AsyncCursor, "execute", counted)
        clients: list[httpx.AsyncClient] = [browser, program]
        for client in clients:
            statements.clear()
            assert (await client.get("/api/v1/me")).status_code == 200
            assert len(statements) == 2  # who asks, and what /me itself answers
