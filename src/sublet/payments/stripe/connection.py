"""The SDK's way out: its own extension point for HTTP clients, on httpx with our timeouts."""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any

import httpx
import stripe
from opentelemetry.trace import SpanKind

from sublet.core import tracing
from sublet.core.db import forbid_open_session

TIMEOUT = httpx.Timeout(10.0, connect=4.0)


class Connection(stripe.HTTPClient):
    """Asynchronous calls only. (The SDK's own httpx client hands over bodies in a way that httpx has deprecated.)"""

    name = "httpx"

    def __init__(self) -> None:
        super().__init__()
        self._http = httpx.AsyncClient(timeout=TIMEOUT)

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """One exchange; what went wrong on the way is an APIConnectionError that the SDK may retry."""
        forbid_open_session("stripe")
        try:
            # Neither address nor body: they name customers.
            with tracing.span(f"stripe {method.upper()}", kind=SpanKind.CLIENT) as span:
                trace = tracing.traceparent()
                carried = {**headers, "traceparent": trace} if trace else headers
                answer = await self._http.request(method, url, headers=carried, content=post_data)
                span.set_attribute("http.response.status_code", answer.status_code)
        except httpx.HTTPError as error:
            failure: stripe.APIConnectionError = stripe.APIConnectionError(  # type: ignore[no-untyped-call]  # SDK
                f"The connection failed: {type(error).__name__}", should_retry=True
            )
            raise failure from error
        return answer.content, answer.status_code, answer.headers

    def sleep_async(self, secs: float) -> Awaitable[None]:
        """The SDK's pause between two attempts."""
        return asyncio.sleep(secs)

    async def close_async(self) -> None:
        """Close the kept connections."""
        await self._http.aclose()
