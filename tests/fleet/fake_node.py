"""An SSH server that answers the node protocol as told: for what a real node does too rarely to be tested with."""

import asyncio
import base64
import contextlib
import json
import socket
import struct
import weakref
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncssh

from sublet.fleet.ca import public_line
from sublet.fleet.certificates import CONTROL_USER
from sublet.fleet.control_principals import OF_ALL

Answer = Callable[[dict[str, Any]], Any]

PROBE: dict[str, Any] = {
    "vcpu": 8,
    "memory_mib": 16384,
    "disk_gib": 200,
    "kernel": "6.1.0",
    "os": "Debian GNU/Linux 12",
    "hostname": "fake",
    "helper_version": "0.1.0",
    "python": "3.11.2",
    "openssh": "OpenSSH_9.2p1",
    "boot_id": "boot-1",
    "mode": "systemd",
    "limits_enforced": True,
    "gpus": [{"index": 0, "uuid": "GPU-fake-0", "model": "Stand-in 24", "memory_mib": 24576, "device": "/dev/nvidia0"}],
    "capabilities": [
        {"name": name, "enforced": True, "detail": "shown by the kernel"}
        for name in ("cpu", "memory", "tasks", "devices")
    ]
    + [{"name": "disk_quota", "enforced": False, "detail": "no quota"}],
}

SPACE: dict[str, int | None] = {"disk_free_gib": 150, "inodes_free": 1_000_000}


def now(ahead: timedelta = timedelta(0)) -> str:
    """The node's clock."""
    return (datetime.now(UTC) + ahead).isoformat()


