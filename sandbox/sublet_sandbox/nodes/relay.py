"""Carry connections from one listening socket to a TCP port, byte for byte.

The control plane listens on 127.0.0.1 of this machine; a node has a 127.0.0.1 of its own. A relay whose socket is in
the node's network and whose other end is here joins them, and nothing listens on any other address.
"""

import asyncio
import contextlib
import socket

_CHUNK_BYTES = 65536


class Relay:
    """Forwards every connection accepted on `listener` to `host`:`port` until it is closed."""

    def __init__(self, listener: socket.socket, *, host: str, port: int) -> None:
        # Accepted connections inherit the option. asyncio would set it only if the listener named its protocol, and one
        # that came from another process does not: each keystroke would wait for the one before to be acknowledged.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._listener = listener
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The port at which it accepts."""
        number: int = self._listener.getsockname()[1]
        return number

    async def start(self) -> None:
        """Begin to accept."""
        self._server = await asyncio.start_server(self._carry, sock=self._listener)

    async def close(self) -> None:
        """Stop accepting and cut what is open."""
        if self._server is not None:
            self._server.close()
            for task in list(self._open):
                task.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)
            self._server = None
        self._listener.close()

    async def _carry(self, near_reader: asyncio.StreamReader, near_writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # the server runs each connection in one
        self._open.add(task)
        writers = [near_writer]
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
            writers.append(far_writer)
            await asyncio.gather(_pump(near_reader, far_writer), _pump(far_reader, near_writer))
        except (OSError, asyncio.CancelledError):
            pass  # either side went away, or the relay is closing: both end the connection
        finally:
            self._open.discard(task)
            for writer in writers:
                writer.close()
                with contextlib.suppress(OSError, asyncio.CancelledError):
                    await writer.wait_closed()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(_CHUNK_BYTES):
        writer.write(chunk)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()
