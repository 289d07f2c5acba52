"""An application whose caller is whoever the test says, for the domains that stand beside identity or below it."""

from collections.abc import Sequence

import httpx
from fastapi import FastAPI
from starlette.requests import HTTPConnection

from sublet.core.actors import Actor, Permission
from sublet.core.app import AUTHENTICATOR, CURRENCY, DATABASE, App
from sublet.core.db import Database, Session
from sublet.core.http import SubletRouter
from sublet.core.webapp import RequestContext, install_error_handlers

OPERATOR = Actor(
    kind="user",
    user_id="usr_operator",
    organization_id="org_operators",
    role="owner",
    platform_roles=frozenset({"finance"}),
    permissions=frozenset(Permission),
    session_id="ses_operator",
    address="203.0.113.7",
    name="Olga",
)


def browser_of(actor: Actor, database: Database, routers: Sequence[SubletRouter]) -> httpx.AsyncClient:
    """A client whose every request is the actor's."""

    async def authenticate(_session: Session, _connection: HTTPConnection) -> Actor | None:
        return actor

    app = FastAPI()
    install_error_handlers(app)
    app.add_middleware(RequestContext)
    parts = App().put(DATABASE, database).put(AUTHENTICATOR, authenticate).put(CURRENCY, "USD")
    parts.attach(app, [router.api for router in routers])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")
