"""Handing a mail to the operator's mail server, and what came of it: taken, refused for good, or to be tried again."""

import asyncio
import smtplib
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from functools import partial
from urllib.parse import urlsplit

from anyio import to_thread

from sublet.core.db import forbid_open_session
from sublet.core.errors import SubletError
from sublet.core.runtime import NotConfigured
from sublet.core.settings import SecretRef, Settings
from sublet.notifications.mail.message import Mail, compose

STEP_SECONDS = 10.0
"""How long the mail server may take for one answer."""
DEADLINE_SECONDS = 30.0
"""How long handing one mail over may take in all."""


class MailNotTaken(SubletError):
    """The mail server did not take a mail, and may take it later; `code` says what went wrong."""

    code = "mail_not_taken"


class MailServerUnreachable(MailNotTaken):
    """There is no connection to the mail server, or it was lost."""

    code = "mail_server_unreachable"


class MailServerRefusesUs(MailNotTaken):
    """The mail server takes nothing from us: it is the settings that are wrong, not the mail."""

    code = "mail_server_refuses_us"


@dataclass(frozen=True, slots=True)
class Taken:
    """The mail server has it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The mail server will never take this mail for this address: its answer's number."""

    status: int


class Mailer:
    """The mail server of the settings. `tls` replaces what certificates are believed by."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        security: str,
        sender: str,
        sender_name: str,
        public_url: str,
        user: str | None = None,
        password: SecretRef | None = None,
        tls: ssl.SSLContext | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._host, self._port, self._security = host, port, security
        self._sender, self._sender_name, self.public_url = sender, sender_name, public_url.rstrip("/")
        self._user, self._password = user, password
        self._tls = tls or ssl.create_default_context()
        self._deadline_seconds = deadline_seconds

    @classmethod
    def from_settings(cls, settings: Settings) -> "Mailer | None":
        """The mailer that the settings describe; None where they name no mail server, and NotConfigured for half."""
        if settings.smtp_host is None:
            return None
        if settings.mail_from is None:
            raise NotConfigured(
                "SUBLET_SMTP_HOST is set and SUBLET_MAIL_FROM is not. Nothing was started. Set it to the address that "
                "mail comes from."
            )
        if (settings.smtp_user is None) != (settings.smtp_password is None):
            raise NotConfigured(
                "Of SUBLET_SMTP_USER and SUBLET_SMTP_PASSWORD one is set alone. Nothing was started. Set both, or none."
            )
        if settings.smtp_password is not None and settings.smtp_security == "none":
            raise NotConfigured(
                "SUBLET_SMTP_SECURITY is none, and the password of the mail server would travel readably. Nothing was "
                "started. Set it to starttls or tls."
            )
        return cls(
            host=settings.smtp_host,
            port=settings.smtp_port,
            security=settings.smtp_security,
            sender=settings.mail_from,
            sender_name=settings.mail_from_name,
            public_url=settings.public_url,
            user=settings.smtp_user,
            password=settings.smtp_password,
        )

    async def send(self, mail: Mail) -> Taken | Refused:
        """Hand a mail over. MailNotTaken where it may be taken later; OpenSessionError while a session is open."""
        forbid_open_session("the mail server")
        message = compose(mail, sender=self._sender, sender_name=self._sender_name, public_url=self.public_url)
        server = self._client()
        try:
            async with asyncio.timeout(self._deadline_seconds):
                return await to_thread.run_sync(partial(self._hand_over, server, message), abandon_on_cancel=True)
        except TimeoutError:
            raise MailServerUnreachable(
                f"The mail server did not take a mail within {self._deadline_seconds:g} s. It is tried again."
            ) from None
        finally:
            _cut(server)  # a thread that still waits for it ends with the connection

    def _client(self) -> smtplib.SMTP:
        named = urlsplit(self.public_url).hostname or "localhost"  # else the library asks the network for our name
        if self._security == "tls":
            return smtplib.SMTP_SSL(local_hostname=named, timeout=STEP_SECONDS, context=self._tls)
        return smtplib.SMTP(local_hostname=named, timeout=STEP_SECONDS)

    def _hand_over(self, server: smtplib.SMTP, message: EmailMessage) -> Taken | Refused:
        try:
            self._sign_in(server)
            server.send_message(message)
        except smtplib.SMTPRecipientsRefused as refused:
            return _judged(next(iter(refused.recipients.values()))[0])
        except smtplib.SMTPDataError as refused:
            return _judged(refused.smtp_code)
        except (smtplib.SMTPResponseException, smtplib.SMTPNotSupportedError, ssl.SSLError) as error:
            status = error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else None
            if status is not None and 400 <= status < 500:
                raise _not_now(status) from None
            raise MailServerRefusesUs(
                f"The mail server takes nothing from us ({status or type(error).__name__}). Mail waits, and is tried "
                "again. Look at the settings that begin with SUBLET_SMTP and SUBLET_MAIL."
            ) from None
        except (OSError, smtplib.SMTPException) as error:
            raise MailServerUnreachable(
                f"The mail server cannot be reached ({type(error).__name__}). Mail waits, and is tried again."
            ) from None
        with suppress(OSError, smtplib.SMTPException):
            server.quit()
        return Taken()

    def _sign_in(self, server: smtplib.SMTP) -> None:
        server._host = self._host  # type: ignore[attr-defined]  # whose certificate is looked at; `connect` sets none
        server.connect(self._host, self._port)
        if self._security == "starttls":
            server.starttls(context=self._tls)
        if self._user is not None and self._password is not None:
            server.login(self._user, self._password.read())


def _judged(status: int) -> Refused:
    """What an answer to one mail means; MailNotTaken for one that may change."""
    if status < 500:
        raise _not_now(status)
    return Refused(status)


def _not_now(status: int) -> MailNotTaken:
    return MailNotTaken(f"The mail server did not take a mail now ({status}). It is tried again.")


def _cut(server: smtplib.SMTP) -> None:
    connection = server.sock
    if connection is not None:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        server.close()
