"""A call to the card processor ends, however it answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from sublet.payments.stripe import processor
from sublet.payments.stripe.errors import ProcessorUnavailable
from tests.payments.shop import new_processor

pytestmark = pytest.mark.anyio

BETWEEN_BYTES_SECONDS = 0.02
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n"


@asynccontextmanager
async def dripping() -> AsyncIterator[str]:
    """The address of a server that answers whatever it is asked, a byte at a time."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD)
        try:
            while not reader.at_eof():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(BETWEEN_BYTES_SECONDS)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


class TestACallThatIsAnsweredAByteAtATime:
    async def test_ends_as_one_that_is_not_answered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(processor, "LONGEST_CALL_SECONDS", 0.5)
        async with dripping() as address:
            calling = new_processor(address)
            with pytest.raises(ProcessorUnavailable):
                async with asyncio.timeout(10):
                    await calling.fetch_checkout("cs_test_1")
            await calling.close()
