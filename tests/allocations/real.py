"""A real node that has joined the served application, and the parts of a worker that speak to it."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sublet.allocations.work import observations
from sublet.core.work.reconciler import Reconciler
from sublet.fleet import trial
from sublet.fleet.api import AUTHORITY
from sublet.fleet.observation import Observer
from sublet.fleet.pool import NodePool
from sublet.fleet.ssh_backend import SshBackend
from sublet_sandbox.nodes import Enrolment, LocalNode
from tests.support.app import Web
from tests.support.policy import DEFAULT_POLICY
from tests.support.work import sweep_once


@dataclass
class RealFleet:
    """One enrolled node, reached over SSH with certificates."""

    node: LocalNode
    node_id: str
    pool: NodePool
    backend: SshBackend
    observer: Observer

    async def close(self) -> None:
        """End connections and looks; the node stays for other tests, without what belongs to this one."""
        await self.pool.close()


async def look_at_all(web: Web, observer: Observer) -> None:
    """Look at every node that is due, and try those for which that was asked."""
    for work in (observer.work(), trial.work(observer.backend)):
        await sweep_once(Reconciler(web.database, [work]))


async def join(web: Web, node: LocalNode, helper: Path, *, until: Literal["ready", "kept out"] = "ready") -> RealFleet:
    """Enrol a node through the ordinary path, and look at it until it is ready, or nobody was let in."""
    pool = NodePool(web.database, web.parts[AUTHORITY])
    backend = SshBackend(pool)
    observer = Observer(web.database, backend, web.settings)
    observer.on_observed.append(observations.handler(web.database, policy=DEFAULT_POLICY, release_lost_seconds=None))
    observer.expected = observations.expected_on
    operator = await web.operator()
    body = {"name": node.name, "address": node.address, "port": node.port}
    answer = await operator.post("/api/v1/admin/nodes", json=body)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    port = int(web.url.rsplit(":", 1)[1])
    await node.enrol(Enrolment(helper=helper, control_plane_port=port, token=made["join"]["token"]))
    node_id: str = made["node"]["id"]
    deadline = time.monotonic() + 30
    while True:
        await look_at_all(web, observer)
        state = (await operator.get(f"/api/v1/admin/nodes/{node_id}")).json()
        entry = next(step["state"] for step in state["enrolment"] if step["name"] == "entry")
        if (entry == "failed") if until == "kept out" else state["state"] == "ready":
            return RealFleet(node, node_id, pool, backend, observer)
        assert time.monotonic() < deadline, state
