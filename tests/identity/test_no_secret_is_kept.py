"""Canaries: secrets go through every route, and then every sink is searched for them."""

import json
import logging

import asyncssh
import pytest
import structlog.testing

from tests.identity.house import House, log_in, session_secret, sign_up, token_body
from tests.identity.public_keys import ed25519_line

pytestmark = pytest.mark.anyio

EMAIL = "ada@customer.example"
PASSWORD = "canary-in-a-coal-mine-71"
MISTYPED = "canary-mistyped-at-login-72"
WEAK = "canary73"


class TestNoSecret:
    async def test_is_in_a_log_an_event_an_answer_or_the_database(
        self, house: House, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        caplog.set_level(logging.DEBUG)
        browser = house.browser()
        private = asyncssh.generate_private_key("ssh-ed25519").export_private_key("openssh").decode()
        answers = []
        with structlog.testing.capture_logs() as logs:
            answers.append(await sign_up(browser, EMAIL, password=WEAK))
            answers.append(await sign_up(browser, EMAIL, password=PASSWORD))
            secrets = [session_secret(browser)]
            answers.append(await sign_up(house.browser(), EMAIL, password=PASSWORD))
            answers.append(await log_in(house.browser(), EMAIL, MISTYPED))
            answers.append(await log_in(house.browser(), MISTYPED, MISTYPED))
            answers.append(await house.browser().post("/api/v1/auth/login", json={"email": 7, "password": [MISTYPED]}))
            answers.append(await log_in(browser, EMAIL, PASSWORD))
            secrets.append(session_secret(browser))
            key = {"Idempotency-Key": "k"}
            made = await browser.post("/api/v1/api-tokens", json=token_body("wallet:read"), headers=key)
            token = made.json()["token"]
            answers.append(await browser.post("/api/v1/api-tokens", json=token_body("wallet:read"), headers=key))
            answers.append(await house.program(token).get("/api/v1/me"))
            answers.append(await house.program(token[:-1] + "_").get("/api/v1/me"))
            body = {"name": "x", "public_key": private}
            answers.append(await browser.post("/api/v1/ssh-keys", json=body, headers={"Idempotency-Key": "k2"}))
            body = {"name": "x", "public_key": ed25519_line()}
            answers.append(await browser.post("/api/v1/ssh-keys", json=body))
            answers.append(await browser.get("/api/v1/api-tokens"))
            answers.append(await browser.get("/api/v1/auth/sessions"))
            answers.append(await browser.post("/api/v1/auth/logout"))
        canaries = [PASSWORD, MISTYPED, WEAK, *secrets, token, private.splitlines()[1]]
        sinks = {
            "log": json.dumps(logs, default=str) + caplog.text,
            "output": "".join(capfd.readouterr()),
            "answers": "".join(answer.text for answer in answers),
            "database": await self._everything(house),
        }
        assert "login.refused" in sinks["database"]
        forms = [form for canary in canaries for form in (canary, canary.encode().hex())]  # bytea shows as hex
        found = [(sink, form) for sink, content in sinks.items() for form in forms if form in content]
        assert found == []

    async def _everything(self, house: House) -> str:
        tables = await house.rows(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'public'"
        )
        assert len(tables) > 10
        content = []
        for (table,) in tables:
            rows = await house.rows(f"SELECT t::text FROM {table} t")
            content += [row[0] for row in rows]
        return "\n".join(content)
