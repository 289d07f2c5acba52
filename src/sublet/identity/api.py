"""Identity's routes: signing up, in and out, and what a person owns: sessions, API tokens, SSH keys."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Depends, Header, Request, Response

from sublet.core.actions import ManagedPage, actions_of
from sublet.core.actors import PUBLIC, Actor, Permission
from sublet.core.app import Slot
from sublet.core.http import ActorDep, DatabaseDep, SessionDep, SettingsDep, SubletRouter
from sublet.core.pages import Page, PageQueryDep, page_of
from sublet.core.settings import Settings
from sublet.identity import api_tokens, email_verification, organizations, sessions, sign_in, ssh_keys, terms, whoami
from sublet.identity.authentication import address_of
from sublet.identity.cookies import SessionCookie
from sublet.identity.hash_queue import HashQueue
from sublet.identity.schemas import (
    AdminOrganizationOut,
    ApiTokenCreate,
    ApiTokenCreated,
    ApiTokenOut,
    EmailConfirmation,
    EmailOut,
    Login,
    Me,
    MemberOut,
    OrganizationOut,
    SessionOut,
    SignUp,
    SshKeyCreate,
    SshKeyOut,
    TermsAcceptance,
    TermsInForce,
    TermsOut,
)
from sublet.identity.sign_in import Visitor
from sublet.identity.terms import Terms
from sublet.identity.users import SignupHook

router = SubletRouter(prefix="/api/v1", tags=["identity"])

PASSWORDS: Slot[HashQueue] = Slot("queue of passwords")
PasswordsDep = Annotated[HashQueue, Depends(PASSWORDS)]
ON_SIGNUP: Slot[Sequence[SignupHook]] = Slot("what a sign-up also opens")


async def _cookie(settings: SettingsDep) -> SessionCookie:
    return SessionCookie.of(settings)


CookieDep = Annotated[SessionCookie, Depends(_cookie)]


async def _visitor(request: Request, cookie: CookieDep) -> Visitor:
    return Visitor(address_of(request), request.headers.get("user-agent"), cookie.read(request))


VisitorDep = Annotated[Visitor, Depends(_visitor)]


@router.get("/auth/terms", permission=PUBLIC)
async def show_terms(settings: SettingsDep) -> TermsInForce:
    """The terms that signing up takes; null where nobody is asked to accept any."""
    in_force = Terms.of(settings)
    return TermsInForce(terms=TermsOut.model_validate(in_force) if in_force else None)


@router.post("/auth/signup", permission=PUBLIC, status_code=201)
async def sign_up(
    *,
    response: Response,
    database: DatabaseDep,
    hashing: PasswordsDep,
    settings: SettingsDep,
    cookie: CookieDep,
    visitor: VisitorDep,
    on_signup: Annotated[Sequence[SignupHook], Depends(ON_SIGNUP)],
    body: SignUp,
) -> Me:
    """Make an account with its own organization, and sign in to it."""
    signed_in = await sign_in.sign_up(
        database,
        hashing,
        visitor,
        email=body.email,
        password=body.password,
        name=body.name,
        organization_name=body.organization_name,
        absolute_seconds=settings.session_absolute_seconds,
        in_force=Terms.of(settings),
        accepted_terms=body.accepted_terms,
        on_signup=on_signup,
    )
    cookie.give(response, signed_in.secret)
    async with database.reading() as session:
        return await whoami.who(session, signed_in.actor, Terms.of(settings))


@router.post("/auth/login", permission=PUBLIC)
async def log_in(
    *,
    response: Response,
    database: DatabaseDep,
    hashing: PasswordsDep,
    settings: SettingsDep,
    cookie: CookieDep,
    visitor: VisitorDep,
    body: Login,
) -> Me:
    """Sign in; the session that the browser had before, if any, ends."""
    signed_in = await sign_in.sign_in(
        database,
        hashing,
        visitor,
        email=body.email,
        password=body.password,
        absolute_seconds=settings.session_absolute_seconds,
    )
    cookie.give(response, signed_in.secret)
    async with database.reading() as session:
        return await whoami.who(session, signed_in.actor, Terms.of(settings))


@router.post("/auth/logout", permission=PUBLIC, status_code=204)
async def log_out(response: Response, session: SessionDep, cookie: CookieDep, visitor: VisitorDep) -> None:
    """Sign out; also fine for somebody who is not signed in."""
    await sign_in.sign_out(session, visitor)
    cookie.take_back(response)


@router.get("/me", permission=Permission.ACCOUNT_READ)
async def me(actor: ActorDep, session: SessionDep, settings: SettingsDep) -> Me:
    """Who is asking, in which organization, and what they may do."""
    return await whoami.who(session, actor, Terms.of(settings))


@router.post("/me/terms", permission=Permission.ACCOUNT_MANAGE)
async def accept_terms(
    actor: ActorDep, session: SessionDep, settings: SettingsDep, visitor: VisitorDep, body: TermsAcceptance
) -> Me:
    """Accept the terms in force, by their version; only the person can, in a browser."""
    await terms.accept(session, actor, Terms.of(settings), body.version, user_agent=visitor.user_agent)
    return await whoami.who(session, actor, Terms.of(settings))


@router.get("/me/email", permission=Permission.ACCOUNT_READ)
async def show_email(actor: ActorDep, session: SessionDep, settings: SettingsDep) -> EmailOut:
    """The caller's address, whether it is known to be theirs, and whether a mail that asks can be sent."""
    return _email(actor, await email_verification.of(session, str(actor.user_id)), settings)


