"""The whole life of an allocation on a real Linux node: launched, logged in to, billed, released with proof."""

import asyncio
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from sqlalchemy import text

from sublet.allocations import release
from sublet.allocations.checks import ended_among
from sublet.billing import watermarks
from sublet.core.actors import system_actor
from sublet.core.outbox import StoredEvent
from sublet.entry.subscriptions import subscriptions
from sublet.fleet import drains
from sublet.identity import users
from sublet.ledger import reconcile as books
from sublet_sandbox.nodes import LocalNode
from tests.allocations.real import RealFleet, join, look_at_all
from tests.allocations.rental import offer, owner_of, pay_in, reconcile
from tests.fleet.working import look, look_at
from tests.support.app import Web
from tests.support.nodes import build_helper, systemd_node_pair
from tests.support.policy import DEFAULT_POLICY

__all__ = ["systemd_node_pair"]

pytestmark = [pytest.mark.anyio, pytest.mark.node]


@pytest.fixture
async def fleet(
    web: Web, systemd_node_pair: tuple[LocalNode, LocalNode], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RealFleet]:
    helper: Path = build_helper(tmp_path_factory.mktemp("helper") / "sublet-node.pyz")
    fleet = await join(web, systemd_node_pair[0], helper)
    yield fleet
    await fleet.close()


