"""The SMTP side: a small server on 127.0.0.1 that accepts whatever mail comes, or refuses it as it is told to.

An address whose local part begins with `refused.` is refused for good (550), and one that begins with `busy.` for now
(451), as test cards are declined.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from sublet_sandbox.mailbox.folder import Folder

LONGEST_LINE = 2000
LONGEST_MAIL = 1_000_000
MOST_RECIPIENTS = 20
SILENCE_SECONDS = 60.0

Answer = Callable[[str, str], "str | None"]
"""What is said to a command and its argument instead of the usual; None for the usual."""


def by_address(verb: str, argument: str) -> str | None:
    """The answers to test addresses."""
    if verb == "RCPT":
        if "<refused." in argument.lower():
            return "550 5.1.1 There is no such mailbox"
        if "<busy." in argument.lower():
            return "451 4.2.1 The mailbox is busy, come again"
    return None


@dataclass
class Receiver:
    """Takes mail into a folder. With `tls` it offers STARTTLS, or speaks TLS from the start if `tls_at_once`; with
    `user` and `password` it takes mail from them alone, and only over TLS."""

    folder: Folder
    port: int = 0
    answer: Answer = by_address
    tls: ssl.SSLContext | None = None
    tls_at_once: bool = False
    user: str | None = None
    password: str = ""
    connections: int = 0
    _server: asyncio.Server | None = field(default=None, repr=False)
    _talks: set[asyncio.Task[None]] = field(default_factory=set, repr=False)

    async def start(self) -> None:
        """Listen; port 0 becomes one that was free."""
        context = self.tls if self.tls_at_once else None
        self._server = await asyncio.start_server(self._met, "127.0.0.1", self.port, limit=LONGEST_LINE, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and end what is open."""
        assert self._server is not None
        self._server.close()
        for talk in list(self._talks):
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.current_task()
        assert talk is not None
        self._talks.add(talk)
        self.connections += 1
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                await _Talk(self, reader, writer).run()
        finally:
            self._talks.discard(talk)
            writer.close()


class _Talk:
    """One connection."""

    def __init__(self, receiver: Receiver, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.receiver, self.reader, self.writer = receiver, reader, writer
        self.encrypted = receiver.tls_at_once
        self.known = receiver.user is None
        self.sender: str | None = None
        self.recipients: list[str] = []

    async def run(self) -> None:
        await self._say("220 mailbox.sandbox ESMTP")
        while True:
            line = (await self._line()).decode("utf-8", "replace").strip()
            verb, _, argument = line.partition(" ")
            verb = verb.upper()
            said = self.receiver.answer(verb, argument)
            if said is not None:
                await self._say(said)
            elif verb == "QUIT":
                await self._say("221 2.0.0 Bye")
                return
            else:
                await self._answer(verb, argument)

    async def _answer(self, verb: str, argument: str) -> None:
        if verb in {"EHLO", "HELO"}:
            await self._greet(verb)
        elif verb == "STARTTLS" and self.receiver.tls is not None and not self.encrypted:
            await self._say("220 2.0.0 Go ahead")
            await self.writer.start_tls(self.receiver.tls)
            self.encrypted = True
        elif verb == "AUTH" and self.receiver.user is not None:
            await self._sign_in(argument)
        elif verb in {"RSET", "NOOP"}:
            self._forget()
            await self._say("250 2.0.0 OK")
        elif verb in {"MAIL", "RCPT", "DATA"} and not self.known:
            await self._say("530 5.7.0 Sign in first")
        elif verb == "MAIL":
            self._forget()
            self.sender = argument
            await self._say("250 2.1.0 OK")
        elif verb == "RCPT" and self.sender is not None and len(self.recipients) < MOST_RECIPIENTS:
            self.recipients.append(argument.partition(":")[2].strip().strip("<>"))
            await self._say("250 2.1.5 OK")
        elif verb == "DATA" and self.recipients:
            await self._take()
        else:
            await self._say("503 5.5.1 Not now")

    async def _greet(self, verb: str) -> None:
        offers = ["mailbox.sandbox", "SMTPUTF8", "8BITMIME"]
        if self.receiver.tls is not None and not self.encrypted:
            offers.append("STARTTLS")
        if self.receiver.user is not None and self.encrypted:
            offers.append("AUTH PLAIN")
        lines = offers if verb == "EHLO" else offers[:1]
        for line in lines[:-1]:
            self.writer.write(f"250-{line}\r\n".encode())
        await self._say(f"250 {lines[-1]}")

    async def _sign_in(self, argument: str) -> None:
        how, _, given = argument.partition(" ")
        wanted = f"\0{self.receiver.user}\0{self.receiver.password}".encode()
        with suppress(ValueError):
            self.known = self.encrypted and how.upper() == "PLAIN" and base64.b64decode(given) == wanted
        await self._say("235 2.7.0 Welcome" if self.known else "535 5.7.8 Not with these credentials")

    async def _take(self) -> None:
        await self._say("354 End with a dot on a line of its own")
        lines: list[bytes] = []
        size = 0
        while (line := await self._line()) != b".\r\n":
            size += len(line)
            if size <= LONGEST_MAIL:
                lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        if size > LONGEST_MAIL:
            await self._say("552 5.3.4 Too large")
        elif (said := self.receiver.answer("END", "")) is not None:
            await self._say(said)
        else:
            self.receiver.folder.keep(b"".join(lines), self.recipients)
            await self._say("250 2.0.0 Taken")
        self._forget()

    def _forget(self) -> None:
        self.sender, self.recipients = None, []

    async def _line(self) -> bytes:
        async with asyncio.timeout(SILENCE_SECONDS):
            return await self.reader.readuntil(b"\r\n")

    async def _say(self, line: str) -> None:
        self.writer.write(f"{line}\r\n".encode())
        await self.writer.drain()
