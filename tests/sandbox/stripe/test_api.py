"""What holds for every endpoint: keys, errors, idempotency, paging, expansion, state that survives."""

import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import stripe
from stripe.params import PaymentIntentCreateParams

from tests.sandbox.stripe.orders import order, paid_charge
from tests.sandbox.stripe.process import API_KEY, StripeSandbox, pay


class TestApiKeys:
    def test_a_wrong_key_is_refused_and_not_shown(self, sandbox: StripeSandbox) -> None:
        with pytest.raises(stripe.AuthenticationError) as refused:
            sandbox.client("sk_test_wrong0123456789wrong").v1.customers.list()
        assert "sk_test_wrong0123456789wrong" not in str(refused.value)

    def test_no_key_is_refused_on_the_api_and_on_the_control_path(self, sandbox: StripeSandbox) -> None:
        for path in ("/v1/customers", "/_sandbox/deliveries"):
            answer = httpx.get(sandbox.url + path, trust_env=False)
            assert answer.status_code == 401
            assert answer.json()["error"]["type"] == "invalid_request_error"

    def test_basic_credentials_work_as_with_curl(self, sandbox: StripeSandbox) -> None:
        assert httpx.get(f"{sandbox.url}/v1/customers", auth=(API_KEY, ""), trust_env=False).status_code == 200


class TestErrors:
    def test_an_unknown_id_is_missing(self, client: stripe.StripeClient) -> None:
        with pytest.raises(stripe.InvalidRequestError) as error:
            client.v1.charges.retrieve("ch_nothing")
        assert (error.value.http_status, error.value.code) == (404, "resource_missing")
        assert error.value.request_id is not None
        assert error.value.request_id.startswith("req_")

    @pytest.mark.parametrize(
        ("params", "code", "param"),
        [
            ({"currency": "usd"}, "parameter_missing", "amount"),
            ({"amount": "ten", "currency": "usd"}, "parameter_invalid_integer", "amount"),
            ({"amount": 1000, "currency": "usd", "colour": "red"}, "parameter_unknown", "colour"),
            ({"amount": 49, "currency": "usd"}, "amount_too_small", "amount"),
            ({"amount": 100_000_000, "currency": "usd"}, "amount_too_large", "amount"),
            ({"amount": 1000, "currency": "xyz"}, None, "currency"),
            ({"amount": 1000, "currency": "usd", "metadata": {"k" * 41: "v"}}, None, "metadata"),
        ],
    )
    def test_wrong_parameters_are_named(
        self, client: stripe.StripeClient, params: dict[str, object], code: str | None, param: str
    ) -> None:
        with pytest.raises(stripe.InvalidRequestError) as error:
            client.v1.payment_intents.create(params)  # type: ignore[arg-type]  # wrong on purpose
        assert (error.value.http_status, error.value.code, error.value.param) == (400, code, param)

    def test_nested_parameters_are_named_with_their_path(self, client: stripe.StripeClient) -> None:
        wrong = order()
        del wrong["line_items"][0]["price_data"]["currency"]
        with pytest.raises(stripe.InvalidRequestError) as error:
            client.v1.checkout.sessions.create(wrong)
        assert error.value.param == "line_items[0][price_data][currency]"

    def test_an_unknown_address_says_so(self, client: stripe.StripeClient) -> None:
        with pytest.raises(stripe.InvalidRequestError, match="Unrecognized request URL"):
            client.v1.coupons.list()

    def test_malformed_forms_never_crash_it(self, sandbox: StripeSandbox) -> None:
        for body in (b"a[b=1", b"[]=1", b"amount=1&amount[x]=2", b"amount[x]=2&amount=1", b"\xff\xfe=%ff", b"a" * 9):
            answer = httpx.post(
                f"{sandbox.url}/v1/payment_intents",
                content=body,
                headers={"Authorization": f"Bearer {API_KEY}"},
                trust_env=False,
            )
            assert answer.status_code == 400, body
            assert "error" in answer.json()


