"""Whose an address is: shown by a link that is mailed to it, once, for a day, by that person alone."""

import re
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from sublet.core.outbox import StoredEvent, read_after
from sublet.identity import email_verification
from sublet.identity.email_verification import WORK
from sublet_sandbox.mailbox.receiver import Receiver, by_address
from tests.notifications.mailbox import mailbox, mailer_to, post
from tests.notifications.told import rows, run, who
from tests.support.app import Web

pytestmark = pytest.mark.anyio

MINE = "/api/v1/me/email"


@pytest.fixture
def web(web: Web) -> Web:
    """The application with a mail server in its settings."""
    web.settings.smtp_host = "127.0.0.1"
    return web


async def ask(client: httpx.AsyncClient, **headers: str) -> httpx.Response:
    return await client.post(f"{MINE}/verifications", headers=headers)


async def confirm(client: httpx.AsyncClient, secret: str) -> tuple[int, Any]:
    answer = await client.post(f"{MINE}/confirmation", json={"secret": secret})
    return answer.status_code, answer.json().get("code", answer.json().get("verified_at") is not None)


async def is_verified(client: httpx.AsyncClient) -> bool:
    """What `/me` says, which is what `/me/email` says."""
    said: bool = (await client.get("/api/v1/me")).json()["user"]["email_verified"]
    assert ((await client.get(MINE)).json()["verified_at"] is not None) == said
    return said


def secrets_in(server: Receiver) -> list[str]:
    """The secrets of the links that came, newest first."""
    return [re.findall(r"/verify-email#(\S+)", mail.body("plain"))[0] for mail in server.folder.all()]


async def mailed(web: Web, server: Receiver) -> str:
    """The secret of the mail that is sent now."""
    await post(web, mailer_to(server), WORK)
    return secrets_in(server)[0]


class TestALink:
    async def test_shows_once_that_the_address_is_ones_own(self, web: Web, tmp_path: Path) -> None:
        client = await web.customer("ada@customer.example")
        assert not await is_verified(client)
        assert (await ask(client)).status_code == 202
        async with mailbox(tmp_path) as server:
            secret = await mailed(web, server)
            [mail] = server.folder.all()
        assert (mail.recipients, mail.subject) == (["ada@customer.example"], "Confirm your address")
        assert await confirm(client, secret) == (200, True)
        assert await is_verified(client)
        assert await confirm(client, secret) == (409, "verification_not_valid")
        [audited] = await rows(web, "SELECT * FROM audit_event WHERE action = 'user.email_verified'")
        assert audited.target_id == (await who(client))[0]

    async def test_is_known_here_by_its_hash_alone(self, web: Web, tmp_path: Path) -> None:
        client = await web.customer()
        await ask(client)
        async with mailbox(tmp_path) as server:
            secret = await mailed(web, server)
        [row] = await rows(web, "SELECT v::text AS all, cardinality(secret_hashes) AS hashes FROM email_verification v")
        assert secret not in row.all
        assert row.hashes == 1

    async def test_of_another_person_shows_nothing(self, web: Web, tmp_path: Path) -> None:
        mine, theirs = await web.customer(), await web.customer()
        await ask(mine)
        async with mailbox(tmp_path) as server:
            secret = await mailed(web, server)
        assert await confirm(theirs, secret) == (409, "verification_not_valid")
        assert await confirm(mine, "nonsense") == (409, "verification_not_valid")
        assert not await is_verified(theirs)
        assert await confirm(mine, secret) == (200, True)

    async def test_of_an_address_that_was_changed_shows_nothing(self, web: Web, tmp_path: Path) -> None:
        client = await web.customer()
        await ask(client)
        async with mailbox(tmp_path) as server:
            secret = await mailed(web, server)
        await run(web, "UPDATE user_account SET email = 'new@customer.example'")
        assert await confirm(client, secret) == (409, "verification_not_valid")

    async def test_that_was_used_counts_for_no_other_address(self, web: Web, tmp_path: Path) -> None:
        client = await web.customer()
        await ask(client)
        async with mailbox(tmp_path) as server:
            assert await confirm(client, await mailed(web, server)) == (200, True)
            await run(web, "UPDATE user_account SET email = 'new@customer.example'")
            assert not await is_verified(client)
            assert (await ask(client)).status_code == 202, "a changed address is verified anew"
            assert await confirm(client, await mailed(web, server)) == (200, True)
        assert await is_verified(client)

    async def test_works_whichever_try_arrived(self, web: Web, tmp_path: Path) -> None:
        client = await web.customer()
        await ask(client)
        async with mailbox(tmp_path) as server:
            keep = server.folder.keep

            def and_die(content: bytes, recipients: list[str]) -> None:
                keep(content, recipients)
                raise ConnectionResetError

            server.folder.keep = and_die  # type: ignore[method-assign]
            await post(web, mailer_to(server), WORK)
            server.folder.keep = keep  # type: ignore[method-assign]
            await post(web, mailer_to(server), WORK)
            second, first = secrets_in(server)
            ids = {mail.message["Message-ID"] for mail in server.folder.all()}
        assert (first != second, len(ids)) == (True, 1)
        assert await confirm(client, first) == (200, True)
        assert await confirm(client, second) == (409, "verification_not_valid"), "both are one link, which was used"


