"""The sandbox as its own process, a receiver for its webhooks, and a hand that fills in its hosted page."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import stripe

from tests.support.clock import Clock
from tests.support.ports import free_port

API_KEY = "sk_test_sandbox0123456789abcdef"
WEBHOOK_SECRET = "whsec_sandbox0123456789abcdef"
DEADLINE_SECONDS = 20.0
T = TypeVar("T")


class StripeSandbox:
    """`python -m sublet_sandbox.stripe`, started and stopped as a user would."""

    def __init__(
        self, directory: Path, webhook_url: str = "http://127.0.0.1:9/nobody", *, clock: Clock | None = None
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.webhook_url = webhook_url
        self._environment = clock.environment if clock else {}
        self._directory = directory
        (directory / "key").write_text(API_KEY + "\n")
        (directory / "webhook-secret").write_text(WEBHOOK_SECRET + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def arguments(self) -> list[str]:
        files = {name: self._directory / name for name in ("state.db", "key", "webhook-secret")}
        return [
            *(
                sys.executable,
                "-m",
                "sublet_sandbox.stripe",
                "--port",
                str(self.port),
                "--data",
                str(files["state.db"]),
            ),
            *("--api-key-file", str(files["key"]), "--webhook-secret-file", str(files["webhook-secret"])),
            *("--webhook-url", self.webhook_url),
            *("--mailbox", str(self._directory / "mailbox")),
        ]

    def start(self) -> StripeSandbox:
        """Start it and wait until it answers."""
        self._process = subprocess.Popen(self.arguments(), env={**os.environ, **self._environment})
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            try:
                if httpx.get(f"{self.url}/livez", timeout=1.0, trust_env=False).status_code == 200:
                    return self
            except httpx.TransportError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the process and wait for its end."""
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def client(self, api_key: str = API_KEY, **options: Any) -> stripe.StripeClient:
        """The real SDK, pointed here."""
        return stripe.StripeClient(api_key, base_addresses={"api": self.url}, **options)

    def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask the control path."""
        answer = httpx.request(
            method,
            f"{self.url}/_sandbox/{path}",
            json=body,
            headers={"Authorization": f"Bearer {API_KEY}"},
            timeout=20,
            trust_env=False,
        )
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


def pay(
    url: str,
    number: str = "4242424242424242",
    *,
    expiry: str = "12 / 40",
    cvc: str = "123",
    name: str = "Ada Example",
    email: str = "ada@example.com",
    challenge: str | None = None,
) -> httpx.Response:
    """Submit the hosted page and, when told to, answer the bank; redirects to the merchant are not followed."""
    fields = {"cardNumber": number, "cardExpiry": expiry, "cardCvc": cvc, "billingName": name, "email": email}
    with httpx.Client(timeout=10, trust_env=False) as browser:
        answer = shown_after(browser, url, browser.post(url, data=fields))
        if challenge is not None:
            assert answer.status_code == 303, answer.text
            where = answer.headers["location"]
            assert "/c/challenge/" in where
            assert "3D Secure" in browser.get(where).text
            answer = browser.post(where, data={"decision": challenge})
            assert answer.status_code == 303
            back = str(httpx.URL(url).join(answer.headers["location"]))
            answer = browser.get(back)
        return answer


def shown_after(browser: httpx.Client, url: str, answer: httpx.Response) -> httpx.Response:
    """What a browser shows after a form was sent: the page again where it leads back to that, and else the answer."""
    assert answer.status_code == 303, "every form is answered by a redirect"
    where = answer.headers["location"]
    return browser.get(str(httpx.URL(url).join(where))) if where.startswith("/c/pay/") else answer


def alert(page: httpx.Response) -> str:
    """What the page says in its alert."""
    found = re.search(r'role="alert">([^<]*)<', page.text)
    return found[1].replace("&#39;", "'") if found else ""


def eventually(read: Callable[[], T], wanted: Callable[[T], bool]) -> T:
    """Read until it is as wanted; fails at the deadline with what was read last."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not wanted(found := read()):
        assert time.monotonic() < deadline, f"still {found!r}"
        time.sleep(0.02)
    return found


@dataclass
class Receiver:
    """A webhook endpoint that keeps what it gets; `statuses` are answered first, then 200."""

    statuses: list[int] = field(default_factory=list)
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> Receiver:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/hook"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in head[1:] if line}
        body = await reader.readexactly(int(headers["content-length"]))
        self.received.append((headers, body))
        status = self.statuses.pop(0) if self.statuses else 200
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()
