"""Nothing of a released login is held by another: it is gone, or the release is not clean and says who holds it."""

import asyncio
import contextlib
import json
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from tests.node.conftest import Enrolled
from tests.node.control_plane import Channel, Tenant

pytestmark = [pytest.mark.anyio, pytest.mark.node]

PROGRAMS = Path(__file__).parent / "cooperating"
OPENS, KEEPS, SENDS = ((PROGRAMS / name).read_text() for name in ("opens.py", "keeps.py", "sends.py"))
HANDS = (PROGRAMS / "hands.py").read_text()

KINDS = (
    *("file", "deleted file", "file in /tmp", "file in /dev/shm", "folder", "folder in memory", "memory"),
    *("terminal", "master of a terminal", "pipe", "socket", "listening socket"),
    *("eventfd", "epoll", "timerfd", "userfaultfd", "io_uring", "ipc namespace", "mount namespace", "GPU"),
)
FILES = ("file", "deleted file", "file in /tmp", "file in /dev/shm", "memory")
FOLDERS = ("folder", "folder in memory")
NOT_SENT = ("io_uring",)  # the kernel itself refuses to send a ring
SENT = [kind for kind in KINDS if kind not in NOT_SENT]
WAYS = {
    "inherited": KINDS,
    "had_by_a_thread": KINDS,
    "passed": SENT,
    "in_flight": SENT,
    "not_accepted": SENT,
    "reopened": [*FILES, *FOLDERS, "terminal", "pipe", "ipc namespace", "mount namespace", "GPU"],
    "mapped": FILES,
    "outlived": ("memory", "GPU", "eventfd", "terminal"),
    "mapped_and_outlived": ("memory", "file"),
    "worked_in": FOLDERS,
    "registered": [kind for kind in KINDS if kind not in ("io_uring", *FOLDERS)],
}


@dataclass(frozen=True)
class Kept:
    """One process that keeps one thing in one way."""

    kind: str
    way: str
    pid: int


@dataclass(frozen=True)
class Opened:
    """A login that has one thing of each kind open."""

    tenant: Tenant
    pid: int
    kinds: dict[str, int]


@asynccontextmanager
async def opening(enrolled: Enrolled, channel: Channel, *, device: str = "", card: int = 1) -> AsyncIterator[Opened]:
    """A new login in a session in which it has everything open."""
    tenant, gpu = Tenant(), enrolled.node.gpus[card]
    await channel.ask("apply", tenant.desired(gpus=[gpu.uuid]), generation=1)
    async with opening_beside(enrolled, tenant, device or gpu.device) as opened:
        yield opened


@asynccontextmanager
async def opening_beside(enrolled: Enrolled, tenant: Tenant, device: str) -> AsyncIterator[Opened]:
    """A login that is there, in a session in which it has everything open."""
    async with enrolled.control.login(
        enrolled.node, tenant.login, *enrolled.control.user_certificate(tenant.login)
    ) as connection:
        process = await connection.create_process(f"python3 -c {shlex.quote(OPENS)} {device}")
        said = await asyncio.wait_for(process.stdout.readline(), 20)
        assert said, await process.stderr.read()
        pid, kinds = json.loads(said)
        assert set(kinds) == set(KINDS)
        yield Opened(tenant, pid, kinds)


@asynccontextmanager
async def keeping(
    enrolled: Enrolled, opened: Opened, uid: int, wanted: list[tuple[str, str]]
) -> AsyncIterator[list[Kept]]:
    """Processes of `uid` that keep things of the other login, each one thing in one way, until the block ends.

    For a negative one they are root's, and the login's only in part.
    """
    wanted = [(kind, way) for kind, way in wanted if opened.kinds[kind] >= 0]  # a ring, where customers have none
    asked = json.dumps([opened.pid, opened.kinds, uid, wanted]).encode()
    answer = json.loads((await enrolled.node.run_as_root("python3", "-c", KEEPS, stdin=asked)).text)
    try:
        assert [entry for entry in answer if entry[3] != "kept"] == []
        yield [Kept(kind, way, pid) for kind, way, pid, _ in answer]
    finally:
        pids = " ".join(str(entry[2]) for entry in answer)
        await enrolled.node.run_as_root("sh", "-c", f"kill -KILL {pids} 2>/dev/null; true")


@asynccontextmanager
async def pinning(enrolled: Enrolled, **pins: str) -> AsyncIterator[None]:
    """Mounts of folders or namespaces at other places of the node, each by its name in /mnt/pins."""
    make = ["mkdir -p /mnt/pins && mount -t tmpfs none /mnt/pins && mount --make-private /mnt/pins"]
    for name, what in pins.items():
        point = f"{'touch' if '/ns/' in what else 'mkdir'} /mnt/pins/{name}"
        make.append(f"{point} && mount --bind {what} /mnt/pins/{name}")
    await enrolled.node.run_as_root("sh", "-c", " && ".join(make))
    try:
        yield
    finally:
        places = " ".join(f"/mnt/pins/{name}" for name in pins)
        await enrolled.node.run_as_root("sh", "-c", f"umount {places} /mnt/pins && rmdir /mnt/pins")


