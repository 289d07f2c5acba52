"""Everybody who may ask something, in one business with something of everything in it."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from sqlalchemy import text

from sublet.approvals import approvals
from sublet.core.actors import Actor, Permission
from sublet.findings import findings
from sublet.findings.findings import Severity
from sublet.identity.operators import may_now
from sublet.identity.permissions import PLATFORM_ROLES, ROLES, TOKENS_ALWAYS, held_by
from tests.allocations.rental import Rental, pay_in
from tests.identity.public_keys import ed25519_line
from tests.support.app import Web

NOBODY = "nobody"
STRANGER = "owner of another organization"


def tomorrow() -> str:
    """When tokens of tests end."""
    return (datetime.now(UTC) + timedelta(days=1)).isoformat()


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who asks, what they hold according to the table of permissions, and how they ask."""

    name: str
    holds: frozenset[Permission]
    client: httpx.AsyncClient

    @property
    def by_token(self) -> bool:
        """Whether it is a program; everybody else has just signed in, with a password."""
        return "token: " in self.name


async def token_of(client: httpx.AsyncClient, scopes: list[str]) -> dict[str, Any]:
    """A new API token of a signed-in person."""
    body = {"name": "test", "scopes": scopes, "expires_at": tomorrow()}
    answer = await client.post("/api/v1/api-tokens", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def add_card(
    rental: Rental, organization_id: str, card_id: str, setup_id: str, *, default: bool = False, **ids: str
) -> None:
    """A saved card, and the setup that it came from."""
    await rental.run(
        "INSERT INTO card_setup (id, organization_id, installation_id, requested_by, return_path, success_url, "
        "cancel_url) VALUES (:id, :organization_id, 'ins', 'somebody', '/billing', '/', '/')",
        id=setup_id,
        organization_id=organization_id,
    )
    await rental.run(
        "UPDATE card_setup SET state = 'succeeded', setup_intent_id = id, completed_at = now() WHERE id = :id",
        id=setup_id,
    )
    await rental.run(
        "INSERT INTO saved_card (id, organization_id, card_setup_id, customer_id, payment_method_id, brand, last4, "
        "expiry_month, expiry_year, is_default) VALUES (:id, :organization_id, :setup_id, :customer, :method, "
        "'visa', '4242', 12, 2040, :default)",
        id=card_id,
        organization_id=organization_id,
        setup_id=setup_id,
        customer=ids.get("customer", "cus_nobody"),
        method=ids.get("method", f"pm_{card_id}"),
        default=default,
    )


REVERSALS = (
    "INSERT INTO refund_request (id, organization_id, top_up_id, requested_by, amount, currency, reason) "
    "SELECT 'rrq_aaaaaaaaaaaaaaaa', organization_id, id, requested_by, amount, currency, 'no' FROM top_up "
    "WHERE id = :id",
    "INSERT INTO refund (id, organization_id, top_up_id, origin, requested_by, requested_by_name, amount, currency, "
    "reason, entry_id, owed) SELECT 'rf_aaaaaaaaaaaaaaaa', organization_id, id, 'operator', 'usr_1', 'Ada', amount, "
    "currency, 'no', 1, 0 FROM top_up WHERE id = :id",
    "INSERT INTO dispute (id, processor_id, organization_id, top_up_id, amount, currency, reason, disputed_at) "
    "SELECT 'dsp_aaaaaaaaaaaaaaaa', 'du_a', organization_id, id, amount, currency, 'general', now() FROM top_up "
    "WHERE id = :id",
)
"""What went back of a top-up, or may have to."""


CHARGE = (
    "INSERT INTO usage_record (subject_id, period_start, period_end, seconds, kind, meter_kind, sku_id, node_id, "
    "evidence_at) SELECT subject_id, started_at - interval '2 seconds', started_at - interval '1 second', 1, "
    "'running', meter_kind, sku_id, node_id, started_at FROM meter WHERE subject_id = :id",
    "INSERT INTO usage_charge (subject_id, period_start, meter_kind, organization_id, currency, price_id, "
    "nano_per_hour, amount) SELECT subject_id, started_at - interval '2 seconds', meter_kind, organization_id, "
    "currency, price_id, nano_per_hour, 0 FROM meter WHERE subject_id = :id",
)
"""A charge of nothing, which is there at once: a settlement finds none before a second has been proven."""


@dataclass
class Business:
    """An organization with an owner, a running allocation, a key, a token and a top-up; operators; another tenant."""

    web: Web
    rental: Rental
    owner: httpx.AsyncClient
    me: dict[str, Any]
    ids: dict[str, str]
    secrets: dict[str, str]
    """Shown once, or never: what must be nowhere else, by what it is."""
    people: list[Person] = field(default_factory=list)

    @classmethod
    async def open(cls, web: Web) -> "Business":
        """One node, one offer, one customer with money, whose allocation `first` runs."""
        rental = await Rental.open(web.database)
        owner = await web.customer()
        me = (await owner.get("/api/v1/me")).json()
        organization_id = me["organization"]["id"]
        rental.actor = Actor(kind="user", user_id=me["user"]["id"], organization_id=organization_id, role="owner")
        await pay_in(web.database, rental.actor, "1000.00")
        launched = await owner.post(
            "/api/v1/allocations", json={"offer_id": rental.sku.id, "name": "first", "startup_script": "true"}
        )
        assert launched.status_code == 202, launched.text
        await rental.work_until(launched.json()["id"], "active")
        await rental.give_ports(30000, 30099)
        port = await owner.post("/api/v1/allocations/first/ports", json={"port": 8080, "protocol": "tcp"})
        port_id = port.json()["id"]
        key = await owner.post("/api/v1/ssh-keys", json={"name": "laptop", "public_key": ed25519_line()})
        token = await token_of(owner, ["account:read"])
        sessions = (await owner.get("/api/v1/auth/sessions")).json()["items"]
        top_up_id = "tu_aaaaaaaaaaaaaaaa"
        await rental.run(
            "INSERT INTO top_up (id, organization_id, requested_by, amount, currency, return_path, success_url, "
            "cancel_url) VALUES (:id, :organization_id, :user_id, 20000000, 'USD', '/billing', :url, :url)",
            id=top_up_id,
            organization_id=organization_id,
            user_id=me["user"]["id"],
            url=web.url,
        )
        await rental.run(
            "UPDATE top_up SET state = 'succeeded', payment_intent_id = 'pi_x', charge_id = 'ch_x', "
            "completed_at = now() WHERE id = :id",
            id=top_up_id,
        )
        await add_card(rental, organization_id, "card_aaaaaaaaaaaaaaaa", "su_aaaaaaaaaaaaaaaa")
        await rental.run(
            "INSERT INTO stripe_event (id, type, created_at, processed_at, outcome) "
            "VALUES ('evt_nobodyunderstands', 'payout.paid', now(), now(), 'unhandled')"
        )
        await rental.run(
            "INSERT INTO helper_rollout (id, version, sha256, phase, started_by) "
            "VALUES ('hro_aaaaaaaaaaaaaaaa', '0.0.1', repeat('a', 64), 'canary', 'somebody')"
        )
        await rental.run(
            "INSERT INTO helper_upgrade (rollout_id, node_id, canary, from_version) "
            "VALUES ('hro_aaaaaaaaaaaaaaaa', :node_id, true, '0.0.1')",
            node_id=rental.node_id,
        )
        await rental.run(
            "INSERT INTO promo_code (id, code, amount, currency, most_uses, expires_at, reason, made_by, made_by_name) "
            "VALUES ('prm_aaaaaaaaaaaaaaaa', 'SPRING-7Q4M-X2', 1, 'USD', 1, now() + interval '1 day', 'no', 'usr_1', "
            "'Ada')"
        )
        await rental.run(
            "INSERT INTO payout (id, processor_id, amount, currency, automatic, arrives_on, created_at) "
            "VALUES ('po_aaaaaaaaaaaaaaaa', 'po_1', 1000000, 'USD', true, now(), now())"
        )
        for statement in REVERSALS:
            await rental.run(statement, id=top_up_id)
        await rental.run(
            "INSERT INTO notice (id, user_id, organization_id, kind, cause, title, sentences, link, link_says,"
            " in_inbox, mail_wanted) VALUES ('ntc_aaaaaaaaaaaaaaaa', :user_id, :organization_id, 'wallet.low', '1-1',"
            " 'Low', '{Low}', '/', 'Home', true, false)",
            user_id=me["user"]["id"],
            organization_id=organization_id,
        )
        for statement in CHARGE:
            await rental.run(statement, id=launched.json()["id"])
        async with web.database.transaction() as session:
            finding_id = await findings.open_finding(
                session, code="test.odd", subject_type="thing", subject_id="x", severity=Severity.WARNING
            )
        ids = {
            "id_or_name": launched.json()["id"],
            "organization_id": organization_id,
            "limit_id": launched.json()["id"],
            "port_id": port_id,
            "top_up_id": top_up_id,
            "card_id": "card_aaaaaaaaaaaaaaaa",
            "card_setup_id": "su_aaaaaaaaaaaaaaaa",
            "promo_code_id": "prm_aaaaaaaaaaaaaaaa",
            "refund_id": "rf_aaaaaaaaaaaaaaaa",
            "refund_request_id": "rrq_aaaaaaaaaaaaaaaa",
            "request_id": "rrq_aaaaaaaaaaaaaaaa",
            "dispute_id": "dsp_aaaaaaaaaaaaaaaa",
            "payout_id": "po_aaaaaaaaaaaaaaaa",
            "key_id": key.json()["id"],
            "token_id": token["id"],
            "session_id": sessions[0]["id"],
            "notice_id": "ntc_aaaaaaaaaaaaaaaa",
            "charge_id": str((await rental.one("SELECT id FROM usage_charge LIMIT 1")).id),
            "node_id": rental.node_id,
            "sku_id": rental.sku.id,
            "gpu_uuid": (await rental.one("SELECT uuid FROM gpu LIMIT 1")).uuid,
            "finding_id": finding_id,
            "payment_event_id": "evt_nobodyunderstands",
            "rollout_id": "hro_aaaaaaaaaaaaaaaa",
            "month": f"{datetime.now(UTC):%Y-%m}",
            "kind": "allocation",
            "work_id": launched.json()["id"],
            "event_id": (await rental.one("SELECT xid::text || '-' || id AS id FROM outbox_event LIMIT 1")).id,
        }
        async with web.database.transaction() as session:
            asked = await approvals.request(
                session,
                replace(rental.actor, permissions=frozenset({Permission.ADMIN_NODE_MANAGE})),
                act="node.imagined",
                subject=rental.node_id,
                parameters={},
                reason="so that there is one",
                permission=Permission.ADMIN_NODE_MANAGE,
                may_now=may_now,
            )
        ids["approval_id"] = asked.id
        return cls(web, rental, owner, me, ids, {"api token": token["token"]})

    async def invite_everybody(self) -> None:
        """Nobody, every member's role, another tenant, every platform role, and a token for each single scope."""
        add = self.people.append
        add(Person(NOBODY, frozenset(), self.web.client()))
        for role in ROLES:
            add(Person(f"member: {role}", held_by(role, frozenset()), await self._member(role)))
        stranger = await self.web.customer()
        add(Person(STRANGER, held_by("owner", frozenset()), stranger))
        for role in PLATFORM_ROLES:
            add(Person(f"operator: {role}", held_by("owner", frozenset({role})), await self.web.operator(role)))
        operator = await self.web.operator()
        of_platform = frozenset.union(*PLATFORM_ROLES.values()) - ROLES["owner"]
        for whose, source, scopes in (("owner", self.owner, ROLES["owner"]), ("operator", operator, of_platform)):
            for scope in sorted(scopes):
                made = await token_of(source, [scope.value])
                add(Person(f"{whose}'s token: {scope.value}", TOKENS_ALWAYS | {scope}, self.web.client(made["token"])))

    async def _member(self, role: str) -> httpx.AsyncClient:
        if role == "owner":
            return self.owner
        client = await self.web.customer()
        user_id = (await client.get("/api/v1/me")).json()["user"]["id"]
        async with self.web.database.transaction() as session:
            for statement in (
                "INSERT INTO membership (organization_id, user_id, role) VALUES (:organization_id, :user_id, :role)",
                "UPDATE user_session SET organization_id = :organization_id WHERE user_id = :user_id",
            ):
                parameters = {"organization_id": self.ids["organization_id"], "user_id": user_id, "role": role}
                await session.execute(text(statement), parameters)
        return client