class FakeNode:
    """Listens on 127.0.0.1; `answers[verb]` is called with the request and may return a coroutine."""

    def __init__(self) -> None:
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.host_certificate: str | None = None
        self.user_authorities: list[str] = []
        self.revoked_keys = b""
        self.requests: list[dict[str, Any]] = []
        self.connections = 0
        self.allocations: list[dict[str, Any]] = []
        self.boot_id = "boot-1"
        self.doors: str | None = "doors-1"
        self.keeps_out: str | None = None
        """Why no customer gets in, in the node's word."""
        self.shows: dict[str, Any] = {}
        """What a session shows other than it should: `uid`, `homes`, `processes`."""
        self.accounts: dict[str, int] = {}
        self.space: dict[str, int | None] = dict(SPACE)
        self.ahead = timedelta(0)
        """How far its clock is."""
        self.hung = asyncio.Event()
        self.answers: dict[str, Answer] = {
            "probe": lambda _: {**PROBE, "boot_id": self.boot_id, "doors": self.doors, "time": now()},
            "observe": lambda _: {
                "boot_id": self.boot_id,
                "time": now(self.ahead),
                **self.space,
                "doors": self.doors,
                "allocations": self.allocations,
                "unknown": [],
            },
            "trust": self._trust,
            "revoke": self._revoke,
            "apply": self._apply,
            "explain_entry": lambda _: {"cause": self.keeps_out or "unknown", "lines": ["as seen"], "fix": "Mend it."},
            "release": self._release,
        }
        # Its port stays its own while it does not listen: on a busy machine somebody else would be given it meanwhile.
        kept = socket.socket()
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        weakref.finalize(self, kept.close)
        self.port: int = kept.getsockname()[1]
        self._server: asyncssh.SSHAcceptor | None = None

    @property
    def host_public_key(self) -> str:
        """As a machine sends it when it joins."""
        return public_line(self.host_key)

    async def start(self, port: int = 0) -> None:
        """Listen with the present key, certificate and authorities."""
        self._server = await asyncssh.listen(
            "127.0.0.1",
            port or self.port,
            server_host_keys=self._keys(),
            process_factory=self._serve,
            server_factory=lambda: _Counting(self),
            encoding=None,
        )
        self.port = self._server.get_port()

    def trusted_for(self, username: str) -> asyncssh.SSHAuthorizedKeys | None:
        """Whose certificates let somebody in under this name."""
        if not self.user_authorities or (username not in self.accounts and username != CONTROL_USER):
            return None
        if username != CONTROL_USER and self.keeps_out is not None:
            return None
        principal = OF_ALL if username == CONTROL_USER else username
        lines = "".join(f'cert-authority,principals="{principal}" {line}\n' for line in self.user_authorities)
        return asyncssh.import_authorized_keys(lines)

    def _keys(self) -> list[Any]:
        if self.host_certificate is None:
            return [self.host_key]
        return [(self.host_key, asyncssh.import_certificate(self.host_certificate))]

    async def stop(self) -> None:
        """Stop listening and cut every connection."""
        if self._server is not None:
            self.cut()
            await self._server.wait_closed()
            self._server = None

    def cut(self) -> None:
        """The same at once, without waiting until all is closed."""
        assert self._server is not None
        self._server.close()
        for connection in list(_live.get(self, ())):
            connection.abort()

    async def restart(self) -> None:
        """Come back on the same port with what has been changed meanwhile."""
        await self.stop()
        await self.start(self.port)

    async def _serve(self, process: "asyncssh.SSHServerProcess[bytes]") -> None:
        login = process.get_extra_info("username")
        if login != CONTROL_USER:
            process.stdout.write(self._session(login))
            process.exit(0)
            return
        with contextlib.suppress(asyncssh.Error, OSError):
            async for line in process.stdin:
                if not line:
                    break
                request = json.loads(line)
                self.requests.append(request)
                if self.hung.is_set():
                    await asyncio.Event().wait()
                process.stdout.write(await self._answer(request))
            process.exit(0)

    async def _answer(self, request: dict[str, Any]) -> bytes:
        observed = self.answers[request["verb"]](request)
        if asyncio.iscoroutine(observed):
            observed = await observed
        if isinstance(observed, bytes):
            return observed
        body = {"id": request["id"], "ok": "error" not in observed}
        body["error" if "error" in observed else "observed"] = observed.get("error", observed)
        return json.dumps(body).encode() + b"\n"

    def _session(self, login: str) -> bytes:
        """What a customer sees who looks around."""
        seen = {"uid": self.accounts[login], "homes": f"/home/{login}", "processes": "own", **self.shows}
        return f"{seen['uid']}\n{seen['homes']}\n{seen['processes']}\nin\n".encode()

    def _apply(self, request: dict[str, Any]) -> dict[str, Any]:
        asked = request["params"]
        self.accounts[asked["login"]] = asked["uid"]
        return {
            **{name: asked[name] for name in ("login", "uid", "state")},
            "home": f"/home/{asked['login']}",
            "slice": f"user-{asked['uid']}.slice",
            "login_open": True,
            "enforced": [],
            "boot_id": self.boot_id,
        }

    def _release(self, request: dict[str, Any]) -> dict[str, Any]:
        self.accounts.pop(request["params"]["login"], None)
        return {"clean": True, "checks": [{"name": "account", "clean": True, "detail": "gone"}]}

    def _revoke(self, request: dict[str, Any]) -> dict[str, Any]:
        self.revoked_keys = base64.b64decode(request["params"]["revoked_keys_base64"])
        return {"revoked_keys_version": struct.unpack_from(">Q", self.revoked_keys, 12)[0]}

    def _trust(self, request: dict[str, Any]) -> dict[str, Any]:
        self.host_certificate = request["params"]["host_certificate"]
        assert self.host_certificate is not None
        self.user_authorities = request["params"]["user_ca_public_keys"]
        assert self._server is not None
        self._server.update(server_host_keys=self._keys())
        ends = asyncssh.import_certificate(self.host_certificate)._valid_before
        return {
            "host_certificate_valid_before": datetime.fromtimestamp(ends, UTC).isoformat(),
            "host_public_key": self.host_public_key,
        }


_live: dict[FakeNode, set[asyncssh.SSHServerConnection]] = {}


class _Counting(asyncssh.SSHServer):
    def __init__(self, fake: FakeNode) -> None:
        self._fake = fake
        self._connection: asyncssh.SSHServerConnection | None = None
        self._username = ""

    def connection_made(self, connection: asyncssh.SSHServerConnection) -> None:
        self._connection = connection
        _live.setdefault(self._fake, set()).add(connection)

    def connection_lost(self, _error: Exception | None) -> None:
        if self._connection is not None:
            _live[self._fake].discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        self._username = username
        trusted = self._fake.trusted_for(username)
        if trusted is not None and self._connection is not None:
            self._connection.set_authorized_keys(trusted)
        return True

    def auth_completed(self) -> None:
        self._fake.connections += self._username == CONTROL_USER