async def started(
    stack: contextlib.AsyncExitStack, enrolled: Enrolled, tenant: Tenant, arguments: str
) -> asyncssh.SSHClientProcess[str]:
    """`hands.py`, run by a login in a session of its own."""
    credentials = enrolled.control.user_certificate(tenant.login)
    connection = await stack.enter_async_context(enrolled.control.login(enrolled.node, tenant.login, *credentials))
    return await connection.create_process(f"python3 -c {shlex.quote(HANDS)} {arguments}")


async def nobody_runs(enrolled: Enrolled, tenant: Tenant) -> None:
    """Wait until the login has no process any more."""
    deadline = asyncio.get_running_loop().time() + 20
    while (await enrolled.node.run_as_root("ps", "-o", "pid=", "-u", str(tenant.uid), check=False)).text:
        assert asyncio.get_running_loop().time() < deadline


def unclean(evidence: dict[str, Any]) -> list[str]:
    """The names of the checks that found something."""
    found = [check["name"] for check in evidence["checks"] if not check["clean"]]
    assert evidence["clean"] is (found == [])
    return found


def held(evidence: dict[str, Any]) -> dict[str, Any]:
    """The check of what is held."""
    found: dict[str, Any] = next(check for check in evidence["checks"] if check["name"] == "held")
    return found


