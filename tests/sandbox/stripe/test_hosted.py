"""The hosted page as a browser without scripts uses it: every test card, every slip of the hand, the challenge."""

import re
from html.parser import HTMLParser

import httpx
import pytest
import stripe

from tests.sandbox.stripe.orders import open_session, open_setup
from tests.sandbox.stripe.process import StripeSandbox, alert, eventually, pay, shown_after
from tests.support.clock import Clock


def standing(client: stripe.StripeClient, session_id: str) -> tuple[str | None, str, str | None, str | None]:
    """Session status, payment status, the intent's status and the code of its last error."""
    found = client.v1.checkout.sessions.retrieve(session_id, {"expand": ["payment_intent"]})
    intent = found.payment_intent
    assert intent is None or isinstance(intent, stripe.PaymentIntent)
    error = intent.last_payment_error.code if intent and intent.last_payment_error else None
    return found.status, found.payment_status, intent.status if intent else None, error


class Form(HTMLParser):
    """A page's form as a reader meets it: its inputs by label, its buttons by what is on them."""

    def __init__(self) -> None:
        super().__init__()
        self.action = ""
        self.labels: dict[str, str] = {}
        self.inputs: dict[str, dict[str, str | None]] = {}
        self.buttons: dict[str, tuple[str | None, str | None]] = {}
        self._open: tuple[str, dict[str, str | None]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._open = (tag, given)
        if tag == "form":
            self.action = given["action"] or ""
        elif tag == "input":
            self.inputs[given["id"] or ""] = given

    def handle_data(self, data: str) -> None:
        tag, given = self._open or ("", {})
        if tag == "label":
            self.labels[data] = given["for"] or ""
        elif tag == "button":
            self.buttons[data] = (given.get("name"), given.get("value"))
        self._open = None


def form(page: str) -> Form:
    """The form of a page."""
    found = Form()
    found.feed(page)
    return found


def press_pay(url: str, number: str, *, page: str | None = None) -> httpx.Response:
    """Fill in the card and nothing else, and send the form as a browser does, which insists on what is required."""
    shown = form(page or httpx.get(url, trust_env=False).text)
    assert "Pay" in shown.buttons
    fields = {given["name"] or "": given.get("value") or "" for given in shown.inputs.values()}
    for label, value in (("Card number", number), ("Expiration", "12 / 40"), ("CVC", "123")):
        fields[shown.inputs[shown.labels[label]]["name"] or ""] = value
    missing = [
        given["name"] for given in shown.inputs.values() if "required" in given and not fields[given["name"] or ""]
    ]
    assert missing == []
    with httpx.Client(trust_env=False) as browser:
        return shown_after(browser, url, browser.post(str(httpx.URL(url).join(shown.action)), data=fields))


class TestPage:
    def test_has_labelled_fields_the_amount_and_says_sandbox(
        self, sandbox: StripeSandbox, client: stripe.StripeClient
    ) -> None:
        session = open_session(client, 123456)
        page = httpx.get(session.url or "", trust_env=False)
        labels = dict(re.findall(r'<label for="(\w+)">([^<]+)</label>', page.text))
        assert labels == {
            "email": "Email",
            "cardNumber": "Card number",
            "cardExpiry": "Expiration",
            "cardCvc": "CVC",
            "billingName": "Cardholder name",
        }
        for identifier in labels:
            assert f'<input id="{identifier}" name="{identifier}"' in page.text
        assert re.findall(r"<button[^>]*>([^<]+)</button>", page.text) == ["Pay"]
        assert '<p class="total">$1,234.56</p>' in page.text
        assert "no real money" in page.text
        assert 'href="http://shop.test/cancelled"' in page.text

    def test_asks_nothing_of_other_hosts(self, sandbox: StripeSandbox, client: stripe.StripeClient) -> None:
        page = httpx.get(open_session(client).url or "", trust_env=False)
        for address in re.findall(r'(?:src|action|<link[^>]* href)="([^"]+)"', page.text):
            assert address.startswith(("/c/", "data:,")), address
        assert "default-src 'none'" in page.headers["content-security-policy"]
        for name in ("checkout.css", "checkout.js"):
            asset = httpx.get(f"{sandbox.url}/c/static/{name}", trust_env=False)
            assert asset.status_code == 200
            assert "http" not in asset.text

    def test_does_not_ask_for_an_address_it_knows(self, client: stripe.StripeClient) -> None:
        session = open_session(client, customer_email="known@example.com")
        page = httpx.get(session.url or "", trust_env=False).text
        assert "known@example.com" in page
        assert 'name="email"' not in page

    def test_escapes_what_merchant_and_customer_wrote(self, client: stripe.StripeClient) -> None:
        session = open_session(client)
        page = pay(session.url or "", "4242", name='"><script>alert(1)</script>')
        assert page.status_code == 200
        assert "<script>alert" not in page.text

    def test_never_repeats_card_number_or_cvc(self, client: stripe.StripeClient) -> None:
        page = pay(open_session(client).url or "", "4000000000000002", cvc="987")
        assert alert(page) == "Your card was declined."
        assert "4000000000000002" not in page.text
        assert "987" not in re.sub(r"cs_test_\w+", "", page.text)

    def test_an_unknown_session_is_not_found(self, sandbox: StripeSandbox) -> None:
        assert httpx.get(f"{sandbox.url}/c/pay/cs_test_nothing", trust_env=False).status_code == 404


class TestCards:
    @pytest.mark.parametrize(
        "number",
        [
            "4242 4242 4242 4242",
            "4000056655665556",
            "5555555555554444",
            "5200828282828210",
            "6011111111111117",
            "3056930009020004",
            "3566002020360505",
            "6200000000000005",
        ],
    )
    def test_that_succeed_lead_back_to_the_shop(self, client: stripe.StripeClient, number: str) -> None:
        session = open_session(client)
        answer = pay(session.url or "", number)
        assert answer.status_code == 303
        assert answer.headers["location"] == f"http://shop.test/done?session={session.id}"
        assert standing(client, session.id) == ("complete", "paid", "succeeded", None)

    def test_amex_needs_four_digits_of_cvc(self, client: stripe.StripeClient) -> None:
        session = open_session(client)
        assert "security code is incomplete" in pay(session.url or "", "378282246310005", cvc="123").text
        assert pay(session.url or "", "378282246310005", cvc="1234").status_code == 303

    @pytest.mark.parametrize(
        ("number", "code", "message"),
        [
            ("4000000000000002", "card_declined", "Your card was declined."),
            ("4000000000009995", "card_declined", "Your card has insufficient funds."),
            ("4000000000009987", "card_declined", "Your card was declined."),
            ("4000000000009979", "card_declined", "Your card was declined."),
            ("4000000000000069", "expired_card", "Your card has expired."),
            ("4000000000000127", "incorrect_cvc", "Your card's security code is incorrect."),
            (
                "4000000000000119",
                "processing_error",
                "An error occurred while processing your card. Try again in a little bit.",
            ),
        ],
    )
    def test_that_decline_say_why_and_leave_the_page_open(
        self, client: stripe.StripeClient, number: str, code: str, message: str
    ) -> None:
        session = open_session(client)
        page = pay(session.url or "", number)
        assert (page.status_code, alert(page)) == (200, message)
        assert standing(client, session.id) == ("open", "unpaid", "requires_payment_method", code)
        assert pay(session.url or "").status_code == 303
        assert standing(client, session.id) == ("complete", "paid", "succeeded", None)
        intent = client.v1.checkout.sessions.retrieve(session.id).payment_intent
        charges = client.v1.charges.list({"payment_intent": str(intent)}).data
        assert [charge.status for charge in charges] == ["succeeded", "failed"]

    def test_a_real_looking_number_is_declined_and_not_kept(
        self, sandbox: StripeSandbox, client: stripe.StripeClient
    ) -> None:
        session = open_session(client)
        page = pay(session.url or "", "4111111111111111")
        assert "non test card" in alert(page)
        assert standing(client, session.id) == ("open", "unpaid", None, None)

    @pytest.mark.parametrize("number", ["4000000000003220", "4000002500003155", "4000002760003184"])
    def test_that_ask_the_bank_succeed_when_completed(self, client: stripe.StripeClient, number: str) -> None:
        session = open_session(client)
        answer = pay(session.url or "", number, challenge="complete")
        assert answer.headers["location"].startswith("http://shop.test/done")
        assert standing(client, session.id) == ("complete", "paid", "succeeded", None)

    def test_a_failed_challenge_takes_no_money_and_allows_another_card(self, client: stripe.StripeClient) -> None:
        session = open_session(client)
        page = pay(session.url or "", "4000000000003220", challenge="fail")
        assert "unable to authenticate" in alert(page)
        assert standing(client, session.id)[2:] == ("requires_payment_method", "payment_intent_authentication_failure")
        assert pay(session.url or "").status_code == 303

    def test_the_bank_may_still_decline_after_the_challenge(self, client: stripe.StripeClient) -> None:
        page = pay(open_session(client).url or "", "4000008260003178", challenge="complete")
        assert alert(page) == "Your card has insufficient funds."

    @pytest.mark.parametrize(
        ("field", "value", "message"),
        [
            ("number", "4242424242424241", "Your card number is invalid."),
            ("number", "42424242", "Your card number is incomplete."),
            ("number", "", "Required"),
            ("expiry", "12 / 20", "Your card's expiration year is in the past."),
            ("expiry", "13 / 40", "Your card's expiration date is invalid."),
            ("expiry", "12", "Your card's expiration date is incomplete."),
            ("cvc", "12", "Your card's security code is incomplete."),
            ("cvc", "abc", "Your card's security code is invalid."),
            ("email", "nobody", "Your email is incomplete."),
        ],
    )
    def test_slips_are_told_at_their_field_and_ask_no_bank(
        self, client: stripe.StripeClient, field: str, value: str, message: str
    ) -> None:
        session = open_session(client)
        page = pay(session.url or "", **{field: value})
        assert page.status_code == 200
        fault = re.search(rf'aria-describedby="{field}-fault".*?id="{field}-fault">([^<]+)<', page.text, re.S)
        assert fault is not None
        assert fault[1].replace("&#39;", "'") == message
        assert standing(client, session.id)[2] is None


class TestSavingACard:
    @pytest.mark.parametrize("number", ["4242424242424242", "4000000000000341"])
    def test_keeps_it_with_the_customer_and_charges_nothing(self, client: stripe.StripeClient, number: str) -> None:
        session = open_setup(client)
        page = httpx.get(session.url or "", trust_env=False).text
        assert "Nothing is charged now." in page
        assert form(page).buttons == {"Save card": (None, None)}
        assert pay(session.url or "", number).headers["location"].startswith("http://shop.test/done")
        found = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["setup_intent.payment_method"]})
        intent = found.setup_intent
        assert isinstance(intent, stripe.SetupIntent)
        assert isinstance(intent.payment_method, stripe.PaymentMethod)
        assert (found.status, intent.status, intent.payment_method.customer) == (
            "complete",
            "succeeded",
            session.customer,
        )
        kept = client.v1.customers.payment_methods.list(str(session.customer))
        assert [method.id for method in kept.data] == [intent.payment_method.id]
        assert client.v1.charges.list({"customer": str(session.customer)}).data == []

    def test_a_declined_card_is_not_kept_and_another_is(self, client: stripe.StripeClient) -> None:
        session = open_setup(client)
        assert alert(pay(session.url or "", "4000000000000002")) == "Your card was declined."
        assert client.v1.payment_methods.list({"customer": str(session.customer)}).data == []
        assert pay(session.url or "").status_code == 303

    @pytest.mark.parametrize(("how", "kept"), [("complete", 1), ("fail", 0)])
    def test_the_bank_may_ask_first(self, client: stripe.StripeClient, how: str, kept: int) -> None:
        session = open_setup(client)
        answer = pay(session.url or "", "4000002500003155", challenge=how)
        assert ("unable to authenticate" in alert(answer)) == (how == "fail")
        assert len(client.v1.payment_methods.list({"customer": str(session.customer)}).data) == kept

    def test_what_is_paid_for_has_no_place_on_such_a_page(self, client: stripe.StripeClient) -> None:
        price = {"currency": "usd", "unit_amount": 500, "product_data": {"name": "Balance"}}
        with pytest.raises(stripe.InvalidRequestError, match="line_items"):
            open_setup(client, line_items=[{"quantity": 1, "price_data": price}])

    def test_ends_with_its_page(self, client: stripe.StripeClient) -> None:
        session = open_setup(client)
        client.v1.checkout.sessions.expire(session.id)
        assert client.v1.setup_intents.retrieve(str(session.setup_intent)).status == "canceled"


