"""Bytes between a browser and a shell, each direction held back by the slower side."""

import asyncio
import time

import asyncssh
from pydantic import ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from sublet.terminal import close_reasons
from sublet.terminal.close_reasons import TerminalEnded
from sublet.terminal.frames import Exit, Ping, Pong, Resize, Signal, client_frame
from sublet.terminal.policy import TerminalPolicy

CHUNK_BYTES = 64 * 1024
KEYS = {"INT": b"\x03", "QUIT": b"\x1c", "TSTP": b"\x1a"}


class Carrier:
    """One terminal's two directions."""

    def __init__(
        self, websocket: WebSocket, process: "asyncssh.SSHClientProcess[bytes]", policy: TerminalPolicy
    ) -> None:
        self._websocket = websocket
        self._process = process
        self._policy = policy
        self.active_at = time.monotonic()

    async def to_browser(self) -> None:
        """Send the browser what the shell writes, and at the end how the shell ended.

        The next piece is read from the shell once the browser has taken the last one.
        """
        try:
            while chunk := await self._process.stdout.read(CHUNK_BYTES):
                self.active_at = time.monotonic()
                await self._websocket.send_bytes(chunk)
            await self._process.wait_closed()
        except (OSError, asyncssh.Error) as error:
            raise TerminalEnded(
                close_reasons.NODE_FAILED,
                "node_connection_lost",
                f"The connection to the node was lost ({error}). Programs started with nohup or tmux may go on. "
                "Open the terminal again.",
            ) from None
        signal = self._process.exit_signal
        frame = Exit(status=None if signal else self._process.exit_status, signal=signal[0] if signal else None)
        await self._websocket.send_text(frame.model_dump_json())
        raise TerminalEnded(close_reasons.NORMAL, None, "the shell has ended")

    async def from_browser(self) -> None:
        """Pass on what is typed, and do what text frames ask for."""
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1006))
            data, text = message.get("bytes"), message.get("text")
            try:
                if data is not None:
                    self.active_at = time.monotonic()
                    await self._type(data)
                elif text is not None:
                    await self._obey(text)
            except (OSError, asyncssh.Error):
                # The shell is gone; `to_browser` finds out how it ended.
                await asyncio.Event().wait()

    async def _type(self, data: bytes) -> None:
        self._process.stdin.write(data)
        try:
            async with asyncio.timeout(self._policy.input_stalled_seconds):
                await self._process.stdin.drain()
        except TimeoutError:
            raise TerminalEnded(
                close_reasons.BAD_FRAME,
                "input_stalled",
                "The program in the terminal does not read what is sent to it.",
            ) from None

    async def _obey(self, text: str) -> None:
        try:
            frame = client_frame.validate_json(text)
        except ValidationError as error:
            raise close_reasons.bad_frame(
                f"this text frame is not one of the protocol: {error.errors()[0]['msg']}"
            ) from None
        if isinstance(frame, Resize):
            self._process.change_terminal_size(frame.cols, frame.rows)
        elif isinstance(frame, Signal):
            await self._signal(frame.name)
        elif isinstance(frame, Ping):
            await self._websocket.send_text(Pong(id=frame.id).model_dump_json())
        elif not isinstance(frame, Pong):
            raise close_reasons.bad_frame("the terminal is open already")

    async def _signal(self, name: str) -> None:
        if name in KEYS:
            await self._type(KEYS[name])
        else:
            self._process.send_signal(name)
