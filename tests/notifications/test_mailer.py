"""Handing mail over: readably only where that was said, to a server that is who it says, within a deadline."""

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sublet.core.runtime import NotConfigured
from sublet.core.settings import SecretRef
from sublet.notifications.mail.mailer import Mailer, MailServerRefusesUs, MailServerUnreachable, Taken
from sublet.notifications.mail.message import Mail
from tests.notifications.mailbox import certified, mailbox, mailer_to
from tests.support.app import settings_for

pytestmark = pytest.mark.anyio

MAIL = Mail(
    key="ntc_x",
    to="ada@customer.example",
    title="Zwölf Euro\nBcc: everybody@customer.example",
    sentences=("Zwölf Boxkämpfer jagen Viktor.", ".\r\n.", "A line that begins with a dot:\n.dot"),
    link="https://sublet.test/",
    link_says="Look",
    footer="Why.",
    written_at=datetime(2026, 3, 1, tzinfo=UTC),
)


class TestAMessage:
    async def test_arrives_as_it_was_written(self, tmp_path: Path) -> None:
        async with mailbox(tmp_path) as server:
            assert await mailer_to(server).send(MAIL) == Taken()
            [mail] = server.folder.all()
        assert mail.subject == "Zwölf Euro Bcc: everybody@customer.example"
        assert mail.recipients == ["ada@customer.example"]
        assert mail.message["Bcc"] is None
        for sentence in MAIL.sentences:
            assert sentence.replace("\r\n", "\n") in mail.body("plain").replace("\r\n", "\n")
        assert "List-Unsubscribe" not in mail.message


class TestTls:
    @pytest.mark.parametrize(("security", "at_once"), [("starttls", False), ("tls", True)])
    async def test_carries_the_password(self, tmp_path: Path, security: str, at_once: bool) -> None:
        shows, believes = certified(tmp_path)
        (tmp_path / "password").write_text("pass word 1\n")
        known = {"user": "sublet", "password": SecretRef(f"file:{tmp_path / 'password'}"), "security": security}
        options = {"tls": shows, "tls_at_once": at_once, "user": "sublet", "password": "pass word 1"}
        async with mailbox(tmp_path, **options) as server:
            assert await mailer_to(server, tls=believes, **known).send(MAIL) == Taken()
            server.password = "another"
            with pytest.raises(MailServerRefusesUs):
                await mailer_to(server, tls=believes, **known).send(MAIL)
            assert len(server.folder.all()) == 1

    async def test_is_not_done_without(self, tmp_path: Path) -> None:
        _, believes = certified(tmp_path)
        async with mailbox(tmp_path) as server:
            with pytest.raises(MailServerRefusesUs):
                await mailer_to(server, tls=believes, security="starttls").send(MAIL)
            assert server.folder.all() == []

    @pytest.mark.parametrize(("security", "at_once"), [("starttls", False), ("tls", True)])
    async def test_shows_who_the_server_is(self, tmp_path: Path, security: str, at_once: bool) -> None:
        shows, _ = certified(tmp_path)
        async with mailbox(tmp_path, tls=shows, tls_at_once=at_once) as server:
            with pytest.raises(MailServerRefusesUs):
                await mailer_to(server, security=security).send(MAIL)
            assert server.folder.all() == []


class TestADeadline:
    async def test_ends_what_a_silent_server_holds_up(self) -> None:
        left = asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()  # until the other side has gone
            left.set()
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        began = time.monotonic()
        with pytest.raises(MailServerUnreachable):
            await mailer_to(server.sockets[0].getsockname()[1], deadline_seconds=0.2).send(MAIL)
        assert time.monotonic() - began < 5
        async with asyncio.timeout(5):
            await left.wait()
        server.close()


class TestSettings:
    def test_without_a_mail_server_mean_no_mail(self, tmp_path: Path) -> None:
        assert Mailer.from_settings(settings_for(tmp_path)) is None

    @pytest.mark.parametrize(
        ("half", "named"),
        [
            ({"mail_from": None}, "SUBLET_MAIL_FROM"),
            ({"smtp_user": "sublet"}, "SUBLET_SMTP_PASSWORD"),
            ({"smtp_password": SecretRef("file:/nowhere")}, "SUBLET_SMTP_USER"),
            (
                {"smtp_user": "s", "smtp_password": SecretRef("file:/nowhere"), "smtp_security": "none"},
                "SUBLET_SMTP_SECURITY",
            ),
        ],
    )
    def test_that_are_half_set_stop_the_start(self, tmp_path: Path, half: dict[str, Any], named: str) -> None:
        whole = {"smtp_host": "mail.example", "mail_from": "sublet@platform.example"}
        assert Mailer.from_settings(settings_for(tmp_path, **whole)) is not None
        with pytest.raises(NotConfigured, match=named):
            Mailer.from_settings(settings_for(tmp_path, **{**whole, **half}))
