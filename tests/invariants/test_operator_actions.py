"""What operators are offered is accepted, and nothing else: each action and its command, on one row in one state."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from sublet.approvals.approvals import Approval
from sublet.approvals.states import ApprovalState
from sublet.core.actors import FRESH_SECONDS, Actor, Permission, Strength, system_actor
from sublet.core.db import Database
from sublet.core.ids import new_id
from sublet.core.money import Money
from sublet.core.settings import SecretRef
from sublet.findings.findings import Severity, close_finding, open_finding
from sublet.findings.launches import STOP_CODE, STOP_SUBJECT
from sublet.fleet import helper_rollouts
from sublet.fleet.states import GpuState, NodeState
from sublet.identity.permissions import PLATFORM_ROLES, ROLES
from sublet.ledger import top_ups
from sublet.payments.disputes.states import DisputeState
from sublet.payments.refund_requests.states import RefundRequestState
from sublet.payments.refund_requests.states import move as move_request
from tests.allocations.rental import Rental, customer, offer
from tests.approvals.desk import Desk
from tests.scheduling.fleet_rows import add_node, set_gpu_state
from tests.support.asking import Asking, walks

pytestmark = pytest.mark.anyio

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

ADD_TOP_UP = """
INSERT INTO top_up (id, organization_id, requested_by, amount, currency, return_path, success_url, cancel_url)
VALUES (:id, :organization_id, 'usr_somebody', 20000000, 'USD', '/billing', 'https://a.test', 'https://b.test')
"""


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
    @walks("HelperVersionsOut", "RolloutOut", "DriftedNodeOut")
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
            [drifted] = (await asking.get("/admin/helper-drift"))["items"]
            await asking.agrees(drifted["actions"], "upgrade_first", "POST", place, canary=node_id)
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
                price = {
                    "sku_id": sku.id,
                    "per_hour": "0.50",
                    "suspended_claim": "always",
                    "suspended_per_hour": "0.05",
                    "currency": "USD",
                }
                await asking.agrees(actions, "set_price", "POST", "/admin/prices", **price)
                assert len(actions) == 4
                page = await asking.get("/admin/skus")
                assert [one["actions"] for one in page["items"] if one["id"] == sku.id] == [actions]
                listed = page["actions"]
                shape = {"name": "New", "vcpu": 1, "memory_mib": 512, "disk_gib": 5}
                await asking.agrees(listed, "create", "POST", "/admin/skus", code="new", **shape)
                assert len(listed) == 1


class TestFindings:
    @walks("StoredFindingOut", "FindingDetailOut")
    async def test_are_offered_what_they_accept(self, database: Database, asking: Asking) -> None:
        owner = await customer(database)
        async with database.transaction() as session:
            await session.execute(text(ADD_TOP_UP), {"id": "tu_settled", "organization_id": owner.organization})
            for statement in (ADD_DISPUTE, "UPDATE dispute SET state = 'open' WHERE top_up_id = 'tu_settled'"):
                await session.execute(text(statement))
            for kind, (code, subject_type, subject_id) in FINDINGS.items():
                about = {"code": code, "subject_type": subject_type, "subject_id": subject_id or owner.organization}
                await open_finding(session, **about, severity=Severity.CRITICAL)
                if kind == "closed":
                    await close_finding(session, **about)
        offered = {}
        for role, held in PLATFORM_ROLES.items():
            asking.actor = Actor("user", "usr_operator", None, permissions=held)
            for one in (await asking.get("/admin/findings"))["items"]:
                assert (await asking.get(f"/admin/findings/{one['id']}"))["actions"] == one["actions"]
                path = f"/admin/findings/{one['id']}/resolve"
                await asking.agrees(one["actions"], "assign", "POST", path.replace("resolve", "assign"), owner_id=None)
                await asking.agrees(one["actions"], "resolve", "POST", path, reason="looked at it")
                offered[role, one["code"], one["until"] is None] = one["actions"][0]["allowed"]
        assert {about for about, allowed in offered.items() if allowed} == {
            (role, code, True) for role in ("finance", "admin") for code in ("payments.taken_back", "books.odd")
        }


class TestDisputes:
    @walks("DisputeOut")
    @pytest.mark.parametrize("is_set_up", [True, False], ids=["a processor", "no processor"])
    async def test_are_offered_an_answer_where_it_is_accepted(
        self, database: Database, undoing: Database, tmp_path: Path, is_set_up: bool
    ) -> None:
        """Nobody is asked at the processor: an answer that is accepted is undone."""
        (tmp_path / "key").write_text("sk_test_of_nobody")
        key = {"stripe_api_key": SecretRef(f"file:{tmp_path / 'key'}")} if is_set_up else {}
        asking, owner, offered = Asking(undoing, tmp_path, **key), await customer(database), set()
        async with database.transaction() as session:
            for state in DisputeState:
                row = {"id": f"tu_{state.value}", "organization_id": owner.organization}
                await session.execute(text(ADD_TOP_UP), row)
                await session.execute(text(DISPUTE_OF), {"state": state.value, **row})
                if state is not DisputeState.SEEN:
                    decided = state in (DisputeState.CLOSED, DisputeState.WON, DisputeState.LOST)
                    await session.execute(text(DISPUTE_IN), {"state": state.value, "decided": decided, **row})
        for role, held in PLATFORM_ROLES.items():
            asking.actor = Actor("user", "usr_operator", None, permissions=held)
            for one in (await asking.get("/admin/disputes"))["items"]:
                assert (await asking.get(f"/admin/disputes/{one['id']}"))["actions"] == one["actions"]
                await asking.agrees(
                    one["actions"], "answer", "POST", f"/admin/disputes/{one['id']}/evidence", note="all of it"
                )
                if one["actions"][0]["allowed"]:
                    offered.add((role, one["state"]))
        await asking.close()
        waits = {"inquiry", "open"} if is_set_up else set()
        assert offered == {(role, state) for role in ("finance", "admin") for state in waits}
        assert "DisputeOut" in asking.shown


DISPUTE_OF = """
INSERT INTO dispute (id, processor_id, organization_id, top_up_id, amount, currency, reason, disputed_at)
VALUES ('dsp_' || :state, 'du_' || :state, :organization_id, :id, 1000000, 'USD', 'general', now())
"""
DISPUTE_IN = """
UPDATE dispute SET state = :state, decided_at = CASE WHEN :decided THEN now() END WHERE top_up_id = :id
"""

ADD_DISPUTE = """
INSERT INTO dispute (id, processor_id, organization_id, top_up_id, amount, currency, reason, disputed_at)
SELECT 'dsp_open', 'du_open', organization_id, id, amount, currency, 'general', now()
  FROM top_up WHERE id = 'tu_settled'
