"""A release proves that nothing computes on the GPUs which the allocation held."""

import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from tests.node.conftest import Enrolled
from tests.node.control_plane import Channel, Refused, Tenant

pytestmark = [pytest.mark.anyio, pytest.mark.node]

RECORDED = Path(__file__).parent / "recorded_gpus"
SAMPLES = "/usr/local/share/sublet-demo/nvidia-smi.json"


@asynccontextmanager
async def sampled(enrolled: Enrolled, index: int, sample: dict[str, str]) -> AsyncIterator[str]:
    """One of the node's GPUs, of which nvidia-smi says this as long as the block lasts."""
    before = (await enrolled.node.run_as_root("cat", SAMPLES)).stdout
    changed = json.loads(before)
    changed["gpus"][index] |= sample
    await enrolled.node.write_file(SAMPLES, json.dumps(changed).encode())
    try:
        yield enrolled.node.gpus[index].uuid
    finally:
        await enrolled.node.write_file(SAMPLES, before)


def busy_first_gpu(enrolled: Enrolled) -> AbstractAsyncContextManager[str]:
    """The node's first GPU, with memory in use."""
    return sampled(enrolled, 0, {"memory.used": "21000"})


class TestReleaseOfGpus:
    async def test_a_busy_one_is_not_clean(self, north: Enrolled, channel: Channel) -> None:
        tenant = Tenant()
        async with busy_first_gpu(north) as gpu:
            await channel.ask("apply", tenant.desired(gpus=[gpu]), generation=1)
            evidence = await channel.ask("release", tenant.subject, generation=2)
        assert evidence["clean"] is False
        assert [check["name"] for check in evidence["checks"] if not check["clean"]] == ["gpu"]
        assert (await channel.ask("release", tenant.subject, generation=3))["clean"] is True

    async def test_does_not_mind_what_runs_on_one_that_another_has_by_now(
        self, north: Enrolled, channel: Channel
    ) -> None:
        tenant, after = Tenant(), Tenant()
        async with busy_first_gpu(north) as gpu:
            await channel.ask("apply", tenant.desired(gpus=[gpu]), generation=1)
            assert (await channel.ask("release", tenant.subject, generation=2))["clean"] is False
            await channel.ask("apply", after.desired(gpus=[gpu]), generation=1)
            await north.node.run_as_root("/usr/local/sbin/sublet-node", "boot")
            acl = (await north.node.run_as_root("getfacl", "-npc", north.node.gpus[0].device)).text
            assert f"user:{after.uid}:rw-" in acl
            assert (await channel.ask("release", tenant.subject, generation=2))["clean"] is True
        assert (await channel.ask("release", after.subject, generation=2))["clean"] is True

    async def test_one_that_has_to_be_reset_first_is_not_clean(self, north: Enrolled, channel: Channel) -> None:
        tenant = Tenant()
        async with sampled(north, 0, {"gpu_recovery_action": "Reset"}) as gpu:
            await channel.ask("apply", tenant.desired(gpus=[gpu]), generation=1)
            evidence = await channel.ask("release", tenant.subject, generation=2)
        [left] = [check for check in evidence["checks"] if not check["clean"]]
        assert (left["name"], "has to be recovered first (reset)" in left["detail"]) == ("gpu", True)
        assert (await channel.ask("release", tenant.subject, generation=3))["clean"] is True

    async def test_one_that_is_lost_holds_up_no_other(self, north: Enrolled, channel: Channel) -> None:
        tenant, other = Tenant(), Tenant()
        gone, well = north.node.gpus[0].uuid, north.node.gpus[1].uuid
        await channel.ask("apply", tenant.desired(gpus=[gone]), generation=1)
        log = (RECORDED / "kernel.log").read_bytes().replace(b"0000:af:00", b"0000:01:00")
        await north.node.write_file("/dev/kmsg", log)
        async with sampled(north, 0, {"lost": "yes"}), north.control.protocol(north.node) as later:
            seen = (await later.ask("observe"))["gpus"]
            assert {card["uuid"]: card["answers"] for card in seen["cards"]} == {gone: False, well: True}
            fell = next(one for one in seen["xids"] if one["xid"] == 79)
            assert (fell["uuid"], fell["text"].endswith("GPU has fallen off the bus.")) == (gone, True)
            await channel.ask("apply", other.desired(gpus=[well]), generation=1)
            assert (await channel.ask("release", other.subject, generation=2))["clean"] is True
            evidence = await channel.ask("release", tenant.subject, generation=2)
            assert [check["name"] for check in evidence["checks"] if not check["clean"]] == ["gpu"]
            assert str(tenant.uid) not in (await north.node.run_as_root("getfacl", "-npc", "/dev/nvidia0")).text
        await north.node.run_as_root("rm", "/dev/kmsg")
        assert (await channel.ask("release", tenant.subject, generation=3))["clean"] is True

    async def test_what_has_none_starts_without_nvidia_smi_but_is_not_clean_without_it(
        self, north: Enrolled, channel: Channel
    ) -> None:
        tenant = Tenant()
        await north.node.write_file("/usr/local/bin/nvidia-smi", b"#!/bin/sh\nexit 9\n", mode=0o755)
        try:
            await north.node.run_as_root("setfacl", "-m", f"u:{tenant.uid}:rw", "/dev/nvidia0")
            await channel.ask("apply", tenant.desired(), generation=1)
            assert str(tenant.uid) not in (await north.node.run_as_root("getfacl", "-npc", "/dev/nvidia0")).text
            with pytest.raises(Refused) as refused:
                await channel.ask("release", tenant.subject, generation=2)
            assert refused.value.retryable
        finally:
            await north.node.run_as_root("rm", "/usr/local/bin/nvidia-smi")
        assert (await channel.ask("release", tenant.subject, generation=3))["clean"] is True