class TestOnARealNode:
    async def test_launch_log_in_be_billed_and_release_with_proof(self, web: Web, fleet: RealFleet) -> None:
        client = await web.customer()
        me = (await client.get("/api/v1/me")).json()
        actor = owner_of(me)
        await pay_in(web.database, actor, "20.00")
        sku = await offer(web.database, vcpu=1, memory_mib=128, disk_gib=1, gpu_count=1, per_hour="3.60")
        key = asyncssh.generate_private_key("ssh-ed25519")
        launched = (await client.post("/api/v1/allocations", json={"offer_id": sku.id, "name": "real"})).json()
        await reconcile(web.database, fleet.backend, launched["id"])
        active = (await client.get("/api/v1/allocations/real")).json()
        assert active["state"] == "active", active
        enforced = {limit["limit"]: limit["enforced"] for limit in active["enforced"]}
        assert enforced["memory"]
        assert enforced["cpu"]
        certified = await client.post(
            "/api/v1/allocations/real/ssh-certificates", json={"public_key": key.export_public_key().decode()}
        )
        said = await _run_over_ssh(
            certified.json(), key, "id -un; echo mine > kept; cat /proc/self/cgroup; ls /dev/nvidia*"
        )
        assert active["login"] in said
        assert f"user-{await _uid(web, launched['id'])}.slice" in said
        assert len((await client.get("/api/v1/offers")).json()["items"]) == 1

        await asyncio.sleep(1.1)  # delivered time is the thing that is sold here: a whole second must pass
        await look_at(fleet.observer, fleet.node_id)
        await _observe(fleet)
        async with web.database.transaction() as session:
            await watermarks.tick(session)

        assert (await client.post("/api/v1/allocations/real/suspend")).status_code == 202
        await reconcile(web.database, fleet.backend, launched["id"])
        with pytest.raises((asyncssh.Error, OSError)):
            await _run_over_ssh(certified.json(), key, "true")
        assert (await client.post("/api/v1/allocations/real/resume")).status_code == 202
        await reconcile(web.database, fleet.backend, launched["id"])
        assert "mine" in await _run_over_ssh(certified.json(), key, "cat kept")

        assert (await client.post("/api/v1/allocations/real/release")).status_code == 202
        await reconcile(web.database, fleet.backend, launched["id"])
        released = (await client.get(f"/api/v1/allocations/{launched['id']}")).json()
        assert released["state"] == "released", released
        assert released["evidence"]["clean"]
        assert len(released["evidence"]["checks"]) == 15
        assert released["delivered_seconds"] >= 1
        charges = (await client.get(f"/api/v1/allocations/{launched['id']}/charges")).json()["items"]
        running = sum(charge["seconds"] for charge in charges if charge["kind"] == "running")
        assert running == released["delivered_seconds"]
        wallet = (await client.get("/api/v1/wallet")).json()
        assert wallet["held"]["amount"] == "0.00"
        assert round((20 - float(wallet["balance"]["amount"])) * 1000) == running  # 3.60 an hour is 0.001 a second
        with pytest.raises((asyncssh.Error, OSError)):
            await _run_over_ssh(certified.json(), key, "true")
        left = await fleet.node.run_as_root(
            "sh", "-c", f"id {active['login']} || ls -d /home/{active['login']} || echo none"
        )
        assert "none" in left.stdout.decode()
        async with web.database.transaction() as session:
            results = await books.run(session, ended_among=ended_among)
        assert [result for result in results if not result.ok] == []

    async def test_is_emptied_tries_itself_and_gives_everything_back(self, web: Web, fleet: RealFleet) -> None:
        client, operator = await web.customer(), await web.operator()
        await pay_in(web.database, owner_of((await client.get("/api/v1/me")).json()), "20.00")
        sku = await offer(web.database, vcpu=1, memory_mib=128, disk_gib=1, per_hour="3.60")
        launched = (await client.post("/api/v1/allocations", json={"offer_id": sku.id, "name": "real"})).json()
        await reconcile(web.database, fleet.backend, launched["id"])

        async def act(name: str, **body: object) -> dict[str, Any]:
            answer = await operator.post(f"/api/v1/admin/nodes/{fleet.node_id}/{name}", json=body)
            assert answer.is_success, answer.text
            return dict(answer.json())

        async def state() -> str:
            for _ in range(3):  # what is told has an effect that is told as well
                await _deliver(web)
            await reconcile(web.database, fleet.backend, launched["id"])
            return str((await client.get("/api/v1/allocations/real")).json()["state"])

        why = {"reason": "a fan is loud"}
        assert await state() == "active"
        await act("drain", **why, deadline_seconds=0, credit_seconds=600)
        async with web.database.transaction() as session:
            await drains.tell_due(session)
        assert await state() == "suspended"
        lines = (await client.get("/api/v1/wallet/entries")).json()["items"]
        # Ten minutes are offered; it has run for a moment, and nobody loses more than was delivered.
        assert sum(Decimal(one["amount"]["amount"]) for one in lines if one["kind"] == "service_credit") < Decimal(
            "0.1"
        )
        await act("maintenance", **why)
        await act("self-test")
        await look_at_all(web, fleet.observer)
        test = (await operator.get(f"/api/v1/admin/nodes/{fleet.node_id}")).json()["self_test"]
        found = {check["name"]: check["passed"] for check in test["checks"]}
        assert (test["passed"], set(found.values())) == (True, {True}), test
        assert list(found) == ["enter", "cpu", "memory", "network", "release"]
        assert (await act("put-back", **why))["state"] == "ready"
        assert await state() == "active"
        assert (await client.post("/api/v1/allocations/real/release")).status_code == 202
        await reconcile(web.database, fleet.backend, launched["id"])
        assert (await client.get(f"/api/v1/allocations/{launched['id']}")).json()["state"] == "released"

    @pytest.mark.parametrize("how", ["key removed", "person disabled"])
    async def test_whoever_may_no_longer_come_in_is_out_within_five_seconds(
        self, web: Web, fleet: RealFleet, how: str
    ) -> None:
        client = await web.customer()
        me = (await client.get("/api/v1/me")).json()
        actor = owner_of(me)
        await pay_in(web.database, actor, "20.00")
        sku = await offer(web.database, vcpu=1, memory_mib=128, disk_gib=1, per_hour="3.60")
        key = asyncssh.generate_private_key("ssh-ed25519")
        body = {"name": "laptop", "public_key": key.export_public_key().decode()}
        registered = (await client.post("/api/v1/ssh-keys", json=body)).json()
        launched = (await client.post("/api/v1/allocations", json={"offer_id": sku.id, "name": "real"})).json()
        await reconcile(web.database, fleet.backend, launched["id"])
        other = asyncssh.generate_private_key("ssh-ed25519")
        ticket = await client.post(
            "/api/v1/allocations/real/ssh-certificates", json={"public_key": other.export_public_key().decode()}
        )
        by_key = await _connect(ticket.json(), key)
        by_certificate = await _connect(ticket.json(), (other, ticket.json()["certificate"]))
        async with by_key, by_certificate:
            shells = [await one.create_process("cat", term_type="xterm") for one in (by_key, by_certificate)]
            async with asyncio.timeout(5):
                if how == "key removed":
                    assert (await client.delete(f"/api/v1/ssh-keys/{registered['id']}")).status_code == 204
                else:
                    async with web.database.transaction() as session:
                        await users.disable(session, system_actor(), me["user"]["id"])
                await _deliver(web)
                await reconcile(web.database, fleet.backend, launched["id"])
                for shell in shells:
                    await shell.wait_closed()
        with pytest.raises(asyncssh.PermissionDenied):
            await _connect(ticket.json(), key)
        async with web.database.transaction() as session:
            await release.request_release(session, actor, launched["id"])
        await reconcile(web.database, fleet.backend, launched["id"])

    async def test_what_befalls_the_work_is_told_with_the_next_look(self, web: Web, fleet: RealFleet) -> None:
        client = await web.customer()
        await pay_in(web.database, owner_of((await client.get("/api/v1/me")).json()), "20.00")
        sku = await offer(web.database, vcpu=1, memory_mib=128, disk_gib=1, gpu_count=1, per_hour="3.60")
        key = asyncssh.generate_private_key("ssh-ed25519")
        launched = (await client.post("/api/v1/allocations", json={"offer_id": sku.id, "name": "real"})).json()
        await reconcile(web.database, fleet.backend, launched["id"])
        asked = {"public_key": key.export_public_key().decode()}
        ticket = (await client.post("/api/v1/allocations/real/ssh-certificates", json=asked)).json()

        async def told() -> list[tuple[str, str]]:
            assert await look(web.database, fleet.observer, fleet.node_id)
            await _deliver(web)
            incidents = (await client.get("/api/v1/allocations/real")).json()["incidents"]
            return [(one["kind"], one["detail"]) for one in incidents]

        async with (
            await _connect(ticket, (key, ticket["certificate"])) as ssh,
            ssh.create_process("while read -r line; do $line; echo ended; done") as shell,
        ):
            shell.stdin.write("python3 -Sc b'x'*(1<<29)\n")
            assert await shell.stdout.readline() == "ended\n"
            [(kind, detail)] = await told()
            assert (kind, "the kernel ended one of its processes" in detail) == ("out_of_memory", True)
            assert len(await told()) == 1

        bus = {gpu.uuid: f"0000:{gpu.index + 1:02x}:00" for gpu in fleet.node.gpus}
        async with web.database.reading() as session:
            gpu = (await session.execute(text("SELECT gpus[1] FROM allocation"))).scalar_one()
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        error = f"3,77,{now},-;NVRM: Xid (PCI:{bus[gpu]}): 31, pid=7, name=train, MMU Fault\n"
        await fleet.node.write_file("/dev/kmsg", error.encode())
        assert [kind for kind, _ in await told()] == ["gpu_error", "out_of_memory"]
        await fleet.node.run_as_root("rm", "/dev/kmsg")

        await fleet.node.kill_power()
        await fleet.node.start()
        found = await told()
        assert [kind for kind, _ in found] == ["node_restarted", "gpu_error", "out_of_memory"]
        assert "every process that ran in it has ended" in found[0][1]
        history = (await client.get("/api/v1/allocations/real/history")).json()["items"]
        assert [one["incident"] for one in history if one["incident"]] == [kind for kind, _ in reversed(found)]
        await client.post("/api/v1/allocations/real/release")
        await reconcile(web.database, fleet.backend, launched["id"])
        assert (await client.get(f"/api/v1/allocations/{launched['id']}")).json()["state"] == "released"