class TestFillingTheFormByItsLabels:
    """What a person does who reads the page, fills what it cannot do without, and presses Pay."""

    def test_card_number_expiration_and_cvc_are_enough(self, client: stripe.StripeClient) -> None:
        session = open_session(client)
        answer = press_pay(session.url or "", "4242 4242 4242 4242")
        assert answer.headers["location"] == f"http://shop.test/done?session={session.id}"
        assert standing(client, session.id) == ("complete", "paid", "succeeded", None)
        paid = client.v1.checkout.sessions.retrieve(session.id)
        assert paid.customer_details is not None
        assert (paid.customer_details.name, paid.customer_details.email) == (None, None)

    @pytest.mark.parametrize("number", ["4000000000000002", "4000000000009995", "4000000000000069"])
    def test_a_declined_card_leads_back_to_a_form_that_takes_another(
        self, client: stripe.StripeClient, number: str
    ) -> None:
        session = open_session(client)
        declined = press_pay(session.url or "", number)
        assert (declined.status_code, alert(declined) != "") == (200, True)
        assert standing(client, session.id)[:3] == ("open", "unpaid", "requires_payment_method")
        press_pay(session.url or "", "4242424242424242", page=declined.text)
        assert standing(client, session.id) == ("complete", "paid", "succeeded", None)

    @pytest.mark.parametrize("number", ["4000002500003155", "4000002760003184"])
    def test_a_card_that_asks_the_bank_is_paid_once_that_is_completed(
        self, client: stripe.StripeClient, number: str
    ) -> None:
        session = open_session(client)
        asked = press_pay(session.url or "", number)
        assert standing(client, session.id)[:3] == ("open", "unpaid", "requires_action")
        challenge = asked.headers["location"]
        page = httpx.get(challenge, trust_env=False)
        assert form(page.text).buttons == {"Complete": ("decision", "complete"), "Fail": ("decision", "fail")}
        back = httpx.post(challenge, data={"decision": "complete"}, trust_env=False)
        done = httpx.get(str(httpx.URL(challenge).join(back.headers["location"])), trust_env=False)
        assert done.headers["location"] == f"http://shop.test/done?session={session.id}"
        assert standing(client, session.id) == ("complete", "paid", "succeeded", None)


