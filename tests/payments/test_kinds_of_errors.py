"""What goes wrong at the processor, by kind: who is told, what becomes of the payment, and what is tried again."""

from types import SimpleNamespace

import pytest
import stripe

from sublet.core.errors import SubletError
from sublet.core.money import Money
from sublet.payments.stripe import errors, inbox, misconfiguration
from sublet.payments.stripe.errors import (
    PaymentDeclined,
    PaymentNeedsAction,
    ProcessorKeyMismatch,
    ProcessorMisconfigured,
    ProcessorRefused,
    ProcessorUnavailable,
    ProcessorUnknown,
)
from sublet.payments.stripe.processor import CheckoutOrder
from sublet.payments.top_ups import checkout
from tests.payments.deliveries import deliver, events_of
from tests.payments.refunds import all_open
from tests.payments.shop import Shop, new_processor
from tests.payments.working import make_due, process_due

pytestmark = pytest.mark.anyio

WRONG_KEY = "sk_test_nobodys0123456789"
TOLD = "SELECT data FROM outbox_event WHERE type = 'payments.misconfigured' AND organization_id IS NULL"


def _card(code: str, decline_code: str | None = None) -> stripe.CardError:
    """What the SDK raises of a card, as the API says it."""
    error = stripe.CardError("Your card was declined.", None, code)  # type: ignore[no-untyped-call]  # SDK
    error.error = SimpleNamespace(decline_code=decline_code, payment_intent=SimpleNamespace(id="pi_1"))
    return error


class TestKinds:
    @pytest.mark.parametrize(
        ("raised", "kind"),
        [
            (_card("card_declined", "insufficient_funds"), PaymentDeclined),
            (_card("authentication_required"), PaymentNeedsAction),
            (stripe.AuthenticationError("Invalid API Key"), ProcessorMisconfigured),  # type: ignore[no-untyped-call]
            (stripe.PermissionError("May not"), ProcessorMisconfigured),  # type: ignore[no-untyped-call]
            (stripe.IdempotencyError("Keys"), ProcessorKeyMismatch),  # type: ignore[no-untyped-call]
            (stripe.InvalidRequestError("No", None, http_status=404), ProcessorUnknown),  # type: ignore[no-untyped-call]
            (stripe.InvalidRequestError("No", None, http_status=400), ProcessorRefused),  # type: ignore[no-untyped-call]
            (stripe.RateLimitError("Slow down"), ProcessorUnavailable),  # type: ignore[no-untyped-call]
            (stripe.APIConnectionError("Away"), ProcessorUnavailable),  # type: ignore[no-untyped-call]
            (stripe.APIError("Broken", http_status=500), ProcessorUnavailable),  # type: ignore[no-untyped-call]
            (TimeoutError(), ProcessorUnavailable),
        ],
        ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
    )
    def test_each_error_of_the_sdk_is_of_one(
        self, raised: stripe.StripeError | TimeoutError, kind: type[SubletError]
    ) -> None:
        assert type(errors.as_ours(raised)) is kind

    def test_a_decline_says_which_and_of_which_payment(self) -> None:
        declined = errors.as_ours(_card("card_declined", "insufficient_funds"))
        assert declined.extra == {"decline_code": "insufficient_funds", "payment_intent_id": "pi_1"}
        assert (declined.status, declined.code) == (402, "payment_declined")
        asked = errors.as_ours(_card("authentication_required"))
        assert asked.extra == {"payment_intent_id": "pi_1"}

    async def test_a_key_that_came_with_something_else_is_a_mismatch(self, shop: Shop) -> None:
        def order(amount: str) -> CheckoutOrder:
            return CheckoutOrder(
                top_up_id="tu_twice",
                installation_id="in_1",
                amount=Money.parse(amount, "USD"),
                customer_email=None,
                success_url="https://s.test/",
                cancel_url="https://s.test/",
            )

        await shop.processor.create_checkout(order("20"))
        with pytest.raises(ProcessorKeyMismatch):
            await shop.processor.create_checkout(order("30"))


