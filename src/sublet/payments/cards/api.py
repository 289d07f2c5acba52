"""Routes of saved cards and of auto top-up."""

from typing import Annotated

from fastapi import Header

from sublet.billing.api import PolicyDep
from sublet.core.actions import ManagedPage, actions_of
from sublet.core.actors import Permission
from sublet.core.http import ActorDep, CurrencyDep, DatabaseDep, SessionDep, SettingsDep, SubletRouter
from sublet.core.pages import PageQueryDep, page_of
from sublet.payments.api import ProcessorDep
from sublet.payments.auto_top_up import bounds
from sublet.payments.cards import card, setup_work, setups
from sublet.payments.schemas import AutoTopUp, AutoTopUpRequest, CardSetup, CardSetupRequest, SavedCard

router = SubletRouter(prefix="/api/v1", tags=["payments"])


@router.get("/payment-methods", permission=Permission.WALLET_READ)
async def list_cards(
    actor: ActorDep, session: SessionDep, settings: SettingsDep, processor: ProcessorDep, query: PageQueryDep
) -> ManagedPage[SavedCard]:
    """The organization's saved cards, newest first, and whether another may be saved."""
    (before,) = query.position(int) or (None,)
    rows = await card.list_cards(session, actor, limit=query.limit + 1, before=before)
    found = page_of(rows, query.limit, lambda row: card.view(actor, row), lambda row: [row.seq])
    held = await setups.count(session, actor.organization)
    refusal = setups.why_not_add(processor, held, most=settings.saved_cards)
    actions = actions_of(actor, Permission.CARD_MANAGE, card.DENIED, {"add": refusal}, pays_in=True)
    return ManagedPage(items=found.items, next_cursor=found.next_cursor, actions=actions)


@router.post("/payment-methods", permission=Permission.CARD_MANAGE, creates=True, pays_in=True, status_code=201)
async def add_card(
    *,
    actor: ActorDep,
    database: DatabaseDep,
    processor: ProcessorDep,
    settings: SettingsDep,
    body: CardSetupRequest,
    idempotency_key: Annotated[str | None, Header(max_length=255)] = None,
) -> CardSetup:
    """Ask for a page on which a card is saved; send the customer to `checkout_url`. Nothing is charged."""
    async with database.transaction() as session:
        row = await setups.request_setup(
            session,
            actor,
            body,
            processor=processor,
            public_url=settings.public_url,
            request_key=idempotency_key,
            most=settings.saved_cards,
        )
    # What follows can break off anywhere: the row is there, and a worker goes on from it with the same key.
    await setup_work.open_page(database, processor, row.id)
    return setups.view(await setup_work.load(database, row.id))


@router.get("/payment-method-setups/{card_setup_id}", permission=Permission.WALLET_READ)
async def get_card_setup(actor: ActorDep, session: SessionDep, card_setup_id: str) -> CardSetup:
    """How the saving of a card stands. Reading one that is pending has it looked at again."""
    row = await setups.read_setup(session, actor, card_setup_id)
    await setups.poke_if_waiting(session, row)
    return setups.view(row)


@router.post("/payment-methods/{card_id}/default", permission=Permission.CARD_MANAGE)
async def make_card_default(actor: ActorDep, session: SessionDep, card_id: str) -> SavedCard:
    """Have auto top-ups charged to this card from now on."""
    return card.view(actor, await card.make_default(session, actor, card_id))


@router.delete("/payment-methods/{card_id}", permission=Permission.CARD_MANAGE, status_code=204)
async def remove_card(actor: ActorDep, session: SessionDep, card_id: str) -> None:
    """Charge a card no more, and have the processor forget it; without a default one nothing is charged by itself."""
    await card.remove(session, actor, card_id)


@router.get("/auto-top-up", permission=Permission.WALLET_READ)
async def get_auto_top_up(actor: ActorDep, session: SessionDep, currency: CurrencyDep, policy: PolicyDep) -> AutoTopUp:
    """When and how much is topped up by itself, and how that stands."""
    return await bounds.view(session, actor, currency=currency, policy=policy)


@router.patch("/auto-top-up", permission=Permission.AUTO_TOP_UP_MANAGE, pays_in=True)
async def set_auto_top_up(actor: ActorDep, session: SessionDep, policy: PolicyDep, body: AutoTopUpRequest) -> AutoTopUp:
    """Turn auto top-up on, or change its bounds; where it had stopped it goes on."""
    await bounds.turn_on(session, actor, body)
    return await bounds.view(session, actor, currency=body.currency, policy=policy)


@router.delete("/auto-top-up", permission=Permission.AUTO_TOP_UP_MANAGE)
async def turn_auto_top_up_off(
    actor: ActorDep, session: SessionDep, currency: CurrencyDep, policy: PolicyDep
) -> AutoTopUp:
    """Charge nothing by itself any more. A charge that is under way goes on."""
    await bounds.turn_off(session, actor, currency=currency)
    return await bounds.view(session, actor, currency=currency, policy=policy)
