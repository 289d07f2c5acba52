"""Events that a handler kept refusing: an operator sees them, and has them handled again once the fault is mended."""

import httpx
import pytest
import structlog.testing
from sqlalchemy import text

from sublet.core.db import Database, Session
from sublet.core.outbox import EVENT_TYPES, StoredEvent, publish
from sublet.core.work import delivery, leases
from sublet.core.work.pace import Pace
from sublet.core.work.reconciler import Reconciler
from sublet.fleet.events import NodeEnrolled
from tests.support.app import Web

pytestmark = pytest.mark.anyio

ONCE = Pace(attempts=1)


class Worker:
    """Our own handlers, of which one refuses everything until it is mended."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.broken = True
        self.handled: list[str] = []

    async def publish(self, name: str) -> str:
        """Tell of something; the event's id."""
        async with self.database.transaction() as session:
            told = NodeEnrolled(node_id=name, name=name, state="ready")
            await publish(session, told, subject=name, organization_id=None)
            newest = "SELECT xid::text || '-' || id FROM outbox_event ORDER BY id DESC LIMIT 1"
            return str((await session.execute(text(newest))).scalar_one())

    async def work(self) -> None:
        """Handle what there is, once."""
        with structlog.testing.capture_logs():  # else the failure is drawn with all its frames
            async with self.database.transaction() as session:
                await leases.wake(session, [delivery.DELIVERY])
            works = delivery.deliveries({NodeEnrolled.type: (self._handle,)}, EVENT_TYPES, pace=ONCE)
            worker = Reconciler(self.database, works)
            while await worker.sweep():
                await worker.drain()

    async def _handle(self, session: Session, event: StoredEvent) -> None:
        if self.broken:
            await session.execute(text("SELECT 1 / 0"))
        self.handled.append(event.subject)


@pytest.fixture
async def worker(web: Web) -> Worker:
    async with web.database.transaction() as session:
        await delivery.register(session, "test")
    return Worker(web.database)


async def set_aside(operator: httpx.AsyncClient) -> list[str]:
    answer = await operator.get("/api/v1/admin/events/set-aside")
    assert answer.status_code == 200, answer.text
    return [event["id"] for event in answer.json()["items"]]


class TestAnEventThatWasSetAside:
    async def test_is_shown_and_once_replayed_is_handled(self, web: Web, worker: Worker) -> None:
        operator = await web.operator()
        event_id = await worker.publish("nd_north")
        await worker.work()
        [shown] = (await operator.get("/api/v1/admin/events/set-aside")).json()["items"]
        assert (shown["id"], shown["type"], shown["subject"]) == (event_id, "node.enrolled", "nd_north")
        assert (shown["attempts"], shown["last_error"]) == (1, "DataError")
        worker.broken = False
        await worker.work()
        assert worker.handled == []
        answer = await operator.post(f"/api/v1/admin/events/{event_id}/replay")
        assert (answer.status_code, answer.json()["state"]) == (200, "waiting")
        await worker.work()
        assert worker.handled == ["nd_north"]
        assert await set_aside(operator) == []

    async def test_is_replayed_once_however_often_that_is_asked(self, web: Web, worker: Worker) -> None:
        operator = await web.operator()
        event_id = await worker.publish("nd_north")
        await worker.work()
        worker.broken = False
        states = []
        for _ in range(2):
            states.append((await operator.post(f"/api/v1/admin/events/{event_id}/replay")).json()["state"])
        await worker.work()
        states.append((await operator.post(f"/api/v1/admin/events/{event_id}/replay")).json()["state"])
        await worker.work()
        assert states == ["waiting", "waiting", "done"]
        assert worker.handled == ["nd_north"]
        trail = (await operator.get("/api/v1/admin/audit-events")).json()["items"]
        assert [one["action"] for one in trail if one["target"]["id"] == event_id] == ["event.replayed"]

    async def test_is_set_aside_again_when_its_handler_still_refuses(self, web: Web, worker: Worker) -> None:
        operator = await web.operator()
        event_id = await worker.publish("nd_north")
        await worker.work()
        await operator.post(f"/api/v1/admin/events/{event_id}/replay")
        await worker.work()
        assert await set_aside(operator) == [event_id]

    async def test_is_replayed_by_those_who_keep_the_books_only(self, web: Web, worker: Worker) -> None:
        event_id = await worker.publish("nd_north")
        await worker.work()
        for person in (await web.customer(), await web.operator("support"), await web.operator("fleet")):
            answer = await person.post(f"/api/v1/admin/events/{event_id}/replay")
            assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
        assert await set_aside(await web.operator("finance")) == [event_id]

    async def test_that_never_was_is_not_found(self, web: Web) -> None:
        answer = await (await web.operator()).post("/api/v1/admin/events/1-1/replay")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")

    async def test_are_listed_page_by_page(self, web: Web, worker: Worker) -> None:
        operator = await web.operator()
        told = [await worker.publish(f"nd_{number}") for number in range(3)]
        await worker.work()
        first = (await operator.get("/api/v1/admin/events/set-aside", params={"limit": 2})).json()
        rest = {"limit": 2, "cursor": first["next_cursor"]}
        second = (await operator.get("/api/v1/admin/events/set-aside", params=rest)).json()
        assert [one["id"] for one in first["items"] + second["items"]] == told
        assert second["next_cursor"] is None
