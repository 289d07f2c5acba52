"""`sublet up` with the node that needs no root does the whole job, and says everywhere what it does not enforce."""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.demo import Demo, demo_with_node
from tests.support.nodes import require

pytestmark = pytest.mark.node

UNENFORCED = "limits not enforced"


@pytest.fixture
def namespaces_gone() -> Iterator[dict[str, int]]:
    """User namespaces to add to while they are in use; in the end no process is in any of them.

    Each by its name, with a descriptor that holds it: a namespace that is gone gives its name to another.
    """
    used: dict[str, int] = {}
    yield used
    assert used
    found = [pid for pid, namespace in _user_namespaces().items() if namespace in used]
    for descriptor in used.values():
        os.close(descriptor)
    assert found == []


@pytest.fixture
def demo(namespaces_gone: dict[str, int]) -> Iterator[Demo]:
    """A demo with a namespace node; it is stopped by Ctrl-C, and no process, mount or port of it may be left then."""
    require("namespace")
    own = os.readlink("/proc/self/ns/user")
    with demo_with_node("--node", "namespace", logs_in="namespace-demo-logs") as demo:
        node = str(demo.directory / "nodes" / "namespace").encode()
        for pid, namespace in _user_namespaces().items():
            with suppress(OSError):
                if namespace in {own, *namespaces_gone} or node not in Path(f"/proc/{pid}/cmdline").read_bytes():
                    continue
                namespaces_gone[namespace] = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
        yield demo


def _user_namespaces() -> dict[int, str]:
    """The user namespace of every process that we may look at."""
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                found[int(entry.name)] = os.readlink(entry / "ns" / "user")
    return found


class TestNamespaceNode:
    def test_is_launched_on_logged_in_to_and_proven_clean_and_says_that_it_enforces_no_limits(self, demo: Demo) -> None:
        assert (demo.info.node.kind, demo.info.node.limits_enforced) == ("namespace", False)
        assert demo.info.node.label == UNENFORCED

        offers = demo.sublet("offers").stdout
        assert "not enforced" in offers
        demo.sublet("launch", "cpu-small", "--name", "plain")
        login = demo.sublet("ssh", "plain", "--", "id -un; hostname").stdout.split()
        assert login[0].startswith("al-")
        assert login[1] == demo.info.node.name

        shown = demo.sublet("show", "plain").stdout
        assert f"{demo.info.node.name} ({UNENFORCED})" in shown
        allocation = json.loads(demo.sublet("show", "plain", "--json").stdout)
        token = Path(demo.info.customer.token_file).read_text().strip()
        answer = httpx.get(
            f"{demo.info.url}/api/v1/allocations/{allocation['id']}",
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["node"]["limits_enforced"] is False
        enforced = {limit["limit"]: limit["enforced"] for limit in answer.json()["enforced"]}
        assert not any(enforced[limit] for limit in ("cpu", "memory", "tasks"))

        demo.sublet("release", "plain", "--yes")
        released = json.loads(demo.sublet("show", allocation["id"], "--json").stdout)
        assert released["state"] == "released"
        assert released["evidence"]["clean"] is True
        assert released["evidence"]["checks"] != []
        assert all(check["clean"] for check in released["evidence"]["checks"])
        assert demo.sublet("ssh", "plain", "--", "true", check=False).returncode != 0
        checks = json.loads(demo.sublet("admin", "reconcile", "--json", operator=True).stdout)["checks"]
        assert all(check["ok"] for check in checks), checks

        self._takes_two(demo)

    @staticmethod
    def _takes_two(demo: Demo) -> None:
        """Up to 20 a month an operator gives alone; what is more waits for the second one, who signs in and agrees."""
        token = Path(demo.info.customer.token_file).read_text().strip()
        me = httpx.get(f"{demo.info.url}/api/v1/me", headers={"Authorization": f"Bearer {token}"}, timeout=30).json()

        def adjust(amount: str) -> dict[str, Any]:
            why = ("--currency", "USD", "--reason", "sorry", "--json")
            given = demo.sublet("admin", "adjust", me["organization"]["id"], "give", amount, *why, operator=True)
            made: dict[str, Any] = json.loads(given.stdout)
            return made

        assert adjust("20.00")["approval"] is None
        waits = adjust("20.01")
        assert waits["adjustment"] is None
        with httpx.Client(base_url=f"{demo.info.url}/api/v1", headers={"Origin": demo.info.url}, timeout=30) as second:
            who = {"email": demo.info.second.email, "password": demo.info.second.password}
            assert second.post("/auth/login", json=who).status_code == 200
            approved = second.post(f"/admin/approvals/{waits['approval']['id']}/approve", json={"reason": "as asked"})
            assert approved.status_code == 200, approved.text
        assert adjust("20.01")["adjustment"] is not None
