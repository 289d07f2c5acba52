"""One-time tokens with which a machine becomes a node: only their hash is stored, and they are never in a URL."""

import hashlib
import secrets
import shlex
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, and_, func, insert, select, update

from sublet.core.actors import Actor
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.fleet.errors import JoinTokenRefused
from sublet.fleet.models import join_token, node

PREFIX = "sublet_join_"


@dataclass(frozen=True, slots=True)
class Join:
    """How a machine joins: the command to run on it as root. The token is shown here once and nowhere else."""

    command: str
    token: str
    expires_at: datetime

    def __repr__(self) -> str:
        return f"Join(expires_at={self.expires_at.isoformat()})"


async def create(session: Session, actor: Actor, node_id: str, *, public_url: str, seconds: int) -> Join:
    """A new token for one node; earlier ones that were not used end now."""
    await end_all(session, node_id)
    now = await database_now(session)
    token = PREFIX + secrets.token_urlsafe(32)
    expires_at = now + timedelta(seconds=seconds)
    await session.execute(
        insert(join_token).values(
            token_hash=_digest(token), node_id=node_id, created_by=actor.shown_as, expires_at=expires_at
        )
    )
    return Join(_command(public_url, token), token, expires_at)


async def end_all(session: Session, node_id: str) -> None:
    """Let none of a node's tokens be used any more."""
    unused = and_(join_token.c.node_id == node_id, join_token.c.used_at.is_(None))
    still_good = and_(unused, join_token.c.expires_at > func.clock_timestamp())
    await session.execute(update(join_token).where(still_good).values(expires_at=func.clock_timestamp()))


async def require(session: Session, token: str) -> None:
    """JoinTokenRefused for a token that nobody made or that is over: for whoever comes with one, nothing is done."""
    await _find(session, token, lock=False)


async def preview(session: Session, token: str, host_public_key: str) -> str:
    """The node that a token is for, which is not used by this; JoinTokenRefused when `redeem` would refuse it."""
    row = await _find(session, token, lock=False)
    await _refuse_used(session, row, host_public_key)
    return str(row.node_id)


async def redeem(session: Session, token: str, host_public_key: str) -> str:
    """The node that a token is for; it is used up now.

    A token that was used is taken again only from the machine that used it, and only until somebody has come in to the
    node as a customer does: so whatever fails on the way does not strand the machine, and nobody else gains anything.
    """
    row = await _find(session, token, lock=True)
    await _refuse_used(session, row, host_public_key)
    if row.used_at is not None:
        return str(row.node_id)
    # The transaction began before the look at the clock above, so it is never used after its end.
    await session.execute(
        update(join_token)
        .where(join_token.c.token_hash == row.token_hash)
        .values(used_at=func.now(), host_public_key=host_public_key)
    )
    return str(row.node_id)


async def _refuse_used(session: Session, row: Row[Any], host_public_key: str) -> None:
    if row.used_at is None:
        return
    entered = (await session.execute(select(node.c.entered_at).where(node.c.id == row.node_id))).scalar_one()
    if row.host_public_key != host_public_key:
        raise JoinTokenRefused(
            "Another machine has used this join token. Nothing was changed. Make a new one for the node; if you did "
            "not use it, somebody else did: look at the node's host key."
        )
    if entered is not None:
        raise JoinTokenRefused(
            "This machine has used this join token, and is a node that works. Nothing was changed. Make a new one to "
            "enrol it again."
        )


async def outstanding(session: Session, node_id: str) -> datetime | None:
    """When the node's unused token ends, or None if it has none."""
    expires_at: datetime | None = (
        await session.execute(
            select(func.max(join_token.c.expires_at)).where(
                join_token.c.node_id == node_id,
                join_token.c.used_at.is_(None),
                join_token.c.expires_at > func.clock_timestamp(),
            )
        )
    ).scalar_one_or_none()
    return expires_at


async def _find(session: Session, token: str, *, lock: bool) -> Row[Any]:
    statement = select(join_token, (join_token.c.expires_at <= func.clock_timestamp()).label("expired")).where(
        join_token.c.token_hash == _digest(token)
    )
    row = (await session.execute(statement.with_for_update() if lock else statement)).one_or_none()
    if row is None:
        raise JoinTokenRefused("There is no such join token. Nothing was changed. Copy the whole command again.")
    if row.expired:
        raise JoinTokenRefused(
            f"This join token ended at {row.expires_at.isoformat(timespec='seconds')}. Nothing was changed. Make a new "
            "one for the node."
        )
    return row


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _command(public_url: str, token: str) -> str:
    """One line for a root shell. `printf` is part of the shell, so the token is in no process's arguments."""
    url = public_url.rstrip("/")
    helper = shlex.quote(f"{url}/node/sublet-node.pyz")
    return (
        f'd=$(mktemp -d) && curl -fsSo "$d/sublet-node.pyz" {helper} && printf %s {shlex.quote(token)} | '
        f'python3 "$d/sublet-node.pyz" enrol --url {shlex.quote(url)} --token-stdin'
    )
