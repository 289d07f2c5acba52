"""What is offered is accepted, and nothing else: each action and its command, asked about the same row in one state."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from sublet.allocations.states import AllocationState
from sublet.allocations.terminal import terminal_target
from sublet.approvals.approvals import Approval
from sublet.approvals.states import ApprovalState
from sublet.billing.standing import standing
from sublet.core.actors import FRESH_SECONDS, Actor, Permission, Strength, system_actor
from sublet.core.db import Database
from sublet.core.ids import new_id
from sublet.core.runtime import keyring_of
from sublet.core.settings import SecretRef
from sublet.findings.findings import Severity, close_finding, open_finding
from sublet.findings.launches import STOP_CODE, STOP_SUBJECT
from sublet.fleet import helper_rollouts
from sublet.fleet.ca import CertificateAuthority
from sublet.fleet.states import GpuState, NodeState
from sublet.identity import api_tokens, ssh_keys
from sublet.identity.permissions import PLATFORM_ROLES, ROLES
from sublet.payments.top_ups.states import TopUpState
from tests.allocations.rental import Rental, customer, offer
from tests.approvals.desk import Desk
from tests.identity.house import token_body
from tests.identity.public_keys import ed25519_line
from tests.sandbox.stripe.process import API_KEY, StripeSandbox
from tests.scheduling.fleet_rows import add_node, set_gpu_state
from tests.support.app import settings_for
from tests.support.asking import WALKED, Asking, Undoing, list_actions, unwalked, walks
from tests.support.policy import DEFAULT_POLICY

pytestmark = pytest.mark.anyio

P = Permission
MANAGES, CONNECTS = P.ALLOCATION_MANAGE, P.ALLOCATION_CONNECT
HOLDS = {
    "neither manages nor connects": frozenset({P.ALLOCATION_READ}),
    "manages": frozenset({P.ALLOCATION_READ, MANAGES}),
    "connects": frozenset({P.ALLOCATION_READ, CONNECTS}),
    "manages and connects": frozenset({P.ALLOCATION_READ, MANAGES, CONNECTS}),
}
"""Everything that roles and scopes of tokens can come to, as far as allocations go."""


@pytest.fixture
async def undoing(app_url: str) -> AsyncIterator[Database]:
    database = Undoing(app_url)
    yield database
    await database.close()


@pytest.fixture
async def asking(
    database: Database, undoing: Database, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Asking]:
    asking = Asking(undoing, tmp_path)
    await CertificateAuthority(database, keyring_of(settings_for(tmp_path))).ensure()
    yield asking
    await asking.close()
    assert asking.shown == WALKED[request.function.__qualname__]


async def one_in_every_state(rental: Rental) -> dict[str, str]:
    """An allocation in every state, and on the way from one to another; by what is the case with each."""
    ran = ("active", "being suspended", "being suspended for lack of funds", "lost", "releasing", "release failed")
    slept = ("suspended", "suspended for lack of funds", "being resumed")
    lost = ("lost while suspended", "lost while suspended for lack of funds")
    rows = {case: await rental.running() for case in (*ran, *slept, *lost, "released")}
    for case in (*slept, *lost):
        await rental.suspend(rows[case])
    await rental.release(rows["released"])
    for case in (*slept, *lost):
        await rental.work_until(rows[case], "suspended")
    await rental.work_until(rows["released"], "released")
    # From here on nobody works on them any more.
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
    """The wallet full, launches stopped, in its grace, used up, and with less than what one more allocation takes."""
    organization = rental.actor.organization
    yield "plenty"
    stop: dict[str, Any] = {"code": STOP_CODE, "subject_type": STOP_SUBJECT, "subject_id": organization}
    async with rental.database.transaction() as session:
        await open_finding(session, **stop, severity=Severity.CRITICAL)
    yield "stopped"
    async with rental.database.transaction() as session:
        await close_finding(session, **stop)
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


OPERATORS = [PLATFORM_ROLES[role] for role in ("fleet", "support")]
"""One who manages nodes, and one who only sees them."""

NODE_ACTS: dict[str, tuple[str, dict[str, Any]]] = {
    "cordon": ("cordon", {}),
    "uncordon": ("uncordon", {}),
    "drain": ("drain", {"reason": "for a test", "deadline_seconds": 60, "credit_seconds": 0}),
    "stop_drain": ("stop-drain", {"reason": "for a test"}),
    "maintain": ("maintenance", {"reason": "for a test"}),
    "quarantine": ("quarantine", {"reason": "for a test"}),
    "self_test": ("self-test", {}),
    "put_back": ("put-back", {"reason": "for a test"}),
    "retire": ("retire", {"reason": "for a test"}),
    "force_release": ("force-release", {"reason": "for a test", "credit_seconds": 0}),
    "join_token": ("join-token", {}),
    "set_ports": ("ports", {"range": None}),
}
NODE_ACTIONS = {*NODE_ACTS, "change", "remove", "clear_gpu", "quarantine_gpu"}
DRAINED = text(
    "INSERT INTO node_drain (id, node_id, reason, begun_by, deadline_at, credit_seconds) "
    "VALUES (:id, :node_id, 'for a test', 'test', clock_timestamp() + interval '1 h', 0)"
)
TESTED = text("UPDATE node SET self_tested_at = clock_timestamp() WHERE id = :node_id")
RESUMES_AS = text("UPDATE node SET resumes_as = :resumes_as WHERE id = :node_id")
LIVED_ON = text(
    "UPDATE claim SET during = tstzrange(lower(during), clock_timestamp()) WHERE subject_id = :id AND upper_inf(during)"
)
LIVES_ON = text(
    "INSERT INTO claim (id, subject_id, node_id, sku_id, vcpu, memory_mib, disk_gib, gpu_count, during) "
    "SELECT 'clm_' || right(:node_id, 16), :id, :node_id, sku_id, 1, 1, 1, 0, tstzrange(clock_timestamp(), NULL) "
    "FROM claim WHERE subject_id = :id LIMIT 1"
)
OFF_OFFER = text("UPDATE sku SET active = false WHERE id = :id")


OF_ROLES = {"neither manages nor connects", "manages and connects"}


class TestAllocations:
    @walks("AllocationOut")
    async def test_are_offered_what_they_accept_in_every_state(self, database: Database, asking: Asking) -> None:
        rental = await Rental.open(database)
        await add_node(database, "south", vcpu=16, memory_mib=65536)
        await rental.give_ports(30000, 30099)
        rows = await one_in_every_state(rental)
        key = ed25519_line()

        async def agree(allocation_id: str) -> set[str]:
            path = f"/allocations/{allocation_id}"
            actions = (await asking.get(path))["actions"]
            await asking.agrees(actions, "release cancel", "POST", f"{path}/release")
            await asking.agrees(actions, "suspend", "POST", f"{path}/suspend")
            await asking.agrees(actions, "resume", "POST", f"{path}/resume")
            await asking.agrees(actions, "restart_elsewhere", "POST", f"{path}/restart-elsewhere")
            await asking.agrees(actions, "publish_port", "POST", f"{path}/ports", port=80, protocol="tcp")
            await asking.agrees(actions, "ssh", "POST", f"{path}/ssh-certificates", public_key=key)
            allowed = {action["name"] for action in actions if action["allowed"]}
            async with database.reading() as session:
                target = await terminal_target(session, asking.actor, allocation_id)
            assert ("terminal" in allowed) == (target.closed is None and asking.actor.can(CONNECTS))
            assert len(actions) == 8
            return allowed

        resumable: dict[str, set[str]] = {}
        async for funds in funds_of_every_kind(rental, rows["active"]):
            for who, held in HOLDS.items():
                if funds != "plenty" and who not in OF_ROLES:
                    continue  # no role, only a token comes to this
                asking.actor = Actor("user", rental.actor.user_id, rental.actor.organization, permissions=held)
                allowed = await asyncio.gather(*(agree(allocation_id) for allocation_id in rows.values()))
                offered = {case for case, names in zip(rows, allowed, strict=True) if "resume" in names}
                if offered:
                    resumable[funds] = offered
        # Each kind of funds decides something: the walk is over what it says.
        suspended = {case for case in rows if case.startswith(("suspended", "lost while"))}
        assert resumable == {"plenty": suspended}

    def test_are_asked_with_whatever_a_role_holds(self) -> None:
        known = {held & {P.ALLOCATION_READ, MANAGES, CONNECTS} for held in ROLES.values()}
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
        assert {code for funds, code in codes if funds in {"grace", "suspended"}} == refused


class TestNodes:
    @walks("ManagedPage_NodeOut_", "NodeOut", "NodeDetailOut")
    async def test_are_offered_what_they_accept_in_every_state(self, database: Database, asking: Asking) -> None:
        for held in OPERATORS:
            asking.actor = Actor("user", "usr_operator", None, permissions=held)
            listed = await asking.get("/admin/nodes")
            assert [action["name"] for action in listed["actions"]] == ["add"]
            new = {"name": "new", "address": "192.0.2.77"}
            await asking.agrees(listed["actions"], "add", "POST", "/admin/nodes", **new)
        rental = await Rental.open(database)
        running = await rental.running()
        for state in NodeState:
            node_id = await add_node(database, f"node-{state.value}", state=state.value)
            for resumes_as in ("ready", "cordoned", "draining", "maintenance"):
                async with database.transaction() as session:
                    await session.execute(RESUMES_AS, {"resumes_as": resumes_as, "node_id": node_id})
                    if resumes_as == "draining":
                        await session.execute(DRAINED, {"id": new_id("drn"), "node_id": node_id})
                    if resumes_as == "maintenance":
                        await session.execute(TESTED, {"node_id": node_id})
                        # Something lives there from here on.
                        await session.execute(LIVED_ON, {"id": running})
                        await session.execute(LIVES_ON, {"node_id": node_id, "id": running})
                for held in OPERATORS:
                    asking.actor = Actor("user", rental.actor.user_id, None, permissions=held)
                    path = f"/admin/nodes/{node_id}"
                    actions = (await asking.get(path))["actions"]
                    for name, (verb, body) in NODE_ACTS.items():
                        await asking.agrees(actions, name, "POST", f"{path}/{verb}", **body)
                    await asking.agrees(actions, "change", "PATCH", path, port=2022)
                    await asking.agrees(actions, "remove", "DELETE", path)
                    assert {action["name"] for action in actions} == NODE_ACTIONS
                    listed = (await asking.get("/admin/nodes"))["items"]
                    assert [one["actions"] for one in listed if one["id"] == node_id] == [actions]

    @walks("NodeDetailOut")
    async def test_are_offered_to_clear_a_gpu_where_that_is_accepted(self, database: Database, asking: Asking) -> None:
        for state in GpuState:
            node_id = await add_node(database, f"node-{state.value}", gpus=["A"])
            gpu = f"GPU-node-{state.value}-0"
            await set_gpu_state(database, gpu, state.value)
            for held in OPERATORS:
                asking.actor = Actor("user", "usr_operator", None, permissions=held)
                path = f"/admin/nodes/{node_id}"
                actions, reason = (await asking.get(path))["actions"], "looked at it"
                clear = f"{path}/gpus/{gpu}/clear"
                await asking.agrees(actions, "clear_gpu", "POST", clear, words=False, reason=reason)
                quarantine = f"{path}/gpus/{gpu}/quarantine"
                await asking.agrees(actions, "quarantine_gpu", "POST", quarantine, words=False, reason=reason)


OTHER_HELPER = text(
    "UPDATE node SET helper_version = '0.2.0', helper_sha256 = repeat('a', 64), verified_at = now() WHERE id = :id"
)


class TestHelpers:
    @walks("HelperVersionsOut", "RolloutOut")
    async def test_are_offered_what_they_accept_before_during_and_after_a_rollout(
        self, database: Database, asking: Asking
    ) -> None:
        node_id = await add_node(database, "north")
        await self.agrees(asking, node_id, "upgrade")
        async with database.transaction() as session:
            await session.execute(OTHER_HELPER, {"id": node_id})
        await self.agrees(asking, node_id, "upgrade")
        async with database.transaction() as session:
            rollout = await helper_rollouts.start(session, system_actor("test"), node_id)
        await self.agrees(asking, node_id, "upgrade", "stop")
        async with database.transaction() as session:
            await helper_rollouts.stop(session, system_actor("test"), rollout.id, reason="enough")
        await self.agrees(asking, node_id, "upgrade", "stop")

    async def agrees(self, asking: Asking, node_id: str, *names: str) -> None:
        for held in OPERATORS:
            asking.actor = Actor("user", "usr_operator", None, permissions=held)
            shown = await asking.get("/admin/helper-versions")
            rollout = shown["rollout"] or {"actions": []}
            assert [action["name"] for action in (*shown["actions"], *rollout["actions"])] == [*names]
            place = "/admin/helper-rollouts"
            # That no node has another helper is said of the one that is named, in words of its own.
            await asking.agrees(shown["actions"], "upgrade", "POST", place, words=False, canary=node_id)
            if "stop" in names:
                await asking.agrees(
                    rollout["actions"], "stop", "POST", f"{place}/{rollout['id']}/stop", reason="enough"
                )


class TestSkus:
    @walks("ManagedPage_ManagedSkuOut_", "ManagedSkuOut")
    async def test_are_offered_what_they_accept(self, database: Database, asking: Asking) -> None:
        for active in (True, False):
            sku = await offer(database, f"sku-{active}".lower())
            if not active:
                async with database.transaction() as session:
                    await session.execute(OFF_OFFER, {"id": sku.id})
            for held in {PLATFORM_ROLES[role] for role in ("finance", "support")}:
                asking.actor = Actor("user", "usr_operator", None, permissions=held)
                path = f"/admin/skus/{sku.id}"
                actions = (await asking.get(path))["actions"]
                await asking.agrees(actions, "activate", "PATCH", path, active=True)
                await asking.agrees(actions, "deactivate", "PATCH", path, active=False)
                await asking.agrees(actions, "rename", "PATCH", path, name="Renamed")
                price = {"sku_id": sku.id, "per_hour": "0.50", "currency": "USD"}
                await asking.agrees(actions, "set_price", "POST", "/admin/prices", **price)
                assert len(actions) == 4
                page = await asking.get("/admin/skus")
                assert [one["actions"] for one in page["items"] if one["id"] == sku.id] == [actions]
                listed = page["actions"]
                shape = {"name": "New", "vcpu": 1, "memory_mib": 512, "disk_gib": 5}
                await asking.agrees(listed, "create", "POST", "/admin/skus", code="new", **shape)
                assert len(listed) == 1


class TestFindings:
    @walks("StoredFindingOut")
    async def test_are_offered_what_they_accept(self, database: Database, asking: Asking) -> None:
        owner = await customer(database)
        async with database.transaction() as session:
            await session.execute(text(ADD_TOP_UP), {"id": "tu_settled", "organization_id": owner.organization})
            for kind, (code, subject_type, subject_id) in FINDINGS.items():
                about = {"code": code, "subject_type": subject_type, "subject_id": subject_id or owner.organization}
                await open_finding(session, **about, severity=Severity.CRITICAL)
                if kind == "closed":
                    await close_finding(session, **about)
        offered = {}
        for role, held in PLATFORM_ROLES.items():
            asking.actor = Actor("user", "usr_operator", None, permissions=held)
            for one in (await asking.get("/admin/findings"))["items"]:
                path = f"/admin/findings/{one['id']}/resolve"
                await asking.agrees(one["actions"], "resolve", "POST", path, reason="looked at it")
                offered[role, one["code"], one["until"] is None] = one["actions"][0]["allowed"]
        assert {about for about, allowed in offered.items() if allowed} == {
            (role, code, True) for role in ("finance", "admin") for code in ("payments.taken_back", "books.odd")
        }


FINDINGS = {
    "a stop with something unsettled": (STOP_CODE, STOP_SUBJECT, None),
    "what is unsettled": ("payments.taken_back", "top_up", "tu_settled"),
    "of no consequence": ("books.odd", "wallet", "w_1"),
    "closed": ("books.old", "wallet", "w_1"),
}

SIGNED_IN = {
    "just now": {"strength": Strength.PASSWORD, "confirmed_seconds_ago": FRESH_SECONDS},
    "a while ago": {"strength": Strength.PASSWORD, "confirmed_seconds_ago": FRESH_SECONDS + 1},
    "with a token": {"strength": Strength.TOKEN, "confirmed_seconds_ago": None},
}


async def one_approval_in_every_state(desk: Desk) -> dict[str, Approval]:
    """What Ada asked for, by where it stands; one is over that nobody has expired yet."""
    over = {"expires_seconds": 0.001}
    asked = {"expired": await desk.request(subject="expired", **over)}
    while not await desk.expire_due():
        pass  # a millisecond at most
    for state in ("requested", "approved", "rejected", "used"):
        asked[state] = await desk.request(subject=state)
    await desk.approve(asked["approved"].id)
    await desk.reject(asked["rejected"].id)
    await desk.approve(asked["used"].id)
    await desk.consume(subject="used")
    assert asked.keys() == set(ApprovalState)
    return {**asked, "over": await desk.request(subject="over", **over)}


class TestApprovals:
    @walks("ApprovalOut")
    async def test_are_offered_what_they_accept_in_every_state(
        self, database: Database, owner_url: str, asking: Asking
    ) -> None:
        desk = Desk(database, owner_url)
        rows = await one_approval_in_every_state(desk)
        people = {name: desk.people[name] for name in ("Ada", "Bob")}

        async def agree(state: str) -> list[tuple[str, str]]:
            path = f"/admin/approvals/{rows[state].id}"
            actions = (await asking.get(path))["actions"]
            assert [action["name"] for action in actions] == ["approve", "reject"]
            for decision in ("approve", "reject"):
                await asking.agrees(actions, decision, "POST", f"{path}/{decision}", reason="I saw the smoke")
            return [(state, action["name"]) for action in actions if action["allowed"]]

        offered: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
        for name, person in people.items():
            for role, held in PLATFORM_ROLES.items():
                for signed_in, how in SIGNED_IN.items():
                    asking.actor = replace(person, permissions=held, **how)
                    answers = await asyncio.gather(*(agree(state) for state in rows))
                    allowed = [decision for answer in answers for decision in answer]
                    if allowed:
                        offered[name, role, signed_in] = allowed
        both = [("requested", "approve"), ("requested", "reject")]
        assert offered == {
            ("Bob", role, signed_in): both if signed_in == "just now" else both[1:]
            for role in ("fleet", "admin")
            for signed_in in SIGNED_IN
        }


ADD_TOP_UP = """
INSERT INTO top_up (id, organization_id, requested_by, amount, currency, return_path, success_url, cancel_url)
VALUES (:id, :organization_id, 'usr_somebody', 20000000, 'USD', '/billing', 'https://a.test', 'https://b.test')
"""
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


class TestTheWalk:
    def test_is_over_everything_that_lists_actions(self, openapi: dict[str, Any]) -> None:
        assert unwalked(openapi) == set(), "ask for its actions and their commands in a test that `walks` it"
        assert set().union(*WALKED.values()) == list_actions(openapi), "walked, and lists nothing any more"

    @pytest.mark.parametrize("field", ["actions", "decisions"])
    def test_catches_a_model_whose_actions_nobody_asks_for(self, openapi: dict[str, Any], field: str) -> None:
        planted = {"properties": {field: {"items": {"$ref": "#/components/schemas/ActionOut"}, "type": "array"}}}
        models = {**openapi["components"]["schemas"], "RefundOut": planted}
        assert unwalked({"components": {"schemas": models}}) == {"RefundOut"}
