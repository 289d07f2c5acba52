"""What `/me` answers."""

from sqlalchemy import bindparam, select, text

from sublet.core.actors import Actor
from sublet.core.db import Session
from sublet.core.errors import NotAuthenticated, PermissionDenied
from sublet.identity.models import membership, organization, user_account
from sublet.identity.schemas import Me, MeOrganization, MeUser, TermsOut
from sublet.identity.terms import OWED, Terms, asked_of

_WHO = (
    select(
        user_account.c.email,
        user_account.c.name.label("person"),
        (user_account.c.verified_email == user_account.c.email).label("verified"),
        organization.c.id,
        organization.c.name,
        text(f"{OWED.replace('u.id', 'user_account.id')} AS owes_terms"),
    )
    .add_columns(membership.c.role)
    .select_from(user_account)
    .outerjoin(membership, membership.c.user_id == user_account.c.id)
    .outerjoin(organization, organization.c.id == membership.c.organization_id)
    .where(user_account.c.id == bindparam("user_id"))
    .order_by(membership.c.seq)
)


async def who(session: Session, actor: Actor, in_force: Terms | None) -> Me:
    """The caller as a person, where they act and what they may do; an API token sees its one organization only."""
    rows = (await session.execute(_WHO, {"user_id": actor.user_id, **asked_of(in_force)})).all()
    if not rows:
        raise NotAuthenticated("Nobody is signed in. Nothing was changed. Sign in, or send an API token.")
    theirs = [MeOrganization.model_validate(row) for row in rows if row.id is not None]
    if actor.kind == "token":
        theirs = [one for one in theirs if one.id == actor.organization_id]
    current = [one for one in theirs if one.id == actor.organization_id] or theirs
    if not current:
        raise PermissionDenied("You are not in any organization (any more). Ask an owner to let you in.")
    return Me(
        user=MeUser(
            id=str(actor.user_id), email=rows[0].email, name=rows[0].person, email_verified=rows[0].verified is True
        ),
        organization=current[0],
        organizations=theirs,
        platform_roles=sorted(actor.platform_roles),
        permissions=sorted(permission.value for permission in actor.permissions),
        auth="token" if actor.kind == "token" else "session",
        terms_to_accept=TermsOut.model_validate(in_force) if rows[0].owes_terms else None,
    )