class TestIdempotency:
    def test_the_same_key_replays_the_first_answer(self, client: stripe.StripeClient) -> None:
        answers = [client.v1.checkout.sessions.create(order(), {"idempotency_key": "replay"}) for _ in range(3)]
        assert len({answer.id for answer in answers}) == 1
        first, *later = [answer.last_response for answer in answers]
        assert first is not None
        assert "idempotent-replayed" not in first.headers
        for response in later:
            assert response is not None
            assert response.headers["idempotent-replayed"] == "true"
            assert response.headers["original-request"] == first.headers["request-id"]

    def test_the_same_key_in_parallel_acts_once(self, sandbox: StripeSandbox) -> None:
        def charge(_: int) -> str:
            return (
                sandbox.client()
                .v1.payment_intents.create(
                    {"amount": 777, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True},
                    {"idempotency_key": "parallel"},
                )
                .id
            )

        with ThreadPoolExecutor(8) as pool:
            ids = set(pool.map(charge, range(16)))
        assert len(ids) == 1
        found = sandbox.client().v1.charges.list({"payment_intent": ids.pop()})
        assert len(found.data) == 1

    def test_another_body_or_endpoint_is_refused(self, client: stripe.StripeClient) -> None:
        client.v1.customers.create({"email": "a@example.com"}, {"idempotency_key": "mixed"})
        with pytest.raises(stripe.IdempotencyError, match="same parameters"):
            client.v1.customers.create({"email": "b@example.com"}, {"idempotency_key": "mixed"})
        with pytest.raises(stripe.IdempotencyError, match="same endpoint"):
            client.v1.checkout.sessions.create(order(), {"idempotency_key": "mixed"})

    def test_a_decline_is_replayed_and_a_refusal_is_not(self, client: stripe.StripeClient) -> None:
        declined: PaymentIntentCreateParams = {
            "amount": 900,
            "currency": "usd",
            "payment_method": "pm_card_chargeDeclined",
            "confirm": True,
        }
        charges = set()
        for _ in range(2):
            with pytest.raises(stripe.CardError) as error:
                client.v1.payment_intents.create(declined, {"idempotency_key": "declined"})
            assert error.value.error is not None
            charges.add(error.value.error.charge)
        assert len(charges) == 1
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.customers.create({"email": "x" * 600}, {"idempotency_key": "corrected"})
        assert client.v1.customers.create({"email": "x@example.com"}, {"idempotency_key": "corrected"}).id


class TestLists:
    def test_page_through_everything_once_newest_first(self, client: stripe.StripeClient) -> None:
        customer = client.v1.customers.create({"name": "Pages"}).id
        made = [
            client.v1.payment_intents.create({"amount": 500 + n, "currency": "usd", "customer": customer}).id
            for n in range(7)
        ]
        first = client.v1.payment_intents.list({"customer": customer, "limit": 3})
        assert (len(first.data), first.has_more) == (3, True)
        assert [intent.id for intent in first.auto_paging_iter()] == made[::-1]
        back = client.v1.payment_intents.list({"customer": customer, "limit": 3, "ending_before": made[0]})
        assert [intent.id for intent in back.data] == made[1:4][::-1]

    def test_filters_narrow(self, client: stripe.StripeClient) -> None:
        charge = paid_charge(client)
        client.v1.refunds.create({"charge": charge, "amount": 100})
        by_source = client.v1.balance_transactions.list({"source": charge})
        assert [(found.type, found.source) for found in by_source.data] == [("charge", charge)]
        assert {found.type for found in client.v1.balance_transactions.list({"type": "refund"}).data} == {"refund"}
        assert client.v1.charges.list({"created": {"gte": by_source.data[0].created + 10_000_000}}).data == []
        types = {event.type for event in client.v1.events.list({"types": ["charge.refunded", "refund.created"]}).data}
        assert types == {"charge.refunded", "refund.created"}

    def test_refuse_an_unknown_cursor_and_a_wrong_limit(self, client: stripe.StripeClient) -> None:
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.charges.list({"starting_after": "ch_nothing"})
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.charges.list({"limit": 101})

    def test_expand_within_items_and_refuse_what_is_no_reference(self, client: stripe.StripeClient) -> None:
        paid_charge(client)
        found = client.v1.charges.list({"limit": 1, "expand": ["data.balance_transaction"]}).data[0]
        assert isinstance(found.balance_transaction, stripe.BalanceTransaction)
        with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
            client.v1.charges.retrieve(found.id, {"expand": ["currency"]})


class TestRestart:
    def test_state_and_keys_survive_a_kill(self, tmp_path: Path) -> None:
        sandbox = StripeSandbox(tmp_path).start()
        try:
            client = sandbox.client()
            session = client.v1.checkout.sessions.create(order(), {"idempotency_key": "before"})
            pay(session.url or "")
            sandbox.stop(signal.SIGKILL)
            sandbox.start()
            again = client.v1.checkout.sessions.create(order(), {"idempotency_key": "before"})
            assert again.id == session.id
            found = client.v1.checkout.sessions.retrieve(session.id)
            assert (found.status, found.payment_status) == ("complete", "paid")
        finally:
            sandbox.stop()

    def test_a_second_process_on_the_same_file_is_refused(self, tmp_path: Path) -> None:
        sandbox = StripeSandbox(tmp_path).start()
        try:
            second = StripeSandbox(tmp_path)
            ended = subprocess.run(second.arguments(), capture_output=True, text=True, timeout=30, check=False)
            assert ended.returncode == 1
            assert "in use by another sandbox" in ended.stderr
        finally:
            sandbox.stop()

    def test_a_link_for_its_file_is_refused_and_leads_nowhere(self, tmp_path: Path) -> None:
        sandbox = StripeSandbox(tmp_path)
        data = Path(sandbox.arguments()[sandbox.arguments().index("--data") + 1])
        data.symlink_to(tmp_path / "elsewhere")
        ended = subprocess.run(sandbox.arguments(), capture_output=True, text=True, timeout=30, check=False)
        assert ended.returncode == 1
        assert f"{data} is a link, and what it leads to may be anybody's. Nothing was changed." in ended.stderr
        assert not (tmp_path / "elsewhere").exists()
