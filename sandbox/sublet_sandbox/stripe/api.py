"""The endpoints under /v1, and what is true of all of them: key, request id, idempotency, expansion, errors."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request, Response
from pydantic import ValidationError

from sublet_sandbox.stripe import (
    balance,
    charges,
    checkout,
    customers,
    disputes,
    early_fraud_warnings,
    payment_intents,
    payment_methods,
    payouts,
    refunds,
    setup_intents,
)
from sublet_sandbox.stripe.errors import StripeProblem, from_validation, refused
from sublet_sandbox.stripe.expansion import expand
from sublet_sandbox.stripe.forms import decode
from sublet_sandbox.stripe.lists import listed
from sublet_sandbox.stripe.params import CustomerFilter, ListParams, Params
from sublet_sandbox.stripe.store import Resource, Store, new_id
from sublet_sandbox.stripe.work import API_VERSION, Work, public

KEY_LIFETIME_SECONDS = 86_400
LONGEST_KEY = 255


class EventListParams(ListParams):
    """Which events to list: of one type, or of several."""

    type: str | None = None
    types: list[str] | None = None


@dataclass(frozen=True)
class Endpoint:
    """A method and path, what it takes, and what does it: `act(work, params, **path parameters)`."""

    method: str
    path: str
    params: type[Params]
    act: Callable[..., Resource]


def _collection(kind: str, path: str, params: type[ListParams] = ListParams) -> list[Endpoint]:
    """Retrieve and list, which every kind has."""

    def retrieve(work: Work, given: Params, **path_params: str) -> Resource:
        ((name, resource_id),) = path_params.items()
        return work.fetch(kind, resource_id, param=name)

    def page(work: Work, given: ListParams) -> Resource:
        return listed(work, kind, f"/v1/{path}", given)

    return [
        Endpoint("GET", f"/v1/{path}", params, page),
        Endpoint("GET", f"/v1/{path}/{{id}}", Params, retrieve),
    ]


def _events(work: Work, params: EventListParams) -> Resource:
    types = {"type": params.types} if params.types else None
    return listed(work, "event", "/v1/events", params, any_of=types, exclude=frozenset({"types"}))


ENDPOINTS = [
    Endpoint("POST", "/v1/customers", customers.CustomerParams, customers.create),
    Endpoint("POST", "/v1/customers/{customer}", customers.CustomerParams, customers.update),
    *_collection("customer", "customers", customers.CustomerListParams),
    Endpoint(
        "GET",
        "/v1/payment_methods/{payment_method}",
        Params,
        lambda work, _, payment_method: work.fetch("payment_method", payment_method, param="payment_method"),
    ),
    Endpoint(
        "GET",
        "/v1/customers/{customer}/payment_methods",
        payment_methods.OfCustomerParams,
        payment_methods.list_of,
    ),
    Endpoint("GET", "/v1/payment_methods", payment_methods.PaymentMethodListParams, payment_methods.list_all),
    Endpoint(
        "POST", "/v1/payment_methods/{payment_method}/attach", payment_methods.AttachParams, payment_methods.attach
    ),
    Endpoint("POST", "/v1/payment_methods/{payment_method}/detach", Params, payment_methods.detach),
    Endpoint("POST", "/v1/setup_intents", setup_intents.CreateParams, setup_intents.create),
    Endpoint("POST", "/v1/setup_intents/{intent}/confirm", setup_intents.ConfirmParams, setup_intents.confirm),
    Endpoint("POST", "/v1/setup_intents/{intent}/cancel", setup_intents.CancelParams, setup_intents.cancel),
    *_collection("setup_intent", "setup_intents", setup_intents.SetupIntentListParams),
    Endpoint("POST", "/v1/payment_intents", payment_intents.CreateParams, payment_intents.create),
    Endpoint("POST", "/v1/payment_intents/{intent}/confirm", payment_intents.ConfirmParams, payment_intents.confirm),
    Endpoint("POST", "/v1/payment_intents/{intent}/cancel", payment_intents.CancelParams, payment_intents.cancel),
    *_collection("payment_intent", "payment_intents", CustomerFilter),
    Endpoint("POST", "/v1/checkout/sessions", checkout.SessionParams, checkout.create),
    Endpoint("POST", "/v1/checkout/sessions/{session}/expire", Params, checkout.expire),
    *_collection("checkout.session", "checkout/sessions", checkout.SessionListParams),
    *_collection("charge", "charges", charges.ChargeListParams),
    Endpoint("POST", "/v1/refunds", refunds.RefundParams, refunds.create),
    *_collection("refund", "refunds", refunds.RefundListParams),
    Endpoint("POST", "/v1/disputes/{dispute}", disputes.AnswerParams, disputes.answer),
    Endpoint("POST", "/v1/disputes/{dispute}/close", Params, disputes.close),
    *_collection("dispute", "disputes", disputes.DisputeListParams),
    *_collection(early_fraud_warnings.KIND, "radar/early_fraud_warnings", early_fraud_warnings.WarningListParams),
    Endpoint("GET", "/v1/balance_transactions", balance.BalanceTransactionListParams, balance.list_transactions),
    _collection("balance_transaction", "balance_transactions")[1],
    Endpoint("GET", "/v1/balance", Params, balance.read),
    Endpoint("POST", "/v1/payouts", payouts.PayoutParams, payouts.create),
    Endpoint("POST", "/v1/payouts/{payout}/cancel", Params, payouts.cancel),
    *_collection("payout", "payouts", payouts.PayoutListParams),
    Endpoint("GET", "/v1/events", EventListParams, _events),
    _collection("event", "events")[1],
]


def check_key(request: Request, api_key: str) -> None:
    """Refuse a request without our key, given as Bearer token or as Basic user name."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            credentials = base64.b64decode(credentials, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            credentials = ""
    if not credentials:
        raise StripeProblem(
            401,
            "You did not provide an API key. You need to provide your API key in the Authorization header, using "
            "Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
        )
    if not hmac.compare_digest(credentials.encode(), api_key.encode()):
        shown = f"{credentials[:8]}****{credentials[-4:]}" if len(credentials) > 16 else "****"
        raise StripeProblem(401, f"Invalid API Key provided: {shown}")


