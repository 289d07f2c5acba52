"""The payment routes as customers and the processor reach them, with the real SDK behind them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import uvicorn
from fastapi import FastAPI
from sqlalchemy import text
from starlette.requests import HTTPConnection

from sublet.admin.evidence.api import router as evidence_router
from sublet.approvals import approvals
from sublet.core.actors import Actor, Permission
from sublet.core.app import AUTHENTICATOR, CURRENCY, DATABASE, SETTINGS, App
from sublet.core.db import Database, Session
from sublet.core.settings import SecretRef, Settings
from sublet.core.webapp import BrowserSafety, RequestContext, install_error_handlers
from sublet.identity.permissions import held_by
from sublet.ledger import wallets
from sublet.payments.api import PROCESSOR, WEBHOOK_PATH, router
from sublet.payments.cards.api import router as card_router
from sublet.payments.credits.api import router as credits_router
from sublet.payments.disputes.api import router as disputes_router
from sublet.payments.payouts.api import router as payouts_router
from sublet.payments.refunds.api import router as refunds_router
from sublet.payments.stripe.processor import Processor
from tests.sandbox.stripe.process import API_KEY, WEBHOOK_SECRET, StripeSandbox, pay

BASE = "http://sublet.test"

_NEW_CUSTOMER = text(
    """
    WITH owner AS (
      INSERT INTO user_account (id, email, name, password_hash)
      VALUES (:owner, CAST(:owner AS text) || '@customer.example', 'Owner', '$argon2id$of-nobody') RETURNING id
    ), made AS (
      INSERT INTO organization (id, name) VALUES (:id, 'Customer') RETURNING id
    )
    INSERT INTO membership (organization_id, user_id, role) SELECT made.id, owner.id, 'owner' FROM made, owner
    """
)


_NEW_OPERATOR = text(
    "INSERT INTO user_account (id, email, name, password_hash, platform_roles) "
    "VALUES (:id, CAST(:id AS text) || '@operator.example', :name, '$argon2id$of-nobody', '{finance}')"
)


async def authenticate(_session: Session, connection: HTTPConnection) -> Actor | None:
    """`Bearer ORGANIZATION` is that organization's owner, `Bearer ORGANIZATION reader` may only look.

    `Bearer operator NAME` is an operator of the finance role. `X-Address` is where a customer asks from.
    """
    organization, _, kind = connection.headers.get("authorization", "").removeprefix("Bearer ").partition(" ")
    if not organization:
        return None
    if organization == "operator":
        return operator(kind)
    rights = {Permission.WALLET_READ}
    if not kind:
        rights |= {Permission.WALLET_TOP_UP, Permission.CARD_MANAGE, Permission.AUTO_TOP_UP_MANAGE}
        rights |= {Permission.WALLET_REFUND_REQUEST}
    return Actor(
        kind="user",
        user_id=f"usr_{organization}",
        organization_id=organization,
        permissions=frozenset(rights),
        address=connection.headers.get("x-address"),
    )


def operator(name: str) -> Actor:
    """Somebody of finance."""
    roles = frozenset({"finance"})
    return Actor(kind="user", user_id=f"usr_{name}", name=name, platform_roles=roles, permissions=held_by(None, roles))


def new_processor(api_base: str, *, key: str | None = API_KEY, secret: str | None = WEBHOOK_SECRET) -> Processor:
    """A processor that talks to `api_base`."""
    return Processor(api_base=api_base, api_key=key, webhook_secret=secret)


@dataclass
class Shop:
    """One application, its database, and the sandbox it takes payments through."""

    database: Database
    sandbox: StripeSandbox
    processor: Processor
    app: FastAPI
    parts: App
    http: httpx.AsyncClient

    async def organization(self, currency: str = "USD") -> str:
        """A new organization with an empty wallet; its id is also its owner's token."""
        organization = f"org_{uuid4().hex[:16]}"
        async with self.database.transaction() as session:
            await session.execute(_NEW_CUSTOMER, {"id": organization, "owner": f"usr_{organization}"})
            await wallets.open_wallet(session, organization, currency=currency)
        return organization

    async def request(self, organization: str, amount: str = "20.00", **more: Any) -> httpx.Response:
        """POST /top-ups."""
        headers = {"Authorization": f"Bearer {organization}", **more.pop("headers", {})}
        return await self.http.post(
            "/api/v1/top-ups", json={"amount": amount, "currency": "USD", **more}, headers=headers
        )

    async def operate(self, method: str, path: str, name: str = "ada", **body: Any) -> httpx.Response:
        """What an operator asks of `/admin`."""
        headers = {"Authorization": f"Bearer operator {name}"}
        return await self.http.request(
            method, f"/api/v1/admin/{path}", headers=headers, **({"json": body} if method == "POST" else {})
        )

    async def hire(self, *names: str) -> None:
        """Let there be operators, who can ask and decide."""
        async with self.database.transaction() as session:
            for name in names:
                await session.execute(_NEW_OPERATOR, {"id": f"usr_{name}", "name": name})

    async def approve(self, approval_id: str, name: str) -> None:
        """Another operator agrees."""
        async with self.database.transaction() as session:
            await approvals.approve(session, operator(name), approval_id, reason="so be it")

    async def top_up(self, organization: str, amount: str = "20.00", **more: Any) -> dict[str, Any]:
        """A top-up whose payment page is open."""
        answer = await self.request(organization, amount, **more)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def read(self, organization: str, top_up_id: str) -> dict[str, Any]:
        """GET /top-ups/{id}."""
        answer = await self.http.get(
            f"/api/v1/top-ups/{top_up_id}", headers={"Authorization": f"Bearer {organization}"}
        )
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def pay(self, top_up: dict[str, Any], number: str = "4242424242424242", **more: Any) -> httpx.Response:
        """Fill in the payment page."""
        return await asyncio.to_thread(pay, top_up["checkout_url"], number, **more)

    async def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask the sandbox's control path."""
        return await asyncio.to_thread(self.sandbox.control, method, path, body)

    async def ask(self, organization: str, method: str, path: str, **more: Any) -> httpx.Response:
        """Any request of an organization's."""
        headers = {"Authorization": f"Bearer {organization}", **more.pop("headers", {})}
        return await self.http.request(method, f"/api/v1{path}", headers=headers, **more)

    async def balance(self, organization: str, currency: str = "USD") -> str:
        """What is in the wallet."""
        async with self.database.reading() as session:
            return (await wallets.wallet(session, organization, currency=currency)).balance.decimal_string()

    async def rows(self, query: str, **values: Any) -> list[Any]:
        """Rows of a query on the application's database."""
        async with self.database.reading() as session:
            return list((await session.execute(text(query), values)).all())