@router.post("/me/email/verifications", permission=Permission.ACCOUNT_MANAGE, creates=True, status_code=202)
async def verify_email(actor: ActorDep, session: SessionDep, settings: SettingsDep) -> EmailOut:
    """Have a mail sent to the caller's address, with a link that shows that it is theirs."""
    sends = settings.smtp_host is not None
    return _email(actor, await email_verification.send(session, actor, mail_is_sent=sends), settings)


@router.post("/me/email/confirmation", permission=Permission.ACCOUNT_MANAGE)
async def confirm_email(
    actor: ActorDep, session: SessionDep, settings: SettingsDep, body: EmailConfirmation
) -> EmailOut:
    """Show that the caller's address is theirs, by the secret of the link that was mailed to it."""
    return _email(actor, await email_verification.confirm(session, actor, body.secret), settings)


def _email(actor: Actor, address: email_verification.Address, settings: Settings) -> EmailOut:
    refusal = email_verification.why_not_send(address, mail_is_sent=settings.smtp_host is not None)
    denied = "This token may not change your account."
    actions = actions_of(actor, Permission.ACCOUNT_MANAGE, denied, {"verify": refusal})
    return EmailOut(email=address.email, verified_at=address.verified_at, actions=actions)


@router.get("/auth/sessions", permission=Permission.ACCOUNT_MANAGE)
async def list_sessions(
    actor: ActorDep, session: SessionDep, settings: SettingsDep, page: PageQueryDep
) -> Page[SessionOut]:
    """Where the caller is signed in, newest first."""
    (before,) = page.position(int) or (None,)
    rows = await sessions.page(
        session,
        str(actor.user_id),
        idle_seconds=settings.session_idle_seconds,
        before=before,
        limit=page.limit + 1,
    )
    return page_of(
        rows,
        page.limit,
        lambda row: SessionOut(
            id=row.id,
            created_at=row.created_at,
            last_seen_at=row.last_seen_at,
            address=row.address,
            user_agent=row.user_agent,
            current=row.id == actor.session_id,
        ),
        lambda row: [row.seq],
    )


@router.delete("/auth/sessions/{session_id}", permission=Permission.ACCOUNT_MANAGE, status_code=204)
async def end_session(
    response: Response, actor: ActorDep, session: SessionDep, cookie: CookieDep, session_id: str
) -> None:
    """Sign out somewhere; its requests and sockets end within seconds."""
    await sessions.revoke(session, actor, session_id)
    if session_id == actor.session_id:
        cookie.take_back(response)


@router.get("/organizations", permission=Permission.ORGANIZATION_READ)
async def list_organizations(actor: ActorDep, session: SessionDep, page: PageQueryDep) -> Page[OrganizationOut]:
    """The organizations that the caller is in, longest first."""
    (after,) = page.position(int) or (None,)
    rows = await organizations.of_actor(session, actor, after=after, limit=page.limit + 1)
    return page_of(rows, page.limit, OrganizationOut.model_validate, lambda row: [row.seq])


@router.get("/organizations/{organization_id}", permission=Permission.ORGANIZATION_READ)
async def show_organization(actor: ActorDep, session: SessionDep, organization_id: str) -> OrganizationOut:
    """One organization that the caller is in."""
    return OrganizationOut.model_validate(await organizations.get(session, actor, organization_id))


@router.get("/organizations/{organization_id}/members", permission=Permission.ORGANIZATION_READ)
async def list_members(
    actor: ActorDep, session: SessionDep, page: PageQueryDep, organization_id: str
) -> Page[MemberOut]:
    """Who is in an organization that the caller is in, longest first."""
    (after,) = page.position(int) or (None,)
    rows = await organizations.members(session, actor, organization_id, after=after, limit=page.limit + 1)
    return page_of(rows, page.limit, MemberOut.model_validate, lambda row: [row.seq])


