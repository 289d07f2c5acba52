"""The Python client of Sublet: `Client(url, token)`. It needs httpx and nothing else of Sublet."""

from typing import TYPE_CHECKING, Any

from sublet.client.errors import (
    SubletApiError,
    SubletClientError,
    SubletConnectionError,
    SubletProtocolError,
    WaitTimedOut,
)

if TYPE_CHECKING:
    from sublet.client.client import Client

__all__ = [
    "Client",
    "SubletApiError",
    "SubletClientError",
    "SubletConnectionError",
    "SubletProtocolError",
    "WaitTimedOut",
]


def __getattr__(name: str) -> Any:
    # httpx costs about 100 ms of CPU to import, and a command line asks for the errors long before it calls anything.
    if name == "Client":
        from sublet.client.client import Client  # noqa: PLC0415 - see above

        return Client
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