def build_app(database: Database, processor: Processor, directory: Path, public_url: str = BASE) -> FastAPI:
    """An application with the payment routes alone."""
    (directory / "key").write_text(API_KEY)
    app = FastAPI()
    install_error_handlers(app)
    app.add_middleware(BrowserSafety, origins=frozenset({BASE}), exempt=frozenset({WEBHOOK_PATH}))
    app.add_middleware(RequestContext)
    settings = Settings(
        data_directory=directory,
        public_url=public_url,
        stripe_api_key=SecretRef(f"file:{directory / 'key'}"),
        refund_alone_up_to="50",
        credit_budget="100",
    )
    parts = App().put(SETTINGS, settings).put(DATABASE, database).put(AUTHENTICATOR, authenticate)
    parts.put(CURRENCY, "USD").put(PROCESSOR, processor)
    routers = [router, card_router, refunds_router, disputes_router, credits_router]
    routers += [payouts_router, evidence_router]
    parts.attach(app, [one.api for one in routers])
    return app


@asynccontextmanager
async def open_shop(database: Database, sandbox: StripeSandbox, directory: Path) -> AsyncIterator[Shop]:
    """A shop that lives as long as the block."""
    processor = new_processor(sandbox.url)
    app = build_app(database, processor, directory)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        yield Shop(database, sandbox, processor, app, App.of(app), client)
    await processor.close()


@asynccontextmanager
async def served(app: FastAPI, port: int) -> AsyncIterator[str]:
    """The app on a real port of 127.0.0.1, for the sandbox's webhooks to reach."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, lifespan="off"))
    running = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(10):
            while not server.started:
                assert not running.done()
                await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{port}{WEBHOOK_PATH}"
    finally:
        server.should_exit = True
        await running
