"""Operators who ask for and decide on approvals of one imagined act."""

from dataclasses import dataclass, field
from typing import Any

import psycopg
from sqlalchemy import text

from sublet.approvals import approvals
from sublet.approvals.approvals import Approval
from sublet.core.actors import Actor, Permission, Strength
from sublet.core.db import Database
from sublet.identity.operators import may_now
from sublet.identity.permissions import held_by

ACT = {"act": "allocation.force_release", "subject": "al_aaaaaaaaaaaaaaaa", "parameters": {"wipe": True, "after": 60}}
"""What is approved in most tests."""
ASKED = {**ACT, "reason": "the node burnt down"}
"""The same, and why: together they are what somebody agrees to."""


@dataclass
class Desk:
    """A test's database, and the people at it."""

    database: Database
    owner_url: str
    people: dict[str, Actor] = field(default_factory=dict)

    async def operator(self, name: str, *roles: str) -> Actor:
        """An operator with platform roles (fleet unless given); the same one for the same name."""
        if name not in self.people:
            held = frozenset(roles or ("fleet",))
            user_id = f"usr_{name.lower()}"
            # They never sign in, so that nothing has to work a password out.
            row = "(:id, :id || '@operator.example', :name, '$argon2id$', :roles)"
            async with self.database.transaction() as session:
                await session.execute(
                    text(f"INSERT INTO user_account (id, email, name, password_hash, platform_roles) VALUES {row}"),
                    {"id": user_id, "name": name, "roles": sorted(held)},
                )
            self.people[name] = Actor(
                kind="user",
                user_id=user_id,
                name=name,
                platform_roles=held,
                permissions=held_by(None, held),
                strength=Strength.PASSWORD,
            )
        return self.people[name]

    async def request(self, name: str = "Ada", **changes: Any) -> Approval:
        """Ask for the act's approval."""
        wanted = {**ASKED, "permission": Permission.ADMIN_NODE_MANAGE}
        actor = await self.operator(name)
        async with self.database.transaction() as session:
            return await approvals.request(session, actor, **{**wanted, **changes}, may_now=may_now)

    async def approve(self, approval_id: str, name: str = "Bob") -> Approval:
        """Agree."""
        actor = await self.operator(name)
        async with self.database.transaction() as session:
            return await approvals.approve(session, actor, approval_id, reason="I saw the smoke")

    async def reject(self, approval_id: str, name: str = "Bob") -> Approval:
        """Refuse."""
        actor = await self.operator(name)
        async with self.database.transaction() as session:
            return await approvals.reject(session, actor, approval_id, reason="there is no smoke")

    async def consume(self, name: str = "Ada", **changes: Any) -> Approval:
        """Do the act."""
        actor = await self.operator(name)
        async with self.database.transaction() as session:
            return await approvals.consume(session, actor, **{**ASKED, **changes}, may_now=may_now)

    async def approved(self) -> Approval:
        """What Ada asked for, and Bob approved."""
        return await self.approve((await self.request()).id)

    def run(self, sql: str) -> None:
        """Change the database behind Sublet's back, as the owner of the schema."""
        with psycopg.connect(self.owner_url) as owner:
            owner.execute(sql)  # type: ignore[arg-type]  # constants of tests

    async def expire_due(self) -> int:
        """What a worker does once a minute."""
        async with self.database.transaction() as session:
            return await approvals.expire_due(session)

    async def rows(self, sql: str) -> list[Any]:
        """What a query finds."""
        async with self.database.reading() as session:
            return list((await session.execute(text(sql))).all())
