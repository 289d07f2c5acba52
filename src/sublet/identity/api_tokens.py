"""API tokens: made by a signed-in person, bound to the organization they were in, never more than that person may."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from sublet.audit.record import record
from sublet.core.actions import Refusal
from sublet.core.actors import Actor, Permission
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.errors import IdempotencyKeyReused, InvalidInput, NotFound
from sublet.core.ids import new_id
from sublet.core.locks import Space, alone
from sublet.identity.audit import ApiTokenRecord
from sublet.identity.errors import ScopeNotHeld, TokenAlreadyCreated, TokenNeedsSession, TooManyTokens
from sublet.identity.models import api_token
from sublet.identity.token_format import mint, secret_hash

LONGEST_LIFE = timedelta(days=366)
LONGEST_KEY = 255


_columns = api_token.c
SHOWN = [
    _columns.seq,
    _columns.id,
    _columns.name,
    _columns.scopes,
    _columns.expires_at,
    _columns.last_used_at,
    _columns.created_at,
]


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was just made: its row, and the token itself, which is shown now and never again."""

    row: Row[*tuple[Any, ...]]
    token: str


def _checked_scopes(actor: Actor, scopes: Sequence[str]) -> list[str]:
    try:
        wanted = {Permission(scope) for scope in scopes}
    except ValueError:
        known = ", ".join(sorted(permission.value for permission in actor.permissions))
        raise InvalidInput(f"A scope is not one that exists. You can give: {known}.", field="scopes") from None
    missing = sorted(permission.value for permission in wanted if not actor.can(permission))
    if missing:
        raise ScopeNotHeld(
            f"A token cannot do more than you: you do not hold {', '.join(missing)} here. Nothing was created.",
            extra={"scopes": missing},
        )
    return sorted(permission.value for permission in wanted)


# Those that were revoked count for a day: else making and revoking would go on for ever. None lives for longer than a
# year and a day, and `now()` can be looked up in an index.
_COUNT = text(
    """
    SELECT count(*) FROM api_token
     WHERE organization_id = :organization_id AND created_at > now() - interval '367 days'
       AND ((revoked_at IS NULL AND expires_at > clock_timestamp())
            OR created_at > clock_timestamp() - interval '1 day')
    """
)


async def count(session: Session, organization_id: str) -> int:
    """How many tokens of an organization work, or were made within a day."""
    counted: int = (await session.execute(_COUNT, {"organization_id": organization_id})).scalar_one()
    return counted


def why_not_create(actor: Actor, held: int, *, most: int) -> Refusal | None:
    """Why somebody makes no further token for their organization, which has so many."""
    if actor.kind == "token":
        reason = "API tokens are made by signed-in people only."
        return Refusal(TokenNeedsSession, reason, "Sign in first.", outcome="Nothing was created.")
    if held < most:
        return None
    return Refusal(
        TooManyTokens,
        f"Your organization has {held} API tokens that work or were made within a day, and {most} are the most.",
        "Revoke those that nobody uses; of those that were made today each frees its place tomorrow.",
        outcome="Nothing was created.",
    )


async def create(
    session: Session,
    actor: Actor,
    *,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime,
    most: int,
    idempotency_key: str | None = None,
) -> NewToken:
    """A new token of the actor, if their organization has fewer than `most`; InvalidInput, ScopeNotHeld,
    TokenNeedsSession, TooManyTokens.

    The answer holds a secret, so it is not kept for replays as other answers are: the same key makes no second token,
    and gets TokenAlreadyCreated (or IdempotencyKeyReused if it came with another request).
    """
    if idempotency_key is not None and not (1 <= len(idempotency_key) <= LONGEST_KEY and idempotency_key.isprintable()):
        raise InvalidInput("Idempotency-Key must have 1 to 255 printable characters.", field="Idempotency-Key")
    await alone(session, Space.API_TOKENS, actor.organization)
    refusal = why_not_create(actor, await count(session, actor.organization), most=most)
    if refusal is not None and refusal.error is not TooManyTokens:
        raise refusal.problem
    granted = _checked_scopes(actor, scopes)
    now = await database_now(session)
    if not now < expires_at <= now + LONGEST_LIFE:
        raise InvalidInput(
            "A token must expire in the future, and within a year. Nothing was created.", field="expires_at"
        )
    asked = json.dumps([name, granted, expires_at.isoformat(), actor.organization])
    digest = hashlib.sha256(asked.encode()).digest() if idempotency_key is not None else None
    token = mint()
    row = (
        await session.execute(
            insert(api_token)
            .values(
                id=new_id("tok"),
                user_id=actor.user_id,
                organization_id=actor.organization,
                name=name,
                secret_hash=secret_hash(token),
                scopes=granted,
                expires_at=expires_at,
                idempotency_key=idempotency_key,
                request_hash=digest,
            )
            .on_conflict_do_nothing(index_elements=[_columns.user_id, _columns.idempotency_key])
            .returning(*SHOWN)
        )
    ).first()
    if row is None:
        raise await _already_created(session, actor, idempotency_key, digest)
    if refusal is not None:  # what was made before with the same key is told of first
        raise refusal.problem
    await record(session, actor, "api_token.created", "api_token", row.id, after=ApiTokenRecord.model_validate(row))
    return NewToken(row, token)


async def _already_created(
    session: Session, actor: Actor, idempotency_key: str | None, digest: bytes | None
) -> TokenAlreadyCreated | IdempotencyKeyReused:
    earlier = (
        await session.execute(
            select(_columns.id, _columns.request_hash).where(
                _columns.user_id == actor.user_id, _columns.idempotency_key == idempotency_key
            )
        )
    ).one()
    if bytes(earlier.request_hash) != digest:
        return IdempotencyKeyReused(
            "This Idempotency-Key made another token before. Nothing was created now. Use a new key for a new token."
        )
    return TokenAlreadyCreated(
        f"This request made the token {earlier.id} before, and a token is shown only once. Nothing was created now. If "
        "it did not reach you, revoke it and make another with a new Idempotency-Key.",
        extra={"token_id": earlier.id},
    )


async def page(session: Session, actor: Actor, *, before: int | None, limit: int) -> Sequence[Row[*tuple[Any, ...]]]:
    """Up to `limit` of the actor's own tokens in this organization that are not revoked, newest first."""
    statement = (
        select(*SHOWN)
        .where(
            _columns.user_id == actor.user_id,
            _columns.organization_id == actor.organization,
            _columns.revoked_at.is_(None),
        )
        .order_by(_columns.seq.desc())
        .limit(limit)
    )
    if before is not None:
        statement = statement.where(_columns.seq < before)
    return (await session.execute(statement)).all()


async def revoke(session: Session, actor: Actor, token_id: str) -> None:
    """End one of the actor's own tokens; NotFound for any other."""
    ended = await session.execute(
        update(api_token)
        .where(
            _columns.id == token_id,
            _columns.user_id == actor.user_id,
            _columns.organization_id == actor.organization,
            _columns.revoked_at.is_(None),
        )
        .values(revoked_at=func.clock_timestamp())
    )
    if ended.rowcount == 0:
        raise NotFound("API token", token_id)
    await record(session, actor, "api_token.revoked", "api_token", token_id)


async def revoke_all(session: Session, user_id: str) -> int:
    """End every token of a user; returns how many there were."""
    ended = await session.execute(
        update(api_token)
        .where(_columns.user_id == user_id, _columns.revoked_at.is_(None))
        .values(revoked_at=func.clock_timestamp())
    )
    return ended.rowcount
