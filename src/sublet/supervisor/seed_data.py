"""Seed data of the demo, made through the public API as an operator and a customer would."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from sublet.supervisor.info import CURRENCY, DemoAccount, write_privately

CUSTOMER_EMAIL = "customer@demo.example"
OPERATOR_EMAIL = "operator@demo.example"
SECOND_EMAIL = "second@demo.example"
START_FUNDS = "25.00"
SUCCESS_NUMBER = "4242424242424242"  # the processor's documented test card that always succeeds

SKUS: Sequence[tuple[Mapping[str, Any], str, Mapping[str, Any]]] = (
    (
        {"code": "cpu-small", "name": "Small CPU", "vcpu": 1, "memory_mib": 512, "disk_gib": 5},
        "0.0120",
        {"suspended_claim": "always", "suspended_per_hour": "0.0010"},
    ),
    (
        {"code": "cpu-large", "name": "Large CPU", "vcpu": 2, "memory_mib": 2048, "disk_gib": 20},
        "0.0480",
        {"suspended_claim": "always", "suspended_per_hour": "0.0040"},
    ),
    (
        {"code": "gpu-1", "name": "One GPU", "vcpu": 1, "memory_mib": 1024, "disk_gib": 20, "gpu_count": 1},
        "1.9800",
        {
            "suspended_claim": "hours",
            "suspended_claim_hours": 4,
            "suspended_per_hour": "0.2000",
            "disk_per_hour": "0.0040",
        },
    ),
)
"""Each shape with its price of an hour, and what it means to suspend it."""


class SeedRefused(Exception):
    """The API refused a step of the seed; the message is its answer."""


def generate_password() -> str:
    """A password for a demo account: made anew for each data directory."""
    return secrets.token_urlsafe(15)


@dataclass(slots=True)
class Person:
    """A signed-in browser, as far as HTTP goes."""

    http: httpx.Client
    url: str

    @classmethod
    def sign_in(cls, url: str, email: str, password: str) -> "Person":
        """Sign in with a password."""
        person = cls.visiting(url)
        person.post("/auth/login", {"email": email, "password": password})
        return person

    @classmethod
    def visiting(cls, url: str) -> "Person":
        """A browser in which nobody has signed in yet."""
        return cls(httpx.Client(base_url=url, headers={"Origin": url}, timeout=30), url)

    @classmethod
    def of_account(cls, url: str, email: str, account: DemoAccount, *, sign_up_as: str | None = None) -> "Person":
        """The account's owner: by the token that the demo keeps, else by password; with a name given, signed up first.

        A token is made when there is none that works, so that the command line always has one.
        """
        file = Path(account.token_file)
        if (person := cls.by_token(url, file)) is not None:
            return person
        if sign_up_as is not None:
            person = cls.visiting(url)
            body = {"email": email, "password": account.password, "name": sign_up_as}
            answer = person.http.post("/api/v1/auth/signup", json=body)
            if answer.status_code != httpx.codes.CONFLICT:  # a run that was cut off had got that far
                person._checked(answer)
                person.write_token(file)
                return person
        person = cls.sign_in(url, email, account.password)
        person.write_token(file)
        return person

    @classmethod
    def by_token(cls, url: str, file: Path) -> "Person | None":
        """Whoever an API token belongs to; None when there is no such file or the token does not hold any more."""
        try:
            token = file.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return None
        person = cls(httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30), url)
        answer = person.http.get("/api/v1/me")
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            person.http.close()
            return None
        person._checked(answer)
        return person

    def _checked(self, answer: httpx.Response) -> Any:
        if answer.is_error:
            raise SeedRefused(f"{answer.request.method} {answer.request.url.path}: {_reason(answer)}")
        return answer.json() if answer.content else None

    def get(self, path: str, **query: Any) -> Any:
        """GET below /api/v1."""
        return self._checked(self.http.get(f"/api/v1{path}", params=query))

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """POST JSON below /api/v1."""
        return self._checked(self.http.post(f"/api/v1{path}", json=body or {}))

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """PATCH JSON below /api/v1."""
        return self._checked(self.http.patch(f"/api/v1{path}", json=body))

    def write_token(self, file: Path) -> None:
        """Make an API token with everything that the person may do, and keep it in a file of mode 0600."""
        expires = datetime.now(UTC) + timedelta(days=90)
        made = self.post(
            "/api-tokens",
            {"name": "demo", "scopes": self.get("/me")["permissions"], "expires_at": expires.isoformat()},
        )
        write_privately(file, made["token"] + "\n")


def _reason(answer: httpx.Response) -> str:
    """A problem's own words, or the status when it is not one."""
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status_code}"


def seed_catalog(operator: Person, gpu_model: str | None) -> None:
    """SKUs and prices that are not there yet; a SKU whose price a cut-off run did not make gets it now."""
    existing = {sku["code"]: sku["id"] for sku in operator.get("/admin/skus", limit=200)["items"]}
    for sku, per_hour, suspension in SKUS:
        sku_id = existing.get(sku["code"])
        if sku_id is None:
            if sku.get("gpu_count") and gpu_model is None:
                continue
            body = {**sku, "gpu_model": gpu_model} if sku.get("gpu_count") else sku
            sku_id = operator.post("/admin/skus", body)["id"]
        elif operator.get("/admin/prices", sku_id=sku_id, limit=1)["items"]:
            continue
        price = {"sku_id": sku_id, "per_hour": per_hour, "currency": CURRENCY, **suspension}
        operator.post("/admin/prices", price)


def pay_by_card(customer: Person, amount: str = START_FUNDS) -> str:
    """Top up as a person would: Checkout's hosted page, with the card that always succeeds; the top-up's id."""
    top_up = customer.post("/top-ups", {"amount": amount, "currency": CURRENCY})
    with httpx.Client(timeout=30) as browser:
        page = str(top_up["checkout_url"])
        browser.get(page).raise_for_status()
        paid = browser.post(
            page,
            data={
                "email": CUSTOMER_EMAIL,
                "cardNumber": SUCCESS_NUMBER,
                "cardExpiry": f"12 / {(datetime.now(UTC).year + 2) % 100:02d}",
                "cardCvc": "123",
                "billingName": "Demo Customer",
            },
        )
        if paid.status_code >= 400:
            raise SeedRefused(f"The card sandbox refused the demo's payment: {paid.status_code}")
    return str(top_up["id"])
