"""The pages a customer sees: the payment form, the bank's challenge, and what became of a session that is over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from sublet_sandbox.stripe import checkout, payment_intents, rendering, setup_intents
from sublet_sandbox.stripe.cards import NOT_A_TEST_CARD, CardEntry, ValidCard, check
from sublet_sandbox.stripe.store import Resource, Store
from sublet_sandbox.stripe.work import Work


def router(store: Store, base_url: str, after_commit: Callable[[], None]) -> APIRouter:
    """The pages, under /c as at Stripe."""
    work = Work(store, base_url)
    pages = APIRouter(prefix="/c")

    @pages.get("/pay/{session_id}")
    async def show(session_id: str) -> Response:
        session = _current(work, session_id)
        shown = session.get("_shown") or {"decline": _last_error(work, session)}
        return _over(session) or rendering.payment_form(session, _known_email(store, session), **shown)

    @pages.post("/pay/{session_id}")
    async def submit(request: Request, session_id: str) -> Response:
        given = await _form(request)
        session = _current(work, session_id)
        if session["status"] != "open":
            return RedirectResponse(f"/c/pay/{session_id}", 303)
        return _submit(work, session, given, after_commit)

    @pages.get("/challenge/{intent_id}")
    async def challenge(intent_id: str) -> Response:
        intent = _challenged(work, intent_id)
        if intent["status"] != "requires_action":
            return _after_challenge(store, intent, None)
        paid = intent["object"] == "payment_intent"
        amount = rendering.money(intent["amount"], intent["currency"]) if paid else None
        return rendering.page("challenge.html", amount=amount, intent=intent)

    @pages.post("/challenge/{intent_id}")
    async def decide(request: Request, intent_id: str) -> Response:
        passed = (await _form(request)).get("decision") == "complete"
        return_url = None
        with store.transaction():
            intent = _challenged(work, intent_id)
            kind = intent["object"]
            if intent["status"] == "requires_action":
                return_url = intent["next_action"]["redirect_to_url"]["return_url"]
                answer = (payment_intents if kind == "payment_intent" else setup_intents).answer_challenge
                answer(work, intent, passed=passed)
                for session in store.find("checkout.session", equal={kind: intent_id, "status": "open"}):
                    checkout.complete_if_done(work, session, intent)
        after_commit()
        return _after_challenge(store, intent, return_url)

    @pages.get("/static/{name}")
    async def static(name: str) -> Response:
        return rendering.static(name)

    return pages


async def _form(request: Request) -> dict[str, str]:
    body = (await request.body()).decode("utf-8", "replace")
    return {name: values[0] for name, values in parse_qs(body).items()}


def _current(work: Work, session_id: str) -> Resource:
    """The session as it stands now, expired if its time is over."""
    with work.store.transaction():
        checkout.expire_due(work)
    return work.fetch("checkout.session", session_id)


def _over(session: Resource) -> Response | None:
    """Where to go when there is nothing left to pay; None while the session is open."""
    if session["status"] == "complete":
        return RedirectResponse(session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"]), 303)
    if session["status"] == "expired":
        return rendering.message("This payment page has expired", 410, cancel_url=session["cancel_url"])
    return None


def _submit(work: Work, session: Resource, given: dict[str, str], after_commit: Callable[[], None]) -> Response:
    """Check the form, try the card, and lead on: to the merchant, to the bank, or back to the form.

    Always by a redirect, so that going back or loading the page again sends nothing a second time.
    """
    known = _known_email(work.store, session)
    email = known or given.get("email", "").strip() or None
    entry = CardEntry(
        number=given.get("cardNumber", ""),
        expiry=given.get("cardExpiry", ""),
        cvc=given.get("cardCvc", ""),
        name=given.get("billingName", ""),
    )
    again = {name: given[name] for name in ("email", "cardExpiry", "billingName") if name in given}
    checked = check(entry, datetime.fromtimestamp(work.now(), tz=UTC).date())
    faults = {} if isinstance(checked, ValidCard) else dict(checked)
    if email is not None and "@" not in email.strip("@"):
        faults["email"] = "Your email is incomplete."
    page = RedirectResponse(f"/c/pay/{session['id']}", 303)
    with work.store.transaction():
        if faults or not isinstance(checked, ValidCard):
            checkout.note(work, session, faults=faults, given=again)
            return page
        if checked.card is None:
            checkout.note(work, session, given=again, decline=NOT_A_TEST_CARD.message)
            return page
        intent = checkout.pay(
            work,
            session,
            checked.card,
            exp_month=checked.exp_month,
            exp_year=checked.exp_year,
            name=checked.name,
            email=email,
        )
        if intent["status"] == "requires_payment_method":
            checkout.note(work, session, given=again, decline=_last_error(work, session))
    after_commit()
    if intent["status"] == "requires_action":
        return RedirectResponse(intent["next_action"]["redirect_to_url"]["url"], 303)
    return _over(session) or page


def _last_error(work: Work, session: Resource) -> str | None:
    """Why the last attempt failed, for the form to say."""
    for kind, error in (("payment_intent", "last_payment_error"), ("setup_intent", "last_setup_error")):
        if session[kind] is not None and (found := work.fetch(kind, session[kind])[error]):
            return str(found["message"])
    return None


def _challenged(work: Work, intent_id: str) -> Resource:
    """What the bank is asked about: a payment, or a card that is to be kept."""
    return work.fetch("setup_intent" if intent_id.startswith("seti_") else "payment_intent", intent_id)


def _after_challenge(store: Store, intent: Resource, return_url: str | None) -> Response:
    """To the payment page that the intent belongs to, which shows the outcome; or to whoever asked for it."""
    sessions = store.find("checkout.session", equal={intent["object"]: intent["id"]}, limit=1)
    if sessions:
        return RedirectResponse(f"/c/pay/{sessions[0]['id']}", 303)
    if return_url is None:
        return rendering.message("There is nothing left to confirm")
    told = urlencode({intent["object"]: intent["id"], "redirect_status": intent["status"]})
    return RedirectResponse(f"{return_url}{'&' if '?' in return_url else '?'}{told}", 303)


def _known_email(store: Store, session: Resource) -> str | None:
    """The address that the merchant gave, which the customer does not type again."""
    if session["customer"] is not None:
        customer = store.get(session["customer"], "customer")
        return customer["email"] if customer else None
    return str(session["customer_email"]) if session["customer_email"] else None
