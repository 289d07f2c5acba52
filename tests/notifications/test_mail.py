"""Mail of notices: to verified addresses alone, once, with the words of the inbox, and tried again while that helps."""

import logging
import re
from html import unescape
from pathlib import Path

import httpx
import pytest
import structlog.testing

from sublet.billing.events import WalletLow
from sublet.core.actors import system_actor
from sublet.identity import users
from sublet.notifications.mail.work import PREFERENCES
from sublet.notifications.notices import MAIL
from sublet.payments.stripe.events import CardsMisconfigured
from sublet_sandbox.mailbox.receiver import Receiver, by_address
from tests.notifications.mailbox import mailbox, mailer_to, post, verify
from tests.notifications.told import happens, inbox, member, rows, run, who
from tests.support.app import Web

pytestmark = pytest.mark.anyio

DAY = WalletLow(threshold="24h", runway_seconds=80_000)


async def told(web: Web, email: str | None = None) -> tuple[httpx.AsyncClient, str, str]:
    """Somebody with a verified address who was told of something, and their ids."""
    owner = await web.customer(email)
    user_id, organization_id = await who(owner)
    await verify(web, user_id)
    await happens(web, DAY, organization_id)
    return owner, user_id, organization_id


async def outcome(client: httpx.AsyncClient) -> tuple[bool, str | None]:
    """Whether the newest notice was mailed, and why not."""
    [newest] = (await inbox(client))[:1]
    return newest["mailed_at"] is not None, newest["not_mailed_because"]


async def set_aside(web: Web) -> list[str]:
    return [row.last_error for row in await rows(web, "SELECT last_error FROM work WHERE set_aside_at IS NOT NULL")]


