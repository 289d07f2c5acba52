"""Every limit is proven by something that tries to break it."""

import asyncio
import json
import re
import socket
import time

import pytest

from tests.node.conftest import Enrolled
from tests.node.control_plane import Channel, Refused, Tenant

pytestmark = [pytest.mark.anyio, pytest.mark.node]


async def run_as(enrolled: Enrolled, tenant: Tenant, command: str, *, seconds: float = 60) -> tuple[str, int | None]:
    """Run a command as the customer, over SSH; its output with errors, and its exit status."""
    async with enrolled.control.login(
        enrolled.node, tenant.login, *enrolled.control.user_certificate(tenant.login)
    ) as connection:
        done = await asyncio.wait_for(connection.run(command), seconds)
        return f"{done.stdout!s}{done.stderr!s}", done.returncode


async def _machine(*argv: str) -> list[str]:
    """What a program on this machine, outside of all nodes, prints."""
    process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return output.decode().splitlines()


async def _oom_kills(channel: Channel, tenant: Tenant) -> int | None:
    """How many processes of the tenant the kernel has ended for want of memory, as the node says."""
    listed = (await channel.ask("observe"))["allocations"]
    count: int | None = next(one["oom_kills"] for one in listed if one["allocation"] == tenant.allocation)
    return count


