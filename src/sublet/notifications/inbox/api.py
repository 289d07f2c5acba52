"""Routes of the inbox: what a person was told, what of it is unread, and what they want to be told."""

from typing import Annotated

from fastapi import Query

from sublet.core.actions import actions_of
from sublet.core.actors import Actor, Permission
from sublet.core.db import Session
from sublet.core.http import ActorDep, SessionDep, SubletRouter
from sublet.core.pages import Page, PageQueryDep, page_of
from sublet.notifications import notices, preferences
from sublet.notifications.inbox.schemas import (
    MarkedRead,
    NoticeOut,
    NoticePreference,
    NoticePreferences,
    NoticeSwitch,
    ReadUpTo,
    UnreadNotices,
)
from sublet.notifications.kinds import Channel
from sublet.notifications.preferences import why_not_switch

router = SubletRouter(prefix="/api/v1/notices", tags=["live"])

_DENIED = "This token may not change your account."


@router.get("", permission=Permission.NOTICE_READ)
async def list_notices(
    actor: ActorDep,
    session: SessionDep,
    page: PageQueryDep,
    unread: Annotated[bool, Query(description="Only those that are unread.")] = False,
) -> Page[NoticeOut]:
    """What the caller was told, newest first."""
    (before,) = page.position(int) or (None,)
    rows = await notices.page(session, actor, before=before, limit=page.limit + 1, unread=unread)
    return page_of(rows, page.limit, NoticeOut.model_validate, lambda row: [row.seq])


@router.get("/unread", permission=Permission.NOTICE_READ)
async def count_unread(actor: ActorDep, session: SessionDep) -> UnreadNotices:
    """How many of the caller's notices are unread."""
    return UnreadNotices(count=await notices.count_unread(session, actor))


@router.post("/{notice_id}/read", permission=Permission.NOTICE_READ, status_code=204)
async def mark_read(actor: ActorDep, session: SessionDep, notice_id: str) -> None:
    """Mark one of the caller's notices as read; one that is read stays so."""
    await notices.mark_read(session, actor, notice_id)


@router.post("/read", permission=Permission.NOTICE_READ)
async def mark_all_read(actor: ActorDep, session: SessionDep, body: ReadUpTo) -> MarkedRead:
    """Mark one of the caller's notices, and all that came before it, as read."""
    return MarkedRead(marked=await notices.mark_all_read(session, actor, up_to=body.up_to))


@router.get("/preferences", permission=Permission.NOTICE_READ)
async def show_preferences(actor: ActorDep, session: SessionDep) -> NoticePreferences:
    """What the caller is told of, by which channels, and what of that cannot be switched off, and why."""
    return await _preferences(session, actor)


@router.patch("/preferences", permission=Permission.ACCOUNT_MANAGE)
async def switch(actor: ActorDep, session: SessionDep, body: NoticeSwitch) -> NoticePreferences:
    """Be told of a kind by other channels than before."""
    asked = {Channel.INBOX: body.inbox, Channel.EMAIL: body.email}
    wanted = {channel: is_wanted for channel, is_wanted in asked.items() if is_wanted is not None}
    await preferences.switch(session, actor, body.kind, wanted)
    return await _preferences(session, actor)


@router.get("/{notice_id}", permission=Permission.NOTICE_READ)
async def show_notice(actor: ActorDep, session: SessionDep, notice_id: str) -> NoticeOut:
    """One of the caller's notices; it stays unread until it is marked."""
    return NoticeOut.model_validate(await notices.get(session, actor, notice_id))


async def _preferences(session: Session, actor: Actor) -> NoticePreferences:
    return NoticePreferences(
        items=[
            NoticePreference(
                kind=kind.name,
                about=kind.about,
                inbox=Channel.INBOX in channels,
                email=Channel.EMAIL in channels,
                actions=actions_of(actor, Permission.ACCOUNT_MANAGE, _DENIED, {"switch": why_not_switch(kind)}),
            )
            for kind, channels in await preferences.of_actor(session, actor)
        ]
    )
