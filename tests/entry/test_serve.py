"""`sublet serve`: what a web process says to whoever is connected when it stops, and what it never writes down."""

import asyncio
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
import uvicorn
from websockets.asyncio.client import connect as asyncio_connect
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from sublet.core.db import Database
from sublet.core.key_files import keyring_at
from sublet.core.settings import Settings
from sublet.entry.serve import GOODBYE_SECONDS, WebServer
from sublet.entry.web import create_app
from sublet.fleet.ca import CertificateAuthority
from sublet.ledger.wallets import open_wallet
from sublet.terminal.frames import SUBPROTOCOL
from tests.allocations.rental import Rental, owner_of, pay_in
from tests.fleet.joined import ALLOCATION, LOGIN, Joined
from tests.fleet.real_sshd import RealSshd
from tests.support.app import PASSWORD
from tests.support.ports import free_port
from tests.terminal.conftest import Terminal

DEADLINE = 30.0
LOG = "serve.log"

SERVE = [sys.executable, "-m", "sublet.entry.serve"]

Serving = tuple[str, "subprocess.Popen[bytes]"]


def environment_of(app_url: str, tmp_path: Path, port: int, **more: str) -> dict[str, str]:
    """What a web process needs to serve on the port."""
    given = {
        "DATABASE_URL": app_url,
        "SUBLET_DATA_DIR": str(tmp_path),
        "SUBLET_PORT": str(port),
        "SUBLET_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "SUBLET_CURRENCY": "USD",
        "SUBLET_TIME_ZONE": "UTC",
    }
    return {**os.environ, **given, **more}


@pytest.fixture
def serving(app_url: str, tmp_path: Path) -> Iterator[Serving]:
    """The address of a web process that answers, and the process."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with (tmp_path / LOG).open("wb") as log:
        process = subprocess.Popen(
            SERVE, env=environment_of(app_url, tmp_path, port, SUBLET_LOG_LEVEL="DEBUG"), stderr=log
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


COPY = """
INSERT INTO allocation OVERRIDING SYSTEM VALUE
SELECT (jsonb_populate_record(a, jsonb_build_object(
         'seq', a.seq + 1, 'id', CAST(:id AS text), 'login', CAST(:login AS text), 'name', 'real',
         'uid', a.uid + 1, 'node_id', CAST(:node_id AS text),
         'state', 'queued', 'operation_id', NULL))).*
  FROM allocation a WHERE a.id = :template
"""


async def lend_real_account(database: Database, joined: Joined, browser: httpx.AsyncClient) -> None:
    """Let the one who browses have an allocation whose account a real sshd serves, though nothing provisioned it."""
    await joined.join("real", gpu="GPU-real-0")
    rental = await Rental.open(database)
    me = (await browser.get("/api/v1/me")).json()
    rental.actor = owner_of(me)
    await pay_in(database, rental.actor, "20.00")
    template = await rental.running()
    place = {"id": ALLOCATION, "login": LOGIN, "node_id": joined.address.node_id, "template": template}
    await rental.run(COPY, **place)
    for state in ("provisioning", "active"):
        await rental.run("UPDATE allocation SET state = :state WHERE id = :id", state=state, id=ALLOCATION)


class TestATerminal:
    @pytest.mark.anyio
    async def test_is_told_and_its_shell_ended_when_the_process_stops(
        self, serving: Serving, database: Database, sshd: RealSshd, tmp_path: Path
    ) -> None:
        url, process = serving
        authority = CertificateAuthority(database, keyring_at(tmp_path / "keys" / "encryption.key"))
        async with httpx.AsyncClient(base_url=url, headers={"Origin": url}) as browser:
            body = {"email": "ada@customer.example", "password": PASSWORD, "name": "Ada"}
            assert (await browser.post("/api/v1/auth/signup", json=body)).status_code == 201
            await lend_real_account(database, Joined(database, authority, sshd), browser)
            cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        async with asyncio_connect(
            f"{url.replace('http', 'ws', 1)}/api/v1/allocations/{ALLOCATION}/terminal",
            origin=Origin(url),
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            additional_headers={"Cookie": cookie},
            proxy=None,
        ) as socket:
            terminal = Terminal(socket)
            await terminal.send(type="open", cols=80, rows=24)
            await terminal.frame("opened")
            await terminal.type("echo shell=$$.\n")
            shell = Path("/proc") / (await terminal.match(rb"shell=(\d+)\.")).group(1).decode()
            assert shell.exists()
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(GOODBYE_SECONDS):
                assert (await terminal.frame("error"))["code"] == "going_away"
                assert (await terminal.closed())[0] == 1001
                while shell.exists():
                    await asyncio.sleep(0.02)
            await asyncio.to_thread(process.wait, DEADLINE)


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

    @pytest.mark.anyio
    async def test_is_refused_over_connections_that_have_other_settings(
        self, app_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(Database, "options", lambda _self: "")  # a pooler drops them
        app = create_app(
            Settings(database_url=app_url, currency="USD", time_zone="UTC", data_directory=tmp_path / "data")
        )
        server = WebServer(uvicorn.Config(app), app)
        await server.startup()
        assert (server.should_exit, server.started) == (True, False)
        assert "role is none and not sublet_app" in capsys.readouterr().err

    def test_without_a_database_says_so(self, tmp_path: Path) -> None:
        away = f"postgresql://u:canary@127.0.0.1:{free_port()}/name"
        environment = environment_of(away, tmp_path, free_port())
        ended = subprocess.run(SERVE, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 1
        assert "The database could not be used: (OperationalError) connection failed" in ended.stderr
        assert "Nothing was started" in ended.stderr
        assert "Traceback" not in ended.stderr
        assert "canary" not in ended.stderr

    @pytest.mark.anyio
    async def test_is_refused_in_another_currency_than_the_wallets_are_kept_in(
        self, database: Database, app_url: str, tmp_path: Path
    ) -> None:
        async with database.transaction() as session:
            await open_wallet(session, "org_x", currency="USD")
        environment = environment_of(app_url, tmp_path, free_port(), SUBLET_CURRENCY="EUR")
        ended = await asyncio.to_thread(
            subprocess.run, SERVE, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert ended.returncode == 1
        assert "SUBLET_CURRENCY is EUR, and wallets of this installation are kept in USD" in ended.stderr
        assert "Set SUBLET_CURRENCY to USD" in ended.stderr
        assert "Traceback" not in ended.stderr