class TestLimits:
    async def test_the_kernel_shows_what_was_asked_for(self, channel: Channel, tenant: Tenant) -> None:
        observed = await channel.ask("apply", tenant.desired(), generation=1)
        enforced = {entry["limit"]: entry["enforced"] for entry in observed["enforced"]}
        assert enforced == {"cpu": True, "memory": True, "tasks": True, "devices": True, "disk": True}

    async def test_limits_still_stand_when_nobody_is_logged_in(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        await run_as(north, tenant, "true")
        observed = await channel.ask("apply", tenant.desired(), generation=1)
        assert [entry["limit"] for entry in observed["enforced"] if not entry["enforced"]] == []

    async def test_a_memory_hog_is_killed(self, north: Enrolled, channel: Channel, tenant: Tenant) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        hog = "data = []\nfor size in range(1, 400):\n    data.append(b'x' * (1 << 20)); print(size, flush=True)"
        said, status = await run_as(north, tenant, f'python3 -c "{hog}"')
        reached = max(map(int, re.findall(r"^\d+$", said, re.MULTILINE)))
        assert status != 0
        assert 60 < reached < 128

    async def test_what_the_kernel_ends_for_want_of_memory_is_counted_once_each(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        counts = [await _oom_kills(channel, tenant)]
        certificate = north.control.user_certificate(tenant.login)
        # The session stays, as in a terminal: where each session has a count of its own, it would be gone with it.
        async with (
            north.control.login(north.node, tenant.login, *certificate) as ssh,
            ssh.create_process("while read -r line; do $line; echo ended; done") as shell,
        ):
            for _ in range(2):
                shell.stdin.write("python3 -Sc b'x'*(1<<29)\n")
                assert await shell.stdout.readline() == "ended\n"
                counts.append(await _oom_kills(channel, tenant))
            shell.stdin.write_eof()
        counts.append(await _oom_kills(channel, tenant))
        assert counts == [0, 1, 2, 2]

    async def test_a_fork_bomb_is_capped(self, north: Enrolled, channel: Channel, tenant: Tenant) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        bomb = (
            "import os,time\nmade = 0\ntry:\n    while made < 500:\n"
            "        if os.fork() == 0: time.sleep(60); os._exit(0)\n"
            "        made += 1\nexcept BlockingIOError as error: print(made, error.strerror)"
        )
        said, _ = await run_as(north, tenant, f'python3 -c "{bomb}" </dev/null >out 2>&1; read said <out; echo $said')
        usage = await channel.ask("usage")
        mine = next(entry for entry in usage["allocations"] if entry["allocation"] == tenant.allocation)
        assert "Resource temporarily unavailable" in said
        assert mine["tasks"] <= 48

    async def test_the_processor_is_throttled_to_the_quota(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        limits = {"cpu_percent": 20, "memory_mib": 128, "tasks_max": 48, "disk_gib": 1}
        await channel.ask("apply", tenant.desired(limits=limits), generation=1)
        burn = (
            "import time,os\nstart = time.monotonic()\nwhile time.monotonic() - start < 3: pass\n"
            "print(sum(os.times()[:2]) / (time.monotonic() - start))"
        )
        said, _ = await run_as(north, tenant, f'python3 -c "{burn}"')
        assert 0.05 < float(said) < 0.26

    async def test_another_gpu_is_refused_even_where_its_file_mode_would_let_in(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        mine, other = north.node.gpus[:2]
        await channel.ask("apply", tenant.desired(gpus=[mine.uuid]), generation=1)
        said, _ = await run_as(north, tenant, f"head -c0 {mine.device} && echo opened; head -c0 {other.device}")
        assert "opened" in said
        assert f"cannot open '{other.device}' for reading: Permission denied" in said
        await north.node.run_as_root("chmod", "666", other.device)
        try:
            said, status = await run_as(north, tenant, f"head -c0 {other.device}")
            assert status != 0
            assert "Operation not permitted" in said
        finally:
            await north.node.run_as_root("chmod", "660", other.device)

    async def test_gpus_stay_open_after_systemd_reloads(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        gpu = north.node.gpus[0]
        await channel.ask("apply", tenant.desired(gpus=[gpu.uuid]), generation=1)
        await north.node.run_as_root("systemctl", "daemon-reload")
        said, status = await run_as(north, tenant, f"head -c0 {gpu.device}")
        assert status == 0, said

    async def test_one_gpu_never_has_two_holders(self, north: Enrolled, channel: Channel, tenant: Tenant) -> None:
        gpu, other = north.node.gpus[0], Tenant()
        await channel.ask("apply", tenant.desired(gpus=[gpu.uuid]), generation=1)
        try:
            with pytest.raises(Refused) as refused:
                await channel.ask("apply", other.desired(gpus=[gpu.uuid]), generation=1)
        finally:
            await channel.ask("release", other.subject, generation=2)
        assert refused.value.code == "gpu_in_use"

    async def test_apply_is_quick(self, channel: Channel, tenant: Tenant) -> None:
        began = time.monotonic()
        await channel.ask("apply", tenant.desired(), generation=1)
        assert time.monotonic() - began < 2.0  # 0.1 s on an idle machine


class TestSubordinateIds:
    @pytest.mark.parametrize("file", ["/etc/subuid", "/etc/subgid"])
    async def test_are_never_given_to_an_allocation(self, north: Enrolled, channel: Channel, file: str) -> None:
        tenant = Tenant()
        before = (await north.node.run_as_root("cat", file)).stdout
        own = f"root:{tenant.uid - 5}:6\nother:{tenant.uid + 1}:65536\n# a comment\n".encode()
        await north.node.write_file(file, before + own)
        try:
            with pytest.raises(Refused) as refused:
                await channel.ask("apply", tenant.desired(), generation=1)
            assert refused.value.code == "uid_not_available"
        finally:
            await north.node.write_file(file, before)
        await channel.ask("apply", tenant.desired(), generation=2)
        assert (await channel.ask("release", tenant.subject, generation=3))["clean"] is True


class TestFirewall:
    async def test_an_address_that_nobody_reaches_does_not_count_as_refused(
        self, north: Enrolled, channel: Channel
    ) -> None:
        file, lost = "/etc/sublet/node.json", "203.0.113.7"
        enrolled = (await north.node.run_as_root("cat", file)).stdout
        await north.node.write_file(file, json.dumps({**json.loads(enrolled), "deny": [lost]}).encode())
        await north.node.run_as_root("ip", "route", "add", "unreachable", lost)
        try:
            found = {entry["name"]: entry for entry in (await channel.ask("probe"))["capabilities"]}
        finally:
            await north.node.run_as_root("ip", "route", "del", "unreachable", lost)
            await north.node.write_file(file, enrolled)
        assert found["network_deny"]["enforced"] is False
        assert "no rule" in found["network_deny"]["detail"]
        again = {entry["name"]: entry["enforced"] for entry in (await channel.ask("probe"))["capabilities"]}
        assert again["network_deny"] is True

    async def test_neighbours_and_gateways_are_out_of_reach_by_every_version_of_ip(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        gateway = (await north.node.run_as_root("ip", "route", "show", "default")).text.split()[2]
        cable = next(line for line in await _machine("ip", "-o", "addr", "show") if f" {gateway}/" in line).split()[1]
        [link_local] = [
            word.partition("/")[0]
            for line in await _machine("ip", "-6", "-o", "addr", "show", "dev", cable)
            for word in line.split()
            if word.startswith("fe80:")
        ]
        index = socket.if_nametoindex(cable)
        six = socket.socket(socket.AF_INET6)
        with six, socket.create_server((gateway, 0)) as four:
            six.bind((link_local, 0, 0, index))
            six.listen()
            reach = "".join(
                f"timeout 3 bash -c 'exec 3<>/dev/tcp/{host}/{port}' 2>/dev/null && echo {host} reached; "
                for host, port in ((f"{link_local}%eth0", six.getsockname()[1]), (gateway, four.getsockname()[1]))
            )
            everything = f"{link_local}%eth0 reached\n{gateway} reached"
            async with asyncio.timeout(10):  # an address of version 6 is not in use at once
                while (await north.node.run_as_root("bash", "-c", f"{reach} true")).text != everything:
                    await asyncio.sleep(0.05)
            assert await run_as(north, tenant, f"{reach} true") == ("", 0)

    async def test_a_gateway_that_came_later_is_out_of_reach_from_the_next_apply_on(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        later = ("via", "192.0.2.1", "dev", "eth0", "onlink", "metric", "9")
        await north.node.run_as_root("ip", "route", "add", "default", *later)
        try:
            await channel.ask("apply", tenant.desired(), generation=1)
            rules = (await north.node.run_as_root("nft", "list", "table", "inet", "sublet")).text
        finally:
            await north.node.run_as_root("ip", "route", "del", "default", *later)
        assert 'iifname "sblt*" ip daddr 192.0.2.1 reject' in rules
        await channel.ask("apply", tenant.desired(), generation=1)
        rules = (await north.node.run_as_root("nft", "list", "table", "inet", "sublet")).text
        assert "192.0.2.1" not in rules


class TestBoot:
    async def test_denies_addresses_although_the_gpus_cannot_be_listed(self, north: Enrolled, channel: Channel) -> None:
        await north.node.run_as_root("nft", "delete", "table", "inet", "sublet")
        await north.node.write_file("/usr/local/bin/nvidia-smi", b"#!/bin/sh\nexit 9\n", mode=0o755)
        try:
            done = await north.node.run_as_root("/usr/local/sbin/sublet-node", "boot", check=False)
        finally:
            await north.node.run_as_root("rm", "/usr/local/bin/nvidia-smi")
        assert done.status == 1
        assert b"nvidia-smi" in done.stderr
        assert (await _capabilities(channel))["network_deny"]

    async def test_denies_what_it_did_when_names_cannot_be_resolved_yet(
        self, north: Enrolled, channel: Channel
    ) -> None:
        place = "/etc/sublet/node.json"
        before = (await north.node.run_as_root("cat", place)).stdout
        named = {**json.loads(before), "deny": ["control.sublet.invalid:443"]}
        await north.node.run_as_root("nft", "delete", "table", "inet", "sublet")
        await north.node.write_file(place, json.dumps(named).encode())
        try:
            done = await north.node.run_as_root("/usr/local/sbin/sublet-node", "boot", check=False)
        finally:
            await north.node.write_file(place, before)
        assert done.status == 1
        assert b"control.sublet.invalid" in done.stderr
        assert (await _capabilities(channel))["network_deny"]


async def _capabilities(channel: Channel) -> dict[str, bool]:
    return {entry["name"]: entry["enforced"] for entry in (await channel.ask("probe"))["capabilities"]}