async def _deliver(web: Web) -> None:
    """Hand every event so far to whoever waits for it, as a worker does; again is harmless."""
    async with web.database.transaction() as session:
        for row in (await session.execute(text("SELECT * FROM outbox_event ORDER BY id"))).all():
            event = StoredEvent(id=str(row.id), type=row.type, time=row.occurred_at, subject=row.subject, data=row.data)
            for handler in subscriptions(DEFAULT_POLICY).get(row.type, ()):
                await handler(session, event)


async def _observe(fleet: RealFleet) -> None:
    for handler in fleet.observer.on_observed:
        await handler(fleet.node_id, await fleet.backend.observe(fleet.node_id))


async def _uid(web: Web, allocation_id: str) -> int:
    async with web.database.reading() as session:
        found = await session.execute(text("SELECT uid FROM allocation WHERE id = :id"), {"id": allocation_id})
        uid: int = found.scalar_one()
    return uid


async def _run_over_ssh(ticket: dict[str, object], key: asyncssh.SSHKey, command: str) -> str:
    async with await _connect(ticket, (key, str(ticket["certificate"]))) as connection:
        done = await connection.run(command, check=False, timeout=20)
        return f"{done.stdout}{done.stderr}"


async def _connect(
    ticket: dict[str, object], credential: asyncssh.SSHKey | tuple[asyncssh.SSHKey, str]
) -> asyncssh.SSHClientConnection:
    """Log in with a registered key, or with a key and the certificate for it."""
    if isinstance(credential, tuple):
        credentials: list[object] = [(credential[0], asyncssh.import_certificate(credential[1]))]
    else:
        credentials = [credential]
    return await asyncssh.connect(
        str(ticket["host"]),
        int(str(ticket["port"])),
        username=str(ticket["login"]),
        client_keys=credentials,
        known_hosts=asyncssh.import_known_hosts(str(ticket["known_hosts"])),
        agent_path=None,
        config=None,
        connect_timeout=10,
    )