class TestEndOfASession:
    def test_paying_twice_charges_once(self, client: stripe.StripeClient) -> None:
        session = open_session(client)
        answers = [pay(session.url or "") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [303] * 3
        intent = client.v1.checkout.sessions.retrieve(session.id).payment_intent
        assert len(client.v1.charges.list({"payment_intent": str(intent)}).data) == 1

    def test_an_expired_session_cannot_be_paid(self, client: stripe.StripeClient) -> None:
        session = open_session(client)
        client.v1.checkout.sessions.expire(session.id)
        page = pay(session.url or "")
        assert (page.status_code, "expired" in page.text) == (410, True)
        assert standing(client, session.id)[:2] == ("expired", "unpaid")
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.checkout.sessions.expire(session.id)

    def test_time_alone_expires_a_session_and_its_intent(
        self, sandbox_clock: Clock, client: stripe.StripeClient
    ) -> None:
        session = open_session(client)
        pay(session.url or "", "4000000000000002")
        sandbox_clock.a_day_later()
        eventually(lambda: standing(client, session.id)[0], lambda state: state == "expired")
        assert standing(client, session.id)[2] == "canceled"
        events = [event.type for event in client.v1.events.list({"limit": 2}).data]
        assert events == ["checkout.session.expired", "payment_intent.canceled"]
