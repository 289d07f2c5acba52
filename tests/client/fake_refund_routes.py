"""The fake API's routes of money that goes back, and one payment of 20.00 of which 3.00 is spent."""

from typing import Any, cast

from sublet.client.evidence_text import fields_of
from sublet.client.shapes.evidence import Evidence
from tests.client.fake_admin_routes import only_operators
from tests.client.fake_findings import ask_approval
from tests.client.fake_routes import Answer, Asked, page, route
from tests.client.fake_shapes import Problem, at, usd

ORGANIZATION = "org_0000000000000001"
PAYMENT: dict[str, Any] = {
    "top_up_id": "tu_0000000000000008",
    "paid_at": at(7200),
    "paid": usd("20"),
    "spent": usd("3"),
    "refunded": usd("0"),
    "disputed": usd("0"),
    "available": usd("17"),
    "refundable": usd("17"),
    "reason": None,
}
DISPUTE: dict[str, Any] = {
    "id": "dsp_0000000000000001",
    "processor_id": "du_1QvT",
    "organization_id": ORGANIZATION,
    "top_up_id": "tu_0000000000000008",
    "amount": usd("20"),
    "reason": "fraudulent",
    "state": "open",
    "taken": usd("20"),
    "charged": usd("0"),
    "owed": usd("0"),
    "due_by": at(-600_000),
    "disputed_at": at(3600),
    "decided_at": None,
    "answer": None,
    "actions": [{"name": "answer", "allowed": True, "reason": None}],
}
EVIDENCE: dict[str, Any] = {
    "dispute": DISPUTE,
    "customer": {
        "organization_id": ORGANIZATION,
        "name": "Engines",
        "members": [
            {
                "user_id": "usr_0000000000000001",
                "name": "Ada",
                "email": "ada@customer.example",
                "role": "owner",
                "email_verified_at": None,
                "since": at(9000),
            }
        ],
    },
    "payment": {
        "top_up_id": DISPUTE["top_up_id"],
        "purpose": "top_up",
        "amount": usd("20"),
        "requested_by": "usr_0000000000000001",
        "payer": {"user_id": "usr_0000000000000001", "name": "Ada", "email": "ada@customer.example"},
        "requested_at": at(8000),
        "paid_at": at(7900),
        "payment_intent_id": "pi_1QvT",
        "charge_id": "ch_1QvT",
        "customer_email": None,
        "card": "visa ending in 4242",
    },
    "terms": [],
    "sign_ins": [],
    "allocations": [],
    "sums": [],
    "sums_left_out": 0,
    "charges": [],
    "charges_left_out": 0,
    "spent": usd("3"),
    "of_before": usd("0"),
    "refunds": [],
}
EVIDENCE["fields"] = fields_of(cast(Evidence, EVIDENCE))


def _payment(action: str) -> dict[str, Any]:
    return PAYMENT | {"actions": [{"name": action, "allowed": True, "reason": None}]}


def _request(state: str = "requested", decision: str | None = None) -> dict[str, Any]:
    """What the customer asks to have back, as an operator sees it."""
    over = None if state == "requested" else f"The request is {state} already."
    return {
        "id": "rrq_0000000000000001",
        "organization_id": ORGANIZATION,
        "top_up_id": PAYMENT["top_up_id"],
        "amount": usd("12"),
        "reason": "not what I thought",
        "state": state,
        "decision": decision,
        "decided_at": None if decision is None else at(0),
        "created_at": at(3600),
        "actions": [{"name": name, "allowed": over is None, "reason": over} for name in ("grant", "decline")],
    }


def _refund(amount: str, **more: Any) -> dict[str, Any]:
    return {
        "id": "rf_0000000000000001",
        "organization_id": ORGANIZATION,
        "top_up_id": PAYMENT["top_up_id"],
        "request_id": None,
        "origin": "operator",
        "requested_by": "Ada",
        "amount": usd(amount),
        "owed": usd("0"),
        "reason": "asked for",
        "state": "pending",
        "failure": None,
        "created_at": at(60),
        "completed_at": None,
        **more,
    }


