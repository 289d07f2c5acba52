"""Notices: made from events, one for each recipient, once; read in the inbox, and forgotten after a time."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, false, func, or_, select, text, update

from sublet.core.actors import Actor
from sublet.core.db import Session
from sublet.core.errors import NotFound
from sublet.core.ids import new_id
from sublet.core.outbox import StoredEvent, publish
from sublet.core.work import leases
from sublet.identity import recipients
from sublet.notifications import preferences
from sublet.notifications.events import NoticeMade
from sublet.notifications.kinds import Channel, Kind, Letter
from sublet.notifications.letters import KINDS, by_event
from sublet.notifications.models import notice

NoticeRow = Row[tuple[Any, ...]]

MAIL = "notice_mail"
PLACE = "mail server"
MOST_COUNTED = 100
"""An inbox says how many notices are unread up to here, and beyond it that there are more."""

_BY_EVENT = by_event()

# The same event may come twice: whoever was told of it already is not told again.
_MAKE = text(
    """
    INSERT INTO notice (id, user_id, organization_id, kind, cause, title, sentences, link, link_says, in_inbox,
                        mail_wanted)
    SELECT r.id, r.user_id, :organization_id, :kind, :cause, :title, :sentences, :link, :link_says, r.in_inbox,
           r.mail_wanted
      FROM unnest(CAST(:ids AS text[]), CAST(:user_ids AS text[]), CAST(:in_inbox AS boolean[]),
                  CAST(:mail_wanted AS boolean[])) AS r(id, user_id, in_inbox, mail_wanted)
        ON CONFLICT (user_id, kind, cause) DO NOTHING
    RETURNING id, user_id, mail_wanted
    """
)
_FORGET = text(
    """
    DELETE FROM notice
     WHERE id IN (SELECT id FROM notice WHERE created_at < clock_timestamp() - make_interval(days => :days)
                   ORDER BY created_at LIMIT :limit)
    """
)


async def tell(session: Session, event: StoredEvent) -> None:
    """Tell everybody whom an event concerns, once each; handler of every type of event that a kind is made from."""
    for kind in _BY_EVENT.get(event.type, ()):
        letter = await kind.write(session, event)
        if letter is not None:
            await _make(session, kind, letter, event)


async def _make(session: Session, kind: Kind, letter: Letter, event: StoredEvent) -> None:
    people = await (
        recipients.operators_holding(session, kind.told)
        if event.organization_id is None
        else recipients.members_holding(session, event.organization_id, kind.told)
    )
    wanted = await preferences.channels_of(session, people, kind)
    told = [user_id for user_id in people if wanted[user_id]]
    made = await session.execute(
        _MAKE,
        {
            "organization_id": event.organization_id,
            "kind": kind.name,
            "cause": event.id,
            "title": letter.title,
            "sentences": list(letter.sentences),
            "link": letter.link,
            "link_says": letter.link_says,
            "ids": [new_id("ntc") for _ in told],
            "user_ids": told,
            "in_inbox": [Channel.INBOX in wanted[user_id] for user_id in told],
            "mail_wanted": [Channel.EMAIL in wanted[user_id] for user_id in told],
        },
    )
    new = made.all()
    for row in new:
        if row.mail_wanted:
            await leases.make_due(session, MAIL, row.id, place=PLACE, tenant=event.organization_id or "")
    if new:
        happened = NoticeMade(kind=kind.name, user_ids=[row.user_id for row in new])
        await publish(session, happened, subject=event.subject, organization_id=event.organization_id)


async def concern(session: Session, user_id: str) -> ColumnElement[bool]:
    """Which notices may reach a person now: their own, as long as they would still be told of such a thing.

    Asked when notices are read and again when one is mailed: who has left an organization, or holds there or on the
    platform no role any more by which they were told, gets neither.
    """
    held = await recipients.held_where(session, user_id)
    of_these = (
        notice.c.organization_id.is_not_distinct_from(where)
        & notice.c.kind.in_([kind.name for kind in KINDS.values() if kind.told in permissions])
        for where, permissions in held.items()
    )
    return (notice.c.user_id == user_id) & or_(false(), *of_these)


async def _seen_by(session: Session, actor: Actor) -> ColumnElement[bool]:
    """What is in the actor's inbox. An API token sees what is of its organization alone, and none of the platform's."""
    seen = (await concern(session, str(actor.user_id))) & notice.c.in_inbox
    return seen & (notice.c.organization_id == actor.organization_id) if actor.kind == "token" else seen


async def page(
    session: Session, actor: Actor, *, before: int | None, limit: int, unread: bool = False
) -> Sequence[NoticeRow]:
    """Up to `limit` notices in the actor's inbox older than the sequence number `before`, newest first."""
    wanted = select(notice).where(await _seen_by(session, actor)).order_by(notice.c.seq.desc()).limit(limit)
    if before is not None:
        wanted = wanted.where(notice.c.seq < before)
    if unread:
        wanted = wanted.where(notice.c.read_at.is_(None))
    return (await session.execute(wanted)).all()


async def get(session: Session, actor: Actor, notice_id: str) -> NoticeRow:
    """One notice in the actor's inbox; NotFound for any other."""
    wanted = select(notice).where(await _seen_by(session, actor), notice.c.id == notice_id)
    row = (await session.execute(wanted)).one_or_none()
    if row is None:
        raise NotFound("notice", notice_id)
    return row


async def count_unread(session: Session, actor: Actor) -> int:
    """How many notices in the actor's inbox are unread, counted up to `MOST_COUNTED`."""
    some = select(notice.c.id).where(await _seen_by(session, actor), notice.c.read_at.is_(None)).limit(MOST_COUNTED)
    return int((await session.execute(select(func.count()).select_from(some.subquery()))).scalar_one())


async def mark_read(session: Session, actor: Actor, notice_id: str) -> None:
    """Mark a notice in the actor's inbox as read; one that was read stays so. NotFound for any other."""
    seen = await _seen_by(session, actor)
    marked = update(notice).where(seen, notice.c.id == notice_id).values(read_at=_first_read())
    if (await session.execute(marked)).rowcount == 0:
        raise NotFound("notice", notice_id)


async def mark_all_read(session: Session, actor: Actor, *, up_to: str) -> int:
    """Mark a notice in the actor's inbox and all before it as read; how many were not yet. NotFound.

    What came after it stays unread: who asks has not seen that.
    """
    seen = await _seen_by(session, actor)
    newest = (await session.execute(select(notice.c.seq).where(seen, notice.c.id == up_to))).scalar_one_or_none()
    if newest is None:
        raise NotFound("notice", up_to)
    unread = update(notice).where(seen, notice.c.seq <= newest, notice.c.read_at.is_(None))
    return (await session.execute(unread.values(read_at=_first_read()))).rowcount


def _first_read() -> Any:
    return func.coalesce(notice.c.read_at, func.clock_timestamp())


async def forget_old(session: Session, *, days: int, limit: int) -> int:
    """Delete notices so old, read or not, so many at most; returns how many."""
    return (await session.execute(_FORGET, {"days": days, "limit": limit})).rowcount
