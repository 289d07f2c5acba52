"""The smallest control plane a node can be enrolled with: authorities, one route, and the node protocol over SSH."""

import asyncio
import base64
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncssh

from sublet_sandbox.nodes import Enrolment, LocalNode

TOKEN = "join-once"


class Refused(Exception):
    """The node answered with an error."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error['code']}: {error['message']}")
        self.code: str = error["code"]
        self.retryable: bool = error["retryable"]


@dataclass
class ControlPlane:
    """Authorities of its own, and the server that `sublet-node enrol` talks to."""

    user_ca: asyncssh.SSHKey = field(default_factory=lambda: asyncssh.generate_private_key("ssh-ed25519"))
    host_ca: asyncssh.SSHKey = field(default_factory=lambda: asyncssh.generate_private_key("ssh-ed25519"))
    enrolled: list[dict[str, Any]] = field(default_factory=list)
    left: list[dict[str, Any]] = field(default_factory=list)
    revoked: bytes = b""
    address: str = ""
    principal: str = "sublet-control-nd_test"
    told: dict[str, Any] = field(default_factory=dict)
    """Where a node that asks is said to be reached."""
    ahead: timedelta = timedelta(0)
    """How far its clock is."""
    certifies: asyncssh.SSHKey | None = None
    """The key that it certifies, whatever was sent."""

    def host_certificate(self, public_key: str, *, name: str = "node", valid_before: str = "+1d") -> str:
        """Sign a host key for the node's address."""
        key = self.certifies or asyncssh.import_public_key(public_key)
        certificate = self.host_ca.generate_host_certificate(
            key, name, principals=[self.address], valid_after="-1m", valid_before=valid_before
        )
        return certificate.export_certificate().decode().strip()

    def user_certificate(
        self,
        principal: str,
        *,
        signer: asyncssh.SSHKey | None = None,
        after: str = "-1m",
        before: str = "+5m",
        serial: int = 1,
    ) -> tuple[asyncssh.SSHKey, asyncssh.SSHCertificate]:
        """A fresh key with a certificate for one principal."""
        key = asyncssh.generate_private_key("ssh-ed25519")
        certificate = (signer or self.user_ca).generate_user_certificate(
            key, f"test {principal}", principals=[principal], valid_after=after, valid_before=before, serial=serial
        )
        return key, certificate

    def trust(self, public_key: str) -> dict[str, Any]:
        """What the node has to believe."""
        return {
            "user_ca_public_keys": [self.user_ca.export_public_key().decode().strip()],
            "revoked_keys_base64": base64.b64encode(self.revoked).decode(),
            "host_certificate": self.host_certificate(public_key),
        }

    @property
    def known_hosts(self) -> asyncssh.SSHKnownHosts:
        """Believe host certificates only."""
        return asyncssh.import_known_hosts(f"@cert-authority * {self.host_ca.export_public_key().decode()}")

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        """Serve the enrolment route on a free port of 127.0.0.1."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            yield server.sockets[0].getsockname()[1]

    async def enrol(
        self,
        node: LocalNode,
        helper: Path,
        *,
        deny: tuple[str, ...] = (),
        allow: tuple[str, ...] = (),
        token: str = TOKEN,
        options: tuple[str, ...] = (),
    ) -> str:
        """Enrol a node; returns what its helper printed."""
        self.address, self.told = node.address, {"address": node.address, "port": node.port, **self.told}
        async with self.serving() as port:
            return await node.enrol(Enrolment(helper, port, token, deny, allow, options))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(
            int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-length")
        )
        body = json.loads(await reader.readexactly(length))
        route = head.split(" ", 2)[1]
        if route == "/api/v1/nodes/leave":
            self.left.append(body)
            status, answer = "204 No Content", {}
        elif route == "/api/v1/nodes/enrol/preview" and body["join_token"] == TOKEN:
            status = "200 OK"
            answer = {"name": "test", **self.told, "time": (datetime.now(UTC) + self.ahead).isoformat()}
        elif body["join_token"] != TOKEN:
            status, answer = "401 Unauthorized", {"title": "Join token not accepted", "detail": "It was used already."}
        else:
            self.enrolled.append(body)
            status = "200 OK"
            answer = {"node_id": "nd_test", "name": "test", **self.trust(body["host_public_key"])}
            answer |= {"control_principal": self.principal, "control_user": "sublet"}
        data = json.dumps(answer).encode() if answer else b""
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(data)}\r\nConnection: close\r\n\r\n".encode() + data)
        await writer.drain()
        writer.close()

    @asynccontextmanager
    async def login(
        self, node: LocalNode, user: str, key: asyncssh.SSHKey, certificate: asyncssh.SSHCertificate | None = None
    ) -> AsyncIterator[asyncssh.SSHClientConnection]:
        """An SSH connection to the node, whose host certificate is checked; waits out a reload of sshd."""
        deadline = asyncio.get_running_loop().time() + 10
        while True:
            try:
                connection = await asyncssh.connect(
                    node.address,
                    node.port,
                    username=user,
                    client_keys=[(key, certificate)] if certificate else [key],
                    known_hosts=self.known_hosts,
                    agent_path=None,
                    config=None,
                    connect_timeout=10,
                )
                break
            except (ConnectionRefusedError, ConnectionResetError, asyncssh.ConnectionLost):
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(0.05)
        async with connection:
            yield connection

    @asynccontextmanager
    async def protocol(self, node: LocalNode) -> AsyncIterator["Channel"]:
        """The node protocol, as the control plane speaks it."""
        key, certificate = self.user_certificate(self.principal)
        async with self.login(node, "sublet", key, certificate) as connection:
            process = await connection.create_process()
            try:
                yield Channel(process)
            finally:
                process.close()
                await process.wait_closed()


class Channel:
    """One process of the helper on the node."""

    def __init__(self, process: asyncssh.SSHClientProcess[str]) -> None:
        self._process = process
        self._next = 0

    async def raw(self, line: str) -> dict[str, Any]:
        """Send one line as it is and return the answer."""
        self._process.stdin.write(line + "\n")
        answer = await asyncio.wait_for(self._process.stdout.readline(), 60)
        if not answer:
            said = await self._process.stderr.read()
            raise ConnectionError(f"the helper ended: {said}")
        parsed: dict[str, Any] = json.loads(answer)
        return parsed

    async def ask(
        self, verb: str, params: dict[str, Any] | None = None, *, generation: int | None = None
    ) -> dict[str, Any]:
        """Send a request and return what was observed; raises Refused."""
        self._next += 1
        request = {"id": f"r{self._next}", "version": 1, "verb": verb, "generation": generation, "params": params or {}}
        answer = await self.raw(json.dumps(request))
        assert answer["id"] == request["id"]
        if not answer["ok"]:
            raise Refused(answer["error"])
        observed: dict[str, Any] = answer["observed"]
        return observed


@dataclass
class Tenant:
    """A made-up allocation: ids as the control plane would give them."""

    token: str = field(
        default_factory=lambda: "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz234567") for _ in range(16))
    )
    uid: int = field(default_factory=lambda: 200_000 + secrets.randbelow(50_000))

    @property
    def allocation(self) -> str:
        """Its id."""
        return f"al_{self.token}"

    @property
    def login(self) -> str:
        """Its login."""
        return f"al-{self.token}"

    @property
    def subject(self) -> dict[str, Any]:
        """Parameters of release."""
        return {"allocation": self.allocation, "login": self.login, "uid": self.uid}

    def desired(self, **changes: Any) -> dict[str, Any]:
        """Parameters of apply."""
        limits = {"cpu_percent": 50, "memory_mib": 128, "tasks_max": 48, "disk_gib": 1}
        wanted = {"state": "active", "limits": limits, "gpus": [], "principals": [self.login], "authorized_keys": []}
        return {**self.subject, **wanted, **changes}
