"""Asking for everything that is offered, and for all that is not, about the same row in the same state."""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
from sqlalchemy import text
from starlette.requests import HTTPConnection

from sublet.core.actors import Actor
from sublet.core.app import AUTHENTICATOR, App
from sublet.core.db import Database, Session
from sublet.entry.web import create_app
from sublet.payments.api import PROCESSOR
from tests.support.app import settings_for

URL = "https://sublet.test"


class Undoing(Database):
    """Answers as any other, and keeps nothing: each transaction is taken back at its end.

    What a commit would have checked is checked before that.
    """

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        """One transaction that leaves nothing behind."""
        async with self.engine.connect() as connection:
            begun = await connection.begin()
            try:
                yield connection
                await connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
            finally:
                await begun.rollback()


REFERENCE = "#/components/schemas/"


def named_in(schema: Any) -> Iterator[str]:
    """The models that a part of an OpenAPI document names."""
    if isinstance(schema, dict):
        if str(schema.get("$ref", "")).startswith(REFERENCE):
            yield schema["$ref"].removeprefix(REFERENCE)
        for value in schema.values():
            yield from named_in(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from named_in(value)


def list_actions(document: dict[str, Any]) -> set[str]:
    """The models that say what may be done: those with `actions`, or with an action under any other name."""
    models = document["components"]["schemas"]
    fields = {name: set(model.get("properties", {})) for name, model in models.items()}
    actions = {name for name, known in fields.items() if {"name", "allowed", "reason"} <= known}
    return {name for name, model in models.items() if "actions" in fields[name] or actions & set(named_in(model))}


Test = TypeVar("Test", bound=Callable[..., Any])
WALKED: dict[str, set[str]] = {}
"""By the name of a test, the models whose actions it walks."""


def walks(*models: str) -> Callable[[Test], Test]:
    """The test asks for every action that these models list, and for its command; it fails unless it reads them all."""

    def declared(test: Test) -> Test:
        WALKED[test.__qualname__] = set(models)
        return test

    return declared


def unwalked(document: dict[str, Any]) -> set[str]:
    """The models of an OpenAPI document that list actions which no test walks."""
    return list_actions(document).difference(*WALKED.values())


class Asking:
    """The whole application, asked by whoever the test says; `shown` are the models with actions that were read."""

    def __init__(self, database: Database, directory: Path, **settings: Any) -> None:
        self.actor: Actor | None = None
        self.shown: set[str] = set()
        self.settings = settings_for(directory, URL, **settings)
        self.app = app = create_app(self.settings, database=database)
        self._document = app.openapi()
        self._parts = App.of(app).put(AUTHENTICATOR, self._whoever)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url=f"{URL}/api/v1", headers={"Origin": URL})

    async def close(self) -> None:
        """End what it opened; the database stays the test's."""
        await self.http.aclose()
        await self._parts[PROCESSOR].close()

    async def _whoever(self, _session: Session, _connection: HTTPConnection) -> Actor | None:
        return self.actor

    async def get(self, path: str) -> Any:
        """What is shown there."""
        answer = await self.http.get(path)
        assert answer.status_code == 200, answer.text
        self.shown |= self._models_at(f"/api/v1{path.partition('?')[0]}") & list_actions(self._document)
        return answer.json()

    def _models_at(self, path: str) -> set[str]:
        """The models that the answer of a GET is made of, down to the last."""
        for template, methods in self._document["paths"].items():
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
                return self._all_in(methods["get"]["responses"]["200"], set())
        raise LookupError(path)

    def _all_in(self, schema: Any, found: set[str]) -> set[str]:
        for name in set(named_in(schema)) - found:
            found.add(name)
            self._all_in(self._document["components"]["schemas"][name], found)
        return found

    async def agrees(
        self, actions: list[dict[str, Any]], names: str, method: str, path: str, *, words: bool = True, **json: Any
    ) -> None:
        """The command is accepted if one of the actions by which it is offered is allowed, and only then.

        Unless the action is about more than the command (`words`), it says why not in the command's own words.
        """
        known = [action for action in actions if action["name"] in names.split()]
        assert len(known) == len(names.split()), f"{names} are not among {actions}"
        answer = await self.http.request(method, path, json=json or None)
        told = f"{method} {path}: {answer.status_code} {answer.text}, offered as {known}"
        assert any(action["allowed"] for action in known) == answer.is_success, told
        if not answer.is_success:
            assert answer.status_code in {402, 403, 409, 503}, told
            refused = answer.json()
            reasons = tuple(action["reason"] for action in known)
            assert not words or refused["code"] == "permission_denied" or refused["detail"].startswith(reasons), told