class TestWhatAnotherHolds:
    async def test_of_any_kind_in_any_way_keeps_a_release_from_being_clean(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        wanted = [(kind, way) for way, kinds in WAYS.items() for kind in kinds]
        async with (
            opening(north, channel) as opened,
            keeping(north, opened, tenant.uid, wanted) as kept,
        ):
            evidence = await channel.ask("release", opened.tenant.subject, generation=2)
            named = {holder["pid"] for holder in held(evidence)["holders"]}
            assert [(one.kind, one.way) for one in kept if one.pid not in named] == []
            assert [one for one in held(evidence)["holders"] if one["login"] == "root"] == []
            assert {holder["login"] for holder in held(evidence)["holders"]} == {tenant.login}
        again = await channel.ask("release", opened.tenant.subject, generation=2)
        assert unclean(again) == []

    async def test_by_asking_to_be_told_of_it_is_nothing_that_has_anything_in_it(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        """An asynchronous request (io_submit) is in no table. The kernel lets it wait only for what stores nothing, and
        whoever waits hears of an event and gets neither data nor the descriptor. A socket holds its network, too."""
        await channel.ask("apply", tenant.desired(), generation=1)
        async with opening(north, channel) as opened:
            kinds = [kind for kind in KINDS if opened.kinds[kind] >= 0]
            asked = json.dumps([opened.pid, opened.kinds, tenant.uid, [[kind, "awaited"] for kind in kinds]])
            answer = json.loads((await north.node.run_as_root("python3", "-c", KEEPS, stdin=asked.encode())).text)
            try:
                refused = {kind for kind, _, _, said in answer if "Invalid argument" in said}
                assert refused | {kind for kind, _, _, said in answer if said == "kept"} == set(kinds)
                assert {*FILES, *FOLDERS, "terminal", "master of a terminal", "GPU"} <= refused
                assert {"ipc namespace", "mount namespace"} <= refused
                evidence = await channel.ask("release", opened.tenant.subject, generation=2)
                assert unclean(evidence) == ["network"]
            finally:
                pids = " ".join(str(pid) for _, _, pid, _ in answer)
                await north.node.run_as_root("sh", "-c", f"kill -KILL {pids} 2>/dev/null; true")
        assert unclean(await channel.ask("release", opened.tenant.subject, generation=2)) == []

    async def test_is_looked_for_until_it_is_gone(self, north: Enrolled, channel: Channel, tenant: Tenant) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        wanted = [(kind, "inherited") for kind in ("memory", "eventfd", "GPU", "ipc namespace")]
        async with opening(north, channel) as opened, keeping(north, opened, tenant.uid, wanted) as kept:
            subject = opened.tenant.subject
            for _ in range(2):
                evidence = await channel.ask("release", subject, generation=2)
                assert unclean(evidence) == ["held"]
                holders = {(one["pid"], one["login"], one["name"]) for one in held(evidence)["holders"]}
                assert holders == {(one.pid, tenant.login, "python3") for one in kept}
                assert tenant.login not in held(evidence)["detail"], "customers read this"
        assert unclean(await channel.ask("release", subject, generation=2)) == []

    async def test_of_a_neighbour_who_holds_nothing_is_no_matter(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        gpu = north.node.gpus[0].uuid
        await channel.ask("apply", tenant.desired(gpus=[gpu]), generation=1)
        async with (
            opening(north, channel) as opened,
            opening_beside(north, tenant, north.node.gpus[0].device),
            north.control.login(north.node, tenant.login, *north.control.user_certificate(tenant.login)) as connection,
        ):
            sending = await connection.create_process(f"python3 -c {shlex.quote(SENDS)}")
            assert await asyncio.wait_for(sending.stdout.readline(), 20) == "sent\n"
            evidence = await channel.ask("release", opened.tenant.subject, generation=2)
            assert (unclean(evidence), held(evidence)["holders"]) == ([], [])
            sending.stdin.write_eof()
            assert await asyncio.wait_for(sending.stdout.readline(), 20) == "received 2 after 300000 bytes\n"

    async def test_of_a_program_of_the_node_that_hides_only_its_own_is_no_matter(
        self, north: Enrolled, channel: Channel
    ) -> None:
        tenant, unit = Tenant(), "sends-and-waits"
        await channel.ask("apply", tenant.desired(), generation=1)
        program = f"sleep 600 | python3 -u -c {shlex.quote(SENDS)} > /run/sent"
        await north.node.run_as_root("systemd-run", "--quiet", "--unit", unit, "sh", "-c", program)
        try:
            wait = "for _ in $(seq 100); do grep -q sent /run/sent && exit 0; sleep 0.1; done; exit 1"
            await north.node.run_as_root("sh", "-c", wait)
            for _ in range(2):  # looked at once, some of it cannot be looked at in the same way again
                evidence = await channel.ask("release", tenant.subject, generation=2)
                assert (unclean(evidence), held(evidence)["holders"]) == ([], [])
        finally:
            await north.node.run_as_root("sh", "-c", f"systemctl stop {unit}; rm /run/sent")

    async def test_keeps_it_from_being_clean_when_the_two_hand_it_over_by_themselves(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        leaving, gpu = Tenant(), north.node.gpus[1]
        await channel.ask("apply", tenant.desired(), generation=1)
        await channel.ask("apply", leaving.desired(gpus=[gpu.uuid]), generation=1)
        # One of the places that a node's owner opened to all; no other is reached by both.
        await north.node.run_as_root("mkdir", "-p", "-m", "1777", "/var/crash")
        path = f"/var/crash/{leaving.login}"
        async with contextlib.AsyncExitStack() as stack:
            gives = await started(stack, north, leaving, f"give {path} {gpu.device}")
            assert await asyncio.wait_for(gives.stdout.readline(), 20) == "ready\n"
            takes = await started(stack, north, tenant, f"take {path}")
            assert await asyncio.wait_for(takes.stdout.readline(), 20) == "3\n"
            evidence = await channel.ask("release", leaving.subject, generation=2)
            assert {"held"} <= set(unclean(evidence)) <= {"home", "held"}, "where it can be, deleted homes are seen"
            kinds = {holder["what"].partition(" (")[0] for holder in held(evidence)["holders"]}
            assert kinds == {"a folder", "a piece of memory", "a GPU"}
            assert {holder["login"] for holder in held(evidence)["holders"]} == {tenant.login}
            takes.stdin.write_eof()
            await takes.wait()
        assert unclean(await channel.ask("release", leaving.subject, generation=2)) == []

    async def test_of_what_the_gpu_driver_has_for_all_is_told_from_what_it_opened_itself(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        shared, own = "/dev/nvidiactl", north.node.gpus[0]
        await north.node.run_as_root("sh", "-c", f"mknod -m 666 {shared} c 10 200 && head -c0 {shared}")
        try:
            await channel.ask("apply", tenant.desired(gpus=[own.uuid]), generation=1)
            async with opening(north, channel, device=shared) as opened, opening_beside(north, tenant, shared):
                subject = opened.tenant.subject
                async with keeping(north, opened, tenant.uid, [("GPU", "inherited")]) as [kept]:
                    evidence = await channel.ask("release", subject, generation=2)
                    [holder] = held(evidence)["holders"]
                    assert holder["pid"] == kept.pid
                    assert holder["what"].startswith("a device of the GPU driver")
                assert unclean(await channel.ask("release", subject, generation=2)) == []
        finally:
            await north.node.run_as_root("rm", shared)

    async def test_is_not_ended_where_that_would_end_somebody_elses_or_nobody_can_tell_what_it_is(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        unsure = [("memory", "not_accepted"), ("memory", "registered"), ("eventfd", "in_flight")]
        async with (
            opening(north, channel) as opened,
            keeping(north, opened, -tenant.uid, [("memory", "inherited")]) as in_part,
            keeping(north, opened, tenant.uid, unsure) as untold,
            keeping(north, opened, 0, [("GPU", "inherited"), ("memory", "mapped")]) as of_the_node,
        ):
            asked = {**opened.tenant.subject, "same_organization": [tenant.login]}
            evidence = await channel.ask("release", asked, generation=2)
            assert unclean(evidence) == ["held"]
            found = {(holder["pid"], holder["login"]) for holder in held(evidence)["holders"]}
            assert {(one.pid, "root") for one in of_the_node} <= found
            assert {pid for pid, _ in found} == {one.pid for one in (*in_part, *untold, *of_the_node)}
        assert unclean(await channel.ask("release", asked, generation=2)) == []

    async def test_is_ended_where_it_is_the_same_organizations(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        wanted = [("memory", "inherited"), ("GPU", "in_flight")]
        async with (
            opening(north, channel) as opened,
            opening_beside(north, tenant, "/dev/null") as other,
            keeping(north, opened, tenant.uid, wanted) as kept,
        ):
            asked = {**opened.tenant.subject, "same_organization": [tenant.login, Tenant().login]}
            evidence = await channel.ask("release", asked, generation=2)
            assert unclean(evidence) == []
            assert all(f"({one.pid}) of {tenant.login}" in held(evidence)["detail"] for one in kept)
            alive = await north.node.run_as_root("sh", "-c", f"ps -o pid= -u {tenant.uid}")
            pids = {int(pid) for pid in alive.text.split()}
            assert (other.pid in pids, {one.pid for one in kept} & pids) == (True, set())

    async def test_of_a_gpu_is_not_meant_where_the_node_opened_it_itself(
        self, north: Enrolled, channel: Channel
    ) -> None:
        gpu = north.node.gpus[1]
        unit = f"watches-{Tenant().login}"
        await north.node.run_as_root(
            *("systemd-run", "--quiet", "--unit", unit, "sh", "-c", f"exec 9<{gpu.device}; exec sleep 600")
        )
        try:
            async with opening(north, channel) as opened:
                assert unclean(await channel.ask("release", opened.tenant.subject, generation=2)) == []
        finally:
            await north.node.run_as_root("systemctl", "stop", unit)


class TestPins:
    async def test_of_what_is_stored_and_of_namespaces_keep_each_release_from_being_clean(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        wanted = [("mount namespace", "inherited"), ("mount namespace", "in_flight")]
        stored = Tenant()
        await channel.ask("apply", stored.desired(), generation=1)
        async with contextlib.AsyncExitStack() as stack:
            session = await stack.enter_async_context(contextlib.AsyncExitStack())
            logged_in = await stack.enter_async_context(opening(north, channel, card=0))
            logged_out = await session.enter_async_context(opening(north, channel))
            both = (logged_in, logged_out)
            kept = [await stack.enter_async_context(keeping(north, one, tenant.uid, wanted)) for one in both]
            # Not by a mount: some kernels refuse that for the one or other mount namespace.
            pins = {f"pin{number}": f"/proc/{one.pid}/ns/ipc" for number, one in enumerate(both)}
            pins["home"], pins["shm"] = f"/home/{stored.login}", f"/run/sublet/logins/{stored.login}/memory/shm"
            await stack.enter_async_context(pinning(north, **pins))
            await session.aclose()
            await nobody_runs(north, logged_out.tenant)
            # As an earlier version left it, or one that made the login's namespaces anew.
            its_own = " ".join(f"/run/sublet/pins/{kind}/{logged_out.tenant.login}" for kind in ("ipc", "mnt"))
            await north.node.run_as_root("sh", "-c", f"umount {its_own} && rm {its_own}")
            leaving = [*(one.tenant for one in both), stored]
            channels = [channel]
            for _ in leaving[1:]:  # each waits a while for what may be passing, so all at the same time
                channels.append(await stack.enter_async_context(north.control.protocol(north.node)))
            for _ in range(2):
                asked = [
                    through.ask("release", one.subject, generation=2)
                    for through, one in zip(channels, leaving, strict=True)
                ]
                *of_both, of_stored = await asyncio.gather(*asked)
                for evidence in (*of_both, of_stored):
                    assert {"held"} <= set(unclean(evidence)) <= {"home", "held"}, "where it can be, so are homes"
                for pin in ("home", "shm"):
                    assert f"a mount at /mnt/pins/{pin}" in held(of_stored)["detail"]
                for number, evidence in enumerate(of_both):
                    holders = {holder["pid"] for holder in held(evidence)["holders"]}
                    assert {one.pid for one in kept[number]} < holders
                    assert f"mounted at /mnt/pins/pin{number}" in held(evidence)["detail"]
        for one in leaving:
            assert unclean(await channel.ask("release", one.subject, generation=2)) == []
