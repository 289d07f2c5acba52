"""Launching: price locked, funds held, capacity claimed, allocation written: all in one transaction or not at all."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from sublet.allocations import environment, labels, names, operations, startup
from sublet.allocations.audit import LaunchRecord
from sublet.allocations.models import allocation as allocation_table
from sublet.allocations.rows import WORK
from sublet.allocations.states import begin
from sublet.audit.record import record
from sublet.billing.policy import Policy
from sublet.catalog import prices, skus
from sublet.catalog.prices import Price
from sublet.catalog.schemas import PriceOut, SkuOut
from sublet.catalog.skus import Sku
from sublet.core.actors import Actor
from sublet.core.db import Session
from sublet.core.encryption import DataKey
from sublet.core.errors import Conflict, InvalidInput, NotFound
from sublet.core.ids import new_id
from sublet.core.locks import Space, alone
from sublet.core.money import Money
from sublet.core.work import leases
from sublet.fleet.logins import login_of, next_uid
from sublet.ledger import holds
from sublet.scheduling import claims, offers, placement
from sublet.scheduling.offers import Launches
from sublet.scheduling.windows import FROM_NOW_ON


@dataclass(frozen=True, slots=True)
class Given:
    """What a customer gives along with a launch; `data_key` encrypts what is nobody else's to read."""

    data_key: DataKey
    labels: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    startup_script: str | None = field(default=None, repr=False)

    def checked(self) -> "Given":
        """The same as it is kept; InvalidInput says what cannot be, and repeats nothing secret."""
        return replace(
            self,
            labels=labels.checked(self.labels),
            environment=environment.checked(self.environment),
            startup_script=None if self.startup_script is None else startup.checked(self.startup_script),
        )


class PriceChanged(Conflict):
    """The price that the customer saw is not in force any more."""

    code = "price_changed"
    title = "The price has changed"


class NameTaken(Conflict):
    """The organization has a running allocation of that name."""

    code = "name_taken"
    title = "There is an allocation of that name"


async def launch(
    session: Session,
    actor: Actor,
    offer_id: str,
    *,
    currency: str,
    name: str | None = None,
    price_id: str | None = None,
    given: Given | None = None,
    policy: Policy,
    launches: Launches,
) -> str:
    """Launch an offer for the actor's organization and return the allocation's id; a worker sets it up.

    It is paid in `currency`, in which the offer has a price and the organization a wallet.
    `price_id` is the price that the customer saw: PriceChanged if another is in force. InsufficientFunds, NoCapacity,
    NameTaken, TooManyLaunches and NotFound (not offered) leave nothing behind.
    """
    organization_id = actor.organization
    given = None if given is None else given.checked()
    if name is not None and not names.is_allowed(name):
        raise InvalidInput(
            "A name has 2 to 31 lowercase letters, digits and hyphens, and begins with a letter.", field="name"
        )
    sku = await skus.get(session, offer_id)
    price = (await prices.in_force(session, [sku.id], currency=currency)).get(sku.id)
    if not sku.active or price is None:
        raise NotFound("offer", offer_id)
    _check_price(price, price_id)
    await alone(session, Space.LAUNCHES, organization_id)
    await alone(session, Space.UPCOMING_SPEND, organization_id)
    await _check_may_start(session, actor, sku, policy.hold_for(price.per_hour), policy=policy, launches=launches)
    allocation_id = new_id("al")
    # The order of locks is wallet, then node, here and wherever both are touched.
    hold = await holds.place(
        session,
        organization_id,
        policy.hold_for(price.per_hour),
        subject_id=allocation_id,
        idempotency_key=f"hold:{allocation_id}",
    )
    claim = await claims.claim(session, sku, allocation_id, during=FROM_NOW_ON)
    chosen = name or await names.generate(session, organization_id)
    values: dict[str, object] = {
        "id": allocation_id,
        "organization_id": organization_id,
        "launched_by": actor.user_id,
        "name": chosen,
        "sku_id": sku.id,
        "price_id": price.id,
        "sku": SkuOut.of(sku).model_dump(mode="json"),
        "price": PriceOut.of(price).model_dump(mode="json"),
        "nano_per_hour": price.nano_per_hour,
        "suspended_nano_per_hour": price.suspended_nano_per_hour,
        "disk_nano_per_hour": price.disk_nano_per_hour,
        "currency": price.currency,
        "hold_id": hold.id,
        "node_id": claim.node_id,
        "gpus": list(claim.gpus),
        "login": login_of(allocation_id),
        "uid": await next_uid(session),
    }
    await _insert(session, values)
    if given is not None:
        await _keep(session, allocation_id, organization_id, given)
    await begin(session, actor, allocation_id, chosen, organization_id)
    await operations.start(session, allocation_id, organization_id, "provision", done=("hold_funds", "claim_capacity"))
    await record(
        session,
        actor,
        "allocation.launched",
        "allocation",
        allocation_id,
        after=LaunchRecord(
            name=chosen,
            sku_id=sku.id,
            price_id=price.id,
            node_id=claim.node_id,
            gpus=list(claim.gpus),
            hold_id=hold.id,
            labels={} if given is None else dict(given.labels),
            environment=[] if given is None else sorted(given.environment),
            startup_script_bytes=0 if given is None else len((given.startup_script or "").encode("utf-8", "replace")),
        ),
    )
    await leases.make_due(session, WORK, allocation_id, place=claim.node_id, tenant=organization_id)
    return allocation_id


async def _keep(session: Session, allocation_id: str, organization_id: str, given: Given) -> None:
    await labels.put(session, allocation_id, organization_id, given.labels)
    await environment.put(session, allocation_id, given.environment, given.data_key)
    if given.startup_script is not None:
        await startup.put(session, allocation_id, given.startup_script, given.data_key)


async def _check_may_start(
    session: Session, actor: Actor, sku: Sku, hold: Money, *, policy: Policy, launches: Launches
) -> None:
    """Ask what the offer asks; should the last room or money be taken meanwhile, the claim or the hold finds it out."""
    means = await offers.means_of(session, actor, currency=hold.currency, policy=policy, launches=launches)
    is_free = bool(await placement.candidates(session, sku, during=FROM_NOW_ON, limit=1))
    if refusal := offers.why_not_launch(actor, hold, means, is_free=is_free):
        raise refusal.problem


def _check_price(price: Price, seen: str | None) -> None:
    if seen is not None and seen != price.id:
        raise PriceChanged(
            f"The price is now {price.per_hour.decimal_string()} {price.currency} an hour. Nothing was launched. "
            "Look at the offer again and confirm the new price.",
            extra={"price_id": price.id},
        )


async def _insert(session: Session, values: dict[str, object]) -> None:
    try:
        await session.execute(insert(allocation_table).values(values))
    except IntegrityError as error:
        if getattr(getattr(error.orig, "diag", None), "constraint_name", None) != "allocation_name":
            raise
        raise NameTaken(
            f"There is an allocation named {values['name']} in your organization. Nothing was launched. Choose another "
            "name, or leave it out to get one."
        ) from error
