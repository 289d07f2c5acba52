"""The work of mailing: each notice that is wanted by mail, and each verifying mail, is handed over once."""

from sqlalchemy import func, select, update

from sublet.core.db import Session
from sublet.core.telemetry import get_logger
from sublet.core.work.declaration import MOST_CRASHES, End, Step, Work
from sublet.core.work.leases import Lease
from sublet.core.work.outcomes import Done, Outcome
from sublet.core.work.pace import Pace
from sublet.identity import email_verification, recipients
from sublet.notifications.mail.mailer import Mailer, Refused, Taken
from sublet.notifications.mail.message import Mail
from sublet.notifications.models import notice
from sublet.notifications.notices import MAIL, concern

log = get_logger(__name__)

PACE = Pace(attempts=30, shortest_seconds=2.0, longest_seconds=3600.0)
"""About half a day, which outlasts a mail server that is being mended."""
_UNTIL_OVER = Pace(shortest_seconds=2.0, longest_seconds=600.0)

PREFERENCES = "/settings?view=notices"
_WHY_TOLD = "You are told of this because it concerns an organization that you are in. Change what you are mailed:"
_WHY_OPERATORS = "You are told of this as an operator of the platform. Change what you are mailed:"
_WHY_ASKED = "Somebody signed up with this address. If it was not you, do nothing, and no further mail is sent to it."

NOT_VERIFIED, NOT_SET_UP, LEFT, REFUSED = "address_not_verified", "mail_not_set_up", "not_concerned_any_more", "refused"

STEPS = (
    Step(
        "hand over",
        "composes the mail from the notice's own words and hands it to the mail server, if the address is verified",
        "a mail under way",
        "none needed: who gets it twice because an answer was lost gets the same message, with the same Message-ID",
    ),
    Step(
        "note",
        "notes when the mail was taken, or why there is none",
        "the notice says so",
        "none needed: one transaction",
    ),
)
END = End(
    MOST_CRASHES,
    "set aside after 30 attempts, about half a day; the notice stays in the inbox",
    "set aside; the notice stays in the inbox",
)
VERIFYING_STEPS = (
    Step(
        "hand over",
        "makes a secret, keeps its hash, and hands the mail with its link to the mail server",
        "a mail under way; each try has a secret of its own, and whichever mail arrives works",
        "none needed: what is not used within a day works no more",
    ),
)
VERIFYING_END = End(
    MOST_CRASHES,
    "ends after a day, when its link would work no more",
    "set aside; the person can ask for another mail",
)


def work(mailer: Mailer | None) -> Work[Mail, Taken | Refused]:
    """The kind of work `notice_mail`: one row for each notice that somebody wants by mail."""

    async def take(session: Session, lease: Lease) -> Mail | Outcome:
        wanted = select(notice).where(notice.c.id == lease.id, notice.c.mail_wanted).with_for_update()
        row = (await session.execute(wanted)).one_or_none()
        if row is None or row.mailed_at is not None or row.not_mailed_because is not None:
            return Done()
        if mailer is None:
            return await _not_mailed(session, lease.id, NOT_SET_UP)
        still = select(notice.c.id).where(notice.c.id == row.id, await concern(session, row.user_id))
        if (await session.execute(still)).one_or_none() is None:
            return await _not_mailed(session, lease.id, LEFT)
        address = await recipients.verified_address(session, row.user_id)
        if address is None:
            return await _not_mailed(session, lease.id, NOT_VERIFIED)
        return Mail(
            key=row.id,
            to=address,
            title=row.title,
            sentences=tuple(row.sentences),
            link=f"{mailer.public_url}{row.link}",
            link_says=row.link_says,
            footer=_WHY_OPERATORS if row.organization_id is None else _WHY_TOLD,
            written_at=row.created_at,
            preferences=f"{mailer.public_url}{PREFERENCES}",
        )

    async def act(_lease: Lease, mail: Mail) -> Taken | Refused:
        assert mailer is not None
        return await mailer.send(mail)

    async def conclude(session: Session, lease: Lease, _mail: Mail, result: Taken | Refused) -> Outcome:
        if isinstance(result, Refused):
            log.warning("mail.refused", notice=lease.id, status=result.status)
            return await _not_mailed(session, lease.id, REFUSED)
        mine = update(notice).where(notice.c.id == lease.id)
        await session.execute(mine.values(mailed_at=func.clock_timestamp()))
        return Done()

    return Work(MAIL, take, act, conclude, pace=PACE, end=END, slots=4, slots_each=4, slots_tenant=2, steps=STEPS)


async def _not_mailed(session: Session, notice_id: str, because: str) -> Outcome:
    await session.execute(update(notice).where(notice.c.id == notice_id).values(not_mailed_because=because))
    return Done()


def verifying(mailer: Mailer | None) -> Work[Mail, Taken | Refused]:
    """The kind of work `verifying_mail`: asks a person by mail whether an address is theirs."""

    async def take(session: Session, lease: Lease) -> Mail | Outcome:
        if mailer is None:
            return Done()
        asked = await email_verification.next_mail(session, lease.id)
        if asked is None:
            return Done()
        return Mail(
            key=lease.id,
            to=asked.email,
            title="Confirm your address",
            sentences=(
                f"Somebody made an account at {mailer.public_url} with this address.",
                "Confirm that the address is yours, and what you are told there is mailed to you too.",
                f"The link works once, and for {email_verification.LIFETIME_HOURS} hours.",
            ),
            link=f"{mailer.public_url}/verify-email#{asked.secret}",
            link_says="Confirm your address",
            footer=_WHY_ASKED,
            written_at=asked.asked_at,
        )

    async def act(_lease: Lease, mail: Mail) -> Taken | Refused:
        assert mailer is not None
        return await mailer.send(mail)

    async def conclude(_session: Session, lease: Lease, _mail: Mail, result: Taken | Refused) -> Outcome:
        if isinstance(result, Refused):
            log.warning("mail.refused", verification=lease.id, status=result.status)
        return Done()

    return Work(
        email_verification.WORK,
        take,
        act,
        conclude,
        pace=_UNTIL_OVER,
        end=VERIFYING_END,
        slots=4,
        slots_each=4,
        slots_tenant=1,
        steps=VERIFYING_STEPS,
    )