def words(html: str) -> str:
    """What a reader of the page reads."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html.partition("<body")[2])).split())


class TestAMail:
    async def test_says_what_the_inbox_says_as_text_and_as_a_page(self, web: Web, tmp_path: Path) -> None:
        async with mailbox(tmp_path) as server:
            owner, _, _ = await told(web, "ada@customer.example")
            await run(web, "UPDATE organization SET name = 'Ada & <Sons>'")
            await happens(web, DAY, (await who(owner))[1])
            assert await post(web, mailer_to(server), MAIL) == 2
            mail, _ = server.folder.all()
        [notice, _] = await inbox(owner)
        assert (mail.recipients, mail.subject) == (["ada@customer.example"], notice["title"])
        assert "Ada & <Sons>" in notice["sentences"][0]
        link = f"https://sublet.test{notice['link']}"
        text = mail.body("plain").replace("\r\n", "\n")
        assert text.startswith("\n\n".join([*notice["sentences"], f"{notice['link_says']}: {link}"]))
        html = mail.body("html")
        assert "<Sons>" not in html
        for sentence in notice["sentences"]:
            assert sentence in words(html)
        assert f'<a href="{link}">{notice["link_says"]}</a>' in html
        preferences = f"https://sublet.test{PREFERENCES}"
        assert mail.message["List-Unsubscribe"] == f"<{preferences}>"
        assert preferences in text
        assert f'<a href="{preferences}">' in html
        assert mail.message["Message-ID"] == f"<{notice['id']}@sublet.test>"
        assert mail.message["From"] == "Sublet <sublet@platform.test>"

    async def test_goes_to_each_recipient_once(self, web: Web, tmp_path: Path) -> None:
        async with mailbox(tmp_path) as server:
            owner, _, organization_id = await told(web)
            billing = await member(web, organization_id, "billing")
            await verify(web, (await who(billing))[0])
            await happens(web, DAY, organization_id, times=2)
            assert await post(web, mailer_to(server), MAIL) == 3
            assert await post(web, mailer_to(server), MAIL) == 0
            assert len({mail.message["Message-ID"] for mail in server.folder.all()}) == 3
            assert sorted({*(mail.recipients[0] for mail in server.folder.all())}) == sorted(
                [(await client.get("/api/v1/me")).json()["user"]["email"] for client in (owner, billing)]
            )
        assert await outcome(owner) == await outcome(billing) == (True, None)


class TestWithoutAVerifiedAddress:
    async def no_mail(self, web: Web, tmp_path: Path, because: str) -> None:
        async with mailbox(tmp_path) as server:
            assert await post(web, mailer_to(server), MAIL) == 1
            assert server.folder.all() == []
            assert server.connections == 0
        [row] = await rows(web, "SELECT mailed_at, not_mailed_because FROM notice")
        assert (row.mailed_at, row.not_mailed_because) == (None, because)

    async def test_there_is_no_mail(self, web: Web, tmp_path: Path) -> None:
        owner = await web.customer()
        await happens(web, DAY, (await who(owner))[1])
        await self.no_mail(web, tmp_path, "address_not_verified")

    async def test_nor_where_the_address_was_changed_since(self, web: Web, tmp_path: Path) -> None:
        _, user_id, _ = await told(web)
        await run(web, "UPDATE user_account SET email = 'another@customer.example' WHERE id = :id", id=user_id)
        await self.no_mail(web, tmp_path, "address_not_verified")

    async def test_nor_for_who_is_locked_out(self, web: Web, tmp_path: Path) -> None:
        _, user_id, _ = await told(web)
        async with web.database.transaction() as session:
            await users.disable(session, system_actor(), user_id)
        await self.no_mail(web, tmp_path, "not_concerned_any_more")

    async def test_nor_for_who_has_left(self, web: Web, tmp_path: Path) -> None:
        _, user_id, _ = await told(web)
        heir = (await who(await web.customer()))[0]
        await run(web, "UPDATE membership SET user_id = :heir WHERE user_id = :id", heir=heir, id=user_id)
        await self.no_mail(web, tmp_path, "not_concerned_any_more")

    async def test_nor_for_whom_it_does_not_concern_any_more(self, web: Web, tmp_path: Path) -> None:
        _, organization_id = await who(await web.customer())
        user_id, _ = await who(await member(web, organization_id, "billing"))
        await verify(web, user_id)
        await happens(web, DAY, organization_id)
        demoted = "UPDATE membership SET role = 'member' WHERE user_id = :id AND organization_id = :organization_id"
        await run(web, demoted, id=user_id, organization_id=organization_id)
        async with mailbox(tmp_path) as server:
            assert await post(web, mailer_to(server), MAIL) == 2
            assert server.folder.all() == []
        [row] = await rows(web, "SELECT not_mailed_because FROM notice WHERE user_id = :id", id=user_id)
        assert row.not_mailed_because == "not_concerned_any_more"

    async def test_of_the_platform_nor_for_who_is_no_operator_any_more(self, web: Web, tmp_path: Path) -> None:
        finance = await web.operator("finance")
        user_id, _ = await who(finance)
        await verify(web, user_id)
        await happens(web, CardsMisconfigured(said="Invalid API Key"), None)
        await run(web, "UPDATE user_account SET platform_roles = ARRAY['support'] WHERE id = :id", id=user_id)
        await self.no_mail(web, tmp_path, "not_concerned_any_more")

    async def test_nor_where_no_mail_server_is_set_up(self, web: Web) -> None:
        owner, _, _ = await told(web)
        assert await post(web, None, MAIL) == 1
        assert await outcome(owner) == (False, "mail_not_set_up")

    async def test_nor_for_who_does_not_want_it(self, web: Web) -> None:
        owner = await web.customer()
        user_id, organization_id = await who(owner)
        await verify(web, user_id)
        await owner.patch("/api/v1/notices/preferences", json={"kind": "wallet.low", "email": False})
        await happens(web, DAY, organization_id)
        assert await post(web, None, MAIL) == 0
        assert await outcome(owner) == (False, None)


class TestAMailServer:
    async def test_that_will_never_take_it_is_not_asked_again(self, web: Web, tmp_path: Path) -> None:
        owner, _, _ = await told(web, "refused.ada@customer.example")
        async with mailbox(tmp_path) as server:
            assert await post(web, mailer_to(server), MAIL) == 1
            assert await post(web, mailer_to(server), MAIL) == 0
            assert server.folder.all() == []
        assert await outcome(owner) == (False, "refused")

    async def test_that_refuses_what_it_says_is_not_asked_again_either(self, web: Web, tmp_path: Path) -> None:
        owner, _, _ = await told(web)
        refusing = {"answer": lambda verb, _: "554 5.7.1 Not this" if verb == "END" else None}
        async with mailbox(tmp_path, **refusing) as server:
            await post(web, mailer_to(server), MAIL)
        assert await outcome(owner) == (False, "refused")

    @pytest.mark.parametrize("at", ["MAIL", "RCPT", "END"])
    async def test_that_is_busy_gets_the_same_message_later(self, web: Web, tmp_path: Path, at: str) -> None:
        owner, _, _ = await told(web)
        async with mailbox(tmp_path) as server:
            server.answer = lambda verb, _: "451 4.3.0 Later" if verb == at else None
            assert await post(web, mailer_to(server), MAIL) == 1
            assert await outcome(owner) == (False, None)
            server.answer = by_address
            assert await post(web, mailer_to(server), MAIL) == 1
            [mail] = server.folder.all()
        [notice] = await inbox(owner)
        assert mail.message["Message-ID"] == f"<{notice['id']}@sublet.test>"
        assert notice["mailed_at"] is not None

    async def test_whose_answer_was_lost_gets_the_same_message_again(self, web: Web, tmp_path: Path) -> None:
        owner, _, _ = await told(web)
        async with mailbox(tmp_path) as server:
            keep = server.folder.keep

            def and_die(content: bytes, recipients: list[str]) -> None:
                keep(content, recipients)
                raise ConnectionResetError

            server.folder.keep = and_die  # type: ignore[method-assign]
            await post(web, mailer_to(server), MAIL)
            server.folder.keep = keep  # type: ignore[method-assign]
            await post(web, mailer_to(server), MAIL)
            first, second = server.folder.all()
        assert first.message.as_bytes() == second.message.as_bytes()
        assert await outcome(owner) == (True, None)

    async def test_that_is_away_for_too_long_leaves_a_finding(self, web: Web, tmp_path: Path) -> None:
        owner, _, _ = await told(web)
        async with mailbox(tmp_path) as server:
            gone = server.port
        for _ in range(3):
            await post(web, mailer_to(gone), MAIL)
        assert await set_aside(web) == ["mail_server_unreachable"]
        assert await outcome(owner) == (False, None)

    async def test_that_does_not_want_us_is_no_fault_of_the_mail(self, web: Web, tmp_path: Path) -> None:
        owner, _, _ = await told(web)
        refusing = {"answer": lambda verb, _: "550 5.7.1 Not from you" if verb == "MAIL" else None}
        async with mailbox(tmp_path, **refusing) as server:
            for _ in range(3):
                await post(web, mailer_to(server), MAIL)
        assert await set_aside(web) == ["mail_server_refuses_us"]
        assert await outcome(owner) == (False, None)

    async def test_is_told_of_in_no_log_with_an_address(
        self, web: Web, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        addresses = ("refused.canary@customer.example", "busy.canary@customer.example", "canary@customer.example")
        with structlog.testing.capture_logs() as logs:
            for address in addresses:
                await told(web, address)
            async with mailbox(tmp_path) as server:
                await post(web, mailer_to(server), MAIL)
        assert any(entry["event"] == "mail.refused" for entry in logs)
        ours = [record.getMessage() for record in caplog.records if record.name.startswith(("sublet", "smtplib"))]
        assert "canary" not in f"{logs}{ours}"


def test_the_sandbox_has_test_addresses() -> None:
    assert Receiver.answer is by_address
    assert by_address("RCPT", "TO:<refused.x@y.example>") == "550 5.1.1 There is no such mailbox"
    assert by_address("RCPT", "TO:<busy.x@y.example>") == "451 4.2.1 The mailbox is busy, come again"
    assert by_address("RCPT", "TO:<x@refused.example>") is None
