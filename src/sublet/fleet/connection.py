"""One SSH connection to one node, kept open: our certificate in, the node's certificate checked, requests as lines.

The node is known by its host certificate, which must certify the key that the node enrolled with; nothing is ever
trusted on first use.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import asyncssh
from opentelemetry.trace import SpanKind

from sublet.core import tracing
from sublet.core.db import forbid_open_session
from sublet.core.ids import new_id
from sublet.fleet import addresses
from sublet.fleet.ca import public_line
from sublet.fleet.certificates import CONTROL_USER, Credential
from sublet.fleet.channel import RpcChannel
from sublet.fleet.errors import (
    HostCertificateMissing,
    HostKeyChanged,
    HostNotVerified,
    NodeCrowded,
    NodeError,
    NodeRefused,
    NodeTimedOut,
    NodeUnreachable,
)

CONNECT_SECONDS = 8.0
KEEPALIVE_SECONDS = 10.0
KEEPALIVE_MISSES = 3
RETRY_SECONDS = 0.3
RETRY_FOR_SECONDS = 2.0
EXPLAIN_SECONDS = 3.0
CERTIFICATE_ALGORITHMS = (
    "ssh-ed25519-cert-v01@openssh.com",
    "ecdsa-sha2-nistp256-cert-v01@openssh.com",
    "ecdsa-sha2-nistp384-cert-v01@openssh.com",
    "ecdsa-sha2-nistp521-cert-v01@openssh.com",
    "rsa-sha2-512-cert-v01@openssh.com",
    "rsa-sha2-256-cert-v01@openssh.com",
)
CHANNELS = 4
IDLE_CHANNELS = 2
PLACE_SECONDS = 120.0
"""So long a request waits at most for those before it."""
READING = frozenset({"observe", "usage", "explain_entry"})
"""Verbs that change nothing: the node is told for how long its answer is waited for, and stops then."""
GRACE_SECONDS = 1.0
"""So much longer is waited for a node that is told so, to hear that it has stopped."""
VERB_SECONDS = {
    "probe": 20.0,
    "apply": 60.0,
    "explain_entry": 20.0,
    "release": 120.0,
    "observe": 30.0,
    "usage": 45.0,
    "trust": 20.0,
    "revoke": 10.0,
    "upgrade": 100.0,
    "confirm_upgrade": 20.0,
    "undo_upgrade": 100.0,
}


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """Where a node answers, and how it proves that it is the one."""

    node_id: str
    name: str
    host: str
    port: int
    host_public_key: str

    @property
    def shown(self) -> str:
        """Host and port in one word."""
        return addresses.shown(self.host, self.port)


@dataclass(frozen=True, slots=True)
class HostTrust:
    """What makes us believe a host: a certificate of one of these authorities, or exactly this key."""

    authorities: tuple[str, ...] = ()
    enrolled_key: str | None = None

    @property
    def known_hosts(self) -> asyncssh.SSHKnownHosts:
        """In the form that the SSH library takes."""
        lines = [f"@cert-authority * {line}" for line in self.authorities]
        if self.enrolled_key is not None:
            lines.append(f"* {self.enrolled_key}")
        return asyncssh.import_known_hosts("".join(f"{line}\n" for line in lines))


async def connect(
    address: NodeAddress,
    *,
    username: str,
    credential: Credential,
    trust: HostTrust,
    timeout_seconds: float = CONNECT_SECONDS,
) -> asyncssh.SSHClientConnection:
    """Open an SSH connection as `username`; every refusal is a NodeError that says who refused what.

    A node that is just reloading its sshd refuses for a moment, so that is tried again for two seconds.
    """
    forbid_open_session("node")
    deadline = time.monotonic() + timeout_seconds
    last_retry = time.monotonic() + min(timeout_seconds, RETRY_FOR_SECONDS) - RETRY_SECONDS
    while True:
        try:
            async with asyncio.timeout(max(deadline - time.monotonic(), 0.1)):
                connection = await asyncssh.connect(
                    address.host,
                    address.port,
                    username=username,
                    client_keys=[(credential.key, credential.certificate)],
                    known_hosts=trust.known_hosts,
                    host_key_alias=address.node_id,
                    preferred_auth="publickey",
                    connect_timeout=timeout_seconds,
                    login_timeout=timeout_seconds,
                    keepalive_interval=KEEPALIVE_SECONDS,
                    keepalive_count_max=KEEPALIVE_MISSES,
                    compression_algs=None,
                    agent_path=None,
                    config=None,
                )
        except ConnectionRefusedError as error:
            if time.monotonic() >= last_retry:
                raise _unreachable(address, str(error)) from None
            await asyncio.sleep(RETRY_SECONDS)
            continue
        except TimeoutError:
            raise _unreachable(address, f"no SSH connection within {timeout_seconds:g} s") from None
        except asyncssh.HostKeyNotVerifiable as error:
            raise HostNotVerified(
                f"What answers at {address.shown} shows a host certificate that does not hold for "
                f"{address.name} ({error.reason}). Nothing was sent to it. If the node was set up anew, make a join "
                "token and enrol it again; if not, somebody else answers at its address."
            ) from None
        except asyncssh.PermissionDenied as error:
            raise NodeRefused(
                f"The sshd of {address.name} refused Sublet's certificate for {username} ({error.reason}). Nothing was "
                "done. Look for the certificate's key id in the node's sshd log; a wrong clock and a missing "
                "TrustedUserCAKeys are the usual causes. Enrolling the node again restores its files."
            ) from None
        except (OSError, asyncssh.Error) as error:
            refusal = await _explain(address, error)
            if isinstance(refusal, NodeUnreachable) and time.monotonic() < last_retry:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            raise refusal from None
        if public_line(connection.get_server_host_key() or credential.key) != address.host_public_key:
            connection.abort()
            raise _key_changed(address)
        return connection


class NodeConnection:
    """The control plane's connection to one node; several requests may run at once, each on a channel of its own."""

    def __init__(self, address: NodeAddress, ssh: asyncssh.SSHClientConnection) -> None:
        self.address = address
        self.opened_at = time.monotonic()
        self.suspect = False
        self._ssh = ssh
        self._idle: list[RpcChannel] = []
        self._places = asyncio.Semaphore(CHANNELS)
        self._watching = asyncio.Lock()
        self._watch: RpcChannel | None = None
        self._running = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    @classmethod
    async def open(
        cls,
        address: NodeAddress,
        credential: Credential,
        trust: HostTrust,
        *,
        timeout_seconds: float = CONNECT_SECONDS,
    ) -> "NodeConnection":
        """Connect as the control user, whose only command is the node's helper."""
        ssh = await connect(
            address,
            username=CONTROL_USER,
            credential=credential,
            trust=trust,
            timeout_seconds=timeout_seconds,
        )
        return cls(address, ssh)

    @property
    def closed(self) -> bool:
        """Whether the connection has ended."""
        return self._ssh.is_closed()

    @property
    def busy(self) -> bool:
        """Whether a request is under way."""
        return self._running > 0

    async def request(
        self, verb: str, params: dict[str, Any], *, generation: int | None = None, timeout_seconds: float | None = None
    ) -> dict[str, Any]:
        """Ask the node and return what it observed; a NodeError says what failed and whether to try again.

        The deadline counts from when it is sent. NodeTimedOut closes that channel only: a stuck request never holds up
        the others. `observe` has a channel of its own, and waits for nothing but the `observe` before it.
        """
        forbid_open_session("node")
        seconds = timeout_seconds if timeout_seconds is not None else VERB_SECONDS[verb]
        request_id = new_id("nrq")
        self._running += 1
        self._quiet.clear()
        attributes = {"sublet.node": self.address.node_id, "sublet.node_request": request_id}
        try:
            with tracing.span(f"node {verb}", kind=SpanKind.CLIENT, attributes=attributes):
                async with self._channel(verb) as channel:
                    return await self._ask(channel, verb, params, generation, request_id=request_id, seconds=seconds)
        except NodeError as error:
            if error.sent:
                error.request_id = request_id
            raise
        finally:
            self._running -= 1
            if self._running == 0:
                self._quiet.set()

    async def _ask(
        self,
        channel: RpcChannel,
        verb: str,
        params: dict[str, Any],
        generation: int | None,
        *,
        request_id: str,
        seconds: float,
    ) -> dict[str, Any]:
        told = seconds if verb in READING else None
        try:
            async with asyncio.timeout(seconds if told is None else seconds + GRACE_SECONDS):
                return await channel.ask(verb, params, generation=generation, request_id=request_id, seconds=told)
        except TimeoutError:
            self.suspect = True
            raise NodeTimedOut(
                f"{self.address.name} did not answer {verb} within {seconds:g} s. It may still be doing it; asking "
                "again is safe."
            ) from None

    @contextlib.asynccontextmanager
    async def _channel(self, verb: str) -> AsyncIterator[RpcChannel]:
        """A channel for one request; NodeCrowded when the ones before it are not over in time."""
        place = self._watching if verb == "observe" else self._places
        try:
            async with asyncio.timeout(PLACE_SECONDS):
                await place.acquire()
        except TimeoutError:
            raise NodeCrowded(
                f"{self.address.name} was not done with what it was asked before within {PLACE_SECONDS:g} s. It was "
                f"not asked to {verb}; asking again is safe."
            ) from None
        channel: RpcChannel | None = None
        try:
            if verb == "observe":
                channel, self._watch = self._watch, None
            elif self._idle:
                channel = self._idle.pop()
            if channel is None:
                channel = await self._open_channel()
            yield channel
        finally:
            place.release()
            if channel is not None and verb == "observe" and channel.usable:
                self._watch = channel
            elif channel is not None:
                self._keep_or_close(channel)

    async def _open_channel(self) -> RpcChannel:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await RpcChannel.open(self._ssh, self.address.name)
        except TimeoutError:
            self.suspect = True
            raise NodeUnreachable(
                f"{self.address.name} gave no channel for a request within {CONNECT_SECONDS:g} s. Nothing was asked."
            ) from None

    def _keep_or_close(self, channel: RpcChannel) -> None:
        if channel.usable and len(self._idle) < IDLE_CHANNELS:
            self._idle.append(channel)
        else:
            channel.close()

    async def finish(self) -> None:
        """End the connection once nothing runs on it; every request has a deadline, so this ends too."""
        await self._quiet.wait()
        await self.close()

    async def close(self) -> None:
        """End the connection; whatever runs on it fails as unreachable."""
        self._ssh.close()
        with contextlib.suppress(TimeoutError, OSError, asyncssh.Error):
            async with asyncio.timeout(1):
                await self._ssh.wait_closed()
                return
        self._ssh.abort()


