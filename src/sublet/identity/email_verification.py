"""Whether a person's address is theirs: a mail with a link that works once, for a day, and for them alone.

Mail goes only to verified addresses, this one mail excepted. Its secret is made when it is sent, and only the hash of
it is kept. A try that may have failed has a secret of its own, so that whichever mail arrives works.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, text, update

from sublet.audit.record import record
from sublet.core.actions import Refusal
from sublet.core.actors import Actor, Permission
from sublet.core.db import Session
from sublet.core.errors import Conflict
from sublet.core.ids import new_id
from sublet.core.locks import Space, alone
from sublet.core.outbox import StoredEvent
from sublet.core.work import leases
from sublet.identity import recipients
from sublet.identity.audit import UserRecord
from sublet.identity.models import email_verification, user_account

WORK = "verifying_mail"
PLACE = "mail server"
LIFETIME_HOURS = 24
MOST_AN_HOUR = 5
MOST_A_WEEK = 20
"""Mails to one address, whichever accounts have or had it: nobody is written to without end because others sign up."""

UserRow = Row[tuple[Any, ...]]


class AddressIsVerified(Conflict):
    """The person has shown already that the address is theirs."""

    code = "address_is_verified"


class NoMail(Conflict):
    """This installation sends no mail."""

    code = "no_mail"
    title = "This installation sends no mail"


class TooManyVerifications(Conflict):
    """So many mails were asked for within an hour, or a week, that no more is sent now."""

    code = "too_many_verifications"


class LinkNotValid(Conflict):
    """The link of a verifying mail does not work, or not any more."""

    code = "verification_not_valid"
    title = "This link does not work any more"


@dataclass(frozen=True, slots=True)
class Address:
    """A person's address, and since when it is known to be theirs; None while it is not."""

    email: str
    verified_at: datetime | None
    asked_within_an_hour: int
    asked_within_a_week: int


@dataclass(frozen=True, slots=True)
class VerifyingMail:
    """What the mail needs: whose address is asked about, and the secret of its link."""

    email: str
    name: str
    secret: str
    asked_at: datetime


_LATELY = "created_at > clock_timestamp() - interval '1 hour'"
_INSERT = text(
    """
    INSERT INTO email_verification (id, user_id, email, expires_at)
    SELECT :id, id, email, clock_timestamp() + make_interval(hours => :hours) FROM user_account WHERE id = :user_id
    """
)
_ASKED = text(f"SELECT count(*) FROM email_verification WHERE user_id = :user_id AND {_LATELY}")  # noqa: S608 - a constant
_WRITTEN_TO = text(
    """
    SELECT count(*) FROM email_verification v JOIN user_account u ON u.email = v.email
     WHERE u.id = :user_id AND v.created_at > clock_timestamp() - interval '7 days'
    """
)
# The newest mail of an account is the one that counts: what was asked for an address that it has no more is not sent.
_NEXT = text(
    """
    UPDATE email_verification v SET secret_hashes = secret_hashes || CAST(:hash AS bytea)
      FROM user_account u
     WHERE v.id = :id AND u.id = v.user_id AND v.used_at IS NULL AND v.expires_at > clock_timestamp()
       AND u.email = v.email AND u.disabled_at IS NULL AND u.verified_email IS DISTINCT FROM u.email
    RETURNING v.email, u.name, v.created_at
    """
)
_USE = text(
    """
    UPDATE email_verification v SET used_at = clock_timestamp()
      FROM user_account u
     WHERE v.user_id = :user_id AND u.id = v.user_id AND CAST(:hash AS bytea) = ANY (v.secret_hashes)
       AND v.used_at IS NULL AND v.expires_at > clock_timestamp() AND u.email = v.email
    RETURNING v.email
    """
)
_FORGET = text(
    """
    DELETE FROM email_verification
     WHERE id IN (SELECT id FROM email_verification WHERE created_at < clock_timestamp() - interval '7 days'
                   ORDER BY created_at LIMIT :limit)
    """
)


