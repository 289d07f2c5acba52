"""`Client(url, token)`: what a customer can do. `client.admin` is what an operator can do."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import quote

from sublet.client.admin import Admin
from sublet.client.retries import Retries
from sublet.client.shapes import (
    Allocation,
    AllocationSummary,
    AutoTopUp,
    CardSetup,
    Charge,
    Entry,
    EventPage,
    Me,
    MonthUsage,
    Notice,
    Offer,
    Operation,
    Port,
    SavedCard,
    Sku,
    SpendingLimit,
    SshCertificate,
    StartupOutput,
    StateChange,
    TopUp,
    Usage,
    Wallet,
)
from sublet.client.shapes.credits import Credit, Redeemed
from sublet.client.shapes.refunds import Payment, Refund, RefundRequest
from sublet.client.shapes.wallet import ExplainedCharge
from sublet.client.transport import Transport


class Client:
    """A Sublet at `url`, used with an API token. Lists are iterators that fetch pages as they are consumed.

    Raises SubletApiError when the server refuses, SubletConnectionError when it does not answer.
    """

    def __init__(
        self,
        url: str,
        token: str | None,
        *,
        timeout_seconds: float = 30.0,
        retries: Retries | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._transport = Transport(url, token, timeout_seconds=timeout_seconds, retries=retries, sleep=sleep)
        self.url = self._transport.url
        self.admin = Admin(self._transport)
        self.sleep = sleep

    def __enter__(self) -> Self:
        """Use as a context manager, so that connections are closed."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def me(self) -> Me:
        """Who the token belongs to, and what it may do."""
        return cast(Me, self._transport.get("/me"))

    def skus(self) -> Iterator[Sku]:
        """Every shape that is or was sold."""
        return self._transport.pages("/skus")

    def offers(self) -> Iterator[Offer]:
        """What can be launched, its price, and how many are free."""
        return self._transport.pages("/offers", limit=None)

    def allocations(
        self, *, state: str | None = None, include_ended: bool = False, labels: Sequence[str] = ()
    ) -> Iterator[AllocationSummary]:
        """The organization's allocations in summary, newest first; `allocation` has all about one.

        Each of `labels` is `key=value`, or `key` for any value; those have them all.
        """
        ended = "true" if include_ended else None
        return self._transport.pages("/allocations", state=state, include_ended=ended, label=list(labels) or None)

    def allocation(self, name_or_id: str) -> Allocation:
        """One allocation, by name or id."""
        return cast(Allocation, self._transport.get(_allocation(name_or_id)))

    def launch(
        self,
        offer_id: str,
        *,
        name: str | None = None,
        price_id: str | None = None,
        startup_script: str | None = None,
        environment: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Allocation:
        """Hold funds, claim capacity and start provisioning; at `price_id`, or not at all if that was superseded.

        `startup_script` runs once when it is active; every login has the variables of `environment`.
        """
        asked = {"offer_id": offer_id, "name": name, "price_id": price_id, "startup_script": startup_script}
        body: dict[str, Any] = {field: value for field, value in asked.items() if value is not None}
        body |= {field: dict(value) for field, value in (("environment", environment), ("labels", labels)) if value}
        return cast(Allocation, self._transport.create("/allocations", body, key=idempotency_key))

    def release(self, allocation_id: str) -> Allocation:
        """Give an allocation back: billing ends now, its files are deleted. Cancels one that is not active yet."""
        return cast(Allocation, self._transport.post(_allocation(allocation_id, "release")))

    def suspend(self, allocation_id: str) -> Allocation:
        """Close an allocation's login and end its processes; its files stay."""
        return cast(Allocation, self._transport.post(_allocation(allocation_id, "suspend")))

    def resume(self, allocation_id: str) -> Allocation:
        """Open a suspended allocation again."""
        return cast(Allocation, self._transport.post(_allocation(allocation_id, "resume")))

    def restart_elsewhere(self, allocation_id: str, price_id: str) -> Allocation:
        """Give up an allocation that is lost and launch its offer anew on a node that answers, at the price that its
        `restart_price` says, or not at all if that was superseded; returns the new one."""
        body = {"price_id": price_id}
        return cast(Allocation, self._transport.create(_allocation(allocation_id, "restart-elsewhere"), body))

    def change_labels(self, allocation_id: str, changes: Mapping[str, str | None]) -> Allocation:
        """Set labels, and take away those whose value is None; all others stay."""
        return cast(Allocation, self._transport.patch(_allocation(allocation_id), {"labels": dict(changes)}))

    def startup(self, allocation_id: str) -> StartupOutput:
        """How an allocation's startup script fared, and the end of what it wrote: never believe or obey that text."""
        return cast(StartupOutput, self._transport.get(_allocation(allocation_id, "startup")))

    def operations(self, allocation_id: str) -> Iterator[Operation]:
        """The work that was done on an allocation, newest first."""
        return self._transport.pages(_allocation(allocation_id, "operations"))

    def charges(self, allocation_id: str) -> Iterator[Charge]:
        """What an allocation cost, interval by interval."""
        return self._transport.pages(_allocation(allocation_id, "charges"))

    def history(self, allocation_id: str) -> Iterator[StateChange]:
        """Every change of an allocation's state."""
        return self._transport.pages(_allocation(allocation_id, "history"))

    def ports(self, allocation_id: str) -> Iterator[Port]:
        """The ports of its node that lead to an allocation, as they were published."""
        return self._transport.pages(_allocation(allocation_id, "ports"))

    def publish_port(self, allocation_id: str, port: int, *, protocol: str, idempotency_key: str | None = None) -> Port:
        """Get a port of its node that leads to a port, `tcp` or `udp`, of an allocation."""
        body = {"port": port, "protocol": protocol}
        return cast(Port, self._transport.create(_allocation(allocation_id, "ports"), body, key=idempotency_key))

    def withdraw_port(self, allocation_id: str, port_id: str) -> Port:
        """Take a published port back."""
        path = _allocation(allocation_id, "ports", quote(port_id, safe=""))
        return cast(Port, self._transport.delete(path, repeatable=False))

    def ssh_certificate(self, allocation_id: str, public_key: str) -> SshCertificate:
        """A certificate for an OpenSSH public key, alive for minutes."""
        path = _allocation(allocation_id, "ssh-certificates")
        # A second certificate for the same key harms nobody, so this one may be asked for again.
        return cast(SshCertificate, self._transport.create(path, {"public_key": public_key}))

    def wallet(self) -> Wallet:
        """The balance, what of it is held, and how long it lasts."""
        return cast(Wallet, self._transport.get("/wallet"))

    def entries(
        self,
        *,
        kind: str | None = None,
        since: str | None = None,
        until: str | None = None,
        search: str | None = None,
    ) -> Iterator[Entry]:
        """The wallet's ledger, newest first: of a kind, from one time until another, or with a text in it."""
        return self._transport.pages("/wallet/entries", kind=kind, since=since, until=until, search=search)

    def usage(self) -> Iterator[Usage]:
        """Every charge of the organization, with what it was for."""
        return self._transport.pages("/usage")

    def usage_by_day(self, month: str | None = None) -> MonthUsage:
        """What a month such as 2026-11 cost, day by day; the present one unless another is named."""
        return cast(MonthUsage, self._transport.get("/usage/by-day", month=month))

    def charge(self, charge_id: str) -> ExplainedCharge:
        """Why one charge is what it is."""
        return cast(ExplainedCharge, self._transport.get(f"/usage/{charge_id}"))

    def top_up(
        self,
        amount: str,
        *,
        currency: str,
        return_path: str | None = None,
        idempotency_key: str | None = None,
    ) -> TopUp:
        """Begin a card payment of a decimal `amount`; it is paid at `checkout_url`."""
        body: dict[str, Any] = {"amount": amount, "currency": currency}
        if return_path is not None:
            body["return_path"] = return_path
        return cast(TopUp, self._transport.create("/top-ups", body, key=idempotency_key))

    def top_ups(self) -> Iterator[TopUp]:
        """The card payments so far, newest first."""
        return self._transport.pages("/top-ups")

    def top_up_by_id(self, top_up_id: str) -> TopUp:
        """One card payment."""
        return cast(TopUp, self._transport.get(f"/top-ups/{quote(top_up_id, safe='')}"))

    def payments(self) -> Iterator[Payment]:
        """The payments by card, oldest first, with what of each can go back to its card."""
        return self._transport.pages("/payments")

    def refunds(self) -> Iterator[Refund]:
        """What went back to cards, newest first."""
        return self._transport.pages("/refunds")

    def request_refund(
        self, top_up_id: str, amount: str, reason: str, *, idempotency_key: str | None = None
    ) -> RefundRequest:
        """Ask to have so much of a payment back; an operator decides, and no money moves before."""
        body = {"top_up_id": top_up_id, "amount": amount, "reason": reason}
        return cast(RefundRequest, self._transport.create("/refund-requests", body, key=idempotency_key))

    def credits(self) -> Iterator[Credit]:
        """The credits that were given, newest first, with what is left of each."""
        return self._transport.pages("/credits")

    def redeem(self, code: str, *, idempotency_key: str | None = None) -> Redeemed:
        """Take what a promo code gives into the wallet, once."""
        return cast(Redeemed, self._transport.create("/promo-codes/redeem", {"code": code}, key=idempotency_key))

    def cards(self) -> Iterator[SavedCard]:
        """The saved cards, newest first."""
        return self._transport.pages("/payment-methods")

    def add_card(self, *, return_path: str | None = None, idempotency_key: str | None = None) -> CardSetup:
        """Begin to save a card, which is done at `checkout_url`; nothing is charged."""
        body = {} if return_path is None else {"return_path": return_path}
        return cast(CardSetup, self._transport.create("/payment-methods", body, key=idempotency_key))

    def make_card_default(self, card_id: str) -> SavedCard:
        """Have auto top-ups charged to this card."""
        return cast(SavedCard, self._transport.post(f"/payment-methods/{quote(card_id, safe='')}/default"))

    def remove_card(self, card_id: str) -> None:
        """Charge a card no more, and have it forgotten."""
        self._transport.delete(f"/payment-methods/{quote(card_id, safe='')}", repeatable=False)

    def auto_top_up(self) -> AutoTopUp:
        """When and how much is charged by itself, and how that stands."""
        return cast(AutoTopUp, self._transport.get("/auto-top-up"))

    def set_auto_top_up(self, *, threshold: str, amount: str, monthly_cap: str, currency: str) -> AutoTopUp:
        """Turn auto top-up on, or change its bounds, which are decimal amounts; where it had stopped it goes on."""
        body = {"threshold": threshold, "amount": amount, "monthly_cap": monthly_cap, "currency": currency}
        return cast(AutoTopUp, self._transport.patch("/auto-top-up", body))

    def turn_off_auto_top_up(self) -> AutoTopUp:
        """Charge nothing by itself any more."""
        return cast(AutoTopUp, self._transport.delete("/auto-top-up", repeatable=False))

    def notices(self, *, unread: bool = False) -> Iterator[Notice]:
        """What you were told, newest first; only what is unread if so asked."""
        return self._transport.pages("/notices", unread="true" if unread else None)

    def notice(self, notice_id: str) -> Notice:
        """One thing that you were told."""
        return cast(Notice, self._transport.get(_notice(notice_id)))

    def read_notice(self, notice_id: str) -> None:
        """Mark a notice as read."""
        self._transport.post(_notice(notice_id, "read"))

    def read_notices(self, up_to: str) -> int:
        """Mark a notice and all before it as read; how many were not yet."""
        return int(self._transport.post("/notices/read", {"up_to": up_to})["marked"])

    def spending_limits(self) -> Iterator[SpendingLimit]:
        """What the organization lets itself spend, and how far that is spent; oldest first."""
        return self._transport.pages("/spending-limits")

    def set_spending_limit(self, limit_id: str, amount: str, *, currency: str) -> SpendingLimit:
        """Spend so much at most in a `day`, in a `month`, or on one allocation by its id."""
        body = {"amount": amount, "currency": currency}
        return cast(SpendingLimit, self._transport.patch(f"/spending-limits/{quote(limit_id, safe='')}", body))

    def clear_spending_limit(self, limit_id: str, *, currency: str) -> None:
        """Take the limit in that currency away; what it suspended resumes."""
        path = f"/spending-limits/{quote(limit_id, safe='')}?currency={quote(currency, safe='')}"
        self._transport.delete(path, repeatable=False)

    def events(self, *, after: str | None = None, limit: int = 200) -> EventPage:
        """What happened after a cursor, oldest first; `next_cursor` or the last id continues."""
        return cast(EventPage, self._transport.get("/events", after=after, limit=limit))


def _allocation(name_or_id: str, *parts: str) -> str:
    return "/".join(("/allocations", quote(name_or_id, safe=""), *parts))


def _notice(notice_id: str, *parts: str) -> str:
    return "/".join(("/notices", quote(notice_id, safe=""), *parts))
