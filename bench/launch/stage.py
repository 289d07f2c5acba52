"""A web process, a worker and a real node that has joined: what a launch needs, gone when the measurement ends."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from tests.allocations.rental import PASSWORD, pay_in
from tests.support.nodes import CACHE, build_helper
from tests.support.ports import free_port

from bench.servers import own_postgres, serving
from sublet.core.actors import Actor
from sublet.core.db import Database
from sublet.identity import users
from sublet_sandbox.nodes import Enrolment, LocalNode, SystemdNode

READY_SECONDS = 60.0
SHAPE = {
    "code": "bench",
    "name": "Bench",
    "vcpu": 1,
    "memory_mib": 256,
    "disk_gib": 1,
    "gpu_count": 0,
    "node_labels": {},
}


@dataclass(frozen=True, slots=True)
class Stage:
    """A customer with money, an offer and the node that serves it."""

    url: str
    web_pid: int
    customer: httpx.AsyncClient
    offer_id: str
    node: LocalNode


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    """Everything started, enrolled and paid for."""
    with ExitStack() as stack:
        server = stack.enter_context(own_postgres())
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        data = directory / "data"
        data.mkdir(mode=0o700)
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        environment = {
            "DATABASE_URL": server.app_url,
            "SUBLET_DATA_DIR": str(data),
            "SUBLET_PORT": str(port),
            "SUBLET_PUBLIC_URL": url,
            "SUBLET_CURRENCY": "USD",
            "SUBLET_TIME_ZONE": "UTC",
            "SUBLET_TERMINAL_SESSIONS": "50",
        }
        web_pid = stack.enter_context(serving("sublet.entry.serve", url=f"{url}/readyz", environment=environment))
        stack.enter_context(serving("sublet.entry.worker", url=f"{url}/readyz", environment=environment))
        node = SystemdNode("bench", directory=directory / "node", cache=CACHE)
        headers = {"Origin": url}
        async with (
            httpx.AsyncClient(base_url=f"{url}/api/v1", headers=headers, timeout=30) as operator,
            httpx.AsyncClient(base_url=f"{url}/api/v1", headers=headers, timeout=30) as customer,
        ):
            try:
                await node.start()
                offer_id = await _sell(server.app_url, operator)
                await _join(operator, node, directory, port)
                await _sign_up(server.app_url, customer)
                yield Stage(url, web_pid, customer, offer_id, node)
            finally:
                await node.discard()


async def _sell(app_url: str, operator: httpx.AsyncClient) -> str:
    database = Database(app_url, pool_size=1)
    try:
        async with database.transaction() as session:
            await users.create_operator(
                session, email="bench@operator.example", password=PASSWORD, platform_roles=frozenset({"admin"})
            )
    finally:
        await database.close()
    body = {"email": "bench@operator.example", "password": PASSWORD}
    (await operator.post("/auth/login", json=body)).raise_for_status()
    sku = (await operator.post("/admin/skus", json=SHAPE)).raise_for_status().json()
    price = {
        "sku_id": sku["id"],
        "per_hour": "0.36",
        "suspended_claim": "always",
        "suspended_per_hour": "0.01",
        "currency": "USD",
    }
    (await operator.post("/admin/prices", json=price)).raise_for_status()
    offer_id: str = sku["id"]
    return offer_id


async def _join(operator: httpx.AsyncClient, node: LocalNode, directory: Path, port: int) -> None:
    body = {"name": node.name, "address": node.address, "port": node.port}
    made = (await operator.post("/admin/nodes", json=body)).raise_for_status().json()
    helper = build_helper(directory / "sublet-node.pyz")
    await node.enrol(Enrolment(helper=helper, control_plane_port=port, token=made["join"]["token"]))
    deadline = time.monotonic() + READY_SECONDS
    while (await operator.get(f"/admin/nodes/{made['node']['id']}")).json()["state"] != "ready":
        if time.monotonic() > deadline:
            raise TimeoutError("the node did not become ready")
        await asyncio.sleep(0.1)


async def _sign_up(app_url: str, customer: httpx.AsyncClient) -> None:
    body = {"email": "bench@customer.example", "password": PASSWORD, "name": "Bench"}
    me = (await customer.post("/auth/signup", json=body)).raise_for_status().json()
    actor = Actor(kind="user", user_id=me["user"]["id"], organization_id=me["organization"]["id"])
    database = Database(app_url, pool_size=1)
    try:
        await pay_in(database, actor, "100.00")
    finally:
        await database.close()
