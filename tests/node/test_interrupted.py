"""A command that comes late, or is cut off in the middle: nothing is changed, or a repetition finishes it."""

import json

import pytest

from tests.node.conftest import Enrolled
from tests.node.control_plane import Channel, Refused, Tenant
from tests.node.test_limits import run_as

pytestmark = [pytest.mark.anyio, pytest.mark.node]


class TestFencing:
    async def test_a_late_command_changes_nothing(self, north: Enrolled, channel: Channel, tenant: Tenant) -> None:
        await channel.ask("apply", tenant.desired(), generation=5)
        for verb, params in (("apply", tenant.desired(state="suspended")), ("release", tenant.subject)):
            with pytest.raises(Refused) as refused:
                await channel.ask(verb, params, generation=4)
            assert refused.value.code == "stale_generation"
        assert await run_as(north, tenant, "true") == ("", 0)

    async def test_holds_on_another_channel_and_after_release(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        await channel.ask("apply", tenant.desired(), generation=5)
        await channel.ask("release", tenant.subject, generation=6)
        async with north.control.protocol(north.node) as another:
            for generation in (5, 6):
                with pytest.raises(Refused) as refused:
                    await another.ask("apply", tenant.desired(), generation=generation)
                assert refused.value.code == "stale_generation"
            assert (await another.ask("apply", tenant.desired(), generation=7))["login_open"] is True

    async def test_another_uid_for_the_same_allocation_is_refused(self, channel: Channel, tenant: Tenant) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        with pytest.raises(Refused) as refused:
            await channel.ask("apply", {**tenant.desired(), "uid": tenant.uid + 1}, generation=2)
        assert refused.value.code == "identity_mismatch"


class TestDeathInTheMiddle:
    @pytest.mark.parametrize("milliseconds", [5, 15, 30, 45, 60, 80, 110])
    async def test_apply_and_release_are_finished_by_a_repetition(
        self, north: Enrolled, channel: Channel, milliseconds: int
    ) -> None:
        tenant = Tenant()
        gpu = north.node.gpus[1].uuid
        await _die_after(north, tenant, "apply", tenant.desired(gpus=[gpu]), 1, milliseconds / 1000)
        observed = await channel.ask("apply", tenant.desired(gpus=[gpu]), generation=1)
        assert [entry["limit"] for entry in observed["enforced"] if not entry["enforced"]] == []
        assert await run_as(north, tenant, "test -f .profile && pwd") == (f"/home/{tenant.login}\n", 0)
        await _die_after(north, tenant, "release", tenant.subject, 2, milliseconds / 1000)
        evidence = await channel.ask("release", tenant.subject, generation=2)
        orphans = await north.node.run_as_root("pgrep", "-P", "1", "-f", "sublet-node", check=False)
        assert orphans.text == ""
        assert [check for check in evidence["checks"] if not check["clean"]] == []

    async def test_after_a_power_loss_the_repetition_brings_everything_back(
        self, pair: tuple[Enrolled, Enrolled]
    ) -> None:
        south, tenant = pair[1], Tenant()
        async with south.control.protocol(south.node) as channel:
            before = await channel.ask("apply", tenant.desired(gpus=[south.node.gpus[0].uuid]), generation=1)
            await run_as(south, tenant, "echo kept > note; sync")
        await south.node.kill_power()
        await south.node.start()
        asked = "cat note; echo x > /dev/shm/x; grep MemTotal /proc/meminfo | tr -s ' '"
        assert await run_as(south, tenant, asked) == ("kept\nMemTotal: 131072 kB\n", 0)
        async with south.control.protocol(south.node) as channel:
            seen = await channel.ask("observe")
            assert seen["boot_id"] != before["boot_id"]
            capabilities = {entry["name"]: entry["enforced"] for entry in (await channel.ask("probe"))["capabilities"]}
            assert capabilities["network_deny"]
            after = await channel.ask("apply", tenant.desired(gpus=[south.node.gpus[0].uuid]), generation=1)
            assert [entry["limit"] for entry in after["enforced"] if not entry["enforced"]] == []
            assert await run_as(south, tenant, f"cat note; head -c0 {south.node.gpus[0].device}") == ("kept\n", 0)
            assert (await channel.ask("release", tenant.subject, generation=2))["clean"] is True


async def _die_after(
    enrolled: Enrolled, tenant: Tenant, verb: str, params: dict[str, object], generation: int, seconds: float
) -> None:
    """Start a command on the node and kill its process with -9 after a moment."""
    request = json.dumps({"id": "doomed", "version": 1, "verb": verb, "generation": generation, "params": params})
    script = (
        "import os,signal,subprocess,sys,time\n"
        "p=subprocess.Popen(['/usr/local/sbin/sublet-node','rpc'],stdin=subprocess.PIPE,stdout=subprocess.PIPE)\n"
        "p.stdin.write(b'{}\\n'); p.stdin.flush(); p.stdout.readline()\n"  # it is up now
        f"p.stdin.write(sys.stdin.buffer.read()); p.stdin.flush(); time.sleep({seconds})\n"
        "os.kill(p.pid, signal.SIGKILL); p.wait()"
    )
    await enrolled.node.run_as_root("python3", "-c", script, stdin=request.encode() + b"\n")