def answer(problem_or_body: StripeProblem | str, headers: dict[str, str], status: int = 200) -> Response:
    """A JSON answer with Stripe's headers."""
    if isinstance(problem_or_body, StripeProblem):
        status, body = problem_or_body.status, json.dumps(problem_or_body.body(), indent=2)
    else:
        body = problem_or_body
    return Response(body, status, {"Stripe-Version": API_VERSION, **headers}, media_type="application/json")


def mount(app: FastAPI, store: Store, *, api_key: str, base_url: str, after_commit: Callable[[], None]) -> None:
    """Add every endpoint to the app."""
    for endpoint in ENDPOINTS:
        app.add_api_route(
            endpoint.path,
            _route(endpoint, store, api_key, base_url, after_commit),
            methods=[endpoint.method],
            name=f"{endpoint.method} {endpoint.path}",
        )

    async def unknown(request: Request) -> Response:
        problem = StripeProblem(404, f"Unrecognized request URL ({request.method}: {request.url.path}).")
        return answer(problem, {"Request-Id": new_id("req", 14)})

    app.add_api_route("/v1/{path:path}", unknown, methods=["GET", "POST", "DELETE", "PUT", "PATCH"])


def _route(
    endpoint: Endpoint, store: Store, api_key: str, base_url: str, after_commit: Callable[[], None]
) -> Callable[..., Any]:
    async def handle(request: Request) -> Response:
        body = await request.body()
        headers = {"Request-Id": new_id("req", 14)}
        try:
            check_key(request, api_key)
            key = request.headers.get("idempotency-key") if endpoint.method == "POST" else None
            if key is not None:
                headers["Idempotency-Key"] = key
                if not 0 < len(key) <= LONGEST_KEY:
                    raise refused("Idempotency keys must be between 1 and 255 characters long.")
            work = Work(store, base_url, headers["Request-Id"], key)
            text = body.decode("utf-8", "replace") if endpoint.method == "POST" else request.url.query
            # No await from here to the commit: requests are served one after the other.
            with store.transaction():
                status, answered = _perform(endpoint, work, text, request, headers)
        except StripeProblem as problem:
            return answer(problem, headers)
        after_commit()
        return answer(answered, headers, status)

    return handle


def _perform(endpoint: Endpoint, work: Work, text: str, request: Request, headers: dict[str, str]) -> tuple[int, str]:
    fingerprint = hashlib.sha256(f"{endpoint.method} {request.url.path}\n{text}".encode()).hexdigest()
    if work.idempotency_key is not None:
        remembered = _recall(work, request.url.path, fingerprint, headers)
        if remembered is not None:
            return remembered
    checkout.expire_due(work)
    balance.release_due(work)
    refunds.settle_due(work)
    try:
        params = endpoint.params.model_validate(decode(text))
    except ValidationError as error:
        raise from_validation(error) from None
    status = 200
    try:
        resource = public(endpoint.act(work, params, **request.path_params))
        answered = json.dumps(expand(work, resource, params.expand), indent=2)
    except StripeProblem as problem:
        if problem.status != 402:
            raise
        # A declined card is an outcome, not a refusal: the failed attempt is kept, and its answer replayed.
        status, answered = 402, json.dumps(problem.body(), indent=2)
    if work.idempotency_key is not None:
        work.store.execute(
            "INSERT INTO idempotent_request (key, path, fingerprint, request_id, status, body, created)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (work.idempotency_key, request.url.path, fingerprint, work.request_id, status, answered, work.now()),
        )
    return status, answered


def _recall(work: Work, path: str, fingerprint: str, headers: dict[str, str]) -> tuple[int, str] | None:
    """The answer given to this key before; a key is forgotten after a day."""
    work.store.execute("DELETE FROM idempotent_request WHERE created < ?", (work.now() - KEY_LIFETIME_SECONDS,))
    rows = work.store.execute("SELECT * FROM idempotent_request WHERE key = ?", (work.idempotency_key,))
    if not rows:
        return None
    if rows[0]["path"] != path:
        raise StripeProblem(
            400,
            "Keys for idempotent requests can only be used for the same endpoint they were first used for "
            f"('{path}' vs '{rows[0]['path']}'). Try using a key other than '{work.idempotency_key}' if you meant to "
            "execute a different request.",
            kind="idempotency_error",
        )
    if rows[0]["fingerprint"] != fingerprint:
        raise StripeProblem(
            400,
            "Keys for idempotent requests can only be used with the same parameters they were first used with. Try "
            f"using a key other than '{work.idempotency_key}' if you meant to execute a different request.",
            kind="idempotency_error",
        )
    headers["Idempotent-Replayed"] = "true"
    headers["Original-Request"] = rows[0]["request_id"]
    return rows[0]["status"], rows[0]["body"]