class TestAMailThatAsks:
    async def test_is_sent_so_often_an_hour_and_no_more(self, web: Web) -> None:
        client = await web.customer()
        for _ in range(email_verification.MOST_AN_HOUR):
            assert (await ask(client)).status_code == 202
        [action] = (await client.get(MINE)).json()["actions"]
        refused = await ask(client)
        assert (refused.status_code, refused.json()["code"]) == (409, "too_many_verifications")
        assert (action["allowed"], refused.json()["detail"].startswith(action["reason"])) == (False, True)
        assert (await ask(await web.customer())).status_code == 202, "others are asked"

    async def test_is_sent_to_one_address_so_often_a_week_whoever_has_it(self, web: Web, owner_url: str) -> None:
        def later(span: str) -> None:
            with psycopg.connect(owner_url, autocommit=True) as owner:
                owner.execute("UPDATE email_verification SET created_at = created_at - %s::interval", [span])

        client = await web.customer("ada@customer.example")
        for _ in range(4):
            for _ in range(email_verification.MOST_AN_HOUR):
                assert (await ask(client)).status_code == 202
            later("2 hours")
        [action] = (await client.get(MINE)).json()["actions"]
        refused = await ask(client)
        assert (refused.status_code, refused.json()["code"]) == (409, "too_many_verifications")
        assert "within a week" in action["reason"]
        assert refused.json()["detail"].startswith(action["reason"])
        await run(web, "UPDATE user_account SET email = 'gone@customer.example'")
        another = await web.customer("ada@customer.example")
        assert (await ask(another)).status_code == 409, "a new account with the same address"
        assert (await ask(client)).status_code == 202, "another address is asked"
        sent = len(await rows(web, "SELECT FROM email_verification"))
        (created,) = await rows(
            web,
            "SELECT * FROM outbox_event WHERE type = 'organization.created' AND subject = "
            "(SELECT organization_id FROM membership m JOIN user_account u ON u.id = m.user_id "
            "WHERE u.email = 'ada@customer.example')",
        )
        about = {"type": created.type, "time": created.occurred_at, "subject": created.subject, "data": created.data}
        event = StoredEvent(id="1", **about)
        async with web.database.transaction() as session:
            await email_verification.on_organization_created(session, event)
        assert len(await rows(web, "SELECT FROM email_verification")) == sent
        later("7 days")
        assert (await ask(another)).status_code == 202

    async def test_is_one_for_one_key(self, web: Web) -> None:
        client = await web.customer()
        for _ in range(2):
            assert (await ask(client, **{"Idempotency-Key": "k"})).status_code == 202
        assert len(await rows(web, "SELECT FROM email_verification")) == 1

    async def test_is_not_sent_to_who_has_answered(self, web: Web, tmp_path: Path) -> None:
        client = await web.customer()
        await ask(client)
        await ask(client)
        async with mailbox(tmp_path) as server:
            await post(web, mailer_to(server), WORK)
            assert await confirm(client, secrets_in(server)[0]) == (200, True)
        [action] = (await client.get(MINE)).json()["actions"]
        refused = await ask(client)
        assert (refused.status_code, refused.json()["code"]) == (409, "address_is_verified")
        assert refused.json()["detail"].startswith(action["reason"])
        async with mailbox(tmp_path / "later") as server:
            await run(web, "UPDATE email_verification SET used_at = NULL")
            [row] = await rows(web, "SELECT id FROM email_verification LIMIT 1")
            async with web.database.transaction() as session:
                assert await email_verification.next_mail(session, row.id) is None

    async def test_is_not_offered_where_no_mail_is_sent(self, web: Web) -> None:
        client = await web.customer()
        web.settings.smtp_host = None
        [action] = (await client.get(MINE)).json()["actions"]
        refused = await ask(client)
        assert (refused.status_code, refused.json()["code"]) == (409, "no_mail")
        assert refused.json()["detail"].startswith(action["reason"])

    async def test_is_sent_to_who_signs_up_once(self, web: Web, tmp_path: Path) -> None:
        client = await web.customer()
        async with web.database.reading() as session:
            [created] = [
                event
                for _, event in await read_after(session, (0, 0), everything=True)
                if event.type == "organization.created"
            ]
        for _ in range(2):
            async with web.database.transaction() as session:
                await email_verification.on_organization_created(session, created)
        async with mailbox(tmp_path) as server:
            assert await post(web, mailer_to(server), WORK) == 1
            assert await confirm(client, secrets_in(server)[0]) == (200, True)

    async def test_that_the_mail_server_refuses_is_not_tried_again(self, web: Web, tmp_path: Path) -> None:
        await ask(await web.customer("refused.ada@customer.example"))
        async with mailbox(tmp_path) as server:
            assert await post(web, mailer_to(server), WORK) == 1
            assert await post(web, mailer_to(server), WORK) == 0

    async def test_is_tried_again_while_the_mail_server_is_busy(self, web: Web, tmp_path: Path) -> None:
        await ask(await web.customer("busy.ada@customer.example"))
        async with mailbox(tmp_path) as server:
            assert await post(web, mailer_to(server), WORK) == 1
            server.answer = lambda _verb, _argument: None
            assert await post(web, mailer_to(server), WORK) == 1
            assert len(server.folder.all()) == 1
            server.answer = by_address
