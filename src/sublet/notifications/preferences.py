"""What of notices a person wants, by kind and channel: all, unless they said otherwise where they may."""

from collections.abc import Collection, Mapping

from sqlalchemy import select, text

from sublet.core.actions import Refusal
from sublet.core.actors import Actor
from sublet.core.db import Session
from sublet.core.errors import Conflict, NotFound
from sublet.notifications.kinds import Channel, Kind
from sublet.notifications.letters import KINDS
from sublet.notifications.models import notice_preference


class NoticeIsFixed(Conflict):
    """A kind of notice that nobody can do without."""

    code = "notice_is_fixed"
    title = "This kind of notice cannot be switched off"


_SET = text(
    """
    INSERT INTO notice_preference (user_id, kind, channel, wanted) VALUES (:user_id, :kind, :channel, :wanted)
    ON CONFLICT (user_id, kind, channel) DO UPDATE SET wanted = excluded.wanted, set_at = clock_timestamp()
    """
)


def why_not_switch(kind: Kind) -> Refusal | None:
    """Why nobody can switch a kind of notice off."""
    if kind.always is None:
        return None
    return Refusal(NoticeIsFixed, f"Everybody it concerns is told. {kind.always}")


async def channels_of(session: Session, people: Collection[str], kind: Kind) -> dict[str, frozenset[Channel]]:
    """By which channels each of these people wants to be told of a kind."""
    everything = frozenset(Channel)
    wanted = dict.fromkeys(people, everything)
    if why_not_switch(kind) is not None:
        return wanted
    unwanted = select(notice_preference.c.user_id, notice_preference.c.channel).where(
        notice_preference.c.user_id.in_(people),
        notice_preference.c.kind == kind.name,
        notice_preference.c.wanted.is_(False),
    )
    for row in await session.execute(unwanted):
        wanted[row.user_id] -= {Channel(row.channel)}
    return wanted


def concerns(actor: Actor, kind: Kind) -> bool:
    """Whether a kind may ever reach the actor in the organization where they act."""
    return actor.can(kind.told)


async def of_actor(session: Session, actor: Actor) -> list[tuple[Kind, frozenset[Channel]]]:
    """Each kind that may reach the actor, with the channels by which they want it."""
    unwanted: set[tuple[str, str]] = {
        (row.kind, row.channel)
        for row in await session.execute(
            select(notice_preference.c.kind, notice_preference.c.channel).where(
                notice_preference.c.user_id == actor.user_id, notice_preference.c.wanted.is_(False)
            )
        )
    }
    return [
        (
            kind,
            frozenset(
                channel
                for channel in Channel
                if why_not_switch(kind) is not None or (kind.name, channel.value) not in unwanted
            ),
        )
        for kind in KINDS.values()
        if concerns(actor, kind)
    ]


async def switch(session: Session, actor: Actor, name: str, wanted: Mapping[Channel, bool]) -> None:
    """Have the actor told, or no more told, of a kind by some channels; NotFound, NoticeIsFixed."""
    kind = KINDS.get(name)
    if kind is None:
        raise NotFound("kind of notice", name)
    if refusal := why_not_switch(kind):
        raise refusal.problem
    for channel, is_wanted in sorted(wanted.items()):
        await session.execute(
            _SET, {"user_id": actor.user_id, "kind": name, "channel": channel.value, "wanted": is_wanted}
        )
