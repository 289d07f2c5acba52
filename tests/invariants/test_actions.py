"""What is offered is accepted, and nothing else: each action and its command, asked about the same row in one state."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import stripe
from sqlalchemy import text

from sublet.allocations import ports
from sublet.allocations.states import AllocationState
from sublet.allocations.terminal import terminal_target
from sublet.billing.standing import standing
from sublet.core.actors import Actor, Permission
from sublet.core.db import Database
from sublet.core.settings import SecretRef
from sublet.findings.findings import Severity, close_finding, open_finding
from sublet.findings.launches import STOP_CODE, STOP_SUBJECT
from sublet.identity import api_tokens, ssh_keys
from sublet.identity.permissions import ROLES
from sublet.payments.top_ups.states import TopUpState
from tests.allocations.rental import Rental, customer, offer
from tests.identity.house import token_body
from tests.identity.public_keys import ed25519_line
from tests.invariants import test_month_actions, test_notice_actions, test_operator_actions, test_payment_actions
from tests.invariants.people import add_card
from tests.invariants.test_operator_actions import ADD_TOP_UP
from tests.sandbox.stripe.orders import saved_card
from tests.sandbox.stripe.process import API_KEY, StripeSandbox
from tests.scheduling.fleet_rows import add_node
from tests.support.asking import WALKED, Asking, list_actions, unwalked, walks
from tests.support.policy import DEFAULT_POLICY

pytestmark = pytest.mark.anyio

P = Permission
MANAGES, CONNECTS, LAUNCHES = P.ALLOCATION_MANAGE, P.ALLOCATION_CONNECT, P.ALLOCATION_LAUNCH
HOLDS = {
    "nothing": frozenset({P.ALLOCATION_READ}),
    "manages": frozenset({P.ALLOCATION_READ, MANAGES}),
    "connects": frozenset({P.ALLOCATION_READ, CONNECTS}),
    "launches": frozenset({P.ALLOCATION_READ, LAUNCHES}),
    "everything": frozenset({P.ALLOCATION_READ, MANAGES, CONNECTS, LAUNCHES}),
}
"""Everything that roles and scopes of tokens can come to, as far as allocations go."""


async def one_in_every_state(rental: Rental) -> dict[str, str]:
    """An allocation in every state, and on the way from one to another; by what is the case with each."""
    ran = ("active", "being suspended", "being suspended for lack of funds", "lost", "releasing", "release failed")
    slept = ("suspended", "suspended for lack of funds", "being resumed")
    lost = ("lost while suspended", "lost while suspended for lack of funds")
    rows = {case: await rental.running() for case in (*ran, *slept, *lost, "released")}
    async with rental.database.transaction() as session:
        for case in (*ran, *slept, *lost):
            for port in (81, 82):
                await ports.publish(session, rental.actor, rows[case], port=port, protocol="tcp")
    for case in (*slept, *lost):
        await rental.suspend(rows[case])
    await rental.release(rows["released"])
    for case in (*slept, *lost):
        await rental.work_until(rows[case], "suspended")
    await rental.work_until(rows["released"], "released")
    # From here on nobody works on them any more.
    async with rental.database.transaction() as session:
        for case in ("active", "suspended", "lost"):
            withdrawn = (await ports.of(session, rows[case]))[0]
            await ports.withdraw(session, rental.actor, rows[case], withdrawn.id)
    for case in ("being suspended", "being suspended for lack of funds"):
        await rental.suspend(rows[case])
    for case in ("releasing", "release failed"):
        await rental.release(rows[case])
    await rental.resume(rows["being resumed"])
    rows |= {case: await rental.launch() for case in ("queued", "provisioning", "failed")}
    for case, change in {
        "lost": "state = 'lost'",
        "lost while suspended": "state = 'lost'",
        "lost while suspended for lack of funds": "state = 'lost', suspended_for = 'funds'",
        "suspended for lack of funds": "suspended_for = 'funds'",
        "being suspended for lack of funds": "suspended_for = 'funds'",
        "release failed": "state = 'release_failed'",
        "provisioning": "state = 'provisioning'",
        "failed": "state = 'failed', ended_at = clock_timestamp()",
    }.items():
        await rental.run(f"UPDATE allocation SET {change} WHERE id = :id", id=rows[case])
    states = await rental.all("SELECT DISTINCT state FROM allocation")
    assert set(states) == set(AllocationState)
    return rows


async def funds_of_every_kind(rental: Rental, running: str) -> AsyncIterator[str]:
    """The wallet full, launches stopped, a limit reached, the grace, all used up, and too little for one more."""
    organization = rental.actor.organization
    yield "plenty"
    stop: dict[str, Any] = {"code": STOP_CODE, "subject_type": STOP_SUBJECT, "subject_id": organization}
    async with rental.database.transaction() as session:
        await open_finding(session, **stop, severity=Severity.CRITICAL)
    yield "stopped"
    async with rental.database.transaction() as session:
        await close_finding(session, **stop)
    await rental.run(
        "INSERT INTO spending_limit (organization_id, currency, scope, amount, set_by, period_start, reached_at) "
        "VALUES (:o, 'USD', 'day', 1000000000, 'x', date_trunc('day', now(), 'UTC'), now())",
        o=organization,
    )
    yield "limited"
    await rental.run("DELETE FROM spending_limit")
    for level, ends in (("grace", "clock_timestamp() + interval '1 hour'"), ("suspended", "NULL")):
        await rental.run(f"INSERT INTO funds_clock VALUES (:o, 'USD', '{level}', {ends})", o=organization)
        yield level
        await rental.run("DELETE FROM funds_clock")
    async with rental.database.reading() as session:
        stands = await standing(session, organization, currency="USD", policy=DEFAULT_POLICY)
    per_hour = stands.runway.burn.nano_per_hour + 180_000_000  # half of what one more would take
    enough = per_hour * DEFAULT_POLICY.reserve_seconds // 3_600_000
    await rental.ran_for(running, (stands.runway.left.micro - enough) // 100)
    yield "too little for one more"


OF_ROLES = {"nothing", "everything"}


class TestAllocations:
    @walks("AllocationOut", "PortOut")
    async def test_are_offered_what_they_accept_in_every_state(self, database: Database, asking: Asking) -> None:
        rental = await Rental.open(database)
        south = await add_node(database, "south", vcpu=16, memory_mib=65536)
        for node_id in (rental.node_id, south):
            await replace(rental, node_id=node_id).give_ports(30000, 30099)
        rows = await one_in_every_state(rental)
        key = ed25519_line()
        withdrawable: set[tuple[str, bool]] = set()
        [price_id] = await rental.all("SELECT id FROM price")

        async def agree(allocation_id: str) -> set[str]:
            path = f"/allocations/{allocation_id}"
            whole = await asking.get(path)
            actions = whole["actions"]
            for port in whole["ports"]:
                await asking.agrees(port["actions"], "withdraw", "DELETE", f"{path}/ports/{port['id']}")
                withdrawable.add((port["state"], port["actions"][0]["allowed"]))
            await asking.agrees(actions, "release cancel", "POST", f"{path}/release")
            await asking.agrees(actions, "suspend", "POST", f"{path}/suspend")
            await asking.agrees(actions, "resume", "POST", f"{path}/resume")
            await asking.agrees(actions, "restart_elsewhere", "POST", f"{path}/restart-elsewhere", price_id=price_id)
            await asking.agrees(actions, "publish_port", "POST", f"{path}/ports", port=80, protocol="tcp")
            await asking.agrees(actions, "ssh", "POST", f"{path}/ssh-certificates", public_key=key)
            allowed = {action["name"] for action in actions if action["allowed"]}
            async with database.reading() as session:
                target = await terminal_target(session, asking.actor, allocation_id)
            assert ("terminal" in allowed) == (target.closed is None and asking.actor.can(CONNECTS))
            assert len(actions) == 8
            return allowed

        resumable: dict[str, set[str]] = {}
        restartable: dict[tuple[str, str], set[str]] = {}
        async for funds in funds_of_every_kind(rental, rows["active"]):
            for who, held in HOLDS.items():
                if funds != "plenty" and who not in OF_ROLES:
                    continue  # no role, only a token comes to this
                asking.actor = Actor("user", rental.actor.user_id, rental.actor.organization, permissions=held)
                allowed = await asyncio.gather(*(agree(allocation_id) for allocation_id in rows.values()))
                offered = {case for case, names in zip(rows, allowed, strict=True) if "resume" in names}
                if offered:
                    resumable[funds] = offered
                again = {case for case, names in zip(rows, allowed, strict=True) if "restart_elsewhere" in names}
                if again:
                    restartable[funds, who] = again
        assert withdrawable >= {("closing", False), ("open", True), ("open", False), ("closed", True)}
        # Each kind of funds decides something: the walk is over what it says.
        suspended = {case for case in rows if case.startswith(("suspended", "lost while"))}
        assert resumable == {"plenty": suspended}
        lost = {case for case in rows if case.startswith("lost")}
        # What giving it up frees is enough to launch it anew, while nothing beside it could be.
        assert restartable == {(funds, "everything"): lost for funds in ("plenty", "too little for one more")}

    def test_are_asked_with_whatever_a_role_holds(self) -> None:
        known = {held & {P.ALLOCATION_READ, MANAGES, CONNECTS, LAUNCHES} for held in ROLES.values()}
        assert known == {HOLDS[who] for who in OF_ROLES}


class TestOffers:
    @walks("OfferOut")
    async def test_are_accepted_as_offered(self, database: Database, asking: Asking) -> None:
        rental = await Rental.open(database)
        running = await rental.running()
        await offer(database, "gpu", gpu_model="none like it", gpu_count=1)
        poor = await customer(database, "0.10")
        codes: set[tuple[str, str | None]] = set()
        async for funds in funds_of_every_kind(rental, running):
            for whose in (rental.actor, poor):
                for held in (frozenset({P.CATALOG_READ}), frozenset({P.CATALOG_READ, P.ALLOCATION_LAUNCH})):
                    asking.actor = Actor("user", whose.user_id, whose.organization, permissions=held)
                    for one in (await asking.get("/offers"))["items"]:
                        assert [action["name"] for action in one["actions"]] == ["launch"]
                        await asking.agrees(one["actions"], "launch", "POST", "/allocations", offer_id=one["id"])
                        answer = await asking.http.post("/allocations", json={"offer_id": one["id"]})
                        launch, told = one["actions"][0], {} if answer.is_success else answer.json()
                        code = launch["code"]
                        assert (code, launch["status"]) == (told.get("code"), told.get("status"))
                        # Of a permission the route speaks, before it looks at the offer.
                        assert code == "permission_denied" or launch["detail"] == told.get("detail")
                        codes.add((funds, code))
        refused = {"permission_denied", "insufficient_funds", "no_capacity"}
        assert {code for funds, code in codes if funds == "plenty"} == {None, *refused}
        assert {code for funds, code in codes if funds == "stopped"} == {*refused, "launches_stopped"}
        assert {code for funds, code in codes if funds == "limited"} == {*refused, "spending_limit_reached"}
        assert {code for funds, code in codes if funds in {"grace", "suspended"}} == refused


MOVE_TOP_UP = """
UPDATE top_up
   SET state = :state, payment_intent_id = :id, charge_id = :id,
       completed_at = CASE WHEN :state IN ('succeeded', 'failed', 'expired') THEN clock_timestamp() END
 WHERE id = :id AND state <> :state
