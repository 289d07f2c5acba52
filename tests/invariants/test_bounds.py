"""What a customer may create has a bound that a test holds, or a reason why it needs none: each POST, each socket."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from sublet.core.db import Database
from sublet.core.runtime import keyring_of
from sublet.fleet import certificates
from sublet.fleet.ca import CertificateAuthority
from tests.allocations.rental import Rental, customer
from tests.identity.house import token_body
from tests.identity.public_keys import ed25519_line
from tests.invariants.operations import operations_of, undocumented
from tests.support.app import settings_for
from tests.support.asking import Asking

pytestmark = pytest.mark.anyio

REPOSITORY = Path(__file__).parents[2]
HERE = "tests/invariants/test_bounds.py"
BOUNDED = {
    "POST /api/v1/allocations": (HERE, "test_launches_under_way"),
    "POST /api/v1/allocations/{id_or_name}/ports": (
        "tests/allocations/test_ports.py",
        "test_has_a_sentence_for_each_cause",
    ),
    "POST /api/v1/allocations/{id_or_name}/ssh-certificates": (HERE, "test_certificates_that_can_be_used"),
    "POST /api/v1/api-tokens": (HERE, "test_api_tokens"),
    "POST /api/v1/auth/login": ("tests/identity/test_sessions.py", "test_beyond_a_hundred_end_with_the_oldest"),
    "POST /api/v1/auth/signup": ("tests/identity/test_sign_up.py", "test_is_throttled_by_address"),
    "POST /api/v1/me/email/verifications": (
        "tests/identity/test_email_verification.py",
        "test_is_sent_so_often_an_hour_and_no_more",
    ),
    "POST /api/v1/promo-codes/redeem": ("tests/payments/test_credits.py", "test_lets_nobody_guess_for_long"),
    "POST /api/v1/refund-requests": (
        "tests/payments/test_refund_requests.py",
        "test_is_one_at_a_time_and_can_be_withdrawn",
    ),
    "POST /api/v1/ssh-keys": (HERE, "test_ssh_keys_of_an_organization"),
    "POST /api/v1/payment-methods": ("tests/payments/test_cards.py", "test_so_many_and_no_more"),
    "POST /api/v1/top-ups": ("tests/payments/test_top_ups.py", "test_of_one_organization_are_bounded"),
    "WS /api/v1/allocations/{allocation_id}/terminal": (
        *("tests/terminal/test_admission.py", "test_has_only_so_many_terminals_and_a_closed_one_makes_room"),
    ),
    "WS /api/v1/events": (
        *("tests/notifications/test_policy.py", "test_a_person_has_so_many_channels_and_another_is_not_touched_by_it"),
    ),
}
"""By route, the test that goes to the bound of what it creates."""

_STEADY = "an allocation makes one such change at a time, and has to be where it was wanted before the next"
UNBOUNDED = {
    "POST /api/v1/auth/logout": "it ends a session, and creates nothing",
    "POST /api/v1/allocations/{id_or_name}/release": "an allocation is released once",
    "POST /api/v1/allocations/{id_or_name}/restart-elsewhere": "it is a launch, and counted as one",
    "POST /api/v1/allocations/{id_or_name}/resume": _STEADY,
    "POST /api/v1/allocations/{id_or_name}/suspend": _STEADY,
    "POST /api/v1/me/terms": "a person accepts the one version in force, once",
    "POST /api/v1/me/email/confirmation": "it uses what was mailed, once, and creates nothing",
    "POST /api/v1/notices/read": "it marks what is there, and creates nothing",
    "POST /api/v1/notices/{notice_id}/read": "it marks what is there, and creates nothing",
    "POST /api/v1/refund-requests/{refund_request_id}/withdraw": "it ends a request, and creates nothing",
    "POST /api/v1/nodes/enrol": "it takes an operator's one-time token",
    "POST /api/v1/nodes/enrol/preview": "it creates nothing",
    "POST /api/v1/nodes/leave": "a node leaves once, by a signature of its own key",
    "POST /api/v1/payment-methods/{card_id}/default": "one card is the default: it creates nothing",
    "POST /api/v1/top-ups/{top_up_id}/confirm": "it goes on with one payment, which takes money once",
    "POST /api/v1/payments/stripe/webhook": "the card processor signs what it sends, and each event is kept once",
}
"""By route, why what it creates needs no bound. What takes an operator's permission is an operator's own affair."""
OPERATORS = "admin."


def creating(document: dict[str, Any]) -> set[str]:
    """The POST routes of an OpenAPI document that somebody may use who is no operator."""
    return {
        operation.label
        for operation in operations_of(document)
        if operation.method == "post" and not operation.permission.startswith(OPERATORS)
    }


@pytest.fixture
async def asking(database: Database, tmp_path: Path) -> AsyncIterator[Asking]:
    bounds = {"launches_under_way": 2, "launches_an_hour": 3, "api_tokens": 2, "ssh_keys": 3, "live_certificates": 2}
    asking = Asking(database, tmp_path, **bounds)
    await CertificateAuthority(database, keyring_of(settings_for(tmp_path))).ensure()
    yield asking
    await asking.close()


class TestEveryPostAndSocket:
    async def test_has_a_bound_or_a_reason(self, asking: Asking) -> None:
        routes = creating(asking.app.openapi()) | {path for path in undocumented(asking.app) if path.startswith("WS ")}
        assert len(routes) >= 15
        assert routes == BOUNDED.keys() | UNBOUNDED.keys(), "say how many a customer may make, and hold it by a test"
        assert not BOUNDED.keys() & UNBOUNDED.keys()

    @pytest.mark.parametrize(("file", "name"), BOUNDED.values())
    def test_that_has_a_bound_has_a_test_of_it(self, file: str, name: str) -> None:
        assert f"async def {name}(" in (REPOSITORY / file).read_text(encoding="utf-8")

    def test_is_looked_for_in_what_the_application_serves(self) -> None:
        planted = {"/new": {"post": {"x-permission": "account:manage"}, "get": {"x-permission": "account:manage"}}}
        assert creating({"paths": planted}) == {"POST /new"}


async def at_once(asking: Asking, path: str, bodies: list[dict[str, Any]], code: str) -> tuple[int, set[str]]:
    """How many of many requests at once were accepted, and what the others were told."""
    answers = await asyncio.gather(*(asking.http.post(path, json=body) for body in bodies))
    refused = [answer for answer in answers if not answer.is_success]
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(409, code)}
    return len(answers) - len(refused), {answer.json()["detail"] for answer in refused}


class TestBounds:
    async def test_launches_under_way(self, database: Database, asking: Asking) -> None:
        rental = await Rental.open(database, amount="900.00")
        asking.actor = rental.actor
        offer = {"offer_id": rental.sku.id}
        begun, told = await at_once(asking, "/allocations", [offer] * 5, "too_many_launches")
        assert begun == 2
        assert told == {
            "Your organization has 2 launches under way, and 2 may be at a time. Nothing was launched and no funds are "
            "held. Try again when one of them has been set up, or cancel one."
        }
        [shown] = (await asking.get("/offers"))["items"]
        assert (shown["actions"][0]["code"], shown["actions"][0]["detail"]) == ("too_many_launches", *told)
        await asking.agrees(shown["actions"], "launch", "POST", "/allocations", **offer)
        mine, asking.actor = asking.actor, await customer(database)
        assert (await asking.http.post("/allocations", json=offer)).status_code == 202, "others launch"
        asking.actor = mine
        for allocation_id in await rental.all(
            "SELECT id FROM allocation WHERE organization_id = :mine", mine=mine.organization
        ):
            await rental.work_until(allocation_id, "active")
        assert (await asking.http.post("/allocations", json=offer)).status_code == 202

    async def test_launches_within_an_hour(self, database: Database, asking: Asking, owner_url: str) -> None:
        """Whatever became of them: who launches and releases without end keeps every node busy for nothing."""
        rental = await Rental.open(database, amount="900.00")
        asking.actor = rental.actor
        offer = {"offer_id": rental.sku.id}
        for _ in range(3):
            assert (await asking.http.post("/allocations", json=offer)).status_code == 202
            async with database.transaction() as session:
                await session.execute(text("UPDATE allocation SET state = 'failed', ended_at = clock_timestamp()"))
        begun, told = await at_once(asking, "/allocations", [offer], "too_many_launches")
        assert (begun, told) == (
            0,
            {
                "Your organization has begun 3 launches within an hour, which is the most. Nothing was launched and no "
                "funds are held. Try again later, or resume what is suspended."
            },
        )
        [shown] = (await asking.get("/offers"))["items"]
        assert (shown["actions"][0]["code"], shown["actions"][0]["detail"]) == ("too_many_launches", *told)
        with psycopg.connect(owner_url, autocommit=True) as owner:
            owner.execute("SET session_replication_role = replica")
            owner.execute("UPDATE allocation SET created_at = created_at - interval '1 hour'")
        assert (await asking.http.post("/allocations", json=offer)).status_code == 202

    async def test_certificates_that_can_be_used(self, database: Database, asking: Asking) -> None:
        rental = await Rental.open(database)
        asking.actor = rental.actor
        allocation_id = await rental.running()
        path = f"/allocations/{allocation_id}/ssh-certificates"
        bodies = [{"public_key": ed25519_line()} for _ in range(4)]
        made, told = await at_once(asking, path, bodies, "too_many_certificates")
        assert made == 2
        assert told == {
            "2 certificates for this allocation can still be used, and 2 are the most. No certificate was made. Use "
            "one that you have until it ends, an hour after it was made at most."
        }
        async with database.transaction() as session:
            await certificates.revoke_subject(session, allocation_id, reason="lost")
        assert (await asking.http.post(path, json=bodies[0])).status_code == 201

    async def test_api_tokens(self, database: Database, asking: Asking) -> None:
        asking.actor = await customer(database)
        bodies = [token_body("account:read")] * 5
        made, told = await at_once(asking, "/api-tokens", bodies, "too_many_api_tokens")
        assert made == 2
        assert told == {
            "Your organization has 2 API tokens that work or were made within a day, and 2 are the most. Nothing was "
            "created. Revoke those that nobody uses; of those that were made today each frees its place tomorrow."
        }
        first, second = (await asking.get("/api-tokens"))["items"]
        assert (await asking.http.delete(f"/api-tokens/{first['id']}")).status_code == 204
        assert (await asking.http.post("/api-tokens", json=bodies[0])).status_code == 409, "made within a day"
        await _run(database, "UPDATE api_token SET created_at = created_at - interval '25 hours'")
        assert (await asking.http.post("/api-tokens", json=bodies[0])).status_code == 201
        assert (await asking.http.post("/api-tokens", json=bodies[0])).status_code == 409
        await _run(
            database,
            "UPDATE api_token SET expires_at = clock_timestamp(), created_at = created_at - interval '25 hours' "
            f"WHERE id = '{second['id']}'",
        )
        assert (await asking.http.post("/api-tokens", json=bodies[0])).status_code == 201, "one has expired"
        asking.actor = await customer(database)
        assert (await asking.http.post("/api-tokens", json=bodies[0])).status_code == 201, "others have their own"

    async def test_a_token_that_was_made_before_is_told_of_first(self, database: Database, asking: Asking) -> None:
        asking.actor = await customer(database)
        body, key = token_body("account:read"), {"Idempotency-Key": "again"}
        assert (await asking.http.post("/api-tokens", json=body, headers=key)).status_code == 201
        assert (await asking.http.post("/api-tokens", json=body)).status_code == 201
        again = await asking.http.post("/api-tokens", json=body, headers=key)
        assert (again.status_code, again.json()["code"]) == (409, "token_already_created")

    async def test_ssh_keys_of_an_organization(self, database: Database, asking: Asking) -> None:
        first, second = await customer(database), await customer(database)
        await _run(
            database,
            "INSERT INTO membership (organization_id, user_id, role) "
            f"VALUES ('{first.organization}', '{second.user_id}', 'member')",
        )
        asking.actor = second
        bodies = [{"name": "x", "public_key": ed25519_line()} for _ in range(6)]
        assert (await asking.http.post("/ssh-keys", json=bodies[0])).status_code == 201
        asking.actor = first
        made, told = await at_once(asking, "/ssh-keys", bodies[1:], "too_many_ssh_keys")
        assert made == 2
        assert told == {
            "The members of an organization of yours have 3 SSH keys, and 3 are the most. Nothing was added. One of "
            "them has to remove one first."
        }
        asking.actor = second
        assert (await asking.http.post("/ssh-keys", json=bodies[1])).status_code == 409, "whichever of them adds it"
        asking.actor = await customer(database)
        assert (await asking.http.post("/ssh-keys", json=bodies[0])).status_code == 201, "others have their own"


async def _run(database: Database, statement: str) -> None:
    async with database.transaction() as session:
        await session.execute(text(statement))
