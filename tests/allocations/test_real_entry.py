"""A real sshd that does what owners of servers have it do: nobody is let in, and the cause is named."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sublet.fleet.backend import DesiredAccount, Limits
from sublet.fleet.errors import EntryRefused, NodeError
from sublet.fleet.observation import make_due
from sublet_sandbox.nodes import LocalNode
from tests.allocations.real import RealFleet, join, look_at_all
from tests.support.app import Web
from tests.support.nodes import build_helper, systemd_node_pair

__all__ = ["systemd_node_pair"]

pytestmark = [pytest.mark.anyio, pytest.mark.node]

LOGIN = "al-entry00000000001"

BREAKS = {
    # What is done to the node, how it is undone, and what the node must say of it.
    "AllowUsers": (
        "echo 'AllowUsers root sublet' > /etc/ssh/sshd_config.d/00-hardened.conf && systemctl reload ssh",
        "rm /etc/ssh/sshd_config.d/00-hardened.conf && systemctl reload ssh",
        "user_not_allowed",
    ),
    "AuthenticationMethods": (
        "printf 'Match User al-*\\n AuthenticationMethods publickey,password\\nMatch all\\n'"
        " > /etc/ssh/sshd_config.d/00-hardened.conf && systemctl reload ssh",
        "rm /etc/ssh/sshd_config.d/00-hardened.conf && systemctl reload ssh",
        "method_not_offered",
    ),
    "account": (
        "sed -i '1i account required pam_deny.so' /etc/pam.d/sshd",
        "sed -i 1d /etc/pam.d/sshd",
        "pam_refused",
    ),
    "session": (
        "mv /usr/local/lib/sublet/pam_sublet.so /root/away",
        "mv /root/away /usr/local/lib/sublet/pam_sublet.so",
        "session_refused",
    ),
    "shell": (f"usermod --shell /bin/missing {LOGIN}", f"usermod --shell /bin/bash {LOGIN}", "shell_missing"),
}

FOR_LOGINS_ALONE = (
    "sed -i '1i account [success=1 default=ignore] pam_succeed_if.so quiet user !~ al-*\\naccount required pam_deny.so'"
    " /etc/pam.d/sshd",
    "sed -i 1,2d /etc/pam.d/sshd",
)


@pytest.fixture
async def fleet(
    web: Web, systemd_node_pair: tuple[LocalNode, LocalNode], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RealFleet]:
    helper = build_helper(tmp_path_factory.mktemp("helper") / "sublet-node.pyz")
    fleet = await join(web, systemd_node_pair[0], helper)
    yield fleet
    await fleet.close()


@asynccontextmanager
async def account_on(fleet: RealFleet, login: str) -> AsyncIterator[DesiredAccount]:
    """An allocation's account as a worker makes it, released with proof at the end."""
    limits = Limits(cpu_percent=100, memory_mib=128, tasks_max=64, disk_gib=1)
    account = DesiredAccount(login.replace("-", "_"), login, 1_900_000, 1, "active", limits)
    await fleet.backend.apply(fleet.node_id, account)
    try:
        yield account
    finally:
        evidence = await fleet.backend.release(
            fleet.node_id,
            allocation_id=account.allocation_id,
            login=login,
            uid=account.uid,
            generation=2,
            same_organization=(),
        )
        assert evidence.clean, evidence


async def on(fleet: RealFleet, script: str) -> None:
    done = await fleet.node.run_as_root("sh", "-c", script)
    assert done.status == 0, done


class TestComingIn:
    async def test_shows_ones_own_and_names_what_keeps_one_out(self, web: Web, fleet: RealFleet) -> None:
        async with account_on(fleet, LOGIN) as account:
            entry = await fleet.backend.enter(fleet.node_id, account)
            assert (entry.uid, entry.homes, entry.sees_others) == (account.uid, (f"/home/{LOGIN}",), False)
            for name, (doing, undoing, cause) in BREAKS.items():
                await on(fleet, doing)
                try:
                    with pytest.raises(EntryRefused) as refused:
                        await fleet.backend.enter(fleet.node_id, account)
                    assert refused.value.cause == cause, (name, refused.value.detail[-400:])
                finally:
                    await on(fleet, undoing)
                await fleet.backend.enter(fleet.node_id, account)

    async def test_is_no_fault_of_entry_when_the_node_does_not_answer_either(self, web: Web, fleet: RealFleet) -> None:
        async with account_on(fleet, "al-entry00000000002") as account:
            await fleet.pool.close()
            await on(fleet, "systemctl stop ssh")
            try:
                with pytest.raises(NodeError) as failed:
                    await fleet.backend.enter(fleet.node_id, account)
                assert failed.value.code == "node_unreachable"
            finally:
                await on(fleet, "systemctl start ssh")


class TestANode:
    async def test_that_keeps_customers_out_takes_no_work_until_one_gets_in(
        self, web: Web, systemd_node_pair: tuple[LocalNode, LocalNode], tmp_path: Path
    ) -> None:
        node, helper = systemd_node_pair[0], build_helper(tmp_path / "sublet-node.pyz")
        harden, undo, cause = BREAKS["AllowUsers"]
        # What sshd's configuration does not show; that is looked at before a node joins.
        deny, allow = FOR_LOGINS_ALONE
        done = await node.run_as_root("sh", "-c", deny)
        assert done.status == 0, done
        fleet = await join(web, node, helper, until="kept out")
        operator = await web.operator()

        async def looked() -> dict[str, Any]:
            async with web.database.transaction() as session:
                await make_due(session, fleet.node_id)
            await look_at_all(web, fleet.observer)
            shown = (await operator.get(f"/api/v1/admin/nodes/{fleet.node_id}")).json()
            steps = {step["name"]: step for step in shown["enrolment"]}
            return {"state": shown["state"], "strangers": shown["strangers"], **steps}

        try:
            hardened = await looked()
            assert (hardened["state"], hardened["entry"]["state"]) == ("enrolling", "failed")
            assert "pam_refused" in hardened["entry"]["detail"]
            await on(fleet, allow)
            assert (await looked())["state"] == "ready"
            await on(fleet, harden)
            lost = await looked()
            assert (lost["state"], lost["accepting_work"]["state"]) == ("ready", "failed")
            assert cause in lost["entry"]["detail"]
            assert "allowusers" in lost["entry"]["detail"]
            assert lost["strangers"] == []
            await on(fleet, undo)
            assert (await looked())["accepting_work"]["state"] == "done"
            left = await fleet.node.run_as_root("sh", "-c", "ls /home; grep ^al- /etc/passwd || true")
            assert left.text.strip() == ""
        finally:
            await fleet.node.run_as_root("sh", "-c", f"{undo} || true; sed -i '/user !~ al-/,+1d' /etc/pam.d/sshd")
            await fleet.close()
