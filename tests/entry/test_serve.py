"""`sublet serve`: a web process that is told to stop says so to whoever is connected."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from tests.support.app import PASSWORD
from tests.support.demo import free_port

DEADLINE = 30.0


@pytest.fixture
def serving(app_url: str, tmp_path: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """The address of a web process that answers, and the process."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {"DATABASE_URL": app_url, "SUBLET_DATA_DIR": str(tmp_path), "SUBLET_PORT": str(port)}
    process = subprocess.Popen(
        [sys.executable, "-m", "sublet.entry.serve"], env={**os.environ, **environment, "SUBLET_PUBLIC_URL": url}
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


class TestStopping:
    def test_tells_open_channels_to_come_back(self, serving: tuple[str, "subprocess.Popen[bytes]"]) -> None:
        url, process = serving
        with httpx.Client(base_url=url, headers={"Origin": url}) as browser:
            body = {"email": "ada@customer.example", "password": PASSWORD, "name": "Ada"}
            assert browser.post("/api/v1/auth/signup", json=body).status_code == 201
            cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        with connect(
            url.replace("http", "ws", 1) + "/api/v1/events",
            origin=Origin(url),
            subprotocols=[Subprotocol("sublet.events.v1")],
            additional_headers={"Cookie": cookie},
            proxy=None,
        ) as channel:
            channel.send('{"after": "1-1"}')
            channel.recv(timeout=DEADLINE)  # what was missed comes first; from then on the channel follows
            process.send_signal(signal.SIGTERM)
            with suppress(ConnectionClosed):
                while True:
                    channel.recv(timeout=DEADLINE)
            assert (channel.close_code, channel.close_reason) == (1001, "Sublet is restarting; connect again")
        process.wait(DEADLINE)