"""


TOO_MANY = "payments open"


class TestWallets:
    """Here each top-up that is accepted stays: its payment page is opened between two transactions."""

    @walks("WalletOut")
    @pytest.mark.parametrize("is_set_up", [True, False], ids=["a processor", "no processor"])
    async def test_are_offered_what_they_accept_whatever_became_of_earlier_top_ups(
        self, database: Database, sandbox: StripeSandbox, tmp_path: Path, is_set_up: bool
    ) -> None:
        (tmp_path / "key").write_text(API_KEY)
        settings = {"stripe_api_base": sandbox.url, "stripe_api_key": SecretRef(f"file:{tmp_path / 'key'}")}
        asking, whose = Asking(database, tmp_path, **(settings if is_set_up else {})), await customer(database)
        were_full: set[bool] = set()
        for state in TopUpState:
            row = {"id": f"tu_{state.value}", "organization_id": whose.organization, "state": state.value}
            async with database.transaction() as session:
                await session.execute(text(ADD_TOP_UP), row)
                await session.execute(text(MOVE_TOP_UP), row)
            for held in ROLES.values():
                asking.actor = Actor("user", whose.user_id, whose.organization, permissions=held)
                actions = (await asking.get("/wallet"))["actions"]
                await asking.agrees(actions, "top_up", "POST", "/top-ups", amount="20.00", currency="USD")
                full = TOO_MANY in (actions[0]["reason"] or "")
                assert [action["allowed"] for action in actions] == [is_set_up and P.WALLET_TOP_UP in held and not full]
                were_full.add(full)
        await asking.close()
        assert were_full == ({True, False} if is_set_up else {False})
        assert asking.shown == {"WalletOut"}


class TestAccounts:
    @walks("ManagedPage_ApiTokenOut_", "ManagedPage_SshKeyOut_")
    async def test_are_offered_what_they_accept_up_to_the_bound(
        self, database: Database, undoing: Database, tmp_path: Path, request: pytest.FixtureRequest
    ) -> None:
        asking, whose = Asking(undoing, tmp_path, api_tokens=2, ssh_keys=2), await customer(database)
        everything = whose.permissions
        people = [
            Actor(kind, whose.user_id, whose.organization, permissions=everything - without)
            for kind in ("user", "token")
            for without in (frozenset(), frozenset({CONNECTS}))
        ]
        full = set()
        for number in range(3):
            for asking.actor in people:
                tokens, keys = (await asking.get("/api-tokens"))["actions"], (await asking.get("/ssh-keys"))["actions"]
                await asking.agrees(tokens, "create", "POST", "/api-tokens", **token_body("account:read"))
                await asking.agrees(keys, "add", "POST", "/ssh-keys", name="x", public_key=ed25519_line())
                assert (len(tokens), len(keys)) == (1, 1)
                full.add((number, tokens[0]["allowed"], keys[0]["allowed"]))
            async with database.transaction() as session:
                key = {"name": "laptop", "public_key": ed25519_line(), "most": 2}
                token = {"name": "t", "scopes": ["account:read"], "most": 2}
                expires_at = datetime.now(UTC) + timedelta(days=1)
                if number < 2:
                    await ssh_keys.add(session, whose, **key)
                    await api_tokens.create(session, whose, expires_at=expires_at, **token)
        await asking.close()
        assert {one for one in full if one[0] == 2} == {(2, False, False)}
        assert {one for one in full if one[0] < 2} >= {(1, True, True), (1, False, True), (1, False, False)}
        assert asking.shown == WALKED[request.function.__qualname__]


ADD_CHARGED = """
INSERT INTO top_up (id, saved_card_id, organization_id, installation_id, requested_by, amount, currency, return_path,
                    success_url, cancel_url)