def _unreachable(address: NodeAddress, reason: str) -> NodeUnreachable:
    return NodeUnreachable(
        f"{address.name} cannot be reached at {address.shown}: {reason}. What runs on it goes on; "
        "nothing new is sent to it until it answers."
    )


def _key_changed(address: NodeAddress) -> HostKeyChanged:
    return HostKeyChanged(
        f"What answers at {address.shown} has another host key than {address.name} enrolled with. "
        "Nothing was sent to it. If the machine was set up anew, make a join token and enrol it again; if not, "
        "somebody else answers at its address."
    )


async def _explain(address: NodeAddress, error: Exception) -> NodeError:
    """Why a connection was cut before it stood: a host without a certificate only shows as a reset, and so does an
    sshd that is just reading its configuration again.

    The key that is asked for here is compared, never trusted.
    """
    reason = str(error) or type(error).__name__
    key = await _shown_key(address, ())
    if key is None:
        return _unreachable(address, reason)
    if key != address.host_public_key:
        return _key_changed(address)
    if await _shown_key(address, CERTIFICATE_ALGORITHMS) is not None:
        return _unreachable(address, f"{reason} (it shows its certificate now, so trying again is right)")
    return HostCertificateMissing(
        f"{address.name} answers with its own host key and shows no host certificate, so it cannot prove who it is. "
        "Nothing was sent to it. Run `sublet-node enrol` on it again with a new join token; it puts the certificate "
        "and sshd's HostCertificate line in place."
    )


async def _shown_key(address: NodeAddress, algorithms: tuple[str, ...]) -> str | None:
    """The key that the host shows when these algorithms are offered (any, if none are given); None if it shows none."""
    try:
        async with asyncio.timeout(EXPLAIN_SECONDS):
            key = await asyncssh.get_server_host_key(
                address.host, address.port, config=None, server_host_key_algs=algorithms
            )
    except (TimeoutError, OSError, asyncssh.Error):
        return None
    return None if key is None else public_line(key)
