"""Nodes on this machine come up for real and go without a trace, also when their owner was killed."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sublet_sandbox.nodes import (
    LocalNode,
    NamespaceNode,
    NodeStartFailed,
    SystemdNode,
    availability,
    registry,
    requirements,
)
from tests.support.nodes import CACHE, require

pytestmark = [pytest.mark.anyio, pytest.mark.node]

OWNER = """
import asyncio, json, sys
from pathlib import Path
from sublet_sandbox.nodes import NamespaceNode, SystemdNode

async def main():
    folder, kind, cache = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    if kind == "systemd":
        node = SystemdNode("doomed", directory=folder, cache=cache)
    else:
        node = NamespaceNode("doomed", directory=folder)
    await node.start()
    print("up", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def traces(folder: Path, name: str = "solo") -> set[str]:
    """What the node `name` in this folder has on the machine: mounts, network, control groups, processes."""
    mark = SystemdNode(name, directory=folder, cache=CACHE).identity
    groups = {str(path) for path in Path("/sys/fs/cgroup").glob(f"*/**/sublet/{mark}") if path.is_dir()}
    return groups | living_traces(folder, name)


def living_traces(folder: Path, name: str) -> set[str]:
    """The same without control groups, which are empty folders once their processes are gone.

    Mounts in whichever process's view; namespaces by the processes that are in them.
    """
    mark = SystemdNode(name, directory=folder, cache=CACHE).identity
    found = {f"link {link}" for link in os.listdir("/sys/class/net") if mark in link}
    found |= {f"netns {path.name}" for path in Path("/run/netns").glob(f"*{mark}*")}
    for pid in [pid for pid in os.listdir("/proc") if pid.isdigit()]:
        with contextlib.suppress(OSError):
            process = Path("/proc", pid)
            if f"{folder}/".encode() in (process / "cmdline").read_bytes() + os.fsencode(os.readlink(process / "root")):
                found.add(f"process {pid}")
            mounts = (process / "mountinfo").read_text().splitlines()
            found |= {f"mount in {pid}: {line}" for line in mounts if str(folder) in line}
    return found


def make(kind: str, folder: Path) -> LocalNode:
    """A node of a kind."""
    return (
        SystemdNode("solo", directory=folder, cache=CACHE)
        if kind == "systemd"
        else NamespaceNode("solo", directory=folder)
    )


@pytest.mark.parametrize("kind", ["systemd", "namespace"])
class TestLife:
    async def test_data_survive_a_restart_and_nothing_else_does(self, kind: str, tmp_path: Path) -> None:
        require(kind)  # type: ignore[arg-type]  # one of the two literals
        node = make(kind, tmp_path / "node")
        try:
            await node.start()
            assert traces(tmp_path / "node")
            assert (await node.run_as_root("hostname")).text == "solo"
            await node.write_file("/home/kept", b"data", mode=0o600)
            first = (await node.run_as_root("cat", "/proc/sys/kernel/random/boot_id")).text
            address = (node.address, node.port)
            await node.stop()
            assert traces(tmp_path / "node") == set()
            await node.start()
            assert (node.address, node.port) == address
            assert (await node.run_as_root("cat", "/home/kept")).text == "data"
            assert (await node.run_as_root("cat", "/proc/sys/kernel/random/boot_id")).text != first
        finally:
            await node.discard()
        assert traces(tmp_path / "node") == set()
        assert not (tmp_path / "node").exists()

    async def test_ends_with_its_owner_also_one_that_is_killed(self, kind: str, tmp_path: Path) -> None:
        require(kind)  # type: ignore[arg-type]  # one of the two literals
        owner = subprocess.Popen(  # noqa: ASYNC220  (it is to be killed, not waited for)
            [sys.executable, "-c", OWNER, str(tmp_path / "doomed"), kind, str(CACHE)], stdout=subprocess.PIPE
        )
        assert owner.stdout is not None
        try:
            assert await asyncio.to_thread(owner.stdout.readline) == b"up\n"
            assert living_traces(tmp_path / "doomed", "doomed")
        finally:
            owner.send_signal(signal.SIGKILL)
            owner.wait()
            owner.stdout.close()
        async with asyncio.timeout(10):
            while living_traces(tmp_path / "doomed", "doomed"):
                await asyncio.sleep(0.05)
        node = make(kind, tmp_path / "other")
        try:
            await node.start()
            assert traces(tmp_path / "doomed", "doomed") == set()
        finally:
            await node.discard()

    async def test_the_network_can_be_cut_and_mended(self, kind: str, tmp_path: Path) -> None:
        require(kind)  # type: ignore[arg-type]  # one of the two literals
        node = make(kind, tmp_path / "node")
        try:
            await node.start()
            assert await greets(node)
            await node.pause_network()
            assert not await greets(node)
            await node.resume_network()
            async with asyncio.timeout(20):
                while not await greets(node):
                    await asyncio.sleep(0.1)
        finally:
            await node.discard()

    async def test_two_owners_of_one_node_are_refused(self, kind: str, tmp_path: Path) -> None:
        require(kind)  # type: ignore[arg-type]  # one of the two literals
        node, second = make(kind, tmp_path / "node"), make(kind, tmp_path / "node")
        try:
            await node.start()
            with pytest.raises(NodeStartFailed, match="already run by another process"):
                await second.start()
            assert await greets(node)
        finally:
            await second.stop()
            await node.discard()

    async def test_a_url_on_the_node_reaches_this_machine(self, kind: str, tmp_path: Path) -> None:
        require(kind)  # type: ignore[arg-type]  # one of the two literals
        node = make(kind, tmp_path / "node")

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        try:
            await node.start()
            url = await node.enrol_url(server.sockets[0].getsockname()[1])
            assert url.startswith("http://127.0.0.1:")
            fetch = f"import urllib.request; print(urllib.request.urlopen('{url}').read().decode())"
            assert (await node.run_as_root("python3", "-c", fetch)).text == "hello"
        finally:
            await node.discard()
            server.close()
            await server.wait_closed()

    async def test_power_loss_ends_everything_at_once(self, kind: str, tmp_path: Path) -> None:
        require(kind)  # type: ignore[arg-type]  # one of the two literals
        node = make(kind, tmp_path / "node")
        try:
            await node.start()
            await node.kill_power()
            assert traces(tmp_path / "node") == set()
            with pytest.raises(NodeStartFailed, match="is not running"):
                await node.run_as_root("true")
        finally:
            await node.discard()


class TestAvailability:
    def test_names_the_missing_package_and_how_to_get_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(requirements.PROGRAMS["systemd"], "no-such-program", "some-package")
        can = availability("systemd")
        assert not can.available
        assert "some-package" in can.reason
        assert "apt-get install" in can.fix
        assert str(can).startswith("systemd nodes cannot run here: some-package not installed.")

    async def test_a_node_that_cannot_start_leaves_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        require("systemd")
        node = SystemdNode("broken", directory=tmp_path / "node", cache=CACHE)
        monkeypatch.setattr("sublet_sandbox.nodes.network.create", _fail)
        with pytest.raises(NodeStartFailed, match="no cable today"):
            await node.start()
        assert traces(tmp_path / "node", "broken") == set()


class TestRegistry:
    async def test_forgets_a_record_whose_owner_is_gone_and_keeps_a_living_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(registry, "folder", lambda: tmp_path)
        record = registry.open_record("0badcafe")
        assert record is not None
        record.write({"kind": "made-up", "name": "living"})
        removed: list[str] = []

        async def remove(content: dict[str, object]) -> None:
            removed.append(json.dumps(content["name"]))

        assert await registry.sweep(remove, kind="made-up") == []
        record.close(forget=False)
        assert await registry.sweep(remove, kind="made-up") == ["living"]
        assert removed == ['"living"']
        assert not record.path.exists()


async def greets(node: LocalNode) -> bool:
    """True when the node's sshd says hello within a second."""
    try:
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_connection(node.address, node.port)
            try:
                return (await reader.read(4)).startswith(b"SSH")
            finally:
                writer.close()
    except (TimeoutError, OSError):
        return False


async def _fail(*_: object) -> None:
    raise OSError("no cable today")
