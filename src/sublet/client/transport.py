"""HTTP underneath the client: authentication, retries that never do a thing twice, problems as exceptions, pages."""

import importlib.metadata
import ipaddress
import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx

from sublet.client.errors import SubletApiError, SubletConnectionError, SubletProtocolError
from sublet.client.retries import RETRIED_STATUSES, Retries

API = "/api/v1"
PAGE_LIMIT = 100

# The request never reached anybody, so making it again cannot do anything twice.
_NEVER_ARRIVED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def new_idempotency_key() -> str:
    """A key for one intent: every repetition of the same call carries it."""
    return str(uuid.uuid4())


def is_loopback(url: str) -> bool:
    """Whether the URL names this machine; SubletProtocolError when it is none."""
    host = _parsed(url).host
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _parsed(url: str) -> httpx.URL:
    try:
        return httpx.URL(url)
    except httpx.InvalidURL as error:
        raise SubletProtocolError(url, str(error)) from error


class Transport:
    """One authenticated connection pool to one Sublet."""

    def __init__(
        self,
        url: str,
        token: str | None,
        *,
        timeout_seconds: float = 30.0,
        retries: Retries | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        parsed = _parsed(url)
        if parsed.scheme not in {"http", "https"} or not parsed.host or parsed.userinfo:
            raise SubletProtocolError(url, "a URL such as https://sublet.example.org is needed, without credentials")
        self.url = url.rstrip("/")
        self._retries = retries or Retries()
        self._sleep = sleep
        headers = {"Accept": "application/json", "User-Agent": f"sublet-client/{importlib.metadata.version('sublet')}"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        # A proxy of the environment is for the outside; it cannot reach the loopback of this machine.
        self._http = httpx.Client(
            base_url=self.url + API, headers=headers, timeout=timeout_seconds, trust_env=not is_loopback(self.url)
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        """GET; None values leave the query."""
        return self._call("GET", path, query={name: value for name, value in query.items() if value is not None})

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """POST that starts work on something that exists; made again only if it cannot have arrived."""
        return self._call("POST", path, body=body or {}, repeatable=False)

    def create(self, path: str, body: Mapping[str, Any], *, key: str | None = None) -> Any:
        """POST that creates: it carries an idempotency key, so it may be made again and happens once."""
        return self._call("POST", path, body=body, key=key or new_idempotency_key())

    def patch(self, path: str, body: Mapping[str, Any], *, repeatable: bool = True) -> Any:
        """PATCH to given values; `repeatable` is False where what is so already is refused."""
        return self._call("PATCH", path, body=body, repeatable=repeatable)

    def delete(self, path: str, *, repeatable: bool = True) -> Any:
        """DELETE; `repeatable` is False where what is under way already is refused."""
        return self._call("DELETE", path, repeatable=repeatable)

    def pages(self, path: str, *, limit: int | None = PAGE_LIMIT, **query: Any) -> Iterator[Any]:
        """Every item of a list, fetched page by page as it is consumed; `limit` is None where a list comes whole."""
        cursor: str | None = None
        while True:
            page = self.get(path, **query, limit=limit, cursor=cursor)
            yield from page["items"]
            following = page.get("next_cursor")
            if following is None or following == cursor:
                return
            cursor = following

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        key: str | None = None,
        repeatable: bool = True,
    ) -> Any:
        headers = {"Idempotency-Key": key} if key is not None else {}
        attempt = 0
        while True:
            attempt += 1
            delay: float | None
            try:
                response = self._http.request(method, path, params=query, json=body, headers=headers)
            except httpx.TransportError as error:
                arrived = not isinstance(error, _NEVER_ARRIVED)
                delay = self._retries.delay(attempt) if repeatable or not arrived else None
                if delay is None:
                    maybe = arrived and method != "GET"
                    reason = str(error) or type(error).__name__
                    raise SubletConnectionError(self.url, reason, maybe_received=maybe, idempotency_key=key) from error
            else:
                if response.status_code not in RETRIED_STATUSES or not (repeatable or response.status_code == 429):
                    return self._read(response)
                delay = self._retries.delay(attempt, response.headers.get("Retry-After"))
                if delay is None:
                    return self._read(response)
            self._sleep(delay)

    def _read(self, response: httpx.Response) -> Any:
        if response.is_success:
            if response.status_code == 204:
                return None
            if response.headers.get("Content-Type", "").startswith("text/csv"):
                return response.text
            try:
                return response.json()
            except (json.JSONDecodeError, UnicodeDecodeError) as error:
                raise SubletProtocolError(self.url, "the answer is not JSON") from error
        if response.is_redirect:
            raise SubletProtocolError(self.url, f"it redirects to {response.headers.get('Location', 'elsewhere')}")
        raise _problem(response)


def _problem(response: httpx.Response) -> SubletApiError:
    try:
        said = response.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        said = None
    problem: dict[str, Any] = said if isinstance(said, dict) else {}
    silent = f"The server answered {response.status_code} {response.reason_phrase} and did not say why."
    return SubletApiError(
        str(problem.get("code") or f"http_{response.status_code}"),
        response.status_code,
        str(problem.get("detail") or problem.get("title") or silent),
        problem.get("request_id") or response.headers.get("X-Request-Id"),
        title=problem.get("title"),
        errors=problem.get("errors") or (),
        problem=problem,
    )
