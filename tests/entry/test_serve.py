"""`sublet serve`: what a web process says to whoever is connected when it stops, and what it never writes down."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from tests.support.app import PASSWORD
from tests.support.demo import free_port

DEADLINE = 30.0
LOG = "serve.log"

Serving = tuple[str, "subprocess.Popen[bytes]"]


@pytest.fixture
def serving(app_url: str, tmp_path: Path) -> Iterator[Serving]:
    """The address of a web process that answers, and the process."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        "DATABASE_URL": app_url,
        "SUBLET_DATA_DIR": str(tmp_path),
        "SUBLET_PORT": str(port),
        "SUBLET_PUBLIC_URL": url,
        "SUBLET_LOG_LEVEL": "DEBUG",
    }
    with (tmp_path / LOG).open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "sublet.entry.serve"], env={**os.environ, **environment}, stderr=log
        )
    try:
        deadline = time.monotonic() + DEADLINE
        while not answers(url):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield url, process
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.HTTPError:
        return False


@contextmanager
def following(url: str, browser: httpx.Client) -> Iterator[ClientConnection]:
    """An open events channel of somebody who has just signed up, after its first event."""
    body = {"email": "ada@customer.example", "password": PASSWORD, "name": "Ada"}
    assert browser.post("/api/v1/auth/signup", json=body).status_code == 201
    with connect(
        url.replace("http", "ws", 1) + "/api/v1/events",
        origin=Origin(url),
        subprotocols=[Subprotocol("sublet.events.v1")],
        additional_headers={"Cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies.items())},
        proxy=None,
    ) as channel:
        channel.send('{"after": "1-1"}')
        channel.recv(timeout=DEADLINE)  # what was missed comes first; from then on the channel follows
        yield channel


class TestServing:
    def test_tells_open_channels_to_come_back_when_it_stops(self, serving: Serving) -> None:
        url, process = serving
        with httpx.Client(base_url=url, headers={"Origin": url}) as browser, following(url, browser) as channel:
            process.send_signal(signal.SIGTERM)
            with suppress(ConnectionClosed):
                while True:
                    channel.recv(timeout=DEADLINE)
            assert (channel.close_code, channel.close_reason) == (1001, "Sublet is restarting; connect again")
            process.wait(DEADLINE)

    def test_logs_neither_cookies_nor_frames_even_for_debugging(self, serving: Serving, tmp_path: Path) -> None:
        url, process = serving
        with httpx.Client(base_url=url, headers={"Origin": url}) as browser:
            with following(url, browser) as channel:
                channel.send("canary-of-serve")
                with suppress(ConnectionClosed):
                    while True:
                        channel.recv(timeout=DEADLINE)
            (secret,) = browser.cookies.values()
        process.terminate()
        process.wait(DEADLINE)
        written = (tmp_path / LOG).read_text()
        assert "Application startup complete" in written
        assert secret not in written
        assert "canary-of-serve" not in written
