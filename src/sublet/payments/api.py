"""Routes of payments: top-ups, the way back from the payment page, and the processor's webhook."""

from typing import Annotated

from fastapi import Depends, Header, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from sublet.core.actors import PUBLIC, Permission
from sublet.core.app import Slot
from sublet.core.http import ActorDep, DatabaseDep, SessionDep, SettingsDep, SubletRouter
from sublet.core.pages import Page, PageQueryDep, page_of
from sublet.payments.schemas import Confirmation, TopUp, TopUpRequest, WebhookReceived
from sublet.payments.stripe import webhooks
from sublet.payments.stripe.processor import Processor
from sublet.payments.top_ups import checkout, off_session, receipts, requests

router = SubletRouter(prefix="/api/v1", tags=["payments"])

WEBHOOK_PATH = "/api/v1/payments/stripe/webhook"
"""Called by the processor, which signs what it sends: no cookie and no Origin come with it."""


PROCESSOR: Slot[Processor] = Slot("card processor")
ProcessorDep = Annotated[Processor, Depends(PROCESSOR)]


@router.post("/top-ups", permission=Permission.WALLET_TOP_UP, creates=True, pays_in=True, status_code=201)
async def create_top_up(
    *,
    actor: ActorDep,
    database: DatabaseDep,
    processor: ProcessorDep,
    settings: SettingsDep,
    body: TopUpRequest,
    idempotency_key: Annotated[str | None, Header(max_length=255)] = None,
) -> TopUp:
    """Ask for a payment into the wallet; send the customer to `checkout_url` to make it."""
    processor.require()
    async with database.transaction() as session:
        row, lease = await requests.request_top_up(
            session,
            actor,
            body,
            public_url=settings.public_url,
            request_key=idempotency_key,
            most_open=settings.open_top_ups,
        )
    # What follows can break off anywhere: the row is there, and the sweeper goes on from it with the same key.
    await checkout.open_page(database, processor, row)
    if lease is not None:
        await checkout.wait_for_payment(database, lease)
    return requests.view(actor, await checkout.load(database, row.id))


@router.get("/top-ups", permission=Permission.WALLET_READ, response_model=Page[TopUp])
async def list_top_ups(actor: ActorDep, session: SessionDep, query: PageQueryDep) -> Page[TopUp]:
    """The organization's top-ups, newest first."""
    (before,) = query.position(int) or (None,)
    rows = await requests.list_top_ups(session, actor, limit=query.limit + 1, before=before)
    return page_of(rows, query.limit, lambda row: requests.view(actor, row), lambda row: [row.seq])


@router.get("/top-ups/{top_up_id}", permission=Permission.WALLET_READ, response_model=TopUp)
async def get_top_up(actor: ActorDep, session: SessionDep, top_up_id: str) -> TopUp:
    """One top-up. Reading one that is open has its payment looked up again."""
    row = await requests.read_top_up(session, actor, top_up_id)
    await requests.poke_if_waiting(session, row)
    return requests.view(actor, row)


@router.post("/top-ups/{top_up_id}/confirm", permission=Permission.WALLET_TOP_UP, pays_in=True)
async def confirm_top_up(
    *, actor: ActorDep, database: DatabaseDep, processor: ProcessorDep, top_up_id: str
) -> Confirmation:
    """Charge the saved card again while its holder is there to answer the bank; send the customer to `url`."""
    async with database.reading() as session:
        row = await requests.read_top_up(session, actor, top_up_id)
    return Confirmation(url=await off_session.confirm(database, processor, actor, row))


@router.get(
    "/top-ups/{top_up_id}/receipt",
    permission=Permission.WALLET_READ,
    response_class=HTMLResponse,
    responses={200: {"content": {"text/html": {}}}},
)
async def top_up_receipt(actor: ActorDep, session: SessionDep, top_up_id: str) -> HTMLResponse:
    """The receipt of a payment that has arrived, as a document of its own."""
    row = await requests.read_top_up(session, actor, top_up_id)
    document = await receipts.document(session, actor, row)
    headers = {
        "Content-Disposition": f'inline; filename="receipt-{row.id}.html"',
        "Content-Security-Policy": receipts.POLICY,
    }
    return HTMLResponse(document, headers=headers)


@router.get("/top-ups/{top_up_id}/return", permission=PUBLIC, status_code=303, response_class=RedirectResponse)
async def return_from_checkout(
    database: DatabaseDep,
    settings: SettingsDep,
    top_up_id: str,
    session_id: Annotated[str, Query(min_length=1, max_length=255, description="Filled in by the payment page.")],
) -> RedirectResponse:
    """Where the payment page sends the customer after paying; leads on into the console."""
    async with database.transaction() as session:
        path = await requests.customer_returned(session, top_up_id, session_id)
    return RedirectResponse(settings.public_url.rstrip("/") + path, 303)


@router.post("/payments/stripe/webhook", permission=PUBLIC, response_model=WebhookReceived)
async def stripe_webhook(request: Request, session: SessionDep, processor: ProcessorDep) -> WebhookReceived:
    """Take in a signed event of the card processor."""
    body = await webhooks.read_body(request.stream())
    await webhooks.receive(session, processor, body, request.headers.get("stripe-signature"))
    return WebhookReceived()
