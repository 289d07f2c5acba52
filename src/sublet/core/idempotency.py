"""Idempotency-Key: the same key and body give the same answer, once; the same key with another body is refused."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Protocol

from fastapi import Request, Response
from sqlalchemy import text

from sublet.core.actors import Actor
from sublet.core.db import Session
from sublet.core.encryption import DataKey, decrypt
from sublet.core.errors import IdempotencyKeyReused, InvalidInput
from sublet.core.keyring import Keyring

HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotent-Replayed"
MAX_KEY_LENGTH = 255

# The insert waits for a running request with the same key; when that one commits, the stored answer is replayed, and
# when it rolls back, this request takes its place.
_CLAIM = text(
    """
    INSERT INTO idempotency_key (actor, key, request_hash)
    VALUES (:actor, :key, :request_hash)
    ON CONFLICT (actor, key) DO NOTHING
    RETURNING 1
    """
)
_STORED = text("SELECT request_hash, status, body FROM idempotency_key WHERE actor = :actor AND key = :key")
_STORE = text("UPDATE idempotency_key SET status = :status, body = :body WHERE actor = :actor AND key = :key")


class Scope(Protocol):
    """The part of the request's scope that this needs."""

    async def session(self) -> Session:
        """The request's session."""
        ...

    async def end(self) -> None:
        """Commit what was opened; a later `session()` opens anew."""
        ...


def owner_of(actor: Actor) -> str:
    """Whose keys these are: two people never share a key by accident."""
    return f"{actor.organization_id or '-'}/{actor.user_id or actor.kind}"


async def once(
    scope: Scope,
    actor: Actor,
    request: Request,
    key: str,
    run: Callable[[], Awaitable[Response]],
    *,
    keyring: Keyring | None,
) -> Response:
    """Run the request, or replay the answer that the same key got before; with a keyring, what is kept is encrypted."""
    if not 1 <= len(key) <= MAX_KEY_LENGTH or not key.isprintable():
        raise InvalidInput("Idempotency-Key must have 1 to 255 printable characters.", field=HEADER)
    body = await request.body()
    digest = hashlib.sha256(f"{request.method} {request.url.path}\n".encode() + body).digest()
    parameters = {"actor": owner_of(actor), "key": key}
    place = {"table": "idempotency_key", "column": "body", "row": f"{parameters['actor']} {key}"}
    data_key = None if keyring is None else await DataKey.new(keyring)
    session = await scope.session()
    if (await session.execute(_CLAIM, {**parameters, "request_hash": digest})).first() is None:
        stored = (await session.execute(_STORED, parameters)).one()
        if bytes(stored.request_hash) != digest:
            raise IdempotencyKeyReused(
                "This Idempotency-Key came before with another request. Nothing was done now, and the earlier request "
                "keeps its result. Use a new key for a new request."
            )
        if stored.status is not None:
            await scope.end()
            answer = bytes(stored.body) if keyring is None else await decrypt(keyring, bytes(stored.body), **place)
            return Response(answer, stored.status, {REPLAYED_HEADER: "true"}, media_type="application/json")
    response = await run()
    if response.status_code < 400:
        kept = bytes(response.body) if data_key is None else data_key.encrypt(bytes(response.body), **place)
        session = await scope.session()
        await session.execute(_STORE, {**parameters, "status": response.status_code, "body": kept})
    return response