VALUES (:id, 'card_asks', :organization_id, 'ins', 'x', 20000000, 'USD', '/billing', 'https://x.test/b', '/')
"""


class TestCards:
    @walks("SavedCard", "ManagedPage_SavedCard_", "AutoTopUp", "TopUp")
    async def test_are_offered_what_they_accept(
        self, database: Database, sandbox: StripeSandbox, tmp_path: Path, request: pytest.FixtureRequest
    ) -> None:
        (tmp_path / "key").write_text(API_KEY)
        settings: dict[str, Any] = {
            "stripe_api_base": sandbox.url,
            "stripe_api_key": SecretRef(f"file:{tmp_path / 'key'}"),
            "saved_cards": 6,
        }
        asking, rental = Asking(database, tmp_path, **settings), await Rental.open(database)
        whose = rental.actor
        added: set[bool] = set()
        for number, held in enumerate(ROLES.values()):
            asking.actor = Actor("user", whose.user_id, whose.organization, permissions=held)
            await self.set(asking)
            await add_card(rental, whose.organization, f"card_{number}", f"su_{number}", default=number == 0)
            await self.set(asking)
            page = await asking.get("/payment-methods")
            await asking.agrees(page["actions"], "add", "POST", "/payment-methods", return_path="/billing")
            added.add(page["actions"][0]["allowed"])
            for card in page["items"]:
                path = f"/payment-methods/{card['id']}"
                await asking.agrees(card["actions"], "make_default", "POST", f"{path}/default")
            await asking.agrees(page["items"][-1]["actions"], "remove", "DELETE", f"/payment-methods/{card['id']}")
        assert added == {True, False}
        await self.confirm(asking, rental, sandbox)
        await asking.close()
        assert asking.shown == WALKED[request.function.__qualname__]

    async def set(self, asking: Asking) -> None:
        """Auto top-up, turned on and off where it is offered."""
        bounds = {"currency": "USD", "threshold": "10.00", "amount": "20.00", "monthly_cap": "40.00"}
        for names, method, body in (("set", "PATCH", bounds), ("turn_off", "DELETE", {}), ("turn_off", "DELETE", {})):
            await asking.agrees((await asking.get("/auto-top-up"))["actions"], names, method, "/auto-top-up", **body)

    async def confirm(self, asking: Asking, rental: Rental, sandbox: StripeSandbox) -> None:
        """A charge of a card in each state; where its holder is asked it is a payment that waits at the processor."""
        organization = rental.actor.organization
        customer_id, method = saved_card(sandbox.client(), "4000002760003184")
        await add_card(rental, organization, "card_asks", "su_asks", customer=customer_id, method=method)
        charge: Any = {"amount": 2000, "currency": "usd", "customer": customer_id, "payment_method": method}
        with pytest.raises(stripe.CardError):
            sandbox.client().v1.payment_intents.create({**charge, "off_session": True, "confirm": True})
        [intent] = sandbox.client().v1.payment_intents.list({"customer": customer_id}).data
        for state in TopUpState:
            row = {"id": f"tu_of_card_{state.value}", "organization_id": organization, "state": state.value}
            await rental.run(ADD_CHARGED, **row)
            await rental.run(MOVE_TOP_UP, **row)
            if state is TopUpState.NEEDS_ACTION:
                await rental.run("UPDATE top_up SET payment_intent_id = :pi WHERE id = :id", pi=intent.id, id=row["id"])
            for held in ROLES.values():
                asking.actor = Actor("user", rental.actor.user_id, organization, permissions=held)
                path = f"/top-ups/{row['id']}"
                await asking.agrees((await asking.get(path))["actions"], "confirm", "POST", f"{path}/confirm")


class TestSpendingLimits:
    @walks("SpendingLimitOut", "ManagedPage_SpendingLimitOut_")
    async def test_are_offered_what_they_accept(self, database: Database, asking: Asking) -> None:
        rental = await Rental.open(database)
        running, whose = await rental.running(), rental.actor
        amount = {"amount": "5.00", "currency": "USD"}
        for limit_id, scope, subject_id in (("day", "day", None), (running, "allocation", running)):
            await rental.run(
                "INSERT INTO spending_limit (organization_id, currency, scope, subject_id, amount, set_by) "
                "VALUES (:o, 'USD', :scope, :subject_id, 1000000, 'x')",
                o=whose.organization,
                scope=scope,
                subject_id=subject_id,
            )
            for held in ROLES.values():
                asking.actor = Actor("user", whose.user_id, whose.organization, permissions=held)
                page = await asking.get("/spending-limits")
                [limit] = [one for one in page["items"] if one["id"] == limit_id]
                path = f"/spending-limits/{limit_id}"
                await asking.agrees(page["actions"], "set", "PATCH", "/spending-limits/month", **amount)
                await asking.agrees(limit["actions"], "set", "PATCH", path, **amount)
                await asking.agrees(limit["actions"], "clear", "DELETE", f"{path}?currency=USD")


WALKED_ELSEWHERE = (test_month_actions, test_notice_actions, test_operator_actions, test_payment_actions)
"""Modules that say on being loaded what they walk."""


class TestTheWalk:
    def test_is_over_everything_that_lists_actions(self, openapi: dict[str, Any]) -> None:
        assert unwalked(openapi) == set(), "ask for its actions and their commands in a test that `walks` it"
        assert set().union(*WALKED.values()) == list_actions(openapi), "walked, and lists nothing any more"

    @pytest.mark.parametrize("field", ["actions", "decisions"])
    def test_catches_a_model_whose_actions_nobody_asks_for(self, openapi: dict[str, Any], field: str) -> None:
        planted = {"properties": {field: {"items": {"$ref": "#/components/schemas/ActionOut"}, "type": "array"}}}
        models = {**openapi["components"]["schemas"], "RefundOut": planted}
        assert unwalked({"components": {"schemas": models}}) == {"RefundOut"}
