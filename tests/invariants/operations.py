"""The operations of the API as a sweep asks them, and what the database holds before and after."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import text
from starlette.routing import WebSocketRoute

from sublet.core.db import Database
from tests.identity.public_keys import ed25519_line

SAFE = frozenset({"get", "head", "options"})
METHODS = SAFE | {"post", "put", "patch", "delete"}


BODIES: dict[str, dict[str, Any]] = {
    "PATCH /api/v1/allocations/{id_or_name}": {"labels": {"team": "physics"}},
    "PATCH /api/v1/spending-limits/{limit_id}": {"amount": "5.00", "currency": "USD"},
    "POST /api/v1/allocations/{id_or_name}/ssh-certificates": {"public_key": ed25519_line()},
    "POST /api/v1/allocations/{id_or_name}/ports": {"port": 80, "protocol": "tcp"},
    "POST /api/v1/allocations/{id_or_name}/restart-elsewhere": {"price_id": "prc_aaaaaaaaaaaaaaaa"},
    # Nobody is to be sent to a card processor that is not there.
    "POST /api/v1/payment-methods": {"return_path": "nowhere"},
}
"""What must be valid for the question whose thing it is to be asked at all; or must not, so that nothing follows."""


_SINCE = {"since": "2026-01-01T00:00:00Z"}
QUERIES: dict[str, dict[str, str]] = {
    "DELETE /api/v1/spending-limits/{limit_id}": {"currency": "USD"},
    "GET /api/v1/admin/payments": {"organization_id": "org_x"},
    "GET /api/v1/admin/reports/revenue": {"first": "2026-01", "last": "2026-02"},
    "GET /api/v1/admin/reports/statement": {**_SINCE, "organization_id": "org_x", "currency": "USD"},
    "GET /api/v1/admin/reports/unmetered": _SINCE,
}
"""What a question must say of what it asks for."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path, with the permission that it names."""

    method: str
    path: str
    permission: str
    parameters: tuple[str, ...]
    shows_secret: bool
    takes_body: bool
    fresh: bool = False
    second_factor: bool = False
    pays_in: bool = False

    @property
    def label(self) -> str:
        """As in `GET /api/v1/me`."""
        return f"{self.method.upper()} {self.path}"

    @property
    def is_safe(self) -> bool:
        """Whether it only reads."""
        return self.method in SAFE

    def url(self, ids: Mapping[str, str]) -> str:
        """The path with the ids in it; KeyError for a parameter that nobody thought of."""
        return self.path.format_map(ids)

    async def ask(self, client: httpx.AsyncClient, ids: Mapping[str, str], **options: Any) -> httpx.Response:
        """Send it; a body, where one is taken, is an empty object unless given."""
        if self.takes_body and not options.keys() & {"content", "json"}:
            options["json"] = BODIES.get(self.label, {})
        if self.label in QUERIES:
            options.setdefault("params", QUERIES[self.label])
        return await client.request(self.method.upper(), self.url(ids), **options)


def operations_of(document: dict[str, Any]) -> list[Operation]:
    """Every operation of an OpenAPI document; KeyError for one that names no permission."""
    return [
        Operation(
            method,
            path,
            operation["x-permission"],
            tuple(item["name"] for item in operation.get("parameters", []) if item["in"] == "path"),
            "x-shows-secret" in operation,
            "requestBody" in operation,
            "x-fresh" in operation,
            "x-second-factor" in operation,
            "x-pays-in" in operation,
        )
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in METHODS
    ]


def undocumented(app: FastAPI) -> set[str]:
    """The paths that the application answers and OpenAPI does not tell of."""
    documented = set(app.openapi()["paths"])
    served = {f"WS {path}" if is_socket else path for path, is_socket in _paths(app.router.routes, "")}
    return served - documented


def _paths(routes: Any, prefix: str) -> Iterator[tuple[str, bool]]:
    for route in routes:
        if (included := getattr(route, "original_router", None)) is not None:
            yield from _paths(included.routes, prefix + route.include_context.prefix)
        else:
            yield prefix + route.path, isinstance(route, WebSocketRoute)


# When somebody was last seen is written down at most so often, also by a request that is refused.
_SEEN = "to_jsonb(t) - 'last_seen_at' - 'last_used_at'"


async def _of_every_table(database: Database, expression: str) -> dict[str, str]:
    """An aggregate over the rows `t` of each table, in one query."""
    async with database.reading() as session:
        tables = (
            await session.execute(
                text(
                    "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables "
                    "WHERE schemaname IN ('public', 'ledger') AND tablename <> 'alembic_version'"
                )
            )
        ).scalars()
        parts = [f"SELECT '{table}' AS name, coalesce({expression}, '') AS content FROM {table} t" for table in tables]
        return {row.name: row.content for row in await session.execute(text(" UNION ALL ".join(parts)))}


async def contents(database: Database) -> dict[str, str]:
    """A fingerprint of every table."""
    return await _of_every_table(database, f"md5(string_agg(({_SEEN})::text, '' ORDER BY ({_SEEN})::text))")


async def everything(database: Database) -> dict[str, str]:
    """All rows of every table as text; bytes are shown as hex."""
    return await _of_every_table(database, "string_agg(t::text, chr(10))")
