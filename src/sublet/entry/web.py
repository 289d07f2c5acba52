"""The web application: every domain's routes, and what they need, in one place."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response

import sublet
from sublet.admin import repairs
from sublet.admin.api import router as admin_router
from sublet.admin.evidence.api import router as evidence_router
from sublet.admin.reports.api import router as reports_router
from sublet.allocations import kept, residents, rows, upcoming_spend
from sublet.allocations.api import router as allocations_router
from sublet.allocations.terminal import terminal_target
from sublet.approvals.api import router as approvals_router
from sublet.audit.api import router as audit_router
from sublet.billing.api import CURRENCY_OF, WHY_NOT_PAY, WhyNotPay
from sublet.billing.api import router as billing_router
from sublet.catalog.api import router as catalog_router
from sublet.core.app import ALIVE, AUTHENTICATOR, CURRENCY, DATABASE, KEYRING, SETTINGS, STOPPING, App
from sublet.core.db import Database
from sublet.core.http import SubletRouter
from sublet.core.outbox import EVENT_TYPES
from sublet.core.runtime import currency_of, database_of, keyring_of
from sublet.core.settings import Settings
from sublet.core.webapp import BodyLimit, BrowserSafety, RequestContext, install_error_handlers
from sublet.entry import health
from sublet.entry.console import SecurityHeaders, console_directory, install_console
from sublet.findings.api import router as findings_router
from sublet.findings.repairs import REPAIRS
from sublet.findings.resolution import CONSEQUENCES
from sublet.fleet.api import AUTHORITY, CLAIMS_ON_GPU, MACHINES_PATHS, NODE_VIEW
from sublet.fleet.api import router as fleet_router
from sublet.fleet.ca import CertificateAuthority
from sublet.fleet.helper_api import router as helper_router
from sublet.fleet.node_helper import node_helper
from sublet.fleet.views import NodeView
from sublet.identity.api import ON_SIGNUP, PASSWORDS
from sublet.identity.api import router as identity_router
from sublet.identity.authentication import SessionAuthenticator
from sublet.identity.hash_queue import HashQueue
from sublet.identity.users import SignupHook
from sublet.ledger import wallets
from sublet.notifications.api import EVENT_HUB, EVENTS_POLICY
from sublet.notifications.api import router as notifications_router
from sublet.notifications.hub import EventHub
from sublet.notifications.inbox.api import router as inbox_router
from sublet.notifications.mail.mailer import Mailer
from sublet.notifications.policy import EventsPolicy
from sublet.notifications.schemas import asyncapi
from sublet.payments import launch_stop
from sublet.payments.api import PROCESSOR, WEBHOOK_PATH
from sublet.payments.api import router as payments_router
from sublet.payments.cards.api import router as card_router
from sublet.payments.credits.api import router as credits_router
from sublet.payments.disputes.api import router as disputes_router
from sublet.payments.payouts.api import router as payouts_router
from sublet.payments.refunds.api import router as refunds_router
from sublet.payments.stripe.processor import Processor
from sublet.payments.top_ups.requests import refuse_unpayable, why_not_pay
from sublet.scheduling import claims
from sublet.scheduling.api import LAUNCHES
from sublet.scheduling.api import router as scheduling_router
from sublet.scheduling.offers import Launches
from sublet.terminal.asyncapi import asyncapi_parts
from sublet.terminal.gateway import TERMINAL_POLICY, TERMINAL_TARGET
from sublet.terminal.gateway import router as terminal_router
from sublet.terminal.policy import TerminalPolicy

# The framework tries one route after the other, so what is asked most comes first.
ROUTERS: tuple[SubletRouter, ...] = (
    identity_router,
    allocations_router,
    audit_router,
    findings_router,
    approvals_router,
    catalog_router,
    billing_router,
    fleet_router,
    helper_router,
    scheduling_router,
    payments_router,
    card_router,
    refunds_router,
    disputes_router,
    payouts_router,
    credits_router,
    terminal_router,
    notifications_router,
    inbox_router,
    admin_router,
    reports_router,
    evidence_router,
)

# Programs call these, not browsers: the card processor signs what it sends, a node brings a one-time token.
EXEMPT_FROM_BROWSER_RULES = frozenset({WEBHOOK_PATH, *MACHINES_PATHS})

DESCRIPTION = """
Money is `{"amount": "12.345678", "currency": "USD"}` with a decimal string; times are ISO 8601 in UTC.
Errors are RFC 9457 problem+json with a stable `code`. Lists are pages. Creating POSTs take `Idempotency-Key`.
"""


def _launches(settings: Settings) -> Launches:
    return Launches(
        rows.count_being_set_up,
        settings.launches_under_way,
        rows.began_within_an_hour,
        settings.launches_an_hour,
        upcoming_spend.more_to_come,
    )


def _parts(settings: Settings, database: Database) -> App:
    """Everything that routes ask for; the application does not start without any of it."""
    keyring = keyring_of(settings)
    currency = currency_of(settings)
    if settings.stripe_api_key is not None:
        refuse_unpayable(currency)
    on_signup: list[SignupHook] = [partial(wallets.open_wallet, currency=currency)]
    authenticator = SessionAuthenticator(settings)
    processor = Processor.from_settings(settings)
    Mailer.from_settings(settings)  # what is half set is said before anybody is offered a mail
    policy = TerminalPolicy(
        sessions_per_allocation=settings.terminal_sessions, idle_seconds=settings.terminal_idle_seconds
    )
    paying: WhyNotPay = partial(why_not_pay, processor=processor, most_open=settings.open_top_ups)
    return (
        App()
        .put(SETTINGS, settings)
        .put(DATABASE, database)
        .put(KEYRING, keyring)
        .put(CURRENCY, currency)
        .put(AUTHENTICATOR, authenticator.authenticate)
        .put(ALIVE, authenticator.alive_on(database))
        .put(STOPPING, asyncio.Event())
        .put(ON_SIGNUP, on_signup)
        .put(PASSWORDS, HashQueue(waiting=settings.passwords_waiting))
        .put(AUTHORITY, CertificateAuthority(database, keyring))
        .put(LAUNCHES, _launches(settings))
        .put(NODE_VIEW, NodeView(claims.claimed_on, kept.kept_on, residents.living_on))
        .put(CLAIMS_ON_GPU, claims.claims_on_gpu)
        .put(CONSEQUENCES, launch_stop.CONSEQUENCES)
        .put(REPAIRS, repairs.REPAIRS)
        .put(PROCESSOR, processor)
        .put(WHY_NOT_PAY, paying)
        .put(CURRENCY_OF, rows.currency_of)
        .put(TERMINAL_TARGET, terminal_target)
        .put(TERMINAL_POLICY, policy)
        .put(EVENT_HUB, EventHub(database))
        .put(EVENTS_POLICY, EventsPolicy())
    )


def create_app(settings: Settings, *, database: Database | None = None) -> FastAPI:
    """The application; without a database given, the configured one, opened and closed with the application."""
    pool = database or database_of(settings)

    parts = _parts(settings, pool)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        hub = parts[EVENT_HUB]
        await hub.start()
        try:
            yield
        finally:
            parts[STOPPING].set()
            await hub.stop()
            await parts[PROCESSOR].close()
            if database is None:
                await pool.close()

    app = FastAPI(
        title="Sublet",
        version=sublet.__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        # `core/tracing.py` and `core/telemetry.py` do this; the framework would look for its own at every request.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    install_error_handlers(app)
    app.add_middleware(BrowserSafety, origins=settings.origins, exempt=EXEMPT_FROM_BROWSER_RULES)
    app.add_middleware(BodyLimit)
    app.add_middleware(RequestContext)
    app.add_middleware(SecurityHeaders, secure=settings.secure_cookies)  # around all that answers, crashes too

    parts.attach(app, [*(router.api for router in ROUTERS), health.router])

    @app.get("/asyncapi.json", include_in_schema=False)
    async def asyncapi_document() -> dict[str, Any]:
        document = asyncapi(sublet.__version__, EVENT_TYPES)
        terminal = asyncapi_parts()
        document["channels"] |= terminal["channels"]
        document["operations"] |= terminal["operations"]
        for kind, parts in terminal["components"].items():
            document["components"].setdefault(kind, {}).update(parts)
        return document

    @app.get("/node/sublet-node.pyz", include_in_schema=False)
    async def helper(_request: Request) -> Response:
        return Response(node_helper(), media_type="application/zip")

    install_console(app, console_directory(settings))
    return app