"""

ARRIVED = """
UPDATE top_up SET state = 'succeeded', payment_intent_id = :id, charge_id = :id, completed_at = clock_timestamp(),
                  credited = amount WHERE id = :id
"""
REFUND_REQUEST = """
INSERT INTO refund_request (id, organization_id, top_up_id, requested_by, amount, currency, reason)
VALUES (:id, :organization_id, :id, 'usr_1', 1000000, 'USD', 'not wanted')
"""


class TestRefundRequests:
    @walks("RefundRequestOut")
    async def test_are_offered_what_they_accept_in_every_state(self, database: Database, asking: Asking) -> None:
        owner = await customer(database, "0.00")
        twenty, offered = Money.parse("20", "USD"), set()
        async with database.transaction() as session:
            for state in RefundRequestState:
                row = {"id": f"tu_{state.value}", "organization_id": owner.organization}
                await session.execute(text(ADD_TOP_UP), row)
                await session.execute(text(ARRIVED), row)
                of_it = {"payment_intent_id": row["id"], "charge_id": row["id"], "source_id": row["id"]}
                await top_ups.credit(session, owner.organization, twenty, **of_it)
                await session.execute(text(REFUND_REQUEST), row)
                if state is not RefundRequestState.REQUESTED:
                    await move_request(session, owner, row["id"], state, reason="so be it")
        holders = [("", role, held) for role, held in ROLES.items()]
        holders += [("/admin", f"platform {role}", held) for role, held in PLATFORM_ROLES.items()]
        for area, role, held in holders:
            asking.actor = Actor("user", owner.user_id, owner.organization, permissions=held)
            for one in (await asking.get(f"{area}/refund-requests"))["items"]:
                for action in one["actions"]:
                    body = {} if action["name"] == "withdraw" else {"decision": "so be it"}
                    path = f"{area}/refund-requests/{one['id']}/{action['name']}"
                    await asking.agrees(one["actions"], action["name"], "POST", path, **body)
                    if action["allowed"]:
                        offered.add((role, one["state"], action["name"]))
        payers = {(role, "requested", "withdraw") for role in ("owner", "admin", "billing")}
        deciders = {("platform finance", "requested", act) for act in ("grant", "decline")}
        assert offered == payers | deciders | {("platform admin", "requested", act) for act in ("grant", "decline")}


PROMO_CODE = (
    "INSERT INTO promo_code "
    "(id, code, amount, currency, most_uses, expires_at, reason, made_by, made_by_name, ended_at) "
    "VALUES ('prm_' || :name, upper(:name) || '-7Q4M-X2', 1, 'USD', 1, now() + interval '1 day', 'a fair', 'usr', "
    "'Ada', CASE WHEN :name = 'ended' THEN now() END)"
)


class TestPromoCodes:
    @walks("ManagedPage_PromoCodeOut_", "PromoCodeOut", "ManagedPage_GrantOut_")
    async def test_and_credit_are_given_by_who_may(self, database: Database, asking: Asking) -> None:
        whose, offered = await customer(database), set()
        gives = {"amount": "5.00", "currency": "USD", "valid_days": 30, "reason": "a fair"}
        for role, held in PLATFORM_ROLES.items():
            asking.actor = Actor("user", whose.user_id, permissions=held)
            if Permission.ADMIN_CREDIT_READ not in held:
                continue
            for path, name, more in (
                ("/admin/credits", "grant", {"organization_id": whose.organization}),
                ("/admin/promo-codes", "create", {"code": "AUTUMN-7Q4M", "most_uses": 2, "days": 7}),
            ):
                [action] = (await asking.get(path))["actions"]
                await asking.agrees([action], name, "POST", path, **gives, **more)
                if action["allowed"]:
                    offered.add((role, name))
        assert offered == {(role, name) for role in ("finance", "admin") for name in ("grant", "create")}

    @walks("ManagedPage_CreditOut_")
    async def test_are_redeemed_by_who_may(self, database: Database, asking: Asking) -> None:
        whose = await customer(database)
        async with database.transaction() as session:
            await session.execute(text(PROMO_CODE), {"name": "running"})
            code = (await session.execute(text("SELECT code FROM promo_code"))).scalar_one()
        for held in ROLES.values():
            asking.actor = Actor("user", whose.user_id, whose.organization, permissions=held)
            if Permission.WALLET_READ in held:
                actions = (await asking.get("/credits"))["actions"]
                await asking.agrees(actions, "redeem", "POST", "/promo-codes/redeem", code=code)

    @walks("ManagedPage_PromoCodeOut_", "PromoCodeOut")
    async def test_are_ended_once_by_who_may(self, database: Database, asking: Asking) -> None:
        offered = set()
        async with database.transaction() as session:
            for name in ("running", "ended"):
                await session.execute(text(PROMO_CODE), {"name": name})
        for role, held in PLATFORM_ROLES.items():
            asking.actor = Actor("user", "usr", permissions=held)
            for one in (await asking.get("/admin/promo-codes"))["items"]:
                await asking.agrees(one["actions"], "end", "POST", f"/admin/promo-codes/{one['id']}/end")
                if one["actions"][0]["allowed"]:
                    offered.add((role, one["id"]))
        assert offered == {("finance", "prm_running"), ("admin", "prm_running")}


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