class TestAWrongKey:
    """Nobody can pay, an operator is told once, and nothing is tried until a look succeeds."""

    async def test_is_one_critical_finding_a_notice_to_operators_and_a_gauge(self, shop: Shop) -> None:
        wrong = new_processor(shop.sandbox.url, key=WRONG_KEY)
        for _ in range(2):
            with pytest.raises(ProcessorMisconfigured) as raised:
                await checkout.look_for_taken_back(shop.database, wrong, days=2)
        await wrong.close()
        [finding] = await all_open(shop)
        assert (finding.code, finding.severity) == (misconfiguration.CODE, "critical")
        assert len(await shop.rows(TOLD)) == 1
        assert misconfiguration.misconfigured.collect()[0].samples[0].value == 1
        assert WRONG_KEY not in f"{finding.detail} {raised.value.detail} {raised.value.said}"
        await checkout.look_for_taken_back(shop.database, shop.processor, days=2)
        assert await all_open(shop) == []
        assert misconfiguration.misconfigured.collect()[0].samples[0].value == 0

    async def test_is_said_to_who_would_pay_and_charges_nothing(self, shop: Shop) -> None:
        organization = await shop.organization()
        wrong = new_processor(shop.sandbox.url, key=WRONG_KEY)
        shop.processor._client, right = wrong._client, shop.processor._client
        answer = await shop.request(organization)
        shop.processor._client = right
        await wrong.close()
        assert (answer.status_code, answer.json()["code"]) == (503, "processor_misconfigured")
        assert "Nothing was charged" in answer.json()["detail"]
        assert [finding.code for finding in await all_open(shop)] == [misconfiguration.CODE]

    async def test_sets_payments_and_events_aside_and_the_first_look_that_succeeds_takes_them_up(
        self, shop: Shop
    ) -> None:
        organization = await shop.organization()
        top_up = await shop.top_up(organization)
        await shop.pay(top_up)
        told = next(one for one in events_of(shop, top_up["id"]) if one["type"] == "checkout.session.completed")
        await deliver(shop, told)
        wrong = new_processor(shop.sandbox.url, key=WRONG_KEY)
        aside = "SELECT kind FROM work WHERE set_aside_at IS NOT NULL AND last_error = 'processor_misconfigured'"
        for kind in (checkout.WORK, inbox.WORK):
            await make_due(shop, kind)
            assert await process_due(shop, kind, wrong) == 1
        await wrong.close()
        assert {row.kind for row in await shop.rows(aside)} == {checkout.WORK, inbox.WORK}
        for kind in (checkout.WORK, inbox.WORK):
            await make_due(shop, kind)
            assert await process_due(shop, kind) == 0  # with the right key even: nobody has looked whether it is
        await checkout.look_for_taken_back(shop.database, shop.processor, days=2)
        assert await process_due(shop, inbox.WORK) == 1
        assert await shop.balance(organization) == "20.00"
        assert await shop.rows(aside) == []


class TestOnlyWhatIsTransient:
    @pytest.mark.parametrize(
        ("error", "tried_again"),
        [
            (ProcessorUnavailable("Away."), True),
            (ProcessorMisconfigured("Invalid API Key"), False),
            (ProcessorKeyMismatch("Other."), False),
            (PaymentDeclined("No."), False),
            (PaymentNeedsAction("Ask."), False),
            (ProcessorRefused("No."), False),
        ],
        ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
    )
    async def test_is_tried_again(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch, error: SubletError, tried_again: bool
    ) -> None:
        asked = []

        async def fails(order: CheckoutOrder) -> None:
            asked.append(order)
            raise error

        organization = await shop.organization()
        monkeypatch.setattr(shop.processor, "create_checkout", fails)
        assert (await shop.request(organization)).status_code == error.status
        for _ in range(3):
            await make_due(shop, checkout.WORK)
            await process_due(shop, checkout.WORK)
        assert len(asked) == (4 if tried_again else 1 + isinstance(error, ProcessorMisconfigured))
        codes = {finding.code for finding in await all_open(shop)}
        assert (checkout.KEY_MISMATCH_CODE in codes) == isinstance(error, ProcessorKeyMismatch)
