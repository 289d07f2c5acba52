"""JSON lines over one SSH channel whose other end is the node's helper."""

import asyncio
import contextlib
import json
from typing import Any

import asyncssh

from sublet.fleet.errors import HelperEnded, NodeAnswerInvalid, NodeFailure, NodeUnreachable, StaleGeneration

PROTOCOL_VERSION = 1
LONGEST_LINE = 16 << 20
CHUNK = 65536
# The node's sshd runs its own command whatever is asked for; naming it here keeps sshd's log readable.
COMMAND = "sublet-node rpc"


class RpcChannel:
    """One helper process on the node; one request at a time."""

    def __init__(self, process: "asyncssh.SSHClientProcess[bytes]", node_name: str) -> None:
        self._process = process
        self._node_name = node_name
        self._buffer = bytearray()
        self._asking = False
        self._broken = False

    @classmethod
    async def open(cls, ssh: asyncssh.SSHClientConnection, node_name: str) -> "RpcChannel":
        """Start the helper; NodeUnreachable if the connection is gone or gives no channel."""
        try:
            process = await ssh.create_process(COMMAND, encoding=None)
        except (OSError, asyncssh.Error) as error:
            raise NodeUnreachable(f"{node_name} gave no channel for a request: {error}. Nothing was asked.") from None
        return cls(process, node_name)

    @property
    def usable(self) -> bool:
        """Whether another request may be sent: nothing is outstanding and the helper lives."""
        return not self._asking and not self._broken and not self._process.is_closing()

    async def ask(
        self, verb: str, params: dict[str, Any], *, generation: int | None, request_id: str, seconds: float | None
    ) -> dict[str, Any]:
        """Send one request and return what was observed, or raise the node's refusal as a NodeError.

        `seconds` tells the node for how long the answer is waited for; only where it may stop then.
        """
        self._asking = True
        request = {
            "id": request_id,
            "version": PROTOCOL_VERSION,
            "verb": verb,
            "generation": generation,
            "params": params,
        }
        if seconds is not None:
            request["seconds"] = seconds
        try:
            self._process.stdin.write(json.dumps(request, separators=(",", ":")).encode() + b"\n")
            await self._process.stdin.drain()
            line = await self._line()
        except (OSError, asyncssh.Error) as error:
            self._broken = True
            lost = NodeUnreachable(
                f"The connection to {self._node_name} was lost during {verb} ({error}). It may have been done; asking "
                "again is safe."
            )
            lost.sent = True
            raise lost from None
        if not line:
            self._broken = True
            raise HelperEnded(
                f"The helper on {self._node_name} ended without an answer to {verb}: {await self._last_words()}. "
                "Look at the node's log; enrolling it again reinstalls the helper."
            )
        observed = self._read(verb, request_id, line)
        self._asking = False
        return observed

    def close(self) -> None:
        """End the helper; it finishes what it is doing and sees the end of its input."""
        with contextlib.suppress(OSError, asyncssh.Error):
            self._process.stdin.write_eof()
            self._process.close()

    async def _line(self) -> bytes:
        """The next line, or b"" when the helper has ended."""
        searched = 0
        while True:
            end = self._buffer.find(b"\n", searched)
            if end >= 0:
                line = bytes(self._buffer[:end])
                del self._buffer[: end + 1]
                return line
            searched = len(self._buffer)
            if searched > LONGEST_LINE:
                self._broken = True
                raise NodeAnswerInvalid(f"{self._node_name} sent a line of over {LONGEST_LINE} bytes. It was dropped.")
            chunk = await self._process.stdout.read(CHUNK)
            if not chunk:
                return b""
            self._buffer += chunk

    async def _last_words(self) -> str:
        with contextlib.suppress(TimeoutError, OSError, asyncssh.Error):
            async with asyncio.timeout(1):
                said = await self._process.stderr.read(2000)
                return said.decode("utf-8", "replace").strip()[-400:] or "it said nothing"
        return "it said nothing"

    def _read(self, verb: str, request_id: str, line: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(line)
            matches = answer["id"] == request_id
            ok = answer["ok"]
            body = answer["observed"] if ok else answer["error"]
        except (ValueError, KeyError, TypeError):
            matches, ok, body = False, None, None
        if not matches or not isinstance(ok, bool) or not isinstance(body, dict):
            self._broken = True
            raise NodeAnswerInvalid(
                f"{self._node_name} answered {verb} with something that is not an answer to it. Nothing was concluded."
            )
        if ok:
            return body
        self._asking = False
        code, message = str(body.get("code", "unknown"))[:100], str(body.get("message", ""))[:2000]
        detail = f"{self._node_name} could not do {verb}: {message}"
        if code == "stale_generation":
            raise StaleGeneration(detail)
        raise NodeFailure(detail, node_code=code, retryable=bool(body.get("retryable", False)))
