"""What somebody might try in order to use a node without paying for it, or to keep others from using Sublet."""

import asyncio

import httpx
import pytest

from sublet.allocations.authorized_keys import refresh_keys
from sublet.allocations.states import StateForbids
from sublet.core import http
from sublet.core.outbox import StoredEvent
from tests.allocations.rental import Rental
from tests.support.app import Web

pytestmark = pytest.mark.anyio

CHANGES_OF_KEYS = 5
SLOW_SENDERS = 60


async def _keys_changed(rental: Rental) -> None:
    now = (await rental.one("SELECT clock_timestamp() AS now")).now
    event = StoredEvent(
        id="1-1",
        type="organization.access_changed",
        time=now,
        subject=rental.actor.organization,
        data={"reason": "ssh_key_added", "user_id": rental.actor.user_id},
    )
    async with rental.database.transaction() as session:
        await refresh_keys(session, event)


async def _change_keys_at_every_apply(rental: Rental, times: int) -> None:
    """Whenever the node has done what was asked, and before that is written down, the customer changes a key."""
    left = times

    async def interrupt(verb: str, moment: str) -> None:
        nonlocal left
        if verb == "apply" and moment == "after" and left:
            left -= 1
            await _keys_changed(rental)

    rental.backend.interrupt = interrupt


class TestChangingKeysAllTheTime:
    async def test_does_not_keep_what_was_resumed_at_the_rate_of_what_is_suspended(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        await rental.suspend(allocation_id)
        await rental.work_until(allocation_id, "suspended")
        await rental.resume(allocation_id)
        await _change_keys_at_every_apply(rental, times=1_000_000)
        await asyncio.wait_for(rental.work(allocation_id), timeout=30)
        assert (await rental.row(allocation_id)).state == "active"
        assert await rental.all("SELECT kind FROM meter") == ["running"]

    async def test_does_not_keep_what_runs_from_being_proven(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        await rental.ran_for(allocation_id, 60)
        before = await rental.one("SELECT observed_to FROM meter")
        await _change_keys_at_every_apply(rental, times=1_000_000)
        await _keys_changed(rental)
        await asyncio.wait_for(rental.work(allocation_id), timeout=30)
        after = await rental.one("SELECT observed_to FROM meter")
        assert after.observed_to > before.observed_to

    async def test_ends_with_the_newest_keys_in_place(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        await _change_keys_at_every_apply(rental, times=CHANGES_OF_KEYS)
        await _keys_changed(rental)
        await rental.work(allocation_id)
        row = await rental.row(allocation_id)
        account = rental.backend.node(rental.node_id).accounts[allocation_id].desired
        assert row.generation == row.applied_generation == account.generation
        assert await rental.disagreements() == []


class TestTakingASuspensionBack:
    async def test_is_refused_until_the_node_has_followed(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        await rental.ran_for(allocation_id, 60)
        await rental.suspend(allocation_id)
        with pytest.raises(StateForbids):
            await rental.resume(allocation_id)
        await rental.work_until(allocation_id, "suspended")
        await rental.resume(allocation_id)
        await rental.work_until(allocation_id, "active")
        assert await rental.all("SELECT kind FROM meter_segment ORDER BY id") == ["running", "suspended", "running"]


class TestSendingBodiesSlowly:
    async def test_holds_no_connection_to_the_database(self, web: Web) -> None:
        customer = await web.customer()
        cookie = "; ".join(f"{item.name}={item.value}" for item in customer.cookies.jar)
        half = (
            "POST /api/v1/payments/stripe/webhook HTTP/1.1\r\nStripe-Signature: t=1,v1=00\r\n",
            f"POST /api/v1/allocations HTTP/1.1\r\nIdempotency-Key: slow\r\nCookie: {cookie}\r\n",
        )
        senders = await asyncio.gather(*(_send_half(web, half[number % 2]) for number in range(SLOW_SENDERS)))
        try:
            assert (await customer.get("/api/v1/me", timeout=5)).status_code == 200
        finally:
            for _, writer in senders:
                writer.close()

    async def test_ends_after_a_while(self, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(http, "LONGEST_BODY_SECONDS", 0.2)

        reader, writer = await _send_half(web, "POST /api/v1/auth/login HTTP/1.1\r\n")
        async with asyncio.timeout(10):
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readuntil(b"}")
        writer.close()
        assert head.startswith(b"HTTP/1.1 408 ")
        assert b'"code":"request_timeout"' in body


async def _send_half(web: Web, head: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    address = httpx.URL(web.url)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    rest = f"Host: {address.netloc.decode()}\r\nOrigin: {web.url}\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}{rest}Content-Length: 1000\r\n\r\n{{".encode())
    await writer.drain()
    return reader, writer
