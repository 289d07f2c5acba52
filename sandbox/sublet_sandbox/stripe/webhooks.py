"""Signed webhooks: delivered at least once, retried with growing pauses, over a connection of their own."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import random
import time

import httpx

from sublet_sandbox.stripe import balance, checkout, refunds
from sublet_sandbox.stripe.store import Store
from sublet_sandbox.stripe.work import Work

LONGEST_PAUSE_SECONDS = 3600.0
GIVE_UP_AFTER_ATTEMPTS = 80  # about three days
TIMEOUT_SECONDS = 10.0
AT_ONCE = 64


def signature(secret: str, payload: bytes, timestamp: int) -> str:
    """The Stripe-Signature header: HMAC-SHA256 over the time and the raw body."""
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + payload, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def pause_after(attempts: int) -> float:
    """Seconds until the next try: 1, 2, 4, … up to an hour, with jitter so that retries do not march in step."""
    return min(2.0 ** (attempts - 1), LONGEST_PAUSE_SECONDS) * random.uniform(0.75, 1.25)  # noqa: S311  spread, not secrecy


class Courier:
    """Carries what is due to one address, and does what time alone brings about (expiry, availability)."""

    def __init__(self, store: Store, url: str, secret: str) -> None:
        self._store = store
        self._url = url
        self._secret = secret
        self._wake = asyncio.Event()
        self._client = httpx.AsyncClient(
            timeout=TIMEOUT_SECONDS, trust_env=False, limits=httpx.Limits(max_connections=AT_ONCE)
        )

    def wake(self) -> None:
        """Something may be due now."""
        self._wake.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        try:
            while True:
                self._wake.clear()
                self._pass_time()
                due = self._store.execute(
                    "SELECT id FROM delivery WHERE progress = 'due' AND due_at <= ? ORDER BY due_at, id LIMIT ?",
                    (time.time(), AT_ONCE),
                )
                await asyncio.gather(*(self.deliver(row["id"]) for row in due))
                if not due:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._wake.wait(), self._until_next())
        finally:
            await self._client.aclose()

    async def deliver(self, delivery_id: int) -> int | None:
        """One attempt; answers the receiver's status, or None when it could not be reached."""
        row = self._store.execute("SELECT event_id, attempts FROM delivery WHERE id = ?", (delivery_id,))[0]
        event = self._store.get(row["event_id"], "event")
        assert event is not None  # a delivery refers to an event
        payload = json.dumps(event, indent=2).encode()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature(self._secret, payload, int(time.time())),
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        }
        status: int | None = None
        with contextlib.suppress(httpx.HTTPError):
            status = (await self._client.post(self._url, content=payload, headers=headers)).status_code
        attempts = row["attempts"] + 1
        if status is not None and 200 <= status < 300:
            progress = "delivered"
        else:
            progress = "due" if attempts < GIVE_UP_AFTER_ATTEMPTS else "given_up"
        self._store.execute(
            "UPDATE delivery SET progress = ?, attempts = ?, due_at = ?, last_status = ? WHERE id = ?",
            (progress, attempts, time.time() + pause_after(attempts), status, delivery_id),
        )
        return status

    def _pass_time(self) -> None:
        work = Work(self._store, "")
        with self._store.transaction():
            checkout.expire_due(work)
            balance.release_due(work)
            refunds.settle_due(work)

    def _until_next(self) -> float:
        rows = self._store.execute("SELECT min(due_at) AS due_at FROM delivery WHERE progress = 'due'")
        due_at = rows[0]["due_at"]
        return 1.0 if due_at is None else min(1.0, max(0.01, due_at - time.time()))
