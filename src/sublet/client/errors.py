"""What can go wrong with a call. Decide on `code` and `status`; `detail` is for people."""

from collections.abc import Mapping, Sequence
from typing import Any


class SubletClientError(Exception):
    """Base of everything that the client raises."""


class SubletApiError(SubletClientError):
    """The server refused or failed, and said so in a problem document (RFC 9457)."""

    def __init__(
        self,
        code: str,
        status: int,
        detail: str,
        request_id: str | None = None,
        *,
        title: str | None = None,
        errors: Sequence[Mapping[str, str]] = (),
        problem: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.status = status
        self.detail = detail
        self.request_id = request_id
        self.title = title
        self.errors = list(errors)
        self.problem = dict(problem or {})

    def __str__(self) -> str:
        """The detail, with the request id that support needs."""
        return f"{self.detail} ({self.request_id})" if self.request_id else self.detail


class SubletConnectionError(SubletClientError):
    """No answer. If `maybe_received`, the server may have done what was asked all the same.

    Repeat the call with the same `idempotency_key` then.
    """

    def __init__(self, url: str, reason: str, *, maybe_received: bool, idempotency_key: str | None = None) -> None:
        super().__init__(f"No answer from {url}: {reason}")
        self.url = url
        self.reason = reason
        self.maybe_received = maybe_received
        self.idempotency_key = idempotency_key


class SubletProtocolError(SubletClientError):
    """Something answered that is not Sublet's API: mostly a wrong URL."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url} does not answer like Sublet: {reason}")
        self.url = url
        self.reason = reason


class WaitTimedOut(SubletClientError):
    """The time to wait is over; what was waited for goes on. `last` is what was seen last."""

    def __init__(self, last: Mapping[str, Any], seconds: float) -> None:
        super().__init__(f"{last['name']} is still {last['state']} after {seconds:g} s")
        self.last = dict(last)
        self.seconds = seconds