@router.get("/admin/organizations", permission=Permission.ADMIN_ORGANIZATION_READ)
async def list_every_organization(session: SessionDep, page: PageQueryDep) -> Page[AdminOrganizationOut]:
    """Every organization with its owner, newest first."""
    (before,) = page.position(int) or (None,)
    rows = await organizations.overview(session, before=before, limit=page.limit + 1)
    return page_of(rows, page.limit, AdminOrganizationOut.model_validate, lambda row: [row.seq])


@router.get("/api-tokens", permission=Permission.TOKEN_MANAGE)
async def list_api_tokens(
    actor: ActorDep, session: SessionDep, settings: SettingsDep, page: PageQueryDep
) -> ManagedPage[ApiTokenOut]:
    """The caller's own tokens for this organization, newest first, and whether they may make another."""
    (before,) = page.position(int) or (None,)
    rows = await api_tokens.page(session, actor, before=before, limit=page.limit + 1)
    found = page_of(rows, page.limit, ApiTokenOut.model_validate, lambda row: [row.seq])
    held = await api_tokens.count(session, actor.organization)
    refusal = api_tokens.why_not_create(actor, held, most=settings.api_tokens)
    denied = "Only who may manage tokens makes one."
    actions = actions_of(actor, Permission.TOKEN_MANAGE, denied, {"create": refusal})
    return ManagedPage(items=found.items, next_cursor=found.next_cursor, actions=actions)


@router.post("/api-tokens", permission=Permission.TOKEN_MANAGE, shows_secret=True, status_code=201)
async def create_api_token(
    actor: ActorDep,
    session: SessionDep,
    settings: SettingsDep,
    body: ApiTokenCreate,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> ApiTokenCreated:
    """Make a token; this answer alone shows it.

    The same Idempotency-Key never makes a second token: as the first answer is not kept, it gets 409
    `token_already_created` with the token's id.
    """
    # Not `creates=True`: that would store the answer, and with it the secret, for replays.
    made = await api_tokens.create(
        session,
        actor,
        name=body.name,
        scopes=body.scopes,
        expires_at=body.expires_at,
        most=settings.api_tokens,
        idempotency_key=idempotency_key,
    )
    return ApiTokenCreated(**ApiTokenOut.model_validate(made.row).model_dump(), token=made.token)


@router.delete("/api-tokens/{token_id}", permission=Permission.TOKEN_MANAGE, status_code=204)
async def revoke_api_token(actor: ActorDep, session: SessionDep, token_id: str) -> None:
    """End a token; it is refused from now on."""
    await api_tokens.revoke(session, actor, token_id)


@router.get("/ssh-keys", permission=Permission.ACCOUNT_READ)
async def list_ssh_keys(
    actor: ActorDep, session: SessionDep, settings: SettingsDep, page: PageQueryDep
) -> ManagedPage[SshKeyOut]:
    """The caller's own SSH keys, newest first, and whether they may add another."""
    (before,) = page.position(int) or (None,)
    rows = await ssh_keys.page(session, actor, before=before, limit=page.limit + 1)
    found = page_of(rows, page.limit, SshKeyOut.model_validate, lambda row: [row.seq])
    refusal = ssh_keys.why_not_add(actor, await ssh_keys.held_by(session, str(actor.user_id)), most=settings.ssh_keys)
    denied = "This token may not change your account."
    actions = actions_of(actor, Permission.ACCOUNT_MANAGE, denied, {"add": refusal})
    return ManagedPage(items=found.items, next_cursor=found.next_cursor, actions=actions)


@router.post("/ssh-keys", permission=Permission.ACCOUNT_MANAGE, creates=True, status_code=201)
async def add_ssh_key(actor: ActorDep, session: SessionDep, settings: SettingsDep, body: SshKeyCreate) -> SshKeyOut:
    """Register a public key; it opens the allocations of every organization that the caller is in."""
    added = await ssh_keys.add(session, actor, name=body.name, public_key=body.public_key, most=settings.ssh_keys)
    return SshKeyOut.model_validate(added)


@router.delete("/ssh-keys/{key_id}", permission=Permission.ACCOUNT_MANAGE, status_code=204)
async def remove_ssh_key(actor: ActorDep, session: SessionDep, key_id: str) -> None:
    """Forget a key; allocations stop letting it in."""
    await ssh_keys.remove(session, actor, key_id)
