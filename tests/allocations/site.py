"""A rental business whose node is led through its life over the API: its operator, its customer, its workers."""

from typing import Any

import httpx
from sqlalchemy import text

from sublet.core.outbox import StoredEvent
from sublet.core.work.reconciler import Reconciler
from sublet.entry.subscriptions import subscriptions
from sublet.fleet import drains, trial
from sublet.fleet.work import TRIAL
from tests.allocations.rental import Rental
from tests.support.app import Web
from tests.support.policy import DEFAULT_POLICY
from tests.support.work import look_at

HANDLERS = subscriptions(DEFAULT_POLICY)
REASON = {"reason": "a fan is loud"}


class Site:
    """A node with an offer, its operator, and its customer."""

    def __init__(self, web: Web, rental: Rental, operator: httpx.AsyncClient) -> None:
        self.web, self.rental, self.operator = web, rental, operator
        self.node = rental.backend.node(rental.node_id)
        self.delivered = 0

    @classmethod
    async def open(cls, web: Web) -> "Site":
        site = cls(web, await Rental.open(web.database), await web.operator("fleet"))
        enforced = (
            '[{"name": "cpu", "enforced": true, "detail": ""}, {"name": "memory", "enforced": true, "detail": ""}'
        )
        enforced += ', {"name": "network_deny", "enforced": true, "detail": ""}]'
        await site.rental.run(
            "UPDATE node SET verified_at = clock_timestamp(), capabilities = CAST(:c AS jsonb)", c=enforced
        )
        return site

    async def ask(self, act: str, **body: Any) -> httpx.Response:
        path = f"/api/v1/admin/nodes/{self.rental.node_id}/{act}"
        return await self.operator.post(path, json=body)

    async def do(self, act: str, **body: Any) -> str:
        """Do it; the state of the node then."""
        answer = await self.ask(act, **body)
        assert answer.is_success, answer.text
        return str(answer.json()["state"])

    async def refused(self, act: str, **body: Any) -> str:
        """Why it is not done."""
        answer = await self.ask(act, **body)
        assert answer.status_code == 409, answer.text
        return str(answer.json()["detail"])

    async def shown(self) -> dict[str, Any]:
        answer = await self.operator.get(f"/api/v1/admin/nodes/{self.rental.node_id}")
        return dict(answer.json())

    async def work(self) -> None:
        """A worker does what the node is to be tried for."""
        worker = Reconciler(self.web.database, [trial.work(self.rental.backend)])
        assert await look_at(worker, TRIAL, self.rental.node_id)

    async def available(self) -> int:
        [item] = (await self.operator.get("/api/v1/offers")).json()["items"]
        return int(item["available"])

    async def audited(self, action: str) -> dict[str, Any]:
        [told] = await self.rental.all("SELECT after FROM audit_event WHERE action = :action", action=action)
        return dict(told)

    async def deliver(self) -> None:
        """Hand every event to whoever waits for it, and what follows from that, as a worker does; each but once."""
        while True:
            async with self.web.database.transaction() as session:
                statement = text("SELECT * FROM outbox_event WHERE id > :after ORDER BY id")
                rows = (await session.execute(statement, {"after": self.delivered})).all()
            if not rows:
                return
            self.delivered = rows[-1].id
            for row in rows:
                event = StoredEvent(
                    id=str(row.id), type=row.type, time=row.occurred_at, subject=row.subject, data=row.data
                )
                async with self.web.database.transaction() as session:
                    for handler in HANDLERS.get(row.type, ()):
                        await handler(session, event)

    async def deadline_passes(self) -> None:
        """Whoever waits for the deadline of a drain that is over is told."""
        async with self.web.database.transaction() as session:
            await drains.tell_due(session)
        await self.deliver()

    async def history(self, allocation_id: str) -> list[str]:
        """The reasons in an allocation's history."""
        statement = "SELECT reason FROM allocation_history WHERE allocation_id = :id ORDER BY id"
        return await self.rental.all(statement, id=allocation_id)

    async def credits(self) -> list[int]:
        """What was credited, in micro-units, as the books have it on the account for that."""
        return await self.rental.all(
            "SELECT -p.amount FROM ledger.posting p JOIN ledger.account a ON a.id = p.account_id "
            "WHERE a.kind = 'sla_contra_revenue' ORDER BY p.entry_id"
        )

    async def billed_seconds(self, allocation_id: str) -> int:
        """For how long the allocation was charged."""
        statement = "SELECT sum(seconds) FROM usage_record WHERE subject_id = :id"
        return int((await self.rental.all(statement, id=allocation_id))[0])
