"""The terms that people accept: which text, when, and from where. What was accepted is never changed or forgotten.

Who signs up accepts the version in force. When it changes, or for who was made by an operator and never asked, it is
asked for at the next sign-in, and until then they pay nothing in. What was paid before, they go on using: that was
bought under what was accepted then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import Row, select
from sqlalchemy.dialects.postgresql import insert

from sublet.audit.record import record
from sublet.core.actors import Actor
from sublet.core.db import Session
from sublet.core.filters import one_of
from sublet.core.settings import Settings
from sublet.identity.audit import TermsRecord
from sublet.identity.errors import TermsChanged, TermsMissing, TokenNeedsSession
from sublet.identity.models import terms_acceptance
from sublet.identity.sessions import LONGEST_USER_AGENT


@dataclass(frozen=True, slots=True)
class Terms:
    """Which text is in force."""

    url: str
    version: str

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """The terms that the settings name; None where nobody is asked to accept any."""
        if settings.terms_url is None or settings.terms_version is None:
            return None
        return cls(settings.terms_url, settings.terms_version)

    def __str__(self) -> str:
        return f"version {self.version} at {self.url}"


OWED = """
    (CAST(:terms_url AS text) IS NOT NULL AND NOT EXISTS (
       SELECT FROM terms_acceptance t
        WHERE t.user_id = u.id AND t.url = :terms_url AND t.version = :terms_version))
"""
"""Whether a user `u` has not accepted the terms that `asked_of` names; costs nothing where it names none."""


def asked_of(terms: Terms | None) -> dict[str, str | None]:
    """The parameters of `OWED`."""
    return {"terms_url": terms.url if terms else None, "terms_version": terms.version if terms else None}


def require_accepted(terms: Terms | None, version: str | None) -> None:
    """TermsMissing unless `version` is the one in force; where there is none, nothing can be accepted either."""
    if version == (terms.version if terms else None):
        return
    if terms is None:
        raise TermsMissing(
            "There are no terms here that could be accepted. No account was made.", field="accepted_terms"
        )
    raise TermsMissing(
        f"Signing up takes that you accept the terms that are in force: {terms}. No account was made. Read them, and "
        "send their version as accepted_terms.",
        field="accepted_terms",
    )


async def accept(session: Session, actor: Actor, terms: Terms | None, version: str, *, user_agent: str | None) -> None:
    """Record that the actor accepts the terms in force; TermsChanged for others, TokenNeedsSession for a program."""
    if actor.kind != "user":
        raise TokenNeedsSession(
            "A program cannot accept terms for a person. Nothing was changed. Sign in to the console and accept them."
        )
    if terms is None or terms.version != version:
        there = f"In force is {terms}" if terms else "There are none to accept"
        raise TermsChanged(f"{there}, and not version {version}. Nothing was changed. Load the page again.")
    await note(session, actor, terms, occasion="sign_in", user_agent=user_agent)


async def note(session: Session, actor: Actor, terms: Terms, *, occasion: str, user_agent: str | None) -> None:
    """Record once that the actor accepts these terms, now and from where they are; `occasion` as the table has it."""
    said = TermsRecord(
        url=terms.url,
        version=terms.version,
        occasion=occasion,
        address=actor.address,
        user_agent=(user_agent or "")[:LONGEST_USER_AGENT] or None,
    )
    made = insert(terms_acceptance).values(user_id=actor.user_id, **said.model_dump())
    noted = await session.execute(made.on_conflict_do_nothing().returning(terms_acceptance.c.version))
    if noted.first() is not None:
        await record(session, actor, "terms.accepted", "user", str(actor.user_id), after=said)


async def accepted_by(session: Session, user_ids: Sequence[str]) -> Sequence[Row[Any]]:
    """What these people have accepted, oldest first, as the table has it."""
    theirs = select(terms_acceptance).where(one_of(terms_acceptance.c.user_id, list(user_ids)))
    return (await session.execute(theirs.order_by(terms_acceptance.c.seq))).all()