def _begun(asked: Asked, act: str, amount: str) -> tuple[bool, dict[str, Any] | None]:
    """Whether it is done, and the approval that it waits for: more than 50.00 takes a second person."""
    if float(amount) <= 50:
        return True, None
    approval = ask_approval(asked.world, act, PAYMENT["top_up_id"], by="Ada", amount=amount)
    return False, approval


@route("GET", "/payments")
def payments(asked: Asked) -> Answer:
    return page(asked, [_payment("request_refund")])


@route("GET", "/refunds")
def refunds(asked: Asked) -> Answer:
    return page(asked, [_refund("5", state="succeeded", completed_at=at(0))])


@route("POST", "/refund-requests")
def request_refund(asked: Asked) -> Answer:
    made = _request() | {"actions": [{"name": "withdraw", "allowed": True, "reason": None}]}
    return 201, made | {"amount": usd(asked.body["amount"]), "reason": asked.body["reason"]}


@route("GET", "/admin/payments")
def payments_of(asked: Asked) -> Answer:
    only_operators(asked)
    return page(asked, [_payment("refund")] if asked.query["organization_id"] == ORGANIZATION else [])


@route("GET", "/admin/refunds")
def all_refunds(asked: Asked) -> Answer:
    only_operators(asked)
    wanted = asked.query.get("state", "succeeded")
    return page(asked, [_refund("5", state="succeeded", completed_at=at(0))] if wanted == "succeeded" else [])


@route("POST", "/admin/refunds")
def create_refund(asked: Asked) -> Answer:
    only_operators(asked)
    done, approval = _begun(asked, "refund.create", asked.body["amount"])
    refund = _refund(asked.body["amount"], reason=asked.body["reason"]) if done else None
    return 201, {"refund": refund, "approval": approval}


@route("GET", "/admin/refund-requests")
def requests(asked: Asked) -> Answer:
    only_operators(asked)
    return page(asked, [_request()] if asked.query.get("state", "requested") == "requested" else [])


@route("POST", "/admin/refund-requests/{id}/grant")
def grant(asked: Asked) -> Answer:
    only_operators(asked)
    if asked.parts["id"] != "rrq_0000000000000001":
        raise Problem(404, "not_found", "There is no such refund request. Nothing was changed.")
    granted = _request("granted", asked.body["decision"])
    return 200, {"request": granted, "refund": _refund("12", request_id=granted["id"]), "approval": None}


@route("POST", "/admin/refund-requests/{id}/decline")
def decline(asked: Asked) -> Answer:
    only_operators(asked)
    return 200, _request("declined", asked.body["decision"])


@route("POST", "/admin/adjustments")
def adjust(asked: Asked) -> Answer:
    only_operators(asked)
    done, approval = _begun(asked, "adjustment.create", asked.body["amount"])
    made = {
        "id": "adj_0000000000000001",
        "organization_id": asked.body["organization_id"],
        "direction": asked.body["direction"],
        "amount": usd(asked.body["amount"]),
        "reason": asked.body["reason"],
        "entry_id": 7,
    }
    return 201, {"adjustment": made if done else None, "approval": approval}


@route("GET", "/admin/disputes")
def disputes(asked: Asked) -> Answer:
    only_operators(asked)
    return page(asked, [DISPUTE] if asked.query.get("state", "open") == "open" else [])


@route("GET", "/admin/disputes/{id}")
def dispute(asked: Asked) -> Answer:
    _only_dispute(asked)
    return 200, DISPUTE


def _only_dispute(asked: Asked) -> None:
    only_operators(asked)
    if asked.parts["id"] != DISPUTE["id"]:
        raise Problem(404, "not_found", "There is no such dispute. Nothing was changed.")


@route("GET", "/admin/disputes/{id}/evidence")
def evidence(asked: Asked) -> Answer:
    _only_dispute(asked)
    return 200, EVIDENCE


@route("POST", "/admin/disputes/{id}/evidence")
def answer(asked: Asked) -> Answer:
    _only_dispute(asked)
    given = {"id": "ans_0000000000000001", "answered_by_name": "Ada", "created_at": at(0)}
    return 202, DISPUTE | {"answer": {**given, "sent_at": None, "refusal": None}}