def why_not_send(address: Address, *, mail_is_sent: bool) -> Refusal | None:
    """Why no verifying mail is sent now."""
    if address.verified_at is not None:
        return Refusal(AddressIsVerified, f"You showed on {address.verified_at:%Y-%m-%d} that this address is yours.")
    if not mail_is_sent:
        return Refusal(
            NoMail, "No mail server is set up here, so what you are told is in your inbox alone.", "Ask an operator."
        )
    if address.asked_within_an_hour >= MOST_AN_HOUR:
        return Refusal(
            TooManyVerifications,
            f"{address.asked_within_an_hour} mails were sent to this address within an hour.",
            "Look for them, also where unwanted mail goes, or try again later.",
        )
    if address.asked_within_a_week >= MOST_A_WEEK:
        return Refusal(
            TooManyVerifications,
            f"{address.asked_within_a_week} mails were sent to this address within a week.",
            "Look for them, also where unwanted mail goes, or ask an operator whether mail arrives.",
        )
    return None


async def of(session: Session, user_id: str) -> Address:
    """The address of a person."""
    person = (await session.execute(select(user_account).where(user_account.c.id == user_id))).one()
    asked = (await session.execute(_ASKED, {"user_id": user_id})).scalar_one()
    written_to = (await session.execute(_WRITTEN_TO, {"user_id": user_id})).scalar_one()
    verified_at = person.verified_at if person.verified_email == person.email else None
    return Address(person.email, verified_at, asked, written_to)


async def send(session: Session, actor: Actor, *, mail_is_sent: bool) -> Address:
    """Have a verifying mail sent to the actor; AddressIsVerified, NoMail, TooManyVerifications."""
    user_id = str(actor.user_id)
    await alone(session, Space.VERIFYING_MAILS, user_id)
    if refusal := why_not_send(await of(session, user_id), mail_is_sent=mail_is_sent):
        raise refusal.problem
    await _begin(session, user_id)
    return await of(session, user_id)


async def on_organization_created(session: Session, event: StoredEvent) -> None:
    """Ask who signed up whether the address is theirs, once; handler of `organization.created`."""
    organization_id = str(event.data["organization_id"])
    for user_id in await recipients.members_holding(session, organization_id, Permission.ACCOUNT_MANAGE):
        await alone(session, Space.VERIFYING_MAILS, user_id)
        asked = select(email_verification.c.id).where(email_verification.c.user_id == user_id).limit(1)
        if (await session.execute(asked)).one_or_none() is not None:
            continue
        if (await of(session, user_id)).asked_within_a_week < MOST_A_WEEK:
            await _begin(session, user_id)


async def _begin(session: Session, user_id: str) -> None:
    verification_id = new_id("emv")
    await session.execute(_INSERT, {"id": verification_id, "user_id": user_id, "hours": LIFETIME_HOURS})
    await leases.make_due(session, WORK, verification_id, place=PLACE, tenant=user_id)


async def next_mail(session: Session, verification_id: str) -> VerifyingMail | None:
    """What to send now, with a secret that is nowhere else; None where nobody needs the mail any more."""
    secret = secrets.token_urlsafe(32)
    row = (await session.execute(_NEXT, {"id": verification_id, "hash": _hash(secret)})).one_or_none()
    return None if row is None else VerifyingMail(row.email, row.name, secret, row.created_at)


async def confirm(session: Session, actor: Actor, secret: str) -> Address:
    """The actor has the mail that was sent to their address; LinkNotValid for what was used, is over, or another's."""
    user_id = str(actor.user_id)
    before = (await session.execute(select(user_account).where(user_account.c.id == user_id).with_for_update())).one()
    if (await session.execute(_USE, {"user_id": user_id, "hash": _hash(secret)})).one_or_none() is None:
        raise LinkNotValid(
            "This link was used already, is older than a day, or was sent to another account's address. Nothing was "
            "changed. Sign in with the account that it was sent to, or ask for a new mail."
        )
    verified = (
        update(user_account)
        .where(user_account.c.id == user_id)
        .values(verified_email=user_account.c.email, verified_at=func.clock_timestamp())
    )
    after: UserRow = (await session.execute(verified.returning(*user_account.c))).one()
    was, became = UserRecord.model_validate(before), UserRecord.model_validate(after)
    await record(session, actor, "user.email_verified", "user", user_id, before=was, after=became)
    return await of(session, user_id)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


async def forget_old(session: Session, *, limit: int) -> int:
    """Delete what was asked a week ago, so many at most; the audit trail keeps which address was verified when."""
    return (await session.execute(_FORGET, {"limit": limit})).rowcount
